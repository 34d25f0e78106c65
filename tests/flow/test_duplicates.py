"""Once and only once: a repeat gets the first answer again, octet for octet, and is never delivered twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.store.jobs import JobFilter, list_jobs
from bridge.store.rows import EvidenceKind, MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import part, post, write
from tests.flow.store import evidence, evidence_count


def map_jobs(world: World) -> int:
    """How often the message was, or will be, given to the mapping."""
    return len(world.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="map"), limit=100)))


@pytest.mark.rule("DK-24", "DK-04", "DK-97")
async def test_a_repeat_gets_the_identical_acknowledgment_and_is_not_delivered_again(world: World) -> None:
    posted: list[bytes] = []
    keep = world.bridge.post

    async def spy(route, headers, body):  # type: ignore[no-untyped-def]
        with body.open() as stream:
            posted.append(stream.read())
        return await keep(route, headers, body)

    world.bridge.post = spy
    sent = await world.partner.send(world.sample, "vtMelding")
    await world.work()
    for _ in range(2):
        assert (await world.partner.resend(sent.message_id)).status == 204
        await world.work(seconds=1)
    assert len(posted) == 3
    assert len(set(posted)) == 1
    assert len(world.messages()) == 1
    assert map_jobs(world) == 1


@pytest.mark.rule("DK-24")
async def test_a_repeat_under_mshsignalsonly_gets_the_identical_response(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, sync=True) as world:
        letter = write(world)
        answers = [await post(world, letter) for _ in range(2)]
        assert answers[0].body == answers[1].body != b""


@pytest.mark.rule("DK-24")
async def test_copies_in_parallel_are_delivered_once(world: World) -> None:
    letter = write(world)
    answers = await asyncio.gather(*(post(world, letter) for _ in range(8)))
    assert {answer.status for answer in answers} == {204}
    await world.work()
    assert len(world.messages()) == 1
    assert map_jobs(world) == 1
    assert evidence_count(world, EvidenceKind.ANSWER) == 1


@pytest.mark.rule("DK-92")
async def test_a_repeat_after_the_message_expired_still_gets_its_first_answer(world: World) -> None:
    sent = await world.partner.send(world.sample, "vtMelding")
    await world.work()
    world.clock.forward(days=20)
    assert (await world.partner.resend(sent.message_id)).status == 204
    await world.work()
    first, again = world.partner.signals
    assert again == first
    assert map_jobs(world) == 1


@pytest.mark.rule("DK-24")
async def test_a_refused_message_gets_its_error_again(world: World) -> None:
    letter = write(world, action="vtIetsAnders")
    await post(world, letter)
    await post(world, letter)
    await world.work()
    assert len({signal.header.message_id for signal in world.partner.signals}) == 1
    assert [m.state for m in world.messages()] == [MessageState.REFUSED]


@pytest.mark.rule("DK-24")
async def test_the_same_id_with_other_content_is_refused_with_an_alarm(world: World) -> None:
    first = write(world, message_id="one@partner.test")
    other = write(world, part(b"<anders/>"), message_id="one@partner.test")
    await post(world, first)
    await post(world, other)
    await world.work()
    assert "message.id_reused" in world.what_happened()
    assert [m.state for m in world.messages()].count(MessageState.REFUSED) == 1
    assert map_jobs(world) == 1
    errors = [s for s in world.partner.signals if s.error_list]
    assert [e.code for s in errors for e in s.error_list.errors] == ["Inconsistent"]  # type: ignore[union-attr]


async def test_a_stranger_cannot_fetch_a_stored_answer(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, sync=True) as world, world.stranger() as session:
        letter = write(world)
        acknowledged = await post(world, letter)
        answer = await post(world, letter, session=session)
        assert answer.body != acknowledged.body
        assert answer.message.acknowledgment is None


@pytest.mark.rule("DK-20")
async def test_best_effort_repeats_are_filtered_unless_the_partner_setting_says_deliver(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    for deliver, times in ((False, 1), (True, 2)):
        folder = tmp_path / str(deliver)
        folder.mkdir()
        async with open_world(
            folder, pki, clock, profile=Profile.BEST_EFFORT, deliver_repeats=deliver
        ) as world:
            letter = write(world)
            assert [(await post(world, letter)).status for _ in range(2)] == [204, 204]
            assert map_jobs(world) == times


@pytest.mark.rule("DK-24")
async def test_nothing_is_acknowledged_that_is_not_on_disk(world: World) -> None:
    await post(world, write(world))
    assert evidence(world, EvidenceKind.ANSWER)
    assert world.partner.signals == []
