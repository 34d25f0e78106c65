"""Browsers that were sent to the identity provider; each comes back at most once."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from bridge.store import tables
from bridge.store.query import add, fetch
from bridge.store.rows import SignIn

_row = tables.sign_in.c


def add_sign_in(tx: Connection, sign_in: SignIn, *, now: datetime, most: int) -> bool:
    """Remember one; what ended is forgotten. False when `most` are under way already."""
    tx.execute(delete(tables.sign_in).where(_row.until <= now))
    if (tx.scalar(select(func.count()).select_from(tables.sign_in)) or 0) >= most:
        return False
    add(tx, tables.sign_in, sign_in)
    return True


def take_sign_in(tx: Connection, state: str, *, now: datetime) -> SignIn | None:
    """The one with this state that has not ended; it is used up by this."""
    query = select(tables.sign_in).where(_row.state == state, _row.until > now)
    found = next(iter(fetch(tx, SignIn, query)), None)
    if found is None or tx.execute(delete(tables.sign_in).where(_row.state == state)).rowcount != 1:
        return None
    return found
