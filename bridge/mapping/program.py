"""A compiled mapping: plans to walk, nothing left to parse.

`Scope` holds the values of one run at one place: the message itself, or one item of a repeated group. Values are
asked for by row and made when first asked for; the compiler has made sure that no row needs itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.mapping.diagnostics import Span
from bridge.mapping.functions.base import Conversion
from bridge.mapping.lists import CodeList
from bridge.mapping.model import Direction, Fate, Missing
from bridge.mapping.standard import Standard, Vocabulary
from bridge.mapping.structure import Attribute, Shape
from bridge.mapping.yamltree import Scalar

Json = Any


class Machine(Protocol):
    """The run that a getter asks for what is not a row: header, self, partner, event, ref, resource."""

    def source(self, path: tuple[str, ...]) -> Json: ...
    def fault(
        self, rule: str, text: str, *, row: Row | None = None, place: str = "", privacy: str = "-"
    ) -> None: ...
    def compute(self, row: Row, scope: Scope) -> Json:
        """The value of a row that is not read from or written to a place directly."""
        ...


@dataclass(slots=True, eq=False, repr=False)
class Scope:
    group: Group
    parent: Scope | None
    machine: Machine
    values: dict[str, Json] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    """How rows (by id) and groups (by dotted place) said that they have no value."""
    items: dict[str, list[Scope]] = field(default_factory=dict)
    lines: dict[str, int | None] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)
    """The texts of rows that could not be read and are kept as they were."""
    orders: dict[str, list[str]] = field(default_factory=dict)
    """By dotted place: how the elements of a choice that repeats stood."""
    json: Any = None
    """When composing: the part of the resource that belongs here."""
    at: int = 0
    """The number of the item in its group."""

    def value(self, row: Row) -> Json:
        if row.id not in self.values:
            self.values[row.id] = self.machine.compute(row, self)
        return self.values[row.id]

    @property
    def trail(self) -> str:
        """The numbers of the items down to here; empty for the message itself."""
        return "" if self.parent is None else f"{self.parent.trail}/{self.at}"

    def within(self, other: Scope) -> bool:
        """This scope is the other one or an item inside it."""
        scope: Scope | None = self
        while scope is not None and scope is not other:
            scope = scope.parent
        return scope is other

    def up(self, steps: int) -> Scope:
        scope = self
        for _ in range(steps):
            assert scope.parent is not None
            scope = scope.parent
        return scope


Getter = Callable[[Scope], Json]
Condition = Callable[[Scope], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    conversion: Conversion
    args: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.conversion.name}({' '.join(self.args)})" if self.args else self.conversion.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a row gets its value in one direction."""

    getter: Getter | None
    """From elsewhere than its own place; None: from its place."""
    from_place: bool
    """Reading: from the message. Writing: from the resource."""
    const: str | None
    steps: tuple[Step, ...]
    missing: Missing
    when: Condition | None
    source: str
    """In words, for the trace and the list of rows."""
    uses: tuple[Row, ...] = ()


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Row:
    """One value. Its two ways are filled in when all rows of the mapping are known."""

    id: str
    span: Span
    place: str
    """Of the legacy side, relative to the group; empty when there is none."""
    path: str
    """The whole place from the root."""
    shape: Shape | None
    attribute: Attribute | None
    header: str | None
    resource: tuple[str, ...] | None
    privacy: str
    level: int
    remember: bool
    because: bool = False
    """The mapping gives a reason for showing it lower than its class or its inputs allow."""
    keeps_invalid: bool = False
    """No event or identity needs it, so a text that cannot be read is kept as it is."""
    read: Way | None = None
    write: Way | None = None

    @property
    def arrow(self) -> str:
        """⇄ both ways, → to the event, ← to the message."""
        return "⇄" if self.read and self.write else ("→" if self.read else "←")


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Place:
    """An element of the message and what the mapping does with it."""

    shape: Shape
    key: str
    """The dotted place from the group, under which the resource keeps how it was absent."""
    row: Row | None = None
    attributes: dict[str, Row] = field(default_factory=dict)
    picks: list[tuple[str, str, Row]] = field(default_factory=list)
    """Of an element: attribute, its text, and the row that reads those that have it."""
    group: Group | None = None
    dropped: bool = False
    used: bool = False
    """Something in it is mapped."""
    children: dict[str, Place] = field(default_factory=dict)
    """By Clark name, in the order of the standard."""
    order: dict[str, int] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    """The children that stand in every message."""
    written: dict[str, Place] = field(default_factory=dict)
    """The children in which composing can put something."""
    leaf: bool = False
    extra: bool = False
    entity: bool = False
    loose: bool = False
    """A choice in it repeats, so its children have no fixed order."""
    blocks: bool = False
    """It holds a choice or a group with a cardinality of its own."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Group:
    """The message itself (id empty) or an element that repeats."""

    id: str
    span: Span
    parent: Group | None
    resource: tuple[str, ...]
    missing: Missing | None
    level: int
    place: Place
    when: Condition | None = None
    """When composing: only the items for which this holds."""
    rows: dict[str, Row] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    unique: Row | None = None
    """The row that tells the items apart, so that no two may have the same value."""
    scalar: Row | None = None
    """The row that is the item itself."""
    asked: tuple[Row, ...] = ()
    """The rows that reading asks for even when nothing was found: they have a source, a default or must be there."""
    kept: tuple[Row, ...] = ()
    """The rows that reading puts in the resource."""

    def find(self, row: str) -> tuple[int, Row] | None:
        """The nearest row of that name: how many groups up, and the row."""
        steps = 0
        group: Group | None = self
        while group is not None:
            if row in group.rows:
                return steps, group.rows[row]
            group, steps = group.parent, steps + 1
        return None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Property:
    """A name in the graph or beside it, and the node that it points to or the value."""

    name: str
    span: Span
    target: str | None
    getter: Getter | None
    uses: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Node:
    id: str
    span: Span
    types: tuple[str, ...]
    rank: int
    """Entity 0, person 1, Activity 2, Agent 3."""
    make_id: Getter
    group: Group | None
    when: Condition | None
    properties: tuple[Property, ...]
    id_uses: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Event:
    type: str
    span: Span
    group: Group | None
    """One event for each item of this group; None: one for the message."""
    subject: Getter
    subject_uses: tuple[Row, ...]
    times: tuple[Getter, ...]
    nodes: tuple[str, ...]
    members: tuple[Property, ...]
    when: Condition | None
    family: str | None
    levels: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Program:
    name: str
    version: int
    sha: str
    direction: Direction
    title: Mapping[str, str]
    file: str
    standard: Standard
    vocabulary: Vocabulary
    lists: Mapping[str, CodeList]
    codes: Mapping[str, frozenset[str]]
    """The code lists of the standard, for checks of type."""
    root: Shape
    service: str | None
    action: str | None
    cpa_id: str | None
    event_types: tuple[str, ...]
    needs_resource: str | None
    needs_ref: str | None
    resource_type: str | None
    resource_key: Getter | None
    resource_owner: str
    levels: Mapping[str, int]
    top: Group
    graph: Mapping[str, Node]
    events: tuple[Event, ...]
    reference: Row | None
    """The number by which its sender names the message."""
    reference_within: tuple[Row, ...]
    answers: Mapping[Fate, Scalar]
    """The names of the mappings of the technical answers that go back."""
    answer_about: Row | None
    answer_outcome: str | None
    dropped: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """`name@version`, as it is kept with a message."""
        return f"{self.name}@{self.version}"

    @property
    def sends(self) -> str | None:
        """The action under which it composes, when that is fixed."""
        rows = (row for row in self.top.rows.values() if row.header == "action" and row.write is not None)
        return next((row.write.const for row in rows if row.write is not None), None)

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"<Program {self.label}>"
