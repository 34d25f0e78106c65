"""The clock of the nodes that share a database: that of the database.

Leases and due times of one node are read by the others. When the clock of a machine is wrong, it would take jobs that
another one is doing, or keep its own long after it died. So where several machines may work, each takes the time of
the database, and goes on by its own steady counter until it compares again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from bridge.errors import StoreUnavailable
from bridge.log import get_logger
from bridge.store.unit import Store

INTERVAL = timedelta(seconds=10)

_STEP = timedelta(seconds=1)
"""A difference of less is left alone, so that the time of a node is even."""
_WRONG = timedelta(seconds=5)
"""A machine that differs more from the database is told of."""

_log = get_logger()


class SharedClock:
    """`now` is the time of the database as soon as it was compared, and until then that of the machine."""

    def __init__(self, *, wall: Callable[[], datetime], steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._there: tuple[datetime, float] | None = None
        """A time of the database, and the counter at that moment."""
        self._is_wrong = False

    def now(self) -> datetime:
        if self._there is None:
            return self._wall()
        at, counted = self._there
        return at + timedelta(seconds=self._steady() - counted)

    async def compare(self, store: Store) -> None:
        """Ask the database. Raises StoreUnavailable."""
        before = self._steady()
        there = await store.clock()
        counted = (before + self._steady()) / 2
        if there is None:
            return
        if self._there is None or abs(self._at(counted) - there) >= _STEP:
            self._there = there, counted
        self._tell(self._wall() - self.now())

    async def run(self, store: Store) -> None:
        """Compare for ever."""
        while True:
            await asyncio.sleep(INTERVAL.total_seconds())
            try:
                await self.compare(store)
            except StoreUnavailable:
                # The store tells of it; the counter goes on.
                continue

    def _at(self, counted: float) -> datetime:
        return self.now() + timedelta(seconds=counted - self._steady())

    def _tell(self, ahead: timedelta) -> None:
        is_wrong = abs(ahead) >= _WRONG
        if is_wrong and not self._is_wrong:
            _log.warning("clock.differs", seconds=round(ahead.total_seconds()), used="that of the database")
        self._is_wrong = is_wrong
