"""The unit of work: every access to the store is a function over a connection, run here in a transaction.

`await store.write(work)` returns when the work is durable: what it returned may be acknowledged to a peer. A
work may be run more than once, sees only committed rows, and must leave the transaction to the store. When it
raises, nothing of it is stored, and the caller gets what it raised. A cancelled caller does not know whether
the work was done, as with a lost connection: doing it again must be harmless anyway.

Works raise StoreUnavailable for the disk or database, RefusedByStore for a broken constraint.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from bridge.errors import ConfigError, ContentDamaged, StoreUnavailable
from bridge.store.cursors import set_cursor
from bridge.store.engines import PATIENCE, file_of, make_reader, make_writer, read_url, translate
from bridge.store.migrate import (
    check_version,
    current_version,
    head_version,
    oldest_program_in,
    upgrade,
    version_in,
)
from bridge.store.sealed_rows import OPTION, check_in_the_clear
from bridge.store.sealing import MasterKeys, Sealer, add_first_keys, is_encrypted, open_sealer
from bridge.store.writing import GroupCommit, Pool, Runner, transaction

__all__ = ["Store", "current_version", "head_version", "upgrade"]

T = TypeVar("T")


_PROBE = "store.probe"


def _nobody(_: object) -> None:
    """Nobody wants to know how long writes take, or of trouble."""


class Store:
    """One open store; safe for use from any thread and event loop. Open it after forking, not before."""

    def __init__(self, url: str, *, writer: Runner, reader: Runner, sealer: Sealer | None = None) -> None:
        self.on_write: Callable[[float], None] = _nobody
        """Told after each good `write` how many seconds it took, with waiting and commit."""
        self.on_trouble: Callable[[str | None], None] = _nobody
        """Told once when the disk or database begins to fail, with the reason, and once, with None, at the end."""
        self.trouble: str | None = None
        """Why the disk or database fails; None while it does not. A good `probe` ends it."""
        self.url = url
        self.sealer = sealer
        """Encrypts what works write, when a master key was given."""
        self._writer = writer
        self._reader = reader

    @classmethod
    def open(
        cls,
        url: str,
        *,
        readers: int = 4,
        writers: int = 4,
        create: bool = False,
        patience: timedelta = PATIENCE,
        masters: MasterKeys | None = None,
    ) -> Self:
        """Open `sqlite:///PATH` or `postgresql+psycopg://…` with the tables of this version.

        `writers` counts for PostgreSQL only. With `create` a store without tables gets them. `patience`
        bounds the wait for another process. With `masters` content is encrypted. Raises ConfigError (wrong
        url, missing, out of date, wrong master key) and StoreUnavailable.
        """
        parsed = read_url(url)
        if create and current_version(url) is None:
            upgrade(url)
        file = file_of(parsed)
        if file and not file.exists():
            raise ConfigError([f"store {file}: does not exist; run `bridge store upgrade`"])
        reader = make_reader(parsed, connections=readers, patience=patience)
        try:
            version, oldest = _versions(reader)
            check_version(version, parsed, oldest=oldest)
        except BaseException:
            reader.dispose()
            raise
        writer = make_writer(parsed, connections=1 if file else writers, patience=patience)
        try:
            sealer = _sealer(reader, writer, masters)
        except BaseException:
            reader.dispose()
            writer.dispose()
            raise
        if sealer is not None:
            reader, writer = (engine.execution_options(**{OPTION: sealer}) for engine in (reader, writer))
        return cls(
            url,
            sealer=sealer,
            writer=GroupCommit(writer) if file else Pool(writer, threads=writers, name="store writer"),
            reader=Pool(reader, threads=readers, name="store reader"),
        )

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run the work and commit it; returns only after the commit is durable."""
        begun = time.perf_counter()
        result = await self._told(self._writer.submit(work))
        self.on_write(time.perf_counter() - begun)
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run the work over one snapshot; it cannot write."""
        return await self._told(self._reader.submit(work))

    async def clock(self) -> datetime | None:
        """What time it is on the server of the database; None where there is no other machine than this one."""
        if file_of(read_url(self.url)):
            return None
        return await self.read(lambda tx: tx.scalar(select(func.clock_timestamp())))

    async def probe(self, at: datetime) -> bool:
        """Whether something can be written now. Reading alone tells nothing: that works on a full disk too."""

        def work(tx: Connection) -> None:
            set_cursor(tx, _PROBE, at.isoformat(), at)
            self.check_key(tx)

        try:
            await self.write(work)
        except StoreUnavailable:
            return False
        if self.trouble is not None:
            self.trouble = None
            self.on_trouble(None)
        return True

    def check_key(self, tx: Connection) -> None:
        """Whether content can be written with the key that was given, or with none. Raises StoreUnavailable.

        That changes while a process runs, when another one begins to encrypt or replaces the key.
        """
        if self.sealer is None:
            check_in_the_clear(tx)
        else:
            self.sealer.check(tx)

    async def _told(self, future: Future[T]) -> T:
        """The outcome; the first failure of the disk or database is told."""
        try:
            return await asyncio.wrap_future(future)
        except ContentDamaged:
            raise
        except StoreUnavailable as error:
            if self.trouble is None:
                self.trouble = str(error)
                self.on_trouble(self.trouble)
            raise

    def write_sync(self, work: Callable[[Connection], T]) -> T:
        """As `write`, for a caller without an event loop."""
        return self._writer.submit(work).result()

    def read_sync(self, work: Callable[[Connection], T]) -> T:
        """As `read`, for a caller without an event loop."""
        return self._reader.submit(work).result()

    def close(self) -> None:
        """Finish what was asked, then let go of every connection. Closing twice is harmless."""
        self._writer.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _versions(engine: Engine) -> tuple[str | None, str | None]:
    """Of the tables, and of the oldest program that works with them."""
    try:
        with engine.connect() as connection:
            return version_in(connection), oldest_program_in(connection)
    except SQLAlchemyError as error:
        raise translate(error) from None


def _sealer(reader: Engine, writer: Engine, masters: MasterKeys | None) -> Sealer | None:
    """Writes only when the store is encrypted for the first time."""
    try:
        with reader.connect() as tx:
            encrypted = is_encrypted(tx)
            if masters is None:
                if encrypted:
                    raise ConfigError(["store: is encrypted; give store.encryption.key_file (or key)"])
                return None
            if encrypted:
                return open_sealer(tx, masters)
        with transaction(writer) as tx:
            add_first_keys(tx, masters, at=datetime.now(UTC))
            return open_sealer(tx, masters)
    except SQLAlchemyError as error:
        raise translate(error) from None
