"""Group commit: many works share a commit, and each fails alone."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from bridge.errors import StoreUnavailable
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.unit import Store
from bridge.store.writing import GroupCommit

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
SHORT = timedelta(milliseconds=200)


def put(name: str) -> Callable[[Connection], str]:
    def work(tx: Connection) -> str:
        set_cursor(tx, name, "written", START)
        return name

    return work


def put_and_fail(name: str) -> Callable[[Connection], str]:
    def work(tx: Connection) -> str:
        set_cursor(tx, name, "written", START)
        raise ValueError(f"{name} does not want to")

    return work


def end_the_transaction(tx: Connection) -> str:
    tx.exec_driver_sql("ROLLBACK")
    return "never told"


async def written(store: Store, *names: str) -> list[str]:
    def work(tx: Connection) -> list[str]:
        return [name for name in names if get_cursor(tx, name)]

    return await store.read(work)


class Gate:
    """A work that keeps the writer busy, so that what is asked meanwhile waits and becomes one batch."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self, tx: Connection) -> str:
        assert self.open.wait(30)
        return "gate"


async def together(store: Store, *works: Callable[[Connection], Any]) -> list[Any]:
    gate = Gate()
    asked = [asyncio.ensure_future(store.write(work)) for work in (gate, *works)]
    await asyncio.sleep(0)
    gate.open.set()
    return (await asyncio.gather(*asked, return_exceptions=True))[1:]


@pytest.fixture
def sqlite_store(sqlite_url: str, open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> Store:
    # What is given together shares a commit, however busy the machine is.
    monkeypatch.setattr("bridge.store.writing.BATCH_TIME", timedelta(minutes=1))
    return open_store(sqlite_url, patience=SHORT)


def engine_of(store: Store) -> Any:
    assert isinstance(store._writer, GroupCommit)
    return store._writer._engine


@pytest.fixture
def commits(sqlite_store: Store) -> list[None]:
    """Grows by one with every commit."""
    seen: list[None] = []
    event.listen(engine_of(sqlite_store), "commit", lambda _: seen.append(None))
    return seen


async def test_works_that_wait_together_share_one_commit(sqlite_store: Store, commits: list[None]) -> None:
    names = [f"n{n}" for n in range(20)]

    results = await together(sqlite_store, *(put(name) for name in names))

    assert results == names
    assert await written(sqlite_store, *names) == names
    assert len(commits) <= 2


async def test_a_work_that_raises_is_undone_alone(sqlite_store: Store, commits: list[None]) -> None:
    results = await together(sqlite_store, put("a"), put_and_fail("b"), put("c"))

    assert (results[0], str(results[1]), results[2]) == ("a", "b does not want to", "c")
    assert await written(sqlite_store, "a", "b", "c") == ["a", "c"]
    assert len(commits) <= 2


async def test_a_work_sees_what_an_earlier_one_of_its_batch_wrote(sqlite_store: Store) -> None:
    results = await together(sqlite_store, put("a"), lambda tx: get_cursor(tx, "a"))

    assert results == ["a", "written"]


async def test_a_work_that_ends_the_shared_transaction_harms_only_itself(sqlite_store: Store) -> None:
    results = await together(sqlite_store, put("a"), end_the_transaction, put("c"))

    assert results[0::2] == ["a", "c"]
    assert isinstance(results[1], Exception)
    assert await written(sqlite_store, "a", "c") == ["a", "c"]


async def test_the_writer_goes_on_after_a_poisoned_batch(sqlite_store: Store) -> None:
    await together(sqlite_store, end_the_transaction)

    assert await sqlite_store.write(put("after")) == "after"


async def test_a_commit_that_fails_is_told_to_all_who_shared_it(sqlite_store: Store) -> None:
    def owe(tx: Connection) -> None:
        tx.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        tx.execute(
            text("INSERT INTO chunk (sha256, position, octets) VALUES ('none', 0, x'00')"),
        )

    results = await together(sqlite_store, put("a"), owe, put("c"))

    assert all(isinstance(result, Exception) for result in results)
    assert await written(sqlite_store, "a", "c") == []
    assert await sqlite_store.write(put("after")) == "after"


async def test_a_lock_of_another_process_is_waited_for_only_so_long(
    sqlite_store: Store, sqlite_url: str
) -> None:
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="locked"):
        await sqlite_store.write(put("a"))

    other.execute("ROLLBACK")
    other.close()
    assert await sqlite_store.write(put("a")) == "a"


async def test_reading_goes_on_while_another_process_writes(sqlite_store: Store, sqlite_url: str) -> None:
    await sqlite_store.write(put("a"))
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM cursor")

    seen = await written(sqlite_store, "a")

    other.execute("ROLLBACK")
    other.close()
    assert seen == ["a"]


