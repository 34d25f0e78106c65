"""Ordered conversations: how far each has come, and which message stands where."""

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import Connection, func, select, update

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add, add_unless_there, fetch, values_of
from bridge.store.rows import MessageState, Place, Sequence

_sequence = tables.sequence.c
_place = tables.place.c


def find_sequence(tx: Connection, line: str) -> Sequence:
    """A line that nobody knows yet stands at its beginning."""
    found = fetch(tx, Sequence, select(tables.sequence).where(_sequence.line == line))
    return found[0] if found else Sequence(line=line)


def lock_sequence(tx: Connection, line: str) -> Sequence:
    """As `find_sequence`; nobody else changes the line until this transaction ends."""
    add_unless_there(tx, tables.sequence, values_of(Sequence(line=line)), unique=("line",))
    query = select(tables.sequence).where(_sequence.line == line).with_for_update()
    return fetch(tx, Sequence, query)[0]


def set_sequence(tx: Connection, sequence: Sequence) -> None:
    """Lock it first."""
    values = asdict(sequence)
    tx.execute(update(tables.sequence).where(_sequence.line == values.pop("line")).values(values))


def add_place(tx: Connection, place: Place) -> None:
    """The message must be there, and the position free."""
    add(tx, tables.place, place)


def find_place(tx: Connection, message: Key) -> Place | None:
    """Where a message stands; None when its conversation has no order."""
    return next(iter(fetch(tx, Place, select(tables.place).where(_place.message == message))), None)


def is_taken(tx: Connection, line: str, position: int) -> bool:
    query = select(_place.message).where(_place.line == line, _place.position == position)
    return tx.execute(query).first() is not None


def behind_all(tx: Connection, line: str) -> int:
    """The first position of the line that nothing stands at or behind."""
    last: int | None = tx.scalar(select(func.max(_place.position)).where(_place.line == line))
    return 0 if last is None else last + 1


def count_places(tx: Connection, line: str, *, since: int) -> int:
    """How many stand at this position or behind it."""
    query = select(func.count()).where(_place.line == line, _place.position >= since)
    return tx.scalar(query) or 0


def list_places(tx: Connection, line: str, *, since: int, until: int | None = None) -> tuple[Place, ...]:
    """From this position up to `until`, in order."""
    query = select(tables.place).where(_place.line == line, _place.position >= since)
    if until is not None:
        query = query.where(_place.position <= until)
    return fetch(tx, Place, query.order_by(_place.position))


def stands_in(tx: Connection, line: str, *, since: int, states: Collection[MessageState]) -> bool:
    """Whether a message from this position on is in one of the states."""
    message = tables.message.c
    query = (
        select(_place.message)
        .join(tables.message, message.key == _place.message)
        .where(_place.line == line, _place.position >= since, message.state.in_(states))
        .limit(1)
    )
    return tx.execute(query).first() is not None
