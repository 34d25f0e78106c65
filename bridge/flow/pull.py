"""Flow 4, first half, pull: fetch events from the hub in two steps and keep them.

One job, always due again. Its place (the cursor, and the request that the hub is working on) is in the store. The
events of an answer, the jobs to compose from them and the cursor go into one transaction, so a crash asks again for
the same events, which then fall away on (source, id).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.errors import Broken
from bridge.flow import compose
from bridge.flow.bridge import Bridge
from bridge.flow.contact import Contact, Reached, Unreached
from bridge.flow.peers import hub_name, note_hub_failure, own_words
from bridge.flow.persons import persons_in_text
from bridge.hub import pull as contract
from bridge.hub.bsn import mask_bsn
from bridge.hub.event import Event as CloudEvent
from bridge.hub.event import to_members, write_structured
from bridge.hub.profile import Mode, check_event
from bridge.hub.reader import MemberRejected, read_structured
from bridge.hub.shared import ChannelFault, TokenRefused
from bridge.hub.syntax import parse_timestamp
from bridge.ids import EventId, Key
from bridge.log import get_logger
from bridge.store.channels import HUB
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.events import add_event, find_event
from bridge.store.exchanges import open_exchange
from bridge.store.jobs import add_job, add_standing_job, retry_job
from bridge.store.persons import index_persons
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Job,
)
from bridge.store.timeline import add_step

KIND = "pull"
UNREADABLE = "urn:bridge:unreadable"
"""Stands for the source of an event that could not be read."""

SUBSCRIPTION = Key("00000000-0000-5000-8000-70756c6c6875")
"""The one query for now: the key of the pull job."""

_CURSOR = "hub.cursor"
_SINCE = "hub.since"
_REQUEST = "hub.request"

_FIRST_WAIT = timedelta(seconds=1)
_AFTER_A_FAILURE = timedelta(seconds=30)

_log = get_logger()


def start_pulling(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the pull job is there, when events are to be pulled. Doing it twice is harmless."""
    if not bridge.settings.hub.pull.types:
        return
    add_standing_job(tx, key=SUBSCRIPTION, kind=KIND, endpoint=HUB, at=bridge.now())


async def pull(bridge: Bridge, job: Job) -> Contact:
    """Take the query one step further: post it, or ask for its answer."""
    request = await bridge.store.read(lambda tx: get_cursor(tx, _REQUEST))
    if request:
        posted_at, _, request_id = request.partition(" ")
        return await _ask(bridge, job, request_id, datetime.fromisoformat(posted_at))
    return await _post(bridge, job)


async def _post(bridge: Bridge, job: Job) -> Contact:
    cursor, since = await bridge.store.read(lambda tx: (get_cursor(tx, _CURSOR), get_cursor(tx, _SINCE)))
    settings = bridge.settings.hub.pull
    body = contract.query_body(
        types=settings.types,
        cursor=cursor or None,
        since=datetime.fromisoformat(since) if since and not cursor else None,
        limit=settings.max_events,
        dialect=bridge.hub.dialect,
    )
    posted_at = bridge.now()
    outcome = await bridge.hub.post_query(body)
    match outcome:
        case contract.QueryAccepted(request_id=request_id, retry_after=wait):
            request = f"{posted_at.isoformat()} {request_id}"
            await _come_back(bridge, job, wait or _FIRST_WAIT, "the hub gathers the events", request)
        case contract.Pulled():
            await _keep(bridge, job, outcome, posted_at)
        case contract.PullFailed(reason=reason, retry_after=wait):
            note_hub_failure(bridge, reason)
            await _failed(bridge, job, reason, wait)
            return Unreached(reason=reason)
        case TokenRefused(reason=reason) | ChannelFault(reason=reason):
            await _failed(bridge, job, reason, None)
    return Reached()


async def _ask(bridge: Bridge, job: Job, request_id: str, posted_at: datetime) -> Contact:
    outcome = await bridge.hub.get_query(request_id)
    match outcome:
        case contract.Pulled():
            await _keep(bridge, job, outcome, posted_at)
        case contract.PullBusy(retry_after=wait):
            await _come_back(bridge, job, wait or _FIRST_WAIT, "the hub gathers the events", None)
        case contract.PullGone():
            await _come_back(bridge, job, timedelta(0), "the hub forgot the query; it is posted anew", "")
        case contract.PullFailed(reason=reason, retry_after=wait):
            note_hub_failure(bridge, reason)
            await _failed(bridge, job, reason, wait)
            return Unreached(reason=reason)
        case TokenRefused(reason=reason) | ChannelFault(reason=reason):
            await _failed(bridge, job, reason, None)
    return Reached()


