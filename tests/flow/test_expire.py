"""What waits for a paused partner until its TimeToLive is over: ended in time, told truly, and never lost."""

from __future__ import annotations

import pytest

from bridge.ebms.sending import NEVER_SENT
from bridge.flow.expire import start_expiring
from bridge.flow.mend import Actor, resend, resume_partner
from bridge.store import channels
from bridge.store.jobs import claim_jobs
from bridge.store.rows import ExchangeState, MessageState, Step
from tests.flow.conftest import World
from tests.flow.outgoing import send_out
from tests.flow.wire import Wire

BY = Actor(name="wacht")
DAY = 24.0


async def pause(world: World) -> None:
    oin, now = world.partner.settings.oin, world.bridge.now()
    await world.bridge.store.write(lambda tx: channels.pause(tx, oin, by="wacht", reason="onderhoud", at=now))


async def sweep(world: World, *, hours: float) -> None:
    await world.bridge.store.write(lambda tx: start_expiring(tx, world.bridge))
    await world.work(hours=hours)


def failure(world: World) -> Step:
    (step,) = [step for step in world.steps() if step.what == "message.expired"]
    return step


@pytest.mark.rule("DK-99")
async def test_behind_a_pause_a_message_asks_for_a_person_when_its_time_is_over(world: World) -> None:
    wire = Wire(world)
    await pause(world)
    await send_out(world)
    await sweep(world, hours=DAY)
    assert wire.times == []
    assert [m.state for m in world.messages()] == [MessageState.EXPIRED]
    assert [(e.state, e.reason) for e in world.exchanges()] == [(ExchangeState.ATTENTION, NEVER_SENT)]


async def test_what_never_left_is_an_error_and_not_a_warning(world: World) -> None:
    """Section 7.2.5: a warning is for what may have arrived."""
    await pause(world)
    await send_out(world)
    await sweep(world, hours=DAY)
    assert failure(world).detail["severity"] == "Error"


async def test_what_left_before_the_pause_may_have_arrived(world: World) -> None:
    Wire(world).refuses(100)
    await send_out(world)
    await world.work()
    await pause(world)
    await sweep(world, hours=DAY)
    assert failure(world).detail["severity"] == "Warning"
    assert failure(world).detail["reason"].startswith("no acknowledgment came in 1 attempts")


async def test_what_was_sent_before_its_attempts_were_counted_anew_may_have_arrived(world: World) -> None:
    world.partner.misconduct.refused, world.partner.misconduct.status = 1, 400
    sent = await send_out(world)
    await world.work()
    await pause(world)
    await resend(world.bridge, sent.key, same=True, dry_run=False, by=BY, reason="de partner vraagt erom")
    await sweep(world, hours=DAY)
    assert failure(world).detail["reason"].startswith("no acknowledgment came")


async def test_before_its_time_is_over_it_waits(world: World) -> None:
    await pause(world)
    await send_out(world)
    await sweep(world, hours=0)
    assert [m.state for m in world.messages()] == [MessageState.CREATED]
    assert [e.state for e in world.exchanges()] == [ExchangeState.RUNNING]


async def test_after_the_resume_it_goes_as_a_new_message_once(world: World) -> None:
    wire = Wire(world)
    await pause(world)
    sent = await send_out(world)
    await sweep(world, hours=DAY)
    oin = world.partner.settings.oin
    await resume_partner(world.bridge, oin, dry_run=False, by=BY, reason="weer terug")
    await resend(world.bridge, sent.key, dry_run=False, by=BY, reason="nooit verstuurd")
    await world.work()
    await world.settled()
    assert len(wire.times) == 1
    assert [m.state for m in world.messages()] == [MessageState.EXPIRED, MessageState.ACKNOWLEDGED]
    assert [e.state for e in world.exchanges()] == [ExchangeState.DONE]


async def test_a_resumed_partner_finds_what_was_too_late_with_the_same_words(world: World) -> None:
    """No sweep came in between: the delivery itself sees that it never left."""
    await pause(world)
    await send_out(world)
    world.clock.forward(hours=DAY)
    await resume_partner(world.bridge, world.partner.settings.oin, dry_run=False, by=BY, reason="weer terug")
    await world.work()
    assert [e.reason for e in world.exchanges()] == [NEVER_SENT]


async def test_what_a_worker_holds_is_left_to_it(world: World) -> None:
    await send_out(world)
    store, clock = world.bridge.store, world.clock
    clock.forward(hours=DAY)
    await store.write(
        lambda tx: claim_jobs(
            tx, now=clock.now, worker="another", lease=world.bridge.settings.worker.lease, limit=1
        )
    )
    await pause(world)
    await sweep(world, hours=0)
    assert [m.state for m in world.messages()] == [MessageState.CREATED]


async def test_the_reason_of_sending_anew_stands_on_the_timeline(world: World) -> None:
    world.partner.misconduct.refused, world.partner.misconduct.status = 1, 400
    sent = await send_out(world)
    await world.work()
    await resend(world.bridge, sent.key, dry_run=False, by=BY, reason="gebeld, mag opnieuw")
    (step,) = [step for step in world.steps() if step.what == "message.resent"]
    assert (step.by, step.detail["reason"]) == ("wacht", "gebeld, mag opnieuw")
