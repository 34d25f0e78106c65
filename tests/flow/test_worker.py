"""The worker: one bad endpoint, a clock that is put right, a store that fails for a while."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, update
from structlog.testing import capture_logs

from bridge.errors import BridgeError, StoreUnavailable
from bridge.flow.bridge import Bridge
from bridge.flow.contact import Contact, Reached, Unreached
from bridge.flow.exchange import settle_exchange
from bridge.flow.jobs import tell_operator
from bridge.flow.mend import Actor, revive
from bridge.flow.order import OutOfTurn
from bridge.flow.worker import MAX_SURPRISES, Worker
from bridge.store import tables
from bridge.store.channels import find_channel
from bridge.store.jobs import JobFilter, add_job, finish_job, get_job, list_jobs, retry_job
from bridge.store.rows import ExchangeState, Job, JobState
from bridge.store.sealing import MasterKeys
from bridge.store.timeline import add_step
from bridge.store.unit import Store
from tests.flow.conftest import World
from tests.flow.outgoing import send_out
from tests.flow.wire import Wire

KIND = "deliver"


def queue(world: World, endpoint: str | None, count: int) -> None:
    bridge, now = world.bridge, world.bridge.now()
    keys = [bridge.new_key() for _ in range(count)]

    def work(tx):  # type: ignore[no-untyped-def]
        for key in keys:
            add_job(tx, key=key, kind=KIND, subject_key=key, endpoint=endpoint, due=now, at=now)

    bridge.store.write_sync(work)


class Endpoints:
    """Delivers at once to every endpoint but `dead`, which answers nobody until `gate` opens, and then fails."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.done: list[str | None] = []
        self.all_done = asyncio.Event()
        self.tried = 0
        self.expected = 0

    async def deliver(self, bridge: Bridge, job: Job) -> Contact:
        now = bridge.now()
        if job.endpoint == "dead":
            self.tried += 1
            await self.gate.wait()
            due = now + timedelta(seconds=1)
            await bridge.store.write(lambda tx: retry_job(tx, job, due=due, reason="no answer", at=now))
            return Unreached(reason="no answer")
        await bridge.store.write(lambda tx: finish_job(tx, job, at=now))
        self.done.append(job.endpoint)
        if len(self.done) == self.expected:
            self.all_done.set()
        return Reached()


def move(file: Path, to: Path) -> None:
    file.rename(to)


def never(_tx: Connection, _job: Job, _now: datetime) -> None:
    raise AssertionError("no job is buried here")


@pytest.mark.rule("SOH-165")
async def test_a_partner_that_hangs_with_500_queued_takes_no_place_of_another(world: World) -> None:
    endpoints = Endpoints()
    endpoints.expected = 60
    queue(world, "dead", 500)
    queue(world, "alive", 60)
    worker = Worker(world.bridge, {KIND: endpoints.deliver}, name="test", on_buried=never)

    running = asyncio.create_task(worker.run(), name="worker")
    worker.wake()
    async with asyncio.timeout(30):
        await endpoints.all_done.wait()
    hanging = endpoints.tried
    worker.stop()
    endpoints.gate.set()
    await running

    assert hanging <= world.bridge.settings.worker.per_endpoint
    held = world.bridge.store.read_sync(lambda tx: find_channel(tx, "dead"))
    assert held is not None and held.held_until is not None
    waiting = world.bridge.store.read_sync(
        lambda tx: list_jobs(tx, JobFilter(state=JobState.READY), limit=1000)
    )
    assert len(waiting) == 500, "what waits for the dead partner is still there"


