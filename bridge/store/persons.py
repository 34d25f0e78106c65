"""Which exchanges are about a person: a keyed hash of the BSN, so that nobody without the key can look or count.

The key is that of the pseudonyms (`identifiers.person_key_file`), but a value here is never equal to one of them.
"""

import hashlib
import hmac
from collections.abc import Iterable

from sqlalchemy import Connection, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add_unless_there, fetch
from bridge.store.rows import Exchange

_BOUND = b"bridge person index\0"


def index_person(tx: Connection, key: bytes, bsn: str, exchange: Key) -> None:
    """Remember that this exchange is about this person. Doing it twice is harmless."""
    values = {"person": _hash(key, bsn), "exchange": exchange}
    add_unless_there(tx, tables.person_index, values, unique=("person", "exchange"))


def index_persons(tx: Connection, key: bytes, bsns: Iterable[str], exchange: Key) -> None:
    """Each of them once."""
    for bsn in sorted(set(bsns)):
        index_person(tx, key, bsn, exchange)


def find_by_person(
    tx: Connection, key: bytes, bsn: str, *, before: Key | None = None, limit: int = 50
) -> tuple[Exchange, ...]:
    """The exchanges about this person, newest first; the key of the last one is the next page's `before`."""
    row = tables.person_index.c
    query = (
        select(tables.exchange)
        .join(tables.person_index, row.exchange == tables.exchange.c.key)
        .where(row.person == _hash(key, bsn))
        .order_by(row.exchange.desc())
        .limit(limit)
    )
    return fetch(tx, Exchange, query if before is None else query.where(row.exchange < before))


def _hash(key: bytes, bsn: str) -> str:
    return hmac.new(key, _BOUND + bsn.encode(), hashlib.sha256).hexdigest()
