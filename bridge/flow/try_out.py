"""Translate one file as the service would, without a store, agreements or keys: for whoever writes mappings.

The same input gives the same output, ids included: they are made in a fixed namespace and under a fixed key that no
bridge uses. What differs from a live run is only that: namespace, key, parties and clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from types import MappingProxyType
from typing import Final
from uuid import UUID, uuid5

from lxml import etree

from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.errors import EventRejected, PeerError
from bridge.flow.xsd import NO_SCHEMAS, RECEIVED, Schemas
from bridge.hub.event import AttributeValue, make_event
from bridge.hub.event import Event as CloudEvent
from bridge.hub.json import Json
from bridge.hub.profile import Mode, Profile, check_event, default_profile, source_of
from bridge.hub.reader import read_structured
from bridge.mapping.compose import Answering, Writing
from bridge.mapping.context import (
    Answer,
    Composed,
    Context,
    EventDraft,
    EventView,
    Finding,
    Mapped,
    RefExchange,
    Rejected,
)
from bridge.mapping.fit import by_fit
from bridge.mapping.load import MappingSet
from bridge.mapping.model import Fate
from bridge.mapping.program import Program
from bridge.mapping.rules import RULES
from bridge.mapping.run import Reading

NAMESPACE: Final = UUID("5a0e7a1c-3f0b-5c52-9a55-6f2d0c1b7e10")
PERSON_KEY: Final = b"the key for trying mappings out, of no bridge"
MOMENT: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When everything happens, unless another moment is given."""
INZAGE: Final = "https://bridge.example/inzage"
SENDER: Final = MappingProxyType({"oin": "00000001999990019000", "naam": "Afzender", "systeem": "afzender"})
RECEIVER: Final = MappingProxyType(
    {"oin": "00000001999990020000", "naam": "Ontvanger", "systeem": "ontvanger"}
)
"""Who sends and who receives, when nobody else is named."""
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

NO_MAPPING: Final = "no-mapping"
UNREADABLE: Final = "unreadable"
NO_ANSWER: Final = "no-answer"

