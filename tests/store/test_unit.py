import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from bridge.errors import BridgeError, StoreUnavailable
from bridge.store import tables
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.engines import RefusedByStore, make_writer, read_url
from bridge.store.messages import add_message
from bridge.store.unit import Store

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def put(tx: Connection) -> str:
    set_cursor(tx, "a", "written", START)
    return "done"


def look(tx: Connection) -> str | None:
    return get_cursor(tx, "a")


async def test_what_was_written_can_be_read(store: Store) -> None:
    assert (await store.write(put), await store.read(look)) == ("done", "written")


def test_what_was_written_can_be_read_without_an_event_loop(store: Store) -> None:
    assert (store.write_sync(put), store.read_sync(look)) == ("done", "written")


async def test_what_was_written_is_seen_by_another_process(
    url: str, open_store: Callable[..., Store]
) -> None:
    await open_store(url).write(put)

    assert await open_store(url).read(look) == "written"


async def test_a_work_that_raises_leaves_nothing(store: Store) -> None:
    def work(tx: Connection) -> None:
        put(tx)
        raise ValueError("changed its mind")

    with pytest.raises(ValueError, match="changed its mind"):
        await store.write(work)

    assert await store.read(look) is None


async def test_a_read_sees_one_moment(store: Store) -> None:
    begun, changed = threading.Event(), threading.Event()

    def twice(tx: Connection) -> tuple[str | None, str | None]:
        first = look(tx)
        begun.set()
        assert changed.wait(30)
        return first, look(tx)

    reading = asyncio.ensure_future(store.read(twice))
    await asyncio.to_thread(begun.wait, 30)
    await store.write(put)
    changed.set()

    assert await reading == (None, None)


async def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(BridgeError):
        await store.read(put)

    assert await store.read(look) is None


async def test_a_broken_constraint_is_told_without_the_row(store: Store, make: Any) -> None:
    message = make.message(subject="born on 1 January")
    await store.write(lambda tx: add_message(tx, message))

    with pytest.raises(RefusedByStore) as refused:
        await store.write(lambda tx: add_message(tx, make.message(key=message.key, subject="secret")))

    text_of_all = repr(refused.value) + repr(refused.value.__cause__)
    assert "message" in str(refused.value)
    assert "secret" not in text_of_all and "January" not in text_of_all


async def test_a_missing_value_is_told_without_the_row(store: Store) -> None:
    def work(tx: Connection) -> None:
        tx.execute(insert(tables.cursor).values(name="a", value="secret"))

    with pytest.raises(RefusedByStore) as refused:
        await store.write(work)

    assert "at" in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(RefusedByStore, match="aware datetimes only"):
        await store.write(lambda tx: set_cursor(tx, "a", "b", START.replace(tzinfo=None)))


async def test_a_lost_database_is_reported_and_found_again(
    postgres_url: str, open_store: Callable[..., Store]
) -> None:
    store = open_store(postgres_url)

    def cut_off(tx: Connection) -> None:
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(StoreUnavailable):
        await store.write(cut_off)

    assert await store.write(put) == "done"


def test_an_unreachable_database_is_reported_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as away:
        Store.open("postgresql+psycopg://bridge:hunter2@127.0.0.1:1/bridge")

    assert "hunter2" not in str(away.value)


def test_sqlite_is_durable_and_checks_references(sqlite_url: str) -> None:
    engine = make_writer(read_url(sqlite_url), connections=1)
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()

    assert found == ["wal", 2, 1]


def test_postgresql_is_durable_though_its_default_is_not(postgres_url: str) -> None:
    url = read_url(postgres_url)
    engine = make_writer(url, connections=1)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {url.database} SET synchronous_commit = off"))
    engine.dispose()

    with engine.connect() as connection:
        found = connection.execute(text("SHOW synchronous_commit")).scalar()
    engine.dispose()

    assert found == "on"
