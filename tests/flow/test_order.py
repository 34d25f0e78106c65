"""MessageOrder: where the agreement says Guaranteed, the messages of a conversation go on in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from bridge.config import Settings
from bridge.ebms.model import Message
from bridge.flow.jobs import make_worker
from bridge.flow.mend import replay
from bridge.flow.mend_model import Actor, CannotMend, EffectKind
from bridge.flow.order import OutOfTurn, claim_number, next_number
from bridge.mapping.load import MappingSet
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.store.rows import Direction, EvidenceKind, ExchangeState, MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world, with_partner
from tests.flow.letters import Answer, adder, post, receipt, write
from tests.flow.outgoing import send_out
from tests.flow.store import evidence
from tests.flow.test_answer import REPORT, rest

pytestmark = pytest.mark.rule("DK-28")

BY = Actor(name="test", role="operator", way="console")


def guaranteed(settings: Settings) -> Settings:
    """The agreement on disk says Guaranteed, before the bridge reads it."""
    for file in settings.agreements.folder.glob("*.xml"):
        text = file.read_text(encoding="utf-8")
        assert "NotGuaranteed" in text
        file.write_text(text.replace("NotGuaranteed", "Guaranteed"), encoding="utf-8")
    return with_partner(settings, order_patience_minutes=30)


@asynccontextmanager
async def ordered_world(folder: Path, pki: Pki, clock: Clock, **change: Any) -> AsyncIterator[World]:
    async with open_world(folder, pki, clock, settings_change=guaranteed, **change) as world:
        yield world


@pytest.fixture
async def world(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    async with ordered_world(tmp_path, pki, clock) as opened:
        yield opened


def numbered(number: int, status: str = "Continue") -> Callable[[Any], None]:
    return adder(
        "soap:Header",
        '<eb:MessageOrder eb:version="2.0" soap:mustUnderstand="1">'
        f'<eb:SequenceNumber eb:status="{status}">{number}</eb:SequenceNumber></eb:MessageOrder>',
    )


async def send(
    world: World, number: int, status: str = "Continue", *, conversation: str = "case-1", **change: Any
) -> Answer:
    letter = write(
        world,
        conversation_id=conversation,
        message_id=f"{conversation}-{number}-{status}@partner.test",
        in_tree=numbered(number, status),
        **change,
    )
    return await post(world, letter)


def order_of_mapping(world: World) -> list[str]:
    """The MessageIds in the order in which they were mapped."""
    keys = {m.exchange: m.message_id for m in world.messages(direction=Direction.IN)}
    return [keys[step.exchange] for step in world.steps() if step.what == "message.mapped"]


def ids(*numbers: int) -> list[str]:
    return [f"case-1-{number}-{'Reset' if number == 0 else 'Continue'}@partner.test" for number in numbers]


def states(world: World) -> dict[str, MessageState]:
    return {str(message.message_id): message.state for message in world.messages()}


def refusals(world: World) -> list[Message]:
    return [m for m in world.partner.signals if m.error_list]


async def test_messages_are_mapped_in_the_order_of_their_numbers(world: World) -> None:
    for number in (2, 0, 3, 1):
        answer = await send(world, number, "Reset" if number == 0 else "Continue")
        assert answer.status == 204
    await world.work()
    assert order_of_mapping(world) == ids(0, 1, 2, 3)


async def test_a_held_message_is_acknowledged_and_says_what_it_waits_for(world: World) -> None:
    await send(world, 0, "Reset")
    await send(world, 2)
    await world.work()
    await world.settled()
    held = world.messages()[1]
    assert held.state is MessageState.HELD
    assert held.reason == "number 2 of its conversation waits for number 1, which is not here yet"
    (step,) = [step for step in world.steps() if step.what == "message.held"]
    assert step.detail["reason"] == held.reason
    acknowledged = {m.acknowledgment.ref_to_message_id for m in world.partner.signals if m.acknowledgment}
    assert acknowledged == set(ids(0, 2))
    assert world.exchanges()[1].state is ExchangeState.RUNNING


async def test_conversations_do_not_wait_for_each_other(world: World) -> None:
    await send(world, 1)
    await send(world, 0, "Reset", conversation="case-2")
    await world.work()
    assert order_of_mapping(world) == ["case-2-0-Reset@partner.test"]


async def test_a_gap_asks_for_attention_when_the_patience_ends(world: World) -> None:
    await send(world, 0, "Reset")
    await send(world, 2)
    await world.work(minutes=29)
    assert world.exchanges()[1].state is ExchangeState.RUNNING
    await world.work(minutes=2)
    exchange = world.exchanges()[1]
    assert exchange.state is ExchangeState.ATTENTION
    assert exchange.reason == "number 2 of its conversation waits for number 1, which is not here yet"
    assert world.messages()[1].state is MessageState.OVERDUE


async def test_the_missing_message_still_mends_an_overdue_gap(world: World) -> None:
    await send(world, 0, "Reset")
    await send(world, 2)
    await world.work(minutes=31)
    await send(world, 1)
    await world.work()
    assert order_of_mapping(world) == ids(0, 1, 2)
    assert {exchange.state for exchange in world.exchanges()} <= {ExchangeState.RUNNING, ExchangeState.DONE}


async def test_an_operator_lets_a_held_message_through_with_what_waits_around_it(world: World) -> None:
    for number in (0, 5, 3, 6):
        await send(world, number, "Reset" if number == 0 else "Continue")
    await world.work()
    held = next(m for m in world.messages() if m.message_id == ids(5)[0])
    told = await replay(world.bridge, held.key, dry_run=True, by=BY, reason="")
    assert [(e.kind, e.id) for e in told.effects] == [(EffectKind.HAND_ON, id) for id in ids(3, 5, 6)]
    assert order_of_mapping(world) == ids(0)
    await replay(world.bridge, held.key, dry_run=False, by=BY, reason="numbers 1 and 2 were never sent")
    await world.work()
    assert order_of_mapping(world) == ids(0, 3, 5, 6)
    assert "numbers 1 and 2 were never sent" in str([step.detail for step in world.steps()])


async def test_a_message_that_was_let_through_does_not_wait_again(world: World) -> None:
    await send(world, 0, "Reset")
    await send(world, 2)
    await world.work()
    held = world.messages()[1]
    await replay(world.bridge, held.key, dry_run=False, by=BY, reason="enough")
    with pytest.raises(CannotMend):
        await replay(world.bridge, held.key, dry_run=False, by=BY, reason="enough")


async def test_a_message_that_comes_after_its_successors_were_let_through_is_not_lost(world: World) -> None:
    await send(world, 0, "Reset")
    await send(world, 2)
    await world.work()
    await replay(world.bridge, world.messages()[1].key, dry_run=False, by=BY, reason="enough")
    await send(world, 1)
    await world.work()
    assert order_of_mapping(world) == ids(0, 2, 1)
    notes = [step.detail.get("note") for step in world.steps() if step.what == "message.in_turn"]
    assert notes[-1] == "it came after later ones had been let through"


async def test_a_reset_begins_the_numbers_anew_and_lets_the_held_ones_go_first(world: World) -> None:
    await send(world, 0, "Reset")
    await send(world, 2)
    letter = write(
        world, conversation_id="case-1", message_id="again@partner.test", in_tree=numbered(0, "Reset")
    )
    await post(world, letter)
    await send(world, 1)
    await world.work()
    assert order_of_mapping(world) == [*ids(0, 2), "again@partner.test", *ids(1)]


async def test_a_repeat_of_an_ordered_message_is_a_duplicate_and_nothing_more(world: World) -> None:
    letter = write(world, conversation_id="case-1", message_id=ids(0)[0], in_tree=numbered(0, "Reset"))
    await post(world, letter)
    await post(world, letter)
    await send(world, 1)
    await world.work()
    assert order_of_mapping(world) == ids(0, 1)


@pytest.mark.parametrize("number", [0, 2])
async def test_another_message_with_a_used_number_is_refused(world: World, number: int) -> None:
    await send(world, 0, "Reset")
    await send(world, 2)
    letter = write(world, conversation_id="case-1", message_id="other@p", in_tree=numbered(number))
    await post(world, letter)
    await world.work()
    await world.settled()
    assert states(world)["other@p"] is MessageState.REFUSED
    (error,) = refusals(world)[0].error_list.errors  # type: ignore[union-attr]
    assert (error.code, error.location) == ("Inconsistent", "//Header/MessageOrder/SequenceNumber")


async def test_a_message_that_is_refused_for_its_number_acknowledges_nothing(world: World) -> None:
    world.partner.misconduct.dropped = 1
    ours = await send_out(world)
    await world.work()
    letter = write(world, message_id="other@p", in_tree=numbered(7, "Reset"), change=receipt(world, ours))
    await post(world, letter)
    assert states(world) == {ours.message_id: MessageState.WAITING, "other@p": MessageState.REFUSED}


async def test_under_best_effort_an_order_is_refused(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    """Such a channel has no ReliableMessaging, so no order can be agreed."""
    async with open_world(tmp_path, pki, clock, profile=Profile.BEST_EFFORT) as world:
        await send(world, 0, "Reset")
        await world.work()
        assert [m.state for m in world.messages()] == [MessageState.REFUSED]


async def test_with_synchronous_answers_an_order_is_refused(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with ordered_world(tmp_path, pki, clock, sync=True) as world:
        answer = await send(world, 0, "Reset")
        (error,) = answer.message.error_list.errors  # type: ignore[union-attr]
        assert error.code == "Inconsistent"


async def test_two_that_come_at_the_same_moment_are_both_placed(world: World) -> None:
    await asyncio.gather(*(send(world, n, "Reset" if n == 0 else "Continue") for n in range(8)))
    await world.work()
    assert order_of_mapping(world) == ids(*range(8))


# --- together with what is passed over, what waits for a person, and technical answers


CARE = {
    "sends": ("zorgmelding",),
    "receives": ("Bv01", "Fo01"),
    "unique_references": True,
}


async def send_report(world: World, number: int, reference: str) -> None:
    payload = REPORT.replace(b"zm-ref-0001", reference.encode())
    payload = payload.replace(b"PLF-2026-0007", f"PLF-{reference}".encode())
    sent = await world.partner.send(
        payload, "zorgmelding", conversation_id="case-1", message_id=f"{number}@p", number=number
    )
    assert sent.status == 204


@pytest.mark.rule("SOH-73")
async def test_a_message_that_was_seen_before_does_not_hold_its_successors_up(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with ordered_world(tmp_path, pki, clock, **CARE) as world:
        for number, reference in ((2, "zm-2"), (1, "zm-0"), (0, "zm-0")):
            await send_report(world, number, reference)
        await rest(world)
        mapped, repeated = MessageState.MAPPED, MessageState.REPEATED
        came = {m.message_id: m.state for m in world.messages(direction=Direction.IN)}
        assert came == {"0@p": mapped, "1@p": repeated, "2@p": mapped}
        assert order_of_mapping(world) == ["0@p", "2@p"]


async def test_a_message_that_waits_for_a_person_does_not_hold_its_successors_up(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with ordered_world(tmp_path, pki, clock, **CARE) as world:
        for number, reference in ((1, "zm-1"), (0, "")):
            await send_report(world, number, reference)
        world.bridge.mappings, right = MappingSet(programs=(), sha=""), world.bridge.mappings
        await world.work()
        world.bridge.mappings = right
        await send_report(world, 2, "zm-2")
        await world.work()
        parked, mapped = MessageState.PARKED, MessageState.MAPPED
        came = {m.message_id: m.state for m in world.messages(direction=Direction.IN)}
        assert came == {"0@p": parked, "1@p": parked, "2@p": mapped}


@pytest.mark.rule("SOH-73")
async def test_technical_answers_are_numbered_each_with_its_own_number(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    """They are made at the same moment, and none of them is a surprise to the worker."""
    async with ordered_world(tmp_path, pki, clock, **CARE) as world:
        with capture_logs() as lines:
            for number in range(4):
                await send_report(world, number, f"zm-{number}")
            for _ in range(20):
                await world.work(seconds=20)
                await world.settled()
        assert "job.surprise" not in {line["event"] for line in lines}
        sent = {m.message_id: m for m in world.messages(direction=Direction.OUT)}
        arrived = [order_sent(world, sent[m.message_id]) for m in world.partner.received]
        assert arrived == [(0, "Reset"), *((number, "Continue") for number in range(1, 4))]
        assert {m.ref_to_message_id for m in sent.values()} == {f"{number}@p" for number in range(4)}


async def test_two_nodes_place_and_number_the_messages_of_one_conversation_together(world: World) -> None:
    """Two processes on one store: each with its own worker, and each taking some of the messages."""
    other = make_worker(replace(world.bridge), name="other")
    for numbers in ((3, 1), (2, 0)):
        await asyncio.gather(*(send(world, n, "Continue" if n else "Reset") for n in numbers))
        await asyncio.gather(world.worker.run_until_idle(), other.run_until_idle())
    while any(m.state is MessageState.RECEIVED for m in world.messages()):
        await asyncio.gather(world.worker.run_until_idle(), other.run_until_idle())
    assert order_of_mapping(world) == ids(0, 1, 2, 3)


# --- sending


def order_sent(world: World, message: Any) -> tuple[int, str]:
    octets = evidence(world, EvidenceKind.SENT, message).decode()
    status, number = octets.split('<eb:SequenceNumber eb:status="')[1].split("</")[0].split('">')
    return int(number), status


async def test_our_messages_of_a_conversation_are_numbered(world: World) -> None:
    rows = [await send_out(world, conversation_id="ours") for _ in range(3)]
    other = await send_out(world, conversation_id="other")
    assert [order_sent(world, row) for row in rows] == [(0, "Reset"), (1, "Continue"), (2, "Continue")]
    assert order_sent(world, other) == (0, "Reset")


async def test_our_next_message_leaves_only_when_the_one_before_it_was_acknowledged(world: World) -> None:
    world.partner.misconduct.dropped = 1
    for number in range(3):
        await send_out(world, f"<n>{number}</n>".encode(), conversation_id="ours")
    await world.work()
    await world.settled()
    sent = [step for step in world.steps() if step.what == "message.sent"]
    assert len(sent) == 1
    for _ in range(4):
        await world.work(seconds=31)
        await world.settled()
    assert [m.payload for m in world.partner.received] == [b"<n>0</n>", b"<n>1</n>", b"<n>2</n>"]


async def test_after_a_message_that_was_lost_for_good_the_numbers_begin_anew(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with ordered_world(tmp_path, pki, clock, retries=1) as world:
        await world.partner.stop()
        lost = await send_out(world, conversation_id="ours")
        for _ in range(4):
            await world.work(seconds=40)
        assert states(world)[str(lost.message_id)] is MessageState.EXPIRED
        assert order_sent(world, await send_out(world, conversation_id="ours")) == (0, "Reset")


async def test_two_messages_never_get_the_same_number(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock) as world:
        first = await send_out(world)
        second = await send_out(world)

        def both(tx: Connection) -> None:
            numbers = next_number(tx, "line"), next_number(tx, "line")
            assert numbers[0] == numbers[1]
            claim_number(tx, numbers[0], first.key)
            claim_number(tx, numbers[1], second.key)

        with pytest.raises(OutOfTurn):
            await world.bridge.store.write(both)


@pytest.mark.parametrize("sync", [False, True])
async def test_without_an_agreed_order_nothing_is_numbered(
    tmp_path: Path, pki: Pki, clock: Clock, sync: bool
) -> None:
    opened: Callable[..., Any] = ordered_world if sync else open_world
    async with opened(tmp_path, pki, clock, sync=sync) as world:
        row = await send_out(world)
        assert b"MessageOrder" not in evidence(world, EvidenceKind.SENT, row)
