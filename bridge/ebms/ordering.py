"""MessageOrder: in which order the messages of a conversation are handed on (ebMS 2.0, MessageOrder module).

Each sender numbers its messages in a conversation from 0; the first has the status Reset. A number says where a
message stands only within its run, since a sender may begin anew (Reset) and the number after 99999999 is 0. So every
message gets a `position`, which only grows: that of the run's first message plus its number.

| status, number | its position | judgement |
| --- | --- | --- |
| Reset, 0 | 0, when the conversation is new | `InTurn`, also when later ones overtook it |
| Reset, 0 | behind all that came | `Begins`: what is held goes on first, since its sender awaits nothing any more |
| Reset, other | - | Inconsistent |
| Continue | the one that is due | `InTurn` |
| Continue | a later one | `Held`, until all before it are there; DeliveryFailure when too many wait already |
| Continue | an earlier one that nobody had | `Late`: a person let its successors go first |
| any | one that another message has | Inconsistent: a number is used once |
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from bridge.ebms.model import ErrorCode, Message, MessageOrder
from bridge.errors import EbmsError

WRAP = 100_000_000
"""The number after 99999999 is 0."""

MOST_HELD = 1000
"""Messages of one conversation that may wait for an earlier one."""

RESET = "Reset"
CONTINUE = "Continue"
_WHERE = "//Header/MessageOrder/SequenceNumber"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How far a conversation has come, one way: where its run begins, and the position that is due."""

    base: int = 0
    next: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InTurn:
    """Hand it on now, and then what waited for it."""

    position: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begins:
    """The first of a new run: first hand on everything that is held, then this."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """It must wait. `missing` is the number that is due."""

    position: int
    number: int
    missing: int

    @property
    def reason(self) -> str:
        return (
            f"number {self.number} of its conversation waits for number {self.missing}, which is not here yet"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """It is handed on at once, though later ones went before it."""

    position: int
    note: str = "it came after later ones had been let through"


Placed = InTurn | Begins | Held | Late


def line_name(message: Message, way: str) -> str:
    """Tells one conversation, one way (`in` or `out`), from every other: opaque, and of bounded length."""
    header = message.header
    parties = [sorted(str(p) for p in party.party_ids) for party in (header.from_party, header.to_party)]
    named = repr((way, header.cpa_id, header.conversation_id, *parties))
    return hashlib.sha256(named.encode()).hexdigest()


def number_at(line: Line, position: int) -> int:
    """The SequenceNumber that stands for this position."""
    return (position - line.base) % WRAP


def position_of(line: Line, order: MessageOrder, *, beyond: int) -> int:
    """Where the message stands; `beyond` is behind every position of the line that is taken.

    Of the positions that share the number it is the one nearest to what is due.
    """
    if order.status == RESET:
        return 0 if line == Line() else max(line.next, beyond)
    ahead = (order.sequence_number - number_at(line, line.next)) % WRAP
    return line.next + (ahead if ahead < WRAP // 2 else ahead - WRAP)


def place(line: Line, order: MessageOrder, position: int, *, taken: bool, held: int) -> Placed:
    """What the table says. `taken`: another message has this position; `held`: how many wait already.

    Raises EbmsError.
    """
    number = order.sequence_number
    if order.status == RESET:
        if number != 0:
            raise _inconsistent("Invalid value. A Reset begins with number 0.")
        return InTurn(position=0) if line == Line() else Begins(position=position)
    if taken:
        raise _inconsistent(f"Number {number} was used by another message of this conversation.")
    if position < line.base:
        raise _inconsistent(f"Number {number} lies before the beginning of the conversation.")
    if position < line.next:
        return Late(position=position)
    if position == line.next:
        unannounced = line == Line() and number == 0
        return InTurn(
            position=position, notes=("the first number has the status Continue",) if unannounced else ()
        )
    if held >= MOST_HELD:
        raise EbmsError(
            ErrorCode.DELIVERY_FAILURE,
            f"{held} messages of this conversation wait for an earlier one; send that first.",
            location=_WHERE,
        )
    return Held(position=position, number=number, missing=number_at(line, line.next))


def number_next(line: Line, *, under_way: bool, lost: bool) -> tuple[MessageOrder, Line]:
    """The order of our next message in a line, and the line after it.

    When a message of this run was lost for good (failed or expired) the partner waits for its number in vain. As soon
    as no message is under way any more, so that all are accounted for, a new run begins.
    """
    position = line.next
    if position == line.base or (lost and not under_way):
        return MessageOrder(sequence_number=0, status=RESET), Line(base=position, next=position + 1)
    order = MessageOrder(sequence_number=number_at(line, position), status=CONTINUE)
    return order, Line(base=line.base, next=position + 1)


def runs_on(line: Line, positions: Collection[int]) -> Line:
    """The line after everything that follows without a gap was handed on."""
    due = line.next
    while due in positions:
        due += 1
    return Line(base=line.base, next=due)


def _inconsistent(text: str) -> EbmsError:
    return EbmsError(ErrorCode.INCONSISTENT, text, location=_WHERE)
