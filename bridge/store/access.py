"""Who looked at what and on whose word, whom it was about, and who may follow which event."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from bridge.ids import Key, Oin
from bridge.store import tables
from bridge.store.jobs import oldest_untaken
from bridge.store.query import add, add_unless_there, fetch, page, values_of
from bridge.store.rows import (
    Access,
    AccessOutcome,
    EventState,
    Interaction,
    Processing,
    PurgedResource,
    ResourceHead,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """What is not None must be equal; `since` and `until` bound the time of making (of the key)."""

    outcome: AccessOutcome | None = None
    reader: str | None = None
    type: str | None = None
    id: str | None = None
    trace_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The oldest of what should have gone on by now; None: there is none."""

    unanswered: datetime | None
    """Since when an event is offered to the hub without a usable answer."""
    due: datetime | None
    """When the oldest job that nobody took was due."""


def add_access(tx: Connection, access: Access) -> None:
    """Write down one decision."""
    add(tx, tables.access_log, access)


def list_accesses(
    tx: Connection, wanted: AccessFilter, *, before: Key | None = None, limit: int = 50
) -> tuple[Access, ...]:
    """Newest first; the key of the last one is the next page's `before`."""
    equal = values_of(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    query = page(tables.access_log, equal, since=since, until=until, before=before, limit=limit)
    return fetch(tx, Access, query)


def add_processing(tx: Connection, line: Processing) -> None:
    """Write one line of the processing log."""
    add(tx, tables.processing_log, line)


def processing_of(tx: Connection, *, trace_id: str) -> tuple[Processing, ...]:
    """The lines of one trace, oldest first."""
    row = tables.processing_log.c
    query = select(tables.processing_log).where(row.trace_id == trace_id).order_by(row.key)
    return fetch(tx, Processing, query)


def processing_about(tx: Connection, subject_id: str) -> tuple[Processing, ...]:
    """The lines about one person, by the encrypted identifier, oldest first."""
    row = tables.processing_log.c
    query = select(tables.processing_log).where(row.subject_id == subject_id).order_by(row.key)
    return fetch(tx, Processing, query)


def add_interaction(tx: Connection, interaction: Interaction) -> bool:
    """False when this organisation has an interaction with this id; nothing changes then."""
    return add_unless_there(tx, tables.interaction, values_of(interaction), unique=("oin", "id"))


def find_interaction(tx: Connection, oin: Oin, id: str) -> Interaction | None:
    """What this organisation offered under this id; what others offered is not found."""
    row = tables.interaction.c
    query = select(tables.interaction).where(row.oin == oin, row.id == id)
    return next(iter(fetch(tx, Interaction, query)), None)


def find_head(tx: Connection, type: str, id: str, *, at: datetime | None = None) -> ResourceHead | None:
    """The latest version, or the one that was the latest at `at`, without its content."""
    row = tables.resource.c
    query = select(row.key, row.exchange, row.id, row.owner, row.version).where(
        row.type == type, row.id == id
    )
    if at is not None:
        query = query.where(row.at <= at)
    return next(iter(fetch(tx, ResourceHead, query.order_by(row.version.desc()).limit(1))), None)


def list_heads(
    tx: Connection,
    type: str,
    *,
    owner: Oin | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    as_of: datetime | None = None,
    before: Key | None = None,
    limit: int,
) -> tuple[ResourceHead, ...]:
    """The latest versions of this type, newest first, without their content.

    `since` and `until` (not included) bound the moment of the version; of `as_of` the versions that were latest then.
    """
    newer = tables.resource.alias("newer")
    row = tables.resource.c
    overtaken = select(newer.c.key).where(
        newer.c.type == row.type, newer.c.id == row.id, newer.c.version > row.version
    )
    conditions = [row.type == type]
    if as_of is not None:
        overtaken = overtaken.where(newer.c.at <= as_of)
        conditions.append(row.at <= as_of)
    conditions += [row.owner == owner] if owner is not None else []
    conditions += [row.at >= since] if since is not None else []
    conditions += [row.at < until] if until is not None else []
    conditions += [row.key < before] if before is not None else []
    query = select(row.key, row.exchange, row.id, row.owner, row.version).where(
        *conditions, ~overtaken.exists()
    )
    return fetch(tx, ResourceHead, query.order_by(row.key.desc()).limit(limit))


def resources_of_exchange(tx: Connection, exchange: Key) -> tuple[tuple[str, str], ...]:
    """Type and id of what stayed behind of one exchange, oldest first, each once."""
    row = tables.resource.c
    query = select(row.type, row.id).where(row.exchange == exchange).order_by(row.key)
    return tuple(dict.fromkeys((type, id) for type, id in tx.execute(query)))


def add_purged(tx: Connection, purged: PurgedResource) -> bool:
    """Remember that a resource was there, when it is removed. False when that is known already."""
    return add_unless_there(tx, tables.purged_resource, values_of(purged), unique=("type", "id"))


def find_purged(tx: Connection, type: str, id: str) -> PurgedResource | None:
    """A resource that was removed when its retention ended."""
    row = tables.purged_resource.c
    query = select(tables.purged_resource).where(row.type == type, row.id == id)
    return next(iter(fetch(tx, PurgedResource, query)), None)


def oldest_waiting(tx: Connection) -> Waiting:
    """What a health check asks of the store."""
    event = tables.event.c
    unanswered = select(event.changed_at).where(event.state == EventState.UNKNOWN)
    return Waiting(
        unanswered=tx.scalar(unanswered.order_by(event.key).limit(1)),
        due=oldest_untaken(tx),
    )
