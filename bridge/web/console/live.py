"""Live updates: one watcher per process looks for new steps, every open page waits for it.

A page gets ids of exchanges, never what is in them; it fetches rendered rows itself. The event id is the
number of the last step, so a page that reconnects (`Last-Event-ID`) misses nothing.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.timeline import exchanges_changed_since, last_seq
from bridge.store.unit import Store

HEARTBEAT = timedelta(seconds=15)
"""A comment this often, so that proxies keep the connection and a gone browser is noticed."""

MAX_WATCHERS = 200

LONGEST = timedelta(minutes=5)
"""Then the page must ask again, so that one that may no longer look is told no more."""


class Pulse:
    """Knows the number of the newest step and wakes whoever waits for a higher one."""

    def __init__(self, store: Store, *, interval: timedelta) -> None:
        self._store = store
        self._interval = interval.total_seconds()
        self._changed = asyncio.Condition()
        self.seq = 0
        self.watchers = 0
        self.stopped = False

    async def run(self) -> None:
        """Look at the store until cancelled. A store that fails is asked again: pages stay open."""
        failing = False
        while True:
            try:
                seq = await self._store.read(last_seq)
            except (
                Exception
            ) as error:  # whatever the store's driver raises: a page that watches must survive it
                if not failing:
                    get_logger().warning("console.watch_failed", error=type(error).__name__)
                failing = True
            else:
                failing = False
                await self._announce(seq)
            await asyncio.sleep(self._interval)

    async def _announce(self, seq: int) -> None:
        async with self._changed:
            if seq != self.seq:
                self.seq = seq
                self._changed.notify_all()

    async def stop(self) -> None:
        """Let every page that waits go, so that the server can stop."""
        async with self._changed:
            self.stopped = True
            self._changed.notify_all()

    async def beyond(self, seq: int) -> bool:
        """Whether there is a step after `seq`; waits for one until the next heartbeat is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT.total_seconds()), self._changed:
                await self._changed.wait_for(lambda: self.seq > seq or self.stopped)
                return not self.stopped
        return False


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
        while not pulse.stopped and asyncio.get_running_loop().time() < end:
            since = await _send_changes(response, pulse, store=store, since=since, visible=visible)
    except ConnectionError:
        pass  # the page was closed
    finally:
        pulse.watchers -= 1
    return response


async def _send_changes(
    response: web.StreamResponse, pulse: Pulse, *, store: Store, since: int, visible: Visible
) -> int:
    """Wait for steps after `since`, tell of them, and return the number of the newest one that was told."""
    if not await pulse.beyond(since):
        await response.write(b": still here\n\n")
        return since
    steps = await store.read(lambda tx: exchanges_changed_since(tx, since))
    seq = max((number for number, _ in steps), default=pulse.seq)
    told = await visible(tuple(key for _, key in steps))
    if told.changed:
        event = json.dumps({"changed": told.changed, "listed": told.listed})
        await response.write(f"id: {seq}\nevent: changed\ndata: {event}\n\n".encode())
    return seq
