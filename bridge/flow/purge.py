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
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.jobs import add_standing_job, renew_lease, retry_job
from bridge.store.purge import drop_done_jobs, purge_due
from bridge.store.retention import Due, NeededUntil, Retention, TypeSpans, find_due
from bridge.store.rows import Content, Job, Message, PurgeRun

KIND = "purge"
BATCH = 10
"""Exchanges in one transaction."""

_KEY = Key("purge")
_NOT_AGREED = timedelta(days=5)
"""How long content is kept for repeats at least, and where no agreement says more (DK-94, DK-96)."""
_JOBS = 500

_log = get_logger()


def start_purging(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there. Doing it twice is harmless."""
    add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


async def purge(bridge: Bridge, job: Job) -> None:
    """Remove all that is due, and come back after the interval."""
    settings = bridge.settings.retention
    run = PurgeRun(key=bridge.new_key(), at=bridge.now(), by="bridge", reason="retention")
    needed_until = needs_of(bridge.agreements, bridge.now())
    for content in Content:
        job = await _purge_content(bridge, job, content, run, needed_until)
    before = bridge.now() - timedelta(days=settings.job_days)
    while await bridge.store.write(lambda tx: drop_done_jobs(tx, before=before, limit=_JOBS)) == _JOBS:
        pass
    now = bridge.now()
    due = now + timedelta(hours=settings.interval_hours)
    await bridge.store.write(lambda tx: retry_job(tx, job, due=due, reason="comes back", at=now))


async def _purge_content(
    bridge: Bridge, job: Job, content: Content, run: PurgeRun, needed_until: NeededUntil
) -> Job:
    """The job with its lease renewed after each batch."""
    retention, now, lease = (
        retention_of(bridge.settings.retention),
        bridge.now(),
        bridge.settings.worker.lease,
    )
    after: Key | None = None
    while True:
        search = partial(
            find_due, content=content, retention=retention, now=now, needed_until=needed_until, after=after
        )
        found = await bridge.store.read(search)
        for batch in batches(found.due):
            remove = partial(
                purge_due, due=batch, retention=retention, run=run, now=now, needed_until=needed_until
            )
            gone = await bridge.store.write(remove)
            renew = partial(renew_lease, job=job, now=bridge.now(), lease=lease)
            job = await bridge.store.write(renew)
            _log.info("content.purged", content=content, exchanges=len(gone), run=run.key)
        after = found.after
        if after is None:
            return job


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
