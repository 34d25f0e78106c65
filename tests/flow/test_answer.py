"""How a message fared, told to its sender in a technical answer of its own standard: once, and in safe words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
from lxml import etree

from bridge.demo import MAPPINGS
from bridge.flow.mend import Actor, CannotMend, replay, resend, resolve, resume_partner, retry_event
from bridge.flow.refuse import refuse
from bridge.pki import Pki
from bridge.simulate import FaultKind, Where
from bridge.simulate.records import ReceivedMessage
from bridge.store.rows import (
    Direction,
    EventState,
    EvidenceKind,
    ExchangeState,
    Message,
    MessageState,
    Step,
)
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.store import evidence

REPORT = (MAPPINGS / "stuf-jz/zorgmelding.cases/typical.xml").read_bytes()
NAMES = {"stuf": "http://www.egem.nl/StUF/StUF0301"}
BY = Actor(name="operator", way="command")
FOUT = "BSN 999990019 van Proefpersoon is onbekend"
"""What a hub might say, and nobody may read."""


class Open(Protocol):
    def __call__(self, **changes: object) -> AbstractAsyncContextManager[World]: ...


@pytest.fixture
def opened(tmp_path: Path, pki: Pki, clock: Clock) -> Open:
    """A world in which the police report under an agreement with technical answers."""
    return partial(
        open_world,
        tmp_path,
        pki,
        clock,
        sends=("zorgmelding",),
        receives=("Bv01", "Fo01"),
        unique_references=True,
    )  # type: ignore[return-value]


@pytest.fixture
async def care(opened: Open) -> AsyncIterator[World]:
    async with opened() as world:
        yield world


async def report(world: World, number: str = "zm-ref-0001", **options: str) -> str:
    """Send a care report with this reference number; gives its MessageId."""
    payload = REPORT.replace(b"zm-ref-0001", number.encode()).replace(
        b"PLF-2026-0007", f"PLF-{number}".encode()
    )
    result = await world.partner.send(payload, "zorgmelding", **options)
    assert result.status == 204
    await world.work()
    return result.message_id


async def rest(world: World) -> None:
    """Until everything that is due in the next hour is done, the partner's signals included."""
    for seconds in (0, *[240] * 15):
        await world.work(seconds=seconds)
        await world.settled()


def body(received: ReceivedMessage) -> dict[str, str]:
    """The texts of a technical answer by their local name, those of the sender under zender/…."""
    root = etree.fromstring(received.payload)
    texts = {etree.QName(e).localname: e.text or "" for e in root.iter() if len(e) == 0}
    return {"root": etree.QName(root).localname, **texts}


def answers(world: World) -> list[Message]:
    return [m for m in world.messages(direction=Direction.OUT) if m.kind == "business"]


def told(world: World) -> list[Step]:
    return [step for step in world.steps() if step.what.startswith("partner.")]


async def test_a_message_that_ended_well_is_answered_in_its_own_conversation(care: World) -> None:
    message_id = await report(care, conversation_id="c-42")
    await rest(care)
    [received] = care.partner.received
    assert (received.action, received.copies) == ("Bv01", 1)
    assert (received.conversation_id, received.ref_to_message_id) == ("c-42", message_id)
    assert body(received)["crossRefnummer"] == "zm-ref-0001"
    assert care.partner.refused == []
    [exchange] = care.exchanges()
    assert exchange.state is ExchangeState.DONE
    assert [(step.what, step.detail["told"]) for step in told(care)] == [("partner.told", "handled")]


@pytest.mark.rule("SOH-73")
async def test_a_functional_refusal_goes_back_as_the_fault_message_of_the_standard(care: World) -> None:
    care.hub.reject("*", type_fout="FUNCTIONEEL", fout=FOUT)
    message_id = await report(care)
    await rest(care)
    assert [offer.count for offer in care.hub.events] == [1]
    [received] = care.partner.received
    assert (received.action, received.ref_to_message_id) == ("Fo01", message_id)
    fault = body(received)
    assert (fault["root"], fault["crossRefnummer"]) == ("Fo01Bericht", "zm-ref-0001")
    assert (fault["code"], fault["plek"]) == ("StUF058", "server")
    [exchange] = care.exchanges()
    assert exchange.state is ExchangeState.ATTENTION
    assert exchange.reason is not None
    assert exchange.reason.startswith("FUNCTIONEEL")


