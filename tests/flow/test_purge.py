"""The jobs that keep the store: sealing the journal, and purging by the settings and the agreements."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.config import RetentionSettings, TypeRetention
from bridge.flow.purge import needs_of, retention_of, start_purging
from bridge.flow.seal_journal import start_sealing
from bridge.store.chain import Verification, head_of
from bridge.store.exchanges import set_exchange
from bridge.store.jobs import JobFilter, list_jobs
from bridge.store.octets import check_octets
from bridge.store.persons import find_by_person
from bridge.store.purge import list_purge_runs, purged_of
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
