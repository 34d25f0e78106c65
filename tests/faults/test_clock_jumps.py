"""The clock of the bridge jumps while reports and answers are under way, ahead and back, over real sockets.

Partner and hub live by the real clock, as others do whose clocks are right.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid5

import pytest

from bridge.demo import CPA_ID
from bridge.pki import Pki
from bridge.store.rows import ExchangeState
from tests.conftest import Clock
from tests.faults.bounds import LONGEST, at_most
from tests.faults.test_five_days import away, back, report
from tests.flow.conftest import World, open_world
from tests.flow.hub_side import begin, taken_up

JUMPS = pytest.mark.parametrize(
    "jump", [{"hours": 6}, {"hours": -6}], ids=["six-hours-ahead", "six-hours-back"]
)


async def go_on(world: World, *, minutes: int) -> None:
    for _ in range(minutes):
        await world.work(minutes=1)
    await world.settled()


def correlations(world: World, *conversations: str) -> list[str]:
    namespace = world.bridge.settings.identifiers.namespace
    return [str(uuid5(namespace, f"conversation|{CPA_ID}|{one}")) for one in conversations]


@pytest.mark.rule("SOH-165")
@JUMPS
async def test_a_clock_that_jumps_and_is_put_right_loses_and_doubles_nothing(
    tmp_path: Path, pki: Pki, clock: Clock, jump: dict[str, float]
) -> None:
    put_right = {name: -span for name, span in jump.items()}
    async with (
        at_most(LONGEST, lambda: "reports or answers did not arrive"),
        open_world(tmp_path, pki, clock, retries=400, retry_interval=3600.0) as world,
    ):
        await begin(world)
        await report(world, "A-0", "first")
        await go_on(world, minutes=2)
        # Nothing gets through now, so that work with due times of both clocks lies in the queue.
        away(world)
        world.hub.publish(taken_up("A-0"))
        for number, conversation in enumerate(("before", "during", "after")):
            if number:
                clock.forward(**(jump if number == 1 else put_right))
            await report(world, "A-0", conversation)
            await report(world, f"B-{number}", f"other-{number}")
            await go_on(world, minutes=2)
        back(world)
        await go_on(world, minutes=90)

        seen: dict[str, list[str]] = {}
        for offer in world.hub.events:
            seen.setdefault(offer.event["subject"], []).append(offer.event["correlationid"])
        assert seen == {
            "melding/A-0": correlations(world, "first", "before", "during", "after"),
            **{f"melding/B-{number}": correlations(world, f"other-{number}") for number in range(3)},
        }, "each report once, and those about one subject in their order"
        assert {offer.count for offer in world.hub.events} == {1}
        assert len(world.partner.received) == 1
        assert {exchange.state for exchange in world.exchanges()} == {ExchangeState.DONE}
