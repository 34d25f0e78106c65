"""When much is waiting: what goes first is decided by what is claimed, whatever is due longest."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection

from bridge.demo import HUB, POLICE
from bridge.flow import signal
from bridge.store.channels import pause
from bridge.store.jobs import add_job, claim_jobs
from bridge.store.messages import add_message
from bridge.store.rows import EvidenceKind, Job
from tests.flow.conftest import World
from tests.flow.store import evidence
from tests.store.conftest import Maker

ENDPOINTS = ("00000001999990999000", POLICE.oin, "00000001999990888000", None)
BULK = 300


def pile_up(world: World) -> None:
    """Deliveries that are due for an hour, to several partners and to none."""
    bridge, now = world.bridge, world.clock.now

    def work(tx: Connection) -> None:
        for number in range(BULK):
            key, endpoint = bridge.new_key(), ENDPOINTS[number % len(ENDPOINTS)]
            due = now - timedelta(hours=1)
            add_job(tx, key=key, kind="deliver", subject_key=key, endpoint=endpoint, due=due, at=due)

    bridge.store.write_sync(work)


def claim(world: World, **more: object) -> list[Job]:
    """What the worker of these settings would do next."""
    settings = world.bridge.settings.worker
    take = partial(
        claim_jobs,
        now=world.clock.now,
        worker="w",
        lease=settings.lease,
        limit=settings.concurrency,
        per_endpoint=settings.per_endpoint,
        **more,  # type: ignore[arg-type]
    )
    return list(world.bridge.store.write_sync(take))


@pytest.mark.rule("DK-24")
async def test_a_signed_acknowledgment_goes_before_a_backlog_of_bulk(world: World) -> None:
    pile_up(world)
    assert (await world.partner.send(world.sample, "vtMelding")).status == 204

    first, *others = claim(world)

    assert first.kind == signal.KIND and b"Acknowledgment" in evidence(world, EvidenceKind.ANSWER)
    assert {job.kind for job in others} == {"deliver"} and len(others) > 1


async def test_it_goes_before_though_every_place_of_its_partner_is_taken(world: World) -> None:
    pile_up(world)
    assert (await world.partner.send(world.sample, "vtMelding")).status == 204
    full = world.bridge.settings.worker.per_endpoint

    first, *_ = claim(world, busy={POLICE.oin: full, HUB.oin: full})

    assert first.kind == signal.KIND


async def test_of_many_acknowledgments_the_longest_due_go_first(world: World) -> None:
    pile_up(world)
    share = world.bridge.settings.worker.per_endpoint
    for _ in range(share + 2):
        assert (await world.partner.send(world.sample, "vtMelding")).status == 204
        world.clock.forward(seconds=1)

    first = claim(world)[:share]
    then = claim(world)

    assert {job.kind for job in first} == {signal.KIND}
    assert [job.due for job in first] == sorted(job.due for job in first)
    assert [job.kind for job in then[:2]] == [signal.KIND] * 2


async def test_acknowledgments_that_a_partner_does_not_take_leave_places_for_those_of_others(
    world: World,
) -> None:
    settings, bridge, now = world.bridge.settings.worker, world.bridge, world.clock.now
    assert settings.per_endpoint < settings.concurrency
    other = Maker().message(from_party="00000001999990999000")

    def work(tx: Connection) -> None:
        add_message(tx, other)
        signal.add_answer_job(tx, other, key=bridge.new_key(), at=now + timedelta(minutes=1))

    for _ in range(settings.concurrency):
        assert (await world.partner.send(world.sample, "vtMelding")).status == 204
    await bridge.store.write(work)
    world.clock.forward(minutes=1)

    claimed = claim(world)

    assert other.key in [job.subject_key for job in claimed if job.kind == signal.KIND]


async def test_a_pause_of_the_partner_holds_back_no_acknowledgment(world: World) -> None:
    at = world.clock.now
    await world.bridge.store.write(lambda tx: pause(tx, POLICE.oin, by="anna", reason="x", at=at))
    assert (await world.partner.send(world.sample, "vtMelding")).status == 204

    assert signal.KIND in [job.kind for job in claim(world)]
