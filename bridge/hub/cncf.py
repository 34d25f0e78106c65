"""The rules of the CloudEvents core specification for one event, each with its checklist id.

The strict reader lets no event pass that breaks one of them; `rules.py` runs them in every mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.hub import syntax
from bridge.hub.event import Absent, Event
from bridge.hub.json import pointer

INTEGER_MIN: Final = -(2**31)
INTEGER_MAX: Final = 2**31 - 1
MAX_NAME: Final = 20

_NON_EMPTY: Final = ("correlationid", "causationid", "traceparent", "tracestate", "sequence", "partitionkey")
_CLASSIFICATION: Final = ("dataclassification", "dataregulation", "datacategory")
_TIMESTAMPS: Final = ("expirytime", "recordedtime")
RULE_OF: Final = {
    "specversion": "SOH-01",
    "id": "SOH-02",
    "source": "SOH-06",
    "type": "SOH-10",
    "subject": "SOH-21",
    "time": "SOH-14",
    "datacontenttype": "SOH-18",
    "dataschema": "SOH-19",
    "dataref": "SOH-40",
    **dict.fromkeys((*_NON_EMPTY, *_CLASSIFICATION), "SOH-38"),
    **dict.fromkeys(_TIMESTAMPS, "SOH-42"),
}
"""The attributes whose value must be a string, each with the rule that says so."""


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule says about an event. `where` is a JSON pointer; the text never holds content."""

    rule: str
    level: Level
    where: str
    text: str


def check_core(event: Event) -> tuple[Finding, ...]:
    """What the core specification says about the event; empty is good."""
    return tuple(finding for rule in _RULES for finding in rule(event))


def name_faults(name: str) -> Iterator[Finding]:
    """What the core specification says about the name of an attribute."""
    where = pointer("", name)
    if name == "data" or not syntax.is_attribute_name(name):
        yield error("SOH-24", where, "the name of an attribute is one or more of a-z and 0-9, and not data")
    elif len(name) > MAX_NAME:
        yield warning("SOH-24", where, f"the name is longer than {MAX_NAME} characters")
    elif name[0].isdigit():
        yield warning("SOH-24", where, "the name starts with a digit")


def error(rule: str, where: str, text: str) -> Finding:
    return Finding(rule=rule, level=Level.ERROR, where=where, text=text)


def warning(rule: str, where: str, text: str) -> Finding:
    return Finding(rule=rule, level=Level.WARNING, where=where, text=text)


def _specversion(event: Event) -> Iterator[Finding]:
    if "specversion" not in event.attributes:
        yield error("SOH-01", "/specversion", "the attribute is missing")
    elif event.attributes["specversion"] != "1.0":
        yield error("SOH-01", "/specversion", 'the only version is the text "1.0"')


def _id(event: Event) -> Iterator[Finding]:
    yield from _required(event, "id", "SOH-02")


def _source(event: Event) -> Iterator[Finding]:
    yield from _required(event, "source", "SOH-06")
    if event.source and not syntax.is_uri_reference(event.source):
        yield error("SOH-06", "/source", "not a URI-reference (RFC 3986)")


def _type(event: Event) -> Iterator[Finding]:
    yield from _required(event, "type", "SOH-10")


def _subject(event: Event) -> Iterator[Finding]:
    if event.attributes.get("subject") == "":
        yield error("SOH-21", "/subject", "an attribute that is there may not be empty")


def _time(event: Event) -> Iterator[Finding]:
    text = event.attributes.get("time")
    if isinstance(text, str) and syntax.parse_timestamp(text) is None:
        yield error("SOH-14", "/time", "not an RFC 3339 date-time with seconds and offset")


def _datacontenttype(event: Event) -> Iterator[Finding]:
    text = event.attributes.get("datacontenttype")
    if isinstance(text, str) and not syntax.is_media_type(text):
        yield error("SOH-18", "/datacontenttype", "not a media type (RFC 2046)")


def _dataschema(event: Event) -> Iterator[Finding]:
    text = event.attributes.get("dataschema")
    if isinstance(text, str) and not syntax.is_absolute_uri(text):
        yield error("SOH-19", "/dataschema", "not an absolute URI")


def _names(event: Event) -> Iterator[Finding]:
    for name in event.attributes:
        yield from name_faults(name)


def _values(event: Event) -> Iterator[Finding]:
    for name, value in event.attributes.items():
        if name in RULE_OF and not isinstance(value, str):
            where = pointer("", name)
            yield error("SOH-25", where, "the value must be a string")
            if name in ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema"):
                # The other rules look at the type of the value themselves.
                yield error(RULE_OF[name], where, "the value must be a string")
        elif isinstance(value, str):
            if not syntax.is_attribute_text(value):
                yield error("SOH-25", pointer("", name), "the value holds a character that is not allowed")
        elif not isinstance(value, bool) and not INTEGER_MIN <= value <= INTEGER_MAX:
            yield error("SOH-25", pointer("", name), "the number does not fit in 32 bits")


def _non_empty_extensions(event: Event) -> Iterator[Finding]:
    for name in (*_NON_EMPTY, *_CLASSIFICATION):
        if name in event.attributes and (not event.attributes[name] or not _is_text(event, name)):
            yield error("SOH-38", pointer("", name), "the extension must be a non-empty string")


def _dataref(event: Event) -> Iterator[Finding]:
    if "dataref" in event.attributes:
        value = event.attributes["dataref"]
        if not isinstance(value, str) or not syntax.is_uri_reference(value):
            yield error("SOH-40", "/dataref", "not a URI-reference (RFC 3986)")


def _timestamp_extensions(event: Event) -> Iterator[Finding]:
    for name in _TIMESTAMPS:
        value = event.attributes.get(name)
        if value is not None and (not isinstance(value, str) or syntax.parse_timestamp(value) is None):
            yield error("SOH-42", pointer("", name), "not an RFC 3339 date-time with seconds and offset")


def _text_data(event: Event) -> Iterator[Finding]:
    media = event.datacontenttype
    if media is None or event.holds_json or event.data_base64 is not None or not syntax.is_media_type(media):
        return
    if not isinstance(event.data, str | Absent) and event.data is not None:
        yield error("SOH-30", "/data", "data of a media type that is not JSON is a string or octets")


def _required(event: Event, name: str, rule: str) -> Iterator[Finding]:
    if name not in event.attributes:
        yield error(rule, pointer("", name), "the attribute is missing")
    elif event.attributes[name] == "":
        yield error(rule, pointer("", name), "the attribute may not be empty")


def _is_text(event: Event, name: str) -> bool:
    return isinstance(event.attributes[name], str)


_RULES: Final[tuple[Callable[[Event], Iterator[Finding]], ...]] = (
    _specversion,
    _id,
    _source,
    _type,
    _subject,
    _time,
    _datacontenttype,
    _dataschema,
    _names,
    _values,
    _non_empty_extensions,
    _dataref,
    _timestamp_extensions,
    _text_data,
)
