"""Flow 4, first half, pull: fetch events from the hub in two steps and keep them.

One job, always due again. Its place (the cursor, and the request that the hub is working on) is in the store. The
events of an answer, the jobs to compose from them and the cursor go into one transaction, so a crash asks again for
the same events, which then fall away on (source, id).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection

from bridge.errors import EventRejected
from bridge.flow import compose
from bridge.flow.bridge import Bridge
from bridge.hub import pull as contract
from bridge.hub.event import Event as CloudEvent
from bridge.hub.event import write_structured
from bridge.hub.profile import Mode, check_event
from bridge.hub.shared import ChannelFault, TokenRefused
from bridge.ids import EventId, Key
from bridge.log import get_logger
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.events import add_event, find_event
from bridge.store.exchanges import open_exchange
from bridge.store.jobs import JobFilter, add_job, list_jobs, retry_job
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Job,
    JobState,
)
from bridge.store.timeline import add_step

KIND = "pull"
SUBSCRIPTION = Key("hub")
"""The one query for now: the subject of the pull job, and the name under which its place is kept."""

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
    if not list_jobs(tx, JobFilter(kind=KIND, state=JobState.READY), limit=1):
        now = bridge.now()
        add_job(
            tx, key=bridge.new_key(), kind=KIND, subject_key=SUBSCRIPTION, due=now, at=now, endpoint="hub"
        )


async def pull(bridge: Bridge, job: Job) -> None:
    """Take the query one step further: post it, or ask for its answer."""
    request_id = await bridge.store.read(lambda tx: get_cursor(tx, _REQUEST))
    if request_id:
        await _ask(bridge, job, request_id)
    else:
        await _post(bridge, job)


async def _post(bridge: Bridge, job: Job) -> None:
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
            await _come_back(bridge, job, wait or _FIRST_WAIT, "the hub gathers the events", request_id)
        case contract.Pulled():
            await _keep(bridge, job, outcome, posted_at)
        case contract.PullFailed(reason=reason, retry_after=wait):
            await _failed(bridge, job, reason, wait)
        case TokenRefused(reason=reason) | ChannelFault(reason=reason):
            await _failed(bridge, job, reason, None)


async def _ask(bridge: Bridge, job: Job, request_id: str) -> None:
    outcome = await bridge.hub.get_query(request_id)
    match outcome:
        case contract.Pulled():
            await _keep(bridge, job, outcome, bridge.now())
        case contract.PullBusy(retry_after=wait):
            await _come_back(bridge, job, wait or _FIRST_WAIT, "the hub gathers the events", request_id)
        case contract.PullGone():
            await _come_back(bridge, job, timedelta(0), "the hub forgot the query; it is posted anew", "")
        case contract.PullFailed(reason=reason, retry_after=wait):
            await _failed(bridge, job, reason, wait)
        case TokenRefused(reason=reason) | ChannelFault(reason=reason):
            await _failed(bridge, job, reason, None)


async def _failed(bridge: Bridge, job: Job, reason: str, wait: timedelta | None) -> None:
    _log.warning("pull.failed", reason=reason)
    await _come_back(bridge, job, max(wait or timedelta(0), _AFTER_A_FAILURE), reason, None)


async def _come_back(bridge: Bridge, job: Job, wait: timedelta, reason: str, request_id: str | None) -> None:
    now = bridge.now()

    def work(tx: Connection) -> None:
        if request_id is not None:
            set_cursor(tx, _REQUEST, request_id, now)
        retry_job(tx, job, due=now + wait, reason=reason, at=now)

    await bridge.store.write(work)


async def _keep(bridge: Bridge, job: Job, pulled: contract.Pulled, asked_at: datetime) -> None:
    settings = bridge.settings.hub.pull
    wait = timedelta(0) if pulled.more else timedelta(seconds=settings.interval_seconds)
    since = (asked_at - timedelta(seconds=settings.overlap_seconds)).astimezone(UTC).isoformat()
    good = [event for event in pulled.events if not isinstance(event, EventRejected)]
    rejected = [event for event in pulled.events if isinstance(event, EventRejected)]

    def work(tx: Connection) -> int:
        now = bridge.now()
        news = sum(keep_event(tx, bridge, event, now) for event in in_order(good))
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
        bridge.wake()


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
    state = EventState.QUARANTINED if broken else EventState.RECEIVED
    reason = "; ".join(f"{f.rule} {f.text}" for f in broken) or None
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
            state=ExchangeState.ATTENTION if broken else ExchangeState.RUNNING,
            reason=reason,
            correlation_id=str(correlation) if correlation else None,
        ),
    )
    row = _row(bridge, event, exchange, state, reason, now)
    add_event(tx, row)
    add_step(
        tx,
        exchange=exchange,
        at=now,
        side="hub",
        what="event.received",
        outcome="failed" if broken else "ok",
        detail={"event_id": event.id, "source": event.source} | ({"reason": reason} if reason else {}),
    )
    if not broken:
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
