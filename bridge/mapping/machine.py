"""What running and composing share: the sources that are no rows, findings, the environment of functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from bridge.mapping.context import Answer, Context, EventView, Finding, RefExchange
from bridge.mapping.functions.base import Json, Refused
from bridge.mapping.functions.pseudonym import person_uuid
from bridge.mapping.functions.stuf_time import iso
from bridge.mapping.graph import activity_uuid, entity_uuid, find_nodes
from bridge.mapping.lists import CodeList
from bridge.mapping.model import MissingKind
from bridge.mapping.program import Program, Row, Scope, Way
from bridge.mapping.rules import RULES
from bridge.mapping.subjects import key_of

MAX_FINDINGS = 200
MAX_FILES_OCTETS = 48 * 1024 * 1024
"""Of the attachments in one composed message together: as base64 64 MiB, the largest payload that is read."""


class BaseMachine:
    """One run. It is also the `Env` of the functions."""

    def __init__(self, program: Program, context: Context, *, writing: bool) -> None:
        self.program = program
        self.context = context
        self.writing = writing
        self.findings: list[Finding] = []
        self.row: Row | None = None
        self.event: EventView | None = None
        self.ref: RefExchange | None = None
        self.said: Answer | None = None
        self.top = Scope(program.top, None, self)
        self.kept: dict[str, bytes] = {}
        self.fetched = 0
        self.event_time: datetime | None = None
        self.resource_id: str | None = None

    # -- the environment of functions

    @property
    def lists(self) -> Mapping[str, CodeList]:
        return self.program.lists

    @property
    def moment(self) -> datetime:
        return self.context.timestamp or self.context.received_at

    @property
    def namespace(self) -> UUID:
        return self.context.namespace

    @property
    def person_key(self) -> bytes:
        return self.context.person_key

    @property
    def party(self) -> str:
        return self.context.from_oin

    def note(self, rule: str, text: str) -> None:
        row = self.row
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(
                Finding(
                    rule=rule,
                    text=text,
                    row=row.id if row else "",
                    place=row.path if row else "",
                    privacy=row.privacy if row else "-",
                )
            )

    def keep(self, content: bytes) -> str:
        reference = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.kept[reference] = content
        return reference

    def fetch(self, reference: str) -> bytes | None:
        """Counted each time it is asked for: a file that the full data names often stands in the message as often."""
        content = self.context.attachment(reference)
        self.fetched += len(content or b"")
        if self.fetched > MAX_FILES_OCTETS:
            raise Refused(f"the attachments together are larger than {MAX_FILES_OCTETS} octets")
        return content

    # -- findings

    def fault(
        self, rule: str, text: str, *, row: Row | None = None, place: str = "", privacy: str = "-"
    ) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(
                Finding(
                    rule=rule,
                    text=text,
                    row=row.id if row else "",
                    place=place or (row.path if row else ""),
                    privacy=row.privacy if row else privacy,
                )
            )

    @property
    def rejected(self) -> bool:
        return any(RULES[finding.rule].severity == "error" for finding in self.findings)

    # -- values

    def way(self, row: Row) -> Way | None:
        return row.write if self.writing else row.read

    def compute(self, row: Row, scope: Scope) -> Json:
        """The value of a row that was not found at a place: from its source, or what `missing:` says."""
        way = self.way(row)
        if way is None or (way.when is not None and not way.when(scope)):
            return None
        before, self.row = self.row, row
        try:
            value = self.sourced(row, way, scope)
            return self.absent(row, way, scope) if value is None else value
        except Refused as refused:
            self.fault("M932" if self.writing else "M903", str(refused), row=row)
            return None
        finally:
            self.row = before

    def sourced(self, row: Row, way: Way, scope: Scope) -> Json:
        if way.const is not None:
            return way.const
        return None if way.getter is None else way.getter(scope)

    def absent(self, row: Row, way: Way, scope: Scope) -> Json:
        missing = way.missing
        if missing.kind is MissingKind.DEFAULT:
            return self.converted(missing.arg, way)
        if missing.kind is MissingKind.ROW:
            found = scope.group.find(missing.arg)
            return scope.up(found[0]).value(found[1]) if found else None
        if missing.kind is MissingKind.ERROR and self.needed(row, way, scope):
            self.fault("M902", f"row {row.id} has no value, and must have one", row=row)
        return None

    def needed(self, row: Row, way: Way, scope: Scope) -> bool:
        return way.from_place or way.getter is not None

    def converted(self, text: str, way: Way) -> Json:
        """A text of the XML side as the JSON value of a row."""
        value: Json = text
        for step in way.steps:
            value = step.conversion.read(str(value), step.args, self)
        return value

    # -- sources

    def source(self, path: tuple[str, ...]) -> Json:
        """A place that is no row; None when there is nothing there."""
        match path:
            case ("header", name):
                return self.header(name)
            case ("self", name):
                return self.context.own.get(name)
            case ("partner", name):
                return self.context.partner.get(name)
            case ("event", *rest):
                return self.of_event(tuple(rest))
            case ("ref", "values", name):
                return self.ref.values.get(name) if self.ref else None
            case ("ref", name):
                return self.of_ref(name)
            case ("resource", *rest):
                return self.of_resource(tuple(rest))
            case ("answer", "about"):
                return (self.said.about or None) if self.said else None
            case ("answer", "outcome"):
                return self.said.outcome if self.said else None
            case ("activity", name):
                context = self.context
                made = activity_uuid(context.namespace, context.message_id, self.program.name, name)
                return f"urn:uuid:{made}"
            case ("person", number):
                return person_uuid(number, self)
            case ("namespace",):
                return self.context.namespace
            case ("new",):
                return self.context.new_id()
        return None

    def header(self, name: str) -> Json:
        context = self.context
        match name:
            case "from":
                return context.from_oin or None
            case "to":
                return context.to_oin or None
            case "messageId":
                return context.message_id or None
            case "conversationId":
                return context.conversation_id or None
            case "service":
                return context.service or None
            case "action":
                return context.action or None
            case "timestamp":
                return iso(context.timestamp) if context.timestamp else None
            case "receivedAt":
                return iso(context.received_at)
        return None

    def of_event(self, path: tuple[str, ...]) -> Json:
        if path == ("time",):
            moment = self.event.time if self.event else self.event_time
            return iso(moment) if moment else None
        if self.event is None:
            return None
        match path:
            case ("type",):
                return self.event.type
            case ("subject",):
                return self.event.subject
            case ("key",):
                return key_of(self.event.subject)
            case ("source",):
                return self.event.source or None
            case ("extension", name):
                return self.event.extensions.get(name)
            case ("data", *rest):
                return _reach(self.event.data, rest)
            case (node, name):
                return self.of_node(node, name)
        return None

    def of_node(self, node: str, name: str) -> Json:
        """A property of the first node of the event that has the class of a node of this mapping."""
        plan = self.program.graph.get(node)
        if plan is None or self.event is None:
            return None
        vocabulary = self.program.vocabulary
        for found in find_nodes(self.event.data, vocabulary, plan.types):
            if name == "id":
                return _text(found.get("@id"))
            if name == "oin":
                return _oin(found)
            for spelling in vocabulary.properties.get(name, (name,)):
                if (value := _text(found.get(spelling))) is not None:
                    return value
        return None

    def of_ref(self, name: str) -> Json:
        ref = self.ref
        if ref is None:
            return None
        names = {
            "messageId": ref.message_id,
            "conversationId": ref.conversation_id,
            "service": ref.service,
            "action": ref.action,
            "from": ref.from_party,
            "to": ref.to_party,
        }
        return names.get(name) or None

    def of_resource(self, path: tuple[str, ...]) -> Json:
        if self.writing:
            return _scalar(_reach(self.top.json, list(path)))
        if self.resource_id is None:
            return None
        kind = self.program.resource_type
        match path:
            case ("id",):
                return self.resource_id
            case ("urn",):
                return f"urn:{kind}:{self.resource_id}"
            case ("url",):
                return f"{self.context.inzage_base.rstrip('/')}/{kind}/{self.resource_id}"
        return None

    def name_resource(self) -> None:
        """Makes the id of the resource from its business key."""
        program = self.program
        if program.resource_key is None or program.resource_type is None:
            return
        key = program.resource_key(self.top)
        owner = self.header(program.resource_owner.partition("/")[2])
        if key is None or owner is None:
            self.fault("M909", "the resource has no business key, so it cannot be found again")
            return
        self.resource_id = entity_uuid(self.context.namespace, str(owner), program.resource_type, str(key))


def _reach(value: Json, path: list[str]) -> Json:
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _scalar(value: Json) -> Json:
    return value if isinstance(value, str | bool | int) else None


def _text(value: Json) -> Json:
    if isinstance(value, dict):
        value = value.get("@value", value.get("@id"))
    return value if isinstance(value, str | bool | int) and value != "" else None


def _oin(node: Mapping[str, Json]) -> Json:
    known = node.get("soh:identifier")
    if isinstance(known, str) and known:
        return known
    name = node.get("@id")
    prefix = "urn:nld:oin:"
    return name.removeprefix(prefix) if isinstance(name, str) and name.startswith(prefix) else None
