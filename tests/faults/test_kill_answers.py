"""kill -9 around the technical answer: after a restart the partner is told how its message fared, and told once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.config import load_settings
from bridge.demo import MAPPINGS, Scene, stage
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Direction, MessageState
from bridge.store.unit import Store
from tests.faults.bounds import LONGEST, at_most, last_lines, serving
from tests.faults.test_kill import WITHIN, _free_port

REPORT = (MAPPINGS / "stuf-jz/zorgmelding.cases/typical.xml").read_bytes()
ANSWERS = ("Bv01", "Fo01")

Moment = Callable[[Scene], Awaitable[None]]


async def while_the_status_is_being_followed(scene: Scene) -> None:
    scene.hub.conduct.never_ok = True
    await _send(scene)
    await _until(lambda: any(offer.polls for offer in scene.hub.events))


async def when_the_hub_says_how_it_ended(scene: Scene) -> None:
    scene.hub.conduct.in_progress = 0
    await _send(scene)
    await _until(lambda: any(offer.polls for offer in scene.hub.events))


async def when_the_partner_has_the_answer_and_kept_silent(scene: Scene) -> None:
    scene.partner.misconduct.dropped = 1
    await _send(scene)
    await _until(lambda: bool(_told(scene)))


@pytest.mark.rule("SOH-73")
@pytest.mark.parametrize(
    ("moment", "refused"),
    [
        (while_the_status_is_being_followed, True),
        (when_the_hub_says_how_it_ended, False),
        (when_the_hub_says_how_it_ended, True),
        (when_the_partner_has_the_answer_and_kept_silent, False),
    ],
    ids=lambda value: getattr(value, "__name__", "refused" if value else "ended-well"),
)
async def test_a_killed_bridge_tells_the_partner_once(tmp_path: Path, moment: Moment, refused: bool) -> None:
    port = {"BRIDGE__PARTNER_LISTENER__PORT": str(_free_port())}
    async with (
        at_most(LONGEST, lambda: last_lines(tmp_path)),
        stage(tmp_path, sends=("zorgmelding",), receives=ANSWERS) as scene,
    ):
        if refused:
            scene.hub.reject("*", type_fout="FUNCTIONEEL", fout="onbekend soort melding")
        async with serving(scene.config, port) as (first, addresses):
            scene.partner.bridge_url = addresses["partner"]
            await moment(scene)
            first.kill()
            await first.wait()
        scene.hub.conduct.never_ok = False
        async with serving(scene.config, port):
            await _until(lambda: _acknowledged(scene) == 1)
    assert _told(scene) == ["Fo01" if refused else "Bv01"]
    assert [offer.count for offer in scene.hub.events] == [1]
    # The partner's acknowledgment may find the bridge killed; it gives the same again at the next attempt.
    undelivered = "a signal could not be delivered"
    assert [line for line in scene.partner.refused if not line.startswith(undelivered)] == []


async def _send(scene: Scene) -> None:
    assert (await scene.partner.send(REPORT, "zorgmelding")).status == 204


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not happened():  # noqa: ASYNC110 - another process has no event to wait for
            # Seldom: some ask the store, on the loop where partner and hub live.
            await asyncio.sleep(0.1)


def _told(scene: Scene) -> list[str]:
    """The technical answers at the partner, each once however often it came."""
    return [message.action for message in scene.partner.received if message.action in ANSWERS]


def _acknowledged(scene: Scene) -> int:
    wanted = MessageFilter(direction=Direction.OUT, state=MessageState.ACKNOWLEDGED)
    with Store.open(load_settings(scene.config, {}).store.url) as store:
        return len(store.read_sync(lambda tx: list_messages(tx, wanted)))
