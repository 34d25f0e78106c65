"""Which request a message of a partner answers, and what that makes of the events that come of it.

By RefToMessageId, which names one message of ours. Without it by the conversation, for requests only: one request that
is open there is the one; of several the business reference must choose. A reference to a message that we never sent to
this partner ties nothing, and neither does a guess: a wrong tie is worse than none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.context import partner_named
from bridge.hub.event import Event as CloudEvent
from bridge.store.events import EventFilter, list_events
from bridge.store.messages import MessageFilter, find_by_message_id, list_messages
from bridge.store.rows import Direction, Event, Message

_MOST = 100
"""So many messages of a conversation are looked at, the newest."""

_MOST_ANSWERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A message of ours to a partner, and the event that it was composed from."""

    message: Message
    event: Event


async def tie(bridge: Bridge, message: Message, events: Sequence[CloudEvent]) -> tuple[CloudEvent, ...]:
    """The events of an answer in the correlation of its request, with the request as their cause (SOH-37)."""
    subject = next((event.subject for event in events if event.subject), None)
    request = await bridge.store.read(lambda tx: find_request(tx, bridge, message, subject=subject))
    return tuple(events) if request is None else tuple(_caused_by(event, request.event) for event in events)


def find_request(
    tx: Connection, bridge: Bridge, message: Message, *, subject: str | None = None
) -> Request | None:
    """The request that a received message answers. `subject` is its business reference, once it is known."""
    if message.ref_to_message_id is not None:
        named = find_by_message_id(tx, message.ref_to_message_id, direction=Direction.OUT)
        found = [request for one in named if (request := _request(tx, message, one)) is not None]
        return found[0] if len(found) == 1 else None
    partner = partner_named(bridge, message.from_party)
    if partner is None or not partner.requests:
        return None
    open_there = [request for request in _asked_in(tx, message) if is_request(bridge, request)]
    if len(open_there) > 1:
        about = subject or message.subject
        open_there = [request for request in open_there if about and request.message.subject == about]
    return open_there[0] if len(open_there) == 1 else None


def is_request(bridge: Bridge, request: Request) -> bool:
    """Whether this partner owes an answer, by its settings."""
    partner = partner_named(bridge, request.message.to_party)
    return partner is not None and request.event.type in partner.requests


def find_answers(tx: Connection, bridge: Bridge, request: Request) -> tuple[Message, ...]:
    """The messages of the partner that answer this request, oldest first."""
    sent = request.message
    by_reference = MessageFilter(
        ref_to_message_id=sent.message_id, direction=Direction.IN, from_party=sent.to_party
    )
    in_conversation = MessageFilter(
        conversation_id=sent.conversation_id, direction=Direction.IN, from_party=sent.to_party
    )
    candidates = {
        message.key: message
        for wanted in ((by_reference, in_conversation) if is_request(bridge, request) else (by_reference,))
        for message in list_messages(tx, wanted, limit=_MOST_ANSWERS)
        if message.kind == "business"
    }
    answers = []
    for key in sorted(candidates):
        tied = find_request(tx, bridge, candidates[key])
        if tied is not None and tied.message.key == sent.key:
            answers.append(candidates[key])
    return tuple(answers)


def request_of(tx: Connection, message: Message) -> Request | None:
    """A message of ours with the event that it was composed from; None for one without."""
    came = list_events(tx, EventFilter(exchange=message.exchange, direction=Direction.IN), limit=2)
    return Request(message=message, event=came[0]) if len(came) == 1 else None


def _request(tx: Connection, answer: Message, sent: Message) -> Request | None:
    """Only a message between the same two parties, which went out before, can be answered by this one."""
    between = (sent.to_party, sent.from_party) == (answer.from_party, answer.to_party)
    if not between or sent.kind != "business" or sent.key > answer.key:
        return None
    return request_of(tx, sent)


def _asked_in(tx: Connection, message: Message) -> list[Request]:
    """What was sent to this partner in the conversation of the message."""
    wanted = MessageFilter(
        conversation_id=message.conversation_id, direction=Direction.OUT, to_party=message.from_party
    )
    sent = [one for one in list_messages(tx, wanted, limit=_MOST) if one.cpa_id == message.cpa_id]
    return [request for one in sent if (request := _request(tx, message, one)) is not None]


def _caused_by(event: CloudEvent, cause: Event) -> CloudEvent:
    tied = {"causationid": str(cause.id)}
    if cause.correlation_id:
        tied["correlationid"] = cause.correlation_id
    return replace(event, attributes={**event.attributes, **tied})
