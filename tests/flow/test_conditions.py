"""Conditions that hold: from the store and from what this process sees, each with numbers and names only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.config import AlertRule, AlertSettings, Condition
from bridge.demo import CPA_ID, POLICE
from bridge.flow.alerts import start_watching
from bridge.flow.conditions import Holding, examine_process, examine_store
from bridge.flow.seal_journal import start_sealing
from bridge.flow.verify_journal import start_verifying
from bridge.store import doors, tables
from bridge.store.channels import note_failure, pause
from bridge.store.doors import note_turned_away, turned_away_since
from bridge.store.jobs import add_job
from bridge.store.rows import TurnedAway
from tests.flow.conftest import World

START = timedelta(hours=1)


def holding(world: World) -> dict[Condition, Holding]:
    now = world.clock.now
    found = world.bridge.store.read_sync(lambda tx: examine_store(tx, world.bridge, now=now))
    return {one.condition: one for one in (*found, *examine_process(world.bridge, now=now))}


def with_rule(world: World, condition: Condition, above: float) -> None:
    rule = AlertRule(condition=condition, above=above)
    world.bridge.settings = world.bridge.settings.model_copy(update={"alerts": AlertSettings(rules=(rule,))})


async def test_a_quiet_bridge_has_none(world: World) -> None:
    with_rule(world, Condition.DISK_LOW, 0.001)
    assert holding(world) == {}


async def test_endpoints_that_do_not_answer_are_told_of_also_while_they_are_paused(world: World) -> None:
    now = world.clock.now
    world.bridge.store.write_sync(lambda tx: note_failure(tx, POLICE.oin, reason="no", at=now))
    world.bridge.store.write_sync(lambda tx: note_failure(tx, "hub", reason="no", at=now))
    found = holding(world)
    assert found[Condition.PARTNER_DOWN].detail == {"name": POLICE.name, "failures": "1"}
    assert found[Condition.HUB_DOWN].target == "hub"
    world.bridge.store.write_sync(lambda tx: pause(tx, POLICE.oin, by="anna", reason="why", at=now))
    assert holding(world)[Condition.PARTNER_DOWN].said == "", "the reason that is kept is that of the pause"
    assert Condition.PAUSED not in holding(world)
    world.clock.forward(hours=13)
    assert holding(world)[Condition.PAUSED].detail == {"name": POLICE.name, "by": "anna", "hours": "13"}


async def test_work_that_nobody_takes_up_is_noticed(world: World) -> None:
    now, key = world.clock.now, world.bridge.new_key()
    world.bridge.store.write_sync(
        lambda tx: add_job(tx, key=key, kind="map", subject_key=key, due=now, at=now)
    )
    assert Condition.WORK_WAITS not in holding(world)
    world.clock.forward(minutes=6)
    assert holding(world)[Condition.WORK_WAITS].detail == {"minutes": "6"}


async def test_a_certificate_that_ends_is_named_by_owner_and_use(world: World) -> None:
    with_rule(world, Condition.CERTIFICATE_ENDS, 9000)
    found = [
        one
        for one in examine_process(world.bridge, now=world.clock.now)
        if one.condition is Condition.CERTIFICATE_ENDS
    ]
    assert {(one.detail["owner"], one.detail["use"]) for one in found} >= {(POLICE.name, CPA_ID)}
    assert len({one.target for one in found}) == len(found)


async def test_a_disk_that_fills_up_is_noticed(world: World) -> None:
    with_rule(world, Condition.DISK_LOW, 101)
    assert Condition.DISK_LOW in holding(world)


async def test_who_is_turned_away_is_one_line_however_often_it_knocks(world: World) -> None:
    async with world.stranger() as stranger:
        sent = await world.partner.send(world.sample, "vtMelding")
        octets = world.partner.sent(sent.message_id)
        for _ in range(3):
            async with stranger.post(
                world.url,
                data=octets.body,
                headers={"Content-Type": octets.content_type, "SOAPAction": '"ebXML"'},
            ) as answer:
                assert answer.status in (200, 500)
    found = holding(world)[Condition.TURNED_AWAY]
    assert (found.detail["count"], found.detail["code"], found.detail["cpa"]) == (
        "3",
        "SecurityFailure",
        CPA_ID,
    )
    world.clock.forward(hours=25)
    assert Condition.TURNED_AWAY not in holding(world)


async def test_a_stranger_cannot_fill_the_store_by_naming_agreements(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "MOST", 5)
    now, store = world.clock.now, world.bridge.store
    for number in range(20):
        knock = TurnedAway(
            oin="1", code="c", cpa_id=f"cpa{number}", count=1, first_at=now, last_at=now, message_id="m"
        )
        store.write_sync(lambda tx, knock=knock: note_turned_away(tx, knock))
    lines = store.read_sync(lambda tx: turned_away_since(tx, now - START))
    assert len(lines) <= 6
    assert sum(line.count for line in lines) == 20


async def test_a_journal_that_was_changed_outside_the_bridge_is_noticed(world: World) -> None:
    await world.bridge.store.write(lambda tx: start_sealing(tx, world.bridge))
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    await world.work(seconds=120)
    await world.bridge.store.write(lambda tx: start_verifying(tx, world.bridge))
    await world.work(seconds=1)
    assert Condition.JOURNAL_BROKEN not in holding(world)
    step: Any = tables.step
    world.bridge.store.write_sync(lambda tx: tx.execute(step.update().where(step.c.seq == 1).values(by="x")))
    await world.bridge.store.write(lambda tx: start_watching(tx, world.bridge))
    await world.work(hours=25)
    assert holding(world)[Condition.JOURNAL_BROKEN].detail == {"count": "1"}
