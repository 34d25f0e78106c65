"""Browsers that were sent to the identity provider, and its tokens that count once."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from bridge.store import tables
from bridge.store.query import add, add_unless_there, fetch
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


def use_token(tx: Connection, digest: str, *, until: datetime, now: datetime) -> bool:
    """Write down that a token was used; what is too old to count is forgotten. False when it was used before."""
    row = tables.used_token.c
    tx.execute(delete(tables.used_token).where(row.until <= now))
    return add_unless_there(tx, tables.used_token, {"token": digest, "until": until}, unique=("token",))
