"""Flow, purge: content whose retention is over is removed, a few exchanges at a time, while the bridge works.

Searching reads a snapshot; each removal is a short transaction of its own that looks again. What the agreements
still need for repeats and duplicates stays (DK-92, DK-96), and so does what is held, running or waiting for a
person.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.engine import Connection

from bridge.config import RetentionSettings, RetentionSpans
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import Agreements, resolve
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import Party, PartyId, Service
from bridge.flow.bridge import Bridge
from bridge.flow.pace import USUAL, Pace, Shift
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.jobs import add_standing_job, move_job, retry_job
from bridge.store.purge import drop_done_jobs, purge_due
from bridge.store.retention import Due, NeededUntil, Retention, TypeSpans, find_due
from bridge.store.rows import Content, Job, Message, PurgeRun

KIND = "purge"
BATCH = 10
"""Exchanges in one transaction."""

_KEY = Key("purge")
_LAST_RUN = "purge"
"""The cursor that tells when the last run ended."""
_NOT_AGREED = timedelta(days=5)
"""How long content is kept for repeats at least, and where no agreement says more (DK-94, DK-96)."""
_JOBS = 500

_log = get_logger()


def start_purging(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there, and due an interval of the settings of now after its last run.

    Doing it twice is harmless.
    """
    now, last = bridge.now(), get_cursor(tx, _LAST_RUN)
    interval = _interval(bridge)
    if add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=now) or last is None:
        return
    move_job(tx, _KEY, due=datetime.fromisoformat(last) + interval, now=now)


async def purge(bridge: Bridge, job: Job, *, pace: Pace = USUAL) -> None:
    """Remove all that is due, at a pace that leaves the process to those who wait, and come back after the interval."""
    settings, shift = bridge.settings.retention, Shift(bridge=bridge, job=job, pace=pace)
    run = PurgeRun(key=bridge.new_key(), at=bridge.now(), by="bridge", reason="retention")
    needed_until = needs_of(bridge.agreements, bridge.now())
    for content in Content:
        await _purge_content(shift, content, run, needed_until)
    before = bridge.now() - timedelta(days=settings.job_days)
    drop = partial(drop_done_jobs, before=before, limit=_JOBS)
    while await shift.do(bridge.store.write(drop)) == _JOBS:
        pass

    def work(tx: Connection) -> None:
        now = bridge.now()
        set_cursor(tx, _LAST_RUN, now.isoformat(), now)
        retry_job(tx, shift.job, due=now + _interval(bridge), reason="comes back", at=now)

    await bridge.store.write(work)


async def _purge_content(shift: Shift, content: Content, run: PurgeRun, needed_until: NeededUntil) -> None:
    bridge, now = shift.bridge, shift.bridge.now()
    retention = retention_of(bridge.settings.retention)
    after: Key | None = None
    while True:
        search = partial(
            find_due, content=content, retention=retention, now=now, needed_until=needed_until, after=after
        )
        found = await shift.do(bridge.store.read(search))
        for batch in batches(found.due):
            remove = partial(
                purge_due, due=batch, retention=retention, run=run, now=now, needed_until=needed_until
            )
            gone = await shift.do(bridge.store.write(remove))
            _log.info("content.purged", content=content, exchanges=len(gone), run=run.key)
        after = found.after
        if after is None:
            return


def _interval(bridge: Bridge) -> timedelta:
    return timedelta(hours=bridge.settings.retention.interval_hours)


def batches(due: Sequence[Due]) -> tuple[tuple[Due, ...], ...]:
    """What is removed in one transaction together."""
    return tuple(tuple(due[start : start + BATCH]) for start in range(0, len(due), BATCH))


def retention_of(settings: RetentionSettings) -> Retention:
    """The settings as the store takes them."""
    return Retention(
        spans=_spans(settings),
        types=tuple(TypeSpans(pattern=t.type, spans=_spans(t)) for t in settings.types),
        lookup=timedelta(days=settings.lookup_days),
    )


def needs_of(agreements: Agreements, now: datetime) -> NeededUntil:
    """Until when the octets of a message serve repeats and duplicates, by its agreement and its TimeToLive."""

    def needed_until(message: Message) -> datetime:
        span = max(_NOT_AGREED, _agreed_span(agreements.find(message.cpa_id, now), message))
        until = message.at + span
        return max(until, message.time_to_live) if message.time_to_live else until

    return needed_until


def _spans(settings: RetentionSpans) -> dict[Content, timedelta]:
    days = {
        Content.PAYLOAD: settings.payload_days,
        Content.EVIDENCE: settings.evidence_days,
        Content.EVENT: settings.event_days,
        Content.RESOURCE: settings.resource_days,
    }
    return {content: timedelta(days=count) for content, count in days.items() if count is not None}


def _agreed_span(agreement: Agreement | None, message: Message) -> timedelta:
    """The longer of PersistDuration and (1 + Retries) x RetryInterval; zero when nothing is agreed."""
    if agreement is None:
        return timedelta(0)
    sender, receiver = _party(agreement, message.from_party), _party(agreement, message.to_party)
    if sender is None or receiver is None:
        return timedelta(0)
    terms = resolve(
        agreement,
        from_party=Party(party_ids=sender, role=message.from_role),
        to_party=Party(party_ids=receiver, role=message.to_role),
        service=Service(value=message.service, type=message.service_type),
        action=message.action,
    )
    return max(terms.persist_duration, terms.retry_span) if isinstance(terms, Terms) else timedelta(0)


def _party(agreement: Agreement, party_id: str) -> tuple[PartyId, ...] | None:
    """All PartyIds of the party with this one."""
    named = (p.party_ids for p in agreement.parties if any(i.value == party_id for i in p.party_ids))
    return next(named, None)
