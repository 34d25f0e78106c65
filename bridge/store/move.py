"""Moving a whole store from SQLite to PostgreSQL: every table, every row, compared afterwards.

The SQLite file is locked for writing meanwhile and set aside at the end, so that a bridge that still runs on it
stops taking messages instead of writing where nobody looks any more.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Integer, Table, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from bridge.errors import BridgeError, ConfigError
from bridge.store import tables
from bridge.store.chain import forget_horizons
from bridge.store.engines import file_of, make_writer, read_url, translate
from bridge.store.migrate import check_version, current_version, forget_oldest_program, upgrade, version_in
from bridge.store.progress import Told, nobody

ROWS = 500
"""Rows that are held in memory at once; a chunk of content is a quarter of a megabyte."""


class MoveFailed(BridgeError):
    """The store was not moved. The old one is as it was, and the new one is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How many rows each table has in the new store, compared with the old one by digest."""

    rows: Mapping[str, int]
    set_aside: str
    """The name that the SQLite file has now."""


def move_store(source: str, target: str, *, at: datetime, told: Told = nobody) -> Moved:
    """Copy all rows, compare them, and set the SQLite file aside. Raises ConfigError and MoveFailed."""
    old, new = read_url(source), read_url(target)
    file = file_of(old)
    if file is None or file_of(new) is not None:
        raise ConfigError(["store move: goes from sqlite:///… (store.url) to postgresql+psycopg://…"])
    if not file.exists():
        raise ConfigError([f"store {file}: does not exist"])
    if current_version(target) is None:
        upgrade(target)
    reader, writer = make_writer(old, connections=1), make_writer(new, connections=1)
    try:
        with reader.connect() as here, here.begin():
            check_version(version_in(here), old)
            with writer.connect() as there, there.begin():
                check_version(version_in(there), new)
                _check_empty(there)
                rows = {
                    table.name: _move(here, there, table, told) for table in tables.metadata.sorted_tables
                }
                _set_sequences(there)
                forget_horizons(there)
            # Still under the lock: nothing was written to it since the first row was read.
            aside = _set_aside(file, at)
    except SQLAlchemyError as error:
        raise translate(error) from None
    finally:
        reader.dispose()
        writer.dispose()
    return Moved(rows=rows, set_aside=aside)


def digest_of(
    tx: Connection, table: Table, *, told: Told = nobody, total: int | None = None
) -> tuple[int, str]:
    """How many rows a table has, and one digest over all of them in the order of the primary key."""
    digest, count = hashlib.sha256(), 0
    for row in _rows(tx, table):
        digest.update(_written(row))
        count += 1
        told(f"Comparing {table.name}", count, total)
    return count, digest.hexdigest()


def _move(here: Connection, there: Connection, table: Table, told: Told) -> int:
    total = None if told is nobody else here.scalar(select(func.count()).select_from(table))
    digest, count, batch = hashlib.sha256(), 0, []
    for row in _rows(here, table):
        digest.update(_written(row))
        count += 1
        told(f"Copying {table.name}", count, total)
        batch.append(row)
        if len(batch) == ROWS:
            there.execute(insert(table), batch)
            batch = []
    if batch:
        there.execute(insert(table), batch)
    if digest_of(there, table, told=told, total=count) != (count, digest.hexdigest()):
        raise MoveFailed(f"table {table.name}: what arrived differs from what was sent")
    return count


def _rows(tx: Connection, table: Table) -> Iterator[dict[str, Any]]:
    """All rows, a batch at a time."""
    query = select(table).order_by(*table.primary_key.columns)
    for row in tx.execute(query, execution_options={"yield_per": ROWS}).mappings():
        yield dict(row)


def _written(row: Mapping[str, Any]) -> bytes:
    """Every value with its type and length, so that no two rows are written alike."""
    parts = []
    for name in sorted(row):
        value = row[name]
        octets = bytes(value) if isinstance(value, bytes | memoryview) else repr(value).encode()
        parts.append(b"%s %d " % (name.encode(), len(octets)) + octets)
    return b"\n".join(parts)


def _check_empty(there: Connection) -> None:
    forget_oldest_program(there)
    full = [t.name for t in tables.metadata.sorted_tables if there.execute(select(t).limit(1)).first()]
    if full:
        raise MoveFailed(f"the target is not empty: {', '.join(full)}; give an empty database")


def _set_sequences(there: Connection) -> None:
    """The next number is one more than the highest that came along."""
    for table in tables.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None or not isinstance(column.type, Integer):
            continue
        highest = there.scalar(select(func.max(column)))
        if highest is not None:
            there.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)"),
                {"table": table.name, "column": column.name, "highest": highest},
            )


def _set_aside(file: Path, at: datetime) -> str:
    """With what SQLite keeps beside it, which may hold the last transactions."""
    end = f".moved-{at:%Y%m%dT%H%M%S}"
    for beside in ("", "-wal", "-shm"):
        part = file.with_name(file.name + beside)
        if part.exists():
            part.rename(file.with_name(file.name + end + beside))
    return file.name + end
