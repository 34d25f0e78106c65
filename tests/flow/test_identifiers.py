"""What a published event points to, and that it holds nothing about a person."""

from __future__ import annotations

import pytest

from bridge.store.access import find_head
from tests.flow.conftest import World
from tests.flow.hub_side import report


@pytest.mark.rule("SOH-128", "SOH-60")
async def test_the_inzage_url_of_an_event_is_base_type_and_identifier_of_a_resource(world: World) -> None:
    await report(world)
    await world.work(seconds=60)
    (offer,) = world.hub.events
    (entity,) = [node for node in offer.event["data"]["@graph"] if "soh:inzageUrl" in node]
    base, kind, id = entity["soh:inzageUrl"].rsplit("/", 2)
    assert base == world.bridge.settings.inzage.base_url
    assert entity["@id"] == f"urn:{kind}:{id}"
    assert world.bridge.store.read_sync(lambda tx: find_head(tx, kind, id)) is not None
    assert "999990342" not in entity["soh:inzageUrl"]
