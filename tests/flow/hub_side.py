"""Events of other organisations, as the hub streams them and as a migrated party offers them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.demo import HUB
from bridge.flow.pull import start_pulling
from bridge.simulate.settings import VeiligThuis
from bridge.simulate.veilig_thuis import TAKEN_UP, make_taken_up
from tests.flow.conftest import World

SAFE_HOME = VeiligThuis(oin=HUB.oin, name="Veilig Thuis Elders")
CORRELATION = "5d0a8d5e-62a3-4ee0-8e0a-0f39a7a0d2a1"
MOMENT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
POLL = 31.0
"""Longer than the time between two queries and than any wait that the hub asks for."""


def taken_up(
    number: str = "BVH-2026-000042", *, minutes: float = 0, id: str | None = None, **changes: Any
) -> dict[str, Any]:
    """`melding-opgepakt` of a migrated organisation; a change to None takes an attribute away."""
    cause = {
        "subject": f"melding/{number}",
        "id": str(uuid.uuid4()),
        "correlationid": CORRELATION,
        "data": {"@graph": [{"@id": f"urn:melding:{uuid.uuid4()}", "@type": ["prov:Entity", "soh:Melding"]}]},
    }
    event = make_taken_up(
        cause,
        SAFE_HOME,
        event_id=id or str(uuid.uuid4()),
        activity_id=f"urn:uuid:{uuid.uuid4()}",
        now=MOMENT + timedelta(minutes=minutes),
    )
    return {name: value for name, value in {**event, **changes}.items() if value is not None}


async def begin(world: World) -> None:
    """Plant the job that pulls, as `bridge serve` does."""
    await world.bridge.store.write(lambda tx: start_pulling(tx, world.bridge))


async def pull(world: World, *events: Mapping[str, Any]) -> None:
    """Put events into the hub's stream and let one whole query go by."""
    for event in events:
        world.hub.publish(event)
    await begin(world)
    await world.work(seconds=POLL)
    await world.work(seconds=5)


async def report(world: World, number: str = "BVH-2026-000042") -> None:
    """The police report something over ebMS."""
    payload = world.sample.replace(b"BVH-2026-000042", number.encode())
    assert (await world.partner.send(payload, "vtMelding")).status == 204
    await world.work()


def body_of(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode()


__all__ = ["TAKEN_UP"]