@pytest.mark.rule("SOH-73")
async def test_the_partner_never_reads_what_the_hub_said(care: World) -> None:
    care.hub.reject("*", type_fout="FUNCTIONEEL", fout=FOUT)
    await report(care)
    await rest(care)
    [received] = care.partner.received
    assert b"999990019" not in received.payload.replace(b"00000001999990019000", b"")
    assert b"Proefpersoon" not in received.payload


async def test_the_answer_is_signed_as_the_agreement_says(care: World) -> None:
    await report(care)
    await rest(care)
    [answer] = answers(care)
    assert answer.state is MessageState.ACKNOWLEDGED
    assert b"SignatureValue>" in evidence(care, EvidenceKind.SENT, answer)


async def test_a_technical_failure_of_the_hub_is_not_told(care: World) -> None:
    care.hub.reject("*", type_fout="TECHNISCH", times=2)
    await report(care)
    await rest(care)
    assert [received.action for received in care.partner.received] == ["Bv01"]


async def test_an_offer_that_the_hub_does_not_take_is_our_fault_and_not_told(care: World) -> None:
    care.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=422)
    await report(care)
    await rest(care)
    assert [event.state for event in care.events()] == [EventState.REFUSED]
    assert care.partner.received == []


async def test_without_the_action_in_the_agreement_nobody_is_told_and_the_timeline_says_why(
    opened: Open,
) -> None:
    async with opened(receives=("Fo01",)) as world:
        await report(world)
        await rest(world)
        assert world.partner.received == []
        [step] = told(world)
        assert step.what == "partner.not_told"
        assert "send no action Bv01" in step.detail["reason"]
        assert [exchange.state for exchange in world.exchanges()] == [ExchangeState.DONE]


async def test_a_partner_can_do_without_answers(opened: Open) -> None:
    async with opened(technical_answers=False) as world:
        await report(world)
        await rest(world)
        assert world.partner.received == []
        assert told(world) == []


async def test_a_message_that_no_mapping_answers_is_not_answered(world: World) -> None:
    await world.partner.send(world.sample, "vtMelding")
    await world.work()
    await rest(world)
    assert [event.state for event in world.events()] == [EventState.OK]
    assert world.partner.received == []
    assert told(world) == []


async def test_a_technical_answer_of_the_partner_is_never_answered(opened: Open) -> None:
    async with opened(sends=("zorgmelding", "Bv01")) as world:
        await report(world)
        await rest(world)
        [sent] = answers(world)
        ours = world.partner.received[0].payload
        assert (await world.partner.send(ours, "Bv01", ref_to=sent.message_id)).status == 204
        await rest(world)
        assert [m.action for m in answers(world)] == ["Bv01"]


async def test_mending_after_a_fault_was_told_tells_nothing_else(care: World) -> None:
    care.hub.reject("*", type_fout="FUNCTIONEEL", fout="onbekend", times=1)
    await report(care)
    await rest(care)
    [event] = care.events()
    await retry_event(care.bridge, event.key, dry_run=False, by=BY, reason="the hub knows the type now")
    await rest(care)
    assert [e.state for e in care.events()] == [EventState.ERROR, EventState.OK]
    assert [received.action for received in care.partner.received] == ["Fo01"]
    assert [step.what for step in told(care)] == ["partner.told", "partner.told_before"]
    assert [exchange.state for exchange in care.exchanges()] == [ExchangeState.DONE]


async def test_offering_again_what_ended_well_tells_nothing_twice(care: World) -> None:
    await report(care)
    await rest(care)
    [message] = care.messages(direction=Direction.IN)
    await replay(care.bridge, message.key, dry_run=False, by=BY, reason="proof", offer_again=True)
    await rest(care)
    assert [e.state for e in care.events()] == [EventState.OK, EventState.OK]
    assert [received.action for received in care.partner.received] == ["Bv01"]


async def test_an_answer_that_cannot_be_delivered_does_not_hide_why_there_was_one(care: World) -> None:
    care.hub.reject("*", type_fout="FUNCTIONEEL", fout="onbekend soort")
    care.partner.misconduct.refused = 10_000
    await report(care)
    await rest(care)
    [answer] = answers(care)
    assert answer.state in (MessageState.FAILED, MessageState.EXPIRED)
    [exchange] = care.exchanges()
    assert exchange.state is ExchangeState.ATTENTION
    assert exchange.reason is not None
    assert exchange.reason.startswith("FUNCTIONEEL")


