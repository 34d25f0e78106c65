"""Subscriptions of a partner: by type and by the filter dialects of CloudEvents Subscriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.config import load_settings
from bridge.demo import HUB, write_settings
from bridge.errors import ConfigError
from bridge.pki import Pki
from bridge.store.rows import Direction, EventState
from tests.conftest import Clock
from tests.flow.conftest import open_world
from tests.flow.hub_side import TAKEN_UP, pull, report, taken_up

SOURCE = f"urn:nld:oin:{HUB.oin}:systeem:dossier"


@pytest.mark.parametrize(
    ("events", "filter", "expected"),
    [
        ((TAKEN_UP,), {"exact": {"source": SOURCE}}, EventState.COMPOSED),
        ((TAKEN_UP,), {"exact": {"source": "urn:nld:oin:1"}}, EventState.UNMATCHED),
        ((TAKEN_UP,), {"not": {"prefix": {"subject": "melding/"}}}, EventState.UNMATCHED),
        (("uitwisselen-melding.*",), {"prefix": {"subject": "melding/"}}, EventState.COMPOSED),
        ((), {"suffix": {"type": ".melding-opgepakt"}}, EventState.COMPOSED),
        ((), {"suffix": {"type": ".melding-ingezien"}}, EventState.UNMATCHED),
        ((TAKEN_UP,), ({"exact": {"source": SOURCE}}, {"exact": {"type": "x.y"}}), EventState.UNMATCHED),
        (
            (TAKEN_UP,),
            {"any": [{"exact": {"type": "x.y"}}, {"exact": {"source": SOURCE}}]},
            EventState.COMPOSED,
        ),
        (("uitwisselen-melding.anders",), {"exact": {"source": SOURCE}}, EventState.UNMATCHED),
    ],
)
async def test_an_event_is_for_a_partner_when_type_and_filter_both_say_so(
    tmp_path: Path, pki: Pki, clock: Clock, events: tuple[str, ...], filter: Any, expected: EventState
) -> None:
    async with open_world(tmp_path, pki, clock, events=events, filter=filter) as world:
        await report(world)
        await pull(world, taken_up())
        assert [e.state for e in world.events() if e.direction is Direction.IN] == [expected]


async def test_a_filter_does_not_open_the_subjects_of_others(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    """A filter narrows: an event about what this partner never reported stays away from it."""
    async with open_world(tmp_path, pki, clock, events=(), filter={"prefix": {"type": "u"}}) as world:
        await pull(world, taken_up("VAN-EEN-ANDER-1"))
        assert [event.state for event in world.events()] == [EventState.UNMATCHED]
        assert world.messages(direction=Direction.OUT) == ()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('{ exact = { Type = "x" } }', "name of an attribute"),
        ('{ sql = "1 = 1" }', "no known dialect"),
        ('[{ exact = { type = "" } }, { any = [] }]', "at least one filter"),
    ],
)
def test_a_filter_that_cannot_be_read_stops_the_start_with_its_place(
    tmp_path: Path, pki: Pki, written: str, told: str
) -> None:
    config = write_settings(tmp_path, pki, partner_url="https://localhost:1", hub_url="https://localhost:2")
    config.write_text(config.read_text(encoding="utf-8") + f"filter = {written}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=told) as refused:
        load_settings(config, environment={})
    assert "partners.0.filter" in str(refused.value)


def test_a_good_filter_is_kept_as_it_was_written(tmp_path: Path, pki: Pki) -> None:
    config = write_settings(tmp_path, pki, partner_url="https://localhost:1", hub_url="https://localhost:2")
    text = config.read_text(encoding="utf-8") + 'filter = [{ prefix = { source = "urn:nld:oin:" } }]\n'
    config.write_text(text, encoding="utf-8")
    (partner,) = load_settings(config, environment={}).partners
    assert partner.filter == ({"prefix": {"source": "urn:nld:oin:"}},)
