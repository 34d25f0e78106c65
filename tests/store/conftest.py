"""Stores on SQLite and, where a server can be found or started, on PostgreSQL; makers of fictitious rows."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId
from bridge.store.keys import KeyMaker
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Message,
    MessageState,
)
from bridge.store.unit import Store, upgrade
from tests.postgres import Cluster, NoPostgres
from tests.stores import put_empty_store

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server where databases can be made: BRIDGE_TEST_POSTGRES, or one started here."""
    given = os.environ.get("BRIDGE_TEST_POSTGRES")
    if given:
        yield given
        return
    try:
        cluster = Cluster()
    except NoPostgres as error:
        pytest.skip(f"{error}, or set BRIDGE_TEST_POSTGRES")
    try:
        cluster.start()
        yield cluster.url
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[tuple[str, str]]:
    """The server, and the name of a migrated database to copy."""
    name = f"bridge_template_{uuid4().hex}"
    _run_sql(postgres_server, f"CREATE DATABASE {name}")
    upgrade(_on(postgres_server, name))
    yield postgres_server, name
    _run_sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _run_sql(server: str, statement: str) -> None:
    url = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def _on(server: str, database: str) -> str:
    return make_url(server).set(database=database).render_as_string(hide_password=False)


_SHAPE = """
    SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
        SELECT concat_ws(' ', c.oid, c.relname, c.relkind, c.reloptions, c.relchecks, c.relhasrules) AS line
          FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT concat_ws(' ', a.attrelid, a.attname, a.atttypid, a.attnotnull, a.atthasdef, a.attisdropped)
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
        UNION ALL SELECT concat_ws(' ', oid, conname) FROM pg_constraint
        UNION ALL SELECT concat_ws(' ', oid, tgname, tgenabled) FROM pg_trigger
        UNION ALL SELECT concat_ws(' ', oid, proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', oid, nspname) FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
    ) AS lines
"""
"""Of everything that a test could change besides rows."""


class Emptied:
    """One database, copied from the template and emptied after each test: making one takes as long as many tests.
    After a test that changed more than rows the next one gets a new copy."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._name = ""
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._shape: object = None

    def take(self) -> str:
        if not self._name:
            self._name = f"bridge_{uuid4().hex}"
            _run_sql(self._server, f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
            with self._open() as connection:
                names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
                self._rows = {
                    name: connection.execute(f'SELECT * FROM "{name}"').fetchall()  # type: ignore[arg-type]
                    for (name,) in names.fetchall()
                }
                self._shape = self._shape_of(connection)
        return _on(self._server, self._name)

    def give_back(self) -> None:
        """As it was taken; whoever is still connected is no longer."""
        _run_sql(self._server, f"ALTER DATABASE {self._name} RESET ALL")
        with self._open() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if self._shape_of(connection) == self._shape:
                self._put_rows_back(connection)
                return
        self.drop()

    def drop(self) -> None:
        if self._name:
            _run_sql(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")
            self._name = ""

    def _put_rows_back(self, connection: psycopg.Connection) -> None:
        with connection.transaction():
            connection.execute(
                "SET LOCAL session_replication_role = replica"
            )  # no foreign key asks for an order
            connection.execute("; ".join(f'DELETE FROM "{name}"' for name in self._rows))  # type: ignore[arg-type]
            for name, rows in self._rows.items():
                for row in rows:
                    marks = ", ".join(["%s"] * len(row))
                    connection.execute(f'INSERT INTO "{name}" VALUES ({marks})', row)  # type: ignore[arg-type]
            connection.execute(
                "SELECT setval(oid, 1, false) FROM pg_class"
                " WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace"
            )

    def _open(self) -> psycopg.Connection:
        url = make_url(_on(self._server, self._name)).set(drivername="postgresql")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    @staticmethod
    def _shape_of(connection: psycopg.Connection) -> object:
        return connection.execute(_SHAPE).fetchone()


@pytest.fixture
def empty_postgres(postgres_server: str) -> Iterator[str]:
    """A database without tables."""
    name = f"bridge_{uuid4().hex}"
    _run_sql(postgres_server, f"CREATE DATABASE {name}")
    yield _on(postgres_server, name)
    _run_sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def emptied(postgres_template: tuple[str, str]) -> Iterator[Emptied]:
    server, template = postgres_template
    one = Emptied(server, template)
    yield one
    one.drop()


@pytest.fixture
def postgres_url(emptied: Emptied) -> Iterator[str]:
    """A database with tables and no more in it than migrating leaves."""
    yield emptied.take()
    emptied.give_back()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "bridge.sqlite3"
    put_empty_store(file)
    return file


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file with tables."""
    file = tmp_path / "bridge.sqlite3"
    put_empty_store(file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store without tables, on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    url: str = request.getfixturevalue("empty_postgres")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A store with tables, on each engine."""
    found: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return found


@pytest.fixture
def open_store() -> Iterator[Callable[..., Store]]:
    """Opens stores, as several processes would, and closes them after the test."""
    opened: list[Store] = []

    def open_one(url: str, **options: Any) -> Store:
        opened.append(Store.open(url, **options))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(url: str, open_store: Callable[..., Store]) -> Store:
    return open_store(url)


@dataclass
class Maker:
    """Rows with fictitious content. Its clock stands still until `later` moves it."""

    now: datetime = START
    keys: KeyMaker = field(default_factory=KeyMaker)
    count: int = 0

    def later(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now

    def key(self) -> Key:
        return self.keys(self.now)

    def message(self, **changes: Any) -> Message:
        self.count += 1
        values: dict[str, Any] = {
            "key": self.key(),
            "exchange": self.key(),
            "direction": Direction.IN,
            "kind": "business",
            "message_id": MessageId(f"message-{self.count}@partner.example"),
            "conversation_id": ConversationId("conversation-1"),
            "cpa_id": CpaId("cpa-1"),
            "from_party": "00000000000000000101",
            "to_party": "00000000000000000202",
            "service": "urn:example:service",
            "action": "submit",
            "state": MessageState.RECEIVED,
            "at": self.now,
            "changed_at": self.now,
        }
        return Message(**values | changes)

    def event(self, **changes: Any) -> Event:
        self.count += 1
        values: dict[str, Any] = {
            "key": self.key(),
            "exchange": self.key(),
            "direction": Direction.OUT,
            "source": "urn:example:bridge",
            "id": EventId(f"event-{self.count}"),
            "type": "nl.example.submitted",
            "time": "2026-01-05T08:00:00Z",
            "state": EventState.CREATED,
            "body": b'{"specversion":"1.0"}',
            "at": self.now,
            "changed_at": self.now,
        }
        return Event(**values | changes)

    def exchange(self, **changes: Any) -> Exchange:
        values: dict[str, Any] = {
            "key": self.key(),
            "direction": ExchangeDirection.TO_HUB,
            "started_at": self.now,
            "changed_at": self.now,
            "partner": "00000000000000000101",
            "title": "submit",
            "state": ExchangeState.RUNNING,
        }
        return Exchange(**values | changes)


@pytest.fixture
def make() -> Maker:
    return Maker()
