"""A store that is put back from a backup knows nothing of what was done since: none of it may be done twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from uuid import UUID

import pytest

from bridge.store.cursors import RESTORED, set_cursor
from bridge.store.rows import Direction, EventState
from tests.flow.conftest import World
from tests.flow.hub_side import pull, taken_up


def back_up(world: World) -> Callable[[], None]:
    """A copy of the store as it is now; calling what comes back puts it in place again."""
    file = world.folder / "bridge.sqlite3"
    assert file.is_file()
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(sqlite3.connect(file)) as live:
        live.backup(copy)

    def restore() -> None:
        with closing(sqlite3.connect(file)) as live, closing(copy):
            copy.backup(live)
        now = world.clock.now
        world.bridge.store.write_sync(lambda tx: set_cursor(tx, RESTORED, now.isoformat(), now))

    return restore


async def until_ok(world: World) -> list[EventState]:
    """The hub goes by the real clock: ask it until it is done."""
    for _ in range(200):
        await world.work(seconds=5)
        states = [event.state for event in world.events() if event.direction is Direction.OUT]
        if all(state is EventState.OK for state in states):
            break
    return states


@pytest.mark.rule("SOH-03", "SOH-05", "SOH-36", "SOH-172")
async def test_a_report_that_was_mapped_after_the_backup_reaches_the_hub_once(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    restore = back_up(world)
    await until_ok(world)
    (before,) = world.events()
    world.clock.forward(seconds=60)
    restore()
    assert world.events() == ()
    assert await until_ok(world) == [EventState.OK]
    (after,) = world.events()
    assert (after.id, after.source) == (before.id, before.source)
    assert UUID(after.id).version == 4
    assert [(offer.id, offer.count) for offer in world.hub.events] == [(before.id, 1)], (
        "asked, and not offered"
    )


@pytest.mark.rule("SOH-05", "SOH-36")
async def test_a_report_that_was_mapped_after_the_backup_and_never_offered_is_offered(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    restore = back_up(world)
    world.clock.forward(seconds=60)
    restore()
    assert await until_ok(world) == [EventState.OK]
    assert [offer.count for offer in world.hub.events] == [1]


async def test_an_event_that_was_pulled_after_the_backup_gives_the_partner_the_same_message_id(
    world: World,
) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    restore = back_up(world)
    await pull(world, taken_up())
    (before,) = world.messages(direction=Direction.OUT)
    world.clock.forward(seconds=60)
    restore()
    assert world.messages(direction=Direction.OUT) == ()
    await pull(world)
    (after,) = world.messages(direction=Direction.OUT)
    assert after.message_id == before.message_id
    assert len(world.partner.received) == 1, "the partner knows it for a repeat"
