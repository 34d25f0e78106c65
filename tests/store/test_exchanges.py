from dataclasses import replace
from typing import Any

import pytest

from bridge.store.events import add_event
from bridge.store.exchanges import (
    ExchangeFilter,
    find_exchanges,
    get_exchange,
    list_exchanges,
    open_exchange,
    related_exchanges,
    set_exchange,
)
from bridge.store.messages import add_message
from bridge.store.rows import Exchange, ExchangeState, NoSuchRow
from bridge.store.unit import Store


def add(store: Store, *exchanges: Exchange) -> None:
    for exchange in exchanges:
        store.write_sync(lambda tx, e=exchange: open_exchange(tx, e))


def test_an_exchange_comes_back_as_it_went_in(store: Store, make: Any) -> None:
    exchange = make.exchange(subject="case-1", correlation_id="c", conversation_id="v")

    add(store, exchange)

    assert store.read_sync(lambda tx: get_exchange(tx, exchange.key)) == exchange


def test_a_new_state_takes_its_reason_with_it(store: Store, make: Any) -> None:
    exchange = make.exchange(state=ExchangeState.ATTENTION, reason="no mapping", subject="case-1")
    add(store, exchange)
    at = make.later(minutes=1)

    store.write_sync(lambda tx: set_exchange(tx, exchange.key, state=ExchangeState.DONE, at=at))

    expected = replace(exchange, state=ExchangeState.DONE, reason=None, changed_at=at)
    assert store.read_sync(lambda tx: get_exchange(tx, exchange.key)) == expected


def test_what_is_not_given_stays(store: Store, make: Any) -> None:
    exchange = make.exchange(state=ExchangeState.ATTENTION, reason="no mapping")
    add(store, exchange)

    store.write_sync(lambda tx: set_exchange(tx, exchange.key, subject="case-2", at=make.now))

    expected = replace(exchange, subject="case-2")
    assert store.read_sync(lambda tx: get_exchange(tx, exchange.key)) == expected


def test_an_unknown_exchange_is_an_error(store: Store, make: Any) -> None:
    with pytest.raises(NoSuchRow):
        store.write_sync(lambda tx: set_exchange(tx, make.key(), at=make.now))


def test_exchanges_are_listed_newest_first_by_what_is_wanted(store: Store, make: Any) -> None:
    wanted = [make.exchange(partner="p", state=ExchangeState.DONE) for _ in range(3)]
    add(store, *wanted, make.exchange(partner="p"), make.exchange(state=ExchangeState.DONE))
    by = ExchangeFilter(partner="p", state=ExchangeState.DONE)

    first = store.read_sync(lambda tx: list_exchanges(tx, by, limit=2))
    rest = store.read_sync(lambda tx: list_exchanges(tx, by, before=first[-1].key))

    assert [*first, *rest] == wanted[::-1]


def test_related_exchanges_share_correlation_conversation_or_subject(store: Store, make: Any) -> None:
    own = make.exchange(correlation_id="c", conversation_id="v", subject="s")
    by_correlation = make.exchange(correlation_id="c")
    by_two = make.exchange(conversation_id="v", subject="s")
    add(store, own, by_correlation, by_two, make.exchange(subject="other"), make.exchange())

    assert store.read_sync(lambda tx: related_exchanges(tx, own.key)) == (by_two, by_correlation)


def test_an_exchange_without_references_has_no_related_ones(store: Store, make: Any) -> None:
    own = make.exchange()
    add(store, own, make.exchange())

    assert store.read_sync(lambda tx: related_exchanges(tx, own.key)) == ()


@pytest.mark.parametrize(
    "id",
    ["case-1", "conversation-7", "correlation-7", "message-7@partner.example", "event-7", "interactie-7"],
)
def test_an_exchange_is_found_by_any_id_that_occurs_in_it(store: Store, make: Any, id: str) -> None:
    exchange = make.exchange(
        subject="case-1", conversation_id="conversation-7", correlation_id="correlation-7"
    )
    add(store, exchange, make.exchange())
    message = make.message(exchange=exchange.key, message_id="message-7@partner.example")
    event = make.event(exchange=exchange.key, id="event-7", interactie_id="interactie-7")
    store.write_sync(lambda tx: add_message(tx, message))
    store.write_sync(lambda tx: add_event(tx, event))

    assert store.read_sync(lambda tx: find_exchanges(tx, id)) == (exchange,)


def test_an_exchange_is_found_by_the_number_of_its_subject_alone(store: Store, make: Any) -> None:
    report, case = make.exchange(subject="melding/BVH-7"), make.exchange(subject="onderzoek/BVH-7")
    others = make.exchange(subject="melding/BVH-77"), make.exchange(subject="melding/BVH"), make.exchange()
    add(store, report, case, *others)

    assert set(store.read_sync(lambda tx: find_exchanges(tx, "BVH-7"))) == {report, case}


def test_an_id_that_occurs_nowhere_finds_nothing(store: Store, make: Any) -> None:
    add(store, make.exchange())

    assert store.read_sync(lambda tx: find_exchanges(tx, "nowhere")) == ()
