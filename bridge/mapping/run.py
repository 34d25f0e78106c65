"""A message → events and a resource, or every reason why not.

The message is walked once, along the plan: each element is either read by a row, opened, dropped with a reason, or
reported. Nothing of a message is passed over in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from lxml import etree

from bridge.mapping.context import (
    Answer,
    Attachment,
    Context,
    EventDraft,
    Json,
    Mapped,
    Rejected,
    ResourceDraft,
)
from bridge.mapping.functions.base import Refused, text_of
from bridge.mapping.functions.stuf_time import moment_of
from bridge.mapping.graph import build_graph, items_of, node_scopes
from bridge.mapping.machine import BaseMachine
from bridge.mapping.order import made_order, repeated_choices, rounds, tags_of
from bridge.mapping.program import Event, Group, Place, Program, Row, Scope
from bridge.mapping.structure import XSI_NIL, Shape
from bridge.mapping.trace import trace_lines
from bridge.mapping.types import Kind, fault

MAX_ELEMENTS = 200_000
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_PROFILE_MEMBERS = ("bsn", "leeftijd")


def run_mapping(program: Program, payload: etree._Element, *, context: Context) -> Mapped | Rejected:
    """Reads a payload, already parsed by the hardened parser, with a compiled mapping. Raises nothing."""
    return Reading(program, context).run(payload)


class Reading(BaseMachine):
    """One run of a mapping over one message."""

    def __init__(self, program: Program, context: Context) -> None:
        super().__init__(program, context, writing=False)
        self.message: etree._Element | None = None
        self.elements = 0
        self.stuf = f"{{{program.standard.prefixes.get('stuf', '')}}}"
        self.entity = f"{self.stuf}entiteittype"
        self.no_value = f"{self.stuf}noValue"
        self.partial = f"{self.stuf}indOnvolledigeDatum"
        self.ignored = program.standard.ignored

    def run(self, payload: etree._Element) -> Mapped | Rejected:
        self.message = payload
        if payload.tag != self.program.root.tag:
            self.fault("M901", f"the root element is not {self.program.root.name}", place="/")
            return Rejected(findings=tuple(self.findings))
        self.element(payload, self.program.top.place, self.top)
        self.settle(self.top)
        if self.rejected:
            return self.rejection()
        return self.outcome()

    def rejection(self) -> Rejected:
        subjects = (
            event.subject(scope) for event in self.program.events for scope in items_of(event.group, self.top)
        )
        known = next((str(subject) for subject in subjects if subject is not None), None)
        return Rejected(findings=tuple(self.findings), subject=known)

    def source(self, path: tuple[str, ...]) -> Json:
        return self.message if path == ("message",) else super().source(path)

    # -- walking --------------------------------------------------------------------------------------------------

    def element(self, element: etree._Element, place: Place, scope: Scope) -> None:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            if self.elements == MAX_ELEMENTS + 1:
                self.fault("M911", f"the message has more than {MAX_ELEMENTS} elements", place="/")
            return
        nil, reason = self.attributes(element, place, scope)
        if place.extra:
            self.extra_elements(element, place, scope)
        elif place.leaf:
            self.leaf(element, place, scope, nil, reason)
        else:
            self.children(element, place, scope, nil, reason)

    def attributes(self, element: etree._Element, place: Place, scope: Scope) -> tuple[bool, str | None]:
        """Reads and checks the attributes; gives whether it is nil, and the reason."""
        shape = place.shape
        nil, reason, entity = False, None, None
        for key, value in element.items() if element.attrib else ():
            name, text = str(key), str(value)
            if name == XSI_NIL:
                nil = text.strip() in ("true", "1")
            elif name in (self.no_value, "noValue"):
                reason = self.reason(shape, name, text)
            elif name == self.entity:
                entity = text
            elif name in place.attributes:
                self.found(place.attributes[name], scope, text, element)
            elif not self.known_attribute(shape, name, text):
                self.fault("M916", "an attribute that the standard does not know", place=shape.path or "/")
        if place.entity:
            self.check_entity(place, scope, entity, element)
        return nil, reason

    def reason(self, shape: Shape, name: str, text: str) -> str | None:
        if name != shape.absence.no_value:
            self.fault(
                "M917", "noValue stands here in a form that this place does not take", place=shape.path
            )
        return text.strip() or None

    def known_attribute(self, shape: Shape, name: str, text: str) -> bool:
        if name.startswith(_XSI) or name in self.ignored:
            return True
        if name == self.partial:
            return shape.type.kind is Kind.DATE
        known = next((a for a in shape.attributes if a.clark == name), None)
        if known is not None and known.type.fixed is not None and known.type.fixed != text:
            self.fault("M904", f"@{known.name} has another value than the standard fixes", place=shape.path)
        return known is not None

    def check_entity(self, place: Place, scope: Scope, code: str | None, element: etree._Element) -> None:
        """The fixed code of an entity: schema validators of the libxml2 family let a wrong one pass."""
        shape = place.shape
        row = place.attributes.get(self.entity)
        if row is not None and code is not None:
            self.found(row, scope, code, element)
        if code is None:
            if shape.type.required:
                self.fault("M914", "stuf:entiteittype is absent", place=shape.path)
        elif shape.type.entity is not None and code != shape.type.entity:
            self.fault("M907", f"stuf:entiteittype is not {shape.type.entity}", place=shape.path)

    def children(
        self, element: etree._Element, place: Place, scope: Scope, nil: bool, reason: str | None
    ) -> None:
        counts: dict[str, int] = {}
        last = -1
        mixed: list[str] = []
        for child in element:
            tag: Any = child.tag
            if not isinstance(tag, str):
                continue  # a comment or a processing instruction
            below = place.children.get(tag)
            if below is None:
                self.unknown_child(element, place, tag)
                continue
            at = place.order[tag]
            counts[tag] = counts.get(tag, 0) + 1
            if at < last and not place.loose:
                self.fault("M913", "it stands after an element that comes later", place=below.shape.path)
            last = max(last, at)
            if below.shape.many_by_choice:
                mixed.append(tag)
            self.child(child, below, scope, counts[tag])
        if counts:
            self.stray_text(element, place)
            if nil:
                self.fault("M910", "xsi:nil stands on an element that has content", place=place.shape.path)
            self.required(place, counts)
            if mixed:
                self.mixed(place, scope, mixed)
        elif place.used and (nil or reason or place.key):
            self.empty(place, scope, nil, reason)

    def mixed(self, place: Place, scope: Scope, tags: list[str]) -> None:
        """Keeps the order of choices that repeat, when composing would make another of itself."""
        other = False
        for block in repeated_choices(place.shape.particles):
            own = set(tags_of(block))
            here = [tag for tag in tags if tag in own]
            other = other or here != made_order(block, Counter(here))
            often, high = rounds(block, here), block.occurs.high
            if often is None or (here and often < block.occurs.low) or (high is not None and often > high):
                said = (
                    "the elements of a choice stand in an order or a number that the standard does not allow"
                )
                self.fault("M913", said, place=place.shape.path)
        if other and place.used:
            scope.orders[place.key or "."] = [place.children[tag].shape.name for tag in tags]

    def child(self, child: etree._Element, below: Place, scope: Scope, count: int) -> None:
        high = below.shape.occurs.high
        if high is not None and count > high and not below.shape.many_by_choice:
            self.fault("M906", f"it stands more often than {high} times", place=below.shape.path)
            return
        if below.dropped:
            return
        group = below.group
        if group is None:
            self.element(child, below, scope)
            return
        items = scope.items.setdefault(group.id, [])
        item = Scope(group, scope, self, at=len(items))
        items.append(item)
        self.element(child, below, item)

    def unknown_child(self, element: etree._Element, place: Place, tag: str) -> None:
        local = tag.rpartition("}")[2]
        near = [p.shape.name for p in place.children.values() if p.shape.tag.rpartition("}")[2] == local]
        hint = f"; the standard has {near[0]} here" if near else ""
        where = place.shape.path or place.shape.name
        self.fault("M905", f"an element that the standard does not have here{hint}", place=where)

    def stray_text(self, element: etree._Element, place: Place) -> None:
        texts = [element.text, *(child.tail for child in element)]
        if any(text and not text.isspace() for text in texts):
            self.fault("M916", "text stands between the elements", place=place.shape.path or "/")

    def required(self, place: Place, counts: dict[str, int]) -> None:
        for tag in place.required:
            if tag not in counts:
                self.fault("M914", "a required element is absent", place=place.children[tag].shape.path)

    def empty(self, place: Place, scope: Scope, nil: bool, reason: str | None) -> None:
        """An element without content, whose way of being empty is kept."""
        absence = place.shape.absence
        if nil and not absence.nillable:
            self.fault("M917", "xsi:nil stands on an element that may not be nil", place=place.shape.path)
        scope.forms[place.key] = _form(nil, reason)

    # -- values ---------------------------------------------------------------------------------------------------

    def leaf(
        self, element: etree._Element, place: Place, scope: Scope, nil: bool, reason: str | None
    ) -> None:
        text = self.content(element, place)
        row = place.row
        if not text and place.shape.type.kind is not Kind.ANY:
            if nil and not place.shape.absence.nillable:
                self.fault("M917", "xsi:nil stands on an element that may not be nil", place=place.shape.path)
            if row is not None and self.once(row, scope):
                scope.forms[row.id] = _form(nil, reason)
                scope.lines[row.id] = line_of(element)
            return
        if nil:
            self.fault("M910", "xsi:nil stands on an element that has content", place=place.shape.path)
            return
        if row is None:
            self.check_type(place.shape, text)
            return
        if place.shape.type.kind is Kind.DATE:
            text = self.whole_date(element, text)
        self.check_type(place.shape, text)
        self.found(row, scope, text, element)

    def content(self, element: etree._Element, place: Place) -> str:
        """The whole text: comments and processing instructions inside a value are no part of it."""
        if len(element) == 0:
            return element.text or ""
        if place.shape.type.kind is Kind.ANY:
            return etree.tostring(element, method="c14n", with_tail=False).decode()
        parts = [element.text or ""]
        for child in element:
            if isinstance(child.tag, str):
                self.unknown_child(element, place, child.tag)
            parts.append(child.tail or "")
        return "".join(parts)

    def whole_date(self, element: etree._Element, text: str) -> str:
        """The date with zeros for what `indOnvolledigeDatum` says is not known."""
        known = {"J": 0, "M": 4, "D": 6}.get((element.get(self.partial) or "V").strip(), 8)
        digits = text.strip()
        return text if known == 8 or len(digits) != 8 else digits[:known].ljust(8, "0")

    def check_type(self, shape: Shape, text: str) -> None:
        why = fault(shape.type, text, self.program.codes)
        if why is None:
            return
        rule = "M904" if shape.type.kind is Kind.FIXED else "M912"
        self.fault(rule, why, place=shape.path, privacy=shape.privacy)

    def found(self, row: Row, scope: Scope, text: str, element: etree._Element) -> None:
        """A text for a row: converted, and checked when the row has a fixed text."""
        way = row.read
        if not self.once(row, scope):
            return
        scope.lines[row.id] = line_of(element)
        if way is None or not way.from_place or (way.when is not None and not way.when(scope)):
            return
        if way.const is not None and text.strip() != way.const:
            self.fault("M904", f"it is not {way.const}", row=row)
            return
        self.row = row
        try:
            scope.values[row.id] = self.converted(text, way) if way.steps else text
        except Refused as refused:
            scope.values[row.id] = None
            if row.keeps_invalid:
                scope.invalid[row.id] = text
                self.fault("M918", f"{refused}; it is kept as it is, and nothing is made of it", row=row)
            else:
                self.fault("M903", str(refused), row=row)
        finally:
            self.row = None

    def once(self, row: Row, scope: Scope) -> bool:
        """A second value for a row would take the place of the first: that is a loss, so it is told."""
        if row.id not in scope.lines:
            return True
        self.fault("M906", "a second value stands where one is read", row=row)
        return False

    def extra_elements(self, element: etree._Element, place: Place, scope: Scope) -> None:
        """StUF extra elements: a list of name and value, in the order of the message; names may repeat."""
        listed: list[Json] = []
        for child in element:
            if child.tag != f"{self.stuf}extraElement":
                if isinstance(child.tag, str):
                    self.unknown_child(element, place, child.tag)
                continue
            self.elements += 1
            item = self.extra_item(child)
            listed.append(item)
            for attribute, wanted, row in place.picks:
                named = attribute == "naam" and item["naam"] == wanted
                if named and "waarde" in item and row.id not in scope.values:
                    self.found(row, scope, item["waarde"], child)
        if place.row is not None and listed and self.once(place.row, scope):
            scope.values[place.row.id] = listed
            scope.lines[place.row.id] = line_of(element)

    def extra_item(self, child: etree._Element) -> dict[str, Json]:
        item: dict[str, Json] = {"naam": child.get("naam", "")}
        text = "".join([child.text or "", *(below.tail or "" for below in child)])
        nil = (child.get(XSI_NIL) or "").strip() in ("true", "1")
        if text and not nil:
            item["waarde"] = text
        else:
            item["_afwezig"] = _form(nil, child.get(self.no_value))
        if (partial := child.get(self.partial)) is not None:
            item["onvolledig"] = partial
        return item

    # -- after the walk -------------------------------------------------------------------------------------------

    def settle(self, scope: Scope) -> None:
        """Asks for every row once, so that all that is missing is reported together."""
        gone = "." in scope.forms
        for row in scope.group.asked:
            if row.read is not None and not (gone and row.read.from_place):
                scope.value(row)
        for group in scope.group.groups.values():
            items = scope.items.get(group.id, [])
            for item in items:
                self.settle(item)
            if group.unique is not None:
                values = [value for item in items if (value := item.value(group.unique)) is not None]
                if len(set(values)) < len(values):
                    self.fault("M919", f"two items of {group.id} have the same value", row=group.unique)

    def needed(self, row: Row, way: Any, scope: Scope) -> bool:
        return bool(row.place or row.resource is not None or row.remember)

    def outcome(self) -> Mapped | Rejected:
        self.name_resource()
        body: dict[str, Json] = {}
        if self.program.resource_type is not None:
            self.fill(body, self.top)
        events = [
            draft
            for event in self.program.events
            for scope in items_of(event.group, self.top)
            for draft in self.drafts(event, scope)
        ]
        if not events and self.program.answer_about is None:
            self.fault("M908", "no event fits this message: every when: said no", place="/")
        if self.rejected:
            return self.rejection()
        return Mapped(
            events=tuple(events),
            resource=self.resource(body),
            values=self.remembered(),
            findings=tuple(self.findings),
            make_trace=partial(trace_lines, self.program, self.top, writing=False),
            attachments=tuple(Attachment(reference=k, content=v) for k, v in self.kept.items()),
            answer=self.answer(),
        )

    def resource(self, body: dict[str, Json]) -> ResourceDraft | None:
        if self.program.resource_type is None or self.resource_id is None:
            return None
        return ResourceDraft(
            type=self.program.resource_type, id=self.resource_id, body=body, levels=self.program.levels
        )

    def remembered(self) -> dict[str, str]:
        rows = (row for row in self.top.group.rows.values() if row.remember)
        return {row.id: text_of(value) for row in rows if (value := self.top.value(row)) is not None}

    def answer(self) -> Answer | None:
        about, outcome = self.program.answer_about, self.program.answer_outcome
        if about is None or outcome is None:
            return None
        value = self.top.value(about)
        return Answer(about="" if value is None else text_of(value), outcome=outcome)

    # -- the resource ---------------------------------------------------------------------------------------------

    def fill(self, body: dict[str, Json], scope: Scope) -> None:
        for row in scope.group.kept:
            if row.resource:
                value = scope.values.get(row.id)
                if value is not None:
                    _put(body, row.resource, value)
                elif row.id in scope.invalid:
                    _put(body, (*row.resource[:-1], "_ongeldig", row.resource[-1]), scope.invalid[row.id])
                elif row.id in scope.forms:
                    _put(body, (*row.resource[:-1], "_afwezig", row.resource[-1]), scope.forms[row.id])
        for key, form in scope.forms.items():
            if ":" in key or key == ".":
                _put(body, ("_afwezig", key), form)
        for key, order in scope.orders.items():
            _put(body, ("_volgorde", key), order)
        for group in scope.group.groups.values():
            items = scope.items.get(group.id)
            if items:
                _put(body, group.resource, [self.item(group, item) for item in items])

    def item(self, group: Group, scope: Scope) -> Json:
        if group.scalar is not None:
            value = scope.values.get(group.scalar.id)
            if group.scalar.id in scope.invalid:
                return {"_ongeldig": {".": scope.invalid[group.scalar.id]}}
            form = scope.forms.get(group.scalar.id, "leeg")
            return value if value is not None else {"_afwezig": {".": form}}
        body: dict[str, Json] = {}
        self.fill(body, scope)
        return body

    # -- events ---------------------------------------------------------------------------------------------------

    def drafts(self, event: Event, scope: Scope) -> list[EventDraft]:
        """The events of one fact: one, or one per level."""
        if event.when is not None and not event.when(scope):
            return []
        moment, origin = self.moment_of(event, scope)
        self.event_time = moment
        subject = event.subject(scope)
        if subject is None:
            self.fault("M909", f"the subject of {event.type} cannot be made")
            return []
        members = self.members(event, scope)
        views: Sequence[tuple[int | None, tuple[str, ...]]] = [(None, event.nodes)]
        if self.context.levels and event.levels:
            views = list(event.levels)
        return [
            EventDraft(
                type=event.type,
                subject=str(subject),
                time=moment,
                time_from=origin,
                data={**build_graph(self.program, names, scope), **(members if level in (None, 2) else {})},
                level=level,
                family=event.family if level is not None else None,
                activity_id=self.activity(event, scope),
            )
            for level, names in views
        ]

    def moment_of(self, event: Event, scope: Scope) -> tuple[datetime, str]:
        for getter in event.times:
            value = getter(scope)
            if isinstance(value, str):
                try:
                    return moment_of(value), "content"
                except ValueError:
                    continue
        if self.context.timestamp is not None:
            return self.context.timestamp, "message"
        return self.context.received_at, "received"

    def members(self, event: Event, scope: Scope) -> dict[str, Json]:
        if not self.context.members:
            return {}
        members: dict[str, Json] = {}
        for member in event.members:
            if member.getter is not None and (value := member.getter(scope)) is not None:
                members[member.name] = value
        absent = [m.name for m in event.members if m.name in _PROFILE_MEMBERS and m.name not in members]
        if absent:
            said = f"the profile of {event.type} asks for {' and '.join(absent)}, which the message does not give"
            self.fault("M915", said)
        return members

    def activity(self, event: Event, scope: Scope) -> str | None:
        """The `@id` of the Activity in the event's graph."""
        for name in event.nodes:
            node = self.program.graph[name]
            if "prov:Activity" in node.types:
                made = next((node.make_id(found) for found in node_scopes(node, scope)), None)
                return None if made is None else str(made)
        return None


def line_of(element: etree._Element) -> int | None:
    """The line in the source, when the parser knows it."""
    line: Any = element.sourceline
    return int(line) if line is not None else None


def _form(nil: bool, reason: str | None) -> str:
    """How an element said that it has no value: a reason, `nil`, `leeg`, or `leeg` with a reason."""
    if nil:
        return reason or "nil"
    return f"leeg {reason}" if reason else "leeg"


def _put(body: dict[str, Json], path: tuple[str, ...], value: Json) -> None:
    for step in path[:-1]:
        body = body.setdefault(step, {})
    body[path[-1]] = value
