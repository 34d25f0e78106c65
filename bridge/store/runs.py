"""Mending of many: who has taken up a cause, the runs over its exchanges, and what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add, change, fetch, get, page, values_of
from bridge.store.rows import CauseOwner, ItemOutcome, MendItem, MendRun, RunState

_item = tables.mend_item.c
_owner = tables.cause_owner.c
_BATCH = 500


def take_cause(tx: Connection, given: CauseOwner) -> None:
    """This person has it now, whoever had it before."""
    drop_cause(tx, given.cause)
    add(tx, tables.cause_owner, given)


def drop_cause(tx: Connection, cause: str) -> None:
    """Nobody has it any longer."""
    tx.execute(delete(tables.cause_owner).where(_owner.cause == cause))


def owners_of(tx: Connection, causes: Iterable[str]) -> Mapping[str, CauseOwner]:
    """Who has which of these causes; the causes that nobody has are not there."""
    query = select(tables.cause_owner).where(_owner.cause.in_(list(causes)))
    return {owner.cause: owner for owner in fetch(tx, CauseOwner, query)}


def add_run(tx: Connection, run: MendRun, exchanges: Iterable[Key]) -> None:
    """A run over exactly these exchanges."""
    add(tx, tables.mend_run, run)
    rows = [values_of(MendItem(run=run.key, exchange=exchange)) for exchange in exchanges]
    for start in range(0, len(rows), _BATCH):
        tx.execute(insert(tables.mend_item), rows[start : start + _BATCH])


def get_run(tx: Connection, key: Key) -> MendRun:
    """Raises NoSuchRow."""
    return get(tx, MendRun, tables.mend_run, key)


def list_runs(tx: Connection, *, before: Key | None = None, limit: int = 50) -> tuple[MendRun, ...]:
    """Newest first."""
    return fetch(tx, MendRun, page(tables.mend_run, {}, since=None, until=None, before=before, limit=limit))


def end_run(tx: Connection, key: Key, state: RunState, *, at: datetime) -> None:
    """Raises NoSuchRow."""
    change(tx, tables.mend_run, key, {"state": state, "ended_at": at})


def items_of(
    tx: Connection, run: Key, outcome: ItemOutcome, *, limit: int, after: Key | None = None
) -> tuple[MendItem, ...]:
    """Oldest exchange first: mending keeps the order in which they came."""
    query = select(tables.mend_item).where(_item.run == run, _item.outcome == outcome)
    if after is not None:
        query = query.where(_item.exchange > after)
    return fetch(tx, MendItem, query.order_by(_item.exchange).limit(limit))


def count_items(tx: Connection, run: Key) -> Mapping[ItemOutcome, int]:
    """How many of each outcome; every outcome is there."""
    query = select(_item.outcome, func.count()).where(_item.run == run).group_by(_item.outcome)
    found = {outcome: count for outcome, count in tx.execute(query)}  # noqa: C416 - rows are no pairs to mypy
    return dict.fromkeys(ItemOutcome, 0) | found


def note_item(tx: Connection, item: MendItem) -> None:
    """What came of one exchange."""
    this = (_item.run == item.run, _item.exchange == item.exchange)
    tx.execute(update(tables.mend_item).where(*this).values(outcome=item.outcome, why=item.why))
