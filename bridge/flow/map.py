"""Flow 2, map: a relay message becomes thin events for the hub and a resource that stays behind.

One transaction: the events, the resource, the jobs to publish them, the state of the message. What cannot be mapped
waits whole (PARKED) with its reason, until the mapping is mended and the message is replayed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from lxml import etree
from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.ebms.model import Content
from bridge.ebms.xml import MAX_PAYLOAD_OCTETS, PAYLOAD_LIMITS, parse_xml
from bridge.errors import PeerError
from bridge.flow import publish, references, tracing
from bridge.flow.answer import keep_answer, log_answer
from bridge.flow.bridge import Bridge
from bridge.flow.context import mapping_context, migration_of, partner_named
from bridge.flow.correlate import tie
from bridge.flow.exchange import REFUSED_BY, settle_exchange
from bridge.flow.order import MAP
from bridge.flow.persons import persons_in_xml
from bridge.flow.references import (
    Look,
    SeenMeanwhile,
    keep_held_back,
    log_held_back,
)
from bridge.flow.try_out import LEVEL_NAMES
from bridge.flow.xsd import RECEIVED
from bridge.hub.bsn import holds_bsn
from bridge.hub.event import Event as CloudEvent
from bridge.hub.event import make_event, write_structured
from bridge.hub.profile import Mode, check_event, source_of
from bridge.ids import EventId, Key, Oin, drawn_uuid
from bridge.inzage.record import find_subjects
from bridge.log import get_logger
from bridge.mapping.canonical import content_digest
from bridge.mapping.context import Answer, EventDraft, Finding, Mapped, Rejected
from bridge.mapping.program import Program
from bridge.mapping.rules import RULES
from bridge.mapping.run import run_mapping
from bridge.store.blobs import put_blob, read_blob
from bridge.store.channels import HUB
from bridge.store.events import add_event
from bridge.store.exchanges import set_exchange
from bridge.store.jobs import add_job, finish_job
from bridge.store.messages import (
    ATTACHMENTS_FROM,
    add_payload,
    find_by_message_id,
    get_message,
    payloads_of,
    set_message_state,
    set_message_values,
)
from bridge.store.persons import index_persons
from bridge.store.resources import put_resource
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Job,
    Message,
    MessageState,
    Payload,
)
from bridge.store.timeline import add_step

KIND = MAP

REFUSED_ANSWER = "refused"
"""How a mapping names a technical answer that says no; the other outcomes are good."""

MAX_TOLD = 20
"""Of the findings of a message that was mapped, at most so many stand on its timeline."""

LARGE = 1024 * 1024
"""A payload with more octets is translated in a thread, so that others need not wait for it."""

_LONGEST_SUBJECT = 200

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Why a message waits for a person: a rule id where there is one, and a sentence."""

    reason: str
    subject: str | None = None
    """What it is about, when that is known: so it can be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A message in the hub's terms, ready to store."""

    mapping: str
    mapped: Mapped
    events: tuple[CloudEvent, ...]
    findings: tuple[Finding, ...] = ()
    """What the mapping and the XSD have to say, and let pass."""
    content: str | None = None
    """Digest of the payload, of a message that is known by a reference number."""

    @property
    def subject(self) -> str | None:
        return next((event.subject for event in self.events if event.subject), None)


async def map_message(bridge: Bridge, job: Job) -> None:
    """Translate one received message and store the outcome, or park it with its reason."""
    message, payload = await bridge.store.read(lambda tx: load_message(tx, job.subject_key))
    with tracing.span("message.map", message.exchange, message_id=message.message_id):
        if payload is not None and len(payload) > LARGE:
            outcome, persons = await asyncio.to_thread(_take_up, bridge, message, payload)
        else:
            outcome, persons = _take_up(bridge, message, payload)
        match outcome:
            case Parked():
                await _park(bridge, job, message, outcome, persons)
            case Translated():
                if message.state is MessageState.RECEIVED:
                    outcome = replace(outcome, events=_with_own_ids(bridge, message, outcome.events))
                await _take(bridge, job, message, outcome, persons)
                bridge.wake()


