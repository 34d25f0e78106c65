"""Every way in which a hub may fail, over real sockets: nothing is lost, doubled or out of order, and it shows.

While the fault lasts the list of exchanges and the timeline say what is going on in words; afterwards all is as if
nothing had happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bridge.config import Settings
from bridge.pki import Pki
from bridge.simulate import FaultKind, Hub, Where
from bridge.store.rows import EventState, ExchangeState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.test_publish import report

SAME, OTHER = "BVH-2026-000042", "BVH-2026-000077"
STEP = 240.0


def impatient(settings: Settings) -> Settings:
    return settings.model_copy(update={"hub": settings.hub.model_copy(update={"timeout_seconds": 0.4})})


@pytest.fixture
async def world(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    async with open_world(tmp_path, pki, clock, settings_change=impatient) as opened:
        yield opened


def slow(hub: Hub) -> None:
    hub.fail(FaultKind.SLOW, where=Where.EVENTS, seconds=1.5, times=2)


def failing(hub: Hub) -> None:
    hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=500, times=3)
    hub.fail(FaultKind.STATUS, where=Where.STATUS, status=500, times=2)


def busy(hub: Hub) -> None:
    hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=429, retry_after="120", times=2)


def garbage(hub: Hub) -> None:
    hub.fail(FaultKind.GARBAGE, where=Where.EVENTS, times=2)
    hub.fail(FaultKind.GARBAGE, where=Where.STATUS, times=2)


def lost(hub: Hub) -> None:
    hub.fail(FaultKind.LOST, where=Where.EVENTS, times=2)


def expired(hub: Hub) -> None:
    hub.conduct.token = "another"


def never_ok(hub: Hub) -> None:
    hub.conduct.never_ok = True


def skewed(hub: Hub) -> None:
    hub.fail(
        FaultKind.STATUS,
        where=Where.EVENTS,
        status=503,
        retry_after="Wed, 01 Jan 2031 00:00:00 GMT",
        times=1,
    )


FAULTS: list[tuple[Callable[[Hub], None], str, float]] = [
    (slow, "no answer within 0.4 s", 0),
    (failing, "the hub has a failure of its own (status 500", 0),
    (busy, "the hub is busy and asks us to come back later (status 429", 0),
    (garbage, "the answer of the hub cannot be read", 0),
    (lost, "the connection broke before the answer was there", 0),
    (expired, "the hub does not accept our credentials (status 401", 0),
    (never_ok, "the hub accepted this event and has not finished it within 24 hours", 25 * 3600),
    (skewed, "the hub has a failure of its own (status 503", 0),
]
"""The fault, the words by which it shows, and how long it must last before it does."""


@pytest.mark.rule("SOH-05", "SOH-72", "SOH-76", "SOH-77", "SOH-165")
@pytest.mark.parametrize(("fault", "words", "lasting"), FAULTS, ids=[one[0].__name__ for one in FAULTS])
async def test_no_fault_of_the_hub_loses_doubles_or_reorders_and_each_is_told(
    world: World, fault: Callable[[Hub], None], words: str, lasting: float
) -> None:
    fault(world.hub)
    sent = [SAME, SAME, OTHER, SAME]
    for number in sent:
        await report(world, number)

    await world.work()
    for _ in range(int(lasting / 3600)):
        await world.work(seconds=3600.0)

    waiting = [one for one in world.exchanges() if (one.reason or "").startswith(words)]
    told = [step for step in world.steps() if step.detail.get("reason", "").startswith(words)]
    assert waiting, [one.reason for one in world.exchanges()]
    assert told
    assert {one.state for one in waiting} == {
        ExchangeState.ATTENTION if fault is never_ok else ExchangeState.RUNNING
    }

    world.hub.conduct.token, world.hub.conduct.never_ok = None, False
    for _ in range(30):
        await world.work(seconds=STEP)
    if fault is skewed:
        await world.work(seconds=86400.0)
        for _ in range(30):
            await world.work(seconds=STEP)

    events = world.events()
    assert [event.state for event in events] == [EventState.OK] * len(sent)
    assert {(offer.count, offer.altered) for offer in world.hub.events} == {(1, 0)}
    assert len({offer.id for offer in world.hub.events}) == len(sent)
    of_one = [event.id for event in events if event.subject == f"melding/{SAME}"]
    assert [offer.id for offer in world.hub.events if offer.id in of_one] == of_one
    assert {one.state for one in world.exchanges()} == {ExchangeState.DONE}
    assert {one.reason for one in world.exchanges()} == {None}
