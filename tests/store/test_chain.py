"""The hash chain over steps and evidence: what it covers, and which tampering it shows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from bridge.store import tables
from bridge.store.blobs import put_blob
from bridge.store.chain import Journal, Tampering, Verification, add_seal, head_of, next_seal, seals_of
from bridge.store.engines import make_writer, read_url
from bridge.store.messages import add_evidence, add_message
from bridge.store.rows import Evidence, EvidenceKind
from bridge.store.timeline import add_step
from bridge.store.unit import Store


def write_lines(store: Store, make: Any, count: int = 3) -> list[int]:
    """So many messages with a step and evidence each; the numbers of the steps."""

    def work(tx: Any) -> list[int]:
        numbers = []
        for _ in range(count):
            message = make.message()
            add_message(tx, message)
            blob, _ = put_blob(tx, message.key.encode())
            evidence = Evidence(
                message=message.key, kind=EvidenceKind.RECEIVED, headers="A: b\r\n", blob=blob, at=make.now
            )
            add_evidence(tx, evidence)
            detail = {"message_id": message.message_id}
            numbers.append(
                add_step(
                    tx,
                    exchange=message.exchange,
                    at=make.now,
                    side="ebms",
                    what="message.received",
                    outcome="ok",
                    detail=detail,
                )
            )
        return numbers

    return store.write_sync(work)


def seal_all(store: Store, make: Any) -> int:
    """Seal until there is nothing left; how many seals."""
    made = 0
    while (seal := store.read_sync(lambda tx: next_seal(tx, at=make.later(minutes=1), lines=2))) is not None:
        assert store.write_sync(lambda tx, seal=seal: add_seal(tx, seal))
        made += 1
    return made


def verify(store: Store) -> tuple[Verification, list[Tampering]]:
    check, found = Verification(), []
    for part in (check.check_seals, check.check_unsealed):
        more = True
        while more:
            more, faults = store.read_sync(part)
            found += faults
    return check, found


def test_an_untouched_journal_verifies(store: Store, make: Any) -> None:
    write_lines(store, make, 5)
    seals = seal_all(store, make)

    check, found = verify(store)

    assert (found, check.lines, check.seals) == ([], 10, seals)
    assert store.read_sync(head_of) == (seals, check.head)


def test_an_empty_journal_verifies(store: Store, make: Any) -> None:
    assert seal_all(store, make) == 0
    assert verify(store)[1] == []


def test_lines_are_sealed_once(store: Store, make: Any) -> None:
    write_lines(store, make)
    seal_all(store, make)
    write_lines(store, make)
    seal_all(store, make)

    assert verify(store)[0].lines == 12


def test_a_changed_step_is_named(store: Store, make: Any) -> None:
    _, number, _ = write_lines(store, make)
    seal_all(store, make)
    changed = update(tables.step).where(tables.step.c.seq == number).values(outcome="failed")
    store.write_sync(lambda tx: tx.execute(changed))

    (fault,) = verify(store)[1]

    assert (fault.journal, fault.number) == (Journal.STEP, number)
    assert "was changed" in str(fault)


@pytest.mark.parametrize("column", ["headers", "kind", "blob"])
def test_changed_evidence_is_named(store: Store, make: Any, column: str) -> None:
    write_lines(store, make)
    seal_all(store, make)
    blob, _ = store.write_sync(lambda tx: put_blob(tx, b"other"))
    value = {"headers": "A: c\r\n", "kind": "answer", "blob": blob}[column]
    changed = update(tables.evidence).where(tables.evidence.c.seq == 2).values({column: value})
    store.write_sync(lambda tx: tx.execute(changed))

    assert [str(fault) for fault in verify(store)[1]] == ["evidence 2: was changed (seal 1)"]


def test_a_removed_line_is_named(store: Store, make: Any) -> None:
    _, number, _ = write_lines(store, make)
    seal_all(store, make)
    store.write_sync(lambda tx: tx.execute(delete(tables.step).where(tables.step.c.seq == number)))

    assert [(fault.number, "removed" in fault.text) for fault in verify(store)[1]] == [(number, True)]


def test_a_line_slipped_in_is_named(store: Store, make: Any) -> None:
    first, hole, _ = write_lines(store, make)
    store.write_sync(lambda tx: tx.execute(delete(tables.step).where(tables.step.c.seq == hole)))
    seal_all(store, make)
    write_lines(store, make)
    seal_all(store, make)
    forged = {"seq": hole, "exchange": make.key(), "at": make.now, "side": "ebms", "what": "message.received"}
    forged |= {"outcome": "ok", "detail": {}, "by": "bridge"}
    store.write_sync(lambda tx: tx.execute(insert(tables.step).values(forged)))

    assert [str(fault) for fault in verify(store)[1]] == [f"step {hole}: was added afterwards"]
    assert first < hole


def test_a_changed_seal_is_named(store: Store, make: Any) -> None:
    write_lines(store, make)
    assert seal_all(store, make) == 2
    store.write_sync(lambda tx: tx.execute(update(tables.seal).values(at=make.later(days=1))))

    assert [fault.journal for fault in verify(store)[1]] == [None, None]


def test_a_removed_seal_is_named(store: Store, make: Any) -> None:
    write_lines(store, make)
    assert seal_all(store, make) == 2
    store.write_sync(lambda tx: tx.execute(delete(tables.seal).where(tables.seal.c.number == 1)))

    assert "seal 1: is missing" in [str(fault) for fault in verify(store)[1]]


def test_of_two_processes_that_seal_at_once_one_does(store: Store, make: Any) -> None:
    write_lines(store, make)
    one = store.read_sync(lambda tx: next_seal(tx, at=make.now))
    other = store.read_sync(lambda tx: next_seal(tx, at=make.now + timedelta(seconds=1)))
    assert one is not None and other is not None

    assert store.write_sync(lambda tx: add_seal(tx, one))
    assert not store.write_sync(lambda tx: add_seal(tx, other))


def test_a_line_that_commits_late_is_sealed_and_no_tampering(
    postgres_url: str, open_store: Callable[..., Store], make: Any
) -> None:
    store = open_store(postgres_url)
    engine = make_writer(read_url(postgres_url), connections=1)
    step = {"exchange": make.key(), "at": make.now, "side": "ebms", "what": "late", "outcome": "ok"}
    with engine.connect() as slow:
        begun = slow.begin()
        late = slow.execute(insert(tables.step).values(**step, detail={}, by="bridge")).inserted_primary_key
        for _ in range(3):
            write_lines(store, make)
            seal_all(store, make)
        assert verify(store)[1] == []
        begun.commit()
    engine.dispose()
    assert seal_all(store, make) == 1
    for _ in range(3):
        write_lines(store, make)
        seal_all(store, make)

    assert verify(store)[1] == []
    assert late is not None
    assert late[0] in store.read_sync(lambda tx: seals_of(tx, Journal.STEP, [late[0]]))
