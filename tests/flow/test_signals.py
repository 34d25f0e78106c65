"""Signals both ways: Ping and Status, late, repeated, foreign and bad acknowledgments, warnings, errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.ebms.model import Acknowledgment, Error, ErrorList, Kind, PartyId, SyncReply
from bridge.flow.ping import Reached, ask_status, ping
from bridge.ids import MessageId
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.store.rows import EvidenceKind, ExchangeState, MessageState
from bridge.store.timeline import told_of
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import Letter, adder, post, receipt, setter, write, write_signal
from tests.flow.outgoing import send_out
from tests.flow.store import evidence_count


@pytest.mark.rule("DK-27", "DK-101")
@pytest.mark.parametrize("signed", [False, True])
async def test_a_ping_is_answered_by_a_pong_of_its_own_post(world: World, signed: bool) -> None:
    letter = write_signal(world, Kind.PING, signed=signed)
    answer = await post(world, letter)
    assert (answer.status, answer.body) == (204, b"")
    await world.work()
    (pong,) = world.partner.signals
    assert pong.kind is Kind.PONG
    assert pong.header.ref_to_message_id == letter.message_id


@pytest.mark.rule("DK-27")
async def test_a_ping_with_syncreply_is_answered_in_the_response(world: World) -> None:
    answer = await post(world, write_signal(world, Kind.PING, sync_reply=SyncReply()))
    assert (answer.status, answer.message.kind) == (200, Kind.PONG)


@pytest.mark.rule("DK-101")
async def test_a_ping_with_a_broken_signature_is_refused(world: World) -> None:
    letter = write_signal(
        world, Kind.PING, signed=True, in_octets=lambda o: o.replace(b"</soap:Header>", b" </soap:Header>")
    )
    await post(world, letter)
    await world.work()
    (error,) = world.partner.signals
    assert error.error_list is not None
    assert error.error_list.errors[0].code == "SecurityFailure"


@pytest.mark.rule("DK-27", "DK-26")
@pytest.mark.parametrize("kind", [Kind.PING, Kind.STATUS_REQUEST])
async def test_a_service_that_is_switched_off_is_not_supported(
    tmp_path: Path, pki: Pki, clock: Clock, kind: Kind
) -> None:
    async with open_world(tmp_path, pki, clock, answer_pings=False, answer_status_requests=False) as world:
        await post(
            world, status_request(world, "x") if kind is Kind.STATUS_REQUEST else write_signal(world, kind)
        )
        await world.work()
        (error,) = world.partner.signals
        assert error.error_list is not None
        assert error.error_list.errors[0].code == "NotSupported"


@pytest.mark.rule("DK-26", "DK-100")
async def test_a_status_request_tells_received_and_not_recognized(world: World) -> None:
    result = await world.partner.send(world.sample, "vtMelding")
    seen = []
    for about in (result.message_id, "nooit@gezien"):
        await post(world, status_request(world, about))
        await world.work()
        response = next(s for s in world.partner.signals[::-1] if s.kind is Kind.STATUS_RESPONSE)
        raw = next(r for r in world.partner.raw[::-1] if b"messageStatus=" in r)
        seen.append(raw.partition(b"messageStatus=")[2].split(b'"')[1])
        assert response.header.ref_to_message_id is not None
    assert seen[0] in (b"Received", b"Processed")
    assert seen[1] == b"NotRecognized"


@pytest.mark.rule("DK-27")
async def test_the_operator_can_ping_a_partner(world: World) -> None:
    asked = await ping(world.bridge, world.bridge.settings.partners[0], within=timedelta(seconds=5))
    assert asked.reached is Reached.ANSWERED
    assert "request.answered" in world.what_happened()


@pytest.mark.rule("DK-27")
async def test_a_ping_that_nobody_answers_says_how_far_it_got(world: World) -> None:
    await world.partner.stop()
    asked = await ping(world.bridge, world.bridge.settings.partners[0], within=timedelta(seconds=1))
    assert asked.reached is Reached.UNREACHABLE
    assert asked.reason


@pytest.mark.rule("DK-26")
async def test_a_partner_that_knows_no_status_service_is_told_so(world: World) -> None:
    row = await send_out(world)
    asked = await ask_status(world.bridge, row.key, within=timedelta(seconds=1))
    assert asked.reached is Reached.REFUSED


# --- acknowledgments and errors about messages of ours


@pytest.mark.rule("DK-14", "DK-72", "DK-73", "DK-22", "DK-08")
async def test_a_signed_acknowledgment_settles_the_message_and_is_kept_as_proof(world: World) -> None:
    row = await send_out(world)
    await world.work()
    await world.settled()
    (message,) = world.messages()
    assert (message.key, message.state) == (row.key, MessageState.ACKNOWLEDGED)
    assert evidence_count(world, EvidenceKind.ACKNOWLEDGMENT) == 1
    assert [e.state for e in world.exchanges()] == [ExchangeState.DONE]


def acknowledgment(world: World, ref_to: str, **changes: Any) -> Letter:
    settings = world.partner.settings
    made = Acknowledgment(
        timestamp=world.clock(),
        ref_to_message_id=MessageId(ref_to),
        from_party_ids=(PartyId(value=settings.oin, type=settings.party_id_type),),
    )
    return write_signal(world, Kind.ACKNOWLEDGMENT, ref_to=ref_to, acknowledgment=made, **changes)


def with_warning(world: World, ref_to: str, severity: str = "Warning", **changes: Any) -> Letter:
    errors = (Error(code="DeliveryFailure", severity=severity),)
    listed = ErrorList(errors=errors, highest_severity=severity)
    return write_signal(world, Kind.MESSAGE_ERROR, ref_to=ref_to, error_list=listed, **changes)


def status_request(world: World, about: str) -> Letter:
    from lxml import etree

    from bridge.simulate.envelope import EB
    from tests.flow.letters import find

    def add(tree: Any) -> None:
        element = etree.SubElement(find(tree, "soap:Body"), f"{{{EB}}}StatusRequest")
        element.set(f"{{{EB}}}version", "2.0")
        etree.SubElement(element, f"{{{EB}}}RefToMessageId").text = about

    return write_signal(world, Kind.STATUS_REQUEST, in_tree=add)


@pytest.mark.rule("DK-72", "DK-73")
@pytest.mark.parametrize("signed", [False, True])
async def test_an_acknowledgment_unsigned_or_with_other_digests_does_not_acknowledge(
    world: World, signed: bool
) -> None:
    world.partner.misconduct.dropped = 1
    row = await send_out(world)
    await world.work()
    assert (await post(world, acknowledgment(world, row.message_id, signed=signed))).status == 204
    assert [m.state for m in world.messages()] == [MessageState.WAITING]
    assert "signal.ignored" in world.what_happened()


@pytest.mark.rule("DK-25")
async def test_an_acknowledgment_under_another_agreement_changes_nothing(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE) as world:
        world.partner.misconduct.dropped = 1
        row = await send_out(world)
        await world.work()
        other = setter("soap:Header/eb:MessageHeader/eb:To/eb:PartyId", text=world.partner.settings.oin)
        answer = await post(world, acknowledgment(world, row.message_id, in_tree=other))
        assert answer.status in (204, 500)
        assert [m.state for m in world.messages()] == [MessageState.WAITING]


async def test_a_signal_about_a_message_never_sent_is_a_soap_fault(world: World) -> None:
    answer = await post(world, acknowledgment(world, "nooit@verstuurd"))
    assert (answer.status, bool(answer.fault)) == (500, True)


@pytest.mark.rule("DK-82", "DK-99")
async def test_an_unsigned_error_from_the_authenticated_partner_fails_the_message(world: World) -> None:
    world.partner.misconduct.dropped = 1
    row = await send_out(world)
    await world.work()
    odd = setter("soap:Header/eb:ErrorList/eb:Error", codeContext="urn:eigen:context")
    letter = with_warning(world, row.message_id, "Error", in_tree=odd)
    assert (await post(world, letter)).status == 204
    (message,) = world.messages()
    assert message.state is MessageState.FAILED
    assert [e.state for e in world.exchanges()] == [ExchangeState.ATTENTION]


async def test_a_warning_is_told_and_does_not_settle_the_message(world: World) -> None:
    world.partner.misconduct.dropped = 1
    row = await send_out(world)
    await world.work()
    assert (await post(world, with_warning(world, row.message_id))).status == 204
    assert [m.state for m in world.messages()] == [MessageState.WAITING]
    assert "signal.ignored" in world.what_happened()
    await world.work(seconds=31)
    await world.settled()
    assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]


@pytest.mark.rule("DK-99")
async def test_an_acknowledgment_after_expiry_still_counts(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE, retries=1) as world:
        world.partner.misconduct.dropped = 9
        row = await send_out(world)
        for _ in range(4):
            await world.work(seconds=31)
        assert [m.state for m in world.messages()] == [MessageState.EXPIRED]
        assert (await post(world, acknowledgment(world, row.message_id))).status == 204
        (message,) = world.messages()
        assert message.state is MessageState.ACKNOWLEDGED
        assert "message.acknowledged_late" in world.what_happened()
        assert [e.state for e in world.exchanges()] == [ExchangeState.DONE]


def rider(world: World, about: str) -> Any:
    return adder(
        "soap:Header",
        '<eb:Acknowledgment eb:version="2.0" soap:mustUnderstand="1"><eb:Timestamp>2026-11-20T10:00:00Z'
        f"</eb:Timestamp><eb:RefToMessageId>{about}</eb:RefToMessageId></eb:Acknowledgment>",
    )


async def test_an_acknowledgment_that_rides_on_a_business_message_settles_ours(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE) as world:
        world.partner.misconduct.dropped = 1
        row = await send_out(world)
        await world.work()
        for _ in range(2):
            letter = write(world, in_tree=rider(world, row.message_id))
            assert (await post(world, letter)).status == 204
        states = {m.message_id: m.state for m in world.messages()}
        assert states.pop(row.message_id) is MessageState.ACKNOWLEDGED
        assert set(states.values()) == {MessageState.RECEIVED}
        assert {"message.acknowledged", "signal.repeated"} <= set(world.what_happened())


@pytest.mark.rule("DK-72")
async def test_an_acknowledgment_that_rides_along_and_is_none_leaves_the_message_accepted(
    world: World,
) -> None:
    world.partner.misconduct.dropped = 1
    row = await send_out(world)
    await world.work()
    for about in (row.message_id, "nooit@gezien"):
        assert (await post(world, write(world, in_tree=rider(world, about)))).status == 204
    states = [m.state for m in world.messages()]
    assert states == [MessageState.WAITING, MessageState.RECEIVED, MessageState.RECEIVED], "no signed receipt"


@pytest.mark.rule("DK-72", "DK-73")
async def test_of_two_receipts_that_contradict_each_other_only_the_true_one_counts(world: World) -> None:
    world.partner.misconduct.dropped = 1
    row = await send_out(world)
    await world.work()
    counts = []
    for other in (True, False, True):
        await post(world, write(world, change=receipt(world, row, other=other)))
        state = next(m.state for m in world.messages() if m.key == row.key)
        counts.append((state, evidence_count(world, EvidenceKind.ACKNOWLEDGMENT, row)))
    waiting, acknowledged = MessageState.WAITING, MessageState.ACKNOWLEDGED
    assert counts == [(waiting, 0), (acknowledged, 1), (acknowledged, 1)]
    assert world.what_happened().count("signal.ignored") == 2


async def test_a_message_that_is_not_stored_brings_no_acknowledgment_with_it(world: World) -> None:
    """Of two copies that come at the same moment one is the repeat: it is not stored, and does not settle again."""
    world.partner.misconduct.dropped = 1
    row = await send_out(world)
    await world.work()
    letter = write(world, change=receipt(world, row))
    await asyncio.gather(*(post(world, letter) for _ in range(4)))
    assert evidence_count(world, EvidenceKind.ACKNOWLEDGMENT, row) == 1
    assert world.what_happened().count("message.acknowledged") == 1
    assert "signal.repeated" not in world.what_happened()


async def test_a_second_acknowledgment_changes_nothing_and_gets_204(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE) as world:
        row = await send_out(world)
        await world.work()
        await world.settled()
        before = world.messages()
        assert (await post(world, acknowledgment(world, row.message_id))).status == 204
        assert world.messages() == before
        assert "signal.repeated" in world.what_happened()


async def test_an_error_after_the_acknowledgment_does_not_fail_the_message(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE) as world:
        row = await send_out(world)
        await world.work()
        await world.settled()
        assert (await post(world, with_warning(world, row.message_id, "Error"))).status == 204
        assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]


async def test_an_acknowledgment_that_comes_before_the_answer_to_the_attempt_wins(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    """The race that every MSH has: the signal is in while the POST is still under way."""
    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE) as world:
        row = await send_out(world)
        real = world.bridge.post

        async def slow(route, headers, body):  # type: ignore[no-untyped-def]
            answer = await real(route, headers, body)
            await world.settled()
            return answer

        world.bridge.post = slow
        await world.work()
        (message,) = world.messages()
        assert (message.key, message.state) == (row.key, MessageState.ACKNOWLEDGED)
        await world.work(days=1)
        assert [m.attempts for m in world.messages()] == [1]


async def test_two_verdicts_on_one_message_are_decided_inside_the_transaction(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    from bridge.ebms.signals import Acknowledges, FailsMessage
    from bridge.flow.settle import settle

    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE) as world:
        world.partner.misconduct.dropped = 1
        row = await send_out(world)
        await world.work()
        (stale,) = world.messages()
        good = Acknowledges(message_id=row.message_id, signed_receipt=False)
        bad = FailsMessage(message_id=row.message_id, errors=(Error(code="Unknown"),))
        await settle(world.bridge, stale, good, octets=b"ack", headers=())
        await settle(world.bridge, stale, bad, octets=b"error", headers=())
        assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]
        assert world.what_happened()[-1] == "signal.late"


async def test_an_error_is_never_answered_with_an_error(world: World) -> None:
    changes: list[Callable[[], Letter]] = [
        lambda: with_warning(world, "nooit@verstuurd", "Error"),
        lambda: write_signal(
            world,
            Kind.MESSAGE_ERROR,
            ref_to="x@y",
            in_tree=setter("soap:Header/eb:MessageHeader", version="1.0"),
        ),
    ]
    for make in changes:
        answer = await post(world, make())
        assert b"ErrorList" not in answer.body
    await world.work()
    assert world.partner.signals == []


async def test_what_a_partner_says_of_an_error_is_kept_as_content_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.partner.misconduct.dropped = 1
    row = await send_out(world)
    await world.work()
    quoted = "geen dossier van Jan Proefpersoon"
    errors = (Error(code="ValueNotRecognized", location="Proefpersoon", description=quoted),)
    listed = ErrorList(errors=errors, highest_severity="Error")
    letter = write_signal(world, Kind.MESSAGE_ERROR, ref_to=row.message_id, error_list=listed)
    assert (await post(world, letter)).status == 204
    (message,) = world.messages()
    assert message.reason == "the partner refused the message: ValueNotRecognized at …"
    told = world.bridge.store.read_sync(lambda tx: told_of(tx, message.exchange))
    assert list(told.values()) == [f"ValueNotRecognized at Proefpersoon: {quoted}"]
    printed = capsys.readouterr()
    assert "Proefpersoon" not in printed.out + printed.err
    assert not [step for step in world.steps() if "Proefpersoon" in str(step)]
    assert not [exchange for exchange in world.exchanges() if "Proefpersoon" in str(exchange.reason)]


@pytest.mark.rule("DK-121")
async def test_a_pong_that_nobody_asked_for_is_a_soap_fault(world: World) -> None:
    answer = await post(world, write_signal(world, Kind.PONG, ref_to="x@y"))
    assert answer.status == 500


async def test_the_partner_never_sees_a_signal_for_its_own_acknowledgment(world: World) -> None:
    await send_out(world)
    await world.work()
    await world.settled()
    await world.work(seconds=60)
    assert world.partner.signals == []
