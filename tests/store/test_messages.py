import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bridge.store.blobs import put_blob
from bridge.store.engines import RefusedByStore
from bridge.store.messages import (
    MessageFilter,
    add_evidence,
    add_message,
    add_payload,
    count_attempt,
    evidence_of,
    find_by_message_id,
    find_message,
    get_message,
    list_messages,
    newest_messages_of,
    payloads_of,
    set_message_state,
    set_message_values,
)
from bridge.store.rows import Direction, Evidence, EvidenceKind, Message, MessageState, NoSuchRow, Payload
from bridge.store.unit import Store


def add(store: Store, *messages: Message) -> list[bool]:
    return [store.write_sync(lambda tx, m=m: add_message(tx, m)) for m in messages]


def test_a_message_comes_back_as_it_went_in(store: Store, make: Any) -> None:
    message = make.message(
        ref_to_message_id="earlier", from_role="Sender", time_to_live=make.now, digest="00ff"
    )

    add(store, message)

    assert store.read_sync(lambda tx: get_message(tx, message.key)) == message


def test_a_message_id_of_the_same_pair_and_direction_is_taken_once(store: Store, make: Any) -> None:
    first, again = make.message(message_id="m"), make.message(message_id="m", subject="other")

    assert add(store, first, again) == [True, False]
    assert store.read_sync(lambda tx: find_by_message_id(tx, "m")) == (first,)


@pytest.mark.parametrize("other", [{"direction": Direction.OUT}, {"from_party": "x"}, {"to_party": "x"}])
def test_a_message_id_of_another_pair_or_direction_is_another_message(
    store: Store, make: Any, other: dict[str, Any]
) -> None:
    assert add(store, make.message(message_id="m"), make.message(message_id="m", **other)) == [True, True]


async def test_of_many_equal_messages_at_once_one_is_taken(
    url: str, open_store: Callable[..., Store], make: Any
) -> None:
    stores = [open_store(url), open_store(url)]
    messages = [make.message(message_id="m") for _ in range(10)]

    def work(message: Message) -> Callable[[Any], bool]:
        return lambda tx: add_message(tx, message)

    taken = await asyncio.gather(*(stores[n % 2].write(work(m)) for n, m in enumerate(messages)))

    assert sorted(taken) == [False] * 9 + [True]


def test_message_ids_are_compared_as_opaque_text(store: Store, make: Any) -> None:
    assert add(store, make.message(message_id="a"), make.message(message_id="A")) == [True, True]


def test_a_reused_key_is_not_taken_for_a_duplicate(store: Store, make: Any) -> None:
    message = make.message()
    add(store, message)

    with pytest.raises(RefusedByStore):
        add(store, make.message(key=message.key))


def test_a_refused_message_does_not_claim_its_message_id(store: Store, make: Any) -> None:
    refused = make.message(message_id="m", state=MessageState.REFUSED)
    mended, again = make.message(message_id="m"), make.message(message_id="m")

    assert add(store, refused, mended, again) == [True, True, False]


def test_attempts_are_counted_and_values_kept(store: Store, make: Any) -> None:
    message = make.message()
    add(store, message)

    def work(tx: Any) -> None:
        count_attempt(tx, message.key)
        count_attempt(tx, message.key)
        set_message_values(tx, message.key, {"zaak": "case-1"})

    store.write_sync(work)

    found = store.read_sync(lambda tx: get_message(tx, message.key))
    assert found == replace(message, attempts=2, values={"zaak": "case-1"})


def test_a_message_is_found_by_what_makes_it_unique(store: Store, make: Any) -> None:
    message = make.message()
    add(store, message, make.message())

    def find(message_id: str) -> Message | None:
        return store.read_sync(
            lambda tx: find_message(
                tx,
                direction=Direction.IN,
                from_party=message.from_party,
                to_party=message.to_party,
                message_id=message_id,
            )
        )

    assert (find(message.message_id), find("unknown")) == (message, None)


def test_a_message_id_is_found_in_both_directions_or_in_one(store: Store, make: Any) -> None:
    inward, outward = make.message(message_id="m"), make.message(message_id="m", direction=Direction.OUT)
    add(store, inward, outward)

    both = store.read_sync(lambda tx: find_by_message_id(tx, "m"))
    out = store.read_sync(lambda tx: find_by_message_id(tx, "m", direction=Direction.OUT))

    assert (both, out) == ((inward, outward), (outward,))


