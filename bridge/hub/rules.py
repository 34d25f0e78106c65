"""The rules of NL GOV and SOH for the envelope, each a small function in a table with its id and its levels.

A rule gives pairs of a JSON pointer and a sentence. Its level is that of the mode; None: it does not hold
there. What may be looser on arrival is a warning there: the event is kept and flagged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

from bridge.hub import syntax
from bridge.hub.bsn import holds_bsn
from bridge.hub.cncf import Level
from bridge.hub.event import (
    CORE_ATTRIBUTES,
    JSON_LD,
    Absent,
    AttributeValue,
    Event,
    to_members,
    write_structured,
)
from bridge.hub.eventtypes import EventType, Payload
from bridge.hub.json import Json, pointer
from bridge.hub.prov import Graph, read_graph

if TYPE_CHECKING:
    from bridge.hub.profile import Profile

Says: TypeAlias = Iterator[tuple[str, str]]

_COUNTERS: Final = ("sequence",)
_TECHNICAL: Final = ("specversion", "traceparent", "tracestate")
_LEVELS: Final = ("notification", "restricted", "full")
_PERSONAL: Final = ("bsn", "leeftijd")
_BARE_OIN = re.compile(r"urn:nld:oin:[0-9]{20}", re.IGNORECASE)
_MELDINGEN: Final = frozenset(
    f"uitwisselen-melding.melding-{name}" for name in ("geregistreerd", "ingezien", "opgepakt")
)


class Mode(StrEnum):
    """As what an event is judged."""

    CNCF = "cncf"
    PUBLISH = "publish"
    RECEIVE = "receive"


@dataclass(frozen=True, kw_only=True)
class Context:
    """One event under judgment."""

    event: Event
    mode: Mode
    profile: Profile

    @cached_property
    def type(self) -> EventType | None:
        return self.profile.find_type(self.event.type)

    @cached_property
    def data(self) -> dict[str, Json] | None:
        """The data when it is a JSON object."""
        data = self.event.data
        return data if isinstance(data, dict) and self.event.holds_json else None

    @cached_property
    def has_graph(self) -> bool:
        """Whether a graph is demanded, or is there to judge."""
        if self.type is None or self.type.payload is Payload.PLAIN or self.data is None:
            return False
        if self.type.payload is Payload.MELDING:
            # The published Melding profile knows no graph; the bridge writes one beside its members.
            return "@graph" in self.data or "@context" in self.data
        return True

    @cached_property
    def graph(self) -> Graph:
        return read_graph(self.data, vocabulary=self.profile.vocabulary) if self.has_graph else Graph()

    @cached_property
    def names_persons(self) -> bool:
        """Whether the event is at the level at which persons are named; without levels every event is."""
        return self.event.extension("informatieniveau") in (None, "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    id: str
    check: Callable[[Context], Says]
    publish: Level | None = Level.ERROR
    receive: Level | None = Level.ERROR


def _is_nld_source(context: Context) -> Says:
    # Scheme and namespace of a URN may be written in any case (RFC 8141, section 3.1).
    if context.event.source and not context.event.source.lower().startswith("urn:nld:"):
        yield "/source", "NL GOV asks for a URN of the namespace nld"


def _source_names_system(context: Context) -> Says:
    if _BARE_OIN.fullmatch(context.event.source):
        yield "/source", "the source names an organisation and its system, not the organisation alone"


def _source_is_no_link(context: Context) -> Says:
    source = context.event.source
    links = {context.event.extension("dataref"), *_inzage_urls(context)}
    if source and source in links:
        yield "/source", "the source names a producer; a link to the data goes into dataref"


def _id_is_uuid(context: Context) -> Says:
    if context.event.id and syntax.uuid_version(context.event.id.removeprefix("urn:uuid:")) is None:
        yield "/id", "SOH asks for a UUID, version 4 preferred"


def _type_form(context: Context) -> Says:
    if context.event.type and not syntax.is_event_type(context.event.type):
        yield "/type", "the form is <samenwerkfunctie>.<gebeurtenis>: lower case, one dot, no version"


def _type_is_listed(context: Context) -> Says:
    if context.type is None and syntax.is_event_type(context.event.type):
        yield "/type", "the type is not on the list of the configuration"


def _type_is_known(context: Context) -> Says:
    if context.type is None and syntax.is_event_type(context.event.type):
        yield "/type", "the type is not on the list; the event is kept and delivered to no one"


def _time_is_there(context: Context) -> Says:
    if "time" not in context.event.attributes:
        yield "/time", "the moment of the fact is missing"


def _time_is_utc(context: Context) -> Says:
    time = context.event.time
    if time and syntax.parse_timestamp(time) is not None and not syntax.is_utc_timestamp(time):
        yield "/time", "the time is not in UTC (Z or +00:00)"


def _json_ld_is_declared(context: Context) -> Says:
    media = context.event.datacontenttype
    if context.data is not None and "@graph" in context.data and syntax.media_type_of(media or "") != JSON_LD:
        yield "/datacontenttype", f"a JSON-LD payload is declared as {JSON_LD}"


def _data_satisfies_schema(context: Context) -> Says:
    for where in context.profile.schemas.check(context.event):
        yield where, "the data does not satisfy the schema that dataschema names"


def _schema_is_here(context: Context) -> Says:
    if context.profile.schemas.misses(context.event):
        yield "/dataschema", "the registry has not given this schema, so the data is not judged by it"


def _subject_is_not_id(context: Context) -> Says:
    if context.event.subject and context.event.subject == context.event.id:
        yield "/subject", "the subject identifies the object, not the event"


def _subject_is_there(context: Context) -> Says:
    if context.type is not None and context.event.subject is None and context.type.subject_prefix != "":
        yield "/subject", "an event about one object names it in its subject"


def _subject_form(context: Context) -> Says:
    subject, kind = context.event.subject, context.type
    if subject is None or kind is None:
        return
    if kind.subject_prefix:
        rest = subject.removeprefix(kind.subject_prefix)
        if rest == subject or not rest or "/" in rest:
            yield "/subject", f"the subject of this type is {kind.subject_prefix}<id>"
    elif kind.subject_prefix is None and subject not in {node.id for node in context.graph.entities}:
        yield "/subject", "the subject of this type is the @id of an Entity in the graph"


def _melding_subject(context: Context) -> Says:
    if context.event.type in _MELDINGEN:
        yield from _subject_is_there(context)
        yield from _subject_form(context)


def _data_is_object(context: Context) -> Says:
    event = context.event
    if event.data_base64 is not None:
        yield "/data_base64", "the hub takes data as a JSON object only"
    elif isinstance(event.data, Absent):
        yield "/data", "the data is missing"
    elif context.data is None:
        yield "/data", "the hub takes data as a JSON object only"


def _no_bsn_in_attributes(context: Context) -> Says:
    for name, value in context.event.attributes.items():
        is_named = name not in _TECHNICAL and holds_bsn(_text_to_search(name, value))
        if is_named or holds_bsn(name):
            yield pointer("", name), "the attribute holds a BSN"


def _no_bsn_in_addresses(context: Context) -> Says:
    for where, text in _addresses(context.event):
        if holds_bsn(text):
            yield where, "an identifier or address in the data holds a BSN"


def _size_for_the_wire(context: Context) -> Says:
    limit = context.profile.max_publish
    if _size_of(context.event) > limit:
        yield "", f"the event is larger than {limit} octets; what is larger stays behind as resource"


def _size_on_arrival(context: Context) -> Says:
    limit = context.profile.max_receive
    if _size_of(context.event) > limit:
        yield "", f"the event is larger than {limit} octets"


def _size_of(event: Event) -> int:
    try:
        return len(write_structured(event))
    except ValueError:
        # It holds what JSON cannot hold, of which the reader has spoken already.
        return 0


def _traceparent_form(context: Context) -> Says:
    value = context.event.extension("traceparent")
    if isinstance(value, str) and value and not syntax.is_traceparent(value):
        yield "/traceparent", "not a traceparent of W3C Trace Context"


def _expiry_after_time(context: Context) -> Says:
    expiry, time = context.event.extension("expirytime"), context.event.time
    if isinstance(expiry, str) and time:
        end, start = syntax.parse_timestamp(expiry), syntax.parse_timestamp(time)
        if end and start and end < start:
            yield "/expirytime", "the event expires before it happened"


def _level_label(context: Context) -> Says:
    level = context.event.extension("informatieniveau")
    if level is not None and level not in _LEVELS:
        yield "/informatieniveau", f"one of {', '.join(_LEVELS)}"
    if context.event.extension("eventfamilie") == "":
        yield "/eventfamilie", "an event family that is there has a name"


def _level_names_no_person(context: Context) -> Says:
    if context.names_persons or context.event.extension("informatieniveau") not in _LEVELS:
        return
    for node in context.graph.betrokkenen:
        yield node.where, "at this level an event names no person"
    for name in _PERSONAL:
        if context.data is not None and name in context.data:
            yield pointer("/data", name), "at this level an event says nothing about a person"


def _is_deprecated(context: Context) -> Says:
    if context.event.extension("deprecated") in (True, "true"):
        yield "/deprecated", "the producer says that this event is deprecated"


def _inzage_urls(context: Context) -> set[str | None]:
    names = context.profile.vocabulary.properties
    whole = {node.text(names["inzage_url"]) for node in context.graph.nodes}
    parts = (
        (node.text(names["inzage_endpoint"]), node.text(names["inzage_path"])) for node in context.graph.nodes
    )
    return whole | {f"{endpoint}{path}" for endpoint, path in parts if endpoint and path}


def _text_to_search(name: str, value: AttributeValue) -> str:
    if isinstance(value, bool):
        return ""
    text = str(value)
    if name in _COUNTERS and text.isdigit() and text.startswith("0000"):
        return ""
    is_moment = name not in CORE_ATTRIBUTES or name == "time"
    return "" if is_moment and syntax.parse_timestamp(text) is not None else text


def _addresses(event: Event) -> Iterator[tuple[str, str]]:
    """Every string of the data that is an address or an identifier by its form or its name."""
    waiting: list[tuple[str, str, Json]] = [("/data", "", to_members(event).get("data"))]
    while waiting:
        where, name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(pointer(where, key), key, item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(pointer(where, i), name, item) for i, item in enumerate(value)]
        elif isinstance(value, str) and _is_address(name, value):
            yield where, value


def _is_address(name: str, text: str) -> bool:
    # A dataref or an inzagePad need not begin with a scheme.
    by_name = name == "@id" or name.lower().endswith(("url", "uri", "pad", "endpoint", "referentie"))
    return by_name or text.lower().startswith(("http:", "https:", "urn:"))


_WARN: Final = Level.WARNING

ENVELOPE_RULES: Final[tuple[Rule, ...]] = (
    Rule(id="SOH-07", check=_source_names_system, publish=_WARN, receive=_WARN),
    Rule(id="SOH-08", check=_is_nld_source, publish=_WARN, receive=_WARN),
    Rule(id="SOH-09", check=_source_is_no_link, receive=_WARN),
    Rule(id="SOH-03", check=_id_is_uuid, publish=_WARN, receive=_WARN),
    Rule(id="SOH-10", check=_type_form),
    Rule(id="SOH-11", check=_type_is_listed, receive=None),
    Rule(id="SOH-12", check=_type_is_known, publish=None, receive=_WARN),
    Rule(id="SOH-13", check=_time_is_there),
    Rule(id="SOH-15", check=_time_is_utc),
    Rule(id="SOH-18", check=_json_ld_is_declared, receive=_WARN),
    Rule(id="SOH-20", check=_data_satisfies_schema),
    Rule(id="SOH-87", check=_schema_is_here, publish=_WARN, receive=_WARN),
    Rule(id="SOH-21", check=_subject_is_not_id),
    Rule(id="SOH-21", check=_subject_is_there, receive=_WARN),
    Rule(id="SOH-22", check=_subject_form, receive=_WARN),
    Rule(id="SOH-63", check=_melding_subject, receive=_WARN),
    Rule(id="SOH-23", check=_data_is_object),
    Rule(id="SOH-32", check=_no_bsn_in_attributes, receive=None),
    Rule(id="SOH-32", check=_no_bsn_in_addresses, receive=None),
    Rule(id="SOH-33", check=_no_bsn_in_attributes, publish=None, receive=_WARN),
    Rule(id="SOH-33", check=_no_bsn_in_addresses, publish=None, receive=_WARN),
    Rule(id="SOH-34", check=_size_for_the_wire, receive=None),
    Rule(id="SOH-35", check=_size_on_arrival, publish=None),
    Rule(id="SOH-39", check=_traceparent_form, receive=_WARN),
    Rule(id="SOH-43", check=_expiry_after_time, publish=_WARN, receive=_WARN),
    Rule(id="SOH-44", check=_level_label, receive=_WARN),
    Rule(id="SOH-44", check=_level_names_no_person, receive=_WARN),
    Rule(id="CE-deprecation", check=_is_deprecated, publish=_WARN, receive=_WARN),
)
