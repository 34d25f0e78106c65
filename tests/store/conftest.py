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


@pytest.fixture
def empty_postgres(postgres_server: str) -> Iterator[str]:
    """A database without tables."""
    name = f"bridge_{uuid4().hex}"
    _run_sql(postgres_server, f"CREATE DATABASE {name}")
    yield _on(postgres_server, name)
    _run_sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres_template: tuple[str, str]) -> Iterator[str]:
    """A database with tables."""
    server, template = postgres_template
    name = f"bridge_{uuid4().hex}"
    _run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _on(server, name)
    _run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


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
