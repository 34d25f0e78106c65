"""kill -9 at chosen moments of the main job: after a restart the exchange completes, nothing is lost or doubled.

The moments are seen from outside, at the partner and at the hub. The bridge knows nothing of being tested.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.demo import (
    SAMPLE,
    SUBJECT,
    Scene,
    both_done,
    read_story,
    stage,
)
from bridge.simulate import FaultKind, Where
from tests.faults.bounds import LONGEST, at_most, last_lines, serving

WITHIN = 120.0
"""Seconds that anything may take here; only ever waited for in full when something is broken."""

Moment = Callable[[Scene, asyncio.subprocess.Process], Awaitable[None]]


async def before_the_request_is_read(scene: Scene, bridge: asyncio.subprocess.Process) -> None:
    """The process hangs with the partner's request half in, and never answers."""
    bridge.send_signal(signal.SIGSTOP)
    await _send(scene)


async def right_after_the_message_was_taken(scene: Scene, bridge: asyncio.subprocess.Process) -> None:
    sent = await scene.partner.send(SAMPLE.read_bytes(), "vtMelding")
    assert sent.status == 204


async def when_the_hub_took_the_event_but_its_answer_is_lost(
    scene: Scene, bridge: asyncio.subprocess.Process
) -> None:
    scene.hub.fail(FaultKind.LOST, where=Where.EVENTS)
    await _send(scene)
    await scene.hub.wait_events(1, WITHIN)


async def while_the_status_is_being_followed(scene: Scene, bridge: asyncio.subprocess.Process) -> None:
    scene.hub.conduct.never_ok = True
    await _send(scene)
    async with asyncio.timeout(WITHIN):
        while not any(offer.polls for offer in scene.hub.events):  # noqa: ASYNC110 - polls are only counted
            await asyncio.sleep(0.02)


async def when_the_answer_stands_at_the_hub(scene: Scene, bridge: asyncio.subprocess.Process) -> None:
    await _send(scene)
    await scene.hub.wait_stream(2, WITHIN)


async def when_the_partner_has_the_answer_and_kept_silent(
    scene: Scene, bridge: asyncio.subprocess.Process
) -> None:
    scene.partner.misconduct.dropped = 1
    await _send(scene)
    await scene.partner.wait_received(1, WITHIN)


@pytest.mark.rule("DK-21", "DK-24", "SOH-05", "SOH-36", "SOH-82", "SOH-95")
@pytest.mark.parametrize(
    "moment",
    [
        before_the_request_is_read,
        right_after_the_message_was_taken,
        when_the_hub_took_the_event_but_its_answer_is_lost,
        while_the_status_is_being_followed,
        when_the_answer_stands_at_the_hub,
        when_the_partner_has_the_answer_and_kept_silent,
    ],
    ids=lambda moment: moment.__name__,
)
async def test_a_killed_bridge_completes_the_exchange_once(tmp_path: Path, moment: Moment) -> None:
    port = {"BRIDGE__PARTNER_LISTENER__PORT": str(_free_port())}
    async with at_most(LONGEST, lambda: last_lines(tmp_path)), stage(tmp_path) as scene:
        async with serving(scene.config, port) as (first, addresses):
            scene.partner.bridge_url = addresses["partner"]
            await moment(scene, first)
            first.kill()
            await first.wait()
        scene.hub.conduct.never_ok = False
        async with serving(scene.config, port):
            await _done(scene)
    _nothing_is_lost_or_doubled(scene)


def _nothing_is_lost_or_doubled(scene: Scene) -> None:
    offered = [offer for offer in scene.hub.events if offer.event["type"].endswith("melding-geregistreerd")]
    assert [offer.event["subject"] for offer in offered] == [SUBJECT]
    assert [offer.count for offer in offered] == [1], "offered to the hub exactly once"
    answers = Counter(message.action for message in scene.partner.received)
    assert answers == {"vtTerugkoppeling": 1}, "delivered to the partner exactly once"
    _, exchanges = read_story(scene.config)
    assert len(exchanges) == 2
    assert scene.hub.refused == []


async def _send(scene: Scene) -> None:
    """Let the partner send, and go on before it is answered; it repeats by itself until it is acknowledged."""
    task = asyncio.create_task(scene.partner.send(SAMPLE.read_bytes(), "vtMelding"), name="send")
    await asyncio.wait([task], timeout=0.5)


async def _done(scene: Scene) -> None:
    async with asyncio.timeout(WITHIN):
        while not both_done(scene.config):  # noqa: ASYNC110 - the store of another process has no event
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
