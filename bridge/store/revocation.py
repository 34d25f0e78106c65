"""Revocation lists that were fetched, one row per address; what was fetched last stays until a newer one is there."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from bridge.store import tables
from bridge.store.query import add_unless_there, fetch, values_of
from bridge.store.rows import RevocationList

_list = tables.revocation_list.c


def fetched_lists(tx: Connection) -> tuple[RevocationList, ...]:
    """All of them, by address."""
    return fetch(tx, RevocationList, select(tables.revocation_list).order_by(_list.url))


def list_stamps(tx: Connection) -> tuple[tuple[str, str, str], ...]:
    """Changes with every newer list and with every problem: address, digest, problem."""
    query = select(_list.url, _list.sha256, _list.problem).order_by(_list.url)
    return tuple((url, sha256 or "", problem or "") for url, sha256, problem in tx.execute(query))


def put_list(tx: Connection, row: RevocationList) -> None:
    """A newer list, in place of the one that stood at this address."""
    if not add_unless_there(tx, tables.revocation_list, values_of(row), unique=("url",)):
        tx.execute(update(tables.revocation_list).where(_list.url == row.url).values(values_of(row)))


def note_problem(tx: Connection, url: str, problem: str, *, at: datetime, due: datetime) -> None:
    """It could not be fetched. What was fetched before stays."""
    row = RevocationList(url=url, tried_at=at, due=due, problem=problem)
    if not add_unless_there(tx, tables.revocation_list, values_of(row), unique=("url",)):
        values = {"tried_at": at, "due": due, "problem": problem}
        tx.execute(update(tables.revocation_list).where(_list.url == url).values(values))
