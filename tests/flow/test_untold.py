"""Our answer to a message that cannot be delivered: whoever sent it does not know, and that is said."""

from __future__ import annotations

import pytest

from bridge.demo import SAMPLE
from bridge.ebms.model import Kind
from bridge.flow.mend import Actor, resolve, revive
from bridge.store.jobs import JobFilter, count_dead_by_sender, list_jobs
from bridge.store.rows import ExchangeState, Job, JobState
from tests.flow.conftest import World
from tests.flow.letters import post, write_signal

BY = Actor(name="wacht")


async def refused_and_untold(world: World) -> None:
    """A message that was changed after it was signed: refused, of which the partner cannot be told."""
    url, world.partner.bridge_url = world.partner.bridge_url, "https://localhost:9/ebms"
    made = await world.partner.send(SAMPLE.read_bytes(), "vtMelding")
    world.partner.bridge_url = url
    world.partner.misconduct.refused, world.partner.misconduct.status = 5, 500
    sent = world.partner.sent(made.message_id)
    await world.partner.post(sent.content_type, sent.body.replace(b"BVH", b"BVX"))
    for _ in range(6):
        await world.work(seconds=60)


def dead(world: World) -> tuple[Job, ...]:
    wanted = JobFilter(state=JobState.DEAD, kind="signal")
    return world.bridge.store.read_sync(lambda tx: list_jobs(tx, wanted))


@pytest.mark.rule("DK-99")
async def test_that_the_partner_was_not_told_of_a_refusal_stays_for_a_person(world: World) -> None:
    await refused_and_untold(world)
    assert [job.reason for job in dead(world)] == ["HTTP 500"]
    counted = world.bridge.store.read_sync(lambda tx: count_dead_by_sender(tx, kind="signal", most=9))
    assert counted == {world.partner.settings.oin: 1}


async def test_a_person_can_have_the_answer_posted_again(world: World) -> None:
    await refused_and_untold(world)
    (job,) = dead(world)
    await revive(world.bridge, job.key, dry_run=False, by=BY, reason="het adres werkt weer")
    await world.work(seconds=1)
    assert len(world.partner.signals) == 1
    assert dead(world) == ()


async def test_what_a_person_settled_counts_no_longer(world: World) -> None:
    await refused_and_untold(world)
    (exchange,) = [e for e in world.exchanges() if e.state is ExchangeState.ATTENTION]
    await resolve(world.bridge, exchange.key, note="gebeld: zij weten het", dry_run=False, by=BY)
    assert dead(world) == ()


async def test_an_acknowledgment_that_does_not_arrive_is_left_to_the_repeat_of_the_partner(
    world: World,
) -> None:
    world.partner.misconduct.refused, world.partner.misconduct.status = 5, 500
    await world.partner.send(SAMPLE.read_bytes(), "vtMelding")
    for _ in range(6):
        await world.work(seconds=60)
    assert dead(world) == ()
    assert [e.state for e in world.exchanges()] == [ExchangeState.DONE]


async def test_a_pong_that_does_not_arrive_bothers_nobody(world: World) -> None:
    world.partner.misconduct.refused, world.partner.misconduct.status = 99, 500
    await post(world, write_signal(world, Kind.PING))
    for _ in range(6):
        await world.work(seconds=60)
    assert dead(world) == ()
    assert [e.state for e in world.exchanges()] == [ExchangeState.DONE]