def test_a_new_state_takes_its_reason_with_it_and_leaves_the_rest(store: Store, make: Any) -> None:
    message = make.message(reason="first", mapping="zorgmelding@1", subject="case-1")
    add(store, message)
    at = make.later(minutes=1)

    store.write_sync(
        lambda tx: set_message_state(tx, message.key, MessageState.MAPPED, at=at, subject="case-2")
    )

    expected = replace(message, state=MessageState.MAPPED, reason=None, subject="case-2", changed_at=at)
    assert store.read_sync(lambda tx: get_message(tx, message.key)) == expected


def test_an_unknown_message_is_an_error(store: Store, make: Any) -> None:
    key = make.key()

    with pytest.raises(NoSuchRow, match=f"no message with key {key}"):
        store.read_sync(lambda tx: get_message(tx, key))
    with pytest.raises(NoSuchRow):
        store.write_sync(lambda tx: set_message_state(tx, key, MessageState.MAPPED, at=make.now))


def test_messages_are_listed_newest_first_page_by_page(store: Store, make: Any) -> None:
    messages = [make.message(state=MessageState.PARKED) for _ in range(5)]
    add(store, *messages, make.message())
    wanted = MessageFilter(state=MessageState.PARKED)

    def read_pages(tx: Any) -> list[Message]:
        found = list(list_messages(tx, wanted, limit=2))
        while more := list_messages(tx, wanted, before=found[-1].key, limit=2):
            found += more
        return found

    assert store.read_sync(read_pages) == messages[::-1]


def test_messages_are_listed_by_time(store: Store, make: Any) -> None:
    early = make.message()
    since = make.later(hours=1)
    inside = make.message()
    until = make.later(hours=1)
    late = make.message()
    add(store, early, inside, late)

    found = store.read_sync(lambda tx: list_messages(tx, MessageFilter(since=since, until=until)))

    assert found == (inside,)


def test_payloads_come_back_in_wire_order(store: Store, make: Any) -> None:
    message = make.message()
    add(store, message)

    def work(tx: Any) -> list[Payload]:
        sha, size = put_blob(tx, b"<melding/>")
        payloads = [
            Payload(
                message=message.key,
                position=n,
                content_id=f"part-{n}",
                content_type="text/xml",
                blob=sha,
                size=size,
            )
            for n in (2, 0, 1)
        ]
        for payload in payloads:
            add_payload(tx, payload)
        return payloads

    payloads = store.write_sync(work)

    found = store.read_sync(lambda tx: payloads_of(tx, message.key))
    assert list(found) == sorted(payloads, key=lambda p: p.position)


def test_evidence_comes_back_in_order_of_adding_and_by_kind(store: Store, make: Any) -> None:
    message = make.message()
    add(store, message)

    def work(tx: Any) -> list[Evidence]:
        sha, _ = put_blob(tx, b"raw octets")
        added = [
            Evidence(message=message.key, kind=kind, headers="Content-Type: text/xml", blob=sha, at=make.now)
            for kind in (EvidenceKind.RECEIVED, EvidenceKind.ANSWER, EvidenceKind.ANSWER)
        ]
        for evidence in added:
            add_evidence(tx, evidence)
        return added

    added = store.write_sync(work)

    assert store.read_sync(lambda tx: evidence_of(tx, message.key)) == tuple(added)
    answers = store.read_sync(lambda tx: evidence_of(tx, message.key, kind="answer"))
    assert answers == tuple(added[1:])


def test_evidence_of_octets_that_are_not_stored_is_refused(store: Store, make: Any) -> None:
    message = make.message()
    add(store, message)
    evidence = Evidence(message=message.key, kind=EvidenceKind.SENT, headers="", blob="00", at=make.now)

    with pytest.raises(RefusedByStore):
        store.write_sync(lambda tx: add_evidence(tx, evidence))


def test_of_several_exchanges_the_newest_messages_come_each_under_its_own(store: Store, make: Any) -> None:
    busy, calm, empty = make.key(), make.key(), make.key()
    many = [make.message(exchange=busy) for _ in range(3)]
    one = make.message(exchange=calm)
    add(store, *many, one, make.message())

    found = store.read_sync(lambda tx: newest_messages_of(tx, [busy, calm, empty], most=2))

    assert found == {busy: (many[2], many[1]), calm: (one,)}