async def test_a_write_that_is_cancelled_while_it_waits_is_not_done(sqlite_store: Store) -> None:
    gate = Gate()
    first = asyncio.ensure_future(sqlite_store.write(gate))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(sqlite_store.write(put("cancelled")))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    gate.open.set()

    assert await first == "gate"
    assert await sqlite_store.write(put("after")) == "after"
    assert await written(sqlite_store, "cancelled", "after") == ["after"]


async def test_a_write_that_is_cancelled_while_it_runs_is_whole_or_not_at_all(sqlite_store: Store) -> None:
    begun, gate = threading.Event(), Gate()

    def work(tx: Connection) -> None:
        set_cursor(tx, "a", "written", START)
        begun.set()
        gate(tx)
        set_cursor(tx, "b", "written", START)

    task = asyncio.ensure_future(sqlite_store.write(work))
    await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.open.set()
    await sqlite_store.write(put("after"))

    assert await written(sqlite_store, "a", "b", "after") == ["a", "b", "after"]


async def test_more_works_than_may_wait_are_refused(
    sqlite_url: str, open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.writing.WAITING", 2)
    store, gate = open_store(sqlite_url), Gate()
    begun = threading.Event()

    def hold(tx: Connection) -> str:
        begun.set()
        return gate(tx)

    held = asyncio.ensure_future(store.write(hold))
    await asyncio.to_thread(begun.wait, 30)
    waiting = [asyncio.ensure_future(store.write(put(f"n{n}"))) for n in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(StoreUnavailable, match="overloaded"):
        await store.write(put("too many"))

    gate.open.set()
    assert await asyncio.gather(held, *waiting) == ["gate", "n0", "n1"]


async def test_closing_finishes_what_was_asked(url: str, open_store: Callable[..., Store]) -> None:
    store = open_store(url)
    asked = [asyncio.ensure_future(store.write(put(f"n{n}"))) for n in range(10)]
    await asyncio.sleep(0)

    await asyncio.to_thread(store.close)

    assert await asyncio.gather(*asked) == [f"n{n}" for n in range(10)]


async def test_a_closed_store_takes_nothing(url: str, open_store: Callable[..., Store]) -> None:
    store = open_store(url)
    store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(put("a"))


async def test_two_processes_that_write_at_once_both_get_through(
    url: str, open_store: Callable[..., Store]
) -> None:
    one, two = open_store(url), open_store(url)
    names = [f"n{n}" for n in range(40)]

    await asyncio.gather(*((one, two)[n % 2].write(put(name)) for n, name in enumerate(names)))

    assert await written(one, *names) == names


async def test_postgresql_works_that_block_each_other_are_both_done(
    postgres_url: str, open_store: Callable[..., Store]
) -> None:
    store = open_store(postgres_url)
    await store.write(put("a"))
    await store.write(put("b"))
    meet = threading.Barrier(2)

    def crosswise(one: str, two: str) -> Callable[[Connection], None]:
        first_time = [True]

        def work(tx: Connection) -> None:
            set_cursor(tx, one, "crossed", START)
            if first_time.pop() if first_time else False:
                meet.wait(30)
            set_cursor(tx, two, "crossed", START)

        return work

    await asyncio.gather(store.write(crosswise("a", "b")), store.write(crosswise("b", "a")))

    assert await written(store, "a", "b") == ["a", "b"]


def test_a_file_that_went_away_does_not_come_back_empty(
    sqlite_url: str, open_store: Callable[..., Store]
) -> None:
    store = open_store(sqlite_url)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.unlink()

    with pytest.raises(StoreUnavailable):
        store.write_sync(put("a"))

    assert not file.exists()


def test_nothing_is_written_to_a_file_that_was_replaced(
    sqlite_url: str, sqlite_template: Path, sqlite_store: Store
) -> None:
    sqlite_store.write_sync(put("a"))
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    other = file.with_name("restored.sqlite3")
    other.write_bytes(sqlite_template.read_bytes())
    other.replace(file)

    with pytest.raises(StoreUnavailable, match="restart the bridge"):
        sqlite_store.write_sync(put("b"))


async def test_all_who_wait_for_a_lock_are_told_together(sqlite_store: Store, sqlite_url: str) -> None:
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()

    results = await asyncio.gather(
        *(sqlite_store.write(put(f"n{n}")) for n in range(40)), return_exceptions=True
    )

    other.close()
    assert {type(result) for result in results} == {StoreUnavailable}
    assert time.monotonic() - began < 40 * SHORT.total_seconds() / 2


async def test_a_full_disk_fails_the_work_that_met_it_and_not_the_others(sqlite_store: Store) -> None:
    def fill(tx: Connection) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")
        try:
            set_cursor(tx, "large", "x" * 100_000, START)
        finally:
            tx.exec_driver_sql(f"PRAGMA max_page_count={pages + 1000}")

    results = await together(sqlite_store, put("a"), fill, put("c"))

    assert results[0::2] == ["a", "c"]
    assert isinstance(results[1], StoreUnavailable)
    assert await written(sqlite_store, "a", "large", "c") == ["a", "c"]
