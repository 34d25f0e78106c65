from typing import Any

import pytest
from sqlalchemy import Connection

from bridge.ids import Key
from bridge.store.engines import RefusedByStore
from bridge.store.rows import Side, Step, StepOutcome
from bridge.store.timeline import add_step, last_seq, steps_of, steps_since, told_at, told_of
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


def test_what_a_peer_said_is_kept_beside_its_step_and_not_in_it(store: Store, make: Any) -> None:
    exchange = make.key()

    seqs = [add(store, make, exchange, told=text) for text in ("eerst", "", "dan")]

    assert store.read_sync(lambda tx: told_of(tx, exchange)) == {seqs[0]: "eerst", seqs[2]: "dan"}
    assert store.read_sync(lambda tx: told_at(tx, exchange)) == {seqs[0], seqs[2]}
    assert store.read_sync(lambda tx: told_of(tx, make.key())) == {}
    assert not [step for step in store.read_sync(lambda tx: steps_of(tx, exchange)) if "eerst" in str(step)]


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


def test_the_next_steps_are_told_with_their_exchange_but_not_those_that_were_told(
    store: Store, make: Any
) -> None:
    a, b = make.key(), make.key()
    begin = add(store, make, a)
    numbers = [add(store, make, exchange) for exchange in (a, b, a)]

    def since(seq: int, **options: Any) -> Any:
        return store.read_sync(lambda tx: steps_since(tx, seq, **options))

    assert since(begin) == tuple(zip(numbers, (a, b, a), strict=True))
    assert since(begin, limit=2) == tuple(zip(numbers[:2], (a, b), strict=True))
    assert since(begin, without={numbers[0]}, limit=1) == ((numbers[1], b),)
    assert store.read_sync(last_seq) == numbers[-1]
    assert since(numbers[-1]) == ()
