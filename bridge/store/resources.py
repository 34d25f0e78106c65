"""The full data that stayed behind at the bridge, version by version."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from bridge.ids import Key, Oin
from bridge.store import tables
from bridge.store.query import add_unless_there, fetch, values_of
from bridge.store.rows import Resource


def put_resource(
    tx: Connection, *, key: Key, exchange: Key, type: str, id: str, owner: Oin, body: str, at: datetime
) -> int:
    """Store the next version and return its number, from 1.

    The latest version's own number comes back when its owner and body are the same; that it was said again is
    remembered, for it is needed so much longer. `body` is JSON text.
    """
    while True:
        latest = find_resource(tx, type, id)
        if latest is not None and (latest.body, latest.owner) == (body, owner):
            _use(tx, latest, exchange=exchange, at=at)
            return latest.version
        resource = Resource(
            key=key,
            exchange=exchange,
            type=type,
            id=id,
            version=latest.version + 1 if latest else 1,
            owner=owner,
            body=body,
            at=at,
        )
        # Another node may have taken this number since; its row can be seen now, so this ends.
        if add_unless_there(tx, tables.resource, values_of(resource), unique=("type", "id", "version")):
            return resource.version


def find_resource(tx: Connection, type: str, id: str, *, at: datetime | None = None) -> Resource | None:
    """The latest version, or the one that was the latest at `at`."""
    row = tables.resource.c
    query = select(tables.resource).where(row.type == type, row.id == id)
    if at is not None:
        query = query.where(row.at <= at)
    return next(iter(fetch(tx, Resource, query.order_by(row.version.desc()).limit(1))), None)


def versions_of(tx: Connection, type: str, id: str) -> tuple[Resource, ...]:
    """Oldest first."""
    row = tables.resource.c
    query = select(tables.resource).where(row.type == type, row.id == id).order_by(row.version)
    return fetch(tx, Resource, query)


def _use(tx: Connection, resource: Resource, *, exchange: Key, at: datetime) -> None:
    row = tables.resource.c
    used = update(tables.resource).where(row.key == resource.key)
    tx.execute(used.values(used_by=exchange, used_at=max(at, resource.used_at or at)))