def _take_up(
    bridge: Bridge, message: Message, payload: bytes | None
) -> tuple[Translated | Parked, frozenset[str]]:
    """What becomes of the message, and whom it is about: the one does not rest on the other."""
    return translate(bridge, message, payload), persons_in_xml(payload)


def _with_own_ids(bridge: Bridge, message: Message, events: Sequence[CloudEvent]) -> tuple[CloudEvent, ...]:
    """The ids that the first mapping of this message gives, whenever it is done.

    A store that is put back from a backup maps again what was mapped since: under other ids the hub would take it for
    news. Version 4 in form, drawn from a digest (SOH-03).
    """
    named = []
    for position, event in enumerate(events):
        name = f"event|{message.from_party}|{message.message_id}|{position}|{event.type}"
        id = drawn_uuid(bridge.settings.identifiers.namespace, name)
        named.append(replace(event, attributes={**event.attributes, "id": str(id)}))
    return tuple(named)


def correlation_of(namespace: UUID, message: Message) -> str:
    """One value for a conversation, both ways; it does not show the ConversationId (SOH-37)."""
    return str(uuid5(namespace, f"conversation|{message.cpa_id}|{message.conversation_id}"))


def translate(bridge: Bridge, message: Message, payload: bytes | None) -> Translated | Parked:
    """Run the mapping and check every event against the profile. Changes nothing."""
    if ended := migration_of(bridge, partner_named(bridge, message.from_party)):
        return Parked(reason=f"{ended}; this message is kept, and a person decides what to do with it")
    read = _read(bridge, message, payload)
    if isinstance(read, Parked):
        return read
    program, root, outcome = read
    if not isinstance(outcome, Mapped):
        reason = "; ".join(str(finding) for finding in _errors_first(outcome.findings))
        return Parked(reason=reason, subject=_safe(outcome.subject))
    faults = bridge.schemas.findings(RECEIVED, program, root)
    if faults and bridge.settings.mappings.xsd_received == "wait":
        return Parked(reason="; ".join(str(fault) for fault in faults))
    events = tuple(_event(bridge, message, draft) for draft in outcome.events)
    broken = [
        f"{finding.rule} {finding.text}"
        for event in events
        for finding in check_event(event, Mode.PUBLISH, profile=bridge.profile)
        if finding.level == "error"
    ]
    if broken:
        return Parked(reason="; ".join(broken), subject=_safe(next((e.subject for e in events), None)))
    content = None if outcome.reference is None else content_digest(root)
    return Translated(
        mapping=f"{program.name}@{program.version}",
        mapped=outcome,
        events=events,
        content=content,
        findings=(*outcome.findings, *faults),
    )


def _read(
    bridge: Bridge, message: Message, payload: bytes | None
) -> tuple[Program, etree._Element, Mapped | Rejected] | Parked:
    """What the mapping of this message makes of its payload."""
    if payload is None:
        return Parked(
            reason=f"the message has no payload to map, or one of more than {MAX_PAYLOAD_OCTETS} octets"
        )
    try:
        root = parse_xml(payload, limits=PAYLOAD_LIMITS)
    except PeerError as error:
        return Parked(reason=f"the payload is not readable XML: {error}")
    name = etree.QName(root)
    program = bridge.mappings.for_xml(
        name.text, service=message.service, action=message.action, cpa_id=message.cpa_id
    )
    if program is None:
        return Parked(
            reason=f"no mapping takes {name.localname} of service {message.service}, action {message.action}"
        )
    return program, root, run_mapping(program, root, context=mapping_context(bridge, message))


async def mapping_order(bridge: Bridge, message: Message, content: Content) -> str | None:
    """The ordering key of the mapping of a message that comes in: its sender and what it is about.

    What a sender reports about one subject is mapped, and so offered to the hub, in the order in which it was
    acknowledged, also when a process dies in between. None when the message does not show what it is about; it
    raises nothing, since nothing here may stand in the way of receiving it.
    """
    if content.size > MAX_PAYLOAD_OCTETS:
        return None
    if content.size > LARGE:
        subject = await asyncio.to_thread(_subject, bridge, message, content)
    else:
        subject = _subject(bridge, message, content)
    return None if subject is None else f"{message.from_party} {subject}"


