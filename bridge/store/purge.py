"""Removing content whose retention is over. That it was there, with its ids and digests, stays known.

Each exchange is purged in a transaction that looks again whether it may be, so that a hold or a new use that
came in meanwhile wins. Octets that something else refers to stay until that is purged too.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update

from bridge.ids import Key
from bridge.store import tables
from bridge.store.access import add_purged
from bridge.store.answers import drop_references
from bridge.store.blobs import drop_blob, lock_blob
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import get_exchange
from bridge.store.holds import find_hold, lock_exchange
from bridge.store.keys import first_key
from bridge.store.query import add, add_unless_there, fetch, values_of
from bridge.store.retention import WIRE, Due, NeededUntil, Retention, is_due
from bridge.store.rows import Content, Evidence, JobState, Purged, PurgedResource, PurgeRun, Resource
from bridge.store.timeline import add_step, drop_told

_message, _payload, _evidence = tables.message.c, tables.payload.c, tables.evidence.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What one run purged of one kind of content and one type."""

    content: Content
    title: str
    exchanges: int
    items: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What of the messages of one exchange may still be shown. Octets may be there for another message alone."""

    payloads: bool
    evidence: bool

    def wire(self, row: Evidence) -> bool:
        """Whether this piece of evidence was left; signals always are."""
        return self.evidence or row.kind not in WIRE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gone:
    items: int
    octets: int
    digests: dict[str, str]


def purge_due(
    tx: Connection,
    due: Sequence[Due],
    retention: Retention,
    *,
    run: PurgeRun,
    now: datetime,
    needed_until: NeededUntil,
) -> tuple[Purged, ...]:
    """Remove what is still due. The run is written down with the first of it."""
    gone = []
    for one in due:
        lock_exchange(tx, one.exchange)
        exchange = get_exchange(tx, one.exchange)
        if find_hold(tx, one.exchange) is not None or is_purged(tx, one.exchange, one.content):
            continue
        if is_due(tx, exchange, one.content, retention, now=now, needed_until=needed_until):
            add_unless_there(tx, tables.purge_run, values_of(run), unique=("key",))
            gone.append(_purge(tx, one.exchange, one.content, run=run, at=now))
    return tuple(gone)


def is_purged(tx: Connection, exchange: Key, content: Content) -> bool:
    """Whether this kind of content of this exchange was removed."""
    row = tables.purged.c
    return bool(tx.scalar(select(exists().where(row.exchange == exchange, row.content == content))))


def purged_of(tx: Connection, exchange: Key) -> tuple[Purged, ...]:
    """What was removed of one exchange."""
    row = tables.purged.c
    return fetch(tx, Purged, select(tables.purged).where(row.exchange == exchange).order_by(row.content))


def left_of(tx: Connection, exchange: Key) -> Left:
    """What the purges left of the messages of one exchange."""
    gone = {row.content for row in purged_of(tx, exchange)}
    return Left(payloads=Content.PAYLOAD not in gone, evidence=Content.EVIDENCE not in gone)


def list_purge_runs(tx: Connection, *, limit: int = 20) -> tuple[PurgeRun, ...]:
    """Newest first."""
    return fetch(tx, PurgeRun, select(tables.purge_run).order_by(tables.purge_run.c.key.desc()).limit(limit))


def totals_of(tx: Connection, run: Key) -> tuple[Total, ...]:
    """The report of one run, by kind and type."""
    row, title = tables.purged.c, tables.exchange.c.title
    query = (
        select(row.content, title, func.count(), func.sum(row["items"]), func.sum(row.octets))
        .where(row.run == run, tables.exchange.c.key == row.exchange)
        .group_by(row.content, title)
        .order_by(row.content, title)
    )
    return tuple(
        Total(content=content, title=name, exchanges=count, items=int(items), octets=int(octets))
        for content, name, count, items, octets in tx.execute(query)
    )


def drop_done_jobs(tx: Connection, *, before: datetime, limit: int = 500) -> int:
    """Remove up to `limit` jobs that were done before then; how many. They hold ids only."""
    row = tables.job.c
    done = select(row.seq).where(
        row.state == JobState.DONE, row.key < first_key(before), row.ended_at < before
    )
    return tx.execute(delete(tables.job).where(row.seq.in_(done.limit(limit)))).rowcount


# --- one exchange ---


def _purge(tx: Connection, exchange: Key, content: Content, *, run: PurgeRun, at: datetime) -> Purged:
    row = Purged(exchange=exchange, content=content, run=run.key, at=at, items=0, octets=0, digests={})
    # First, so that what refers to the octets no longer counts.
    add(tx, tables.purged, row)
    gone = _REMOVE[content](tx, exchange, at)
    values = {"items": gone.items, "octets": gone.octets, "digests": gone.digests}
    place = tables.purged.c.exchange == exchange, tables.purged.c.content == content
    tx.execute(update(tables.purged).where(*place).values(values))
    add_step(
        tx,
        exchange=exchange,
        at=at,
        side="bridge",
        what="content.purged",
        outcome="info",
        detail={"content": content, "items": str(gone.items), "run": run.key, "reason": run.reason},
        by=run.by,
    )
    return Purged(
        exchange=exchange,
        content=content,
        run=run.key,
        at=at,
        items=gone.items,
        octets=gone.octets,
        digests=gone.digests,
    )


def _remove_payloads(tx: Connection, exchange: Key, at: datetime) -> _Gone:
    query = select(_payload.blob).where(_payload.message == _message.key, _message.exchange == exchange)
    tx.execute(delete(tables.person_index).where(tables.person_index.c.exchange == exchange))
    drop_references(tx, exchange)
    drop_told(tx, exchange)
    return _drop_blobs(tx, list(tx.scalars(query)), at)


def _remove_evidence(tx: Connection, exchange: Key, at: datetime) -> _Gone:
    query = select(_evidence.blob).where(
        _evidence.message == _message.key, _message.exchange == exchange, _evidence.kind.in_(WIRE)
    )
    return _drop_blobs(tx, list(tx.scalars(query)), at)


def _drop_blobs(tx: Connection, blobs: list[str], at: datetime) -> _Gone:
    """The octets that nothing refers to any more."""
    octets = 0
    for sha256 in sorted(set(blobs)):
        lock_blob(tx, sha256)
        if not _is_needed(tx, sha256):
            dropped = drop_blob(tx, sha256, at=at)
            octets += dropped.size if dropped else 0
    return _Gone(items=len(blobs), octets=octets, digests={})


def _is_needed(tx: Connection, sha256: str) -> bool:
    """Whether a message that was not purged of it refers to these octets, or a signal."""
    gone = tables.purged.c

    def purged(content: Content) -> ColumnElement[bool]:
        return exists().where(gone.exchange == _message.exchange, gone.content == content)

    payload = select(_payload.message).join(tables.message, _message.key == _payload.message)
    payload = payload.where(_payload.blob == sha256, ~purged(Content.PAYLOAD))
    evidence = select(_evidence.seq).join(tables.message, _message.key == _evidence.message)
    kept = _evidence.kind.not_in(WIRE) | ~purged(Content.EVIDENCE)
    evidence = evidence.where(_evidence.blob == sha256, kept)
    return any(tx.execute(query.limit(1)).first() is not None for query in (payload, evidence))


def _remove_events(tx: Connection, exchange: Key, _at: datetime) -> _Gone:
    """The bodies; the context attributes stay in the row."""
    events = list_events(tx, EventFilter(exchange=exchange), limit=1000)
    # A peer may quote an event as well as a message.
    drop_told(tx, exchange)
    # Where messages are, they say about whom the exchange is, and it goes with them.
    person = tables.person_index.c
    of_messages = exists().where(_message.exchange == exchange)
    tx.execute(delete(tables.person_index).where(person.exchange == exchange, ~of_messages))
    row = tables.event.c
    tx.execute(update(tables.event).where(row.exchange == exchange).values(body=b"", data_key=None))
    return _Gone(
        items=len(events),
        octets=sum(len(event.body) for event in events),
        digests={event.key: hashlib.sha256(event.body).hexdigest() for event in events},
    )


def _remove_resources(tx: Connection, exchange: Key, at: datetime) -> _Gone:
    """The versions of this exchange. With the last version of a resource goes the row, and a lookup says Gone."""
    row = tables.resource.c
    resources = fetch(tx, Resource, select(tables.resource).where(row.exchange == exchange))
    tx.execute(delete(tables.resource).where(row.exchange == exchange))
    for one in resources:
        left = select(exists().where(row.type == one.type, row.id == one.id))
        if not tx.scalar(left):
            add_purged(tx, PurgedResource(type=one.type, id=one.id, owner=one.owner, at=at))
    bodies = [(one.key, one.body.encode()) for one in resources]
    return _Gone(
        items=len(bodies),
        octets=sum(len(body) for _, body in bodies),
        digests={key: hashlib.sha256(body).hexdigest() for key, body in bodies},
    )


_REMOVE: dict[Content, Callable[[Connection, Key, datetime], _Gone]] = {
    Content.PAYLOAD: _remove_payloads,
    Content.EVIDENCE: _remove_evidence,
    Content.EVENT: _remove_events,
    Content.RESOURCE: _remove_resources,
}
