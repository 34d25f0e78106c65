from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier, Thread

from bridge.ids import Key
from bridge.store.answers import claim_answer, claim_reference, drop_references, find_answer, find_reference
from bridge.store.rows import ClaimedReference, GivenAnswer
from bridge.store.unit import Store

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FIRST = ClaimedReference(
    party="00000001999990032000",
    number="a" * 64,
    message=Key("m-1"),
    exchange=Key("e-1"),
    digest="d-1",
    at=AT,
)
SECOND = replace(FIRST, message=Key("m-2"), exchange=Key("e-2"), digest="d-2")


def test_the_first_message_keeps_its_number(store: Store) -> None:
    first = store.write_sync(lambda tx: claim_reference(tx, FIRST))
    second = store.write_sync(lambda tx: claim_reference(tx, SECOND))

    assert (first, second) == (FIRST, FIRST)


def test_claiming_again_for_the_same_message_is_harmless(store: Store) -> None:
    store.write_sync(lambda tx: claim_reference(tx, FIRST))

    assert store.write_sync(lambda tx: claim_reference(tx, FIRST)) == FIRST


def test_the_same_number_of_another_party_is_another_number(store: Store) -> None:
    store.write_sync(lambda tx: claim_reference(tx, FIRST))
    other = replace(SECOND, party="00000001999990044000")

    assert store.write_sync(lambda tx: claim_reference(tx, other)) == other


def test_of_two_that_claim_at_once_one_has_it(url: str, open_store: Callable[..., Store]) -> None:
    stores = [open_store(url), open_store(url)]
    start, found = Barrier(2), []

    def claim(store: Store, wanted: ClaimedReference) -> None:
        start.wait()
        found.append(store.write_sync(lambda tx: claim_reference(tx, wanted)))

    threads = [Thread(target=claim, args=pair) for pair in zip(stores, (FIRST, SECOND), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1


def test_with_an_exchange_goes_what_its_message_was_known_by(store: Store) -> None:
    store.write_sync(lambda tx: claim_reference(tx, FIRST))
    store.write_sync(lambda tx: drop_references(tx, FIRST.exchange))

    assert store.read_sync(lambda tx: find_reference(tx, FIRST.party, FIRST.number)) is None


def test_a_message_is_answered_once(store: Store) -> None:
    first = GivenAnswer(message=Key("m-1"), fate="refused", answer=Key("m-8"), at=AT)
    again = replace(first, fate="handled", answer=Key("m-9"))
    taken = [store.write_sync(lambda tx, g=given: claim_answer(tx, g)) for given in (first, again)]

    assert taken == [True, False]
    assert store.read_sync(lambda tx: find_answer(tx, Key("m-1"))) == first
