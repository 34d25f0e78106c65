"""Legal holds: nothing of an exchange is purged while a person says that it must be kept."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.exchanges import get_exchange
from bridge.store.query import add_unless_there, fetch, values_of
from bridge.store.rows import Hold
from bridge.store.timeline import add_step


def hold_exchange(tx: Connection, exchange: Key, *, at: datetime, by: str, reason: str) -> bool:
    """Keep everything of it, and tell so on its timeline. False when it is held already; nothing changes then.

    Raises NoSuchRow.
    """
    lock_exchange(tx, exchange)
    hold = Hold(exchange=exchange, at=at, by=by, reason=reason)
    if not add_unless_there(tx, tables.hold, values_of(hold), unique=("exchange",)):
        return False
    _tell(tx, exchange, "hold.placed", at=at, by=by, reason=reason)
    return True


def release_exchange(tx: Connection, exchange: Key, *, at: datetime, by: str, reason: str) -> bool:
    """End the hold; what is past its retention may be purged from now on. False when it was not held."""
    gone = tx.execute(delete(tables.hold).where(tables.hold.c.exchange == exchange)).rowcount
    if gone:
        _tell(tx, exchange, "hold.released", at=at, by=by, reason=reason)
    return bool(gone)


def find_hold(tx: Connection, exchange: Key) -> Hold | None:
    """The hold on this exchange."""
    query = select(tables.hold).where(tables.hold.c.exchange == exchange)
    return next(iter(fetch(tx, Hold, query)), None)


def list_holds(tx: Connection, *, limit: int = 1000) -> tuple[Hold, ...]:
    """The oldest first."""
    row = tables.hold.c
    return fetch(tx, Hold, select(tables.hold).order_by(row.at, row.exchange).limit(limit))


def lock_exchange(tx: Connection, exchange: Key) -> None:
    """Holding and purging the same exchange take turns. Raises NoSuchRow."""
    get_exchange(tx, exchange)
    tx.execute(select(tables.exchange.c.key).where(tables.exchange.c.key == exchange).with_for_update())


def _tell(tx: Connection, exchange: Key, what: str, *, at: datetime, by: str, reason: str) -> None:
    detail = {"reason": reason}
    add_step(tx, exchange=exchange, at=at, side="bridge", what=what, outcome="info", detail=detail, by=by)
