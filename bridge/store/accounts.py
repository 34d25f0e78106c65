"""Accounts of the console and their sessions. Secrets come in as digests only."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from bridge.ids import Key
from bridge.store import tables
from bridge.store.query import add, add_unless_there, change, fetch, get, values_of
from bridge.store.rows import Account, Session

_account, _session = tables.account.c, tables.session.c


def add_account(tx: Connection, account: Account) -> bool:
    """False when the name is taken; nothing changes then."""
    return add_unless_there(tx, tables.account, values_of(account), unique=("name",))


def get_account(tx: Connection, key: Key) -> Account:
    """Raises NoSuchRow."""
    return get(tx, Account, tables.account, key)


def find_account(tx: Connection, name: str) -> Account | None:
    """By its name, exactly."""
    return next(iter(fetch(tx, Account, select(tables.account).where(_account.name == name))), None)


def find_identity(tx: Connection, issuer: str, subject: str) -> Account | None:
    """The account of somebody for whom this identity provider vouches."""
    query = select(tables.account).where(_account.issued_by == issuer, _account.subject == subject)
    return next(iter(fetch(tx, Account, query)), None)


def list_accounts(tx: Connection) -> tuple[Account, ...]:
    """By name."""
    return fetch(tx, Account, select(tables.account).order_by(_account.name))


def change_account(tx: Connection, key: Key, **values: Any) -> None:
    """Set these columns. Raises NoSuchRow."""
    change(tx, tables.account, key, values)


def take_link(tx: Connection, digest: str, *, now: datetime) -> Account | None:
    """The account of a login link that still holds; the link is used up by this."""
    good = (_account.link == digest, _account.link_until > now)
    account = next(iter(fetch(tx, Account, select(tables.account).where(*good))), None)
    used = update(tables.account).where(*good).values(link=None, link_until=None)
    if account is None or tx.execute(used).rowcount != 1:
        return None
    return account


def add_session(tx: Connection, session: Session) -> None:
    """The account must be there."""
    add(tx, tables.session, session)


def find_session(tx: Connection, digest: str) -> tuple[Session, Account] | None:
    """A session with its account, whether it still holds or not."""
    session = next(iter(fetch(tx, Session, select(tables.session).where(_session.token == digest))), None)
    return None if session is None else (session, get_account(tx, session.account))


def touch_session(tx: Connection, digest: str, *, at: datetime) -> None:
    """It was used just now. One that is gone stays gone."""
    tx.execute(update(tables.session).where(_session.token == digest).values(seen_at=at))


def end_session(tx: Connection, digest: str) -> None:
    """Log this browser out."""
    tx.execute(delete(tables.session).where(_session.token == digest))


def end_sessions(tx: Connection, account: Key, *, but: str | None = None) -> None:
    """Log an account out everywhere, except in the session `but`."""
    gone = delete(tables.session).where(_session.account == account)
    tx.execute(gone if but is None else gone.where(_session.token != but))


def sessions_from(
    tx: Connection, issuer: str, *, subject: str | None, provider_session: str | None
) -> tuple[tuple[Session, Account], ...]:
    """The sessions of whom this identity provider vouches: of one person, from one session there, or both.

    A session of which the provider told no session of its own may be any of that person's.
    """
    ours = [_account.key == _session.account, _account.issued_by == issuer]
    if subject is not None:
        ours.append(_account.subject == subject)
    if provider_session is not None:
        same = _session.provider_session == provider_session
        ours.append(same if subject is None else same | _session.provider_session.is_(None))
    found = fetch(tx, Session, select(tables.session).where(*ours).order_by(_session.at))
    return tuple((session, get_account(tx, session.account)) for session in found)


def forget_sessions(tx: Connection, *, before: datetime) -> None:
    """Remove the sessions that ended before this moment."""
    tx.execute(delete(tables.session).where(_session.until < before))
