"""Flow 4, second half, compose: an event from the hub becomes a complete, signed message for each partner it concerns.

Whom it concerns is decided strictly, since a wrong addressee is the worst outcome: the partner must subscribe to the
type, and unless its settings say otherwise it must itself have exchanged messages about the very same subject. One
transaction: the outgoing messages with their octets, the delivery jobs, the state of the event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.config import PartnerSettings
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import Octets, Part, PartyId, Service
from bridge.errors import ConfigError
from bridge.flow import tracing
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.context import composing_context, migration_of, own_named
from bridge.flow.exchange import settle_exchange
from bridge.flow.fetch import Fetched, NothingThere, SourceDown, SourceRefuses, fetch_files, fetch_resource
from bridge.flow.outgoing import Outgoing, keep_outgoing, make_outgoing
from bridge.flow.peers import note_source_failure
from bridge.flow.persons import persons_in_xml
from bridge.hub.event import Event as CloudEvent
from bridge.hub.json import Json
from bridge.hub.reader import read_structured
from bridge.hub.subscriptions import compile_filter, matches
from bridge.ids import Key
from bridge.log import get_logger
from bridge.mapping.compose import compose_message, needs
from bridge.mapping.context import Composed, EventView, RefExchange, Rejected
from bridge.mapping.fit import by_fit
from bridge.mapping.machine import MAX_FILES_OCTETS
from bridge.mapping.program import Program
from bridge.store.events import EventFilter, get_event, list_events, set_event_state
from bridge.store.exchanges import set_exchange
from bridge.store.jobs import finish_job, retry_job
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.persons import index_persons
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    ExchangeState,
    Job,
    MessageState,
)
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

KIND = "compose"

_SOURCE_FIRST = timedelta(seconds=5)
_SOURCE_LAST = timedelta(minutes=15)
"""How long a message waits between two looks at a source that is down."""

_log = get_logger()


_NAMED = 20
"""So many events in the correlation of an answer are looked at, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Concerned:
    """A partner that an event concerns, and the message of it that the event answers or comes after."""

    partner: PartnerSettings
    earlier: MessageRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A message ready to be stored and delivered."""

    outgoing: Outgoing
    persons: frozenset[str] = field(repr=False)
    """Those in its payload, by BSN."""

    @property
    def row(self) -> MessageRow:
        return self.outgoing.row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stuck:
    """Why no message can be composed for a partner it concerns."""

    partner: PartnerSettings
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lacks:
    """A message can be composed as soon as these files are at hand."""

    references: tuple[str, ...]


_STAND_IN = b"\0"
"""Octets of a file that is not fetched yet, to see whether a message can be composed at all."""


async def compose(bridge: Bridge, job: Job) -> None:
    """Compose the messages that one received event asks for, and plan their delivery."""
    event = await bridge.store.read(lambda tx: get_event(tx, job.subject_key))
    if event.state is not EventState.RECEIVED:
        now = bridge.now()
        await bridge.store.write(lambda tx: finish_job(tx, job, at=now))
        return
    cloud_event = read_structured(event.body)
    theirs = cloud_event.extension("traceparent")
    caused_by = theirs if isinstance(theirs, str) else None
    with tracing.span("event.compose", event.exchange, caused_by=caused_by, event_id=event.id):
        await _go_on(bridge, job, event, cloud_event)


async def _go_on(bridge: Bridge, job: Job, event: Event, cloud_event: CloudEvent) -> None:
    found = await bridge.store.read(lambda tx: find_concerned(tx, bridge, event))
    concerned = [whom for whom in found if migration_of(bridge, whom.partner) is None]
    ended = [text for whom in found if (text := migration_of(bridge, whom.partner))]
    outcomes: list[_Ready | _Stuck] = []
    for whom in concerned:
        resource = await _look_up(bridge, event, cloud_event, whom)
        if isinstance(resource, SourceDown):
            await _wait_for_source(bridge, job, event, resource)
            return
        outcome = await _make(bridge, event, cloud_event, whom, resource)
        if isinstance(outcome, SourceDown):
            await _wait_for_source(bridge, job, event, outcome)
            return
        outcomes.append(outcome)
    ready = [outcome for outcome in outcomes if isinstance(outcome, _Ready)]
    stuck = [outcome for outcome in outcomes if isinstance(outcome, _Stuck)]
    if stuck:
        await _set_aside(bridge, job, event, stuck)
    else:
        await _keep(bridge, job, event, ready, ended)


def find_concerned(tx: Connection, bridge: Bridge, event: Event) -> list[_Concerned]:
    """The partners that this event concerns, by their subscriptions and their own earlier messages."""
    found = []
    attributes = read_structured(event.body)
    for partner in bridge.settings.partners:
        if not _subscribed(bridge, partner, attributes):
            continue
        earlier = _earlier_of(tx, partner, event)
        if earlier is not None or not partner.only_own_subjects:
            found.append(_Concerned(partner=partner, earlier=earlier))
    return found


def _subscribed(bridge: Bridge, partner: PartnerSettings, event: CloudEvent) -> bool:
    """By type and by filter, both when both are given.

    What does not name the type itself (a wildcard, a filter alone) counts only for types that some mapping composes a
    message from.
    """
    if partner.filter is not None and not matches(compile_filter(partner.filter), event):
        return False
    if event.type in partner.events:
        return True
    broadly = any(matches_type(pattern, event.type) for pattern in partner.events)
    broadly = broadly or (partner.filter is not None and not partner.events)
    return broadly and bool(bridge.mappings.for_event(event.type))


def matches_type(pattern: str, type: str) -> bool:
    """A type, or its beginning followed by `*`."""
    return type.startswith(pattern[:-1]) if pattern.endswith("*") else type == pattern


def _earlier_of(tx: Connection, partner: PartnerSettings, event: Event) -> MessageRow | None:
    """Of the messages of the partner about the same subject the one that the event answers: which caused it by its
    causationid, else the newest in its correlation (SOH-37); when it names none of them, the newest."""
    if event.subject is None:
        return None
    about = MessageFilter(direction=Direction.IN, from_party=partner.party_id, subject=event.subject)
    for exchange in _exchanges_named(tx, event):
        if row := _latest(tx, replace(about, exchange=exchange)):
            return row
    return _latest(tx, about)


def _exchanges_named(tx: Connection, event: Event) -> Iterable[Key]:
    ours = EventFilter(direction=Direction.OUT, subject=event.subject)
    found: list[Event] = []
    if event.causation_id is not None:
        found += list_events(tx, replace(ours, id=event.causation_id), limit=1)
    if event.correlation_id is not None:
        found += list_events(tx, replace(ours, correlation_id=event.correlation_id), limit=_NAMED)
    return dict.fromkeys(one.exchange for one in found)


def _latest(tx: Connection, wanted: MessageFilter) -> MessageRow | None:
    rows = list_messages(tx, wanted, limit=20)
    return next((row for row in rows if row.state is not MessageState.REFUSED), None)


async def _look_up(
    bridge: Bridge, event: Event, cloud_event: CloudEvent, whom: _Concerned
) -> Fetched | NothingThere | SourceDown | SourceRefuses:
    """The full data at the source, when a mapping asks for it."""
    own = _own_party(bridge, whom)
    if own is None or not any(needs(program).resource for program in bridge.mappings.for_event(event.type)):
        return NothingThere()
    return await fetch_resource(bridge, cloud_event, own, whom.partner)


async def _make(
    bridge: Bridge,
    event: Event,
    cloud_event: CloudEvent,
    whom: _Concerned,
    resource: Fetched | NothingThere | SourceRefuses,
) -> _Ready | _Stuck | SourceDown:
    """Compose for one partner. The files that stand in the message are fetched when it is sure that they will."""
    files: dict[str, bytes] = {}
    own = _own_party(bridge, whom)
    while True:
        outcome = await asyncio.to_thread(_prepare, bridge, event, cloud_event, whom, resource, files)
        if not isinstance(outcome, _Lacks):
            return outcome
        assert own is not None, "without one nothing is composed"
        left = MAX_FILES_OCTETS - sum(len(octets) for octets in files.values())
        found = await fetch_files(bridge, cloud_event, own, whom.partner, outcome.references, max_octets=left)
        if isinstance(found, SourceDown):
            return found
        if isinstance(found, SourceRefuses):
            return _Stuck(partner=whom.partner, reason=found.reason)
        files |= found


async def _wait_for_source(bridge: Bridge, job: Job, event: Event, down: SourceDown) -> None:
    """The message waits until the source answers; what is waited for stands in the timeline."""
    now = bridge.now()
    delay = max(
        down.retry_after or timedelta(0), min(_SOURCE_FIRST * 2 ** min(job.attempts, 10), _SOURCE_LAST)
    )

    def work(tx: Connection) -> None:
        if event.reason != down.reason:
            set_event_state(tx, event.key, EventState.RECEIVED, at=now, reason=down.reason)
            add_step(
                tx,
                exchange=event.exchange,
                at=now,
                side="hub",
                what="source.down",
                outcome="waiting",
                detail={"event_id": event.id, "source": down.oin, "reason": down.reason},
            )
        retry_job(tx, job, due=now + delay, reason=down.reason, at=now)

    await bridge.store.write(work)
    _log.warning("source.down", event_id=event.id, source=down.oin, reason=down.reason)
    note_source_failure(bridge, down.oin, down.reason)


def _prepare(
    bridge: Bridge,
    event: Event,
    cloud_event: CloudEvent,
    whom: _Concerned,
    resource: Fetched | NothingThere | SourceRefuses,
    files: Mapping[str, bytes],
) -> _Ready | _Stuck | _Lacks:
    """Pick the mapping that the agreement with this partner has an action for, run it, sign the result."""
    if isinstance(resource, SourceRefuses):
        return _Stuck(partner=whom.partner, reason=resource.reason)
    own = _own_party(bridge, whom)
    programs = bridge.mappings.for_event(event.type)
    if own is None or not programs:
        what = (
            "no own party to send from" if own is None else f"no mapping composes a message from {event.type}"
        )
        return _Stuck(partner=whom.partner, reason=what)
    reasons: list[str] = []
    content = resource.resource if isinstance(resource, Fetched) else None
    for program in by_fit(programs, content):
        lacking: dict[str, None] = {}
        composed = _compose(bridge, program, event, cloud_event, whom, own, content, _give(files, lacking))
        if isinstance(composed, Rejected):
            reasons.extend(str(finding) for finding in composed.findings)
            continue
        terms = _terms(bridge, own, whom, composed)
        if terms is None:
            reasons.append(
                f"no agreement lets {own.name} send action {composed.action} to {whom.partner.name}"
            )
            continue
        if lacking:
            return _Lacks(references=tuple(lacking))
        try:
            return _seal(bridge, event, whom, own, program, composed, terms)
        except ConfigError as error:
            reasons.append(str(error))
    return _Stuck(partner=whom.partner, reason="; ".join(reasons))


def _own_party(bridge: Bridge, whom: _Concerned) -> OwnIdentity | None:
    """The party that the partner addressed before; else the only own party there is."""
    if whom.earlier is not None:
        return own_named(bridge, whom.earlier.to_party)
    return bridge.own[0] if len(bridge.own) == 1 else None


def _give(files: Mapping[str, bytes], lacking: dict[str, None]) -> Callable[[str], bytes]:
    """Gives a mapping the files that are at hand, and notes those that are not."""

    def give(reference: str) -> bytes:
        found = files.get(reference)
        if found is None:
            lacking[reference] = None
            return _STAND_IN
        return found

    return give


def _compose(
    bridge: Bridge,
    program: Program,
    event: Event,
    cloud_event: CloudEvent,
    whom: _Concerned,
    own: OwnIdentity,
    resource: dict[str, Json] | None,
    attachment: Callable[[str], bytes],
) -> Composed | Rejected:
    view = EventView(
        type=event.type,
        subject=event.subject or "",
        time=datetime.fromisoformat(event.time),
        data=cloud_event.data if isinstance(cloud_event.data, dict) else {},
        source=event.source,
        extensions={name: str(value) for name, value in cloud_event.attributes.items()},
    )
    earlier = whom.earlier
    ref = (
        None
        if earlier is None
        else RefExchange(
            message_id=earlier.message_id,
            conversation_id=earlier.conversation_id,
            service=earlier.service,
            action=earlier.action,
            from_party=earlier.from_party,
            to_party=earlier.to_party,
            values=earlier.values,
        )
    )
    context = replace(composing_context(bridge, own, whom.partner), attachment=attachment)
    made = compose_message(program, view, resource=resource, ref=ref, context=context)
    if isinstance(made, Composed) and (faults := bridge.schemas.of_composed(program, made.payload)):
        return Rejected(findings=faults)
    return made


def _terms(bridge: Bridge, own: OwnIdentity, whom: _Concerned, composed: Composed) -> Terms | None:
    """The agreement for this service and action; the service of the earlier message where the mapping is silent."""
    earlier = whom.earlier
    service = composed.service or (earlier.service if earlier else None)
    if service is None or composed.action is None:
        return None
    partner = PartyId(value=whom.partner.party_id, type=whom.partner.party_id_type)
    service_type = earlier.service_type if earlier and earlier.service == service else None
    for candidate in (Service(value=service, type=service_type), Service(value=service)):
        found = bridge.agreements.candidates(
            own=own.party_id, service=candidate, action=composed.action, at=bridge.now(), partner=partner
        )
        if found:
            return next((t for t in found if earlier and t.cpa_id == earlier.cpa_id), found[0])
    return None


def _seal(
    bridge: Bridge,
    event: Event,
    whom: _Concerned,
    own: OwnIdentity,
    program: Program,
    composed: Composed,
    terms: Terms,
) -> _Ready:
    content_id = bridge.new_local_id()
    reference = composed.header.get("refToMessageId") if whom.partner.refer_to_request else None
    outgoing = make_outgoing(
        bridge,
        terms,
        own=own,
        exchange=event.exchange,
        parts=(Part(content_id=content_id, content_type="text/xml", content=Octets(composed.payload)),),
        conversation_id=composed.header.get("conversationId"),
        ref_to_message_id=reference,
        subject=event.subject,
        mapping=f"{program.name}@{program.version}",
        values=composed.values,
        drawn_from=f"message|{event.source}|{event.id}|{whom.partner.party_id}",
    )
    return _Ready(outgoing=outgoing, persons=persons_in_xml(composed.payload))


async def _keep(bridge: Bridge, job: Job, event: Event, ready: list[_Ready], ended: list[str]) -> None:
    """Store the messages; without one say why. `ended` names the partners that look for themselves now."""
    now = bridge.now()
    state = EventState.COMPOSED if ready else EventState.UNMATCHED
    reason = None if ready else "; ".join(ended) or "it concerns no partner of this bridge"

    def work(tx: Connection) -> None:
        set_event_state(tx, event.key, state, at=now, reason=reason)
        for prepared in ready:
            _store(tx, prepared.outgoing, now)
            index_persons(tx, bridge.person_key, prepared.persons, event.exchange)
        if not ready:
            add_step(
                tx,
                exchange=event.exchange,
                at=now,
                side="bridge",
                what="event.unmatched",
                outcome="info",
                detail={"event_id": event.id, "reason": reason or ""},
            )
        settle_exchange(tx, event.exchange, at=now)
        finish_job(tx, job, at=now)

    await bridge.store.write(work)
    ids = [prepared.row.message_id for prepared in ready]
    _log.info("event.composed" if ready else "event.unmatched", event_id=event.id, message_id=ids)
    metrics.event_composed("composed" if ready else "unmatched")
    bridge.wake()


def _store(tx: Connection, outgoing: Outgoing, now: datetime) -> None:
    row = outgoing.row
    keep_outgoing(tx, outgoing)
    set_exchange(tx, row.exchange, partner=row.to_party, at=now)
    add_step(
        tx,
        exchange=row.exchange,
        at=now,
        side="bridge",
        what="message.composed",
        outcome="ok",
        detail={
            "message_id": row.message_id,
            "conversation_id": row.conversation_id,
            "ref_to_message_id": row.ref_to_message_id or "",
            "to_party": row.to_party,
            "mapping": row.mapping or "",
        },
    )


async def _set_aside(bridge: Bridge, job: Job, event: Event, stuck: list[_Stuck]) -> None:
    """It concerns a partner and no message can be made: the event waits, whole, for a person."""
    now = bridge.now()
    reason = "; ".join(f"{s.partner.name}: {s.reason}" for s in stuck)

    def work(tx: Connection) -> None:
        set_event_state(tx, event.key, EventState.QUARANTINED, at=now, reason=reason)
        add_step(
            tx,
            exchange=event.exchange,
            at=now,
            side="bridge",
            what="event.set_aside",
            outcome="failed",
            detail={"event_id": event.id, "reason": reason},
        )
        set_exchange(tx, event.exchange, state=ExchangeState.ATTENTION, reason=reason, at=now)
        finish_job(tx, job, at=now)

    await bridge.store.write(work)
    _log.error("event.set_aside", event_id=event.id, reason=reason)
    metrics.event_composed("set_aside")
