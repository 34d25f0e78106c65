"""Engines for the two databases, and their errors translated into ours."""

import os
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import InterfaceError as ConnectionFault
from sqlalchemy.exc import InternalError as DatabaseFault
from sqlalchemy.pool import ConnectionPoolEntry

from bridge.errors import BridgeError, ConfigError, StoreUnavailable

PATIENCE = timedelta(seconds=10)
"""How long a transaction waits for another process that holds the lock, or for a connection."""


class RefusedByStore(BridgeError, AssertionError):
    """A row broke a constraint that our own code should have kept: a fault of the bridge, not of its user."""


def read_url(url: str) -> URL:
    """The URL of a store, checked. Raises ConfigError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError([f"store url: not readable; {_ALLOWED}"]) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise ConfigError([f"store url: SQLite needs the path of a file and no options; {_ALLOWED}"])
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError([f"store url: {parsed.drivername} is not supported; {_ALLOWED}"])


_ALLOWED = "use sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"


def file_of(url: URL) -> Path | None:
    """The SQLite file, or None for a server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def make_writer(url: URL, *, connections: int, patience: timedelta = PATIENCE) -> Engine:
    """Transactions that may write: on SQLite they hold the write lock from the start (BEGIN IMMEDIATE)."""
    if file_of(url):
        return _sqlite(url, connections=connections, patience=patience, begin="BEGIN IMMEDIATE", pragmas=())
    return _postgresql(url, connections=connections, patience=patience, isolation="READ COMMITTED")


def make_reader(url: URL, *, connections: int, patience: timedelta = PATIENCE) -> Engine:
    """Transactions that see one snapshot and cannot write."""
    if file_of(url):
        pragmas = ("query_only=ON",)
        return _sqlite(url, connections=connections, patience=patience, begin="BEGIN", pragmas=pragmas)
    engine = _postgresql(url, connections=connections, patience=patience, isolation="REPEATABLE READ")
    return engine.execution_options(postgresql_readonly=True)


def _sqlite(
    url: URL, *, connections: int, patience: timedelta, begin: str, pragmas: tuple[str, ...]
) -> Engine:
    # Opened for reading and writing, never for creating: a file that went away must not come back empty.
    name = f"file:{quote(str(file_of(url)))}?mode=rw"

    def connect() -> sqlite3.Connection:
        # The driver must not begin or end transactions by itself, or savepoints would not hold.
        return sqlite3.connect(
            name, uri=True, isolation_level=None, check_same_thread=False, timeout=patience.total_seconds()
        )

    engine = create_engine(
        url,
        creator=connect,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=patience.total_seconds(),
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        record.info["file"] = _identity(url)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            *pragmas,
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        if connection.info["file"] != _identity(url):
            raise StoreUnavailable("the file of the store was removed or replaced; restart the bridge")
        connection.exec_driver_sql(begin)

    return engine


def _identity(url: URL) -> tuple[int, int] | None:
    """Which file the path leads to. What is written to a file that was removed would be lost."""
    try:
        found = os.stat(str(url.database))
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _postgresql(url: URL, *, connections: int, patience: timedelta, isolation: Any) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        isolation_level=isolation,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=patience.total_seconds(),
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": max(2, int(patience.total_seconds())),
            "application_name": "bridge",
            "options": f"-c lock_timeout={int(patience.total_seconds() * 1000)}",
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # What is acknowledged must be on disk, also where the server's default says otherwise.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    return engine


def translate(error: SQLAlchemyError) -> BridgeError:
    """Ours for theirs. The text names constraints and conditions, never a value of a row.

    Raise it `from None`: the driver's own text may quote the row, and would be logged with the cause.
    """
    if isinstance(error, StatementError) and isinstance(error.orig, ValueError):
        return RefusedByStore(f"the store refused a value: {error.orig}")
    if not isinstance(error, DBAPIError):
        return StoreUnavailable(f"the store gave no connection: {type(error).__name__}; is it overloaded?")
    if isinstance(error, IntegrityError):
        return RefusedByStore(f"the store refused a row: {_said(error)}")
    if isinstance(error, OperationalError | ConnectionFault | DatabaseFault) or _is_damage(error):
        return StoreUnavailable(f"the store failed: {_said(error)}; look at the disk or the database")
    return RefusedByStore(f"the store refused a statement: {type(error.orig).__name__} {_state(error) or ''}")


def is_conflict(error: SQLAlchemyError) -> bool:
    """PostgreSQL gave up this transaction for another one: doing it again is safe and may work."""
    return isinstance(error, DBAPIError) and _state(error) in ("40001", "40P01")


def _is_damage(error: DBAPIError) -> bool:
    """SQLite reports a damaged or foreign file as a bare DatabaseError."""
    return type(error.orig) is sqlite3.DatabaseError


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _said(error: DBAPIError) -> str:
    """The first line of the driver's text; of PostgreSQL without DETAIL, which quotes the row."""
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    return primary or str(error.orig).partition("\n")[0]
