"""SyncReply modes outside Digikoppeling: signalsOnly, responseOnly and signalsAndResponse, on both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Settings
from bridge.ebms.model import Content, Kind
from bridge.flow.bridge import PostAnswer, Route
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.store.rows import Direction, EvidenceKind, Message, MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import adder, find, post, receipt, remover, write
from tests.flow.outgoing import send_out
from tests.flow.store import evidence_count

MODES = ["signalsOnly", "responseOnly", "signalsAndResponse"]


def with_mode(mode: str) -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        for file in settings.agreements.folder.glob("*.xml"):
            text = file.read_text(encoding="utf-8")
            assert "mshSignalsOnly" in text
            file.write_text(text.replace("mshSignalsOnly", mode), encoding="utf-8")
        return settings

    return change


@asynccontextmanager
async def world_of(
    folder: Path, pki: Pki, clock: Clock, mode: str, *, profile: Profile = Profile.RELIABLE
) -> AsyncIterator[World]:
    async with open_world(
        folder, pki, clock, profile=profile, sync=True, settings_change=with_mode(mode)
    ) as world:
        yield world


# --- receiving


@pytest.mark.parametrize("mode", MODES)
async def test_the_acknowledgment_comes_in_the_response_and_our_answer_by_a_post_of_its_own(
    tmp_path: Path, pki: Pki, clock: Clock, mode: str
) -> None:
    async with world_of(tmp_path, pki, clock, mode) as world:
        answer = await post(world, write(world))
        assert (answer.status, answer.message.kind) == (200, Kind.ACKNOWLEDGMENT)
        received = world.messages()[0]
        row = await send_out(world, ref_to=received.message_id, conversation_id=received.conversation_id)
        await world.work()
        (response,) = world.partner.received
        assert response.payload == b"<vtTerugkoppeling/>"
        (sent,) = world.messages(direction=Direction.OUT)
        assert (sent.key, sent.state) == (row.key, MessageState.ACKNOWLEDGED)


@pytest.mark.parametrize(("mode", "taken"), [("signalsOnly", False), ("responseOnly", True)])
async def test_responseonly_leaves_syncreply_to_the_sender_and_the_others_demand_it(
    tmp_path: Path, pki: Pki, clock: Clock, mode: str, taken: bool
) -> None:
    async with world_of(tmp_path, pki, clock, mode) as world:
        answer = await post(world, write(world, in_tree=remover("soap:Header/eb:SyncReply")))
        assert (answer.message.kind is Kind.ACKNOWLEDGMENT) is taken


# --- sending


def answering(world: World, **change: Any) -> Callable[[], None]:
    """The partner answers our next message with a business message in the HTTP response."""
    real = world.bridge.post
    asked: list[Message] = []

    async def answer(route: Route, headers: tuple[tuple[str, str], ...], body: Content) -> PostAnswer:
        if asked:
            return await real(route, headers, body)
        (ours,) = world.messages(direction=Direction.OUT)
        asked.append(ours)
        given = {"ref_to": ours.message_id, "conversation_id": ours.conversation_id} | change
        letter = write(world, **given)
        return PostAnswer(status=200, headers=(("Content-Type", letter.content_type),), body=letter.body)

    world.bridge.post = answer
    return lambda: None


def acknowledging(world: World) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        (ours,) = world.messages(direction=Direction.OUT)
        adder(
            "soap:Header",
            '<eb:Acknowledgment eb:version="2.0" soap:mustUnderstand="1" '
            'soap:actor="urn:oasis:names:tc:ebxml-msg:actor:toPartyMSH">'
            "<eb:Timestamp>2026-11-20T09:00:01.000Z</eb:Timestamp>"
            f"<eb:RefToMessageId>{ours.message_id}</eb:RefToMessageId></eb:Acknowledgment>",
        )(tree)

    return change


@pytest.mark.parametrize("bundled", [False, True])
@pytest.mark.parametrize("mode", ["responseOnly", "signalsAndResponse"])
async def test_a_business_response_in_the_http_response_is_taken_in_and_acknowledges(
    tmp_path: Path, pki: Pki, clock: Clock, mode: str, bundled: bool
) -> None:
    async with world_of(tmp_path, pki, clock, mode) as world:
        answering(world, **({"in_tree": acknowledging(world)} if bundled else {}))
        await send_out(world)
        await world.work()
        (sent,) = world.messages(direction=Direction.OUT)
        (received,) = world.messages(direction=Direction.IN)
        assert sent.state is MessageState.ACKNOWLEDGED
        assert (received.state, received.ref_to_message_id) == (MessageState.MAPPED, sent.message_id)
        assert evidence_count(world, EvidenceKind.ACKNOWLEDGMENT, sent) == 1
        assert evidence_count(world, EvidenceKind.RECEIVED, received) == 1


@pytest.mark.parametrize("mode", ["mshSignalsOnly", "signalsOnly"])
async def test_where_only_signals_are_agreed_a_business_message_there_is_not_taken(
    tmp_path: Path, pki: Pki, clock: Clock, mode: str
) -> None:
    async with world_of(tmp_path, pki, clock, mode) as world:
        answering(world)
        await send_out(world)
        await world.work()
        assert world.messages(direction=Direction.IN) == ()
        (sent,) = world.messages(direction=Direction.OUT)
        assert sent.state is MessageState.WAITING


def from_another(tree: Any) -> None:
    find(tree, "soap:Header/eb:MessageHeader/eb:From/eb:PartyId").text = "00000001999990068000"


@pytest.mark.parametrize(
    "change",
    [{"ref_to": "another@message"}, {"in_tree": from_another}, {"action": "niets"}],
    ids=["to another message", "from another party", "an action that is not agreed"],
)
async def test_what_is_not_the_answer_to_our_message_neither_comes_in_nor_acknowledges(
    tmp_path: Path, pki: Pki, clock: Clock, change: dict[str, Any]
) -> None:
    async with world_of(tmp_path, pki, clock, "signalsAndResponse") as world:
        answering(world, **change)
        await send_out(world)
        await world.work()
        assert {m.state for m in world.messages(direction=Direction.IN)} <= {MessageState.REFUSED}
        (sent,) = world.messages(direction=Direction.OUT)
        assert sent.state is MessageState.WAITING


@pytest.mark.rule("DK-72")
async def test_a_response_without_the_signed_receipt_that_was_asked_for_does_not_acknowledge(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    """It is taken in all the same, once: the message is repeated until its receipt comes."""
    async with world_of(tmp_path, pki, clock, "signalsAndResponse", profile=Profile.RELIABLE_SIGNED) as world:
        answering(world)
        await send_out(world)
        await world.work()
        (sent,) = world.messages(direction=Direction.OUT)
        assert sent.state is MessageState.WAITING
        assert [m.state for m in world.messages(direction=Direction.IN)] == [MessageState.MAPPED]
        await world.work(seconds=31)
        (sent,) = world.messages(direction=Direction.OUT)
        assert sent.state is MessageState.ACKNOWLEDGED


@pytest.mark.rule("DK-72", "DK-73")
@pytest.mark.parametrize("other", [False, True])
async def test_the_signed_receipt_on_a_response_counts_once_and_only_with_our_digests(
    tmp_path: Path, pki: Pki, clock: Clock, other: bool
) -> None:
    async with world_of(tmp_path, pki, clock, "signalsAndResponse", profile=Profile.RELIABLE_SIGNED) as world:
        row = await send_out(world)
        answering(world, change=receipt(world, row, other=other))
        await world.work()
        (sent,) = world.messages(direction=Direction.OUT)
        (response,) = world.messages(direction=Direction.IN)
        assert response.state is MessageState.MAPPED
        assert evidence_count(world, EvidenceKind.ACKNOWLEDGMENT, sent) == (0 if other else 1)
        assert sent.state is (MessageState.WAITING if other else MessageState.ACKNOWLEDGED)
        if other:
            assert "no valid signed acknowledgment came with the business response" in (sent.reason or "")
