"""Mending by a person: what the console's buttons and the commands do, in the same way.

Each function says with `dry_run` what it would do, and else does it in one transaction with a step on the timeline
(by whom, why) and a line of audit. Each raises CannotMend when the state does not allow it, and NoSuchRow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.errors import ConfigError, EventRejected
from bridge.flow import compose, publish
from bridge.flow.bridge import Bridge
from bridge.flow.exchange import POST_ANSWER, RESEND_OF, judge_exchange, settle_exchange
from bridge.flow.mend_model import (
    Actor,
    CannotMend,
    ChangedMeanwhile,
    Effect,
    EffectKind,
    Mended,
    check_reason,
    write_audit,
)
from bridge.flow.order import delivery_order
from bridge.flow.outgoing import DELIVER, nothing_more, send_anew
from bridge.flow.pull import UNREADABLE
from bridge.flow.replay import replay
from bridge.hub.event import offer_again, write_structured
from bridge.hub.profile import Mode, check_event
from bridge.hub.reader import read_structured
from bridge.ids import EventId, Key
from bridge.store import channels
from bridge.store.channels import HUB
from bridge.store.events import EventFilter, add_event, get_event, list_events, set_event_state
from bridge.store.exchanges import get_exchange
from bridge.store.jobs import JobFilter, add_job, end_given_up, get_job, hurry_job, list_jobs, revive_job
from bridge.store.messages import (
    MessageFilter,
    get_message,
    list_messages,
    restart_attempts,
    set_message_state,
)
from bridge.store.resolutions import reopen_subject, resolutions_of, settle_subjects
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    ExchangeState,
    Job,
    JobState,
    Message,
    MessageState,
    NoSuchRow,
    Resolution,
)
from bridge.store.timeline import add_step

__all__ = [
    "Actor",
    "CannotMend",
    "ChangedMeanwhile",
    "Effect",
    "EffectKind",
    "Mended",
    "pause_partner",
    "release",
    "replay",
    "resend",
    "resolve",
    "resume_partner",
    "retry_event",
    "revive",
]

_MOST = 1000
_UNDELIVERED = {MessageState.FAILED, MessageState.EXPIRED}
_UNACCEPTED = {EventState.ERROR, EventState.REFUSED}


async def resend(
    bridge: Bridge, message_key: Key, *, same: bool = False, dry_run: bool, by: Actor, reason: str
) -> Mended:
    """Send a failed or expired message again: as a new message, or with `same` its very octets.

    The same MessageId lets the partner recognise what it got after all; that is possible until TimeToLive.
    A new MessageId is a new message for the partner.
    """
    message = await bridge.store.read(lambda tx: _undelivered(tx, message_key))
    if same:
        _check_still_wanted(message, bridge.now())
    kind = EffectKind.SEND_SAME if same else EffectKind.SEND_NEW
    effect = Effect(kind=kind, title=message.action, id=message.message_id)
    if dry_run:
        return Mended(done=False, effects=(effect,))
    reason = check_reason(reason)

    def note(tx: Connection) -> None:
        if _undelivered(tx, message_key).changed_at != message.changed_at:
            raise ChangedMeanwhile(f"message {message.message_id} changed meanwhile; look again")
        way = "same octets" if same else "new message"
        write_audit(tx, bridge, by, "message.resent", message_key, reason, way=way)

    if same:
        await bridge.store.write(lambda tx: _send_same(tx, bridge, message, note, by, reason))
        bridge.wake()
    else:
        try:
            await send_anew(bridge, message_key, by=by.name, reason=reason, within=note)
        except ConfigError as error:
            raise CannotMend(str(error)) from error
    return Mended(done=True, effects=(effect,))


def _undelivered(tx: Connection, key: Key) -> Message:
    message = get_message(tx, key)
    if message.direction is not Direction.OUT or message.state not in _UNDELIVERED:
        raise CannotMend(
            f"message {message.message_id} is {message.state}: only a failed or expired one is sent again"
        )
    others = list_messages(tx, MessageFilter(exchange=message.exchange), limit=_MOST)
    if any(other.values.get(RESEND_OF) == message.message_id for other in others):
        raise CannotMend(f"message {message.message_id} was sent anew already; go on with the newer one")
    return message


def _check_still_wanted(message: Message, now: datetime) -> None:
    if message.time_to_live is not None and message.time_to_live <= now:
        raise CannotMend(f"message {message.message_id} is past its TimeToLive: send it as a new message")


def _send_same(
    tx: Connection,
    bridge: Bridge,
    message: Message,
    note: Callable[[Connection], None],
    by: Actor,
    reason: str,
) -> None:
    now = bridge.now()
    note(tx)
    reopen_subject(tx, message.key)
    restart_attempts(tx, message.key)
    set_message_state(tx, message.key, MessageState.CREATED, at=now, reason=None)
    add_job(
        tx,
        key=bridge.new_key(),
        kind=DELIVER,
        subject_key=message.key,
        ordering_key=delivery_order(tx, message),
        endpoint=message.to_party,
        due=now,
        at=now,
    )
    _step(tx, message.exchange, now, "message.sent_again", by, reason, message_id=message.message_id)
    settle_exchange(tx, message.exchange, at=now)


async def retry_event(bridge: Bridge, event_key: Key, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Offer an event that the hub rejected once more: as a new event that names the former one (SOH-04)."""
    event = await bridge.store.read(lambda tx: _unaccepted(tx, event_key))
    effects = (Effect(kind=EffectKind.OFFER_AGAIN, title=event.type, id=event.id),)
    if dry_run:
        return Mended(done=False, effects=effects)
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        now, old = bridge.now(), _unaccepted(tx, event_key)
        again = offer_again(read_structured(old.body), id=str(bridge.new_uuid()))
        row = Event(
            key=bridge.new_key(),
            exchange=old.exchange,
            direction=old.direction,
            source=old.source,
            id=EventId(again.id),
            type=old.type,
            subject=old.subject,
            time=old.time,
            state=EventState.CREATED,
            correlation_id=old.correlation_id,
            causation_id=old.id,
            level=old.level,
            body=write_structured(again),
            at=now,
            changed_at=now,
        )
        add_event(tx, row)
        add_job(
            tx,
            key=bridge.new_key(),
            kind=publish.KIND,
            subject_key=row.key,
            ordering_key=row.subject,
            endpoint=HUB,
            due=now,
            at=now,
        )
        _step(tx, old.exchange, now, "event.retried", by, reason, event_id=old.id, new_event_id=row.id)
        write_audit(tx, bridge, by, "event.retried", event_key, reason, event=row.id)
        settle_exchange(tx, old.exchange, at=now)

    await bridge.store.write(work)
    bridge.wake()
    return Mended(done=True, effects=effects)


