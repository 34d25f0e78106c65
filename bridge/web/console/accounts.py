"""Logging in: accounts, sessions, one-time passwords and login links, over the store.

Every attempt is counted before the password is looked at, so that many attempts at once do not get past the lock.
A locked account is answered as a wrong password is: nobody learns from the answer which names there are.
"""

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.errors import ConfigError
from bridge.ids import Key
from bridge.store.accounts import (
    add_account,
    add_session,
    change_account,
    end_session,
    end_sessions,
    find_account,
    find_identity,
    find_session,
    forget_sessions,
    get_account,
    sessions_from,
    take_link,
    touch_session,
)
from bridge.store.audit import add_audit
from bridge.store.keys import KeyMaker
from bridge.store.reveals import end_reveals
from bridge.store.rows import Account, AccountState, Audit, Role, Session
from bridge.store.signins import use_token
from bridge.store.unit import Store
from bridge.web.console.identity import LoggedOut, Person, SignInRefused
from bridge.web.console.passwords import (
    ONE_TIME,
    hash_password,
    hash_password_now,
    is_password,
    make_one_time_password,
)

FREE_ATTEMPTS = 5
"""So many wrong passwords cost nothing; from the next on the account is locked, twice as long each time."""
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(minutes=15)
LINK = timedelta(minutes=10)
"""How long a login link may be used."""
TOUCH = timedelta(minutes=1)
"""The use of a session is written down at most this often."""

_keys = KeyMaker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long a session lasts: without use, and at most."""

    idle: timedelta = timedelta(hours=1)
    most: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that was just opened; `token` is for the cookie and is nowhere else."""

    account: Account
    token: str = field(repr=False)


def digest_of(token: str) -> str:
    """What the store keeps of a secret that a browser holds."""
    return hashlib.sha256(token.encode()).hexdigest()


async def log_in(
    store: Store, name: str, password: str, *, now: datetime, lifetime: Lifetime
) -> Opened | None:
    """A session for whoever knows the password; None says no more than no."""
    account = await store.write(lambda tx: _count_attempt(tx, name, now))
    good = await is_password(password, account.password if account else None)
    if account is None or not good:
        await store.write(lambda tx: _tell_refused(tx, name, now))
        return None
    return await store.write(lambda tx: open_session(tx, account, now=now, lifetime=lifetime))


async def log_in_by_link(store: Store, token: str, *, now: datetime, lifetime: Lifetime) -> Opened | None:
    """A session for whoever holds a login link; it can be used once."""

    def work(tx: Connection) -> Opened | None:
        account = take_link(tx, digest_of(token), now=now)
        if account is None or account.state is AccountState.CLOSED:
            return None
        return open_session(tx, account, now=now, lifetime=lifetime)

    return await store.write(work)


def open_for_person(
    tx: Connection, issuer: str, person: Person, *, now: datetime, lifetime: Lifetime
) -> Opened:
    """A session for whom the identity provider vouches; the account is made the first time. Raises SignInRefused.

    The role is what the provider says now: one that changed ends the other sessions.
    """
    account = find_identity(tx, issuer, person.subject)
    if account is None:
        account = Account(
            key=_keys(now),
            name=person.name,
            role=person.role,
            state=AccountState.ACTIVE,
            issued_by=issuer,
            subject=person.subject,
            at=now,
        )
        if not add_account(tx, account):
            raise SignInRefused("taken", "another account has this name")
        audit(tx, who=person.name, role=person.role, action="account.added", target=person.name, at=now)
    if account.state is AccountState.CLOSED:
        raise SignInRefused("closed", "the account is closed")
    if account.role is not person.role:
        end_sessions(tx, account.key)
        change_account(tx, account.key, role=person.role)
        account = replace(account, role=person.role)
        audit(
            tx,
            who=account.name,
            role=account.role,
            action="account.changed",
            target=account.name,
            at=now,
            role_given=person.role,
        )
    there = digest_of(person.session) if person.session is not None else None
    return open_session(tx, account, now=now, lifetime=lifetime, there=there)


