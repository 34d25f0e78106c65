"""Flow 3 against a hub that fails in every way: nothing is lost, doubled or out of order, and the operator sees why."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from bridge.simulate import FaultKind, Where
from bridge.store import tables
from bridge.store.rows import EventState, ExchangeState
from bridge.store.timeline import told_of
from tests.flow.conftest import World

LONG = 3600.0
STEP = 240.0


async def report(world: World, number: str = "BVH-2026-000042") -> None:
    """Let the police send one report."""
    payload = world.sample.replace(b"BVH-2026-000042", number.encode()).replace(
        b"000042<", number.encode() + b"<"
    )
    result = await world.partner.send(payload, "vtMelding")
    assert result.status == 204


async def settle(world: World, seconds: float = LONG) -> None:
    """Let so much time go by, a minute at a time."""
    for _ in range(int(seconds / STEP)):
        await world.work(seconds=STEP)


def states(world: World) -> list[EventState]:
    return [event.state for event in world.events()]


@pytest.mark.rule("SOH-67", "SOH-68", "SOH-95")
async def test_an_event_is_done_only_when_the_hub_says_ok(world: World) -> None:
    world.hub.conduct.never_ok = True
    await report(world)
    await settle(world, 600)
    assert states(world) == [EventState.OFFERED]
    assert [exchange.state for exchange in world.exchanges()] == [ExchangeState.RUNNING]
    world.hub.conduct.never_ok = False
    await settle(world, 600)
    assert states(world) == [EventState.OK]
    assert [exchange.state for exchange in world.exchanges()] == [ExchangeState.DONE]


@pytest.mark.rule("SOH-05")
async def test_a_lost_202_is_asked_for_and_never_offered_again(world: World) -> None:
    world.hub.fail(FaultKind.LOST, where=Where.EVENTS)
    await report(world)
    await settle(world)
    assert [(offer.count, offer.altered) for offer in world.hub.events] == [(1, 0)]
    assert states(world) == [EventState.OK]


@pytest.mark.rule("SOH-05", "SOH-76")
@pytest.mark.parametrize("status", [500, 502, 503])
async def test_after_a_server_error_the_status_is_asked_before_the_same_octets_go_again(
    world: World, status: int
) -> None:
    world.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=status, times=2)
    await report(world)
    await settle(world)
    assert [(offer.count, offer.altered) for offer in world.hub.events] == [(1, 0)]
    assert states(world) == [EventState.OK]


@pytest.mark.rule("SOH-76")
async def test_too_many_requests_waits_as_long_as_the_hub_asks(world: World) -> None:
    world.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=429, retry_after="120")
    await report(world)
    await world.work()
    await world.work(seconds=100)
    assert world.hub.events == []
    await settle(world, 1200)
    assert states(world) == [EventState.OK]


async def test_garbage_for_an_answer_is_no_answer(world: World) -> None:
    world.hub.fail(FaultKind.GARBAGE, where=Where.EVENTS)
    world.hub.fail(FaultKind.GARBAGE, where=Where.STATUS, times=3)
    await report(world)
    await settle(world)
    assert [offer.count for offer in world.hub.events] == [1]
    assert states(world) == [EventState.OK]


@pytest.mark.rule("SOH-69")
async def test_another_interactie_id_is_an_alarm_that_the_operator_sees(world: World) -> None:
    world.hub.fail(FaultKind.OTHER_ID, where=Where.EVENTS)
    await report(world)
    await world.work()
    accepted = next(step for step in world.steps() if step.what == "event.accepted")
    assert accepted.detail["interactie_id"] != accepted.detail["event_id"]
    assert accepted.detail["note"]


@pytest.mark.rule("SOH-73")
async def test_a_functional_error_goes_to_the_operator_and_is_not_offered_again(world: World) -> None:
    world.hub.reject("*", type_fout="FUNCTIONEEL", fout="onbekend soort melding")
    await report(world)
    await settle(world)
    assert [offer.count for offer in world.hub.events] == [1]
    assert states(world) == [EventState.ERROR]
    [exchange] = world.exchanges()
    assert exchange.state is ExchangeState.ATTENTION
    assert exchange.reason is not None
    assert "FUNCTIONEEL" in exchange.reason


QUOTED = "Jan Proefpersoon, Dorpsstraat 1, is geen bekende ontvanger"
"""What a sloppy hub says: words of the message."""


@pytest.mark.rule("SOH-73")
@pytest.mark.parametrize("kind", ["FUNCTIONEEL", "TECHNISCH"])
async def test_what_the_hub_says_of_an_error_is_kept_as_content_alone(
    world: World, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.hub.reject("*", type_fout=kind, fout=QUOTED, times=1)
    await report(world)
    await settle(world)
    assert words_of_peers(world) == [QUOTED]
    assert quoting(world) == ["told"]
    printed = capsys.readouterr()
    assert "Proefpersoon" not in printed.out + printed.err


@pytest.mark.rule("SOH-76")
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
async def test_what_the_hub_says_when_it_does_not_take_an_offer_is_kept_as_content_alone(
    world: World, status: int
) -> None:
    world.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=status, detail=QUOTED)
    await report(world)
    await world.work()
    assert words_of_peers(world) == [f"Storing; {QUOTED}"]
    assert quoting(world) == ["told"]
    assert any("status" in step.detail.get("reason", "") for step in world.steps())


def words_of_peers(world: World) -> list[str]:
    [exchange] = world.exchanges()
    return list(world.bridge.store.read_sync(lambda tx: told_of(tx, exchange.key)).values())


def quoting(world: World) -> list[str]:
    """The tables in which the words of the hub stand, in any column."""

    def work(tx: Connection) -> list[str]:
        return [
            table.name
            for table in tables.metadata.sorted_tables
            if any(
                "is geen bekende ontvanger" in str(value)
                for row in tx.execute(select(table))
                for value in row
            )
        ]

    return world.bridge.store.read_sync(work)


@pytest.mark.rule("SOH-04", "SOH-51", "SOH-74")
async def test_a_technical_error_is_offered_anew_as_the_same_fact_under_another_id(world: World) -> None:
    world.hub.reject("*", type_fout="TECHNISCH", times=2)
    await report(world)
    await settle(world)
    offers = world.hub.events
    assert len({offer.id for offer in offers}) == len(offers) == 3
    activities = {
        node["@id"]
        for offer in offers
        for node in offer.event["data"]["@graph"]
        if "prov:Activity" in node["@type"]
    }
    assert len(activities) == 1
    assert [offer.event.get("causationid") for offer in offers] == [None, offers[0].id, offers[1].id]
    assert [exchange.state for exchange in world.exchanges()] == [ExchangeState.DONE]


@pytest.mark.rule("SOH-77")
async def test_events_about_one_subject_wait_for_each_other_and_others_do_not(world: World) -> None:
    world.hub.conduct.never_ok = True
    await report(world, "A-1")
    await world.work()
    await report(world, "A-1")
    await report(world, "B-2")
    await settle(world, 600)
    assert [offer.event["subject"] for offer in world.hub.events] == ["melding/A-1", "melding/B-2"]
    world.hub.conduct.never_ok = False
    await settle(world)
    assert [offer.event["subject"] for offer in world.hub.events] == [
        "melding/A-1",
        "melding/B-2",
        "melding/A-1",
    ]
    assert states(world) == [EventState.OK] * 3


@pytest.mark.rule("SOH-77", "SOH-165")
async def test_a_hub_that_is_down_for_an_hour_gets_everything_afterwards_in_order(world: World) -> None:
    world.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=503, times=10_000)
    world.hub.fail(FaultKind.STATUS, where=Where.STATUS, status=503, times=10_000)
    for number in range(4):
        await report(world, f"C-{number % 2}")
    await settle(world)
    assert world.hub.events == []
    world.hub.conduct.faults.clear()
    await settle(world, 4 * LONG)
    subjects = [offer.event["subject"] for offer in world.hub.events]
    assert sorted(subjects) == ["melding/C-0", "melding/C-0", "melding/C-1", "melding/C-1"]
    assert [offer.count for offer in world.hub.events] == [1, 1, 1, 1]
    assert states(world) == [EventState.OK] * 4


@pytest.mark.rule("SOH-32")
async def test_no_bsn_stands_outside_the_data_of_an_event(world: World) -> None:
    await report(world)
    await settle(world, 600)
    [offer] = world.hub.events
    attributes = {name: value for name, value in offer.event.items() if name != "data"}
    assert "999990342" not in str(attributes)
    assert all("999990342" not in str(dict(step.detail)) for step in world.steps())
