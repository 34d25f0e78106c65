"""What the modules per noun share: rows in and out of dataclasses, and paging by key."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import (
    Connection,
    Executable,
    Insert,
    Select,
    Table,
    TextClause,
    bindparam,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from bridge.ids import Key
from bridge.store.keys import first_key
from bridge.store.rows import NoSuchRow
from bridge.store.sealed_rows import open_row, seal_row

R = TypeVar("R")


class OfExchange(Protocol):
    """A row that belongs to an exchange."""

    @property
    def key(self) -> Key: ...

    @property
    def exchange(self) -> Key: ...


E = TypeVar("E", bound=OfExchange)


def values_of(row: Any) -> dict[str, Any]:
    """The columns of a dataclass of `rows`."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def fetch(
    tx: Connection, make: type[R], query: Select[Any], parameters: Mapping[str, Any] | None = None
) -> tuple[R, ...]:
    """All rows of a query over one table, as dataclasses. `parameters` fill the places that the query leaves open."""
    return tuple(make(**open_row(tx, make, dict(row))) for row in tx.execute(query, parameters).mappings())


def get(tx: Connection, make: type[R], table: Table, key: Key) -> R:
    """The row with this key. Raises NoSuchRow."""
    rows = fetch(tx, make, _row_of(table), {"its_key": key})
    if not rows:
        raise NoSuchRow(f"no {table.name} with key {key}")
    return rows[0]


def add(tx: Connection, table: Table, row: Any) -> None:
    """Insert a dataclass of `rows`. What it refers to must be there."""
    tx.execute(_insert(table), dict(seal_row(tx, table, values_of(row))))


def add_unless_there(
    tx: Connection,
    table: Table,
    values: Mapping[str, Any],
    *,
    unique: Sequence[str],
    among: TextClause | None = None,
) -> bool:
    """Insert, or do nothing when a row with the same `unique` columns is there; whether it was inserted.

    `among` is the condition of a unique index over a part of the rows. Of two transactions with the same
    values the second waits for the first. Any other conflict is an error.
    """
    statement = _insert_unless_there(table, tx.dialect.name, tuple(unique), among)
    # Not by the count of rows, which drivers do not tell for every insert.
    return tx.execute(statement, dict(seal_row(tx, table, values))).first() is not None


# Statements are made once: making one, and finding out that it was compiled before, costs more than executing it.


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _row_of(table: Table) -> Select[Any]:
    return select(table).where(table.c.key == bindparam("its_key"))


@cache
def _insert_unless_there(
    table: Table, dialect: str, unique: tuple[str, ...], among: TextClause | None
) -> Executable:
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    statement = statement.on_conflict_do_nothing(index_elements=list(unique), index_where=among)
    return statement.returning(table.c[unique[0]])


def change(tx: Connection, table: Table, key: Key, values: Mapping[str, Any]) -> None:
    """Set columns of the row with this key. Raises NoSuchRow."""
    if tx.execute(table.update().where(table.c.key == key).values(dict(values))).rowcount != 1:
        raise NoSuchRow(f"no {table.name} with key {key}")


def page(
    table: Table,
    equal: Mapping[str, Any],
    *,
    since: datetime | None,
    until: datetime | None,
    before: Key | None,
    limit: int,
) -> Select[Any]:
    """Newest first: rows whose columns equal what is not None, made in [since, until), below `before`."""
    query = select(table).order_by(table.c.key.desc()).limit(limit)
    for name, value in equal.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    if since is not None:
        query = query.where(table.c.key >= first_key(since))
    if until is not None:
        query = query.where(table.c.key < first_key(until))
    if before is not None:
        query = query.where(table.c.key < before)
    return query


def newest_of_each(
    tx: Connection, make: type[E], table: Table, exchanges: Collection[Key], *, most: int
) -> Mapping[Key, tuple[E, ...]]:
    """Of each of these exchanges its newest rows, newest first; of one without rows there is nothing.

    Two questions for all, the first of which reads an index only: a page with fifty examples would wait for
    fifty answers else.
    """
    keys: defaultdict[Key, list[Key]] = defaultdict(list)
    for exchange, key in tx.execute(
        select(table.c.exchange, table.c.key).where(table.c.exchange.in_(exchanges))
    ):
        keys[exchange].append(key)
    newest = [key for of in keys.values() for key in sorted(of, reverse=True)[:most]]
    found: defaultdict[Key, list[E]] = defaultdict(list)
    for row in fetch(tx, make, select(table).where(table.c.key.in_(newest))):
        found[row.exchange].append(row)
    return {key: tuple(sorted(rows, key=lambda row: row.key, reverse=True)) for key, rows in found.items()}


def transaction_bounds(tx: Connection) -> tuple[int, int]:
    """Of this snapshot: below the first number every transaction had ended, from the second on none had begun."""
    if tx.dialect.name != "postgresql":
        # One writer at a time: numbers become visible in their order.
        return 0, 0
    row = tx.execute(
        text(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        )
    ).one()
    return int(row[0]), int(row[1])
