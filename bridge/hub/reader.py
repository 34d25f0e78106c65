"""The strict reader of events: it stands before everything else, repairs nothing and invents nothing.

`read_` functions give an event that obeys the core specification, or raise EventRejected with every fault.
`inspect_` functions give the same as a value, for checkers that go on with what could be read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bridge.errors import Broken, EventRejected
from bridge.hub import headers as http
from bridge.hub import syntax
from bridge.hub.bsn import safe_where
from bridge.hub.cncf import RULE_OF, Level, check_core, name_faults
from bridge.hub.event import ABSENT, Absent, AttributeValue, Event, is_json_media
from bridge.hub.json import (
    MAX_DEPTH,
    MAX_FAULTS,
    MAX_OCTETS,
    Json,
    load_json,
    parse_json,
    pointer,
    write_json,
)

Headers = Sequence[tuple[str, str]]

_DATA_MEMBERS: Final = ("data", "data_base64")
_TEXT_CHARSETS: Final = (None, "utf-8", "us-ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in octets, nesting in levels. An intermediary must take events of 64 KiB."""

    event: int = MAX_OCTETS
    batch: int = 8 * 1024 * 1024
    depth: int = MAX_DEPTH
    whole_floats: bool = False
    """Whether the number 2.0 is the integer 2, as JSON Schema has it. CloudEvents writes no fraction."""


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What could be read of an event, and every rule of reading that it breaks."""

    event: Event | None
    """None when nothing could be read; else it may lack attributes that `broken` speaks of."""
    broken: tuple[Broken, ...] = ()
    status: int = 400

    def event_or_raise(self) -> Event:
        """The event. Raises EventRejected when a rule is broken."""
        if self.broken or self.event is None:
            raise EventRejected(self.broken, status=self.status)
        return self.event


class MemberRejected(EventRejected):
    """A member of a batch that is set aside; `octets` is its JSON, for the evidence (never for a log)."""

    def __init__(self, broken: Sequence[Broken], member: Json, *, status: int = 400) -> None:
        super().__init__(broken, status=status)
        # Escaped and with NaN allowed, so that a member of any kind can be kept.
        self.octets = json.dumps(member).encode("ascii")


def read_structured(body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Event:
    """One event in JSON. Raises EventRejected with every broken rule."""
    return inspect_structured(body, limits=limits).event_or_raise()


def read_batch(body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Event | EventRejected, ...]:
    """The members of a JSON batch in their order, each by itself an event or why it is none (MemberRejected).

    Raises EventRejected when the body is no batch at all, or when its members differ in `specversion`.
    """
    parsed = parse_json(body, max_octets=limits.batch, max_depth=limits.depth + 1)
    if not isinstance(parsed.value, list):
        raise _one("SOH-104", "", "a batch is a JSON array")
    versions = {str(member.get("specversion")) for member in parsed.value if isinstance(member, dict)}
    if len(versions) > 1:
        raise _one("SOH-104", "", "all events of a batch have the same specversion")
    return read_members(parsed.value, faults=parsed.faults, limits=limits)


def read_members(
    members: Sequence[Json],
    *,
    faults: Sequence[Broken] = (),
    at: str = "",
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Event | EventRejected, ...]:
    """As `read_batch`, for an array that stands at the pointer `at` of a body with these `faults` in it."""
    inspected = [
        _inspect_of_batch(member, pointer(at, i), faults, limits) for i, member in enumerate(members)
    ]
    return tuple(_settle(one, member) for one, member in zip(inspected, members, strict=True))


def read_http(headers: Headers, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Event:
    """One event from an HTTP request, structured or binary by its Content-Type alone (HTTP binding, 3).

    Raises EventRejected: status 415 for a pushed batch or a format that we do not know, 413 for a body that
    is too large, else 400.
    """
    return inspect_http(headers, body, limits=limits).event_or_raise()


def inspect_structured(body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Inspected:
    """One event in JSON, as far as it can be read."""
    try:
        parsed = parse_json(body, max_octets=limits.event, max_depth=limits.depth)
    except EventRejected as rejected:
        return Inspected(event=None, broken=rejected.broken, status=rejected.status)
    inspected = inspect_member(parsed.value, whole_floats=limits.whole_floats)
    if not parsed.faults:
        return inspected
    seen = {fault.where for fault in parsed.faults}
    others = (fault for fault in inspected.broken if fault.where not in seen)
    return replace(inspected, broken=(*parsed.faults, *others))


def inspect_http(headers: Headers, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Inspected:
    """One event from an HTTP request, as far as it can be read."""
    if len(body) > limits.event:
        return _nothing("SOH-35", "", f"the body is larger than {limits.event} octets", status=413)
    types = [value.strip() for name, value in headers if name.lower() == "content-type"]
    if len(types) > 1:
        return _nothing("SOH-99", "Content-Type", "the header occurs more than once")
    content_type = types[0] if types else None
    media = (content_type or "").lower()
    if media.startswith("application/cloudevents-batch"):
        return _nothing("SOH-104", "Content-Type", "a batch is not taken here; offer one event", status=415)
    if media.startswith("application/cloudevents"):
        return _inspect_structured_http(media, body, limits)
    return _inspect_binary(headers, content_type, body, limits)


def inspect_member(member: Json, *, at: str = "", whole_floats: bool = False) -> Inspected:
    """One JSON value as an event. Pointers start at `at`."""
    if not isinstance(member, dict):
        return _nothing("SOH-28", at, "an event is a JSON object")
    attributes: dict[str, AttributeValue] = {}
    broken: list[Broken] = []
    for name, value in member.items():
        if name in _DATA_MEMBERS or value is None:
            continue
        if isinstance(value, bool | int | str):
            attributes[name] = value
        elif whole_floats and isinstance(value, float) and value.is_integer():
            attributes[name] = int(value)
        else:
            broken += _not_a_value(name, value, pointer(at, name))
    data, octets, faults = _data_of(member, at)
    event = Event(attributes=attributes, data=data, data_base64=octets)
    return _judge(event, [*broken, *faults], at=at)


def _not_a_value(name: str, value: Json, where: str) -> list[Broken]:
    """Every rule that an attribute breaks which has no value of the type system."""
    kind = "a number with a fraction or exponent" if isinstance(value, float) else "an array or an object"
    broken = [Broken(rule="SOH-25", where=where, text=f"the value of an attribute is not {kind}")]
    if name in RULE_OF:
        broken.append(Broken(rule=RULE_OF[name], where=where, text="the value must be a string"))
    names = (fault for fault in name_faults(name) if fault.level is Level.ERROR)
    return broken + [Broken(rule=fault.rule, where=where, text=fault.text) for fault in names]


def _inspect_of_batch(member: Json, at: str, faults: Sequence[Broken], limits: Limits) -> Inspected:
    own = tuple(fault for fault in faults if f"{fault.where}/".startswith(f"{at}/"))
    if own:
        return Inspected(event=None, broken=own)
    inspected = inspect_member(member, at=at)
    if inspected.event is not None and len(write_json(member)) > limits.event:
        return _nothing("SOH-35", at, f"the event is larger than {limits.event} octets", status=413)
    return inspected


def _inspect_structured_http(media: str, body: bytes, limits: Limits) -> Inspected:
    if syntax.media_type_of(media) != "application/cloudevents+json":
        return _nothing("SOH-100", "Content-Type", "the only event format taken is +json", status=415)
    if syntax.charset_of(media) not in (None, "utf-8"):
        text = "JSON is UTF-8; no other charset is taken"
        rules = ("SOH-100", "SOH-28")
        broken = tuple(Broken(rule=rule, where="Content-Type", text=text) for rule in rules)
        return Inspected(event=None, broken=broken, status=415)
    return inspect_structured(body, limits=limits)


def _inspect_binary(headers: Headers, content_type: str | None, body: bytes, limits: Limits) -> Inspected:
    found = http.read_attributes(headers)
    if not found.any:
        # A media type that could have held an event by itself gets the reason, another one the status for it.
        plain_json = content_type is not None and is_json_media(content_type)
        text = "no CloudEvent: neither its media type nor ce- headers are there"
        return _nothing("SOH-99", "Content-Type", text, status=400 if plain_json else 415)
    attributes = dict(found.attributes)
    broken = list(found.broken)
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    data, octets = _binary_data(content_type, body, limits, broken)
    return _judge(Event(attributes=attributes, data=data, data_base64=octets), broken, at="")


def _binary_data(
    content_type: str | None, body: bytes, limits: Limits, broken: list[Broken]
) -> tuple[Json | Absent, bytes | None]:
    if not body:
        return ABSENT, None
    if content_type is not None and is_json_media(content_type):
        try:
            return load_json(body, max_octets=limits.event, max_depth=limits.depth), None
        except EventRejected as rejected:
            broken += [Broken(rule="SOH-101", where=f"/data{b.where}", text=b.text) for b in rejected.broken]
            return ABSENT, None
    if content_type is not None and _is_plain_text(content_type):
        try:
            return body.decode("utf-8"), None
        except UnicodeDecodeError:
            return ABSENT, body
    return ABSENT, body


def _is_plain_text(content_type: str) -> bool:
    is_text = syntax.media_type_of(content_type).startswith("text/")
    return is_text and syntax.charset_of(content_type) in _TEXT_CHARSETS


def _data_of(member: dict[str, Json], at: str) -> tuple[Json | Absent, bytes | None, list[Broken]]:
    encoded = member.get("data_base64")
    if encoded is None:
        return member.get("data", ABSENT), None, []
    where = pointer(at, "data_base64")
    if "data" in member:
        return ABSENT, None, [Broken(rule="SOH-29", where=where, text="data and data_base64 stand together")]
    if not isinstance(encoded, str):
        return ABSENT, None, [Broken(rule="SOH-29", where=where, text="the value must be a string")]
    try:
        return ABSENT, base64.b64decode(encoded.encode("ascii"), validate=True), []
    except (binascii.Error, UnicodeEncodeError):
        return ABSENT, None, [Broken(rule="SOH-29", where=where, text="not base64 (RFC 4648)")]


def _judge(event: Event, broken: list[Broken], *, at: str) -> Inspected:
    """Add what the core rules say, but not twice about a member that could not be read."""
    unread = {fault.where for fault in broken}
    core = (
        Broken(rule=finding.rule, where=at + finding.where, text=finding.text)
        for finding in check_core(event)
        if finding.level is Level.ERROR and at + finding.where not in unread
    )
    found = (*broken, *core)[:MAX_FAULTS]
    return Inspected(
        event=event, broken=tuple(replace(fault, where=safe_where(fault.where)) for fault in found)
    )


def _settle(inspected: Inspected, member: Json) -> Event | EventRejected:
    if inspected.broken or inspected.event is None:
        return MemberRejected(inspected.broken, member, status=inspected.status)
    return inspected.event


def _nothing(rule: str, where: str, text: str, *, status: int = 400) -> Inspected:
    return Inspected(event=None, broken=(Broken(rule=rule, where=where, text=text),), status=status)


def _one(rule: str, where: str, text: str) -> EventRejected:
    return EventRejected([Broken(rule=rule, where=where, text=text)])
