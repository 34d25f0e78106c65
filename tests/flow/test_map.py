"""Flow 2: what a relay message becomes, and what happens to one that cannot be mapped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from bridge.flow.order import MAP
from bridge.hub.event import write_time
from bridge.hub.profile import Mode, check_event
from bridge.hub.reader import read_structured
from bridge.mapping.load import MappingSet
from bridge.store import tables
from bridge.store.jobs import claim_jobs
from bridge.store.resources import find_resource
from bridge.store.rows import ExchangeState, MessageState
from tests.flow.conftest import World


@pytest.mark.rule("SOH-16", "SOH-22", "SOH-62")
async def test_a_report_becomes_one_event_and_a_resource_that_stays_behind(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    [row] = world.events()
    event = read_structured(row.body)
    assert event.type == "uitwisselen-melding.melding-geregistreerd"
    assert event.subject == "melding/BVH-2026-000042"
    assert event.attributes["time"] == "2026-11-20T20:30:15Z"
    assert check_event(event, Mode.PUBLISH, profile=world.bridge.profile) == ()
    entity = next(n for n in event.data["@graph"] if "soh:Melding" in n["@type"])  # type: ignore[index,call-overload]
    identifier = entity["@id"].rsplit(":", 1)[1]
    kept = world.bridge.store.read_sync(lambda tx: find_resource(tx, "melding", identifier))
    assert kept is not None
    assert "buren" in kept.body.lower()
    assert "buren" not in row.body.decode().lower()


@pytest.mark.rule("SOH-17")
@pytest.mark.parametrize("is_kept", [True, False])
async def test_without_a_moment_in_the_content_the_message_says_when(world: World, is_kept: bool) -> None:
    programs = [
        replace(one, events=tuple(replace(event, times=()) for event in one.events))
        for one in world.bridge.mappings.programs
    ]
    world.bridge.mappings = MappingSet(programs=tuple(programs), sha="without moments")
    await world.partner.send(world.sample, "vtMelding")
    [message] = world.messages()
    assert message.timestamp is not None
    if not is_kept:
        forget = update(tables.message).values(timestamp=None)
        world.bridge.store.write_sync(lambda tx: tx.execute(forget))

    await world.work()

    [row] = world.events()
    moment = message.timestamp if is_kept else message.at
    assert read_structured(row.body).attributes["time"] == write_time(moment)
    [step] = [one for one in world.steps() if one.what == "message.mapped"]
    named = "the Timestamp of the message" if is_kept else "the moment of receipt"
    assert step.detail["time_from"] == named
    assert "recordedtime" in read_structured(row.body).attributes


@pytest.mark.rule("SOH-44")
async def test_with_information_levels_there_is_an_event_for_each(world: World) -> None:
    settings = world.bridge.settings
    hub = settings.hub.model_copy(update={"information_levels": True})
    world.bridge.settings = settings.model_copy(update={"hub": hub})
    await world.partner.send(world.sample, "vtMelding")
    await world.work()

    rows = world.events()
    made = [read_structured(row.body) for row in rows]
    assert {row.level for row in rows} == {"notification", "restricted", "full"}
    assert [event.attributes["informatieniveau"] for event in made] == [row.level for row in rows]
    assert len({event.id for event in made}) == 3
    assert len({event.attributes["correlationid"] for event in made}) == 1
    graphs = [json.loads(row.body)["data"]["@graph"] for row in rows]
    activities = {n["@id"] for graph in graphs for n in graph if "prov:Activity" in n["@type"]}
    assert len(activities) == 1
    assert all(not check_event(event, Mode.PUBLISH, profile=world.bridge.profile) for event in made)


@pytest.mark.rule("SOH-41")
async def test_numbered_events_sort_as_text_in_the_order_of_making(world: World) -> None:
    settings = world.bridge.settings
    hub = settings.hub.model_copy(update={"sequence": True})
    world.bridge.settings = settings.model_copy(update={"hub": hub})
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    await world.partner.send(world.sample, "vtMelding")
    await world.work()

    numbers = [str(read_structured(row.body).attributes["sequence"]) for row in world.events()]
    more = [world.bridge.new_key() for _ in range(1000)]
    assert [*numbers, *more] == sorted({*numbers, *more})
    assert all(
        not check_event(read_structured(r.body), Mode.PUBLISH, profile=world.bridge.profile)
        for r in world.events()
    )


@pytest.mark.rule("SOH-51", "SOH-59")
async def test_mapping_a_message_again_gives_the_same_identities(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    graphs = [json.loads(row.body)["data"]["@graph"] for row in world.events()]
    entities = [{n["@id"] for n in graph if "prov:Entity" in n["@type"]} for graph in graphs]
    assert entities[0] == entities[1]
    assert len({row.id for row in world.events()}) == 2


@pytest.mark.rule("SOH-07")
async def test_the_source_of_an_event_names_the_partner_and_its_system(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    [row] = world.events()
    assert row.source == "urn:nld:oin:00000001999990032000:systeem:bureau-app"


async def test_a_message_that_no_mapping_takes_waits_whole_with_its_reason(world: World) -> None:
    result = await world.partner.send(b"<onbekend/>", "vtMelding")
    await world.work()
    [message] = world.messages()
    assert message.state is MessageState.PARKED
    assert message.reason == ("no mapping takes onbekend of service jeugd:meldingen:1.0, action vtMelding")
    assert world.exchanges()[0].state is ExchangeState.ATTENTION
    assert (await world.partner.acknowledged(result.message_id, 5)).header.action == "Acknowledgment"


async def test_a_report_of_ten_megabytes_is_mapped_as_any_other(world: World) -> None:
    story = b"Verzonnen verhaal. " * 540_000
    payload = re.sub(
        rb"(omschrijvingIncident[^>]*>)[^<]*<", lambda found: found[1] + story + b"<", world.sample, count=1
    )
    assert len(payload) > 10_000_000
    await world.partner.send(payload, "vtMelding")
    await world.work()
    assert [message.state for message in world.messages()] == [MessageState.MAPPED]
    assert len(world.events()) == 1


@pytest.mark.parametrize("payload", [b"this is no xml", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
async def test_a_payload_that_is_no_xml_waits_and_leaks_nothing(world: World, payload: bytes) -> None:
    await world.partner.send(payload, "vtMelding")
    await world.work()
    [message] = world.messages()
    assert message.state is MessageState.PARKED
    assert message.reason is not None
    assert message.reason.startswith("the payload is not readable XML")


async def test_the_message_keeps_the_version_of_the_mapping_that_handled_it(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    [message] = world.messages()
    program = world.bridge.mappings.named("vt-melding")
    assert program is not None
    assert message.mapping == f"vt-melding@{program.version}"


@pytest.mark.rule("SOH-11")
async def test_an_event_that_breaks_the_profile_is_not_offered(world: World) -> None:
    world.bridge.profile = replace(world.bridge.profile, types=())
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    assert world.events() == ()
    [message] = world.messages()
    assert message.reason is not None
    assert "SOH-11" in message.reason


async def test_without_any_mapping_nothing_is_lost(world: World) -> None:
    world.bridge.mappings = MappingSet(programs=(), sha="")
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    assert [message.state for message in world.messages()] == [MessageState.PARKED]


# --- the order of mapping


def about(world: World, number: str) -> bytes:
    return world.sample.replace(b"BVH-2026-000042", number.encode())


def die_with_the_first_job(world: World) -> timedelta:
    """Another process takes the oldest map job and is killed; gives how long it holds it still."""
    lease, now = world.bridge.settings.worker.lease, world.clock.now
    (job,) = world.bridge.store.write_sync(
        lambda tx: claim_jobs(tx, now=now, worker="killed", lease=lease, limit=1, kinds=(MAP,))
    )
    assert job.attempts == 1
    return lease


@pytest.mark.rule("SOH-36")
@pytest.mark.parametrize("size", [0, 2_000_000])
async def test_a_report_is_mapped_after_an_interrupted_one_of_its_sender_about_the_same(
    world: World, size: int
) -> None:
    payload = about(world, "B-1") + b"<!--" + b"x" * size + b"-->"
    await world.partner.send(payload, "vtMelding", conversation_id="first")
    lease = die_with_the_first_job(world)
    await world.partner.send(about(world, "B-1"), "vtMelding", conversation_id="second")
    await world.partner.send(about(world, "B-2"), "vtMelding", conversation_id="other")
    await world.work()
    assert [event.subject for event in world.events()] == ["melding/B-2"]
    await world.work(seconds=lease.total_seconds())
    conversations = {message.exchange: message.conversation_id for message in world.messages()}
    assert [conversations[event.exchange] for event in world.events()] == ["other", "first", "second"]


async def test_a_payload_that_shows_no_subject_is_received_and_waits_for_nobody(world: World) -> None:
    await world.partner.send(about(world, "B-1"), "vtMelding")
    die_with_the_first_job(world)
    for payload in (b"<no", b"<unknown/>", b"x"):
        assert (await world.partner.send(payload, "vtMelding")).status == 204
    await world.work()
    assert [m.state for m in world.messages()] == [MessageState.RECEIVED, *[MessageState.PARKED] * 3]
