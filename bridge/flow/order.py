"""MessageOrder in the flows: received messages are handed to mapping in their order, sent ones get their numbers.

Everything is decided and stored in the transaction that keeps the message, under a lock on its conversation. So no
number is judged or given out twice, at whichever process it comes in, and a killed process leaves nothing half done.
Messages that may go on get their map jobs in order and under one ordering key, so that they also run in order.
"""

from __future__ import annotations

from collections.abc import Sequence as Row
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from bridge.ebms import ordering
from bridge.ebms.model import MessageOrder
from bridge.flow.bridge import Bridge
from bridge.flow.context import partner_named
from bridge.flow.exchange import settle_exchange
from bridge.flow.mend_model import (
    Actor,
    CannotMend,
    ChangedMeanwhile,
    Effect,
    EffectKind,
    Mended,
    check_reason,
    write_audit,
)
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.jobs import add_job, finish_job
from bridge.store.messages import get_message, set_message_state
from bridge.store.rows import Job, Message, MessageState, Place, Sequence
from bridge.store.sequences import (
    add_place,
    behind_all,
    count_places,
    find_place,
    find_sequence,
    is_taken,
    list_places,
    lock_sequence,
    set_sequence,
    stands_in,
)
from bridge.store.timeline import add_step

MAP = "map"
"""The kind of the jobs that map a received message."""

KIND = "order"
"""Looks after a held message when the patience with its predecessor ends."""

_PATIENCE = timedelta(hours=1)
"""With a party of which the settings say nothing."""

WAITS_FOR_TURN = frozenset({MessageState.HELD, MessageState.OVERDUE})
_UNDER_WAY = frozenset({MessageState.CREATED, MessageState.WAITING})
_LOST = frozenset({MessageState.FAILED, MessageState.EXPIRED})

_log = get_logger()


class OutOfTurn(ChangedMeanwhile):
    """Another message of the conversation got the number first: make this one anew. A job is done again at once."""


# --- receiving


def take_place(tx: Connection, bridge: Bridge, row: Message, line: str, order: MessageOrder) -> Message:
    """Give a message that was just stored its place: it is handed to mapping, or held. Gives it as it is now.

    Raises EbmsError for a number that the conversation cannot have; then roll back.
    """
    sequence = lock_sequence(tx, line)
    now = ordering.Line(base=sequence.base, next=sequence.next)
    position = ordering.position_of(now, order, beyond=behind_all(tx, line))
    placed = ordering.place(
        now,
        order,
        position,
        taken=is_taken(tx, line, position),
        held=count_places(tx, line, since=now.next),
    )
    add_place(tx, Place(message=row.key, line=line, position=placed.position))
    match placed:
        case ordering.Held(reason=reason):
            return _hold(tx, bridge, row, reason)
        case ordering.Late(note=note):
            _hand_on(tx, bridge, row, line, note)
        case ordering.Begins():
            held = list_places(tx, line, since=now.next)
            _hand_on_all(tx, bridge, held, "the sender began its numbers anew")
            set_sequence(tx, Sequence(line=line, base=position, next=position + 1))
        case ordering.InTurn(notes=notes):
            _hand_on(tx, bridge, row, line, "; ".join(notes))
            _follow(tx, bridge, Sequence(line=line, base=now.base, next=position + 1))
    return get_message(tx, row.key)


def _hold(tx: Connection, bridge: Bridge, row: Message, reason: str) -> Message:
    partner = partner_named(bridge, row.from_party)
    patience = timedelta(minutes=partner.order_patience_minutes) if partner else _PATIENCE
    set_message_state(tx, row.key, MessageState.HELD, at=row.at, reason=reason)
    _step(tx, row, "message.held", "waiting", row.at, reason=reason)
    add_job(tx, key=bridge.new_key(), kind=KIND, subject_key=row.key, due=row.at + patience, at=row.at)
    return get_message(tx, row.key)


def _follow(tx: Connection, bridge: Bridge, sequence: Sequence) -> None:
    """Hand on what stands behind without a gap, and remember how far that came."""
    waiting = list_places(tx, sequence.line, since=sequence.next)
    line = ordering.Line(base=sequence.base, next=sequence.next)
    after = ordering.runs_on(line, {place.position for place in waiting})
    ready = [place for place in waiting if place.position < after.next]
    _hand_on_all(tx, bridge, ready, "the message before it is here")
    set_sequence(tx, Sequence(line=sequence.line, base=after.base, next=after.next))


def _hand_on_all(tx: Connection, bridge: Bridge, places: Row[Place], note: str) -> None:
    for place in places:
        row = get_message(tx, place.message)
        waited = row.state in WAITS_FOR_TURN
        _hand_on(tx, bridge, row, place.line, note if waited else "")
        if waited:
            settle_exchange(tx, row.exchange, at=bridge.now())


