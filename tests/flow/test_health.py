"""The hub hears it when the health of the bridge changes, and every so often, when the settings say so."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from bridge.config import HealthEvents, Settings
from bridge.flow.health import start_telling
from bridge.pki import Pki
from bridge.simulate import FaultKind, Where
from bridge.store.jobs import JobFilter, list_jobs
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.hub_side import report

ILL, WELL, HEALTH = "beheer.verstoring-gemeld", "beheer.verstoring-opgelost", "beheer.gezondheid-gemeld"


def opened(folder: Path, pki: Pki, clock: Clock, **health: Any) -> AbstractAsyncContextManager[World]:
    def tell(settings: Settings) -> Settings:
        return settings.model_copy(update={"health_events": HealthEvents(**health)})

    return open_world(folder, pki, clock, settings_change=tell)


async def begin(world: World) -> None:
    await world.bridge.store.write(lambda tx: start_telling(tx, world.bridge))


def told(world: World) -> list[tuple[str, str]]:
    """Type and state of what was told, in order."""
    events = [event for event in world.events() if event.type.startswith("beheer.")]
    return [(event.type, json.loads(event.body)["data"]["status"]) for event in events]


@pytest.mark.rule("SOH-163", "SOH-165")
async def test_a_disturbance_and_its_end_are_told_once_each(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with opened(tmp_path, pki, clock, change_type=ILL, recovery_type=WELL) as world:
        await begin(world)
        await world.work()
        assert told(world) == []
        world.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=503, times=10_000)
        world.hub.fail(FaultKind.STATUS, where=Where.STATUS, status=503, times=10_000)
        await report(world)
        for _ in range(6):
            await world.work(seconds=120)
        assert told(world) == [(ILL, "degraded")]
        world.hub.conduct.faults.clear()
        for _ in range(12):
            await world.work(seconds=600)
        assert told(world) == [(ILL, "degraded"), (WELL, "healthy")]
        offered = [offer.event["type"] for offer in world.hub.events]
        assert offered.count(ILL) == offered.count(WELL) == 1


@pytest.mark.rule("SOH-164")
async def test_the_periodic_event_comes_at_its_time(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with opened(tmp_path, pki, clock, periodic_type=HEALTH, periodic_minutes=60) as world:
        await begin(world)
        await world.work()
        assert told(world) == [(HEALTH, "healthy")]
        await world.work(seconds=59 * 60)
        assert len(told(world)) == 1
        await world.work(seconds=60)
        assert len(told(world)) == 2
        for _ in range(3):
            await world.work(seconds=300)
        assert [offer.event["type"] for offer in world.hub.events] == [HEALTH, HEALTH]


@pytest.mark.rule("SOH-164")
async def test_by_default_nothing_is_told(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with opened(tmp_path, pki, clock) as world:
        await begin(world)
        assert world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="health"))) == ()


@pytest.mark.rule("SOH-11")
def test_a_type_that_is_not_on_the_list_is_no_setting() -> None:
    with pytest.raises(ValueError, match="SOH-11"):
        HealthEvents(change_type="beheer.iets-anders")
