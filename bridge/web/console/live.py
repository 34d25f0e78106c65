"""Live updates: one watcher per process looks for new steps, every open page waits for it.

A page gets ids of exchanges, never what is in them; it fetches rendered rows itself. The event id is the
number up to which every step was told, so a page that reconnects (`Last-Event-ID`) misses nothing.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.timeline import Position, position_of, steps_since
from bridge.store.unit import Store

HEARTBEAT = timedelta(seconds=15)
"""A comment this often, so that proxies keep the connection and a gone browser is noticed."""

MAX_WATCHERS = 200

_STEPS = 200
"""Steps that are read at once."""

LONGEST = timedelta(minutes=5)
"""Then the page must ask again, so that one that may no longer look is told no more."""


class Pulse:
    """Looks how far the journal has come, and wakes whoever waits for more.

    Up to `settled` every step was there to be read: none with a lower number can come any more, also of another
    process whose transaction took its number early and commits late. None: not known yet.
    """

    def __init__(self, store: Store, *, interval: timedelta, count: Callable[[], Awaitable[int]]) -> None:
        self._store = store
        self._count = count
        self._interval = interval.total_seconds()
        self._changed = asyncio.Condition()
        self._unsettled: deque[Position] = deque(maxlen=1000)
        self.waiting: int | None = None
        """How much asks for attention, at the newest look; counted once for all pages. None: not counted yet."""
        self._counted_at: Position | None = None
        self._count_again = 0.0
        self.newest = 0
        self.settled: int | None = None
        self.turn = 0
        """Goes up with every change."""
        self.watchers = 0
        self.stopped = False

    async def run(self) -> None:
        """Look at the store until cancelled. A store that fails is asked again: pages stay open."""
        failing = False
        while True:
            try:
                position = await self._store.read(position_of)
                if self._must_count(position):
                    self._counted_at = position
                    await self.saw(await self._count())
            except (
                Exception
            ) as error:  # whatever the store's driver raises: a page that watches must survive it
                if not failing:
                    get_logger().warning("console.watch_failed", error=type(error).__name__)
                failing = True
            else:
                failing = False
                await self.take(position)
            await asyncio.sleep(self._interval)

    def _must_count(self, position: Position) -> bool:
        """After a step; and now and then while pages look on, since an endpoint may fail or a file be refused
        without a step."""
        now = asyncio.get_running_loop().time()
        if position == self._counted_at and not (self.watchers and now >= self._count_again):
            return False
        self._count_again = now + HEARTBEAT.total_seconds()
        return True

    async def saw(self, waiting: int) -> None:
        """How much asks for attention, as somebody counted just now: every open page shows the newest count."""
        if waiting == self.waiting:
            return
        self.waiting = waiting
        async with self._changed:
            self.turn += 1
            self._changed.notify_all()

    async def take(self, position: Position) -> None:
        """What a look at the journal found."""
        before = self.newest, self.settled
        # A look settles earlier ones only: a number may be taken a moment before its transaction has one.
        while self._unsettled and self._unsettled[0].horizon <= position.oldest:
            self.settled = self._unsettled.popleft().newest
        if position.horizon:
            self._unsettled.append(position)
        else:
            self.settled = position.newest
        self.newest = position.newest
        if before != (self.newest, self.settled):
            async with self._changed:
                self.turn += 1
                self._changed.notify_all()

    @property
    def bound(self) -> int | None:
        """To be asked before a page is read, which may then be followed from no later number than this.

        None: from whatever the page saw; on SQLite nothing comes late.
        """
        return self.settled if self.comes_late else None

    @property
    def comes_late(self) -> bool:
        """Whether a step may come with a lower number than one that was seen: on PostgreSQL."""
        return bool(self._unsettled)

    async def stop(self) -> None:
        """Let every page that waits go, so that the server can stop."""
        async with self._changed:
            self.stopped = True
            self._changed.notify_all()

    async def after(self, turn: int) -> bool:
        """Whether something changed since `turn`; waits for it until the next heartbeat is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT.total_seconds()), self._changed:
                await self._changed.wait_for(lambda: self.turn != turn or self.stopped)
                return not self.stopped
        return False


def follow_from(bound: int | None, seq: int) -> int:
    """From where to follow a page that was read when `seq` was the newest step."""
    return seq if bound is None else min(bound, seq)


PULSE = web.AppKey("pulse", Pulse)


async def stop_pulse(app: web.Application) -> None:
    """Shutdown handler: comes before the server waits for its open connections."""
    await app[PULSE].stop()


async def keep_pulse(app: web.Application) -> AsyncIterator[None]:
    """Cleanup context: the watcher lives as long as the application."""
    task = asyncio.create_task(app[PULSE].run(), name="console.pulse")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Keys of exchanges: `changed` may be among the rows that a page shows, `listed` belongs in its list."""

    changed: tuple[Key, ...]
    listed: tuple[Key, ...]


Visible = Callable[[tuple[Key, ...]], Awaitable[Changes]]
"""What of these changed exchanges a page may be told."""


async def stream(request: web.Request, *, store: Store, since: int, visible: Visible) -> web.StreamResponse:
    """Send `changed` events for what `visible` lets through, from step `since` on, until the page goes."""
    pulse = request.app[PULSE]
    if pulse.watchers >= MAX_WATCHERS:
        raise web.HTTPServiceUnavailable
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    pulse.watchers += 1
    try:
        await response.prepare(request)
        await response.write(b"retry: 3000\n\n")
        end = asyncio.get_running_loop().time() + LONGEST.total_seconds()
        follower = _Follower(since=since)
        while not pulse.stopped and asyncio.get_running_loop().time() < end:
            await _send_changes(response, pulse, follower, store=store, visible=visible)
    except ConnectionError:
        pass  # the page was closed
    finally:
        pulse.watchers -= 1
    return response


@dataclass(slots=True, kw_only=True)
class _Follower:
    """What a page was told: every step up to `since`, and beyond it those in `told`."""

    since: int
    told: set[int] = field(default_factory=set)
    turn: int = -1
    waiting: int | None = None

    def note(self, numbers: Collection[int], settled: int) -> None:
        """These were told now, and up to `settled` there was nothing else."""
        self.told.update(numbers)
        self.since = max(self.since, settled)
        self.told = {number for number in self.told if number > self.since}


async def _send_changes(
    response: web.StreamResponse, pulse: Pulse, follower: _Follower, *, store: Store, visible: Visible
) -> None:
    """Wait for steps that were not told yet, and tell of them. The event's id is where a page may go on."""
    if not await pulse.after(follower.turn):
        await response.write(b": still here\n\n")
        return
    turn, settled = pulse.turn, pulse.settled or 0
    steps = await store.read(lambda tx: steps_since(tx, follower.since, without=follower.told, limit=_STEPS))
    if steps and not pulse.comes_late:
        settled = steps[-1][0]
    if len(steps) == _STEPS:
        settled = min(settled, steps[-1][0])
    else:
        follower.turn = turn
    follower.note([number for number, _ in steps], settled)
    if pulse.waiting != follower.waiting:
        follower.waiting = pulse.waiting
        await response.write(f"event: waiting\ndata: {pulse.waiting}\n\n".encode())
    told = await visible(tuple(dict.fromkeys(key for _, key in steps)))
    if told.changed:
        event = json.dumps({"changed": told.changed, "listed": told.listed})
        await response.write(f"id: {follower.since}\nevent: changed\ndata: {event}\n\n".encode())
