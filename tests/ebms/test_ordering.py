"""MessageOrder as a table: numbers, positions, gaps, new beginnings, and the turn from 99999999 to 0."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms.model import MessageOrder
from bridge.ebms.ordering import (
    MOST_HELD,
    WRAP,
    Begins,
    Held,
    InTurn,
    Late,
    Line,
    Placed,
    number_next,
    place,
    position_of,
    runs_on,
)
from bridge.errors import EbmsError


class Conversation:
    """Keeps the books as the store does."""

    def __init__(self, line: Line | None = None) -> None:
        self.line = line or Line()
        self.taken: set[int] = set()
        self.handed: list[int] = []

    def take(self, number: int, status: str = "Continue") -> Placed:
        order = MessageOrder(sequence_number=number, status=status)
        position = position_of(self.line, order, beyond=max(self.taken, default=-1) + 1)
        waiting = {p for p in self.taken if p >= self.line.next}
        placed = place(self.line, order, position, taken=position in self.taken, held=len(waiting))
        self.taken.add(position)
        match placed:
            case InTurn():
                after = runs_on(Line(base=self.line.base, next=position + 1), waiting)
                self.handed += range(position, after.next)
                self.line = after
            case Begins():
                self.handed += [*sorted(waiting), position]
                self.line = Line(base=position, next=position + 1)
            case Late():
                self.handed.append(position)
        return placed


def test_numbers_in_order_go_straight_on() -> None:
    conversation = Conversation()

    assert conversation.take(0, "Reset") == InTurn(position=0)
    assert conversation.take(1) == InTurn(position=1)
    assert conversation.handed == [0, 1]


def test_a_number_too_early_waits_and_goes_on_behind_the_missing_one() -> None:
    conversation = Conversation()
    conversation.take(0, "Reset")

    held = conversation.take(2)

    assert isinstance(held, Held)
    assert held.reason == "number 2 of its conversation waits for number 1, which is not here yet"
    conversation.take(1)
    assert conversation.handed == [0, 1, 2]


@given(st.permutations(range(12)))
def test_whatever_order_they_come_in_they_go_on_in_theirs(arrival: Sequence[int]) -> None:
    conversation = Conversation()
    for number in arrival:
        conversation.take(number)
    assert conversation.handed == list(range(12))


def test_a_first_number_without_reset_is_taken_with_a_note() -> None:
    placed = Conversation().take(0)

    assert isinstance(placed, InTurn)
    assert placed.notes == ("the first number has the status Continue",)


def test_a_number_that_another_message_has_is_inconsistent() -> None:
    conversation = Conversation()
    conversation.take(0, "Reset")
    conversation.take(3)
    for number in (0, 3):
        with pytest.raises(EbmsError, match="used by another message") as refused:
            conversation.take(number)
        assert refused.value.code == "Inconsistent"
        assert refused.value.location == "//Header/MessageOrder/SequenceNumber"


def test_a_reset_begins_anew_and_hands_on_what_was_held() -> None:
    conversation = Conversation()
    for number, status in ((0, "Reset"), (2, "Continue"), (5, "Continue"), (0, "Reset"), (1, "Continue")):
        conversation.take(number, status)
    assert conversation.handed == [0, 2, 5, 6, 7]
    assert conversation.line == Line(base=6, next=8)


def test_a_reset_with_another_number_than_0_is_inconsistent() -> None:
    with pytest.raises(EbmsError, match="begins with number 0"):
        Conversation().take(4, "Reset")


def test_a_number_from_before_the_reset_is_inconsistent() -> None:
    conversation = Conversation(Line(base=6, next=8))

    with pytest.raises(EbmsError, match="before the beginning"):
        conversation.take(WRAP - 1)


def test_a_number_that_nobody_had_is_handed_on_late() -> None:
    assert Conversation(Line(base=0, next=9)).take(4) == Late(position=4)


def test_after_99999999_comes_0() -> None:
    conversation = Conversation(Line(base=0, next=WRAP - 1))

    assert isinstance(conversation.take(0), Held)
    assert isinstance(conversation.take(WRAP - 1), InTurn)
    assert conversation.handed == [WRAP - 1, WRAP]
    assert isinstance(conversation.take(1), InTurn)


def test_more_waiting_messages_than_the_bound_are_a_delivery_failure() -> None:
    order = MessageOrder(sequence_number=7)

    with pytest.raises(EbmsError) as refused:
        place(Line(), order, 7, taken=False, held=MOST_HELD)
    assert refused.value.code == "DeliveryFailure"


def test_our_own_numbers_begin_with_a_reset_and_go_on() -> None:
    first, line = number_next(Line(), under_way=False, lost=False)
    second, line = number_next(line, under_way=True, lost=False)

    assert (first.sequence_number, first.status) == (0, "Reset")
    assert (second.sequence_number, second.status) == (1, "Continue")


@pytest.mark.parametrize(
    ("under_way", "lost", "expected"),
    [(False, True, (0, "Reset")), (True, True, (4, "Continue")), (False, False, (4, "Continue"))],
)
def test_our_numbers_begin_anew_when_one_was_lost_and_all_are_accounted_for(
    under_way: bool, lost: bool, expected: tuple[int, str]
) -> None:
    order, _ = number_next(Line(base=0, next=4), under_way=under_way, lost=lost)

    assert (order.sequence_number, order.status) == expected


def test_what_we_number_is_handed_on_in_order_at_the_other_side() -> None:
    line, orders, dice = Line(), [], random.Random(3)
    for number in range(40):
        order, line = number_next(line, under_way=False, lost=number == 17)
        orders.append(order)
    conversation = Conversation()
    first, second = orders[:17], orders[17:]
    dice.shuffle(first)
    for order in (*first, *second):
        conversation.take(order.sequence_number, order.status)
    assert conversation.handed == list(range(40))
