"""Who may see what is masked, in which message or event, and until when."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add, fetch
from bridge.store.rows import Reveal

_reveal = tables.reveal.c


def add_reveal(tx: Connection, reveal: Reveal, *, now: datetime) -> None:
    """Let a session see it; what ended is forgotten."""
    tx.execute(delete(tables.reveal).where(_reveal.until <= now))
    add(tx, tables.reveal, reveal)


def reveals_of(tx: Connection, session: str, target: Key, *, now: datetime) -> tuple[Reveal, ...]:
    """What this session may see now of this message or event."""
    query = select(tables.reveal).where(
        _reveal.session == session, _reveal.target == target, _reveal.until > now
    )
    return fetch(tx, Reveal, query.order_by(_reveal.key))


def end_reveals(tx: Connection, session: str) -> None:
    """When a session ends."""
    tx.execute(delete(tables.reveal).where(_reveal.session == session))
