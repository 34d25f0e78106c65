"""kill -9 where the order is guaranteed: conversations keep their order both ways, held messages are let go once."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bridge.demo import SAMPLE, Scene, stage
from bridge.store.blobs import read_blob
from bridge.store.events import EventFilter, list_events
from bridge.store.messages import MessageFilter, evidence_of, list_messages
from bridge.store.rows import Direction, EvidenceKind, Message, MessageState
from bridge.store.unit import Store
from tests.faults.harness import PATIENT, Plan, Report, Stand, store_url
from tests.faults.scenarios import kill
from tests.faults.test_kill import _free_port

CONVERSATIONS = ("case-a", "case-b", "case-c")
NUMBERS = range(6)
WITHIN = 300.0
"""Seconds that anything may take here; only ever waited for in full when something is broken."""

_NUMBER = re.compile(rb'<eb:SequenceNumber eb:status="(\w+)">(\d+)<')


@pytest.mark.rule("DK-28", "DK-21")
async def test_one_killed_process_keeps_the_order(tmp_path: Path) -> None:
    await _run(Plan(messages=18, kills=4), tmp_path)


@pytest.mark.rule("DK-28", "DK-21")
async def test_several_killed_processes_on_one_store_keep_the_order(
    tmp_path: Path, postgres_url: str
) -> None:
    await _run(Plan(messages=18, kills=2, workers=2, store=postgres_url, seed=2), tmp_path)


async def _run(plan: Plan, folder: Path) -> None:
    chance = random.Random(plan.seed)
    environment = {
        "BRIDGE__PARTNER_LISTENER__PORT": str(_free_port()),
        "BRIDGE__API_LISTENER__PORT": str(_free_port()),
    }
    if plan.store:
        environment["BRIDGE__STORE__URL"] = plan.store
    async with stage(folder, retries=PATIENT) as scene, AsyncExitStack() as stack:
        _guarantee(scene)
        stand = Stand(
            plan=plan, scene=scene, environment=environment, chance=chance, report=Report(), stack=stack
        )
        sending = asyncio.create_task(_send_all(scene, chance), name="send all")
        await kill(stand)
        process = await stand.start()
        try:
            await sending
            with Store.open(store_url(scene, environment)) as store:
                await _until_all_went(store)
                _check(scene, store)
        finally:
            process.terminate()
            await process.wait()


def _guarantee(scene: Scene) -> None:
    for file in (scene.folder / "cpa").glob("*.xml"):
        text = file.read_text(encoding="utf-8")
        assert "NotGuaranteed" in text
        file.write_text(text.replace("NotGuaranteed", "Guaranteed"), encoding="utf-8")


async def _send_all(scene: Scene, chance: random.Random) -> None:
    """Every report once, all at the same time and in a drawn order; the partner repeats until it is acknowledged."""
    while not scene.partner.bridge_url:  # noqa: ASYNC110 - the first bridge to come up sets it
        await asyncio.sleep(0.02)
    sample = SAMPLE.read_bytes()
    reports = [(conversation, number) for conversation in CONVERSATIONS for number in NUMBERS]
    chance.shuffle(reports)

    async def send(conversation: str, number: int) -> None:
        payload = sample.replace(b"BVH-2026-000042", conversation.encode())
        payload = payload.replace(b"demo-2026-11-000042", f"ref-{conversation}-{number}".encode())
        sent = await scene.partner.send(
            payload,
            "vtMelding",
            conversation_id=conversation,
            message_id=_id(conversation, number),
            number=number,
        )
        await scene.partner.acknowledged(sent.message_id, WITHIN)

    async with asyncio.TaskGroup() as group:
        for conversation, number in reports:
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            group.create_task(send(conversation, number), name=f"send {conversation} {number}")


async def _until_all_went(store: Store) -> None:
    wanted = len(CONVERSATIONS) * len(NUMBERS)
    acknowledged = MessageFilter(direction=Direction.OUT, state=MessageState.ACKNOWLEDGED)
    async with asyncio.timeout(WITHIN):
        while len(store.read_sync(lambda tx: list_messages(tx, acknowledged))) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


def _check(scene: Scene, store: Store) -> None:
    found = store.read_sync(lambda tx: list_messages(tx, MessageFilter(), limit=1000))
    events = store.read_sync(lambda tx: list_events(tx, EventFilter(direction=Direction.OUT), limit=1000))
    came = {m.exchange: m for m in found if m.direction is Direction.IN and m.kind == "business"}
    exchange_of = {event.id: event.exchange for event in events}
    offered = [came[exchange_of[offer.id]] for offer in scene.hub.events]  # type: ignore[index]
    sent = {m.message_id: m for m in found if m.direction is Direction.OUT}
    received = [sent[message.message_id] for message in scene.partner.received]
    assert {offer.count for offer in scene.hub.events} == {1}
    # An acknowledgment of the partner that reached a bridge as it was killed is none that was refused.
    lost = "a signal could not be delivered: "
    assert [line for line in scene.partner.refused if not line.startswith(lost)] == []
    for conversation in CONVERSATIONS:
        ids = [m.message_id for m in offered if m.conversation_id == conversation]
        assert ids == [_id(conversation, number) for number in NUMBERS], "mapped once, and in their order"
        ours = [m for m in received if m.conversation_id == conversation]
        numbers = [store.read_sync(lambda tx, row=m: _number(tx, row)) for m in ours]  # type: ignore[misc]
        expected = [("Continue" if number else "Reset", number) for number in NUMBERS]
        assert numbers == expected, "each number of ours once, and in their order at the partner"


def _number(tx: Connection, row: Message) -> tuple[str, int]:
    octets = read_blob(tx, evidence_of(tx, row.key, kind=EvidenceKind.SENT)[0].blob)
    found = _NUMBER.search(octets)
    assert found is not None
    return found[1].decode(), int(found[2])


def _id(conversation: str, number: int) -> str:
    return f"{conversation}-{number}@harness"
