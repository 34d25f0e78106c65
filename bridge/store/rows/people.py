"""Who may see what, and who saw it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bridge.ids import Key, Oin


class AccessOutcome(StrEnum):
    ALLOWED = "allowed"
    DENIED = "denied"
    UNDECIDED = "undecided"
    """The decision point gave no decision, which is no access."""


class Role(StrEnum):
    """What an account may do in the console; the table of rights is `web/console/rights.py`."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    INTEGRATOR = "integrator"
    PRIVACY = "privacy"
    ADMINISTRATOR = "administrator"


class AccountState(StrEnum):
    FIRST = "first"
    """Has a one-time password: a password must be chosen before anything else."""
    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One decision about a lookup, whatever came of it: the decision log and the access log in one."""

    key: Key
    at: datetime
    trace_id: str
    span_id: str
    parent_id: str | None = None
    status: str
    """`Ok`, or `Error` when no decision could be had; a denial is no error."""
    outcome: AccessOutcome
    reader: Oin
    """The organisation for which was asked."""
    via: Oin
    """The holder of the TLS certificate."""
    type: str
    id: str
    level: int
    policy: str
    """What decided: the names of the rules, or the address of the decision point."""
    reason: str | None = None
    request: str = field(repr=False)
    """The question as JSON."""
    response: str = field(repr=False)
    """The answer as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """One line of the processing log (Logboek Dataverwerkingen): one action about at most one person."""

    key: Key
    trace_id: str
    span_id: str
    parent_id: str | None = None
    status: str
    """`Unset`, `Ok` or `Error`."""
    name: str
    start_time: datetime
    end_time: datetime
    activity_id: str
    """`dpl.core.processing_activity_id`: where the register describes the processing."""
    subject_id: str | None = field(default=None, repr=False)
    """`dpl.core.data_subject_id`, encrypted."""
    subject_id_type: str | None = None
    processor: str | None = None
    """`dpl.core.foreign_operation.processor`: the organisation that asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """An event that an organisation offered to the bridge, and may follow."""

    oin: Oin
    id: str
    """The interactieId: the id of the event."""
    event: Key
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Someone who may log in to the console."""

    key: Key
    name: str
    role: Role
    state: AccountState
    password: str | None = field(default=None, repr=False)
    """Argon2 hash. None for an account of an identity provider."""
    password_until: datetime | None = None
    """Until when a one-time password may be used."""
    issued_by: str | None = None
    """The identity provider that vouches for this account."""
    subject: str | None = None
    """Who it is there (`sub`); a name may change, this does not."""
    failures: int = 0
    """Attempts to log in since the last one that went well."""
    locked_until: datetime | None = None
    link: str | None = field(default=None, repr=False)
    """SHA-256 of a one-time login link, hex."""
    link_until: datetime | None = None
    at: datetime
    seen_at: datetime | None = None
    """When it last logged in."""

    def __str__(self) -> str:
        return f"account {self.name} {self.role} {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is logged in."""

    token: str = field(repr=False)
    """SHA-256 of what the cookie holds, hex."""
    account: Key
    at: datetime
    seen_at: datetime
    until: datetime
    provider_session: str | None = field(default=None, repr=False)
    """SHA-256 of the session at the identity provider (`sid`) from which it came, hex, where the provider told one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A browser that was sent to the identity provider and has not come back yet."""

    state: str = field(repr=False)
    """SHA-256 of what goes along and must come back, hex."""
    browser: str = field(repr=False)
    """SHA-256 of the cookie of the browser that was sent, hex."""
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    back: str
    """The page that was asked for."""
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal:
    """One session may see what is masked in one message or event, for a short time."""

    key: Key
    session: str = field(repr=False)
    """SHA-256 of its token, hex."""
    target: Key
    """Of the message or event."""
    place: str
    """Which part."""
    line: int | None = None
    """Which line of it; None: all of them."""
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Something that a person did or saw; only ever added."""

    key: Key
    at: datetime
    who: str
    role: str
    way: str
    """`console` or `command`."""
    action: str
    """For instance `message.replayed`."""
    target: str | None = None
    """Key or name of what it was done to."""
    reason: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)
    """Ids and numbers only, never content."""
