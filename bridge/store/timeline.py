"""The history of an exchange; only ever added to."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import fetch
from bridge.store.rows import Side, Step, StepOutcome

NOTHING: Mapping[str, str] = {}


def add_step(
    tx: Connection,
    *,
    exchange: Key,
    at: datetime,
    side: Side | str,
    what: str,
    outcome: StepOutcome | str,
    detail: Mapping[str, str] = NOTHING,
    by: str = "bridge",
) -> int:
    """Add a line and return its number. `detail` holds ids and rules, never content of a message."""
    values = {
        "exchange": exchange,
        "at": at,
        "side": side,
        "what": what,
        "outcome": outcome,
        "detail": detail,
        "by": by,
    }
    added = tx.execute(insert(tables.step).values(values)).inserted_primary_key
    assert added is not None
    return int(added[0])


def steps_of(tx: Connection, exchange: Key) -> tuple[Step, ...]:
    """In the order of adding."""
    row = tables.step.c
    return fetch(tx, Step, select(tables.step).where(row.exchange == exchange).order_by(row.seq))


def last_seq(tx: Connection) -> int:
    """The number of the newest step; 0 in an empty store."""
    return tx.scalar(select(func.max(tables.step.c.seq))) or 0


def last_at(tx: Connection) -> datetime | None:
    """The time of the newest step; None in an empty store."""
    found: datetime | None = tx.scalar(select(tables.step.c.at).order_by(tables.step.c.seq.desc()).limit(1))
    return found


def exchanges_changed_since(tx: Connection, seq: int, *, limit: int = 200) -> tuple[tuple[int, Key], ...]:
    """Each exchange with steps after `seq`, with the number of its newest one among the next `limit` steps.

    In order of that number, so the last one is where to go on. For showing live: on PostgreSQL a step that
    commits late may have a number that was already passed.
    """
    row = tables.step.c
    query = select(row.seq, row.exchange).where(row.seq > seq).order_by(row.seq).limit(limit)
    newest: dict[Key, int] = {}
    for number, exchange in tx.execute(query):
        newest[exchange] = number
    return tuple(sorted((number, exchange) for exchange, number in newest.items()))
