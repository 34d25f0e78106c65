"""Whose turn it is in an exchange, and which sentence explains its state. Pure."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from bridge.flow.exchange import live_events, live_messages
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
    messages, events = live_messages(messages), live_events(events)
    if exchange.state == ExchangeState.RUNNING:
        # What stopped and was settled by a person keeps its state, and nobody has to act on it.
        messages = [m for m in messages if m.state not in STOPPED_MESSAGES]
        events = [e for e in events if e.state not in STOPPED_EVENTS]
    turns = {_MESSAGE_TURN[m.state] for m in messages if m.state in _MESSAGE_TURN}
    turns |= {_EVENT_TURN[e.state] for e in events if e.state in _EVENT_TURN}
    if exchange.state == ExchangeState.ATTENTION:
        by_reason = _turn_of_reason(reason_key(exchange, messages, events))
        if by_reason is not None:
            return by_reason
        turns = (turns & {Turn.INTEGRATOR, Turn.OPERATOR, Turn.PARTNER}) or {Turn.OPERATOR}
    return next((turn for turn in _URGENCY if turn in turns), Turn.BRIDGE)


def _turn_of_reason(key: str) -> Turn | None:
    """A parked message is the integrator's turn, but not when its mapping has nothing to do with it."""
    if key in SENDERS:
        return Turn.PARTNER
    return Turn.OPERATOR if key in OPERATORS else None


def reason_key(exchange: Exchange, messages: Iterable[Message], events: Iterable[Event]) -> str:
    """The end of the catalogue keys `reason.…` and `advice.…`: by the rule that the reason names, else by the state."""
    messages, events, reason = live_messages(messages), live_events(events), exchange.reason or ""
    opening = reason.split(":")[0].split(" ")[0].strip()
    if opening in EBMS_CODES:
        return opening
    ruled = _ruled(reason)
    if ruled is not None:
        return ruled
    stopped = [m.state.name.lower() for m in messages if m.state in STOPPED_MESSAGES]
    stopped += [_EVENT_KEYS.get(e.state, e.state.name.lower()) for e in events if e.state in STOPPED_EVENTS]
    return stopped[0] if stopped else "unknown"


def _ruled(reason: str) -> str | None:
    """The explanation of the first rule that is named, where there is one of its own."""
    for start, key in _STARTS.items():
        if reason.startswith(start):
            return key
    for part, key in _PARTS.items():
        if part in reason:
            return key
    for rule in _RULE.findall(reason):
        if rule in RULE_KEYS:
            return RULE_KEYS[rule]
    if re.match(r"SOH-\d", reason):
        return "profile"
    return None


_RULE = re.compile(r"\b(?:M9\d\d|SOH-\d+)\b")
_STARTS = {
    "no mapping takes": "no_mapping",
    "no acknowledgment came": "unacknowledged",
    "it was never sent": "never_sent",
    "our answer to the message did not reach": "untold",
    "FUNCTIONEEL": "functional",
    "its reference number was used before": "number_reused",
    "the partner's system answered": "answered",
    "the message has no payload": "unreadable",
    "the payload is not readable XML": "unreadable",
}
"""How the flows begin a reason that names no rule."""
_PARTS = {
    "the bridge translates nothing more for it": "migrated",
    "the attachment is not at hand": "attachment",
}
"""What a reason says somewhere, whatever comes before it."""
_EVENT_KEYS = {EventState.REFUSED: "event_refused"}

NAMES_PERSON = "SOH-64"
"""A report says of whom it is."""

RULE_KEYS: Mapping[str, str] = {
    "M901": "no_mapping",
    "M902": "missing",
    "M903": "code",
    "M904": "odd",
    "M905": "odd",
    "M906": "odd",
    "M907": "odd",
    "M908": "no_event",
    "M909": "missing",
    "M910": "odd",
    "M911": "odd",
    "M919": "odd",
    "M930": "made",
    "M931": "made",
    "M932": "made",
    "M933": "source",
    "M935": "no_request",
    "M940": "schema",
    "M941": "made",
    NAMES_PERSON: "nobody",
}
"""Rules that a message can break → how that is explained."""

SENDERS = frozenset({"missing", "odd", "nobody", "schema", "unreadable"})
"""Explanations by which the sender of the message has to act first, not whoever makes the mappings."""
OPERATORS = frozenset({"never_sent", "untold", "number_reused", "migrated", "answered", "made", "attachment"})
"""Explanations by which a person decides or calls somebody; no mapping would change it."""

STARTED_KEYS = frozenset({*_STARTS.values(), *_PARTS.values(), *RULE_KEYS.values(), "profile"})
"""Every explanation that a reason can lead to; the catalogues have words for each."""

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
