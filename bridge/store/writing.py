"""How transactions are carried out: one writer thread with group commit for SQLite, a pool for PostgreSQL."""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, NestedTransaction
from sqlalchemy.exc import SQLAlchemyError

from bridge.errors import StoreUnavailable
from bridge.store.engines import is_conflict, translate

T = TypeVar("T")
Work = Callable[[Connection], T]

BATCH_WORKS = 256
"""At most so many works share one commit."""
BATCH_TIME = timedelta(milliseconds=50)
"""No further work joins a commit after this, so that the first one does not wait for ever."""
WAITING = 10_000
"""More works than this do not wait: the store is too far behind, and the peer had better try again later."""
ATTEMPTS = 5
"""How often PostgreSQL is asked again after it gave up a transaction for another one."""


class Runner(Protocol):
    """Runs works in transactions of their own and tells the outcome when it is final."""

    def submit(self, work: Work[T]) -> Future[T]:
        """The future ends after the transaction did. Cancelling it helps only until the work begins."""
        ...

    def close(self) -> None:
        """Take no more, finish what was taken, let go of the connections."""
        ...


@dataclass(slots=True, eq=False)
class _Item:
    work: Work[Any]
    future: Future[Any]
    result: Any = field(default=None)


class _Poisoned(Exception):
    """A work ended the shared transaction, so that nothing of the batch is stored yet."""


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is committed at the end, or undone when something is raised."""
    with engine.connect() as connection:
        begun = connection.begin()
        try:
            yield connection
        except BaseException:
            begun.rollback()
            raise
        try:
            begun.commit()
        except BaseException:
            # SQLite keeps a transaction open whose commit failed; the next one must not find it.
            connection.invalidate()
            raise


class GroupCommit:
    """One thread, one connection. What waits is taken together and made durable by one commit.

    Each work has its savepoint: one that raises is undone alone. A work may be run a second time, so it must
    change nothing but the store.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.Queue[_Item | None] = queue.Queue(WAITING)
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            try:
                self._queue.put_nowait(_Item(work, future))
            except queue.Full:
                raise StoreUnavailable(f"the store is overloaded: {WAITING} writes wait") from None
        return future

    def close(self) -> None:
        with self._gate:
            first = not self._closed
            self._closed = True
        if first:
            self._queue.put(None)
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if item.future.set_running_or_notify_cancel():
                self._commit_batch(item)

    def _commit_batch(self, first: _Item) -> None:
        batch = [first]
        try:
            done = self._run_batch(batch)
        except _Poisoned:
            for item in batch:
                if not item.future.done():
                    self._commit_alone(item)
        except BaseException as error:
            _fail(batch, error)
        else:
            for item in done:
                item.future.set_result(item.result)

    def _run_batch(self, batch: list[_Item]) -> list[_Item]:
        """Run the first and what waits behind it; those that are stored. `batch` grows as they are taken."""
        done: list[_Item] = []
        begun = False
        until = time.monotonic() + BATCH_TIME.total_seconds()
        try:
            with transaction(self._engine) as connection:
                begun, position = True, 0
                while position < len(batch):
                    if _attempt(connection, batch[position]):
                        done.append(batch[position])
                    position += 1
                    if position == len(batch) < BATCH_WORKS and time.monotonic() < until:
                        batch.extend(self._take_waiting(1))
        except BaseException:
            if not begun:
                # All who wait now waited as long as the first; let none of them wait again in turn.
                batch.extend(self._take_waiting(WAITING))
            raise
        return done

    def _commit_alone(self, item: _Item) -> None:
        try:
            with transaction(self._engine) as connection:
                result = item.work(connection)
                assert _transaction_lives(connection), "a work ended its transaction"
        except BaseException as error:
            _fail([item], error)
        else:
            item.future.set_result(result)

    def _take_waiting(self, limit: int) -> list[_Item]:
        taken: list[_Item] = []
        while len(taken) < limit:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                # The end mark goes back to where the thread looks for it.
                self._queue.put(None)
                break
            if item.future.set_running_or_notify_cancel():
                taken.append(item)
        return taken


class Pool:
    """Threads with a connection each, one transaction per work; a conflict is tried again a few times."""

    def __init__(self, engine: Engine, *, threads: int, name: str) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(WAITING)

    def submit(self, work: Work[T]) -> Future[T]:
        if not self._places.acquire(blocking=False):
            raise StoreUnavailable(f"the store is overloaded: {WAITING} transactions wait")
        try:
            future = self._threads.submit(self._run, work)
        except RuntimeError as error:
            self._places.release()
            raise StoreUnavailable("the store is closed") from error
        future.add_done_callback(lambda _: self._places.release())
        return future

    def close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()

    def _run(self, work: Work[T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with transaction(self._engine) as connection:
                    return work(connection)
            except SQLAlchemyError as error:
                if attempt == ATTEMPTS or not is_conflict(error):
                    raise translate(error) from None
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  (spreads contenders, guards nothing)
        raise AssertionError("the last attempt returns or raises")


def _attempt(connection: Connection, item: _Item) -> bool:
    """Run one work in its savepoint; False when it raised and was undone. Raises _Poisoned."""
    savepoint = connection.begin_nested()
    try:
        item.result = item.work(connection)
        savepoint.commit()
    except BaseException as error:
        _fail([item], error)
        if not _undone(connection, savepoint):
            raise _Poisoned from None
        return False
    if not _transaction_lives(connection):
        _fail([item], AssertionError("a work ended the transaction that it shares"))
        raise _Poisoned
    return True


def _undone(connection: Connection, savepoint: NestedTransaction) -> bool:
    """Roll back to the savepoint; whether the transaction around it is still good."""
    try:
        savepoint.rollback()
    except SQLAlchemyError:
        return False
    return _transaction_lives(connection)


def _transaction_lives(connection: Connection) -> bool:
    """SQLite may have rolled back by itself (full disk, failing disk), or the work ended the transaction."""
    if connection.closed or connection.invalidated or not connection.in_transaction():
        return False
    driver = connection.connection.dbapi_connection
    return driver is not None and bool(driver.in_transaction)


def _fail(items: list[_Item], error: BaseException) -> None:
    for item in items:
        if not item.future.done():
            item.future.set_exception(translate(error) if isinstance(error, SQLAlchemyError) else error)