async def test_a_job_that_takes_too_long_at_a_stop_is_broken_off_and_done_again_when_its_lease_ends(
    world: World,
) -> None:
    worker_settings = world.bridge.settings.worker.model_copy(update={"stop_seconds": 0.05})
    world.bridge.settings = world.bridge.settings.model_copy(update={"worker": worker_settings})
    begun = asyncio.Event()

    async def hang(_bridge: Bridge, _job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    queue(world, "slow", 1)
    worker = Worker(world.bridge, {KIND: hang}, name="first", on_buried=never)
    running = asyncio.create_task(worker.run(), name="worker")
    worker.wake()
    async with asyncio.timeout(30):
        await begun.wait()
        worker.stop()
        await running

    endpoints = Endpoints()
    endpoints.expected = 1
    other = Worker(world.bridge, {KIND: endpoints.deliver}, name="second", on_buried=never)
    await other.run_until_idle()
    assert endpoints.done == [], "its lease goes on"
    world.clock.forward(seconds=world.bridge.settings.worker.lease_seconds + 1)
    await other.run_until_idle()
    assert endpoints.done == ["slow"]


@pytest.mark.rule("SOH-165")
async def test_a_partner_that_answers_nobody_is_held_and_tried_with_one_message_at_a_time(
    world: World,
) -> None:
    wire = Wire(world)
    wire.refuses(1000)
    for _ in range(12):
        await send_out(world)
    await world.work()
    first = len(wire.times)

    channel = world.bridge.store.read_sync(lambda tx: find_channel(tx, world.partner.settings.oin))
    assert channel is not None and channel.held_until is not None, "five failures in a row hold it"
    assert first < 12, "the others were not tried in vain"
    await world.work(seconds=21)
    assert len(wire.times) == first + 1, "after the hold one message tries"

    wire.refuses(0)
    for _ in range(3):
        await world.work(seconds=21)
    await world.settled()
    assert len(world.partner.received) == 12, "and all arrive when it is back"


async def test_a_clock_that_was_a_day_ahead_delays_nothing_when_it_is_put_right(world: World) -> None:
    wire = Wire(world)
    world.clock.forward(days=1)
    wire.refuses(1)
    await send_out(world)
    await world.work()
    world.clock.forward(days=-1)

    with capture_logs() as logs:
        await world.work()

    assert len(wire.times) == 2, "the second attempt waits for no clock of tomorrow"
    assert [line["event"] for line in logs if line["event"].startswith("clock")] == ["clock.went_back"]


async def test_a_bridge_that_starts_with_a_journal_of_tomorrow_brings_its_work_forward(world: World) -> None:
    bridge, tomorrow = world.bridge, world.bridge.now() + timedelta(days=1)
    key = bridge.new_key()

    def work(tx):  # type: ignore[no-untyped-def]
        add_step(tx, exchange=key, at=tomorrow, side="bridge", what="x", outcome="info")
        add_job(tx, key=key, kind=KIND, subject_key=key, due=tomorrow, at=tomorrow)

    bridge.store.write_sync(work)
    endpoints = Endpoints()

    await Worker(bridge, {KIND: endpoints.deliver}, name="test", on_buried=never).run_until_idle()

    assert bridge.store.read_sync(lambda tx: get_job(tx, key)).state is JobState.DONE


async def test_a_store_that_fails_is_told_once_and_its_end_once(world: World) -> None:
    file = Path(world.bridge.store.url.removeprefix("sqlite:///"))
    away = file.with_name("away")
    with capture_logs() as logs:
        move(file, away)
        for _ in range(5):
            await world.work()
        assert "removed" in (world.bridge.store.trouble or "")
        move(away, file)
        await world.work()

    told = [line["event"] for line in logs if line["event"].startswith("store.")]
    assert told == ["store.unavailable", "store.recovered"]
    assert world.bridge.store.trouble is None


async def test_a_process_without_the_key_does_no_work_once_another_one_encrypts(world: World) -> None:
    queue(world, "alive", 3)
    key = MasterKeys(current=b"k" * 32)
    with capture_logs() as logs:
        Store.open(world.bridge.store.url, masters=key).close()
        for _ in range(3):
            await world.work()

    jobs = world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind=KIND)))
    assert {(job.state, job.attempts) for job in jobs} == {(JobState.READY, 0)}
    assert [line["event"] for line in logs if line["event"].startswith("store.")] == ["store.unavailable"]


