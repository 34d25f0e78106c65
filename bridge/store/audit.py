"""Who did and saw what; only ever added to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from bridge.ids import Key
from bridge.store import tables
from bridge.store.keys import first_key
from bridge.store.query import add, fetch, page, values_of
from bridge.store.rows import Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What is not None must be equal; `since` and `until` bound the time."""

    who: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def add_audit(tx: Connection, line: Audit) -> None:
    """Write a line, in the transaction of what it tells."""
    add(tx, tables.audit_log, line)


def list_audit(
    tx: Connection, wanted: AuditFilter, *, before: Key | None = None, limit: int = 50
) -> tuple[Audit, ...]:
    """Newest first; the key of the last one is the next page's `before`."""
    return fetch(tx, Audit, page_of_audit(wanted, before=before, limit=limit))


def page_of_audit(wanted: AuditFilter, *, before: Key | None, limit: int) -> Select[Any]:
    """The query of `list_audit`."""
    equal = values_of(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    return page(tables.audit_log, equal, since=since, until=until, before=before, limit=limit)


def count_audit(tx: Connection, *, who: str, actions: tuple[str, ...], since: datetime) -> int:
    """How often somebody did any of these since then."""
    row = tables.audit_log.c
    # The key leads to the lines; a key may be later than its line when the clock stepped back.
    late = row.key >= first_key(since), row.at >= since
    query = select(func.count()).where(row.who == who, row.action.in_(actions), *late)
    return int(tx.scalar(query) or 0)
