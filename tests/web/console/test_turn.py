"""Whose turn it is."""

from typing import Any

import pytest

from bridge.ebms.sending import NEVER_SENT
from bridge.flow.exchange import RESEND_OF
from bridge.ids import MessageId
from bridge.store.rows import Direction, EventState, Exchange, ExchangeState, MessageState
from bridge.web.console.turn import Turn, reason_key, whose_turn


def made(seeder: Any, exchange_state: ExchangeState, reason: str | None = None) -> Exchange:
    exchange: Exchange = seeder.exchange(state=exchange_state, reason=reason)
    return exchange


def test_done_is_nobodys_turn(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.DONE)
    assert whose_turn(exchange, [seeder.message(exchange)], []) is Turn.NOBODY


@pytest.mark.parametrize(
    ("state", "turn"),
    [
        (MessageState.RECEIVED, Turn.BRIDGE),
        (MessageState.WAITING, Turn.PARTNER),
        (MessageState.MAPPED, Turn.BRIDGE),
    ],
)
def test_running_waits_for_whom_its_message_waits(seeder: Any, state: MessageState, turn: Turn) -> None:
    exchange = made(seeder, ExchangeState.RUNNING)
    assert whose_turn(exchange, [seeder.message(exchange, state=state)], []) is turn


def test_offered_event_is_the_hubs_turn(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.RUNNING)
    event = seeder.event(exchange, state=EventState.OFFERED)
    assert whose_turn(exchange, [seeder.message(exchange)], [event]) is Turn.HUB


def test_parked_message_is_the_integrators_turn(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.ATTENTION)
    message = seeder.message(exchange, state=MessageState.PARKED)
    assert whose_turn(exchange, [message], []) is Turn.INTEGRATOR


def test_attention_is_never_left_to_the_bridge(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.ATTENTION)
    message = seeder.message(exchange, state=MessageState.RECEIVED)
    assert whose_turn(exchange, [message], []) is Turn.OPERATOR


def test_reason_is_explained_by_its_ebms_code(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.ATTENTION, "SecurityFailure at /Envelope: digest differs")
    assert reason_key(exchange, [], []) == "SecurityFailure"


def test_reason_without_a_code_is_explained_by_the_state_that_stopped(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.ATTENTION, "no mapping")
    message = seeder.message(exchange, state=MessageState.PARKED)
    assert reason_key(exchange, [message], []) == "parked"
    assert reason_key(exchange, [], []) == "unknown"


@pytest.mark.parametrize(
    ("reason", "key", "turn"),
    [
        (
            "its reference number was used before, in message a@b, for other content; replay it to send it on",
            "number_reused",
            Turn.OPERATOR,
        ),
        (
            "Politie migrated on 2026-01-01: the bridge translates nothing more for it; this message is kept",
            "migrated",
            Turn.OPERATOR,
        ),
        ("M940 at jz:object: an element is missing at the end (XSD rule x)", "schema", Turn.PARTNER),
        ("the payload is not readable XML: unclosed", "unreadable", Turn.PARTNER),
        ("M932 at jz:bijlage: the attachment is not at hand", "attachment", Turn.OPERATOR),
        ("M930 at jz:object: no value", "made", Turn.OPERATOR),
        ("the partner's system answered Fo01", "answered", Turn.OPERATOR),
        ("M901: no mapping", "no_mapping", Turn.INTEGRATOR),
    ],
)
def test_parked_message_is_the_turn_of_whom_its_reason_names(
    seeder: Any, reason: str, key: str, turn: Turn
) -> None:
    exchange = made(seeder, ExchangeState.ATTENTION, reason)
    message = seeder.message(exchange, state=MessageState.PARKED, reason=reason)
    assert reason_key(exchange, [message], []) == key
    assert whose_turn(exchange, [message], []) is turn


def test_message_whose_predecessor_did_not_come_is_the_operators_turn(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.ATTENTION, "waits for number 2 of the conversation")
    message = seeder.message(exchange, state=MessageState.OVERDUE)
    assert reason_key(exchange, [message], []) == "overdue"
    assert whose_turn(exchange, [message], []) is Turn.OPERATOR


def test_what_was_sent_anew_waits_for_the_partner_whatever_became_of_the_former(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.RUNNING)
    former = seeder.message(exchange, state=MessageState.EXPIRED, direction=Direction.OUT)
    anew = seeder.message(
        exchange,
        state=MessageState.WAITING,
        direction=Direction.OUT,
        message_id=MessageId("anew@bridge"),
        values={RESEND_OF: former.message_id},
    )
    assert whose_turn(exchange, [former, anew], []) is Turn.PARTNER


def test_what_a_person_settled_is_nobodys_turn_while_the_rest_runs(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.RUNNING)
    settled = seeder.message(exchange, state=MessageState.PARKED)
    event = seeder.event(exchange, state=EventState.OFFERED)
    assert whose_turn(exchange, [settled], [event]) is Turn.HUB


def test_what_never_left_is_explained_as_such_and_a_person_decides(seeder: Any) -> None:
    exchange = made(seeder, ExchangeState.ATTENTION, NEVER_SENT)
    message = seeder.message(exchange, state=MessageState.EXPIRED, direction=Direction.OUT)
    assert reason_key(exchange, [message], []) == "never_sent"
    assert whose_turn(exchange, [message], []) is Turn.OPERATOR
