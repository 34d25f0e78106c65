"""What can be done about an exchange now: the one thing that is advised, and what else there is. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.flow.exchange import ANSWER_TO, offered_again, sent_anew
from bridge.store.rows import Direction, Event, EventState, Exchange, ExchangeState, Message, MessageState
from bridge.web.console.turn import EBMS_CODES, SENDERS

_MESSAGE_ACTIONS: Mapping[tuple[Direction, MessageState], tuple[str, ...]] = {
    (Direction.IN, MessageState.HELD): ("replay",),
    (Direction.IN, MessageState.OVERDUE): ("replay",),
    (Direction.IN, MessageState.PARKED): ("replay",),
    (Direction.IN, MessageState.MAPPED): ("replay", "replay-again"),
    (Direction.OUT, MessageState.FAILED): ("resend-same", "resend"),
    (Direction.OUT, MessageState.EXPIRED): ("resend",),
}
_EVENT_ACTIONS: Mapping[tuple[Direction, EventState], tuple[str, ...]] = {
    (Direction.OUT, EventState.ERROR): ("retry",),
    (Direction.OUT, EventState.REFUSED): ("retry",),
    (Direction.IN, EventState.QUARANTINED): ("release",),
}
_ANEW, _SAME = ("resend",), ("resend-same", "resend")
_ADVISED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(SENDERS, ("resolve",)),
    **dict.fromkeys(("answered", "attachment", "no_request", "migrated", "untold"), ("resolve",)),
    **dict.fromkeys(("error", "event_refused", "functional"), ("retry", "replay")),
    **dict.fromkeys(("code", "no_mapping", "no_event", "profile", "parked"), ("replay",)),
    **dict.fromkeys(("number_reused", "overdue", "held"), ("replay",)),
    **dict.fromkeys(("made", "source", "quarantined"), ("release",)),
    **dict.fromkeys(("unacknowledged", "expired", "never_sent"), _ANEW),
    **dict.fromkeys(("failed", "DeliveryFailure"), _SAME),
}
"""The end of `advice.…` → what that advice comes down to, the first that can be done; at last settling it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One action on one thing. `id` is the MessageId or event id that it is about, for a person."""

    name: str
    key: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    advised: Offer | None = None
    others: tuple[Offer, ...] = ()


def message_actions(message: Message, replaced: Collection[str] = ()) -> tuple[str, ...]:
    """Names of `mend_pages.ACTIONS`; none for one that was sent anew."""
    if message.message_id in replaced:
        return ()
    return _MESSAGE_ACTIONS.get((message.direction, message.state), ())


def event_actions(event: Event, replaced: Collection[str] = ()) -> tuple[str, ...]:
    if event.id in replaced:
        return ()
    return _EVENT_ACTIONS.get((event.direction, event.state), ())


TRIED = frozenset({"replay", "replay-again"})
"""What somebody who mends nothing may look at: what it would change."""


def may_be_offered(name: str, *, mends: bool, tries: bool) -> bool:
    """Whether somebody who may mend, or only try, is offered this action."""
    return mends or (tries and name in TRIED)


def without_use(offers: Offers) -> Offers:
    """Trying again would not help now: it stays possible, but nothing is advised."""
    if offers.advised is None or offers.advised.name in ("resolve", "refuse"):
        return offers
    return Offers(others=(*offers.others, offers.advised))


def unneeded(events: Iterable[Event]) -> set[str]:
    """Replaying and offering again differs from replaying only where the hub processed something."""
    out = [event for event in events if event.direction is Direction.OUT]
    return set() if any(event.state is EventState.OK for event in out) else {"replay-again"}


def can_be_refused(exchange: Exchange, messages: Iterable[Message]) -> bool:
    """Whether a message came in that stopped and was not answered; whether its sender can be told is not known here."""
    messages = tuple(messages)
    came = any(m.direction is Direction.IN and m.state is not MessageState.REFUSED for m in messages)
    answered = any(ANSWER_TO in m.values for m in messages)
    return exchange.state is ExchangeState.ATTENTION and came and not answered


def offers_of(
    exchange: Exchange,
    messages: Sequence[Message],
    events: Sequence[Event],
    *,
    reason: str,
    refusable: bool,
) -> Offers:
    """`reason` is the explanation of what stopped (`turn.reason_key`)."""
    if exchange.state is not ExchangeState.ATTENTION:
        return Offers()
    replaced, again, without = sent_anew(messages), offered_again(events), unneeded(events)
    found = [
        Offer(name=n, key=m.key, id=m.message_id) for m in messages for n in message_actions(m, replaced)
    ]
    found += [Offer(name=name, key=e.key, id=e.id) for e in events for name in event_actions(e, again)]
    found = [offer for offer in found if offer.name not in without]
    if refusable:
        found.append(Offer(name="refuse", key=exchange.key))
    found.append(Offer(name="resolve", key=exchange.key))
    advised = next((o for name in (*advised_for(reason), "resolve") for o in found if o.name == name), None)
    return Offers(advised=advised, others=tuple(offer for offer in found if offer is not advised))


def advised_for(reason: str) -> tuple[str, ...]:
    """What the advice for a reason comes down to, the best first."""
    return _ADVISED.get(reason, _SAME)


def is_mended(reason: str) -> bool:
    """Whether the advice is to try it again, in whatever way; otherwise only settling is left."""
    return advised_for(reason)[0] != "resolve" and reason not in EBMS_CODES - {"DeliveryFailure"}
