"""A mapping file as values that know their line; what may stand in it is the table `KEYS`.

The table is the one truth: the reader checks against it, the JSON Schema for editors and the reference page are made
from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.mapping.diagnostics import Span
from bridge.mapping.yamltree import Scalar, Table, Tree


class Direction(StrEnum):
    TO_EVENT = "to-event"
    TO_XML = "to-xml"
    BOTH = "both"

    @property
    def reads(self) -> bool:
        return self is not Direction.TO_XML

    @property
    def writes(self) -> bool:
        return self is not Direction.TO_EVENT


class Fate(StrEnum):
    """How a message fared, so far as its sender is told in a technical answer."""

    HANDLED = "handled"
    """Every event of it ended well."""
    REFUSED = "refused"
    """The hub refuses what it says."""
    REJECTED = "rejected"
    """It cannot be mapped or passed on, and a person refused it for good."""
    REUSED = "reused"
    """Its sender used its reference number before, for another message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    doc: str
    kind: str = "text"
    """text, number, yes, texts (one or a list), table, names (a table of anything), tree."""
    of: str = ""
    """Which part of `KEYS` describes the entries of a table."""
    required: bool = False
    example: str = ""


KEYS: dict[str, dict[str, Key]] = {
    "mapping file": {
        "mapping": Key(doc="The name, unique in the set: small letters, digits and hyphens.", required=True),
        "version": Key(
            doc="A whole number; raise it when the meaning changes.", kind="number", required=True
        ),
        "title": Key(doc="What a person reads in lists, per language.", kind="names", required=True),
        "direction": Key(doc="`to-event`, `to-xml` or `both`.", required=True),
        "match": Key(doc="What it takes.", kind="table", of="match", required=True),
        "lists": Key(
            doc="Code lists: the name used in rows and the file, from the folder of the mapping.",
            kind="names",
        ),
        "needs": Key(doc="What is fetched before a message is composed.", kind="table", of="needs"),
        "resource": Key(doc="The full data that stays behind.", kind="table", of="resource"),
        "rows": Key(
            doc="The values. Each row has a name and says where its value stands on both sides.", kind="rows"
        ),
        "each": Key(doc="Groups that repeat.", kind="eaches"),
        "graph": Key(doc="The nodes of the PROV-JSONLD graph.", kind="nodes"),
        "events": Key(doc="The events that a message gives.", kind="events"),
        "reference": Key(
            doc="The number by which its sender names the message, and uses once.",
            kind="table",
            of="reference",
        ),
        "answers": Key(
            doc="Which technical answer goes back to the sender, and when: each names a mapping with `answer:`.",
            kind="table",
            of="answers",
        ),
        "answer": Key(
            doc="For a technical answer: no event, but what it says of which message.",
            kind="table",
            of="answer",
        ),
        "drop": Key(
            doc="Places that are left out, each with the reason. `/*` takes all below.", kind="names"
        ),
    },
    "match": {
        "xml": Key(doc="The message.", kind="table", of="match xml", required=True),
        "event": Key(doc="The events that are answered to.", kind="table", of="match event"),
    },
    "match xml": {
        "root": Key(
            doc="The root element, with the prefix of the standard.",
            required=True,
            example="jz:vtMeldingDi01",
        ),
        "service": Key(doc="Only under this ebMS service."),
        "action": Key(doc="Only under this ebMS action."),
        "cpa": Key(doc="Only under this agreement."),
    },
    "match event": {"type": Key(doc="One event type, or a list.", kind="texts", required=True)},
    "needs": {
        "resource": Key(
            doc="`yes`: without the full data the message waits. `when-there`: it is used if it can be had."
        ),
        "ref": Key(doc="`yes` or `when-there`: the earlier exchange about the same subject."),
    },
    "resource": {
        "type": Key(doc="The kind of resource, as it stands in the inzage URL.", required=True),
        "key": Key(
            doc="The business key, of rows. The id is made of it.", required=True, example="{melding}"
        ),
        "owner": Key(doc="Whose data it is: `header/from` (default) or `header/to`."),
    },
    "row": {
        "xml": Key(doc="The place in the message.", example="jz:object/jz:datumMelding"),
        "header": Key(
            doc="Instead of xml, on writing: service, action, conversationId, refToMessageId or to."
        ),
        "resource": Key(doc="The place in the resource."),
        "const": Key(doc="A fixed text: written; on reading checked."),
        "from": Key(
            doc="Written from one of these, the first that has a value.", kind="texts", example="self/oin"
        ),
        "gen": Key(doc="Written with something new: `uuid` or `reference(n)`."),
        "calc": Key(doc="A value of other rows.", example="age(geboren datum)"),
        "text": Key(doc="A text with rows in it.", example="melding/{melding}"),
        "xpath": Key(doc="Read by any XPath 1.0; never written."),
        "as": Key(
            doc="The conversion; several are joined by `|`, from XML to JSON.", example="trim | stuf-date"
        ),
        "missing": Key(doc="What happens when there is no value.", example="nil(waardeOnbekend)"),
        "invalid": Key(
            doc="`error`: a value that cannot be read rejects the message, also where no event needs it.",
            example="error",
        ),
        "level": Key(doc="The lowest information level that may see it: 0, 1 or 2.", kind="number"),
        "because": Key(doc="Why it may be seen lower than its privacy class or its inputs allow."),
        "when": Key(doc="Only then.", kind="tree"),
        "repeat": Key(doc="The element may stand more than once: the JSON value is a list.", kind="yes"),
        "remember": Key(doc="Kept with the exchange, so that a later message can be tied to it.", kind="yes"),
        "read": Key(doc="What differs when reading.", kind="table", of="row"),
        "write": Key(doc="What differs when writing.", kind="table", of="row"),
    },
    "each": {
        "xml": Key(doc="The element that repeats.", required=True),
        "resource": Key(doc="The list in the resource.", required=True),
        "missing": Key(doc="What is written for an empty list: omit, error or nil(reason)."),
        "when": Key(doc="On writing: only the items for which this holds.", kind="tree"),
        "unique": Key(doc="The row that tells the items apart: no two may have the same value."),
        "level": Key(doc="The lowest information level that may see that there are items.", kind="number"),
        "rows": Key(doc="The rows, with places from the element that repeats.", kind="rows"),
        "each": Key(doc="Groups that repeat inside it.", kind="eaches"),
    },
    "node": {
        "id": Key(
            doc="`entity`, `entity(type row owner)`, `activity`, `person(row)` or `agent(place)`.",
            required=True,
        ),
        "class": Key(doc="A class of the vocabulary.", required=True),
        "each": Key(doc="One node for each item of this group; a group inside a group is `outer/inner`."),
        "when": Key(doc="Only then.", kind="tree"),
    },
    "event": {
        "type": Key(doc="The event type.", required=True),
        "subject": Key(doc="The subject, a text with rows in it.", required=True),
        "each": Key(doc="One event for each item of this group; rows and nodes are then those of the item."),
        "time": Key(
            doc="Rows that say when it happened, the first that has a value; else the time of the message.",
            kind="texts",
        ),
        "nodes": Key(doc="The nodes of the graph in the event.", kind="texts", required=True),
        "members": Key(doc="Members beside the graph that the profile of this type names.", kind="names"),
        "when": Key(doc="Only then.", kind="tree"),
        "family": Key(doc="Name of the event family, when levels are switched on."),
        "levels": Key(doc="The nodes per level, when levels are switched on.", kind="names"),
    },
    "reference": {
        "number": Key(doc="The row with the reference number; it is remembered.", required=True),
        "within": Key(
            doc="Rows that tell whose number it is, beside the party that delivered it: a relay delivers for many.",
            kind="texts",
        ),
    },
    "answers": {
        Fate.HANDLED: Key(doc="When every event of the message ended well at the hub.", example="bv01"),
        Fate.REFUSED: Key(
            doc="When the hub refuses what an event says (a functional error).", example="fo01"
        ),
        Fate.REJECTED: Key(
            doc="When a person refuses it for good: it could not be mapped, or not be passed on.",
            example="fo01",
        ),
        Fate.REUSED: Key(
            doc="When its reference number was used before for another message.", example="fo03"
        ),
    },
    "answer": {
        "about": Key(doc="The row with the reference number of the message that is answered.", required=True),
        "outcome": Key(doc="`accepted`, `forwarded`, `handled` or `refused`.", required=True),
    },
}


