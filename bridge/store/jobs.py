"""The work queue: jobs are claimed by lease and ended in the transaction of their result.

A process that dies loses its lease, not the job. Every claim has its own number, so when the first holder
comes back late, its finish, retry or bury raises LeaseLost and nothing of its transaction is stored.

Jobs of one kind with the same ordering key run one after the other, in the order of adding; a dead one blocks
no longer. Others never wait for one another.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, update

from bridge.errors import BridgeError
from bridge.ids import Key
from bridge.store import tables
from bridge.store.channels import list_channels, standing_of
from bridge.store.keys import first_key
from bridge.store.query import add, add_unless_there, fetch, page, values_of
from bridge.store.rows import Job, JobState, NoSuchRow

_job = tables.job.c
NOBODY: Mapping[str, int] = {}
_LOOKED_AT = 1000
_FIRST_KEY, _LAST_KEY = (first_key(datetime(year, 1, 1, tzinfo=UTC)) for year in (1971, 2200))
"""Between these lie all keys that are made by time."""
_columns = tuple(column for column in _job if column.name != "seq")


class LeaseLost(BridgeError):
    """Another worker has the job, or it was ended: what this worker did for it must not be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What is not None must be equal; `since` and `until` bound the time of making (of the key)."""

    state: JobState | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Among(StrEnum):
    """A part of the ready jobs. Of these there are few enough to go through; done ones have no part."""

    LEASED = "leased"
    """What a worker holds."""
    RETRIED = "retried"
    """What was tried before and is to be tried again."""


def add_job(
    tx: Connection,
    *,
    key: Key,
    kind: str,
    subject_key: Key,
    due: datetime,
    at: datetime,
    ordering_key: str | None = None,
    endpoint: str | None = None,
    priority: int = 50,
) -> None:
    """Lower priority goes first."""
    job = Job(
        key=key,
        kind=kind,
        ordering_key=ordering_key,
        subject_key=subject_key,
        endpoint=endpoint,
        priority=priority,
        due=due,
        at=at,
    )
    add(tx, tables.job, job)


def add_standing_job(tx: Connection, *, key: Key, kind: str, endpoint: str | None, at: datetime) -> bool:
    """A job that is there once for all processes and for ever; False when it is there already."""
    job = Job(key=key, kind=kind, subject_key=key, endpoint=endpoint, due=at, at=at)
    return add_unless_there(tx, tables.job, values_of(job), unique=("key",))


def is_standing(job: Job) -> bool:
    """Whether it is there once for ever, and comes back by itself."""
    return job.subject_key == job.key


def get_job(tx: Connection, key: Key) -> Job:
    """Raises NoSuchRow."""
    jobs = fetch(tx, Job, select(*_columns).where(_job.key == key))
    if not jobs:
        raise NoSuchRow(f"no job with key {key}")
    return jobs[0]


def claim_jobs(
    tx: Connection,
    *,
    now: datetime,
    worker: str,
    lease: timedelta,
    limit: int,
    kinds: tuple[str, ...] | None = None,
    per_endpoint: int | None = None,
    busy: Mapping[str, int] = NOBODY,
) -> tuple[Job, ...]:
    """Lease up to `limit` jobs that are due and that nobody holds, by priority, then by due time.

    `kinds` None means every kind. Of one endpoint at most `per_endpoint` are held together, `busy` being how many
    the worker holds already: so one slow partner never takes every place. Paused and held endpoints are passed
    over. The job must be ended before the lease ends, or the lease renewed.
    """
    standing = standing_of(tx, now)
    shares = _Shares(per_endpoint=per_endpoint, troubled=standing.troubled, taken=Counter(busy))
    found: list[Any] = []
    for priority in _priorities(tx):
        if len(found) == limit:
            break
        rows: list[Any] = []
        for endpoint in _endpoints(tx, priority):
            most = min(limit - len(found), shares.room(endpoint))
            if most and endpoint not in standing.closed:
                query = _claimable(now, priority, endpoint, kinds).limit(most)
                rows += tx.execute(query.with_for_update(skip_locked=True)).mappings()
        chosen = sorted(rows, key=lambda row: (row["due"], row["seq"]))[: limit - len(found)]
        shares.take(row["endpoint"] for row in chosen)
        found += chosen
    until = now + lease
    if found:
        tx.execute(
            update(tables.job)
            .where(_job.seq.in_([row["seq"] for row in found]))
            .values(leased_by=worker, lease_until=until, attempts=_job.attempts + 1, claims=_job.claims + 1)
        )
    return tuple(_claimed(row, worker=worker, until=until) for row in found)


def renew_lease(tx: Connection, job: Job, *, now: datetime, lease: timedelta) -> Job:
    """The job with its lease from `now` on. Raises LeaseLost."""
    _change_held(tx, job, {"lease_until": now + lease})
    return replace(job, lease_until=now + lease)


def finish_job(tx: Connection, job: Job, *, at: datetime) -> None:
    """Done. Raises LeaseLost."""
    _change_held(tx, job, {"state": JobState.DONE, "ended_at": at, **_FREE})


def retry_job(
    tx: Connection,
    job: Job,
    *,
    due: datetime,
    reason: str,
    at: datetime,
    subject_key: Key | None = None,
) -> None:
    """To be claimed again from `due` on. Raises LeaseLost. `at` is when it failed.

    With `subject_key` it goes on about another row, in the same place of its queue.
    """
    moved = {} if subject_key is None else {"subject_key": subject_key}
    _change_held(tx, job, {"due": max(due, at), "reason": reason, "surprises": 0, **moved, **_FREE})


def postpone_job(tx: Connection, job: Job, *, due: datetime, reason: str, at: datetime) -> None:
    """As `retry_job`, after a failure that nobody foresaw; these are counted. Raises LeaseLost."""
    values = {"due": max(due, at), "reason": reason, "surprises": job.surprises + 1, **_FREE}
    _change_held(tx, job, values)


def bury_job(tx: Connection, job: Job, *, reason: str, at: datetime) -> None:
    """Dead: given up until a person revives it. Raises LeaseLost."""
    _change_held(tx, job, {"state": JobState.DEAD, "reason": reason, "ended_at": at, **_FREE})


def revive_job(tx: Connection, key: Key, *, due: datetime) -> None:
    """Make a dead job ready again, with its attempts counted anew. Raises NoSuchRow."""
    values = {
        "state": JobState.READY,
        "due": due,
        "ended_at": None,
        "attempts": 0,
        "surprises": 0,
        **_FREE,
    }
    dead = and_(_job.key == key, _job.state == JobState.DEAD)
    if tx.execute(update(tables.job).where(dead).values(values)).rowcount != 1:
        raise NoSuchRow(f"no dead job with key {key}")


def hurry_job(tx: Connection, key: Key, *, now: datetime) -> None:
    """Make a ready job due now, unless a worker holds it. Raises NoSuchRow."""
    waits = and_(_job.key == key, _job.state == JobState.READY, _job.due > now, _free_at(now))
    if tx.execute(update(tables.job).where(waits).values(due=now)).rowcount != 1:
        raise NoSuchRow(f"no job with key {key} that waits for its time")


def move_job(tx: Connection, key: Key, *, due: datetime, now: datetime) -> None:
    """Make a ready job due then instead, unless a worker holds it."""
    free = and_(_job.key == key, _job.state == JobState.READY, _free_at(now))
    tx.execute(update(tables.job).where(free).values(due=due))


def finish_jobs_about(tx: Connection, *, kind: str, subject_key: Key, at: datetime) -> int:
    """End the ready jobs of this kind about it, leased or not; how many. A holder gets LeaseLost."""
    about = and_(_job.subject_key == subject_key, _job.kind == kind, _job.state == JobState.READY)
    values = {"state": JobState.DONE, "ended_at": at, **_FREE}
    return tx.execute(update(tables.job).where(about).values(values)).rowcount


def overdue_about(tx: Connection, *, kind: str, endpoint: str, now: datetime, limit: int) -> tuple[Key, ...]:
    """The messages past their TimeToLive of which a ready job of this kind waits for this endpoint, unheld."""
    message = tables.message.c
    query = (
        select(_job.subject_key)
        .join(tables.message, message.key == _job.subject_key)
        .where(_job.state == JobState.READY, _job.endpoint == endpoint, _job.kind == kind, _free_at(now))
        .where(message.time_to_live <= now)
    )
    return tuple(tx.scalars(query.limit(limit)))


def finish_free_jobs_about(tx: Connection, *, kind: str, subject_key: Key, at: datetime) -> bool:
    """As `finish_jobs_about`, but not when a worker holds one; whether one was ended."""
    about = and_(_job.subject_key == subject_key, _job.kind == kind, _job.state == JobState.READY)
    values = {"state": JobState.DONE, "ended_at": at, **_FREE}
    return tx.execute(update(tables.job).where(about, _free_at(at)).values(values)).rowcount > 0


def given_up_about(tx: Connection, subject_keys: Collection[Key]) -> Mapping[Key, str]:
    """Of these things the ones of which a job is dead, with its kind."""
    about = select(_job.subject_key, _job.kind).where(_job.subject_key.in_(subject_keys))
    return {row.subject_key: row.kind for row in tx.execute(about.where(_job.state == JobState.DEAD))}


def end_given_up(tx: Connection, *, kind: str, subject_key: Key, at: datetime) -> int:
    """What dead jobs of this kind were to do about it is done, or needed no longer; how many they were."""
    about = and_(_job.subject_key == subject_key, _job.kind == kind, _job.state == JobState.DEAD)
    return tx.execute(
        update(tables.job).where(about).values({"state": JobState.DONE, "ended_at": at})
    ).rowcount


def dead_jobs_about(tx: Connection, *, kind: str, subject_keys: Collection[Key]) -> tuple[Job, ...]:
    """The dead jobs of this kind about these things."""
    about = select(*_columns).where(_job.subject_key.in_(subject_keys), _job.kind == kind)
    return fetch(tx, Job, about.where(_job.state == JobState.DEAD))


def tries_about(tx: Connection, *, kind: str, subject_keys: Collection[Key]) -> Mapping[Key, int]:
    """Of these things the ones that a ready job of this kind is about, with how often it was claimed."""
    about = select(_job.subject_key, _job.attempts).where(_job.subject_key.in_(subject_keys))
    ready = about.where(_job.kind == kind, _job.state == JobState.READY)
    return {row.subject_key: row.attempts for row in tx.execute(ready)}


def count_dead_by_sender(tx: Connection, *, kind: str, most: int) -> Mapping[str, int]:
    """Of the newest dead jobs of this kind about messages, how many there are per party that sent the message."""
    newest = (
        select(tables.message.c.from_party)
        .join(tables.job, _job.subject_key == tables.message.c.key)
        .where(_job.state == JobState.DEAD, _job.kind == kind)
        .order_by(_job.key.desc())
    )
    return Counter(tx.scalars(newest.limit(most)))


def count_jobs(tx: Connection) -> Mapping[tuple[str, JobState], int]:
    """How many jobs are ready and dead, by kind. Done ones are not counted: their number only grows."""
    alive = _job.state.in_([JobState.READY, JobState.DEAD])
    query = select(_job.kind, _job.state, func.count()).where(alive).group_by(_job.state, _job.kind)
    return {(kind, state): count for kind, state, count in tx.execute(query)}


def count_dead(tx: Connection, *, without: str) -> int:
    """How many jobs were given up, of every kind but one."""
    dead = _job.state == JobState.DEAD, _job.kind != without
    return tx.scalar(select(func.count()).where(*dead)) or 0


def count_ready_for(tx: Connection, endpoint: str, *, most: int) -> int:
    """How many jobs wait for an endpoint, counted up to `most`."""
    row = select(_job.seq).where(_job.endpoint == endpoint, _job.state == JobState.READY).limit(most)
    return len(tx.scalars(row).all())


def ready_for(tx: Connection, endpoint: str, *, before: Key | None = None, most: int) -> tuple[Job, ...]:
    """Those that `count_ready_for` counts, newest first."""
    waiting = select(*_columns).where(_job.endpoint == endpoint, _job.state == JobState.READY).limit(most)
    found = (job for job in fetch(tx, Job, waiting) if before is None or job.key < before)
    return tuple(sorted(found, key=lambda job: job.key, reverse=True))


def count_standing(tx: Connection) -> int:
    """How many of the ready jobs are there for ever. Their keys lie outside those that are made by time, so that
    no other job is read, however many there are."""
    standing = _job.state == JobState.READY, _job.subject_key == _job.key
    return sum(
        tx.scalar(select(func.count()).where(*standing, outside)) or 0
        for outside in (_job.key < _FIRST_KEY, _job.key > _LAST_KEY)
    )


def oldest_due(tx: Connection, now: datetime, kinds: Iterable[str]) -> Mapping[str, datetime]:
    """Since when the oldest job of each kind is due that is not done; only kinds that have one.

    Looks at the first jobs that were made of each kind, so that a long queue costs no more than a short one.
    """
    found: dict[str, datetime] = {}
    for kind in kinds:
        ready = select(_job.due).where(_job.state == JobState.READY, _job.kind == kind)
        first = ready.order_by(_job.key).limit(_LOOKED_AT).subquery()
        due = tx.scalar(select(func.min(first.c.due)).where(first.c.due <= now))
        if due is not None:
            found[kind] = due
    return found


def oldest_untaken(tx: Connection) -> datetime | None:
    """The earliest due time of a ready job that nobody holds; None when there is none.

    What waits for an endpoint that is paused or fails is not left lying: it waits for that endpoint.
    """
    waited_for = {channel.endpoint for channel in list_channels(tx) if channel.paused or channel.failures}
    dues = [
        tx.scalar(
            select(_job.due)
            .where(_job.state == JobState.READY, _job.priority == priority, _job.lease_until.is_(None))
            .where(_job.endpoint.is_(None) if endpoint is None else _job.endpoint == endpoint)
            .order_by(_job.due)
            .limit(1)
        )
        for priority in _priorities(tx)
        for endpoint in _endpoints(tx, priority)
        if endpoint not in waited_for
    ]
    return min((due for due in dues if due is not None), default=None)


def bring_forward(tx: Connection, *, now: datetime, lease: timedelta) -> int:
    """After the clock went back: what was put off is due now, and no lease is longer than one from now.

    Which of it is really due the flows decide: doing a job too early is harmless. Gives how many were put off.
    """
    ready = _job.state == JobState.READY
    until = now + lease
    tx.execute(update(tables.job).where(ready, _job.lease_until > until).values(lease_until=until))
    return tx.execute(update(tables.job).where(ready, _job.due > now).values(due=now)).rowcount


def list_jobs(
    tx: Connection,
    wanted: JobFilter,
    *,
    among: Among | None = None,
    before: Key | None = None,
    limit: int = 50,
) -> tuple[Job, ...]:
    """Newest first; the key of the last one is the next page's `before`. `among` is for ready jobs only."""
    query = page_of_jobs(wanted, before=before, limit=limit)
    if among is not None:
        assert wanted.state is JobState.READY, "only ready jobs are leased or retried"
        held = _job.leased_by.is_not(None)
        query = query.where(held if among is Among.LEASED else and_(_job.attempts > 0, ~held))
    return fetch(tx, Job, query)


