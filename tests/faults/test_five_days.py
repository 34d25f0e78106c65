"""Hub and partner are away for five days by a clock moved by hand, over real sockets; then everything arrives."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid5

import pytest

from bridge.demo import CPA_ID
from bridge.pki import Pki
from bridge.simulate import FaultKind, Where
from bridge.simulate.misconduct import Misconduct
from bridge.store.rows import ExchangeState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.hub_side import begin, taken_up

HOURS = 5 * 24
EVERYTHING = 1_000_000


def away(world: World) -> None:
    """Both answer 503 to everything."""
    for where in Where:
        world.hub.fail(FaultKind.STATUS, where=where, times=EVERYTHING, status=503)
    world.partner.misconduct = Misconduct(refused=EVERYTHING, status=503)


def back(world: World) -> None:
    world.hub.conduct.faults.clear()
    world.partner.misconduct = Misconduct()


async def report(world: World, number: str, conversation: str) -> None:
    payload = world.sample.replace(b"BVH-2026-000042", number.encode())
    sent = await world.partner.send(payload, "vtMelding", conversation_id=conversation)
    assert sent.status == 204


@pytest.mark.rule("DK-94", "SOH-165")
async def test_after_five_days_without_hub_and_partner_everything_arrives_once_and_in_order(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, retries=400, retry_interval=3600.0) as world:
        await begin(world)
        reported: dict[str, list[str]] = {}
        for number in range(4):
            reported[f"melding/A-{number}"] = [f"before-{number}"]
            await report(world, f"A-{number}", f"before-{number}")
        for _ in range(3):
            await world.work(seconds=31)
        await world.settled()
        world.partner.misconduct = Misconduct(refused=EVERYTHING, status=503)
        for number in range(4):
            world.hub.publish(taken_up(f"A-{number}"))
        for _ in range(3):
            await world.work(seconds=31)
        away(world)
        for hour in range(HOURS):
            if hour % 12 == 0:
                reported.setdefault(f"melding/B-{hour // 24}", []).append(f"hour-{hour:03d}")
                await report(world, f"B-{hour // 24}", f"hour-{hour:03d}")
            await world.work(hours=1)
        assert len(world.hub.events) == 4 and not world.partner.received

        back(world)
        for _ in range(40):
            await world.work(minutes=15)
        await world.settled()
        await world.work(minutes=15)

        seen: dict[str, list[str]] = {}
        for offer in world.hub.events:
            seen.setdefault(offer.event["subject"], []).append(offer.event["correlationid"])
        answers = world.partner.received
        print(f"events {len(world.hub.events)}, answers {len(answers)}, simulated hours {HOURS}")
        namespace = world.bridge.settings.identifiers.namespace
        assert seen == {
            subject: [str(uuid5(namespace, f"conversation|{CPA_ID}|{one}")) for one in conversations]
            for subject, conversations in reported.items()
        }, "each report once, and those about one subject in their order"
        assert {offer.count for offer in world.hub.events} == {1}
        assert len(answers) == 4
        assert {exchange.state for exchange in world.exchanges()} == {ExchangeState.DONE}
