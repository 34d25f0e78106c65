"""Trying a file out gives what the service makes of it; only ids, keys and clock differ."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from bridge.flow.try_out import Events, Message, Refused, Trial, try_event, try_message
from bridge.hub.event import write_structured
from tests.flow.conftest import World

POLICE = {"oin": "00000001999990032000", "naam": "Politie", "systeem": "bvh"}
SAFE_AT_HOME = {"oin": "00000001999990044000", "naam": "Veilig Thuis", "systeem": "vt-registratie"}


def trial(world: World, **changes: object) -> Trial:
    parties = {"sender": POLICE, "receiver": SAFE_AT_HOME}
    return Trial(mappings=world.bridge.mappings, **{**parties, **changes})  # type: ignore[arg-type]


async def test_trial_gives_the_facts_that_the_service_gives(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work(seconds=1)
    (live,) = world.events()
    tried = try_message(trial(world), world.sample)
    assert isinstance(tried, Events)
    (event,) = tried.events
    assert (event.type, event.subject, event.time) == (live.type, live.subject, live.time)
    body = json.loads(live.body)["data"]
    mine = tried.events[0].data
    assert isinstance(mine, dict)
    assert [node["@type"] for node in mine["@graph"]] == [node["@type"] for node in body["@graph"]]  # type: ignore[index,union-attr]
    assert {key: value for key, value in mine.items() if key[0] != "@"} == {
        key: value for key, value in body.items() if key[0] != "@"
    }


async def test_trial_keeps_the_mapping_that_the_service_takes(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work(seconds=1)
    tried = try_message(trial(world), world.sample)
    assert isinstance(tried, Events)
    assert [m.mapping for m in world.messages() if m.mapping] == [tried.mapping]


async def test_action_decides_which_of_several_mappings_composes(world: World) -> None:
    tried = try_message(trial(world), world.sample)
    assert isinstance(tried, Events) and tried.mapped.resource is not None
    event = write_structured(tried.events[0])
    made = try_event(trial(world, action="vtMelding"), event, resource=tried.mapped.resource.body)
    assert isinstance(made, Message)
    assert made.composed.action == "vtMelding"
    other = try_event(trial(world, action="onbekend"), event, resource=tried.mapped.resource.body)
    assert isinstance(other, Refused)


async def test_given_moment_is_the_moment_of_recording(world: World) -> None:
    moment = datetime(2026, 11, 23, 10, tzinfo=UTC)
    tried = try_message(trial(world, now=moment), world.sample)
    assert isinstance(tried, Events)
    assert tried.events[0].attributes["recordedtime"] == "2026-11-23T10:00:00.000Z"