class MissingKind(StrEnum):
    OMIT = "omit"
    ERROR = "error"
    NIL = "nil"
    DEFAULT = "default"
    ROW = "row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    kind: MissingKind
    arg: str = ""
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource:
    """A row as it was written for one direction, after `read:` or `write:` was laid over it."""

    keys: Mapping[str, Tree]

    def text(self, name: str) -> Scalar | None:
        value = self.keys.get(name)
        return value if isinstance(value, Scalar) else None

    def texts(self, name: str) -> tuple[Scalar, ...]:
        value = self.keys.get(name)
        if isinstance(value, Scalar):
            return (value,)
        items = getattr(value, "items", ())
        return (
            tuple(item for item in items if isinstance(item, Scalar)) if not isinstance(value, Table) else ()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowModel:
    id: str
    span: Span
    read: RowSource
    write: RowSource


@dataclass(frozen=True, slots=True, kw_only=True)
class EachModel:
    id: str
    span: Span
    xml: Scalar
    resource: Scalar
    missing: Scalar | None
    level: Scalar | None
    unique: Scalar | None
    when: Tree | None
    rows: tuple[RowModel, ...]
    each: tuple[EachModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeModel:
    id: str
    span: Span
    id_form: Scalar
    class_: Scalar
    each: Scalar | None
    when: Tree | None
    properties: tuple[tuple[Scalar, Scalar], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventModel:
    span: Span
    type: Scalar
    subject: Scalar
    each: Scalar | None
    time: tuple[Scalar, ...]
    nodes: tuple[Scalar, ...]
    members: tuple[tuple[Scalar, Scalar], ...]
    when: Tree | None
    family: Scalar | None
    levels: tuple[tuple[Scalar, tuple[Scalar, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingModel:
    """One mapping file, read but not yet compiled."""

    file: str
    name: Scalar
    version: int
    title: Mapping[str, str]
    direction: Direction
    direction_span: Span
    root: Scalar
    service: str | None
    action: str | None
    cpa: str | None
    event_types: tuple[Scalar, ...]
    lists: tuple[tuple[Scalar, Scalar], ...] = ()
    needs_resource: Scalar | None = None
    needs_ref: Scalar | None = None
    resource_type: Scalar | None = None
    resource_key: Scalar | None = None
    resource_owner: Scalar | None = None
    rows: tuple[RowModel, ...] = ()
    each: tuple[EachModel, ...] = ()
    graph: tuple[NodeModel, ...] = ()
    events: tuple[EventModel, ...] = ()
    reference_number: Scalar | None = None
    reference_within: tuple[Scalar, ...] = ()
    answers: tuple[tuple[Fate, Scalar], ...] = ()
    answer_about: Scalar | None = None
    answer_outcome: Scalar | None = None
    drop: tuple[tuple[Scalar, str], ...] = field(default=())