LEVEL_NAMES: Final = ("notification", "restricted", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """By what a run goes. The sender and the receiver are those of the XML message, read or composed."""

    mappings: MappingSet
    sender: Mapping[str, str]
    """oin, naam and systeem."""
    receiver: Mapping[str, str]
    service: str | None = None
    action: str | None = None
    levels: bool = False
    """One event per information level, instead of one per fact."""
    now: datetime | None = None
    """None: a fixed moment, or that of the newest event when it is later."""
    namespace: UUID = NAMESPACE
    profile: Profile = field(default_factory=default_profile)
    schemas: Schemas = NO_SCHEMAS
    """The XSDs that have a say as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why nothing came of an input: a rule or a word, and a sentence that tells what to do."""

    mapping: str | None
    code: str
    text: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What became of a message."""

    mapping: str
    reading: Reading = field(repr=False)
    """The run itself, with the values that it found."""
    mapped: Mapped = field(repr=False)
    events: tuple[CloudEvent, ...]
    root: etree._Element = field(repr=False)

    @property
    def program(self) -> Program:
        return self.reading.program


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What became of an event."""

    mapping: str
    writing: Writing = field(repr=False)
    composed: Composed = field(repr=False)
    service: str | None
    others: tuple[str, ...] = ()
    """Mappings that can compose a message from the event as well; an agreement would decide."""

    @property
    def program(self) -> Program:
        return self.writing.program


def try_message(trial: Trial, payload: bytes) -> Events | Refused:
    """Read a payload and make its events, checked against the hub profile. Raises nothing."""
    try:
        root = parse_xml(payload, limits=PAYLOAD_LIMITS)
    except PeerError as error:
        return Refused(mapping=None, code=UNREADABLE, text=f"no XML that the bridge reads: {error}")
    program = trial.mappings.for_xml(str(root.tag), service=trial.service, action=trial.action)
    if program is None:
        return Refused(mapping=None, code=NO_MAPPING, text=_no_mapping(trial, root))
    digest = hashlib.sha256(payload).hexdigest()
    reading = Reading(program, reading_context(trial, digest))
    outcome = reading.run(root)
    if isinstance(outcome, Rejected):
        return _rejected(program, outcome.findings)
    faults = trial.schemas.findings(RECEIVED, program, root)
    outcome = replace(outcome, findings=(*outcome.findings, *faults))
    events = tuple(_event(trial, draft, digest, at, outcome) for at, draft in enumerate(outcome.events))
    broken = [
        finding
        for event in events
        for finding in check_event(event, Mode.PUBLISH, profile=trial.profile)
        if finding.level == "error"
    ]
    if broken:
        text = "; ".join(dict.fromkeys(f"{f.rule} at {f.where or '/'}: {f.text}" for f in broken))
        return Refused(mapping=program.label, code=broken[0].rule, text=text, findings=outcome.findings)
    return Events(mapping=program.label, reading=reading, mapped=outcome, events=events, root=root)


def try_event(
    trial: Trial,
    body: bytes,
    *,
    resource: dict[str, Json] | None = None,
    ref: RefExchange | None = None,
    only: str | None = None,
    attachment: Callable[[str], bytes | None] | None = None,
) -> Message | Refused:
    """Compose the message that an event becomes. Raises nothing.

    Several mappings may answer to a type. The service takes the one whose action the agreement has; here the wanted
    service and action decide, or `only`, the name of a mapping; else the one that the full data fits best.
    """
    try:
        event = read_structured(body)
    except EventRejected as rejected:
        text = "; ".join(f"{one.rule} {one.text} ({one.where or 'the whole'})" for one in rejected.broken)
        return Refused(mapping=None, code=rejected.broken[0].rule, text=text)
    programs = [p for p in trial.mappings.for_event(event.type) if only in (None, p.name)]
    if not programs:
        named = f" named {only}" if only else ""
        text = f"no mapping{named} composes a message from {event.type}; a mapping says so in match: event:"
        return Refused(mapping=None, code=NO_MAPPING, text=text)
    view = _view(event)
    if view is None:
        return Refused(mapping=None, code=UNREADABLE, text="an event to compose from has a time with a zone")
    context = writing_context(trial, hashlib.sha256(body).hexdigest(), attachment)
    return _first_that_composes(trial, by_fit(programs, resource), view, context, resource, ref)


def try_answer(trial: Trial, made: Events, fate: Fate) -> Message | Refused:
    """The technical answer that goes back to the sender when its message fares so. Raises nothing."""
    label, named = made.mapping, made.program.answers.get(fate)
    program = trial.mappings.named(named.text) if named is not None else None
    if program is None or made.mapped.reference is None:
        text = f"{label} sends no answer when its message is {fate}"
        text = (
            text
            if program is None
            else f"the message has no reference number, so {program.name} cannot name it"
        )
        return Refused(mapping=label, code=NO_ANSWER, text=text)
    read = made.reading.context
    ref = RefExchange(
        message_id=read.message_id,
        conversation_id=read.conversation_id,
        service=read.service,
        action=read.action,
        from_party=read.from_oin,
        to_party=read.to_oin,
        values=made.mapped.values,
    )
    back = replace(trial, sender=trial.receiver, receiver=trial.sender)
    said = Answer(about=made.mapped.reference.number, outcome=fate)
    writing = Answering(program, writing_context(back, f"{read.message_id}|{fate}"), said, ref)
    outcome = writing.run()
    if isinstance(outcome, Rejected):
        return _rejected(program, outcome.findings)
    service = outcome.service or trial.service
    return Message(mapping=program.label, writing=writing, composed=outcome, service=service)


def reading_context(trial: Trial, digest: str) -> Context:
    """As for a received message: the partner is its sender, own the party that it was sent to."""
    return _context(trial, digest, own=trial.receiver, partner=trial.sender)


def writing_context(
    trial: Trial, digest: str, attachment: Callable[[str], bytes | None] | None = None
) -> Context:
    """As for a message to be sent: own sends it, the partner receives it."""
    context = _context(trial, digest, own=trial.sender, partner=trial.receiver)
    return replace(context, attachment=attachment) if attachment else context


def _context(trial: Trial, digest: str, *, own: Mapping[str, str], partner: Mapping[str, str]) -> Context:
    now = trial.now or MOMENT
    numbers = count(1)
    return Context(
        from_oin=trial.sender["oin"],
        to_oin=trial.receiver["oin"],
        namespace=trial.namespace,
        person_key=PERSON_KEY,
        inzage_base=INZAGE,
        received_at=now,
        new_id=lambda: str(uuid5(trial.namespace, f"new|{digest}|{next(numbers)}")),
        message_id=f"{digest[:32]}@bridge.example",
        conversation_id=str(uuid5(trial.namespace, f"conversation|{digest}")),
        service=trial.service or "",
        action=trial.action or "",
        timestamp=now,
        own=own,
        partner=partner,
        levels=trial.levels,
    )


def _event(trial: Trial, draft: EventDraft, digest: str, at: int, mapped: Mapped) -> CloudEvent:
    recorded = trial.now or max([MOMENT, *(event.time for event in mapped.events)])
    extensions: dict[str, AttributeValue] = {
        "correlationid": str(uuid5(trial.namespace, f"conversation|{digest}")),
        "recordedtime": recorded.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if draft.level is not None:
        extensions["informatieniveau"] = LEVEL_NAMES[draft.level]
        extensions |= {"eventfamilie": draft.family} if draft.family else {}
    sender = trial.sender
    return make_event(
        id=str(uuid5(trial.namespace, f"event|{digest}|{at}")),
        source=source_of(trial.profile, oin=sender["oin"], system=sender.get("systeem", "")),
        type=draft.type,
        subject=draft.subject,
        time=draft.time,
        data=draft.data,
        extensions=extensions,
    )


def _view(event: CloudEvent) -> EventView | None:
    try:
        time = datetime.fromisoformat(event.time or "")
    except ValueError:
        return None
    if time.tzinfo is None:
        return None
    return EventView(
        type=event.type,
        subject=event.subject or "",
        time=time,
        data=event.data if isinstance(event.data, dict) else {},
        source=event.source,
        extensions={name: str(value) for name, value in event.attributes.items()},
    )


def _first_that_composes(
    trial: Trial,
    programs: list[Program],
    view: EventView,
    context: Context,
    resource: dict[str, Json] | None,
    ref: RefExchange | None,
) -> Message | Refused:
    made: list[Message] = []
    refused: list[Refused] = []
    for program in programs:
        writing = Writing(program, context, view, resource, ref)
        outcome = writing.run()
        if isinstance(outcome, Rejected):
            refused.append(_rejected(program, outcome.findings))
        elif faults := trial.schemas.of_composed(program, outcome.payload):
            refused.append(_rejected(program, faults))
        elif trial.action in (None, outcome.action):
            service = outcome.service or trial.service
            made.append(Message(mapping=program.label, writing=writing, composed=outcome, service=service))
        else:
            text = f"{program.label} composes action {outcome.action}, not {trial.action}"
            refused.append(Refused(mapping=program.label, code=NO_MAPPING, text=text))
    if not made:
        return _all_refused(refused)
    return replace(made[0], others=tuple(other.mapping for other in made[1:]))


def _all_refused(refused: list[Refused]) -> Refused:
    if len(refused) == 1:
        return refused[0]
    text = "; ".join(f"{one.mapping}: {one.text}" for one in refused)
    found = tuple(finding for one in refused for finding in one.findings)
    return Refused(mapping=refused[0].mapping, code=refused[0].code, text=text, findings=found)


def _rejected(program: Program, findings: tuple[Finding, ...]) -> Refused:
    """The first rule stands for all; the full data is what a person who runs a file forgets."""
    text = "; ".join(str(finding) for finding in findings)
    if any(finding.rule == "M933" for finding in findings):
        text += ". Give the full data of the source with --resource FILE.json"
    if any(finding.rule == "M935" for finding in findings):
        text += ". Give the earlier exchange with --ref FILE.json"
    first = next(f.rule for f in findings if RULES[f.rule].severity == "error")
    return Refused(mapping=program.label, code=first, text=text, findings=findings)


def _no_mapping(trial: Trial, root: etree._Element) -> str:
    name = etree.QName(root)
    asked = [
        f"{what} {value}"
        for what, value in (("service", trial.service), ("action", trial.action))
        if value is not None
    ]
    under = f" under {' and '.join(asked)}" if asked else ""
    roots = ", ".join(sorted(p.root.name for p in trial.mappings.programs if p.direction.reads)) or "none"
    space = (name.namespace or "no namespace")[:200]
    return f"no mapping reads {name.localname[:80]} of {space}{under}; there are: {roots}"
