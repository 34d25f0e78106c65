"""Exchanges: what the console shows as one line."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, func, null, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.keys import first_key, made_at
from bridge.store.query import add, change, fetch, get, page
from bridge.store.rows import Exchange, ExchangeDirection, ExchangeState

RELATED = 100
"""At most so many related exchanges are told, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFilter:
    """What is not None must be equal; `since` and `until` bound the time of making (of the key)."""

    direction: ExchangeDirection | None = None
    state: ExchangeState | None = None
    partner: str | None = None
    title: str | None = None
    subject: str | None = None
    correlation_id: str | None = None
    conversation_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def open_exchange(tx: Connection, exchange: Exchange) -> None:
    """Add a new exchange."""
    add(tx, tables.exchange, exchange)


def get_exchange(tx: Connection, key: Key) -> Exchange:
    """Raises NoSuchRow."""
    return get(tx, Exchange, tables.exchange, key)


def set_exchange(
    tx: Connection,
    key: Key,
    *,
    state: ExchangeState | None = None,
    reason: str | None = None,
    subject: str | None = None,
    correlation_id: str | None = None,
    partner: str | None = None,
    at: datetime,
) -> None:
    """What is None stays as it is, but a new state takes its reason with it, also None. Raises NoSuchRow."""
    given = {
        "state": state,
        "reason": reason,
        "subject": subject,
        "correlation_id": correlation_id,
        "partner": partner,
    }
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if state is not None:
        values["reason"] = reason
    change(tx, tables.exchange, key, values | {"changed_at": at})


def list_exchanges(
    tx: Connection, wanted: ExchangeFilter, *, before: Key | None = None, limit: int = 50
) -> tuple[Exchange, ...]:
    """Newest first; the key of the last one is the next page's `before`."""
    row = tables.exchange.c
    pages = _pages(wanted, before=before, limit=limit)
    keys = [key for query in pages for key in tx.scalars(query.with_only_columns(row.key))]
    newest = sorted(keys, reverse=True)[:limit]
    if not newest:
        return ()
    query = select(tables.exchange).where(row.key.in_(newest)).order_by(row.key.desc())
    return fetch(tx, Exchange, query)


def _pages(wanted: ExchangeFilter, *, before: Key | None, limit: int) -> Iterator[Select[Any]]:
    """Queries that together hold the page, each of which walks one index in the order of the list.

    Partner, title, state and direction each fit many rows, so every combination has its index, in which state
    and direction, of few values, are always given. The ids fit few rows; then only theirs may be used, and
    the other columns are hidden from the planner, which knows nothing of how many rows they fit.
    """
    row = tables.exchange.c
    many = {name: getattr(wanted, name) for name in ("partner", "title", "state", "direction")}
    few = {name: getattr(wanted, name) for name in ("subject", "correlation_id", "conversation_id")}
    walk = partial(page, tables.exchange, since=wanted.since, until=wanted.until, before=before, limit=limit)
    if any(few.values()):
        query = walk(few)
        for name, value in many.items():
            if value is not None:
                query = query.where(func.coalesce(row[name], null()) == value)
        yield query
    elif not any(many.values()):
        yield walk({})
    else:
        for state in [wanted.state] if wanted.state else ExchangeState:
            for direction in [wanted.direction] if wanted.direction else ExchangeDirection:
                yield walk(many | {"state": state, "direction": direction})


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many exchanges of one partner have a state and direction, and the oldest of them."""

    partner: str
    state: ExchangeState
    direction: ExchangeDirection
    exchanges: int
    oldest: datetime


def count_exchanges(
    tx: Connection,
    *,
    states: Iterable[ExchangeState] = tuple(ExchangeState),
    since: datetime | None = None,
    titles: Iterable[str] = (),
) -> tuple[Count, ...]:
    """By partner, state and direction, those made since; counted in the index, without a look at a row.

    With `titles` only those, of which there are few.
    """
    row = tables.exchange.c
    query = (
        select(row.partner, row.state, row.direction, func.count(), func.min(row.key))
        .where(row.state.in_(list(states)), row.direction.in_(list(ExchangeDirection)))
        # With a bound on the key, were it none, SQLite steps over what has another state.
        .where(row.key >= ("" if since is None else first_key(since)))
        .group_by(row.partner, row.state, row.direction)
    )
    if titles:
        query = query.where(row.title.in_(list(titles)))
    return tuple(
        Count(partner=partner, state=state, direction=direction, exchanges=count, oldest=made_at(key))
        for partner, state, direction, count, key in tx.execute(query)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why exchanges of one partner and title need a person, in the words of one reason."""

    partner: str
    title: str
    text: str
    keys: tuple[Key, ...]
    """Of the exchanges, newest first."""


def reasons_for_attention(tx: Connection, *, most: int) -> tuple[Reason, ...]:
    """Of the newest `most` exchanges that need a person, by partner, title and reason."""
    keys: dict[tuple[str, str, str], list[Key]] = defaultdict(list)
    for key, partner, title, text in _newest_for_attention(tx, most):
        keys[partner, title, text or ""].append(key)
    return tuple(
        Reason(partner=partner, title=title, text=text, keys=tuple(of))
        for (partner, title, text), of in keys.items()
    )