def _subject(bridge: Bridge, message: Message, content: Content) -> str | None:
    with content.open() as octets:
        read = _read(bridge, message, octets.read())
    if isinstance(read, Parked):
        return None
    _, _, outcome = read
    if isinstance(outcome, Mapped):
        return _safe(next((draft.subject for draft in outcome.events if draft.subject), None))
    return _safe(outcome.subject)


def _safe(subject: str | None) -> str | None:
    """No subject that a list may not show."""
    return None if subject is None or holds_bsn(subject) else subject[:_LONGEST_SUBJECT]


def _errors_first(findings: tuple[Finding, ...]) -> list[Finding]:
    """What stopped the message before what is only worth knowing."""
    return sorted(findings, key=lambda finding: RULES[finding.rule].severity != "error")


def load_message(tx: Connection, key: Key) -> tuple[Message, bytes | None]:
    """A message with its first payload, when that may be XML to map. Raises NoSuchRow."""
    return get_message(tx, key), first_payload(tx, key)


def first_payload(tx: Connection, key: Key) -> bytes | None:
    """The first payload of a message, when that may be XML to map. Raises ContentPurged."""
    parts = payloads_of(tx, key)
    if not parts or parts[0].size > MAX_PAYLOAD_OCTETS:
        return None
    return read_blob(tx, parts[0].blob)