async def test_damaged_content_stops_its_own_job_and_nothing_else(world: World) -> None:
    """It does not heal by waiting: the bridge as a whole must not go out of order for it, again and again."""
    wire = Wire(world)
    await send_out(world)
    store = world.bridge.store
    store.write_sync(lambda tx: tx.execute(update(tables.chunk).values(octets=b"damaged")))
    with capture_logs() as logs:
        for _ in range(MAX_SURPRISES):
            await world.work(minutes=6)

    (job,) = store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="deliver", state=JobState.DEAD)))
    assert "damaged" in (job.reason or "")
    assert wire.times == [] and store.trouble is None
    assert {line["event"] for line in logs if line["log_level"] == "error"} == {"job.surprise", "job.buried"}


async def test_a_job_that_could_not_be_stored_is_no_surprise_and_is_done_again(world: World) -> None:
    queue(world, None, 1)
    times = 0

    async def away(bridge: Bridge, job: Job) -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise StoreUnavailable("the store failed: database or disk is full")
        await bridge.store.write(lambda tx: finish_job(tx, job, at=bridge.now()))

    worker = Worker(world.bridge, {KIND: away}, name="test", on_buried=never)
    await worker.run_until_idle()
    (job,) = world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind=KIND)))
    assert (job.state, job.surprises) == (JobState.READY, 0)

    world.clock.forward(seconds=world.bridge.settings.worker.lease_seconds + 1)
    await worker.run_until_idle()
    assert times == 2


async def test_a_job_whose_number_went_to_another_message_is_done_again_at_once(world: World) -> None:
    tries: list[int] = []

    async def number_it(bridge: Bridge, job: Job) -> None:
        tries.append(job.attempts)
        if len(tries) <= MAX_SURPRISES:
            raise OutOfTurn("another was first")
        await bridge.store.write(lambda tx: finish_job(tx, job, at=bridge.now()))

    queue(world, None, 1)
    worker = Worker(world.bridge, {KIND: number_it}, name="test", on_buried=number_it)
    with capture_logs() as lines:
        await worker.run_until_idle()
    assert len(tries) == MAX_SURPRISES + 1
    assert lines == []


async def breaks(_bridge: Bridge, _job: Job) -> Contact | None:
    raise ValueError("something about a person")


async def fail_for_good(world: World, worker: Worker) -> None:
    for _ in range(MAX_SURPRISES):
        world.clock.forward(minutes=6)
        await worker.run_until_idle()


async def test_a_job_is_given_up_together_with_telling_so_or_not_at_all(world: World) -> None:
    """A process that dies between the two would leave a message that nobody carries on and nobody knows of."""

    def full(_tx: Connection, _job: Job, _now: datetime) -> None:
        raise BridgeError("the disk is full")

    row = await send_out(world)
    await fail_for_good(world, Worker(world.bridge, {KIND: breaks}, name="test", on_buried=full))
    (job,) = world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind=KIND)))
    assert job.state is JobState.READY

    world.clock.forward(minutes=6)
    await Worker(world.bridge, {KIND: breaks}, name="test", on_buried=tell_operator).run_until_idle()
    (job,) = world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind=KIND)))
    assert job.state is JobState.DEAD
    (exchange,) = world.exchanges()
    assert (exchange.key, exchange.state) == (row.exchange, ExchangeState.ATTENTION)
    assert exchange.reason is not None and "job deliver" in exchange.reason


async def test_what_else_happens_in_an_exchange_never_hides_that_a_job_of_it_was_given_up(
    world: World,
) -> None:
    row = await send_out(world)
    await fail_for_good(world, Worker(world.bridge, {KIND: breaks}, name="test", on_buried=tell_operator))
    now = world.clock()
    await world.bridge.store.write(lambda tx: settle_exchange(tx, row.exchange, at=now))
    (exchange,) = world.exchanges()
    assert exchange.state is ExchangeState.ATTENTION

    (job,) = world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind=KIND)))
    await revive(world.bridge, job.key, dry_run=False, by=Actor(name="test"), reason="mended")
    (exchange,) = world.exchanges()
    assert exchange.state is ExchangeState.RUNNING
    (job,) = world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind=KIND)))
    assert (job.state, job.surprises) == (JobState.READY, 0)
