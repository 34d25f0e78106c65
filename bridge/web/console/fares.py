"""How each partner and the hub fare, by what is known of them: nothing is called well that was not tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bridge.config import Condition
from bridge.flow.conditions import seen_since
from bridge.flow.exchange import POST_ANSWER
from bridge.flow.ping import QUESTIONS
from bridge.store.channels import HUB
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import count_exchanges
from bridge.store.jobs import count_dead_by_sender
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Channel, Direction, EventState, ExchangeState, Message, MessageState
from bridge.web.console.views import Lens, Mark, Moment

LOOKED_AT = 50
"""Of the newest messages to a partner, and of the newest events: the last one that got through is among them."""
MOST_UNTOLD = 1000

_TAKEN = frozenset({MessageState.ACKNOWLEDGED, MessageState.DELIVERED})
_AT_HUB = frozenset({EventState.OK, EventState.OFFERED, EventState.ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fares:
    """What stands at the top of a partner's card. `marks` are one or more, the worst first."""

    marks: tuple[Mark, ...]
    said: str = ""
    """What was answered last, as it was recorded."""
    since: Moment | None = None
    taken: Moment | None = None
    """When the other side last took something from us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store holds about all of them, read once."""

    since: Mapping[tuple[str, str], Moment]
    attention: Mapping[str, int]
    untold: Mapping[str, int]


def read_known(tx: Connection, lens: Lens) -> Known:
    attention: dict[str, int] = {}
    for counted in count_exchanges(tx, states=(ExchangeState.ATTENTION,)):
        attention[counted.partner] = attention.get(counted.partner, 0) + counted.exchanges
    return Known(
        since={key: lens.moment(at) for key, at in seen_since(tx).items()},
        attention=attention,
        untold=count_dead_by_sender(tx, kind=POST_ANSWER, most=MOST_UNTOLD),
    )


def partner_fares(tx: Connection, party: str, channel: Channel | None, known: Known, lens: Lens) -> Fares:
    rows = list_messages(tx, MessageFilter(to_party=party, direction=Direction.OUT), limit=LOOKED_AT)
    tried = [row for row in rows if row.attempts or row.action in QUESTIONS]
    last = _last_told(tried)
    taken = next((row for row in tried if row.state in _TAKEN and row.action not in QUESTIONS), None)
    marks = _channel_marks(channel, lens)
    words = lens.words
    if not marks and last is not None and last.state not in _TAKEN:
        marks.append(Mark(tone="failed", word=words(f"fares.{_what_became_of(last)}")))
    if party in known.untold:
        marks.append(Mark(tone="failed", word=words("fares.untold", n=known.untold[party])))
    if party in known.attention:
        marks.append(Mark(tone="waiting", word=words("fares.attention", n=known.attention[party])))
    if not marks:
        marks.append(_well(taken is not None, lens))
    return Fares(
        marks=tuple(marks),
        said=_said(channel) or (last.reason or "" if last is not None and last.state not in _TAKEN else ""),
        since=_since(party, channel, known, lens),
        taken=lens.moment(taken.changed_at) if taken else None,
    )


def _last_told(tried: Sequence[Message]) -> Message | None:
    """The newest that says how the partner fares: a test that failed, but no test makes up for a message that did."""
    ended = [row for row in tried if row.state not in (MessageState.CREATED, MessageState.WAITING)]
    message = next((row for row in ended if row.action not in QUESTIONS), None)
    if message is not None and message.state not in _TAKEN:
        return message
    return next(iter(ended), None)


def hub_fares(tx: Connection, channel: Channel | None, known: Known, lens: Lens) -> Fares:
    offered = list_events(tx, EventFilter(direction=Direction.OUT), limit=LOOKED_AT)
    taken = next((event for event in offered if event.state in _AT_HUB), None)
    marks = _channel_marks(channel, lens) or [_well(taken is not None, lens)]
    return Fares(
        marks=tuple(marks),
        said=_said(channel),
        since=_since(HUB, channel, known, lens),
        taken=lens.moment(taken.changed_at) if taken else None,
    )


def _what_became_of(last: Message) -> str:
    if last.action in QUESTIONS:
        return "no_pong" if last.state is MessageState.EXPIRED else "not_reached"
    return "unacknowledged" if last.state is MessageState.EXPIRED else "undelivered"


def _channel_marks(channel: Channel | None, lens: Lens) -> list[Mark]:
    if channel is None:
        return []
    marks = []
    if channel.failures:
        marks.append(Mark(tone="failed", word=lens.words("channel.trouble", n=channel.failures)))
    if channel.paused:
        who = lens.words.who(channel.paused_by or "")
        marks.append(Mark(tone="waiting", word=lens.words("channel.paused", who=who)))
    return marks


def _well(proven: bool, lens: Lens) -> Mark:
    if proven:
        return Mark(tone="ok", word=lens.words("channel.well"))
    return Mark(tone="info", word=lens.words("fares.untried"))


def _said(channel: Channel | None) -> str:
    return channel.reason or "" if channel and (channel.paused or channel.failures) else ""


def _since(party: str, channel: Channel | None, known: Known, lens: Lens) -> Moment | None:
    if channel is None:
        return None
    if channel.paused:
        return lens.moment(channel.changed_at)
    return known.since.get((Condition.HUB_DOWN if party == HUB else Condition.PARTNER_DOWN, party))
