"""The small grammars that events lean on: URI, media type, timestamp, attribute name and text, trace context.

Each `is_` function is one grammar; nothing here knows an event.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_NONCHARACTERS = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")
_NAME = re.compile(r"[a-z0-9]+")
_UNRESERVED = r"A-Za-z0-9\-._~!$&'()*+,;="
_PERCENT = "%[0-9A-Fa-f]{2}"
_NO_COLON = f"(?:[{_UNRESERVED}@]|{_PERCENT})"
_PCHAR = f"(?:[{_UNRESERVED}:@]|{_PERCENT})"
_REG_NAME = f"(?:[{_UNRESERVED}]|{_PERCENT})"
_IP_LITERAL = rf"\[(?:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|[vV][0-9A-Fa-f]+\.[{_UNRESERVED}:]+)\]"
_AUTHORITY = rf"(?:(?:{_REG_NAME}|:)*@)?(?:{_IP_LITERAL}|{_REG_NAME}*)(?::[0-9]*)?"
_ROOTED = f"//{_AUTHORITY}(?:/{_PCHAR}*)*|/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?"
_TAIL = rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
URI: Final = rf"[A-Za-z][A-Za-z0-9+\-.]*:(?:{_ROOTED}|{_PCHAR}+(?:/{_PCHAR}*)*)?{_TAIL}"
URI_REFERENCE: Final = f"(?:{URI}|(?:{_ROOTED}|{_NO_COLON}+(?:/{_PCHAR}*)*)?{_TAIL})"
"""RFC 3986 section 4.1, but for the empty text; without what only some dialects of regular expressions know."""
_URI = re.compile(URI)
_URI_REFERENCE = re.compile(URI_REFERENCE)
_MIME_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[\t -~])*"'
_MEDIA_TYPE = re.compile(
    rf"{_MIME_NAME}/{_MIME_NAME}(?:[ \t]*;[ \t]*{_MIME_NAME}=(?:{_MIME_NAME}|{_QUOTED}))*"
)
_CHARSET = re.compile(r";[ \t]*charset=\"?([^\";\s]+)", re.IGNORECASE)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII
)
_TYPE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION_TAIL = re.compile(r"[-.]v[0-9]+\Z")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def is_attribute_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def is_attribute_text(text: str) -> bool:
    """No control characters, noncharacters or lone surrogates (core specification, Type System)."""
    return _FORBIDDEN.search(text) is None


def is_uri_reference(text: str) -> bool:
    """RFC 3986 section 4.1, non-empty. A relative reference has no colon in its first segment."""
    return bool(text) and _URI_REFERENCE.fullmatch(text) is not None


def is_absolute_uri(text: str) -> bool:
    """A URI with a scheme and something after it; a fragment may follow."""
    return _URI.fullmatch(text) is not None and text.index(":") < len(text) - 1


def is_media_type(text: str) -> bool:
    """RFC 2046 type and subtype with any parameters."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def media_type_of(text: str) -> str:
    """Type and subtype in lower case, without parameters."""
    return text.partition(";")[0].strip().lower()


def charset_of(text: str) -> str | None:
    """The charset parameter of a media type, in lower case."""
    found = _CHARSET.search(text)
    return found.group(1).lower() if found else None


def parse_timestamp(text: str) -> datetime | None:
    """The moment of an RFC 3339 date-time in UTC, cut to microseconds; None when it is none.

    A leap second is read as the second after it. `-00:00` is an unknown offset and read as UTC.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    leap = second == 60
    try:
        offset = _offset(match.group(8))
        micros = int((match.group(7) or "")[:6].ljust(6, "0"))
        local = datetime(year, month, day, hour, minute, 59 if leap else second, micros, tzinfo=UTC)
        moment = local - offset + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        return None
    return None if leap and (moment.second, moment.minute) != (0, 0) else moment


def is_utc_timestamp(text: str) -> bool:
    """Whether a valid timestamp is written with offset zero (`Z` or `+00:00`)."""
    return text[-1:] in ("Z", "z") or text.endswith("+00:00")


def is_traceparent(text: str) -> bool:
    """W3C Trace Context, section 3.2."""
    if _TRACEPARENT.fullmatch(text) is None:
        return False
    return len(text) == 55 or not text.startswith("00")


def is_event_type(text: str) -> bool:
    """`<samenwerkfunctie>.<gebeurtenis>`: lower case, one dot, words joined by hyphens, no version tail."""
    return _TYPE.fullmatch(text) is not None and _VERSION_TAIL.search(text) is None


def uuid_version(text: str) -> int | None:
    """The version digit of a UUID text; None when it is no UUID."""
    match = _UUID.fullmatch(text)
    return int(match.group(1), 16) if match else None


def _offset(text: str) -> timedelta:
    if text in ("Z", "z"):
        return timedelta()
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError("offset out of range")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if text[0] == "-" else offset