def _hand_on(tx: Connection, bridge: Bridge, row: Message, line: str, note: str) -> None:
    now = bridge.now()
    if row.state in WAITS_FOR_TURN:
        set_message_state(tx, row.key, MessageState.RECEIVED, at=now)
    if note:
        _step(tx, row, "message.in_turn", "info", now, note=note)
    add_job(
        tx,
        key=bridge.new_key(),
        kind=MAP,
        subject_key=row.key,
        ordering_key=line,
        due=now,
        at=now,
    )


async def look_after(bridge: Bridge, job: Job) -> None:
    """The patience with a held message has ended: if it still waits, a person must know."""
    now = bridge.now()

    def work(tx: Connection) -> Message:
        row = get_message(tx, job.subject_key)
        if row.state is MessageState.HELD:
            set_message_state(tx, row.key, MessageState.OVERDUE, at=now, reason=row.reason)
            _step(tx, row, "message.overdue", "failed", now, reason=row.reason or "")
            settle_exchange(tx, row.exchange, at=now)
        finish_job(tx, job, at=now)
        return row

    row = await bridge.store.write(work)
    if row.state is MessageState.HELD:
        _log.warning("message.overdue", message_id=row.message_id, reason=row.reason)


# --- letting it through by hand


async def let_through(bridge: Bridge, message: Key, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Hand a held message on without what is missing before it; those that wait in front of it go first.

    Raises CannotMend when it does not wait any more.
    """
    reason = reason if dry_run else check_reason(reason)

    def work(tx: Connection) -> tuple[Effect, ...]:
        row, place = get_message(tx, message), find_place(tx, message)
        if place is None or row.state not in WAITS_FOR_TURN:
            raise CannotMend(f"message {row.message_id} does not wait for another one any more")
        sequence = (find_sequence if dry_run else lock_sequence)(tx, place.line)
        before = list_places(tx, place.line, since=sequence.next, until=place.position)
        behind = list_places(tx, place.line, since=place.position + 1)
        line = ordering.Line(base=sequence.base, next=place.position + 1)
        after = ordering.runs_on(line, {other.position for other in behind})
        going = [*before, *(other for other in behind if other.position < after.next)]
        rows = [get_message(tx, other.message) for other in going]
        if not dry_run:
            _hand_on_all(tx, bridge, going, f"let through by {by.name}: {reason}")
            set_sequence(tx, Sequence(line=place.line, base=after.base, next=after.next))
            write_audit(tx, bridge, by, "message.let_through", message, reason, messages=str(len(rows)))
        return tuple(Effect(kind=EffectKind.HAND_ON, title=r.action, id=r.message_id) for r in rows)

    effects = await (bridge.store.read(work) if dry_run else bridge.store.write(work))
    if not dry_run:
        bridge.wake()
    return Mended(done=not dry_run, effects=effects)


# --- sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The number that a message of ours is made with. It counts only when `claim_number` finds it still free."""

    order: MessageOrder
    before: Sequence
    after: Sequence


def next_number(tx: Connection, line: str) -> Number:
    """What the next message of a conversation is to be numbered."""
    before = find_sequence(tx, line)
    order, after = ordering.number_next(
        ordering.Line(base=before.base, next=before.next),
        under_way=stands_in(tx, line, since=before.base, states=_UNDER_WAY),
        lost=stands_in(tx, line, since=before.base, states=_LOST),
    )
    return Number(order=order, before=before, after=Sequence(line=line, base=after.base, next=after.next))


def claim_number(tx: Connection, number: Number, message: Key) -> None:
    """In the transaction that keeps the message. Raises OutOfTurn when another one has the number."""
    if lock_sequence(tx, number.before.line) != number.before:
        raise OutOfTurn("another message of the conversation went first; look again")
    set_sequence(tx, number.after)
    add_place(tx, Place(message=message, line=number.after.line, position=number.after.next - 1))


def delivery_order(tx: Connection, row: Message) -> str | None:
    """The ordering key of the delivery of a message of ours: its conversation when that has an order, else its
    partner and subject."""
    place = find_place(tx, row.key)
    if place is not None:
        return place.line
    return f"{row.to_party} {row.subject}" if row.subject else None


def _step(tx: Connection, row: Message, what: str, outcome: str, at: datetime, **detail: str) -> None:
    add_step(
        tx,
        exchange=row.exchange,
        at=at,
        side="ebms",
        what=what,
        outcome=outcome,
        detail={"message_id": row.message_id} | detail,
    )
