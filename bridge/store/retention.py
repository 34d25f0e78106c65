"""How long content is kept, and which exchanges have content that is past it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.keys import first_key
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.query import fetch
from bridge.store.rows import Content, EvidenceKind, Exchange, ExchangeState, Message

NeededUntil = Callable[[Message], datetime]
"""Until when the octets of a message may be needed, to repeat it or to recognise a duplicate (DK-92, DK-96)."""

WIRE = (EvidenceKind.RECEIVED, EvidenceKind.SENT, EvidenceKind.ERROR)
"""The evidence that holds content: an error of a partner may quote it. Other signals hold none, so they stay: they
prove what was acknowledged."""

_exchange, _message = tables.exchange.c, tables.message.c
_MOST = 1000
"""No exchange has more messages than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSpans:
    """The spans of exchanges whose title (action or event type) fits; a kind that is not named: as in general."""

    pattern: str
    """A title, or its beginning followed by `*`."""
    spans: Mapping[Content, timedelta]

    def fits(self, title: str) -> bool:
        pattern = self.pattern
        return title.startswith(pattern[:-1]) if pattern.endswith("*") else title == pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each kind of content is kept after the last change of its exchange. What is not named stays."""

    spans: Mapping[Content, timedelta]
    types: tuple[TypeSpans, ...] = ()
    """The first that fits counts."""
    lookup: timedelta = timedelta(0)
    """A resource stays at least so long after an event last pointed at it (SOH-129)."""

    def span(self, content: Content, title: str) -> timedelta | None:
        """None: for ever."""
        fitting = next((t.spans for t in self.types if t.fits(title)), {})
        found = fitting.get(content, self.spans.get(content))
        return found if found is None or content is not Content.RESOURCE else max(found, self.lookup)

    def shortest(self, content: Content) -> timedelta | None:
        """Nothing of this kind is purged sooner. None: nothing ever is."""
        everywhere = (self.spans, *(t.spans for t in self.types))
        return min((spans[content] for spans in everywhere if content in spans), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One kind of content of one exchange, past its retention."""

    exchange: Key
    title: str
    content: Content
    items: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A part of the search: what is due in it, and where to go on; None: it was the last part."""

    due: tuple[Due, ...]
    after: Key | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Exchanges that are past the shortest retention and of which nothing is purged."""

    held: int
    attention: int
    """They wait for a person."""
    running: int


def find_due(
    tx: Connection,
    content: Content,
    retention: Retention,
    *,
    now: datetime,
    needed_until: NeededUntil,
    after: Key | None = None,
    limit: int = 100,
) -> Found:
    """Look at the next `limit` exchanges that may be due, oldest first."""
    shortest = retention.shortest(content)
    if shortest is None:
        return Found(due=(), after=None)
    exchanges = fetch(tx, Exchange, _candidates(content, now - shortest, after).limit(limit))
    due = tuple(
        Due(exchange=e.key, title=e.title, content=content, items=size[0], octets=size[1])
        for e in exchanges
        if is_due(tx, e, content, retention, now=now, needed_until=needed_until)
        and (size := _size(tx, content, e.key))[0]
    )
    return Found(due=due, after=exchanges[-1].key if len(exchanges) == limit else None)


def is_due(
    tx: Connection,
    exchange: Exchange,
    content: Content,
    retention: Retention,
    *,
    now: datetime,
    needed_until: NeededUntil,
) -> bool:
    """Whether nothing that is still going on needs it, and its time is over."""
    span = retention.span(content, exchange.title)
    if span is None or exchange.state is not ExchangeState.DONE or exchange.changed_at + span > now:
        return False
    if content in (Content.PAYLOAD, Content.EVIDENCE):
        messages = list_messages(tx, MessageFilter(exchange=exchange.key), limit=_MOST)
        return all(needed_until(message) <= now for message in messages)
    if content is Content.RESOURCE:
        return not tx.scalar(select(_used_since(exchange.key, now - span)))
    return True


def count_kept(tx: Connection, retention: Retention, *, now: datetime) -> Kept:
    """What stays although it is old enough, and why."""
    spans = [span for content in Content if (span := retention.shortest(content)) is not None]
    if not spans:
        return Kept(held=0, attention=0, running=0)
    old = _older(now - min(spans))
    counted = select(_exchange.state, func.count()).where(old).group_by(_exchange.state)
    states: dict[str, int] = {row[0]: row[1] for row in tx.execute(counted)}
    held = tx.scalar(select(func.count()).select_from(tables.hold))
    return Kept(
        held=held or 0,
        attention=states.get(ExchangeState.ATTENTION, 0),
        running=states.get(ExchangeState.RUNNING, 0),
    )


def is_held(exchange: Any) -> ColumnElement[bool]:
    """Whether there is a hold on it."""
    return exists().where(tables.hold.c.exchange == exchange)


def _candidates(content: Content, before: datetime, after: Key | None) -> Select[Any]:
    gone = tables.purged.c
    query = (
        select(tables.exchange)
        .where(_older(before), _exchange.state == ExchangeState.DONE, _has(content))
        .where(~exists().where(gone.exchange == _exchange.key, gone.content == content))
        .where(~is_held(_exchange.key))
        .order_by(_exchange.key)
    )
    return query if after is None else query.where(_exchange.key > after)


def _older(before: datetime) -> ColumnElement[bool]:
    return and_(_exchange.key < first_key(before), _exchange.changed_at <= before)


def _has(content: Content) -> ColumnElement[bool]:
    match content:
        case Content.EVENT:
            return exists().where(tables.event.c.exchange == _exchange.key)
        case Content.RESOURCE:
            return exists().where(tables.resource.c.exchange == _exchange.key)
        case _:
            return exists().where(_message.exchange == _exchange.key)


def _used_since(exchange: Key, since: datetime) -> ColumnElement[bool]:
    """Whether an event pointed at one of its resources since, or comes of an exchange that is not done."""
    row, user = tables.resource.c, tables.exchange.alias("user_of_it")
    at_work = exists().where(user.c.key == row.used_by, user.c.state != ExchangeState.DONE)
    return exists().where(row.exchange == exchange, or_(row.at > since, row.used_at > since, at_work))


def _size(tx: Connection, content: Content, exchange: Key) -> tuple[int, int]:
    """How many items, of how many octets as they are stored."""
    payload, evidence, blob = tables.payload.c, tables.evidence.c, tables.blob.c
    ours = _message.exchange == exchange
    match content:
        case Content.PAYLOAD:
            query = select(func.count(), func.sum(payload.size)).where(ours, payload.message == _message.key)
        case Content.EVIDENCE:
            query = select(func.count(), func.sum(blob.size)).where(
                ours, evidence.message == _message.key, evidence.kind.in_(WIRE), blob.sha256 == evidence.blob
            )
        case Content.EVENT:
            event = tables.event.c
            query = select(func.count(), func.sum(func.length(event.body))).where(event.exchange == exchange)
        case Content.RESOURCE:
            row = tables.resource.c
            query = select(func.count(), func.sum(func.length(row.body))).where(row.exchange == exchange)
    count, octets = tx.execute(query).one()
    return int(count), int(octets or 0)
