"""Flow 4, first half: everything the hub has comes in once, in order, and nothing that is broken stops the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Settings
from bridge.demo import HUB
from bridge.flow.mend import Actor, CannotMend, release
from bridge.flow.offered import Taken, offer
from bridge.hub.event import STRUCTURED
from bridge.ids import Oin
from bridge.pki import Pki
from bridge.simulate import FaultKind, Where
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.jobs import JobFilter, list_jobs
from bridge.store.rows import Direction, EventState, ExchangeState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.hub_side import POLL, TAKEN_UP, begin, body_of, pull, report, taken_up

HEADERS = (("Content-Type", STRUCTURED),)


@pytest.fixture
async def world(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    """A partner that subscribes to nothing, so that an event comes to rest as soon as it was looked at."""
    async with open_world(tmp_path, pki, clock, events=()) as opened:
        yield opened


def ids(world: World) -> list[str]:
    return [event.id for event in world.events()]


async def pull_all_types(world: World, *events: dict[str, Any]) -> None:
    hub = world.bridge.settings.hub
    pulling = hub.pull.model_copy(update={"types": ("*",)})
    world.bridge.settings = world.bridge.settings.model_copy(
        update={"hub": hub.model_copy(update={"pull": pulling})}
    )
    await pull(world, *events)


def cursor(world: World) -> str | None:
    return world.bridge.store.read_sync(lambda tx: get_cursor(tx, "hub.cursor"))


@pytest.mark.rule("SOH-79", "SOH-80")
async def test_a_query_is_posted_once_and_asked_for_until_the_events_are_there(world: World) -> None:
    event = taken_up()
    world.hub.publish(event)
    world.hub.conduct.query_in_progress = 2
    await begin(world)
    await world.work()
    assert world.events() == ()
    for _ in range(4):
        await world.work(seconds=1)
    assert ids(world) == [event["id"]]
    query, *_ = world.hub._queries.values()
    assert query.fetched == 3


@pytest.mark.rule("SOH-79", "SOH-82")
async def test_the_request_under_way_is_in_the_store_and_taken_up_again(world: World) -> None:
    event = taken_up()
    world.hub.publish(event)
    world.hub.conduct.query_in_progress = 1
    await begin(world)
    await world.work()
    kept = world.bridge.store.read_sync(lambda tx: get_cursor(tx, "hub.request"))
    assert kept is not None
    assert kept.split(" ")[1] in world.hub._queries
    await world.work(seconds=1)
    await world.work(seconds=1)
    assert ids(world) == [event["id"]]
    assert len(world.hub._queries) == 1


@pytest.mark.rule("SOH-82")
async def test_the_next_query_goes_on_where_the_former_one_ended(world: World) -> None:
    one, other = taken_up("A-1"), taken_up("A-2")
    await pull(world, one)
    assert cursor(world) == "1"
    await pull(world, other)
    assert ids(world) == [one["id"], other["id"]]
    assert [query.asked.get("cursor") for query in world.hub._queries.values()] == [None, "1"]


@pytest.mark.rule("SOH-36", "SOH-82")
async def test_events_that_are_asked_again_are_there_once(world: World) -> None:
    one, other = taken_up("A-1"), taken_up("A-2")
    await pull(world, one)
    await world.bridge.store.write(lambda tx: set_cursor(tx, "hub.cursor", "", world.bridge.now()))
    await pull(world, other)
    assert ids(world) == [one["id"], other["id"]]
    assert len(world.exchanges()) == 2


@pytest.mark.rule("SOH-80")
async def test_a_hub_without_cursors_is_asked_from_the_former_query_minus_the_overlap(world: World) -> None:
    await pull(world, taken_up())
    asked_at = world.bridge.now()
    await world.bridge.store.write(lambda tx: set_cursor(tx, "hub.cursor", "", world.bridge.now()))
    await pull(world)
    since = list(world.hub._queries.values())[-1].asked["vanaf"]
    overlap = timedelta(seconds=world.bridge.settings.hub.pull.overlap_seconds + POLL + 5)
    assert (asked_at - overlap).strftime("%Y-%m-%dT%H:%M") <= since < asked_at.isoformat()


@pytest.mark.rule("SOH-84")
async def test_an_empty_batch_changes_nothing(world: World) -> None:
    await pull(world)
    assert world.events() == ()
    assert world.exchanges() == ()
    (job,) = world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="pull")))
    assert job.due > world.bridge.now() - timedelta(seconds=POLL)


async def test_more_than_one_answer_holds_is_fetched_at_once(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    def at_most_two(settings: Settings) -> Settings:
        pulling = settings.hub.pull.model_copy(update={"max_events": 2})
        return settings.model_copy(update={"hub": settings.hub.model_copy(update={"pull": pulling})})

    async with open_world(tmp_path, pki, clock, events=(), settings_change=at_most_two) as world:
        events = [taken_up(f"A-{number}", minutes=number) for number in range(5)]
        for event in events:
            world.hub.publish(event)
        await begin(world)
        for _ in range(6):
            await world.work(seconds=1)
        assert ids(world) == [event["id"] for event in events]


@pytest.mark.rule("SOH-83")
async def test_a_broken_event_is_set_aside_with_its_reason_and_the_others_go_on(world: World) -> None:
    good = [taken_up(f"A-{number}", minutes=number) for number in range(4)]
    broken = taken_up("A-9", specversion="0.3")
    await pull(world, *good[:2], broken, *good[2:])
    by_state = {state: [e.id for e in world.events() if e.state is state] for state in EventState}
    assert by_state[EventState.UNMATCHED] == [event["id"] for event in good]
    (aside,) = [event for event in world.events() if event.state is EventState.QUARANTINED]
    assert "SOH-01" in (aside.reason or "")
    assert broken["id"].encode() in aside.body
    assert cursor(world) == "5"
    assert [e.state for e in world.exchanges()].count(ExchangeState.ATTENTION) == 1


@pytest.mark.rule("SOH-83")
async def test_a_broken_event_that_comes_again_is_set_aside_once(world: World) -> None:
    await pull(world, taken_up(specversion="0.3"))
    await world.bridge.store.write(lambda tx: set_cursor(tx, "hub.cursor", "", world.bridge.now()))
    await pull(world)
    assert [event.state for event in world.events()] == [EventState.QUARANTINED]


@pytest.mark.rule("SOH-12")
async def test_an_unlisted_type_is_kept_and_delivered_to_nobody(world: World) -> None:
    event = taken_up(type="uitwisselen-melding.iets-onbekends")
    await pull_all_types(world, event)
    assert cursor(world) == "1"
    assert [event.state for event in world.events()] == [EventState.UNMATCHED]
    assert world.messages(direction=Direction.OUT) == ()


@pytest.mark.rule("SOH-43")
async def test_an_event_past_its_expiry_makes_no_message_and_is_shown_as_expired(world: World) -> None:
    await pull(world, taken_up(expirytime="2026-11-20T10:00:00Z"))
    assert [event.state for event in world.events()] == [EventState.EXPIRED]
    assert "event.expired" in world.what_happened()
    assert world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="compose"))) == ()


@pytest.mark.rule("SOH-36")
async def test_an_event_of_our_own_that_comes_back_is_nothing_new(world: World) -> None:
    await report(world)
    await world.work(seconds=300)
    (own,) = world.events()
    world.hub.publish(dict(world.hub.events[0].event) | {"type": TAKEN_UP})
    await pull(world)
    assert cursor(world) == "2"
    assert ids(world) == [own.id]
    assert [exchange.title for exchange in world.exchanges()] == ["vtMelding"]


@pytest.mark.rule("SOH-36")
@pytest.mark.parametrize("pushed_first", [True, False])
async def test_pull_and_webhook_together_give_no_doubles(world: World, pushed_first: bool) -> None:
    event = taken_up()

    async def push() -> Any:
        body = body_of(event)
        return await offer(world.bridge, oin=Oin(HUB.oin), any_source=True, headers=HEADERS, body=body)

    if pushed_first:
        taken = await push()
        await pull(world, event)
    else:
        await pull(world, event)
        taken = await push()
        await world.work()
    assert taken == Taken(interactie_id=event["id"], is_new=pushed_first)
    assert ids(world) == [event["id"]]
    assert len(world.exchanges()) == 1


@pytest.mark.rule("SOH-41")
async def test_events_of_one_answer_are_taken_in_order_of_time_and_sequence(world: World) -> None:
    late, early = taken_up("A-1", minutes=9), taken_up("A-2", minutes=1)
    second, first = (taken_up(f"A-{number}", minutes=5, sequence=f"00{number}") for number in (4, 3))
    await pull(world, late, second, early, first)
    assert ids(world) == [early["id"], first["id"], second["id"], late["id"]]


@pytest.mark.rule("SOH-80")
async def test_a_query_that_the_hub_forgot_is_posted_anew_from_the_same_place(world: World) -> None:
    event = taken_up()
    world.hub.publish(event)
    world.hub.conduct.query_in_progress = 1
    await begin(world)
    await world.work()
    world.hub._queries.clear()
    world.hub.conduct.query_in_progress = 0
    for _ in range(3):
        await world.work(seconds=2)
    assert ids(world) == [event["id"]]


@pytest.mark.parametrize("status", [500, 503, 429])
@pytest.mark.rule("SOH-76", "SOH-165")
async def test_a_hub_that_fails_is_asked_again_and_the_place_does_not_move(world: World, status: int) -> None:
    event = taken_up()
    world.hub.fail(FaultKind.STATUS, where=Where.QUERIES, status=status, times=2)
    await pull(world, event)
    assert world.events() == ()
    assert not cursor(world)
    for _ in range(8):
        await world.work(seconds=60)
    assert ids(world) == [event["id"]]


async def test_garbage_for_an_answer_loses_nothing(world: World) -> None:
    event = taken_up()
    world.hub.fail(FaultKind.GARBAGE, where=Where.QUERIES, times=3)
    await pull(world, event)
    assert world.events() == ()
    for _ in range(8):
        await world.work(seconds=60)
    assert ids(world) == [event["id"]]


@pytest.mark.rule("SOH-36", "SOH-82")
async def test_an_answer_that_is_lost_on_the_way_is_fetched_again_without_doubles(world: World) -> None:
    events = [taken_up("A-1"), taken_up("A-2", minutes=1)]
    world.hub.fail(FaultKind.LOST, where=Where.QUERIES, times=1)
    await pull(world, *events)
    for _ in range(4):
        await world.work(seconds=60)
    assert ids(world) == [event["id"] for event in events]


async def test_nothing_is_pulled_when_no_types_are_asked_for(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    def nothing(settings: Settings) -> Settings:
        pulling = settings.hub.pull.model_copy(update={"types": ()})
        return settings.model_copy(update={"hub": settings.hub.model_copy(update={"pull": pulling})})

    async with open_world(tmp_path, pki, clock, events=(), settings_change=nothing) as world:
        await pull(world, taken_up())
        assert world.hub._queries == {}


async def test_the_bsn_of_an_event_that_is_set_aside_is_told_nowhere(world: World) -> None:
    await pull(world, taken_up(subject="melding/999990342", specversion="0.3"))
    told = str([dict(step.detail) for step in world.steps()]) + str([e.reason for e in world.exchanges()])
    assert len(world.exchanges()) == 1
    assert "999990342" not in told


@pytest.mark.rule("SOH-161")
@pytest.mark.parametrize("mark", [True, "true"])
@pytest.mark.parametrize("production", [True, False])
async def test_marked_test_traffic_is_set_aside_in_production(
    world: World, mark: object, production: bool
) -> None:
    world.bridge.settings = world.bridge.settings.model_copy(update={"production": production})
    await pull(world, taken_up(testverkeer=mark))
    (event,) = world.events()
    assert event.state is (EventState.QUARANTINED if production else EventState.UNMATCHED)
    assert ("SOH-161" in (event.reason or "")) is production


async def test_another_event_under_a_used_id_is_neither_lost_nor_sent_on(world: World) -> None:
    """It falls away on (source, id) like a repeat, and may be about another child: a person must look."""
    first = taken_up("A-1")
    other = taken_up("A-2", id=str(first["id"]))
    await pull(world, first)
    await pull(world, other)
    await pull(world, other)
    kept, held = world.events()
    assert (kept.id, kept.subject) == (first["id"], "melding/A-1")
    assert (held.state, b"melding/A-2" in held.body) == (EventState.QUARANTINED, True)
    assert [exchange.state for exchange in world.exchanges()][1:] == [ExchangeState.ATTENTION]
    with pytest.raises(CannotMend):
        await release(world.bridge, held.key, dry_run=False, by=Actor(name="test"), reason="as it is")


async def test_the_same_event_traced_anew_is_a_repeat(world: World) -> None:
    first = taken_up("A-1")
    await pull(world, first)
    await pull(world, {**first, "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    assert len(world.events()) == 1
