"""A migrated party asks a legacy partner something through the bridge, and gets its answer in the same thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import HUB
from bridge.flow.exchange import settle_exchange
from bridge.flow.mend import Actor, resolve
from bridge.flow.offered import Failed, Fault, InProgress, Status, Succeeded, Taken, follow, offer
from bridge.hub.event import STRUCTURED
from bridge.hub.reader import read_structured
from bridge.ids import Oin
from bridge.pki import Pki
from bridge.store.rows import Direction, Event, ExchangeState, Message
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.hub_side import CORRELATION, TAKEN_UP, body_of, report, taken_up
from tests.flow.test_compose import two_partners

ASKER = Oin(HUB.oin)
REFUSAL = b"""<stuf:Fo01Bericht xmlns:stuf="http://www.egem.nl/StUF/StUF0301"><stuf:stuurgegevens>
<stuf:berichtcode>Fo01</stuf:berichtcode></stuf:stuurgegevens><stuf:body><stuf:code>StUF001</stuf:code>
<stuf:plek>server</stuf:plek><stuf:omschrijving>niet nu</stuf:omschrijving></stuf:body></stuf:Fo01Bericht>"""


@pytest.fixture
async def world(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    """What Veilig Thuis offers here asks the police for an answer."""
    async with open_world(tmp_path, pki, clock, requests=(TAKEN_UP,)) as opened:
        yield opened


async def ask(world: World, number: str = "A-1", **changes: Any) -> str:
    """Offer a request about what the police reported; gives its interactieId once the message is delivered."""
    event = taken_up(number, **changes)
    headers = (("Content-Type", STRUCTURED),)
    taken = await offer(world.bridge, oin=ASKER, any_source=False, headers=headers, body=body_of(event))
    assert isinstance(taken, Taken)
    await world.work()
    await world.settled()
    return taken.interactie_id


async def status(world: World, interactie_id: str) -> Status | None:
    return await follow(world.bridge, oin=ASKER, interactie_id=interactie_id)


def request(world: World, number: str = "A-1") -> Message:
    (found,) = world.messages(direction=Direction.OUT, subject=f"melding/{number}")
    return found


async def answer(world: World, number: str = "ANTWOORD-1", **header: Any) -> None:
    """The police answer with a message of their own."""
    payload = world.sample.replace(b"BVH-2026-000042", number.encode())
    assert (await world.partner.send(payload, "vtMelding", **header)).status == 204
    await world.work()


def made_of(world: World, number: str = "ANTWOORD-1") -> Event:
    (event,) = [
        e for e in world.events() if e.subject == f"melding/{number}" and e.direction is Direction.OUT
    ]
    return event


@pytest.mark.rule("SOH-134", "SOH-135")
async def test_a_request_is_in_progress_until_the_answer_of_the_partner_is_in(world: World) -> None:
    await report(world, "A-1")
    asked = await ask(world)
    assert await status(world, asked) == InProgress()
    await answer(world, ref_to=request(world).message_id)
    ended = await status(world, asked)
    assert isinstance(ended, Succeeded)
    assert ended.result["inzageUrl"].startswith(world.bridge.settings.inzage.base_url)


@pytest.mark.rule("SOH-37", "SOH-137", "SOH-140")
async def test_the_event_of_the_answer_names_the_request_as_its_cause_and_keeps_its_correlation(
    world: World,
) -> None:
    await report(world, "A-1")
    asked = await ask(world)
    await answer(world, ref_to=request(world).message_id)
    event = made_of(world)
    attributes = read_structured(event.body).attributes
    assert (attributes["causationid"], attributes["correlationid"]) == (asked, CORRELATION)
    assert (event.causation_id, event.correlation_id) == (asked, CORRELATION)
    exchange = next(e for e in world.exchanges() if e.key == event.exchange)
    assert exchange.correlation_id == CORRELATION


@pytest.mark.rule("SOH-137")
async def test_without_a_reference_the_conversation_tells_which_request_is_answered(world: World) -> None:
    await report(world, "A-1")
    asked = await ask(world)
    await answer(world, conversation_id=request(world).conversation_id)
    assert made_of(world).causation_id == asked
    assert isinstance(await status(world, asked), Succeeded)


@pytest.mark.rule("SOH-138")
async def test_of_several_requests_in_a_conversation_the_business_reference_tells_which(world: World) -> None:
    await report(world, "A-1")
    conversation = world.messages(direction=Direction.IN)[0].conversation_id
    payload = world.sample.replace(b"BVH-2026-000042", b"A-2")
    await world.partner.send(payload, "vtMelding", conversation_id=conversation)
    await world.work()
    first, second = await ask(world, "A-1"), await ask(world, "A-2")
    await answer(world, "A-2", conversation_id=conversation)
    assert await status(world, first) == InProgress()
    assert isinstance(await status(world, second), Succeeded)


@pytest.mark.rule("SOH-138")
async def test_answers_out_of_order_go_each_to_their_own_request(world: World) -> None:
    await report(world, "A-1")
    await report(world, "A-2")
    first, second = await ask(world, "A-1"), await ask(world, "A-2")
    await answer(world, "ANTWOORD-2", ref_to=request(world, "A-2").message_id)
    assert await status(world, first) == InProgress()
    await answer(world, "ANTWOORD-1", ref_to=request(world, "A-1").message_id)
    assert [made_of(world, f"ANTWOORD-{n}").causation_id for n in (1, 2)] == [first, second]


@pytest.mark.rule("SOH-138")
@pytest.mark.parametrize("reference", ["een-ander@elders.test", None])
async def test_a_message_that_may_answer_anything_is_tied_to_nothing(
    world: World, reference: str | None
) -> None:
    """A reference that is not ours, or two open requests in one conversation and neither about this subject."""
    await report(world, "A-1")
    conversation = world.messages(direction=Direction.IN)[0].conversation_id
    payload = world.sample.replace(b"BVH-2026-000042", b"A-2")
    await world.partner.send(payload, "vtMelding", conversation_id=conversation)
    await world.work()
    asked = [await ask(world, "A-1"), await ask(world, "A-2")]
    await answer(world, ref_to=reference, conversation_id=conversation)
    assert made_of(world).causation_id is None
    assert [await status(world, one) for one in asked] == [InProgress(), InProgress()]


async def test_the_report_that_came_before_the_request_is_no_answer_to_it(world: World) -> None:
    await report(world, "A-1")
    asked = await ask(world)
    assert request(world).conversation_id == world.messages(direction=Direction.IN)[0].conversation_id
    assert await status(world, asked) == InProgress()


@pytest.mark.rule("SOH-138")
async def test_without_an_answer_in_time_the_request_failed_and_a_late_answer_still_counts(
    world: World, clock: Clock
) -> None:
    await report(world, "A-1")
    moment = clock.now.replace(tzinfo=None).isoformat()
    clock.forward(seconds=-60)
    asked = await ask(world, expirytime=f"{moment}Z")
    clock.forward(seconds=120)
    late = await status(world, asked)
    assert isinstance(late, Failed)
    assert late.fault is Fault.TECHNICAL
    await answer(world, ref_to=request(world).message_id)
    assert isinstance(await status(world, asked), Succeeded)


@pytest.mark.rule("SOH-139")
async def test_a_fault_message_of_the_partner_makes_the_request_fail_with_a_reason(world: World) -> None:
    await report(world, "A-1")
    asked = await ask(world)
    sent = await world.partner.send(REFUSAL, "vtMelding", ref_to=request(world).message_id)
    assert sent.status == 204
    await world.work()
    refused = await status(world, asked)
    assert isinstance(refused, Failed)
    assert refused.fault is Fault.FUNCTIONAL
    assert refused.text


async def test_that_the_partner_refused_is_not_hidden_by_a_receipt_that_comes_after(world: World) -> None:
    """Its system said no; that its adapter says later that the message arrived makes nothing good."""
    await report(world, "A-1")
    await ask(world)
    sent = request(world)
    await world.partner.send(REFUSAL, "vtMelding", ref_to=sent.message_id)
    await world.work()
    now = world.clock()
    await world.bridge.store.write(lambda tx: settle_exchange(tx, sent.exchange, at=now))
    (exchange,) = [one for one in world.exchanges() if one.key == sent.exchange]
    assert exchange.state is ExchangeState.ATTENTION
    by = Actor(name="test")
    await resolve(world.bridge, exchange.key, note="they were called", dry_run=False, by=by)
    (exchange,) = [one for one in world.exchanges() if one.key == sent.exchange]
    assert exchange.state is ExchangeState.DONE


async def test_another_partner_cannot_say_how_a_message_fared(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with two_partners(tmp_path, pki, clock) as (world, other):
        await report(world, "A-1")
        await ask(world)
        sent = request(world)
        await other.send(REFUSAL, "vtMelding", ref_to=sent.message_id)
        await world.work()
        (exchange,) = [one for one in world.exchanges() if one.key == sent.exchange]
        assert exchange.state is ExchangeState.DONE
        assert "message.answered" not in world.what_happened()


@pytest.mark.rule("SOH-138")
async def test_another_partner_cannot_answer_for_the_one_that_was_asked(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    """It knows the MessageId and the conversation, and still its message is a message by itself."""
    async with two_partners(tmp_path, pki, clock) as (world, other):
        police = world.bridge.settings.partners[0].model_copy(update={"requests": (TAKEN_UP,)})
        partners = (police, *world.bridge.settings.partners[1:])
        world.bridge.settings = world.bridge.settings.model_copy(update={"partners": partners})
        await report(world, "A-1")
        asked = await ask(world)
        sent = request(world)
        payload = world.sample.replace(b"BVH-2026-000042", b"ANTWOORD-1")
        await other.send(payload, "vtMelding", ref_to=sent.message_id, conversation_id=sent.conversation_id)
        await world.work()
        assert made_of(world).causation_id is None
        assert await status(world, asked) == InProgress()


async def test_what_asks_for_no_answer_is_done_when_it_was_delivered(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock) as world:
        await report(world, "A-1")
        assert await status(world, await ask(world)) == Succeeded()
