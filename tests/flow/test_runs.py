"""Runs that mend many: a process that dies in the middle leaves nothing that is sent twice."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from bridge.flow.causes import list_causes
from bridge.flow.deliver import KIND as DELIVER
from bridge.flow.exchange import settle_exchange
from bridge.flow.runs import KIND, carry_out, start_run
from bridge.ids import Key
from bridge.store.messages import set_message_state
from bridge.store.rows import ItemOutcome, Message, MessageState, RunState, RunWhat
from bridge.store.runs import get_run, items_of
from tests.flow.test_mend import ANNA, Room, files, room, template

__all__ = ["files", "room", "template"]


class Killed(BaseException):
    """Nothing of the process goes on after this."""


async def die_after_sending(room: Room) -> Key:
    """A run over one message that did not arrive. Its process is gone when the new message is stored, and no sooner."""
    room.undelivered()
    (cause,) = room.read(list_causes)
    run = await start_run(
        room.bridge, cause.id, RunWhat.MEND, limit=10, by=ANNA, reason="the partner is back"
    )

    def die() -> None:
        raise Killed

    usual, room.bridge.wake = room.bridge.wake, die
    with pytest.raises(Killed):
        await carry_out(room.bridge, room.claim(KIND))
    room.bridge.wake = usual
    room.clock.forward(minutes=2)
    assert room.read(lambda tx: items_of(tx, run.key, ItemOutcome.DONE, limit=5)) == ()
    return run.key


def fail(room: Room, message: Message) -> None:
    """It does not arrive either."""

    def work(tx: Connection) -> None:
        at = room.clock()
        set_message_state(tx, message.key, MessageState.FAILED, at=at, reason="no acknowledgment")
        settle_exchange(tx, message.exchange, at=at)

    room.write(work)


async def test_a_message_that_a_killed_run_sent_anew_is_under_way_and_not_sent_again(room: Room) -> None:
    run = await die_after_sending(room)

    await carry_out(room.bridge, room.claim(KIND))

    assert len(room.ready(DELIVER)) == 1
    (item,) = room.read(lambda tx: items_of(tx, run, ItemOutcome.DONE, limit=5))
    assert len(room.messages(item.exchange)) == 2, "the former one and the new one"
    assert room.read(lambda tx: get_run(tx, run)).state is RunState.DONE


async def test_a_message_that_a_killed_run_sent_anew_and_that_failed_too_is_left_to_a_person(
    room: Room,
) -> None:
    run = await die_after_sending(room)
    (key,) = room.ready(DELIVER)
    fail(room, room.message(key))

    await carry_out(room.bridge, room.claim(KIND))

    (item,) = room.read(lambda tx: items_of(tx, run, ItemOutcome.FAILED, limit=5))
    assert len(room.messages(item.exchange)) == 2, "no third one"
    assert item.why is not None and "look at it" in item.why


async def test_another_run_later_may_send_it_again(room: Room) -> None:
    await die_after_sending(room)
    (key,) = room.ready(DELIVER)
    message = room.message(key)
    fail(room, message)
    await carry_out(room.bridge, room.claim(KIND))
    room.clock.forward(minutes=1)
    (cause,) = room.read(list_causes)

    await start_run(room.bridge, cause.id, RunWhat.MEND, limit=10, by=ANNA, reason="the partner is back")
    await carry_out(room.bridge, room.claim(KIND))

    assert len(room.messages(message.exchange)) == 3
