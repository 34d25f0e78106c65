"""A message → events and a resource, or every reason why not."""

from __future__ import annotations

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
    Reference,
    Rejected,
    ResourceDraft,
)
from bridge.mapping.functions.base import text_of
from bridge.mapping.functions.stuf_time import moment_of
from bridge.mapping.graph import build_graph, items_of, node_scopes
from bridge.mapping.program import Event, Group, Program, Row, Scope
from bridge.mapping.trace import trace_lines
from bridge.mapping.walk import Walk

_PROFILE_MEMBERS = ("bsn", "leeftijd")


def run_mapping(program: Program, payload: etree._Element, *, context: Context) -> Mapped | Rejected:
    """Reads a payload, already parsed by the hardened parser, with a compiled mapping. Raises nothing."""
    return Reading(program, context).run(payload)


class Reading(Walk):
    """One run of a mapping over one message."""

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
            reference=self.reference(),
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

    def reference(self) -> Reference | None:
        """None where the message gives no number: nothing can be recognised by that."""
        row = self.program.reference
        number = None if row is None else self.top.value(row)
        if number is None or not text_of(number).strip():
            return None
        within = (self.top.value(one) for one in self.program.reference_within)
        return Reference(
            number=text_of(number).strip(),
            within=tuple("" if value is None else text_of(value).strip() for value in within),
            standard=self.program.standard.folder,
        )

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


def _put(body: dict[str, Json], path: tuple[str, ...], value: Json) -> None:
    for step in path[:-1]:
        body = body.setdefault(step, {})
    body[path[-1]] = value