def end_for_provider(tx: Connection, issuer: str, told: LoggedOut, *, now: datetime) -> int | None:
    """Log out whom the identity provider logged out; how many sessions ended. None: the token was used before."""
    used = digest_of(f"{issuer} {told.id}")
    if not use_token(tx, used, until=told.counts_until, now=now):
        return None
    there = digest_of(told.session) if told.session is not None else None
    found = sessions_from(tx, issuer, subject=told.subject, provider_session=there)
    for session, account in found:
        end_session(tx, session.token)
        end_reveals(tx, session.token)
        audit(tx, who=account.name, role=account.role, action="login.ended", at=now, by="identity provider")
    return len(found)


def open_session(
    tx: Connection, account: Account, *, now: datetime, lifetime: Lifetime, there: str | None = None
) -> Opened:
    """A new session with a fresh token, and a line of audit. `there`: digest of the session at the provider."""
    token = secrets.token_urlsafe(32)
    forget_sessions(tx, before=now)
    add_session(
        tx,
        Session(
            token=digest_of(token),
            account=account.key,
            at=now,
            seen_at=now,
            until=now + lifetime.most,
            provider_session=there,
        ),
    )
    change_account(tx, account.key, failures=0, locked_until=None, seen_at=now)
    audit(tx, who=account.name, role=account.role, action="login.done", at=now)
    return Opened(account=account, token=token)


async def find_visitor(
    store: Store, token: str, *, now: datetime, lifetime: Lifetime, touch: bool
) -> tuple[Session, Account] | None:
    """Whose session this is, when it still holds. With `touch` it is used by this."""
    digest = digest_of(token)
    found = await store.read(lambda tx: find_session(tx, digest))
    if found is None:
        return None
    session, account = found
    if now >= session.until or now >= session.seen_at + lifetime.idle:
        return None
    if account.state is AccountState.CLOSED:
        return None
    if touch and now - session.seen_at >= TOUCH:
        await store.write(lambda tx: touch_session(tx, digest, at=now))
    return found


async def log_out(store: Store, account: Account, digest: str, *, now: datetime) -> None:
    """End one session."""

    def work(tx: Connection) -> None:
        end_session(tx, digest)
        end_reveals(tx, digest)
        audit(tx, who=account.name, role=account.role, action="login.ended", at=now)

    await store.write(work)


async def choose_password(store: Store, key: Key, password: str, *, digest: str, now: datetime) -> None:
    """Set a password that was judged already; every other session of the account ends."""
    hashed = await hash_password(password)

    def work(tx: Connection) -> None:
        account = get_account(tx, key)
        change_account(tx, key, password=hashed, password_until=None, state=AccountState.ACTIVE)
        end_sessions(tx, key, but=digest)
        audit(tx, who=account.name, role=account.role, action="password.chosen", at=now)

    await store.write(work)


def make_account(store: Store, name: str, role: Role, *, now: datetime, by: str) -> str:
    """Add an account and give its one-time password. Raises ConfigError for a name that is taken or odd."""
    if not (0 < len(name) <= 64 and name.isprintable() and name == name.strip()):
        raise ConfigError([f"account {name!r}: give a name of 1 to 64 signs, without spaces around it"])
    password = make_one_time_password()
    account = Account(
        key=_keys(now),
        name=name,
        role=role,
        state=AccountState.FIRST,
        password=hash_password_now(password),
        password_until=now + ONE_TIME,
        at=now,
    )

    def work(tx: Connection) -> None:
        if not add_account(tx, account):
            raise ConfigError([f"account {name}: there is one already; `bridge account list` shows it"])
        audit(
            tx, who=by, role="", way="command", action="account.added", target=name, at=now, role_given=role
        )

    store.write_sync(work)
    return password


def reset_account(store: Store, name: str, *, now: datetime, by: str) -> str:
    """A new one-time password for an account; it is logged out everywhere. Raises ConfigError."""
    password = make_one_time_password()
    hashed = hash_password_now(password)

    def work(tx: Connection) -> None:
        account = _own(tx, name)
        change_account(
            tx,
            account.key,
            password=hashed,
            password_until=now + ONE_TIME,
            state=AccountState.FIRST,
            failures=0,
            locked_until=None,
        )
        end_sessions(tx, account.key)
        audit(tx, who=by, role="", way="command", action="account.reset", target=name, at=now)

    store.write_sync(work)
    return password


