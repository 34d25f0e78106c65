"""Exchanges: what the console shows as one line."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import change, fetch, get, page, values_of
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
    tx.execute(insert(tables.exchange).values(values_of(exchange)))


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
    return fetch(tx, Exchange, page_of_exchanges(wanted, before=before, limit=limit))


def page_of_exchanges(wanted: ExchangeFilter, *, before: Key | None, limit: int) -> Select[Any]:
    """The query of `list_exchanges`."""
    equal = values_of(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    return page(tables.exchange, equal, since=since, until=until, before=before, limit=limit)


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

    The id may be a key, business reference, conversation, correlation, MessageId, event id or interactieId. The key
    of the last one is the next page's `before`.
    """
    keys = {row for query in _places_of(id, before, limit) for row in tx.scalars(query)}
    if not keys:
        return ()
    newest = sorted(keys, reverse=True)[:limit]
    query = select(tables.exchange).where(tables.exchange.c.key.in_(newest))
    return fetch(tx, Exchange, query.order_by(tables.exchange.c.key.desc()))


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
