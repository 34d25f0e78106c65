"""CloudEvents, offered to the hub or taken from it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add_unless_there, change, fetch, get, newest_of_each, page, values_of
from bridge.store.rows import Direction, Event, EventState


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What is not None must be equal; `since` and `until` bound the time of making (of the key)."""

    exchange: Key | None = None
    direction: Direction | None = None
    state: EventState | None = None
    id: str | None = None
    type: str | None = None
    subject: str | None = None
    interactie_id: str | None = None
    correlation_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def add_event(tx: Connection, event: Event) -> bool:
    """False when the store already has this source and id; nothing is changed then."""
    return add_unless_there(tx, tables.event, values_of(event), unique=("source", "id"))


def get_event(tx: Connection, key: Key) -> Event:
    """Raises NoSuchRow."""
    return get(tx, Event, tables.event, key)


def find_event(tx: Connection, source: str, id: str) -> Event | None:
    """The event that one with the same source and id would be a duplicate of."""
    row = tables.event.c
    query = select(tables.event).where(row.source == source, row.id == id)
    return next(iter(fetch(tx, Event, query)), None)


def set_event_state(
    tx: Connection,
    key: Key,
    state: EventState,
    *,
    at: datetime,
    reason: str | None = None,
    interactie_id: str | None = None,
    add_offer: bool = False,
) -> None:
    """The reason belongs to the state and goes with it; `interactie_id` stays when None.

    `add_offer` counts one more offer. Raises NoSuchRow.
    """
    values: dict[str, Any] = {"state": state, "reason": reason, "changed_at": at}
    if interactie_id is not None:
        values["interactie_id"] = interactie_id
    if add_offer:
        values["offers"] = tables.event.c.offers + 1
    change(tx, tables.event, key, values)


def list_events(
    tx: Connection, wanted: EventFilter, *, before: Key | None = None, limit: int = 50
) -> tuple[Event, ...]:
    """Newest first; the key of the last one is the next page's `before`."""
    return fetch(tx, Event, page_of_events(wanted, before=before, limit=limit))


def newest_events_of(
    tx: Connection, exchanges: Collection[Key], *, most: int
) -> Mapping[Key, tuple[Event, ...]]:
    """Of each of these exchanges, which are few, its newest events, newest first."""
    return newest_of_each(tx, Event, tables.event, exchanges, most=most)


def exchanges_of(tx: Connection, keys: Collection[Key]) -> Mapping[Key, Key]:
    """Of each of these events its exchange; what is no event is not there."""
    row = tables.event.c
    query = select(row.key, row.exchange).where(row.key.in_(keys))
    return {row.key: row.exchange for row in tx.execute(query)}


def page_of_events(wanted: EventFilter, *, before: Key | None, limit: int) -> Select[Any]:
    """The query of `list_events`."""
    equal = values_of(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    return page(tables.event, equal, since=since, until=until, before=before, limit=limit)
