"""Offered events: kept before they are accepted, told the same from another, followed by whoever offered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.demo import POLICE
from bridge.errors import EventRejected
from bridge.flow.bridge import Bridge
from bridge.flow.offered import InProgress, NotYours, Taken, follow, is_same, offer, oin_of_source
from bridge.hub.event import STRUCTURED, write_binary
from bridge.hub.reader import read_http, read_structured
from bridge.ids import Oin
from bridge.store.access import find_interaction
from bridge.store.events import find_event
from bridge.store.unit import Store
from tests.conftest import Clock
from tests.web.api.conftest import events, make_settings, open_bridge

SENDER = Oin(POLICE.oin)
HEADERS = (("Content-Type", STRUCTURED),)
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7f0c1d3a-52f4-4b55-8a1f-0f6f1f3a1b11",
    "source": f"urn:nld:oin:{POLICE.oin}:systeem:bvh",
    "type": "beheer.contactpunt-gewijzigd",
    "time": "2026-11-23T20:53:27Z",
    "data": {"aantal": 1},
}


@pytest.fixture
async def bridge(tmp_path: Path, clock: Clock) -> AsyncIterator[Bridge]:
    async with open_bridge(tmp_path, clock, make_settings(tmp_path)) as opened:
        yield opened


async def _offer(bridge: Bridge, members: dict[str, Any], *, any_source: bool = False) -> Any:
    body = json.dumps(members).encode()
    return await offer(bridge, oin=SENDER, any_source=any_source, headers=HEADERS, body=body)


@pytest.mark.rule("SOH-95")
async def test_what_was_accepted_is_on_disk(bridge: Bridge, tmp_path: Path) -> None:
    taken = await _offer(bridge, EVENT)

    with Store.open(f"sqlite:///{tmp_path / 'bridge.sqlite3'}") as other:
        stored = other.read_sync(lambda tx: find_event(tx, EVENT["source"], EVENT["id"]))
        interaction = other.read_sync(lambda tx: find_interaction(tx, SENDER, EVENT["id"]))
    assert taken == Taken(interactie_id=EVENT["id"], is_new=True)
    assert stored is not None
    assert interaction is not None
    assert interaction.event == stored.key


async def test_a_duplicate_is_taken_and_told_to_be_one(bridge: Bridge) -> None:
    await _offer(bridge, EVENT)

    assert await _offer(bridge, EVENT) == Taken(interactie_id=EVENT["id"], is_new=False)
    assert len(events(bridge)) == 1


async def test_only_who_may_pass_on_events_of_others_offers_another_source(bridge: Bridge) -> None:
    other = EVENT | {"source": "urn:nld:oin:00000009999990032000:systeem:x"}

    assert await _offer(bridge, other) == NotYours()
    assert isinstance(await _offer(bridge, other, any_source=True), Taken)


async def test_a_broken_event_is_refused_and_not_kept(bridge: Bridge) -> None:
    with pytest.raises(EventRejected):
        await _offer(bridge, EVENT | {"type": "x"})

    assert events(bridge) == ()


async def test_an_offered_event_is_in_progress_and_only_for_its_sender(bridge: Bridge) -> None:
    await _offer(bridge, EVENT)

    assert await follow(bridge, oin=SENDER, interactie_id=EVENT["id"]) == InProgress()
    assert await follow(bridge, oin=Oin("0" * 20), interactie_id=EVENT["id"]) is None


@pytest.mark.parametrize(
    ("source", "oin"),
    [
        (EVENT["source"], POLICE.oin),
        (f"urn:nld:oin:{POLICE.oin}", POLICE.oin),
        ("urn:nld:kvk:1", None),
        ("https://x/urn:nld:oin:1", None),
    ],
)
def test_the_oin_of_a_source(source: str, oin: str | None) -> None:
    assert oin_of_source(source) == oin


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"aantal": True}},
        {"data": {"aantal": "1"}},
        {"subject": "x"},
        {"time": "2026-11-23T20:53:28Z"},
    ],
)
def test_another_value_makes_another_event(change: dict[str, Any]) -> None:
    one, other = (read_structured(json.dumps(m).encode()) for m in (EVENT, EVENT | change))

    assert not is_same(one, other)


@given(st.permutations(list(EVENT)), st.integers(0, 9), st.booleans())
def test_order_and_mode_make_no_other_event(order: list[str], number: int, flag: bool) -> None:
    members = EVENT | {"volgnummer": number, "vlag": flag}
    one = read_structured(json.dumps(members).encode())
    shuffled = {name: members[name] for name in [*order, "vlag", "volgnummer"]}
    headers, body = write_binary(one)

    assert is_same(one, read_structured(json.dumps(shuffled).encode()))
    assert is_same(one, read_http(headers, body))
