"""MIME header fields, read and written (RFC 2045, 2047, 2183, 2392).

What comes in is judged as a hostile text: bounded, without control characters, and only the fields that
ebMS needs. A file name is metadata for people, never a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import Header, decode_header, make_header
from urllib.parse import quote, unquote

from bridge.errors import SoapFault

MAX_WRITTEN_LINE = 900
"""core's MIME reader stops at about 1000 characters per header line."""

_MAX_VALUE = 4096
_MAX_NAME = 255
_MAX_TEXT = 900
_SINGLE = frozenset(
    {"content-type", "content-id", "content-transfer-encoding", "content-disposition", "content-description"}
)
_PARAMETER = re.compile(r'[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"[ \t]*|([^;"]*))(?:;|$)')
_NEEDS_QUOTES = re.compile(r"[][()<>@,:/?={}\s]")
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_FIELD_NAME = re.compile(r"[!-9;-~]+")
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A Content-Type: `essence` (`text/xml`) and parameter names in lower case, values as they came."""

    essence: str
    parameters: dict[str, str] = field(default_factory=dict)
    bare: frozenset[str] = frozenset()
    """Names of parameters that came without the quotes that their value needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHead:
    """The header fields of one part that matter. `content_id` is without angle brackets, or empty."""

    content_type: str
    essence: str
    charset: str | None = None
    content_id: str = ""
    encoding: str = "binary"
    filename: str | None = None
    description: str | None = None


def bad_mime(reason: str) -> SoapFault:
    """The fault for a package that does not hold together."""
    return SoapFault(f"The MIME package cannot be read: {reason}.")


def parse_media_type(value: str) -> MediaType:
    """A Content-Type value. Of two equal parameters the first counts. Raises ValueError."""
    if len(value) > _MAX_VALUE:
        raise ValueError("too long for a media type")
    essence, _, rest = value.partition(";")
    essence = essence.strip().lower()
    if not _TYPE.fullmatch(essence):
        raise ValueError("not a media type")
    found = list(_parameters(rest))
    names = [name for name, _, _ in found]
    if names.count("boundary") > 1:
        raise ValueError("two boundaries")
    return MediaType(
        essence=essence,
        parameters={name: text for name, text, _ in reversed(found)},
        bare=frozenset(name for name, _, is_bare in found if is_bare),
    )


def read_part_head(lines: Sequence[bytes], note: Callable[[str], None]) -> PartHead:
    """The fields of a part from its header lines, without line ends. Raises SoapFault."""
    fields = _fields(lines, note)
    content_type = fields.get("content-type", "")
    try:
        media_type = parse_media_type(content_type)
    except ValueError:
        note("a part has no usable Content-Type; it is taken as octets")
        content_type, media_type = _OCTETS, MediaType(essence=_OCTETS)
    content_id = fields.get("content-id", "")
    if not content_id:
        note("a part has no Content-ID")
    elif not is_bracketed(content_id):
        note("a Content-ID has no angle brackets")
    return PartHead(
        content_type=content_type,
        essence=media_type.essence,
        charset=media_type.parameters.get("charset") or None,
        content_id=without_brackets(content_id),
        encoding=fields.get("content-transfer-encoding", "").lower() or "binary",
        filename=_read_filename(fields.get("content-disposition", "")),
        description=_read_words(fields.get("content-description", "")),
    )


def is_bracketed(content_id: str) -> bool:
    return content_id.startswith("<") and content_id.endswith(">")


def without_brackets(content_id: str) -> str:
    return content_id[1:-1].strip() if is_bracketed(content_id) else content_id


def unfold(value: str) -> str:
    """A field value that came with its line folds still in it."""
    return re.sub(r"\r?\n[ \t]+", " ", value)


def is_writable_type(value: str) -> bool:
    """Whether a Content-Type may be written: a media type in printable ASCII on a short line."""
    return len(value) < MAX_WRITTEN_LINE - 20 and value.isascii() and value.isprintable() and _is_type(value)


def write_filename(name: str) -> str:
    """The file name parameter of a Content-Disposition, percent-encoded where it is not plain (RFC 5987)."""
    if name.isascii() and name.isprintable():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'filename="{escaped}"'
    return f"filename*=UTF-8''{quote(name, safe='')}"


def write_words(text: str) -> str:
    """Free text for a header field, as encoded words where it is not plain (RFC 2047)."""
    if text.isascii() and text.isprintable() and "=?" not in text and text == text.strip():
        return text
    return Header(text, "utf-8", maxlinelen=MAX_WRITTEN_LINE * 4).encode(linesep="")


def _is_type(value: str) -> bool:
    return bool(_TYPE.fullmatch(value.partition(";")[0].strip()))


def _fields(lines: Sequence[bytes], note: Callable[[str], None]) -> dict[str, str]:
    """Fields unfolded, by lower-case name; one that matters must not come twice."""
    fields: dict[str, str] = {}
    for line in _unfolded(lines):
        spelled, colon, value = line.partition(":")
        spelled = spelled.rstrip(" \t")
        name = spelled.lower()
        if not colon or not _FIELD_NAME.fullmatch(name):
            raise bad_mime("a header line of a part has no field name")
        if name in fields and name in _SINGLE:
            raise bad_mime(f"a part has two {name} headers")
        if name == "content-id" and spelled != "Content-ID":
            note("Content-ID is spelled in another case")
        fields[name] = value.strip(" \t")
    return fields


def _unfolded(lines: Sequence[bytes]) -> Iterator[str]:
    current: list[str] = []
    for line in lines:
        text = _decode(line)
        if text[:1] in (" ", "\t"):
            if not current:
                raise bad_mime("the headers of a part begin with a continuation line")
            current.append(text.lstrip(" \t"))
            continue
        if current:
            yield " ".join(current)
        current = [text]
    if current:
        yield " ".join(current)


def _decode(line: bytes) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    if _CONTROL.search(text):
        raise bad_mime("a header line of a part holds a control character")
    return text


def _parameters(rest: str) -> Iterator[tuple[str, str, bool]]:
    """Name in lower case, value, and whether it lacks quotes that it needs. Garbage between is skipped."""
    at = 0
    while at < len(rest):
        found = _PARAMETER.match(rest, at)
        if not found:
            semicolon = rest.find(";", at)
            at = semicolon + 1 if semicolon >= 0 else len(rest)
            continue
        at = found.end()
        if found[2] is not None:
            yield found[1].lower(), re.sub(r"\\(.)", r"\1", found[2]), False
        else:
            text = found[3].strip()
            yield found[1].lower(), text, bool(_NEEDS_QUOTES.search(text))


def _read_filename(disposition: str) -> str | None:
    """The file name, for show only; core writes `null` when it has none."""
    rest = disposition[:_MAX_VALUE].partition(";")[2]
    parameters = {name: text for name, text, _ in _parameters(rest)}
    name = parameters.get("filename", "")
    charset, _, extended = parameters.get("filename*", "").partition("'")
    if charset.lower() == "utf-8":
        name = unquote(extended.partition("'")[2])
    name = _CONTROL.sub("", name)[:_MAX_NAME]
    return None if name in ("", "null") else name


def _read_words(text: str) -> str | None:
    """Encoded words decoded; a text that does not decode stays as it came."""
    text = text[: MAX_WRITTEN_LINE * 4]
    try:
        decoded = str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        decoded = text
    clean = _CONTROL.sub("", decoded).encode("utf-8", "replace").decode("utf-8")
    return clean[:_MAX_TEXT] or None