async def _failed(bridge: Bridge, job: Job, reason: str, wait: timedelta | None) -> None:
    _log.warning("pull.failed", reason=own_words(reason))
    await _come_back(bridge, job, max(wait or timedelta(0), _AFTER_A_FAILURE), reason, None)


async def _come_back(bridge: Bridge, job: Job, wait: timedelta, reason: str, request: str | None) -> None:
    """`request` is the one that the hub works on now; empty: none any more; None: as it was."""
    now = bridge.now()

    def work(tx: Connection) -> None:
        if request is not None:
            set_cursor(tx, _REQUEST, request, now)
        retry_job(tx, job, due=now + wait, reason=reason, at=now)

    await bridge.store.write(work)


async def _keep(bridge: Bridge, job: Job, pulled: contract.Pulled, asked_at: datetime) -> None:
    settings = bridge.settings.hub.pull
    wait = timedelta(0) if pulled.more else timedelta(seconds=settings.interval_seconds)
    since = (asked_at - timedelta(seconds=settings.overlap_seconds)).astimezone(UTC).isoformat()
    good = [event for event in pulled.events if isinstance(event, CloudEvent)]
    rejected = [event for event in pulled.events if isinstance(event, MemberRejected)]
    rejected += await bridge.store.read(lambda tx: _under_used_ids(tx, good))

    def work(tx: Connection) -> int:
        now = bridge.now()
        news = sum(keep_event(tx, bridge, event, now) for event in in_order(good))
        for rejection in rejected:
            keep_unreadable(tx, bridge, rejection, now)
        if pulled.next_cursor:
            set_cursor(tx, _CURSOR, pulled.next_cursor, now)
        set_cursor(tx, _SINCE, since, now)
        set_cursor(tx, _REQUEST, "", now)
        retry_job(tx, job, due=now + wait, reason="next query", at=now)
        return news

    news = await bridge.store.write(work)
    for rejection in rejected:
        _log.warning("event.unreadable", rules=sorted({broken.rule for broken in rejection.broken}))
    if news:
        _log.info("pull.news", events=news)
        metrics.events_received(hub_name(bridge), news)
        bridge.wake()


def _under_used_ids(tx: Connection, events: Iterable[CloudEvent]) -> list[MemberRejected]:
    """Events that have source and id of one that arrived before, and say something else: never lost, never sent on.

    Only what a message is made of is compared: a hub may date or trace an event anew when it gives it again.
    """
    found = []
    for event in events:
        row = find_event(tx, event.source, event.id)
        if row is None or row.direction is not Direction.IN or not row.body or row.source == UNREADABLE:
            continue
        former = read_structured(row.body)
        if (former.type, former.subject, former.data) != (event.type, event.subject, event.data):
            broken = Broken(
                rule="SOH-04", where="/id", text="this source and id were used before, for other content"
            )
            found.append(MemberRejected((broken,), dict(to_members(event))))
    return found


def in_order(events: Iterable[CloudEvent]) -> list[CloudEvent]:
    """By time, then by sequence, as the hub gives no promise about order (hub facts, 7.3)."""
    return sorted(
        events, key=lambda e: (str(e.attributes.get("time", "")), str(e.attributes.get("sequence", "")))
    )


