"""The state of an exchange, derived from its messages and events whenever one of them changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.ids import Key
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import set_exchange
from bridge.store.jobs import given_up_about
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.resolutions import resolutions_of
from bridge.store.rows import Event, EventState, ExchangeState, Message, MessageState

RESEND_OF = "bridge.resend-of"
"""Among the values of a message: the MessageId of the one that it replaces."""

OVERDUE = "the hub accepted this event and has not finished it"
"""How the reason of an event begins that waits longer for its end than the settings allow (SOH-72)."""

ANSWER_TO = "bridge.answer-to"
"""Among the values of a message: the MessageId of the one that it is the technical answer to."""

REFUSED_BY = "bridge.refused-by"
"""Among the values of a message of ours: the MessageId of the technical answer by which the partner refused it."""

_MOST = 1000
"""More messages or events than this in one exchange would be a fault of ours."""

NOTHING_GIVEN_UP: Mapping[Key, str] = {}

UNTOLD = "our answer to the message did not reach the partner, who does not know what became of it"
"""The reason of an exchange in which only that is wrong."""

POST_ANSWER = "signal"
"""The kind of the jobs that post our answer to a message, whatever became of the message itself."""

_MESSAGE_NEEDS_A_PERSON = {
    MessageState.PARKED,
    MessageState.OVERDUE,
    MessageState.REFUSED,
    MessageState.FAILED,
    MessageState.EXPIRED,
}
_EVENT_NEEDS_A_PERSON = {EventState.ERROR, EventState.REFUSED, EventState.QUARANTINED}
_MESSAGE_UNDER_WAY = {MessageState.RECEIVED, MessageState.HELD, MessageState.CREATED, MessageState.WAITING}
_AT_HUB = {EventState.CREATED, EventState.OFFERED, EventState.UNKNOWN}
_EVENT_UNDER_WAY = {EventState.CREATED, EventState.OFFERED, EventState.UNKNOWN, EventState.RECEIVED}


def settle_exchange(tx: Connection, exchange: Key, *, at: datetime) -> ExchangeState:
    """Work out and store the state of an exchange, in the transaction that changed something in it."""
    messages = list_messages(tx, MessageFilter(exchange=exchange), limit=_MOST)
    events = list_events(tx, EventFilter(exchange=exchange), limit=_MOST)
    settled = frozenset(resolution.subject_key for resolution in resolutions_of(tx, exchange))
    given_up = given_up_about(tx, [*(m.key for m in messages), *(e.key for e in events)])
    state, reason = judge_exchange(messages, events, settled=settled, given_up=given_up)
    set_exchange(tx, exchange, state=state, reason=reason, at=at)
    return state


def sent_anew(messages: Iterable[Message]) -> set[str]:
    """The MessageIds of those whose content was sent as a newer message."""
    return {message.values[RESEND_OF] for message in messages if RESEND_OF in message.values}


def offered_again(events: Iterable[Event]) -> set[str]:
    """The ids of those that were offered again as a newer event."""
    return {event.causation_id for event in events if event.causation_id}


def live_messages(messages: Iterable[Message]) -> list[Message]:
    """Without those that were sent anew: the newer one tells how it stands."""
    messages = tuple(messages)
    resent = sent_anew(messages)
    return [message for message in messages if message.message_id not in resent]


def live_events(events: Iterable[Event]) -> list[Event]:
    """Without those that were offered again as a newer event."""
    events = tuple(events)
    replaced = offered_again(events)
    return [event for event in events if event.id not in replaced]


def judge_exchange(
    messages: Sequence[Message],
    events: Sequence[Event],
    *,
    settled: Collection[Key] = (),
    given_up: Mapping[Key, str] = NOTHING_GIVEN_UP,
) -> tuple[ExchangeState, str | None]:
    """One failure that nobody mended makes it ATTENTION; one thing under way makes it RUNNING; else DONE.

    What a person settled counts no longer. What became of the message itself comes before what became of the
    technical answer to it: that the sender could not be told never hides why there was something to tell.
    `given_up` are the things that a dead job was to carry on, with its kind.
    """
    live = [event for event in live_events(events) if event.key not in settled]
    messages = [message for message in live_messages(messages) if message.key not in settled]
    for message in messages:
        if message.state in _MESSAGE_NEEDS_A_PERSON and ANSWER_TO not in message.values:
            return ExchangeState.ATTENTION, message.reason
    for event in live:
        if event.state in _EVENT_NEEDS_A_PERSON:
            return ExchangeState.ATTENTION, event.reason
    for event in live:
        if event.state in _EVENT_UNDER_WAY and (event.reason or "").startswith(OVERDUE):
            return ExchangeState.ATTENTION, event.reason
    for message in messages:
        if message.state in _MESSAGE_NEEDS_A_PERSON:
            said = f"the technical answer {message.action} did not reach the partner: {message.reason}"
            return ExchangeState.ATTENTION, said
    if any(REFUSED_BY in message.values for message in messages):
        return ExchangeState.ATTENTION, "the partner's system answered that it does not take the message"
    going = {m.key for m in messages if m.state in _MESSAGE_UNDER_WAY}
    going |= {e.key for e in live if e.state in _EVENT_UNDER_WAY}
    known = going | {m.key for m in messages if given_up.get(m.key) == POST_ANSWER}
    for key in sorted(known & given_up.keys()):
        if given_up[key] == POST_ANSWER:
            return ExchangeState.ATTENTION, UNTOLD
        reason = f"the job {given_up[key]} failed again and again, in a way that nobody foresaw"
        return ExchangeState.ATTENTION, reason
    under_way = bool(going)
    waits_for = next((e.reason for e in live if e.state in _AT_HUB and e.reason), None)
    return (ExchangeState.RUNNING, waits_for) if under_way else (ExchangeState.DONE, None)