async def test_an_undelivered_answer_to_what_ended_well_asks_for_a_person_and_can_be_sent_again(
    care: World,
) -> None:
    care.partner.misconduct.refused = 10_000
    await report(care)
    await rest(care)
    [answer] = answers(care)
    [exchange] = care.exchanges()
    assert exchange.state is ExchangeState.ATTENTION
    assert exchange.reason is not None
    assert exchange.reason.startswith("the technical answer Bv01 did not reach the partner")
    care.partner.misconduct.refused = 0
    await resume_partner(care.bridge, answer.to_party, dry_run=False, by=BY, reason="it is back")
    await resend(care.bridge, answer.key, dry_run=False, by=BY, reason="the partner is back")
    await rest(care)
    assert [received.action for received in care.partner.received] == ["Bv01"]
    assert [e.state for e in care.exchanges()] == [ExchangeState.DONE]


async def test_a_person_can_settle_an_answer_that_was_not_delivered(care: World) -> None:
    care.partner.misconduct.refused = 10_000
    await report(care)
    await rest(care)
    [exchange] = care.exchanges()
    await resolve(care.bridge, exchange.key, note="told by phone", dry_run=False, by=BY)
    assert [e.state for e in care.exchanges()] == [ExchangeState.DONE]


# -- refused by a person


UNKNOWN = REPORT.replace(b"</JZ:object>", b"<JZ:onbekend>x</JZ:onbekend></JZ:object>", 1)


async def test_a_person_refuses_what_cannot_be_mapped_and_its_sender_is_told(care: World) -> None:
    sent = await care.partner.send(UNKNOWN, "zorgmelding")
    await care.work()
    [exchange] = care.exchanges()
    done = await refuse(care.bridge, exchange.key, note="asked them to mend it", dry_run=False, by=BY)
    assert [(effect.kind, effect.title) for effect in done.effects] == [
        ("tell", "Fo01"),
        ("settle", "zorgmelding"),
    ]
    await rest(care)
    [received] = care.partner.received
    assert (received.action, received.ref_to_message_id) == ("Fo01", sent.message_id)
    assert (body(received)["crossRefnummer"], body(received)["code"]) == ("zm-ref-0001", "StUF055")
    assert [e.state for e in care.exchanges()] == [ExchangeState.DONE]


async def test_a_dry_run_of_refusing_tells_nobody(care: World) -> None:
    await care.partner.send(UNKNOWN, "zorgmelding")
    await care.work()
    [exchange] = care.exchanges()
    shown = await refuse(care.bridge, exchange.key, note="", dry_run=True, by=BY)
    await rest(care)
    assert [effect.kind for effect in shown.effects] == ["tell", "settle"]
    assert care.partner.received == []


async def test_a_person_refuses_what_the_hub_would_not_take(care: World) -> None:
    care.hub.fail(FaultKind.STATUS, where=Where.EVENTS, status=422)
    await report(care)
    await rest(care)
    [exchange] = care.exchanges()
    await refuse(care.bridge, exchange.key, note="it never fits", dry_run=False, by=BY)
    await rest(care)
    assert [received.action for received in care.partner.received] == ["Fo01"]
    assert [e.state for e in care.exchanges()] == [ExchangeState.DONE]


async def test_what_the_hub_has_is_not_refused(care: World) -> None:
    await report(care)
    await rest(care)
    with pytest.raises(CannotMend, match="was sent on to the hub"):
        await refuse(care.bridge, care.exchanges()[0].key, note="too late", dry_run=False, by=BY)


async def test_what_was_told_before_is_not_told_again(care: World) -> None:
    care.hub.reject("*", type_fout="FUNCTIONEEL", fout="onbekend soort")
    await report(care)
    await rest(care)
    with pytest.raises(CannotMend, match="it was told how it fared before"):
        await refuse(care.bridge, care.exchanges()[0].key, note="again", dry_run=False, by=BY)


async def test_where_no_mapping_tells_anybody_refusing_says_so(world: World) -> None:
    await world.partner.send(b"<onbekend/>", "vtMelding")
    await world.work()
    with pytest.raises(CannotMend, match="nobody is told"):
        await refuse(world.bridge, world.exchanges()[0].key, note="no", dry_run=False, by=BY)


async def test_mending_a_message_whose_sender_was_told_otherwise_warns_first(care: World) -> None:
    care.hub.reject("*", type_fout="FUNCTIONEEL", fout="onbekend", times=1)
    await report(care)
    await rest(care)
    [message] = care.messages(direction=Direction.IN)
    shown = await replay(care.bridge, message.key, dry_run=True, by=BY, reason="")
    assert [effect.kind for effect in shown.effects] == ["offer-again", "resource-same", "told"]
