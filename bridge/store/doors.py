"""Who was turned away: one line per peer, error and agreement, however often it knocks. Bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from bridge.store import tables
from bridge.store.query import add_unless_there, fetch, values_of
from bridge.store.rows import TurnedAway

MOST = 500
"""Lines at most: agreements are named by whoever knocks, so beyond this they go together."""

OTHER = "other"
KEPT = timedelta(days=30)

_row = tables.turned_away.c


def note_turned_away(tx: Connection, knock: TurnedAway) -> None:
    """Count one more; `knock` is as when it were the first."""
    if add_or_count(tx, knock):
        tx.execute(delete(tables.turned_away).where(_row.last_at < knock.last_at - KEPT))
        if (tx.scalar(select(func.count()).select_from(tables.turned_away)) or 0) > MOST:
            tx.execute(delete(tables.turned_away).where(*_this(knock)))
            add_or_count(tx, replace(knock, cpa_id=OTHER))


def add_or_count(tx: Connection, knock: TurnedAway) -> bool:
    """Whether it is a new line."""
    if add_unless_there(tx, tables.turned_away, values_of(knock), unique=("oin", "code", "cpa_id")):
        return True
    values = {"count": _row.count + 1, "last_at": knock.last_at, "message_id": knock.message_id}
    tx.execute(update(tables.turned_away).where(*_this(knock)).values(values))
    return False


def turned_away_since(tx: Connection, since: datetime) -> Sequence[TurnedAway]:
    """The newest first."""
    query = select(tables.turned_away).where(_row.last_at >= since).order_by(_row.last_at.desc()).limit(50)
    return fetch(tx, TurnedAway, query)


def _this(knock: TurnedAway) -> tuple[ColumnElement[bool], ...]:
    return (_row.oin == knock.oin, _row.code == knock.code, _row.cpa_id == knock.cpa_id)
