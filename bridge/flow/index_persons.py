"""About whom everything in the store is, once more: for a store from before a search found what is found now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from bridge.flow.map import first_payload
from bridge.flow.persons import persons_in_text, persons_in_xml
from bridge.ids import Key
from bridge.store.blobs import ContentPurged
from bridge.store.events import EventFilter, list_events
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.persons import index_persons
from bridge.store.purge import is_purged
from bridge.store.rows import Content, Direction, Message
from bridge.store.unit import Store

BATCH = 20
"""Messages, or events, of one look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """Who stands in a message or event, while its content is there."""

    exchange: Key
    content: Content
    persons: frozenset[str] = field(repr=False)


def index_all(store: Store, key: bytes) -> Iterator[int]:
    """Look through messages and events, newest first; gives how many each look saw. Doing it twice is harmless, and
    so is doing it while bridges run."""
    for look in (_in_messages, _in_events):
        before: Key | None = None
        while True:
            seen, before, named = store.read_sync(partial(look, before=before))
            if named:
                store.write_sync(partial(_keep, key=key, named=named))
            if seen:
                yield seen
            if before is None:
                break


def _in_messages(tx: Connection, *, before: Key | None) -> tuple[int, Key | None, list[_Named]]:
    messages = list_messages(tx, MessageFilter(), before=before, limit=BATCH)
    named = [
        _Named(exchange=message.exchange, content=Content.PAYLOAD, persons=persons)
        for message in messages
        if (persons := persons_in_xml(_payload(tx, message)))
    ]
    return len(messages), messages[-1].key if len(messages) == BATCH else None, named


def _payload(tx: Connection, message: Message) -> bytes | None:
    try:
        return first_payload(tx, message.key)
    except ContentPurged:
        return None


def _in_events(tx: Connection, *, before: Key | None) -> tuple[int, Key | None, list[_Named]]:
    events = list_events(tx, EventFilter(direction=Direction.IN), before=before, limit=BATCH)
    named = [
        _Named(exchange=event.exchange, content=Content.EVENT, persons=persons)
        for event in events
        if (persons := persons_in_text(event.body.decode(errors="replace")))
    ]
    return len(events), events[-1].key if len(events) == BATCH else None, named


def _keep(tx: Connection, *, key: bytes, named: list[_Named]) -> None:
    for one in named:
        # What was purged, also since it was read, is about nobody any more.
        if not is_purged(tx, one.exchange, one.content):
            index_persons(tx, key, one.persons, one.exchange)