def change_role(store: Store, name: str, role: Role, *, now: datetime, by: str) -> None:
    """Give an account another role; it must log in anew. Raises ConfigError."""

    def work(tx: Connection) -> None:
        account = _own(tx, name)
        change_account(tx, account.key, role=role)
        end_sessions(tx, account.key)
        audit(
            tx, who=by, role="", way="command", action="account.changed", target=name, at=now, role_given=role
        )

    store.write_sync(work)


def close_account(store: Store, name: str, *, now: datetime, by: str) -> None:
    """Nobody logs in with it any more; its lines of audit stay. Raises ConfigError."""

    def work(tx: Connection) -> None:
        account = _named(tx, name)
        change_account(tx, account.key, state=AccountState.CLOSED, password=None, link=None, link_until=None)
        end_sessions(tx, account.key)
        audit(tx, who=by, role="", way="command", action="account.closed", target=name, at=now)

    store.write_sync(work)


def log_out_everywhere(store: Store, name: str, *, now: datetime, by: str) -> None:
    """End every session of an account. Raises ConfigError."""

    def work(tx: Connection) -> None:
        account = _named(tx, name)
        end_sessions(tx, account.key)
        audit(tx, who=by, role="", way="command", action="account.logged_out", target=name, at=now)

    store.write_sync(work)


def make_link(store: Store, name: str, *, now: datetime, by: str) -> str:
    """The token of a login link for an account: works once, for ten minutes. Raises ConfigError."""
    token = secrets.token_urlsafe(32)

    def work(tx: Connection) -> None:
        account = _own(tx, name)
        if account.state is AccountState.CLOSED:
            raise ConfigError([f"account {name}: is closed"])
        change_account(tx, account.key, link=digest_of(token), link_until=now + LINK)
        audit(tx, who=by, role="", way="command", action="account.link", target=name, at=now)

    store.write_sync(work)
    return token


def audit(
    tx: Connection,
    *,
    who: str,
    role: str,
    action: str,
    at: datetime,
    way: str = "console",
    target: str | None = None,
    reason: str | None = None,
    **detail: str,
) -> None:
    """One line of audit, in the transaction of what it tells."""
    add_audit(
        tx,
        Audit(
            key=_keys(at),
            at=at,
            who=who,
            role=role,
            way=way,
            action=action,
            target=target,
            reason=reason,
            detail=detail,
        ),
    )


def _count_attempt(tx: Connection, name: str, now: datetime) -> Account | None:
    """The account, unless it is unknown, closed, locked, or its one-time password is too old."""
    account = find_account(tx, name)
    if account is None or account.state is AccountState.CLOSED:
        return None
    if account.locked_until is not None and now < account.locked_until:
        return None
    failures = account.failures + 1
    change_account(tx, account.key, failures=failures, locked_until=_lock(failures, now))
    if account.password_until is not None and now >= account.password_until:
        return None
    return account


def _lock(failures: int, now: datetime) -> datetime | None:
    if failures <= FREE_ATTEMPTS:
        return None
    doublings = min(failures - FREE_ATTEMPTS - 1, 10)
    return now + min(FIRST_LOCK * (1 << doublings), LONGEST_LOCK)


def _named(tx: Connection, name: str) -> Account:
    account = find_account(tx, name)
    if account is None:
        raise ConfigError([f"account {name}: there is none; `bridge account list` shows all"])
    return account


def _own(tx: Connection, name: str) -> Account:
    account = _named(tx, name)
    if account.issued_by is not None:
        raise ConfigError(
            [f"account {name}: belongs to {account.issued_by}, which says who it is and what it may"]
        )
    return account


def _tell_refused(tx: Connection, name: str, now: datetime) -> None:
    """An unknown name is not written down: a person may have typed a password there."""
    account = find_account(tx, name)
    who = account.name if account else "(unknown name)"
    audit(tx, who=who, role=account.role if account else "", action="login.refused", at=now)
