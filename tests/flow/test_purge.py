"""The jobs that keep the store: sealing the journal, and purging by the settings and the agreements."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest

from bridge.config import RetentionSettings, TypeRetention
from bridge.flow.pace import Pace
from bridge.flow.purge import BATCH, needs_of, purge, retention_of, start_purging
from bridge.flow.seal_journal import start_sealing
from bridge.store.chain import Verification, head_of
from bridge.store.exchanges import set_exchange
from bridge.store.jobs import JobFilter, claim_jobs, get_job, list_jobs
from bridge.store.octets import check_octets, check_payloads, check_purged
from bridge.store.persons import find_by_person
from bridge.store.purge import list_purge_runs, purged_of, totals_of
from bridge.store.rows import Content, ExchangeState, JobState
from tests.flow.conftest import World


def with_retention(world: World, **days: float) -> None:
    settings = world.bridge.settings
    world.bridge.settings = settings.model_copy(update={"retention": RetentionSettings(**days)})


async def settle(world: World) -> None:
    """A message that came in, and everything of it done."""
    await world.partner.send(world.sample, "vtMelding")
    for _ in range(5):
        await world.work(minutes=1)
    exchange = world.messages()[-1].exchange
    at = world.clock.now
    await world.bridge.store.write(lambda tx: set_exchange(tx, exchange, state=ExchangeState.DONE, at=at))


async def test_the_job_removes_what_is_past_its_retention_and_comes_back(world: World) -> None:
    with_retention(world, payload_days=30)
    await settle(world)
    store, exchange = world.bridge.store, world.messages()[0].exchange
    await store.write(lambda tx: start_purging(tx, world.bridge))
    await world.work(days=29)
    early = await store.read(lambda tx: purged_of(tx, exchange))
    await world.work(days=2)

    assert early == ()
    assert [p.content for p in await store.read(lambda tx: purged_of(tx, exchange))] == [Content.PAYLOAD]
    assert [run.by for run in await store.read(list_purge_runs)] == ["bridge"]
    ready = JobFilter(kind="purge", state=JobState.READY)
    assert len(await store.read(lambda tx: list_jobs(tx, ready))) == 1


@dataclass
class Watched:
    """A clock on which every look takes two seconds more, and rests that are only noted."""

    world: World
    seconds: float = 0.0
    rests: list[float] = field(default_factory=list)
    purged: list[int] = field(default_factory=list)
    """How many exchanges were purged when each rest began."""

    def clock(self) -> float:
        self.seconds += 2.0
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        runs = await self.world.bridge.store.read(list_purge_runs)
        totals = await self.world.bridge.store.read(
            lambda tx: [t for r in runs for t in totals_of(tx, r.key)]
        )
        self.purged.append(sum(total.exchanges for total in totals))
        self.world.clock.forward(seconds=seconds)


async def test_the_job_rests_after_each_batch_nine_times_as_long_and_keeps_its_lease(world: World) -> None:
    with_retention(world, payload_days=30)
    lease = timedelta(seconds=75)
    settings = world.bridge.settings
    worker = settings.worker.model_copy(update={"lease_seconds": lease.total_seconds()})
    world.bridge.settings = settings.model_copy(update={"worker": worker})
    for _ in range(BATCH + 1):
        await world.partner.send(world.sample, "vtMelding")
    await settle(world)
    store, watched = world.bridge.store, Watched(world)
    at = world.clock.now
    for exchange in world.exchanges():
        await store.write(
            lambda tx, key=exchange.key: set_exchange(tx, key, state=ExchangeState.DONE, at=at)  # type: ignore[misc]
        )
    count = len(world.exchanges())
    await store.write(lambda tx: start_purging(tx, world.bridge))
    now = world.clock.forward(days=31)
    claim = partial(claim_jobs, now=now, worker="w", lease=lease, limit=1, kinds=("purge",))
    (job,) = await store.write(claim)

    await purge(world.bridge, job, pace=Pace(clock=watched.clock, sleep=watched.sleep))

    assert set(watched.rests) == {18.0}, "a step took two seconds"
    assert sum(watched.rests) > lease.total_seconds(), "in all longer than a lease, which it kept"
    assert [number for number in (0, BATCH, count) if number not in watched.purged] == []
    assert (await store.read(lambda tx: get_job(tx, job.key))).leased_by is None


async def test_no_rest_is_longer_than_a_third_of_the_lease(world: World) -> None:
    watched = Watched(world)
    lease = world.bridge.settings.worker.lease
    await world.bridge.store.write(lambda tx: start_purging(tx, world.bridge))
    claim = partial(claim_jobs, now=world.clock.now, worker="w", lease=lease, limit=1, kinds=("purge",))
    (job,) = await world.bridge.store.write(claim)

    await purge(world.bridge, job, pace=Pace(clock=lambda: watched.clock() * 1000, sleep=watched.sleep))

    assert set(watched.rests) == {lease.total_seconds() / 3}


@pytest.mark.parametrize("hours", [2, 24])
async def test_a_changed_interval_counts_from_the_last_run_as_soon_as_the_process_starts(
    world: World, hours: int
) -> None:
    store = world.bridge.store
    await store.write(lambda tx: start_purging(tx, world.bridge))
    await world.work()
    ended = world.clock.now
    world.clock.forward(hours=1)
    with_retention(world, interval_hours=hours)
    for _ in range(2):
        await store.write(lambda tx: start_purging(tx, world.bridge))

    (job,) = await store.read(lambda tx: list_jobs(tx, JobFilter(kind="purge")))
    assert job.due == ended + timedelta(hours=hours), "however often the process starts"


async def test_the_job_removes_nothing_by_default(world: World) -> None:
    await settle(world)
    await world.bridge.store.write(lambda tx: start_purging(tx, world.bridge))
    await world.work(days=9999)

    assert await world.bridge.store.read(list_purge_runs) == ()


@pytest.mark.rule("DK-92", "DK-96")
async def test_octets_stay_for_five_days_whatever_the_settings_say(world: World) -> None:
    with_retention(world, payload_days=0.001, evidence_days=0.001)
    await settle(world)
    store, exchange = world.bridge.store, world.messages()[0].exchange
    await store.write(lambda tx: start_purging(tx, world.bridge))
    await world.work(days=4)
    early = await store.read(lambda tx: purged_of(tx, exchange))
    await world.work(days=1, hours=1)

    assert early == ()
    assert len(await store.read(lambda tx: purged_of(tx, exchange))) == 2
    assert (await store.read(check_octets)).faults == (), "what a purge removed was not tampered with"
    assert (await store.read(check_payloads)).faults == ()
    assert await store.read(check_purged) == (None, ())


@pytest.mark.rule("DK-96")
async def test_the_time_to_live_of_a_message_prolongs_it(world: World) -> None:
    await settle(world)
    (message,) = world.messages()
    needed = needs_of(world.bridge.agreements, world.clock.now)(message)

    assert needed >= message.at + timedelta(days=5)
    assert message.time_to_live is None or needed >= message.time_to_live


async def test_a_mapped_message_is_found_by_the_person_it_is_about(world: World) -> None:
    await settle(world)
    key = world.bridge.person_key
    found = world.bridge.store.read_sync(
        lambda tx: [e for bsn in ("999990342", "999900092") for e in find_by_person(tx, key, bsn)]
    )

    assert [exchange.key for exchange in found] == [world.messages()[0].exchange]


async def test_the_journal_is_sealed_by_a_job(world: World) -> None:
    await settle(world)
    store = world.bridge.store
    await store.write(lambda tx: start_sealing(tx, world.bridge))
    await world.work()
    await settle(world)
    await world.work(minutes=1)

    head = await store.read(head_of)
    assert head is not None and head[0] >= 2
    assert await store.read(Verification().check_seals) == (False, ())


def test_the_settings_become_spans() -> None:
    types = (TypeRetention(type="vt*", payload_days=1),)
    found = retention_of(RetentionSettings(payload_days=10, resource_days=5, lookup_days=90, types=types))

    assert found.span(Content.PAYLOAD, "vtMelding") == timedelta(days=1)
    assert found.span(Content.PAYLOAD, "other") == timedelta(days=10)
    assert found.span(Content.RESOURCE, "vtMelding") == timedelta(days=90)
    assert found.span(Content.EVENT, "vtMelding") is None