def _event(bridge: Bridge, message: Message, draft: EventDraft) -> CloudEvent:
    oin, system = source_party(bridge, message)
    now, traceparent = bridge.now(), tracing.traceparent()
    extensions = {
        "correlationid": correlation_of(bridge.settings.identifiers.namespace, message),
        "recordedtime": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if bridge.settings.hub.sequence:
        # A key of the store: later ones sort after it as plain text, in every process (SOH-41).
        extensions["sequence"] = bridge.new_key()
    if draft.level is not None:
        extensions["informatieniveau"] = LEVEL_NAMES[draft.level]
        extensions |= {"eventfamilie": draft.family} if draft.family else {}
    return make_event(
        id=str(bridge.new_uuid()),
        source=source_of(bridge.profile, oin=oin, system=system),
        type=draft.type,
        subject=draft.subject,
        time=draft.time,
        data=draft.data,
        extensions=extensions | ({"traceparent": traceparent} if traceparent else {}),
    )


def source_party(bridge: Bridge, message: Message) -> tuple[Oin, str]:
    """OIN and system of the partner for which the bridge speaks to the hub."""
    partner = next((p for p in bridge.settings.partners if p.party_id == message.from_party), None)
    oin = Oin(message.from_party.split("_")[0])
    return oin, partner.system if partner else "onbekend"


async def _park(bridge: Bridge, job: Job, message: Message, parked: Parked, persons: frozenset[str]) -> None:
    """Only the exchange gets the subject: to the flows a message that was not mapped is about nothing yet."""
    now, reason = bridge.now(), parked.reason

    def work(tx: Connection) -> None:
        set_message_state(tx, message.key, MessageState.PARKED, at=now, reason=reason)
        add_step(
            tx,
            exchange=message.exchange,
            at=now,
            side="bridge",
            what="message.parked",
            outcome="failed",
            detail={"message_id": message.message_id, "reason": reason},
        )
        set_exchange(tx, message.exchange, subject=parked.subject, at=now)
        index_persons(tx, bridge.person_key, persons, message.exchange)
        settle_exchange(tx, message.exchange, at=now)
        finish_job(tx, job, at=now)

    await bridge.store.write(work)
    _log.warning("message.parked", message_id=message.message_id, reason=reason)
    metrics.message_parked(partner_named(bridge, message.from_party), message.action)


async def _take(
    bridge: Bridge, job: Job, message: Message, outcome: Translated, persons: frozenset[str]
) -> None:
    """Send a message on, unless its sender used its number before."""
    look = await references.look_up(bridge, message, outcome.mapped, outcome.content)
    while look.earlier is None:
        tied = replace(outcome, events=await tie(bridge, message, outcome.events))
        try:
            await _keep(bridge, job, message, tied, look, persons)
            return
        except SeenMeanwhile:
            look = await references.look_up(bridge, message, outcome.mapped, outcome.content)
    await _hold_back(bridge, job, message, outcome, look, persons)


async def _hold_back(
    bridge: Bridge, job: Job, message: Message, outcome: Translated, look: Look, persons: frozenset[str]
) -> None:
    """The same message again is passed over; another one under the same number waits for a person."""
    now = bridge.now()
    reply = await references.reply_to(bridge, message, outcome.mapped, outcome.mapping, look)

    def work(tx: Connection) -> bool:
        keep_held_back(
            tx, message, look, mapped=outcome.mapped, mapping=outcome.mapping, subject=outcome.subject, at=now
        )
        index_persons(tx, bridge.person_key, persons, message.exchange)
        told = keep_answer(tx, reply, at=now)
        settle_exchange(tx, message.exchange, at=now)
        finish_job(tx, job, at=now)
        return told

    log_answer(bridge, reply, kept=await bridge.store.write(work))
    log_held_back(bridge, message, look)


async def _keep(
    bridge: Bridge, job: Job, message: Message, outcome: Translated, look: Look, persons: frozenset[str]
) -> None:
    now = bridge.now()
    rows = [event_row(bridge, message, event) for event in outcome.events]

    def work(tx: Connection) -> None:
        references.claim(tx, look)
        keep_mapped(tx, bridge, message, outcome, rows, persons=persons, at=now)
        add_step(
            tx,
            exchange=message.exchange,
            at=now,
            side="bridge",
            what="message.mapped",
            outcome="ok",
            detail={"mapping": outcome.mapping, "events": _ids(rows), "findings": _told(outcome.findings)}
            | _moments(outcome),
        )
        settle_exchange(tx, message.exchange, at=now)
        finish_job(tx, job, at=now)

    await bridge.store.write(work)
    _log.info("message.mapped", message_id=message.message_id, mapping=outcome.mapping, events=len(rows))
    metrics.message_mapped(partner_named(bridge, message.from_party), message.action)


def keep_mapped(
    tx: Connection,
    bridge: Bridge,
    message: Message,
    outcome: Translated,
    rows: Sequence[Event],
    *,
    persons: frozenset[str],
    at: datetime,
    with_resource: bool = True,
) -> None:
    """Store what a message became: these events with their publish jobs, the resource, its state and its values,
    and about whom it is. `persons` are those in its payload."""
    subject = outcome.subject
    for row in rows:
        add_event(tx, row)
        add_job(
            tx,
            key=bridge.new_key(),
            kind=publish.KIND,
            subject_key=row.key,
            ordering_key=row.subject,
            endpoint=HUB,
            due=at,
            at=at,
        )
    if with_resource:
        _keep_resource(tx, bridge, message, outcome.mapped)
        _keep_attachments(tx, message, outcome.mapped)
    persons |= _persons_of(outcome.mapped)
    index_persons(tx, bridge.person_key, persons, message.exchange)
    if outcome.mapped.answer is not None:
        _note_answer(tx, message, outcome.mapped.answer, at=at)
    set_message_values(tx, message.key, {**outcome.mapped.values, **references.marks(message)})
    set_message_state(tx, message.key, MessageState.MAPPED, at=at, mapping=outcome.mapping, subject=subject)
    own = correlation_of(bridge.settings.identifiers.namespace, message)
    correlation = next((str(event.attributes["correlationid"]) for event in outcome.events), own)
    set_exchange(tx, message.exchange, subject=subject, correlation_id=correlation, at=at)


def _keep_resource(tx: Connection, bridge: Bridge, message: Message, mapped: Mapped) -> None:
    draft = mapped.resource
    if draft is None:
        return
    body = {"body": draft.body, "levels": dict(draft.levels)}
    put_resource(
        tx,
        key=bridge.new_key(),
        exchange=message.exchange,
        type=draft.type,
        id=draft.id,
        owner=source_party(bridge, message)[0],
        body=json.dumps(body, ensure_ascii=False, sort_keys=True),
        at=bridge.now(),
    )


def _persons_of(mapped: Mapped) -> frozenset[str]:
    """Those in the resource: a mapping may know for a BSN what the payload does not show as one."""
    if mapped.resource is None:
        return frozenset()
    return frozenset(s.identifier for s in find_subjects(mapped.resource.body) if s.kind == "bsn")


def _keep_attachments(tx: Connection, message: Message, mapped: Mapped) -> None:
    """Octets that the mapping took out of the payload: kept with the message, found by their reference."""
    kept = (p for p in payloads_of(tx, message.key) if p.position > ATTACHMENTS_FROM)
    known = {payload.content_id for payload in kept}
    position = ATTACHMENTS_FROM + len(known)
    for attachment in mapped.attachments:
        if attachment.reference in known:
            continue
        known.add(attachment.reference)
        position += 1
        blob, size = put_blob(tx, attachment.content)
        add_payload(
            tx,
            Payload(
                message=message.key,
                position=position,
                content_id=attachment.reference,
                content_type="application/octet-stream",
                blob=blob,
                size=size,
            ),
        )


def _note_answer(tx: Connection, message: Message, answer: Answer, *, at: datetime) -> None:
    """A technical answer of the message standard says how a message of ours fared: it stands on its timeline."""
    if message.ref_to_message_id is None:
        return
    sent = find_by_message_id(tx, message.ref_to_message_id, direction=Direction.OUT)
    between = message.from_party, message.to_party
    for asked in sent:
        if (asked.to_party, asked.from_party) != between:
            # No other than the partner that it went to can say how it fared there.
            continue
        failed = answer.outcome == REFUSED_ANSWER
        detail = {
            "message_id": asked.message_id,
            "answered_by": message.message_id,
            "outcome": answer.outcome,
        }
        add_step(
            tx,
            exchange=asked.exchange,
            at=at,
            side="ebms",
            what="message.answered",
            outcome="failed" if failed else "ok",
            detail=detail,
        )
        if failed:
            set_message_values(tx, asked.key, {**asked.values, REFUSED_BY: message.message_id})
            settle_exchange(tx, asked.exchange, at=at)


def event_row(bridge: Bridge, message: Message, event: CloudEvent) -> Event:
    """An event that was made of a message, ready to store and to offer."""
    now = bridge.now()
    return Event(
        key=bridge.new_key(),
        exchange=message.exchange,
        direction=Direction.OUT,
        source=event.source,
        id=EventId(event.id),
        type=event.type,
        subject=event.subject,
        time=str(event.attributes["time"]),
        state=EventState.CREATED,
        level=str(level) if (level := event.extension("informatieniveau")) else None,
        correlation_id=str(event.attributes["correlationid"]),
        causation_id=cause if isinstance(cause := event.attributes.get("causationid"), str) else None,
        body=write_structured(event),
        at=now,
        changed_at=now,
    )


def _told(findings: tuple[Finding, ...]) -> str:
    more = f"; and {len(findings) - MAX_TOLD} more" if len(findings) > MAX_TOLD else ""
    return "; ".join(str(finding) for finding in findings[:MAX_TOLD]) + more


def _moments(outcome: Translated) -> dict[str, str]:
    """Where the time of an event came from when the content names no moment (SOH-17)."""
    told = {"message": "the Timestamp of the message", "received": "the moment of receipt"}
    found = {told[draft.time_from] for draft in outcome.mapped.events if draft.time_from in told}
    return {"time_from": ", ".join(sorted(found))} if found else {}


def _ids(rows: Sequence[Event]) -> str:
    return ", ".join(row.id for row in rows)
