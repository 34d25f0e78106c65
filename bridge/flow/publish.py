"""Flow 3, publish: offer an event to the hub and follow it until OK or ERROR.

One job per fact, from the first offer to the end state, so that jobs with the same ordering key (the subject) are
offered one after another. Before a POST the event is marked UNKNOWN on disk: whatever happens then, the hub is asked
first whether it knows the id, so that nothing is offered twice (SOH-05). A new offer after an end state is a new
event with a new id, the same data, and `causationid` naming the old one (SOH-04, SOH-74).
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from opentelemetry.trace import SpanKind
from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.flow import tracing
from bridge.flow.answer import answer_to_event, keep_answer, log_answer
from bridge.flow.bridge import Bridge
from bridge.flow.contact import Contact, Reached, Unreached
from bridge.flow.exchange import OVERDUE, settle_exchange
from bridge.flow.peers import hub_name, note_hub_failure, own_words
from bridge.hub import contract
from bridge.hub.event import offer_again, write_structured
from bridge.hub.reader import read_structured
from bridge.hub.shared import ChannelFault, TokenRefused
from bridge.ids import EventId
from bridge.log import get_logger
from bridge.mapping.model import Fate
from bridge.store.cursors import restored_at
from bridge.store.events import add_event, get_event, set_event_state
from bridge.store.jobs import finish_job, renew_lease, retry_job
from bridge.store.keys import made_at
from bridge.store.rows import Event, EventState, Job
from bridge.store.timeline import add_step
from bridge.told import kept_apart, shown

KIND = "publish"

_CHANNEL_HELD = timedelta(minutes=1)
"""How long the channel rests after a fault that only an operator can mend (401, 403, 404, a wrong address)."""

_log = get_logger()


async def publish(bridge: Bridge, job: Job) -> Contact | None:
    """Take the event one step further: offer it, or ask how it fares."""
    event, restored = await bridge.store.read(lambda tx: (get_event(tx, job.subject_key), restored_at(tx)))
    if restored is not None and _may_be_known(event, restored):
        event = replace(event, state=EventState.UNKNOWN)
    with tracing.span("event.publish", event.exchange, kind=SpanKind.CLIENT, event_id=event.id):
        return await _go_on(bridge, job, event)


def _may_be_known(event: Event, restored: datetime) -> bool:
    """Whether it may have been offered after the backup that the store was put back from: then the hub is asked."""
    return event.state is EventState.CREATED and not event.offers and made_at(event.exchange) < restored


async def _go_on(bridge: Bridge, job: Job, event: Event) -> Contact | None:
    match event.state:
        case EventState.CREATED:
            return await _offer(bridge, job, event)
        case EventState.UNKNOWN:
            return await _ask_before_offering(bridge, job, event)
        case EventState.OFFERED:
            return await _follow(bridge, job, event)
        case _:
            now = bridge.now()
            await bridge.store.write(lambda tx: finish_job(tx, job, at=now))
            return None


async def _offer(bridge: Bridge, job: Job, event: Event) -> Contact:
    now, lease = bridge.now(), bridge.settings.worker.lease

    def before(tx: Connection) -> None:
        renew_lease(tx, job, now=now, lease=lease)
        set_event_state(
            tx, event.key, EventState.UNKNOWN, at=now, reason="offered, no answer yet", add_offer=True
        )

    await bridge.store.write(before)
    metrics.event_offered(hub_name(bridge))
    outcome = await bridge.hub.offer(
        event.body, event_id=EventId(event.id), traceparent=tracing.traceparent()
    )
    match outcome:
        case contract.Accepted(interactie_id=interactie_id, alarm=alarm):
            await _accepted(bridge, job, event, interactie_id, alarm)
        case contract.AlreadyEnded(outcome=end):
            await _ended(bridge, job, event, end)
        case contract.NotTaken(retry_after=wait, reason=reason, told=told):
            await _wait(bridge, job, event, EventState.CREATED, reason, wait, told)
        case contract.OutcomeUnknown(reason=reason, retry_after=wait, told=told):
            await _wait(bridge, job, event, EventState.UNKNOWN, reason, wait, told)
        case contract.Conflict():
            reason = "the hub says that it knows this id; its status is asked"
            await _wait(bridge, job, event, EventState.UNKNOWN, reason, None)
        case contract.Refused(reason=reason, told=told):
            await _stop(bridge, job, event, EventState.REFUSED, reason, told)
        case TokenRefused(reason=reason, told=told) | ChannelFault(reason=reason, told=told):
            await _wait(bridge, job, event, EventState.CREATED, reason, _CHANNEL_HELD, told)
    return _contact(bridge, outcome)


async def _ask_before_offering(bridge: Bridge, job: Job, event: Event) -> Contact:
    status = await bridge.hub.status(
        event.interactie_id or event.id, event_id=event.id, traceparent=tracing.traceparent()
    )
    if isinstance(status, contract.NotFound):
        # The hub never saw the id, so the same octets may be offered.
        return await _offer(bridge, job, event)
    await _apply_status(bridge, job, event, status)
    return _contact(bridge, status)


async def _follow(bridge: Bridge, job: Job, event: Event) -> Contact:
    status = await bridge.hub.status(
        event.interactie_id or event.id, event_id=event.id, traceparent=tracing.traceparent()
    )
    await _apply_status(bridge, job, event, status)
    return _contact(bridge, status)


def _contact(bridge: Bridge, outcome: contract.OfferOutcome | contract.StatusOutcome) -> Contact:
    """No usable answer, or "not now", counts against the hub; everything else is an answer."""
    match outcome:
        case (
            contract.OutcomeUnknown(reason=reason)
            | contract.NoAnswerYet(reason=reason)
            | contract.NotTaken(reason=reason)
        ):
            note_hub_failure(bridge, reason)
            return Unreached(reason=reason)
        case _:
            return Reached()


async def _apply_status(bridge: Bridge, job: Job, event: Event, status: contract.StatusOutcome) -> None:
    match status:
        case contract.InProgress(alarm=alarm):
            if event.state is EventState.UNKNOWN:
                await _accepted(bridge, job, event, event.id, alarm)
            else:
                reason = alarm or _overdue(bridge, event)
                await _wait(bridge, job, event, EventState.OFFERED, reason, None)
        case contract.NoAnswerYet(reason=reason, retry_after=wait, told=told):
            await _wait(bridge, job, event, event.state, reason, wait, told)
        case contract.NotFound():
            reason = "the hub accepted this event and no longer knows it"
            await _wait(bridge, job, event, event.state, reason, _CHANNEL_HELD)
        case TokenRefused(reason=reason, told=told) | ChannelFault(reason=reason, told=told):
            await _wait(bridge, job, event, event.state, reason, _CHANNEL_HELD, told)
        case contract.Ok() | contract.Functional() | contract.Technical():
            await _ended(bridge, job, event, status)


async def _accepted(bridge: Bridge, job: Job, event: Event, interactie_id: str, alarm: str | None) -> None:
    now = bridge.now()
    due = now + contract.poll_delay(0, bridge.jitter())

    def work(tx: Connection) -> None:
        set_event_state(tx, event.key, EventState.OFFERED, at=now, interactie_id=interactie_id, reason=alarm)
        add_step(
            tx,
            exchange=event.exchange,
            at=now,
            side="hub",
            what="event.accepted",
            outcome="waiting",
            detail={"event_id": event.id, "interactie_id": interactie_id} | _note(alarm),
        )
        settle_exchange(tx, event.exchange, at=now)
        retry_job(tx, job, due=due, reason="following the status", at=now)

    await bridge.store.write(work)
    _log.info("event.accepted", event_id=event.id, interactie_id=interactie_id, alarm=alarm)
    metrics.offer_ended(hub_name(bridge), "accepted")


async def _ended(
    bridge: Bridge, job: Job, event: Event, end: contract.Ok | contract.Functional | contract.Technical
) -> None:
    match end:
        case contract.Ok():
            await _done(bridge, job, event)
        case contract.Functional(fout=fout):
            reason = f"FUNCTIONEEL: {shown(fout)}"
            await _stop(bridge, job, event, EventState.ERROR, reason, kept_apart(fout))
        case contract.Technical(fout=fout):
            await _offer_as_new(bridge, job, event, fout)


async def _done(bridge: Bridge, job: Job, event: Event) -> None:
    now = bridge.now()
    reply = await answer_to_event(bridge, event, Fate.HANDLED)

    def work(tx: Connection) -> bool:
        set_event_state(tx, event.key, EventState.OK, at=now)
        add_step(
            tx,
            exchange=event.exchange,
            at=now,
            side="hub",
            what="event.ok",
            outcome="ok",
            detail={"event_id": event.id},
        )
        answered = keep_answer(tx, reply, at=now)
        settle_exchange(tx, event.exchange, at=now)
        finish_job(tx, job, at=now)
        return answered

    log_answer(bridge, reply, kept=await bridge.store.write(work))
    _log.info("event.published", event_id=event.id, outcome="OK")
    metrics.offer_ended(hub_name(bridge), "ok")


async def _stop(bridge: Bridge, job: Job, event: Event, state: EventState, reason: str, told: str) -> None:
    """The hub says no for good: a person decides what happens next.

    What it refuses for its content is told to the sender where the mapping says so (SOH-73). An offer that it will
    not take is our mistake, of which the sender knows nothing.
    """
    now = bridge.now()
    functional = state is EventState.ERROR
    reply = await answer_to_event(bridge, event, Fate.REFUSED) if functional else None

    def work(tx: Connection) -> bool:
        set_event_state(tx, event.key, state, at=now, reason=reason)
        add_step(
            tx,
            exchange=event.exchange,
            at=now,
            side="hub",
            what="event.refused",
            outcome="failed",
            detail={"event_id": event.id, "reason": reason},
            told=told,
        )
        answered = keep_answer(tx, reply, at=now)
        settle_exchange(tx, event.exchange, at=now)
        finish_job(tx, job, at=now)
        return answered

    log_answer(bridge, reply, kept=await bridge.store.write(work))
    _log.warning("event.refused", event_id=event.id, reason=own_words(reason))
    metrics.offer_ended(hub_name(bridge), "refused")


async def _offer_as_new(bridge: Bridge, job: Job, event: Event, fout: str) -> None:
    """ERROR/TECHNISCH: the same fact again, as a new offer, in the same place of the queue."""
    now = bridge.now()
    again = offer_again(read_structured(event.body), id=str(bridge.new_uuid()))
    key = bridge.new_key()
    due = now + _backed_off(job, bridge, event, EventState.CREATED, None)
    reason = f"TECHNISCH: {shown(fout)}"

    def work(tx: Connection) -> None:
        set_event_state(tx, event.key, EventState.ERROR, at=now, reason=reason)
        add_event(
            tx,
            Event(
                key=key,
                exchange=event.exchange,
                direction=event.direction,
                source=event.source,
                id=EventId(again.id),
                type=event.type,
                subject=event.subject,
                time=event.time,
                state=EventState.CREATED,
                correlation_id=event.correlation_id,
                causation_id=event.id,
                level=event.level,
                body=write_structured(again),
                at=now,
                changed_at=now,
            ),
        )
        add_step(
            tx,
            exchange=event.exchange,
            at=now,
            side="hub",
            what="event.offer_again",
            outcome="waiting",
            detail={"event_id": event.id, "new_event_id": again.id, "reason": reason},
            told=kept_apart(fout),
        )
        retry_job(tx, job, due=due, reason=reason, at=now, subject_key=key)

    await bridge.store.write(work)
    _log.warning("event.offer_again", event_id=event.id, new_event_id=again.id)
    metrics.offer_ended(hub_name(bridge), "offered_again")


async def _wait(
    bridge: Bridge,
    job: Job,
    event: Event,
    state: EventState,
    reason: str | None,
    wait: timedelta | None,
    told: str = "",
) -> None:
    now = bridge.now()
    due = now + _backed_off(job, bridge, event, state, wait)

    def work(tx: Connection) -> None:
        if state is not event.state or reason != event.reason:
            # Within one state the moment stays: how long it lasts decides when the hub is asked again.
            since = event.changed_at if state is event.state else now
            set_event_state(tx, event.key, state, at=since, reason=reason)
            settle_exchange(tx, event.exchange, at=now)
        if reason and reason != event.reason:
            add_step(
                tx,
                exchange=event.exchange,
                at=now,
                side="hub",
                what="event.waiting",
                outcome="waiting",
                detail={"event_id": event.id, "reason": reason},
                told=told,
            )
        retry_job(tx, job, due=due, reason=reason or "in progress at the hub", at=now)

    await bridge.store.write(work)
    if reason:
        _log.warning("event.waiting", event_id=event.id, reason=own_words(reason), due=due.isoformat())
        metrics.offer_ended(hub_name(bridge), "waiting")


def _overdue(bridge: Bridge, event: Event) -> str | None:
    hours = bridge.settings.hub.patience_hours
    if bridge.now() - event.changed_at < timedelta(hours=hours):
        return None
    return f"{OVERDUE} within {hours:g} hours; it is still asked how the event fares"


def _backed_off(
    job: Job, bridge: Bridge, event: Event, state: EventState, wait: timedelta | None
) -> timedelta:
    """Ever longer waits. Never shorter than the hub asked for.

    Following a status, the wait doubles since the acceptance: it is as long as the time that already went by.
    """
    doublings = job.attempts
    if state is EventState.OFFERED and event.state is EventState.OFFERED:
        waited = (bridge.now() - event.changed_at).total_seconds()
        doublings = int(math.log2(max(waited, 1.0)))
    own = contract.poll_delay(doublings, bridge.jitter())
    return own if wait is None else max(own, wait)


def _note(alarm: str | None) -> dict[str, str]:
    return {"note": alarm} if alarm else {}
