"""Where a reader of an endless list stopped, by name."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from bridge.store import tables
from bridge.store.query import add_unless_there

RESTORED = "restored"
"""When the store was put back from a backup, last."""


def restored_at(tx: Connection) -> datetime | None:
    """What happened before that may have gone further than the store knows; None: it never was put back."""
    return tx.scalar(select(tables.cursor.c.at).where(tables.cursor.c.name == RESTORED))


def get_cursor(tx: Connection, name: str) -> str | None:
    """None when nothing was read yet."""
    value: str | None = tx.scalar(select(tables.cursor.c.value).where(tables.cursor.c.name == name))
    return value


def set_cursor(tx: Connection, name: str, value: str, at: datetime) -> None:
    """In the same transaction as what was read."""
    values = {"name": name, "value": value, "at": at}
    if not add_unless_there(tx, tables.cursor, values, unique=("name",)):
        tx.execute(update(tables.cursor).where(tables.cursor.c.name == name).values(value=value, at=at))
