"""Reference numbers that were used, and the technical answers that went back: each exactly once.

The unique key decides between nodes that handle two copies of a message at the same time: the second waits for the
first, and then sees what it did.
"""

from sqlalchemy import Connection, delete, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add_unless_there, fetch, values_of
from bridge.store.rows import ClaimedReference, GivenAnswer


def claim_reference(tx: Connection, wanted: ClaimedReference) -> ClaimedReference:
    """The claim that stands: this one, or that of the message that used the number first."""
    if add_unless_there(tx, tables.claimed_reference, values_of(wanted), unique=("party", "number")):
        return wanted
    found = find_reference(tx, wanted.party, wanted.number)
    return wanted if found is None else found


def find_reference(tx: Connection, party: str, number: str) -> ClaimedReference | None:
    """Which message used this number of this party."""
    row = tables.claimed_reference.c
    query = select(tables.claimed_reference).where(row.party == party, row.number == number)
    return next(iter(fetch(tx, ClaimedReference, query)), None)


def drop_references(tx: Connection, exchange: Key) -> None:
    """With the content of an exchange goes what it was known by."""
    row = tables.claimed_reference.c
    tx.execute(delete(tables.claimed_reference).where(row.exchange == exchange))


def claim_answer(tx: Connection, given: GivenAnswer) -> bool:
    """False when the message was answered before; nothing changes then."""
    return add_unless_there(tx, tables.given_answer, values_of(given), unique=("message",))


def find_answer(tx: Connection, message: Key) -> GivenAnswer | None:
    """The technical answer that a message got."""
    query = select(tables.given_answer).where(tables.given_answer.c.message == message)
    return next(iter(fetch(tx, GivenAnswer, query)), None)
