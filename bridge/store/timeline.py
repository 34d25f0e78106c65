"""The history of an exchange; only ever added to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add, fetch, transaction_bounds
from bridge.store.rows import Side, Step, StepOutcome, Told

NOTHING: Mapping[str, str] = {}
_ADD = insert(tables.step)


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
    told: str = "",
) -> int:
    """Add a line and return its number. `detail` holds ids and rules, never content of a message.

    `told` is what a peer said in words of its own: it is kept beside the line as content is.
    """
    values = {
        "exchange": exchange,
        "at": at,
        "side": side,
        "what": what,
        "outcome": outcome,
        "detail": detail,
        "by": by,
    }
    added = tx.execute(_ADD, values).inserted_primary_key
    assert added is not None
    seq = int(added[0])
    if told:
        add(tx, tables.told, Told(key=Key(str(seq)), exchange=exchange, body=told))
    return seq


def steps_of(tx: Connection, exchange: Key) -> tuple[Step, ...]:
    """In the order of adding."""
    row = tables.step.c
    return fetch(tx, Step, select(tables.step).where(row.exchange == exchange).order_by(row.seq))


def told_at(tx: Connection, exchange: Key) -> frozenset[int]:
    """The numbers of the steps beside which words of a peer are kept."""
    row = tables.told.c
    return frozenset(int(key) for key in tx.scalars(select(row.key).where(row.exchange == exchange)))


def told_of(tx: Connection, exchange: Key) -> dict[int, str]:
    """The words of peers, by the number of their step, in that order. Content."""
    found = fetch(tx, Told, select(tables.told).where(tables.told.c.exchange == exchange))
    return {int(told.key): told.body for told in sorted(found, key=lambda told: int(told.key))}


def drop_told(tx: Connection, exchange: Key) -> None:
    """Remove the words of peers."""
    tx.execute(delete(tables.told).where(tables.told.c.exchange == exchange))


def last_seq(tx: Connection) -> int:
    """The number of the newest step; 0 in an empty store."""
    return tx.scalar(select(func.max(tables.step.c.seq))) or 0


def last_at(tx: Connection) -> datetime | None:
    """The time of the newest step; None in an empty store."""
    found: datetime | None = tx.scalar(select(tables.step.c.at).order_by(tables.step.c.seq.desc()).limit(1))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the journal had come at one look. A step with a lower number than `newest` may still come, of a
    transaction that was open: not any more once every transaction below `horizon` has ended."""

    newest: int
    oldest: int
    """Transactions below this number had ended; 0 on SQLite, where numbers become visible in their order."""
    horizon: int


def position_of(tx: Connection) -> Position:
    """How far the journal has come."""
    oldest, horizon = transaction_bounds(tx)
    return Position(newest=last_seq(tx), oldest=oldest, horizon=horizon)


def steps_since(
    tx: Connection, seq: int, *, without: Collection[int] = (), limit: int = 200
) -> tuple[tuple[int, Key], ...]:
    """Number and exchange of the next steps after `seq`, but those in `without`, in the order of their numbers."""
    row = tables.step.c
    query = select(row.seq, row.exchange).where(row.seq > seq).order_by(row.seq).limit(limit + len(without))
    found = [(number, exchange) for number, exchange in tx.execute(query) if number not in without]
    return tuple(found[:limit])
