"""The worker: claims what is due from the store and runs it.

The clock only says when to look; what is due, and whose it is, is in the store. So any number of workers, in any
number of processes, can share one store. A job is finished in the transaction of its result: when a process dies,
its lease lapses and another worker does the job again, which every job is built to bear.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.errors import BridgeError, ContentDamaged, StoreUnavailable
from bridge.flow.bridge import Bridge
from bridge.flow.contact import Contact, Reached
from bridge.flow.order import OutOfTurn
from bridge.log import get_logger, where_raised
from bridge.store.channels import (
    HUB,
    LONGEST_HOLD,
    LONGEST_PARTNER_HOLD,
    find_channel,
    note_failure,
    note_success,
)
from bridge.store.channels import bring_forward as release_channels
from bridge.store.jobs import LeaseLost, bring_forward, bury_job, claim_jobs, postpone_job, retry_job
from bridge.store.rows import Job
from bridge.store.timeline import last_at

JobRunner = Callable[[Bridge, Job], Awaitable[Contact | None]]
"""Does a job, and finishes or reschedules it. None: no endpoint was spoken to."""

OnBuried = Callable[[Connection, Job, datetime], None]
"""Makes known that a job was given up, in the transaction that gives it up."""

MAX_SURPRISES = 10
"""How often a job may fail in a way that nobody foresaw before it waits for a person."""

_STEP_BACK = timedelta(minutes=1)
"""A clock that goes back less than this delays work by no more, and is left alone."""

_log = get_logger()


class Worker:
    """Runs jobs of the kinds it is given, a bounded number at a time."""

    def __init__(
        self, bridge: Bridge, runners: Mapping[str, JobRunner], *, name: str, on_buried: OnBuried
    ) -> None:
        self._bridge = bridge
        self._runners = runners
        self._name = name
        self._on_buried = on_buried
        self._wake = asyncio.Event()
        self._stopping = False
        self._running: set[asyncio.Task[None]] = set()
        self._last: datetime | None = None
        """When the queue was last looked at."""
        self._endpoints: dict[asyncio.Task[None], str] = {}

    def wake(self) -> None:
        """Look at the queue now: something became due."""
        self._wake.set()

    async def _tick(self) -> None:
        """As a coroutine it runs in the event loop: a plain function would wait for a thread, and not be safe in it."""
        self.wake()

    async def run(self) -> None:
        """Work until `stop`, then wait for the jobs that are under way, but not for ever."""
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.add_job(
            self._tick,
            "interval",
            seconds=self._bridge.settings.worker.tick_seconds,
            max_instances=1,
            coalesce=True,
        )
        scheduler.start()
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping:
                    await self._wake.wait()
                    self._wake.clear()
                    await self._start_due_jobs(group)
                await self._break_off_what_takes_long()
        finally:
            scheduler.shutdown(wait=False)

    def stop(self) -> None:
        """Claim no more. `run` returns when the jobs under way have ended, or were broken off."""
        self._stopping = True
        self._wake.set()

    async def _break_off_what_takes_long(self) -> None:
        """As if the process were killed, which every job bears: what stopped the bridge would do so in the end."""
        if not self._running:
            return
        patience = self._bridge.settings.worker.stop_seconds
        _, late = await asyncio.wait(tuple(self._running), timeout=patience)
        for task in late:
            task.cancel()
        if late:
            _log.warning("jobs.broken_off", jobs=len(late), outcome="done again when their leases end")

    async def run_until_idle(self) -> None:
        """Run everything that is due now, and what becomes due by it, then return. For tests and `--once`."""
        while True:
            async with asyncio.TaskGroup() as group:
                if await self._start_due_jobs(group) == 0:
                    return

    async def _start_due_jobs(self, group: asyncio.TaskGroup) -> int:
        free = self._bridge.settings.worker.concurrency - len(self._running)
        if free <= 0 or self._stopping:
            return 0
        try:
            if self._bridge.store.trouble is not None and not await self._bridge.store.probe(
                self._bridge.now()
            ):
                return 0
            await self._heed_clock()
            jobs = await self._claim(free)
        except StoreUnavailable:
            # The store tells of it once. Nothing is lost: the next tick looks again.
            return 0
        for job in jobs:
            task = group.create_task(self._run_one(job), name=f"job {job.kind} {job.key}")
            self._running.add(task)
            if job.endpoint is not None:
                self._endpoints[task] = job.endpoint
            task.add_done_callback(self._ended)
        return len(jobs)

    async def _heed_clock(self) -> None:
        """A clock that was ahead and is put right must not let work wait for the time that it showed."""
        now, store = self._bridge.now(), self._bridge.store
        last = self._last or await store.read(last_at) or now
        self._last = now
        if last - now < _STEP_BACK:
            return
        lease = self._bridge.settings.worker.lease

        def work(tx: Connection) -> int:
            release_channels(tx, now=now)
            return bring_forward(tx, now=now, lease=lease)

        jobs = await store.write(work)
        _log.warning("clock.went_back", seconds=int((last - now).total_seconds()), jobs=jobs)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._endpoints.pop(task, None)
        self._wake.set()

    async def _claim(self, limit: int) -> tuple[Job, ...]:
        now, lease = self._bridge.now(), self._bridge.settings.worker.lease
        kinds, share = tuple(self._runners), self._bridge.settings.worker.per_endpoint
        busy, check_key = Counter(self._endpoints.values()), self._bridge.store.check_key

        def work(tx: Connection) -> tuple[Job, ...]:
            check_key(tx)
            return claim_jobs(
                tx,
                now=now,
                worker=self._name,
                lease=lease,
                limit=limit,
                kinds=kinds,
                per_endpoint=share,
                busy=busy,
            )

        return await self._bridge.store.write(work)

    async def _run_one(self, job: Job) -> None:
        log = _log.bind(job_id=job.key, kind=job.kind, attempt=job.attempts)
        try:
            contact = await self._runners[job.kind](self._bridge, job)
            await self._note(job, contact)
        except LeaseLost:
            log.warning("job.lease_lost", outcome="another worker has it")
        except OutOfTurn as behind:
            await self._again(job, str(behind))
        except ContentDamaged as damage:
            # What this job needs; it does not get well by waiting, and others need it not.
            await self._surprised(job, damage, str(damage))
        except StoreUnavailable:
            # No fault of the job, so not counted: its lease lapses, and it comes up again.
            log.warning("job.not_stored", outcome="done again when its lease ends")
        except Exception as surprise:
            await self._surprised(job, surprise, f"{type(surprise).__name__} at {where_raised(surprise)}")

    async def _surprised(self, job: Job, error: Exception, reason: str) -> None:
        name, where = type(error).__name__, where_raised(error)
        _log.error(
            "job.surprise", job_id=job.key, kind=job.kind, attempt=job.attempts, error=name, where=where
        )
        metrics.job_surprised(job.kind)
        await self._put_aside(job, reason)

    async def _note(self, job: Job, contact: Contact | None) -> None:
        """Tell the breaker how the endpoint fared."""
        endpoint, now = job.endpoint, self._bridge.now()
        if endpoint is None or contact is None:
            return
        if isinstance(contact, Reached):
            ended = await self._bridge.store.read(lambda tx: find_channel(tx, endpoint))
            if ended is not None and ended.failures:
                await self._bridge.store.write(lambda tx: note_success(tx, endpoint, at=now))
                _log.info("endpoint.recovered", endpoint=endpoint)
            return
        longest = LONGEST_HOLD if endpoint == HUB else LONGEST_PARTNER_HOLD
        held = await self._bridge.store.write(
            lambda tx: note_failure(tx, endpoint, reason=contact.reason, at=now, longest=longest)
        )
        if held is not None:
            _log.warning("endpoint.held", endpoint=endpoint, until=held.isoformat())

    async def _again(self, job: Job, reason: str) -> None:
        """Nothing was stored, since another message of its conversation got the number first: do it anew, at once."""
        now = self._bridge.now()
        try:
            await self._bridge.store.write(lambda tx: retry_job(tx, job, due=now, reason=reason, at=now))
        except BridgeError as error:
            _log.warning("job.not_put_aside", job_id=job.key, error=str(error))

    async def _put_aside(self, job: Job, reason: str) -> None:
        """A failure that no flow foresaw: try again ever more slowly, then wait for a person."""
        now = self._bridge.now()
        try:
            if job.surprises + 1 >= MAX_SURPRISES and not job.is_standing:
                await self._bridge.store.write(lambda tx: self._bury(tx, job, reason, now))
                _log.error("job.buried", job_id=job.key, kind=job.kind, attempts=job.attempts)
            else:
                due = now + timedelta(seconds=min(2.0 ** (job.surprises + 1), 300.0))
                await self._bridge.store.write(
                    lambda tx: postpone_job(tx, job, due=due, reason=reason, at=now)
                )
        except BridgeError as error:
            # The lease lapses by itself, and the job comes up again.
            _log.warning("job.not_put_aside", job_id=job.key, error=str(error))

    def _bury(self, tx: Connection, job: Job, reason: str, now: datetime) -> None:
        bury_job(tx, job, reason=reason, at=now)
        self._on_buried(tx, job, now)
