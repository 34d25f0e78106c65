"""The octets of the evidence: which tampering with them shows, beside the chain."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from bridge.store import tables
from bridge.store.chain import Tampering
from bridge.store.octets import check_octets
from bridge.store.sealing import MasterKeys
from bridge.store.unit import Store
from tests.store.test_chain import write_lines


@pytest.fixture(params=[None, MasterKeys(current=b"1" * 32)], ids=["clear", "sealed"])
def store(request: Any, url: str, open_store: Any) -> Store:
    found: Store = open_store(url, masters=request.param)
    return found


def check(store: Store) -> list[str]:
    """Every fault, two pieces at a time."""
    found, after = list[Tampering](), 0
    while True:
        part = store.read_sync(lambda tx, after=after: check_octets(tx, after=after, limit=2))
        found += part.faults
        if part.after is None:
            return [str(fault) for fault in found]
        after = part.after


def blob_of(number: int) -> Any:
    return select(tables.evidence.c.blob).where(tables.evidence.c.seq == number).scalar_subquery()


def test_untouched_octets_are_good(store: Store, make: Any) -> None:
    write_lines(store, make, 5)
    assert check(store) == []


def test_changed_octets_show(store: Store, make: Any) -> None:
    write_lines(store, make, 3)
    of_second = tables.chunk.c.sha256 == blob_of(2)
    store.write_sync(lambda tx: tx.execute(update(tables.chunk).where(of_second).values(octets=b"other")))
    assert check(store) == ["evidence 2: its octets were changed"]


def test_removed_octets_show(store: Store, make: Any) -> None:
    write_lines(store, make, 3)
    store.write_sync(lambda tx: tx.execute(delete(tables.chunk).where(tables.chunk.c.sha256 == blob_of(2))))
    assert check(store) == ["evidence 2: its octets were changed"]


def test_octets_that_were_removed_as_if_purged_show(store: Store, make: Any) -> None:
    """The row of the purge is outside the chain, so anyone could slip it in; the step is in it."""
    write_lines(store, make, 3)
    blob = tables.blob.c.sha256 == blob_of(3)

    def work(tx: Any) -> None:
        exchange = tx.scalar(
            select(tables.message.c.exchange).where(
                tables.message.c.key == tables.evidence.c.message, tables.evidence.c.seq == 3
            )
        )
        tx.execute(delete(tables.chunk).where(tables.chunk.c.sha256 == blob_of(3)))
        gone = {"purged_at": make.now + timedelta(days=1), "data_key": None}
        tx.execute(update(tables.blob).where(blob).values(gone))
        row = {"exchange": exchange, "content": "evidence", "run": make.key(), "at": make.now}
        run = {"key": row["run"], "at": make.now, "by": "x", "reason": "x"}
        tx.execute(insert(tables.purge_run).values(run))
        tx.execute(insert(tables.purged).values(row | {"items": 1, "octets": 1, "digests": {}}))

    store.write_sync(work)
    assert check(store) == ["evidence 3: its octets were removed, and by no purge"]
