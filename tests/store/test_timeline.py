from typing import Any

import pytest
from sqlalchemy import Connection

from bridge.ids import Key
from bridge.store.engines import RefusedByStore
from bridge.store.rows import Side, Step, StepOutcome
from bridge.store.timeline import add_step, exchanges_changed_since, last_seq, steps_of
from bridge.store.unit import Store


def add(store: Store, make: Any, exchange: Key, **changes: Any) -> int:
    values = {"side": "ebms", "what": "message.received", "outcome": "ok"} | changes

    def work(tx: Connection) -> int:
        return add_step(tx, exchange=exchange, at=make.now, **values)

    return store.write_sync(work)


def test_a_step_comes_back_as_it_went_in(store: Store, make: Any) -> None:
    exchange = make.key()

    seq = add(store, make, exchange, detail={"message_id": "m-é"}, by="operator anna")

    expected = Step(
        seq=seq,
        exchange=exchange,
        at=make.now,
        side=Side.EBMS,
        what="message.received",
        outcome=StepOutcome.OK,
        detail={"message_id": "m-é"},
        by="operator anna",
    )
    assert store.read_sync(lambda tx: steps_of(tx, exchange)) == (expected,)


def test_steps_stand_in_the_order_of_adding_though_the_clock_stepped_back(store: Store, make: Any) -> None:
    exchange = make.key()
    for what in ("first", "second", "third"):
        add(store, make, exchange, what=what)
        make.later(seconds=-10)

    steps = store.read_sync(lambda tx: steps_of(tx, exchange))

    assert [step.what for step in steps] == ["first", "second", "third"]


@pytest.mark.parametrize("wrong", [{"side": "moon"}, {"outcome": "perhaps"}])
def test_a_word_outside_the_vocabulary_is_refused(store: Store, make: Any, wrong: dict[str, str]) -> None:
    with pytest.raises(RefusedByStore, match=r"not a (Side|StepOutcome)"):
        add(store, make, make.key(), **wrong)

    assert store.read_sync(last_seq) == 0


def test_changed_exchanges_are_told_once_with_their_newest_step(store: Store, make: Any) -> None:
    a, b = make.key(), make.key()
    begin = add(store, make, a)
    add(store, make, a)
    b_seq = add(store, make, b)
    a_seq = add(store, make, a)

    assert store.read_sync(lambda tx: exchanges_changed_since(tx, begin)) == ((b_seq, b), (a_seq, a))
    assert store.read_sync(last_seq) == a_seq
    assert store.read_sync(lambda tx: exchanges_changed_since(tx, a_seq)) == ()


def test_changes_beyond_the_limit_are_told_the_next_time(store: Store, make: Any) -> None:
    exchanges = [make.key() for _ in range(5)]
    for exchange in exchanges:
        add(store, make, exchange)

    first = store.read_sync(lambda tx: exchanges_changed_since(tx, 0, limit=3))
    rest = store.read_sync(lambda tx: exchanges_changed_since(tx, first[-1][0], limit=3))

    assert [exchange for _, exchange in first + rest] == exchanges
