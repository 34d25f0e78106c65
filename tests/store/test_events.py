from dataclasses import replace
from typing import Any

import pytest

from bridge.store.events import (
    EventFilter,
    add_event,
    find_event,
    get_event,
    list_events,
    newest_events_of,
    set_event_state,
)
from bridge.store.rows import Event, EventState, NoSuchRow
from bridge.store.unit import Store


def add(store: Store, *events: Event) -> list[bool]:
    return [store.write_sync(lambda tx, e=e: add_event(tx, e)) for e in events]


def test_an_event_comes_back_as_it_went_in(store: Store, make: Any) -> None:
    event = make.event(subject="case-1", body=bytes(range(256)), interactie_id="i", level="niveau1")

    add(store, event)

    assert store.read_sync(lambda tx: get_event(tx, event.key)) == event


def test_an_event_is_taken_once_per_source_and_id(store: Store, make: Any) -> None:
    first, again, other = make.event(id="e"), make.event(id="e"), make.event(id="e", source="urn:other")

    assert add(store, first, again, other) == [True, False, True]
    assert store.read_sync(lambda tx: find_event(tx, first.source, "e")) == first


def test_an_event_that_is_not_there_is_not_found(store: Store) -> None:
    assert store.read_sync(lambda tx: find_event(tx, "urn:x", "e")) is None


def test_offers_are_counted_and_the_interactie_id_stays(store: Store, make: Any) -> None:
    event = make.event(reason="first")
    add(store, event)
    at = make.later(minutes=1)

    def work(tx: Any) -> None:
        set_event_state(tx, event.key, EventState.UNKNOWN, at=at, interactie_id="i", add_offer=True)
        set_event_state(tx, event.key, EventState.OFFERED, at=at, add_offer=True)

    store.write_sync(work)

    changes = {"state": EventState.OFFERED, "reason": None, "interactie_id": "i", "offers": 2}
    assert store.read_sync(lambda tx: get_event(tx, event.key)) == replace(event, changed_at=at, **changes)


def test_an_unknown_event_is_an_error(store: Store, make: Any) -> None:
    with pytest.raises(NoSuchRow):
        store.write_sync(lambda tx: set_event_state(tx, make.key(), EventState.OK, at=make.now))


def test_events_are_listed_newest_first_by_what_is_wanted(store: Store, make: Any) -> None:
    exchange = make.key()
    events = [make.event(exchange=exchange) for _ in range(3)]
    add(store, *events, make.event())

    wanted = EventFilter(exchange=exchange)
    first = store.read_sync(lambda tx: list_events(tx, wanted, limit=2))
    rest = store.read_sync(lambda tx: list_events(tx, wanted, before=first[-1].key))

    assert [*first, *rest] == events[::-1]


def test_of_several_exchanges_the_newest_events_come_each_under_its_own(store: Store, make: Any) -> None:
    busy, calm, empty = make.key(), make.key(), make.key()
    many = [make.event(exchange=busy) for _ in range(3)]
    one = make.event(exchange=calm)
    add(store, *many, one, make.event())

    found = store.read_sync(lambda tx: newest_events_of(tx, [busy, calm, empty], most=2))

    assert found == {busy: (many[2], many[1]), calm: (one,)}
