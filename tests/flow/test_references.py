"""The same message under another MessageId is not sent on twice; another message under a used number is never lost."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from lxml import etree
from sqlalchemy import update

from bridge.demo import MAPPINGS
from bridge.flow.map import map_message
from bridge.flow.mend import Actor, CannotMend, replay
from bridge.flow.purge import start_purging
from bridge.mapping.load import MappingSet
from bridge.store import tables
from bridge.store.blobs import read_blob
from bridge.store.jobs import claim_jobs
from bridge.store.messages import ATTACHMENTS_FROM, payloads_of
from bridge.store.rows import Direction, ExchangeState, Message, MessageState
from tests.flow.conftest import World, compiled_mappings
from tests.flow.letters import part, post, write
from tests.flow.test_answer import REPORT, Open, body, opened, report, rest
from tests.flow.test_purge import with_retention

__all__ = ["opened"]

BY = Actor(name="operator", way="command")


@pytest.fixture
async def care(opened: Open) -> AsyncIterator[World]:
    async with opened() as world:
        yield world


def received(world: World) -> list[Message]:
    return [m for m in world.messages(direction=Direction.IN) if m.kind == "business"]


def states(world: World) -> list[MessageState]:
    return [message.state for message in received(world)]


async def send(world: World, payload: bytes) -> None:
    assert (await world.partner.send(payload, "zorgmelding")).status == 204
    await world.work()


async def test_the_same_message_under_another_message_id_is_not_sent_on_again(care: World) -> None:
    first = await report(care)
    await report(care)
    await rest(care)
    assert len(care.events()) == 1
    assert states(care) == [MessageState.MAPPED, MessageState.REPEATED]
    again = received(care)[1]
    assert again.reason == f"received before as {first}, not sent on again"
    assert [exchange.state for exchange in care.exchanges()] == [ExchangeState.DONE] * 2
    [step] = [step for step in care.steps() if step.what == "message.received_before"]
    assert step.detail["former_message_id"] == first


async def test_the_answer_is_repeated_to_the_repeat(care: World) -> None:
    await report(care)
    await rest(care)
    again = await report(care)
    await rest(care)
    first, second = care.partner.received
    assert second.payload == first.payload
    assert second.message_id != first.message_id
    assert second.ref_to_message_id == again
    assert [exchange.state for exchange in care.exchanges()] == [ExchangeState.DONE] * 2


async def test_a_repeat_before_the_end_is_not_answered_on_its_own(care: World) -> None:
    care.hub.conduct.never_ok = True
    await report(care)
    await report(care)
    await rest(care)
    assert care.partner.received == []
    care.hub.conduct.never_ok = False
    await rest(care)
    assert [answer.action for answer in care.partner.received] == ["Bv01"]


async def test_a_message_that_is_only_written_down_otherwise_is_the_same(care: World) -> None:
    await send(care, REPORT)
    await send(
        care,
        REPORT.replace(b"?>", b"?><!-- sent again -->", 1).replace(
            b"</StUF:berichtcode>", b"</StUF:berichtcode >"
        ),
    )
    assert states(care) == [MessageState.MAPPED, MessageState.REPEATED]


async def test_another_message_under_a_used_number_waits_and_is_not_lost(care: World) -> None:
    await report(care)
    await send(care, REPORT.replace(b"PLF-2026-0007", b"PLF-2026-0008"))
    await rest(care)
    assert len(care.events()) == 1
    assert states(care) == [MessageState.MAPPED, MessageState.PARKED]
    exchange = care.exchanges()[1]
    assert exchange.state is ExchangeState.ATTENTION
    assert exchange.reason is not None
    assert exchange.reason.startswith("its reference number was used before, in message ")


async def test_its_sender_is_told_that_the_number_was_used(care: World) -> None:
    await report(care)
    await send(care, REPORT.replace(b"PLF-2026-0007", b"PLF-2026-0008"))
    faults = [body(a) for a in (await care.partner.wait_received(1, 5)) if a.action == "Fo01"]
    await rest(care)
    faults = [body(answer) for answer in care.partner.received if answer.action == "Fo01"]
    assert [fault["code"] for fault in faults] == ["StUF016"]


async def test_a_person_sends_it_on_all_the_same(care: World) -> None:
    await report(care)
    await send(care, REPORT.replace(b"PLF-2026-0007", b"PLF-2026-0008"))
    waiting = received(care)[1]
    shown = await replay(care.bridge, waiting.key, dry_run=True, by=BY, reason="")
    assert [effect.kind for effect in shown.effects] == ["offer", "resource", "told"]
    await replay(care.bridge, waiting.key, dry_run=False, by=BY, reason="they use their numbers twice")
    await rest(care)
    assert [event.subject for event in care.events()] == ["melding/PLF-zm-ref-0001", "melding/PLF-2026-0008"]
    assert states(care) == [MessageState.MAPPED, MessageState.MAPPED]


async def test_the_same_number_of_another_sender_behind_one_relay_is_another_number(care: World) -> None:
    await send(care, REPORT)
    await send(
        care,
        REPORT.replace(b"00000001999930033000", b"00000001999930055000", 1).replace(
            b"PLF-2026-0007", b"PLF-2026-0008"
        ),
    )
    assert states(care) == [MessageState.MAPPED, MessageState.MAPPED]


async def test_messages_without_a_number_are_never_taken_for_each_other(care: World) -> None:
    bare = REPORT.replace(b">zm-ref-0001<", b"> <")
    await send(care, bare)
    await send(care, bare)
    assert MessageState.REPEATED not in states(care)


async def test_other_parts_make_another_message(care: World) -> None:
    for attachment in (b"%PDF-1", b"%PDF-2"):
        letter = write(care, part(REPORT), part(attachment, "application/pdf"), action="zorgmelding")
        assert (await post(care, letter)).status == 204
        await care.work()
    assert states(care) == [MessageState.MAPPED, MessageState.PARKED]


async def test_a_part_that_calls_itself_by_a_digest_does_not_take_the_place_of_the_file(care: World) -> None:
    file = b"%PDF-1 a file in the report"
    reference = f"sha256:{hashlib.sha256(file).hexdigest()}"
    root = etree.fromstring((MAPPINGS / "stuf-jz" / "zorgmelding.cases" / "rich.xml").read_bytes())
    (inside,) = root.iter("{*}inhoud")
    inside.text = base64.b64encode(file).decode()
    other = part(b"something else", "application/pdf", content_id=reference)
    await post(care, write(care, part(etree.tostring(root)), other, action="zorgmelding"))
    await care.work()
    (message,) = received(care)
    parts = care.bridge.store.read_sync(
        lambda tx: [
            (p.position > ATTACHMENTS_FROM, read_blob(tx, p.blob)) for p in payloads_of(tx, message.key)
        ]
    )
    assert parts[1:] == [(False, b"something else"), (True, file)]


async def test_a_partner_that_uses_its_numbers_twice_can_be_let_through(opened: Open) -> None:
    async with opened(unique_references=False) as world:
        await report(world)
        await report(world)
        assert states(world) == [MessageState.MAPPED, MessageState.MAPPED]
        assert len(world.events()) == 2


async def test_replaying_a_message_does_not_make_it_a_repeat_of_itself(care: World) -> None:
    await report(care)
    await rest(care)
    [message] = received(care)
    mended = await replay(care.bridge, message.key, dry_run=False, by=BY, reason="proof")
    assert mended.done
    assert states(care) == [MessageState.MAPPED]


async def test_two_copies_that_waited_for_a_mapping_become_one_event_when_both_are_replayed(
    care: World,
) -> None:
    care.bridge.mappings = MappingSet(programs=(), sha="")
    await report(care)
    await report(care)
    assert states(care) == [MessageState.PARKED, MessageState.PARKED]
    care.bridge.mappings = compiled_mappings()
    for message in received(care):
        assert (await replay(care.bridge, message.key, dry_run=False, by=BY, reason="mended")).done
    await rest(care)
    assert states(care) == [MessageState.MAPPED, MessageState.REPEATED]
    assert len(care.events()) == 1


async def test_a_repeat_is_not_replayed(care: World) -> None:
    await report(care)
    await report(care)
    with pytest.raises(CannotMend, match="replay that one"):
        await replay(care.bridge, received(care)[1].key, dry_run=False, by=BY, reason="proof")


async def test_two_nodes_that_map_two_copies_at_once_make_one_event(care: World) -> None:
    """In one order they would be mapped one after the other; those of two ordered conversations are not."""
    for _ in range(2):
        assert (await care.partner.send(REPORT, "zorgmelding")).status == 204
    await care.bridge.store.write(lambda tx: tx.execute(update(tables.job).values(ordering_key=None)))
    lease = timedelta(minutes=5)
    jobs = await care.bridge.store.write(
        lambda tx: claim_jobs(tx, kinds=["map"], worker="both", now=care.clock(), lease=lease, limit=10)
    )
    assert len(jobs) == 2
    await asyncio.gather(*(map_message(care.bridge, job) for job in jobs))
    assert sorted(states(care)) == [MessageState.MAPPED, MessageState.REPEATED]
    assert len(care.events()) == 1


async def test_what_a_message_was_known_by_goes_with_its_content(care: World) -> None:
    with_retention(care, payload_days=30)
    await report(care)
    await rest(care)
    await care.bridge.store.write(lambda tx: start_purging(tx, care.bridge))
    await care.work(days=31)
    await report(care)
    assert states(care) == [MessageState.MAPPED, MessageState.MAPPED]