def _newest_for_attention(tx: Connection, most: int) -> list[Any]:
    """Keys with partner, title and reason; each direction walks its index."""
    row = tables.exchange.c
    query = select(row.key, row.partner, row.title, row.reason).where(row.state == ExchangeState.ATTENTION)
    walks = [
        query.where(row.direction == way).order_by(row.key.desc()).limit(most) for way in ExchangeDirection
    ]
    return sorted((found for walk in walks for found in tx.execute(walk)), reverse=True)[:most]


def exchanges_by_keys(tx: Connection, keys: Collection[Key]) -> tuple[Exchange, ...]:
    """Those that are there, oldest first."""
    row = tables.exchange.c
    return fetch(tx, Exchange, select(tables.exchange).where(row.key.in_(keys)).order_by(row.key))


def count_attention(tx: Connection, *, most: int) -> int:
    """How many need a person, counted up to `most`: no more of the index is read than that."""
    row = tables.exchange.c
    query = select(row.key).where(row.state == ExchangeState.ATTENTION).limit(most)
    return len(tx.scalars(query).all())


def count_running(tx: Connection, *, before: datetime) -> int:
    """How many began before this and still run."""
    row = tables.exchange.c
    running = row.state == ExchangeState.RUNNING, row.key < first_key(before)
    return tx.scalar(select(func.count()).where(*running)) or 0


def related_exchanges(tx: Connection, key: Key) -> tuple[Exchange, ...]:
    """Other exchanges with the same correlation, conversation or subject, newest first. Raises NoSuchRow."""
    own = get_exchange(tx, key)
    found: dict[Key, Exchange] = {}
    for wanted in (
        own.correlation_id and ExchangeFilter(correlation_id=own.correlation_id),
        own.conversation_id and ExchangeFilter(conversation_id=own.conversation_id),
        own.subject and ExchangeFilter(subject=own.subject),
    ):
        if wanted:
            found.update((e.key, e) for e in list_exchanges(tx, wanted, limit=RELATED))
    found.pop(key, None)
    return tuple(sorted(found.values(), key=lambda e: e.key, reverse=True)[:RELATED])


def find_exchanges(
    tx: Connection, id: str, *, before: Key | None = None, limit: int = 50
) -> tuple[Exchange, ...]:
    """The exchanges in which this id occurs, newest first: what an operator types into the search box.

    The id may be a key, business reference, conversation, correlation, MessageId, event id or interactieId; of a
    business reference the number alone will do. The key of the last one is the next page's `before`.
    """
    queries = [*_places_of(id, before, limit), *_subjects_of(tx, id, before, limit)]
    keys = {row for query in queries for row in tx.scalars(query)}
    if not keys:
        return ()
    newest = sorted(keys, reverse=True)[:limit]
    query = select(tables.exchange).where(tables.exchange.c.key.in_(newest))
    return fetch(tx, Exchange, query.order_by(tables.exchange.c.key.desc()))


MOST_KINDS = 20
"""Kinds of business references that are looked through for a number alone."""


def _subjects_of(tx: Connection, id: str, before: Key | None, limit: int) -> Iterator[Select[Any]]:
    """Keys of exchanges about this number, of whatever kind: people write it without `melding/` before it."""
    if "/" in id:
        return
    exchange = tables.exchange.c
    for kind in _kinds(tx):
        yield (
            select(exchange.key)
            .where(exchange.subject == f"{kind}/{id}", *(() if before is None else (exchange.key < before,)))
            .order_by(exchange.key.desc())
            .limit(limit)
        )


def _kinds(tx: Connection) -> Iterator[str]:
    """What stands before the slash in the subjects that there are: from one to the next along the index."""
    subject, after = tables.exchange.c.subject, ""
    for _ in range(MOST_KINDS):
        found = tx.scalar(select(func.min(subject)).where(subject > after))
        if found is None:
            return
        kind, slash, _ = found.partition("/")
        if slash:
            yield kind
        # "0" comes right after "/": past every number of this kind.
        after = f"{kind}0" if slash else found


def _places_of(id: str, before: Key | None, limit: int) -> tuple[Select[Any], ...]:
    """Keys of exchanges; one query per index, each bounded."""
    exchange, message, event = tables.exchange.c, tables.message.c, tables.event.c
    places = (
        *((exchange.key, column) for column in (exchange.key, exchange.subject)),
        *((exchange.key, column) for column in (exchange.conversation_id, exchange.correlation_id)),
        *((message.exchange, column) for column in (message.key, message.message_id)),
        *((event.exchange, column) for column in (event.key, event.id, event.interactie_id)),
    )
    return tuple(
        select(found)
        .where(column == id, *(() if before is None else (found < before,)))
        .order_by(column.table.c.key.desc())
        .limit(limit)
        for found, column in places
    )