def _unaccepted(tx: Connection, key: Key) -> Event:
    event = get_event(tx, key)
    if event.direction is not Direction.OUT or event.state not in _UNACCEPTED:
        raise CannotMend(
            f"event {event.id} is {event.state}: only one that the hub rejected is offered again"
        )
    others = list_events(tx, EventFilter(exchange=event.exchange), limit=_MOST)
    if any(other.causation_id == event.id for other in others):
        raise CannotMend(f"event {event.id} was offered again already; go on with the newer one")
    return event


async def release(bridge: Bridge, event_key: Key, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Compose messages again from an event that was set aside, with the mappings and agreements of now."""
    event = await bridge.store.read(lambda tx: _set_aside(tx, bridge, event_key))
    concerned = await bridge.store.read(lambda tx: compose.find_concerned(tx, bridge, event))
    effects = tuple(
        Effect(kind=EffectKind.COMPOSE, title=whom.partner.name, id=event.id) for whom in concerned
    ) or (Effect(kind=EffectKind.NOBODY, title=event.type, id=event.id),)
    if dry_run:
        return Mended(done=False, effects=effects)
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        now, found = bridge.now(), _set_aside(tx, bridge, event_key)
        reopen_subject(tx, event_key)
        set_event_state(tx, event_key, EventState.RECEIVED, at=now)
        add_job(
            tx,
            key=bridge.new_key(),
            kind=compose.KIND,
            subject_key=event_key,
            ordering_key=found.subject,
            due=now,
            at=now,
        )
        _step(tx, found.exchange, now, "event.released", by, reason, event_id=found.id)
        write_audit(tx, bridge, by, "event.released", event_key, reason)
        settle_exchange(tx, found.exchange, at=now)

    await bridge.store.write(work)
    bridge.wake()
    return Mended(done=True, effects=effects)


def _set_aside(tx: Connection, bridge: Bridge, key: Key) -> Event:
    event = get_event(tx, key)
    if event.direction is not Direction.IN or event.state is not EventState.QUARANTINED:
        raise CannotMend(f"event {event.id} is {event.state}: only one that was set aside is released")
    if event.source == UNREADABLE:
        raise CannotMend(f"event {event.id} was set aside as it came in: its sender must send a good one")
    try:
        broken = check_event(read_structured(event.body), Mode.RECEIVE, profile=bridge.profile)
    except EventRejected as error:
        raise CannotMend(f"event {event.id} cannot be read: its sender must send a good one") from error
    rules = sorted({finding.rule for finding in broken if finding.level == "error"})
    if rules:
        raise CannotMend(f"event {event.id} breaks {', '.join(rules)}: its sender must send a good one")
    return event


async def resolve(
    bridge: Bridge,
    exchange_key: Key,
    *,
    note: str,
    dry_run: bool,
    by: Actor,
    within: Callable[[Connection], None] = nothing_more,
) -> Mended:
    """A person settled outside the bridge what stopped in this exchange: it asks for attention no longer.

    `within` runs first in the transaction.
    """
    stopped = await bridge.store.read(lambda tx: _stopped(tx, exchange_key))
    effects = tuple(Effect(kind=EffectKind.SETTLE, title=title, id=id) for _, title, id in stopped)
    if dry_run:
        return Mended(done=False, effects=effects)
    note = check_reason(note)

    def work(tx: Connection) -> None:
        now = bridge.now()
        keys = [key for key, _, _ in _stopped(tx, exchange_key)]
        within(tx)
        given = Resolution(subject_key=exchange_key, exchange=exchange_key, at=now, by=by.name, note=note)
        settle_subjects(tx, keys, given)
        for key in keys:
            end_given_up(tx, kind=POST_ANSWER, subject_key=key, at=now)
        _step(tx, exchange_key, now, "exchange.resolved", by, note)
        write_audit(tx, bridge, by, "exchange.resolved", exchange_key, note, settled=str(len(keys)))
        settle_exchange(tx, exchange_key, at=now)

    await bridge.store.write(work)
    return Mended(done=True, effects=effects)


def _stopped(tx: Connection, exchange: Key) -> list[tuple[Key, str, str]]:
    """What stopped in an exchange and was not settled: key, title and id. Also what a dead job was to carry on."""
    found = get_exchange(tx, exchange)
    if found.state is not ExchangeState.ATTENTION:
        raise CannotMend(f"exchange {exchange} is {found.state}: there is nothing to settle")
    settled = {resolution.subject_key for resolution in resolutions_of(tx, exchange)}
    dead = {job.subject_key for job in list_jobs(tx, JobFilter(state=JobState.DEAD), limit=_MOST)}
    messages = list_messages(tx, MessageFilter(exchange=exchange), limit=_MOST)
    events = list_events(tx, EventFilter(exchange=exchange), limit=_MOST)
    stopped = [
        (m.key, m.action, str(m.message_id))
        for m in messages
        if m.key in dead or judge_exchange([m], [])[0] is ExchangeState.ATTENTION
    ]
    stopped += [
        (e.key, e.type, str(e.id))
        for e in events
        if e.key in dead or judge_exchange([], [e])[0] is ExchangeState.ATTENTION
    ]
    return [thing for thing in stopped if thing[0] not in settled]


async def revive(bridge: Bridge, job_key: Key, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Try a job again that was given up."""
    job = await bridge.store.read(lambda tx: _dead(tx, job_key))
    effects = (Effect(kind=EffectKind.REVIVE, title=job.kind, id=job.key),)
    if dry_run:
        return Mended(done=False, effects=effects)
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        now = bridge.now()
        _dead(tx, job_key)
        revive_job(tx, job_key, due=now)
        exchange = exchange_of(tx, job)
        if exchange is not None:
            reopen_subject(tx, job.subject_key)
            _step(tx, exchange, now, "job.revived", by, reason, kind=job.kind, job_id=job.key)
            settle_exchange(tx, exchange, at=now)
        write_audit(tx, bridge, by, "job.revived", job_key, reason, kind=job.kind)

    await bridge.store.write(work)
    bridge.wake()
    return Mended(done=True, effects=effects)


async def hurry(bridge: Bridge, job_key: Key, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Do a job now that waits for its time, such as the next attempt to deliver. Its attempts are not counted anew."""
    job = await bridge.store.read(lambda tx: _waiting(tx, bridge, job_key))
    effects = (Effect(kind=EffectKind.HURRY, title=job.kind, id=job.key),)
    if dry_run:
        return Mended(done=False, effects=effects)
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        now = bridge.now()
        _waiting(tx, bridge, job_key)
        hurry_job(tx, job_key, now=now)
        exchange = exchange_of(tx, job)
        if exchange is not None:
            _step(tx, exchange, now, "job.hurried", by, reason, kind=job.kind, job_id=job.key)
        write_audit(tx, bridge, by, "job.hurried", job_key, reason, kind=job.kind)

    await bridge.store.write(work)
    bridge.wake()
    return Mended(done=True, effects=effects)


def _waiting(tx: Connection, bridge: Bridge, key: Key) -> Job:
    job, now = get_job(tx, key), bridge.now()
    if job.state is not JobState.READY or job.due <= now or (job.lease_until and job.lease_until > now):
        raise CannotMend(
            f"job {key} does not wait for its time: it is {job.state}, being done, or due already"
        )
    return job


def _dead(tx: Connection, key: Key) -> Job:
    job = get_job(tx, key)
    if job.state is not JobState.DEAD:
        raise CannotMend(f"job {key} is {job.state}: only a dead one is revived")
    return job


def exchange_of(tx: Connection, job: Job) -> Key | None:
    """The exchange that a job carries on, if any."""
    try:
        return get_message(tx, job.subject_key).exchange
    except NoSuchRow:
        pass
    try:
        return get_event(tx, job.subject_key).exchange
    except NoSuchRow:
        return None


async def pause_partner(bridge: Bridge, party_id: str, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Send nothing to this endpoint (a party id, or `hub`) until it is resumed; what comes up waits."""
    effects = (Effect(kind=EffectKind.PAUSE, title=party_id),)
    if dry_run:
        return Mended(done=False, effects=effects)
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        channels.pause(tx, party_id, by=by.name, reason=reason, at=bridge.now())
        write_audit(tx, bridge, by, "partner.paused", party_id, reason)

    await bridge.store.write(work)
    return Mended(done=True, effects=effects)


async def resume_partner(bridge: Bridge, party_id: str, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Send to this endpoint again, at once."""
    effects = (Effect(kind=EffectKind.RESUME, title=party_id),)
    if dry_run:
        return Mended(done=False, effects=effects)
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        channels.resume(tx, party_id, at=bridge.now())
        write_audit(tx, bridge, by, "partner.resumed", party_id, reason)

    await bridge.store.write(work)
    bridge.wake()
    return Mended(done=True, effects=effects)


def _step(tx: Connection, exchange: Key, at: datetime, what: str, by: Actor, reason: str, **ids: str) -> None:
    add_step(
        tx,
        exchange=exchange,
        at=at,
        side="bridge",
        what=what,
        outcome="ok",
        detail={**ids, "reason": reason},
        by=by.name,
    )
