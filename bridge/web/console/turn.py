"""Whose turn it is in an exchange, and which sentence explains its state. Pure."""

from collections.abc import Iterable
from enum import StrEnum

from bridge.store.rows import Event, EventState, Exchange, ExchangeState, Message, MessageState


class Turn(StrEnum):
    NOBODY = "nobody"
    BRIDGE = "bridge"
    PARTNER = "partner"
    HUB = "hub"
    INTEGRATOR = "integrator"
    OPERATOR = "operator"


_MESSAGE_TURN = {
    MessageState.HELD: Turn.PARTNER,
    MessageState.OVERDUE: Turn.OPERATOR,
    MessageState.PARKED: Turn.INTEGRATOR,
    MessageState.REFUSED: Turn.PARTNER,
    MessageState.FAILED: Turn.OPERATOR,
    MessageState.EXPIRED: Turn.OPERATOR,
    MessageState.WAITING: Turn.PARTNER,
    MessageState.RECEIVED: Turn.BRIDGE,
    MessageState.CREATED: Turn.BRIDGE,
}

_EVENT_TURN = {
    EventState.ERROR: Turn.OPERATOR,
    EventState.REFUSED: Turn.OPERATOR,
    EventState.QUARANTINED: Turn.OPERATOR,
    EventState.EXPIRED: Turn.OPERATOR,
    EventState.OFFERED: Turn.HUB,
    EventState.UNKNOWN: Turn.HUB,
    EventState.CREATED: Turn.BRIDGE,
    EventState.RECEIVED: Turn.BRIDGE,
}

_URGENCY = (Turn.INTEGRATOR, Turn.OPERATOR, Turn.PARTNER, Turn.HUB, Turn.BRIDGE)
"""Who is named first when several have something to do: people before machines."""


def whose_turn(exchange: Exchange, messages: Iterable[Message], events: Iterable[Event]) -> Turn:
    """Who has to act before the exchange can go on.

    An exchange that asks for attention is never left to nobody or to the bridge itself.
    """
    if exchange.state == ExchangeState.DONE:
        return Turn.NOBODY
    turns = {_MESSAGE_TURN[m.state] for m in messages if m.state in _MESSAGE_TURN}
    turns |= {_EVENT_TURN[e.state] for e in events if e.state in _EVENT_TURN}
    if exchange.state == ExchangeState.ATTENTION:
        turns = (turns & {Turn.INTEGRATOR, Turn.OPERATOR, Turn.PARTNER}) or {Turn.OPERATOR}
    return next((turn for turn in _URGENCY if turn in turns), Turn.BRIDGE)


def reason_key(exchange: Exchange, messages: Iterable[Message], events: Iterable[Event]) -> str:
    """The end of a catalogue key `reason.…`: the code that opens the reason, else the state that stopped."""
    opening = (exchange.reason or "").split(":")[0].split(" ")[0].strip()
    if opening in EBMS_CODES:
        return opening
    stopped = [m.state.name.lower() for m in messages if m.state in STOPPED_MESSAGES]
    stopped += [e.state.name.lower() for e in events if e.state in STOPPED_EVENTS]
    return stopped[0] if stopped else "unknown"


EBMS_CODES = frozenset(
    {
        "SecurityFailure",
        "TimeToLiveExpired",
        "DeliveryFailure",
        "ValueNotRecognized",
        "Inconsistent",
        "NotSupported",
        "MimeProblem",
        "OtherXml",
    }
)
STOPPED_MESSAGES = frozenset(
    {
        MessageState.PARKED,
        MessageState.OVERDUE,
        MessageState.REFUSED,
        MessageState.FAILED,
        MessageState.EXPIRED,
    }
)
STOPPED_EVENTS = frozenset({EventState.ERROR, EventState.REFUSED, EventState.QUARANTINED, EventState.EXPIRED})
