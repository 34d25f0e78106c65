"""What people settled: messages and events that stopped and ask for attention no longer."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection, delete, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add_unless_there, fetch, values_of
from bridge.store.rows import Resolution


def settle_subjects(tx: Connection, keys: Iterable[Key], given: Resolution) -> None:
    """Settle each of these messages and events with the same note; what was settled before stays as it was."""
    for key in keys:
        row = replace(given, subject_key=key)
        add_unless_there(tx, tables.resolution, values_of(row), unique=("subject_key",))


def reopen_subject(tx: Connection, key: Key) -> None:
    """Take a resolution back: the message or event goes on again."""
    tx.execute(delete(tables.resolution).where(tables.resolution.c.subject_key == key))


def resolutions_of(tx: Connection, exchange: Key) -> tuple[Resolution, ...]:
    """All of one exchange."""
    return fetch(tx, Resolution, select(tables.resolution).where(tables.resolution.c.exchange == exchange))
