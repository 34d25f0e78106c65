"""Rotation of the keys of an encrypting store, while it works: in batches, in any number of runs.

First every data key is put under the current master key and a fresh data key is made; processes that run take
it into use within `sealing.FRESH`. Then what was written in the clear or under an older data key is encrypted
anew. Older data keys stay, because a backup or a late writer may still need them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, update

from bridge.ids import Key
from bridge.store import tables
from bridge.store.blobs import reseal_blob
from bridge.store.query import fetch, values_of
from bridge.store.rows import Event, Resource, Told
from bridge.store.sealed_rows import SEALED, seal_row
from bridge.store.sealing import Sealer, newest_number

_ROWS: dict[Table, type[Any]] = {tables.event: Event, tables.resource: Resource, tables.told: Told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A place from where to look for content that is in the clear or under an older data key."""

    table: Table
    data_key: int | None
    """None: in the clear."""


def begin_rotation(tx: Connection, sealer: Sealer, *, at: datetime) -> int:
    """Put all data keys under the current master key and make a new one; its number.

    `sealer.look_again()` after the commit.
    """
    sealer.rewrap(tx)
    return sealer.add_data_key(tx, at=at)


def stale_places(tx: Connection) -> Iterator[Stale]:
    """Where to call `find_stale`."""
    older = range(2, newest_number(tx))
    for table in (tables.blob, *SEALED):
        for number in (None, *older):
            yield Stale(table=table, data_key=number)


def find_stale(tx: Connection, place: Stale, *, limit: int = 50) -> tuple[str, ...]:
    """The next keys or addresses of what `reseal` must encrypt anew; empty: there are no more."""
    key = place.table.c.sha256 if place.table is tables.blob else place.table.c.key
    return tuple(tx.scalars(select(key).where(*_is_stale(place)).order_by(key).limit(limit)))


def count_stale(tx: Connection) -> int:
    """How much there is to encrypt anew in all places."""
    counts = (select(func.count()).select_from(p.table).where(*_is_stale(p)) for p in stale_places(tx))
    return sum(tx.scalar(count) or 0 for count in counts)


def reseal(tx: Connection, place: Stale, key: str) -> None:
    """Encrypt one of them under the newest data key."""
    if place.table is tables.blob:
        reseal_blob(tx, key)
    else:
        _reseal_row(tx, place.table, _ROWS[place.table], Key(key))


def _is_stale(place: Stale) -> tuple[ColumnElement[bool], ...]:
    row = place.table.c
    under = row.data_key.is_(None) if place.data_key is None else row.data_key == place.data_key
    here = row.purged_at.is_(None) if place.table is tables.blob else func.length(row.body) > 0
    return under, here


def _reseal_row(tx: Connection, table: Table, make: type[Any], key: Key) -> None:
    """The lock keeps a purge of the body from being undone."""
    query = select(table).where(table.c.key == key, func.length(table.c.body) > 0).with_for_update()
    for row in fetch(tx, make, query):
        sealed = seal_row(tx, table, values_of(row))
        values = {"body": sealed["body"], "data_key": sealed["data_key"]}
        tx.execute(update(table).where(table.c.key == key).values(values))
