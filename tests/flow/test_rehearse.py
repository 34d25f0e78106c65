"""What an event would become, tried out for the party that has it: nothing is kept, nothing goes further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import BRIDGE, HUB, POLICE
from bridge.flow.rehearse import Became, BecameNothing, Rehearsal, rehearse
from bridge.hub.profile import Mode, check_event
from bridge.hub.reader import read_structured
from bridge.ids import Oin
from bridge.pki import Pki
from tests.conftest import Clock
from tests.flow.conftest import World
from tests.flow.hub_side import body_of, report, taken_up
from tests.flow.test_compose import put, with_source


async def attempt(world: World, event: dict[str, Any], oin: str = HUB.oin) -> Rehearsal:
    return await rehearse(world.bridge, read_structured(body_of(event)), oin=Oin(oin))


@pytest.mark.rule("SOH-159")
async def test_an_event_is_shown_as_the_message_it_would_become_and_nothing_is_kept(world: World) -> None:
    outcome = await attempt(world, taken_up("PROEF-1"))

    assert isinstance(outcome.became, Became)
    assert outcome.became.payload is not None
    assert "PROEF-1" in outcome.became.payload
    assert outcome.looked_up.worked is None
    assert (world.events(), world.messages(), world.exchanges()) == ((), (), ())
    assert world.partner.received == []


async def test_the_outcome_is_the_same_whoever_reported_on_the_subject(world: World) -> None:
    before = (await attempt(world, taken_up())).became
    await report(world)
    after = (await attempt(world, taken_up())).became

    assert isinstance(before, Became)
    assert isinstance(after, Became)
    assert (before.mapping, before.action) == (after.mapping, after.action)


async def test_of_a_type_without_a_mapping_that_is_said(world: World) -> None:
    event = taken_up() | {"type": "beheer.contactpunt-gewijzigd", "data": {"mail": "a@example.nl"}}

    assert (await attempt(world, event)).became == BecameNothing(is_mapped=False)


@pytest.mark.rule("SOH-159", "SOH-161")
async def test_a_test_event_comes_back_that_production_sets_aside(world: World) -> None:
    event = taken_up()
    returned = (await attempt(world, event)).returned

    assert returned.attributes["causationid"] == event["id"]
    assert returned.attributes["correlationid"] == event["correlationid"]
    assert returned.attributes[world.bridge.settings.hub.test_mark] is True
    assert check_event(returned, Mode.PUBLISH, profile=world.bridge.profile) == ()


@pytest.mark.rule("SOH-159")
async def test_the_bridge_looks_up_at_the_party_itself_and_composes_from_that(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with with_source(tmp_path, pki, clock) as (world, source):
        outcome = await attempt(world, taken_up(dataref=put(source)))

        assert outcome.looked_up.worked is True
        assert source.lookups == [(BRIDGE.oin, "uitkomst-melding", "1", 200)]
        assert isinstance(outcome.became, Became)
        assert "Proefbesluit van de bron" in (outcome.became.payload or "")


@pytest.mark.rule("SOH-107")
async def test_nobody_makes_the_bridge_look_up_at_somebody_else(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with with_source(tmp_path, pki, clock) as (world, source):
        outcome = await attempt(world, taken_up(dataref=put(source)), oin=POLICE.oin)

        assert outcome.looked_up.worked is None
        assert source.lookups == []
        assert "Proefbesluit" not in json.dumps(repr(outcome.became))


async def test_a_source_that_refuses_is_told_with_its_status(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with with_source(tmp_path, pki, clock, readers=()) as (world, source):
        outcome = await attempt(world, taken_up(dataref=put(source)))

        assert outcome.looked_up.worked is False
        assert "status 403" in outcome.looked_up.status
