"""Long work of the bridge's own, in the process that also answers partners: a step at a time, with rest in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bridge.flow.bridge import Bridge
from bridge.store.jobs import renew_lease
from bridge.store.rows import Job

REST = 9
"""So many times as long as a step took it rests after it: it has a tenth of one processor at most."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a rest is measured with, and what it is."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


USUAL = Pace()


@dataclass(slots=True, kw_only=True)
class Shift:
    """One run of a long job, which is held meanwhile: its lease is renewed with every step."""

    bridge: Bridge
    job: Job
    """As it is leased now: end it with this one."""
    pace: Pace = USUAL

    async def do(self, step: Awaitable[T]) -> T:
        """This step, and then a rest in proportion to how long it took. Raises LeaseLost."""
        bridge, lease = self.bridge, self.bridge.settings.worker.lease
        began = self.pace.clock()
        done = await step
        renew = partial(renew_lease, job=self.job, now=bridge.now(), lease=lease)
        self.job = await bridge.store.write(renew)
        await self.pace.sleep(min(REST * (self.pace.clock() - began), lease.total_seconds() / 3))
        return done