def page_of_jobs(wanted: JobFilter, *, before: Key | None, limit: int) -> Select[Any]:
    """The query of `list_jobs`."""
    equal = values_of(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    query = page(tables.job, equal, since=since, until=until, before=before, limit=limit)
    return query.with_only_columns(*_columns)


def _free_at(now: datetime) -> ColumnElement[bool]:
    """Nobody holds it."""
    return or_(_job.lease_until.is_(None), _job.lease_until <= now)


_FREE: Mapping[str, None] = {"leased_by": None, "lease_until": None}


def _change_held(tx: Connection, job: Job, values: Mapping[str, Any]) -> None:
    """The fence: a claim number is given out once, so whoever has the row's number has the job."""
    held = and_(
        _job.key == job.key,
        _job.state == JobState.READY,
        _job.leased_by.is_not(None),
        _job.leased_by == job.leased_by,
        _job.claims == job.claims,
    )
    if tx.execute(update(tables.job).where(held).values(dict(values))).rowcount != 1:
        raise LeaseLost(f"job {job.key}: claim {job.claims} of {job.leased_by} no longer holds it")


def _claimed(row: Mapping[str, Any], *, worker: str, until: datetime) -> Job:
    job = Job(**{name: value for name, value in row.items() if name != "seq"})
    return replace(job, leased_by=worker, lease_until=until, attempts=job.attempts + 1, claims=job.claims + 1)


@dataclass(slots=True, kw_only=True)
class _Shares:
    """How many places each endpoint has left: its share, or one while it is in trouble."""

    per_endpoint: int | None
    troubled: frozenset[str]
    taken: Counter[str]

    def room(self, endpoint: str | None) -> int:
        """How many more jobs of this endpoint may be held."""
        if endpoint is None:
            return sys.maxsize
        whole = sys.maxsize if self.per_endpoint is None else self.per_endpoint
        share = 1 if endpoint in self.troubled else whole
        return max(0, share - self.taken[endpoint])

    def take(self, endpoints: Iterable[str | None]) -> None:
        self.taken.update(endpoint for endpoint in endpoints if endpoint is not None)


def _priorities(tx: Connection) -> Iterator[int]:
    """The priorities of ready jobs, lowest first, each by one step into the index."""
    last = None
    while True:
        query = select(func.min(_job.priority)).where(_job.state == JobState.READY)
        last = tx.scalar(query if last is None else query.where(_job.priority > last))
        if last is None:
            return
        yield last


def _endpoints(tx: Connection, priority: int) -> Iterator[str | None]:
    """Where ready jobs of this priority go, None first, each by one step into the index."""
    yield None
    last: str | None = ""
    while True:
        of_priority = _job.state == JobState.READY, _job.priority == priority
        last = tx.scalar(select(func.min(_job.endpoint)).where(*of_priority, _job.endpoint > last))
        if last is None:
            return
        yield last


def _claimable(
    now: datetime, priority: int, endpoint: str | None, kinds: tuple[str, ...] | None
) -> Select[Any]:
    """Jobs that may be claimed, of one priority and endpoint: only so does the index lead straight to what is
    due, however much waits for an endpoint that is held."""
    query = (
        select(tables.job)
        .where(_job.state == JobState.READY, _job.priority == priority, _job.due <= now)
        .where(_job.endpoint.is_(None) if endpoint is None else _job.endpoint == endpoint)
        .where(_free_at(now))
        .where(or_(_job.ordering_key.is_(None), ~_has_forerunner(now)))
        .order_by(_job.due, _job.seq)
    )
    return query if kinds is None else query.where(_job.kind.in_(kinds))


def _has_forerunner(now: datetime) -> ColumnElement[bool]:
    """An unfinished job of this kind and ordering key is older, or being done (this one was revived)."""
    other = tables.job.alias("other")
    same = and_(
        other.c.kind == _job.kind,
        other.c.ordering_key == _job.ordering_key,
        other.c.state == JobState.READY,
        other.c.seq != _job.seq,
    )
    return exists().where(same, or_(other.c.seq < _job.seq, other.c.lease_until > now))
