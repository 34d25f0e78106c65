"""Several processes on PostgreSQL: a step that commits late, after one with a higher number was shown."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from bridge.ids import Key
from bridge.store.timeline import add_step, position_of, steps_since
from bridge.store.unit import Store
from bridge.web.console.live import Pulse, _Follower


class Late:
    """A transaction of another process that has taken its number and does not commit until it is let."""

    def __init__(self, store: Store, exchange: Key, make: Any) -> None:
        self._written, self._gate = threading.Event(), threading.Event()
        self.number = 0

        def work(tx: Connection) -> None:
            self.number = _step(tx, exchange, make)
            self._written.set()
            assert self._gate.wait(30)

        self._thread = threading.Thread(target=store.write_sync, args=(work,))
        self._thread.start()
        assert self._written.wait(30)

    def commit(self) -> None:
        self._gate.set()
        self._thread.join(30)


def _step(tx: Connection, exchange: Key, make: Any) -> int:
    return add_step(tx, exchange=exchange, at=make.now, side="ebms", what="x", outcome="ok")


async def nobody() -> int:
    return 0


class Page:
    """Follows as a page does."""

    def __init__(self, store: Store) -> None:
        self.store, self.follower = store, _Follower(since=0)
        self.pulse = Pulse(store, interval=timedelta(seconds=1), count=nobody)

    async def look(self) -> list[Key]:
        await self.pulse.take(await self.store.read(position_of))
        follower = self.follower
        steps = await self.store.read(lambda tx: steps_since(tx, follower.since, without=follower.told))
        follower.note([number for number, _ in steps], self.pulse.settled or 0)
        return [exchange for _, exchange in steps]


async def test_a_step_that_commits_late_is_told_and_none_is_told_twice(
    postgres_url: str, open_store: Callable[..., Store], make: Any
) -> None:
    here, there = open_store(postgres_url), open_store(postgres_url)
    slow, quick, last = make.key(), make.key(), make.key()
    page = Page(here)
    late = await asyncio.to_thread(Late, there, slow, make)
    number = await here.write(lambda tx: _step(tx, quick, make))
    assert number > late.number

    assert await page.look() == [quick]
    assert await page.look() == [], "the page waits, and does not go past the step that is still to come"
    await asyncio.to_thread(late.commit)
    assert await page.look() == [slow]

    await here.write(lambda tx: _step(tx, last, make))
    assert await page.look() == [last]
    assert await page.look() == []
    assert page.follower.since >= number, "what is settled is not looked at again"


async def test_a_page_that_is_opened_while_a_step_is_still_to_come_is_followed_from_before_it(
    postgres_url: str, open_store: Callable[..., Store], make: Any
) -> None:
    here, there = open_store(postgres_url), open_store(postgres_url)
    first = await here.write(lambda tx: _step(tx, make.key(), make))
    page = Page(here)
    await page.look()
    await page.look()
    late = await asyncio.to_thread(Late, there, make.key(), make)
    await here.write(lambda tx: _step(tx, make.key(), make))
    await page.look()
    await page.look()

    assert page.pulse.bound is not None and first <= page.pulse.bound < late.number
    await asyncio.to_thread(late.commit)