def keep_event(tx: Connection, bridge: Bridge, event: CloudEvent, now: datetime) -> bool:
    """Store an event that arrived, once, with the job to compose from it. False when it was there already."""
    if find_event(tx, event.source, event.id) is not None:
        return False
    broken = [f for f in check_event(event, Mode.RECEIVE, profile=bridge.profile) if f.level == "error"]
    reasons = [f"{f.rule} {f.text}" for f in broken]
    if is_test_in_production(bridge, event):
        reasons.append("SOH-161 it is marked as test traffic, and this is production")
    state = _state(event, bool(reasons), now)
    reason = "; ".join(reasons) or None
    exchange = bridge.new_key()
    correlation = event.attributes.get("correlationid")
    open_exchange(
        tx,
        Exchange(
            key=exchange,
            direction=ExchangeDirection.TO_PARTNER,
            started_at=now,
            changed_at=now,
            partner=event.source,
            title=event.type,
            subject=event.subject,
            state=_exchange_state(state),
            reason=reason,
            correlation_id=str(correlation) if correlation else None,
        ),
    )
    row = _row(bridge, event, exchange, state, reason, now)
    add_event(tx, row)
    # An event names nobody; one that does all the same is set aside, and is found by who asks.
    index_persons(tx, bridge.person_key, persons_in_text(row.body.decode()), exchange)
    add_step(
        tx,
        exchange=exchange,
        at=now,
        side="hub",
        what="event.expired" if state is EventState.EXPIRED else "event.received",
        outcome="failed" if reasons else "ok",
        detail={"event_id": event.id, "source": event.source} | ({"reason": reason} if reason else {}),
    )
    if state is EventState.RECEIVED:
        add_job(
            tx,
            key=bridge.new_key(),
            kind=compose.KIND,
            subject_key=row.key,
            ordering_key=event.subject,
            due=now,
            at=now,
        )
    return True


def is_test_in_production(bridge: Bridge, event: CloudEvent) -> bool:
    """Test traffic never reaches a partner's production endpoint (SOH-161)."""
    mark = event.attributes.get(bridge.settings.hub.test_mark)
    return bridge.settings.production and (mark is True or str(mark).lower() == "true")


def _exchange_state(state: EventState) -> ExchangeState:
    match state:
        case EventState.QUARANTINED:
            return ExchangeState.ATTENTION
        case EventState.EXPIRED:
            return ExchangeState.DONE
        case _:
            return ExchangeState.RUNNING


def _state(event: CloudEvent, broken: bool, now: datetime) -> EventState:
    """An event past its expirytime makes no message any more (SOH-43)."""
    if broken:
        return EventState.QUARANTINED
    expiry = event.attributes.get("expirytime")
    moment = parse_timestamp(str(expiry)) if expiry is not None else None
    return EventState.EXPIRED if moment is not None and moment <= now else EventState.RECEIVED


def keep_unreadable(tx: Connection, bridge: Bridge, rejection: MemberRejected, now: datetime) -> None:
    """Set a broken event of a batch aside with its octets and reason; it blocks nothing (SOH-83)."""
    digest = hashlib.sha256(rejection.octets).hexdigest()
    if find_event(tx, UNREADABLE, digest) is not None:
        return
    exchange, reason = bridge.new_key(), mask_bsn(str(rejection))
    open_exchange(
        tx,
        Exchange(
            key=exchange,
            direction=ExchangeDirection.TO_PARTNER,
            started_at=now,
            changed_at=now,
            partner=UNREADABLE,
            title="unreadable event",
            state=ExchangeState.ATTENTION,
            reason=reason,
        ),
    )
    add_event(
        tx,
        Event(
            key=bridge.new_key(),
            exchange=exchange,
            direction=Direction.IN,
            source=UNREADABLE,
            id=EventId(digest),
            type="unreadable",
            time="",
            state=EventState.QUARANTINED,
            reason=reason,
            body=rejection.octets,
            at=now,
            changed_at=now,
        ),
    )
    persons = persons_in_text(rejection.octets.decode(errors="replace"))
    index_persons(tx, bridge.person_key, persons, exchange)
    add_step(
        tx,
        exchange=exchange,
        at=now,
        side="hub",
        what="event.unreadable",
        outcome="failed",
        detail={"sha256": digest, "reason": reason},
    )


def _row(
    bridge: Bridge, event: CloudEvent, exchange: Key, state: EventState, reason: str | None, now: datetime
) -> Event:
    correlation = event.attributes.get("correlationid")
    causation = event.attributes.get("causationid")
    return Event(
        key=bridge.new_key(),
        exchange=exchange,
        direction=Direction.IN,
        source=event.source,
        id=EventId(event.id),
        type=event.type,
        subject=event.subject,
        time=str(event.attributes.get("time", "")),
        state=state,
        reason=reason,
        correlation_id=str(correlation) if correlation else None,
        causation_id=str(causation) if causation else None,
        body=write_structured(event),
        at=now,
        changed_at=now,
    )
