"""Whom the bridge warns of what: conditions, and the mail and webhook channels that tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pydantic import Field, field_validator, model_validator

from bridge.config.base import FilePath, Section
from bridge.config.listeners import LOOPBACK


class Condition(StrEnum):
    """What the bridge keeps watch over."""

    NEEDS_PERSON = "needs-person"
    """A cause for which exchanges wait for a person; told per cause."""
    WORK_WAITS = "work-waits"
    """Work that is due and that nobody takes up; `above` in minutes."""
    PARTNER_DOWN = "partner-down"
    """A partner that does not answer."""
    HUB_DOWN = "hub-down"
    """The hub does not answer."""
    PAUSED = "paused"
    """An endpoint that a person paused and left so; `above` in hours."""
    CERTIFICATE_ENDS = "certificate-ends"
    """A certificate in use ends soon; `above` in days that are left."""
    DISK_LOW = "disk-low"
    """Little room where the store is; `above` in percent that is free."""
    CRL_STALE = "crl-stale"
    """A revocation list ran out."""
    SETTINGS_REFUSED = "settings-refused"
    """Changed mappings, agreements or trust that were not taken up."""
    TURNED_AWAY = "turned-away"
    """An organisation whose messages are not let in; `above` in hours since the last one."""
    JOBS_GIVEN_UP = "jobs-given-up"
    """Jobs that failed in a way that nobody foresaw and wait for a person."""
    JOURNAL_BROKEN = "journal-broken"
    """The hash chain over the journal does not fit: a line was changed outside the bridge."""


class _Default(Section):
    urgent: bool = False
    after: float = 0.0
    above: float | None = None


DEFAULTS: Mapping[Condition, _Default] = MappingProxyType(
    {
        Condition.NEEDS_PERSON: _Default(after=5),
        Condition.WORK_WAITS: _Default(urgent=True, above=5),
        Condition.PARTNER_DOWN: _Default(after=15),
        Condition.HUB_DOWN: _Default(urgent=True, after=10),
        Condition.PAUSED: _Default(above=12),
        Condition.CERTIFICATE_ENDS: _Default(above=30),
        Condition.DISK_LOW: _Default(urgent=True, above=10),
        Condition.CRL_STALE: _Default(urgent=True),
        Condition.SETTINGS_REFUSED: _Default(after=5),
        Condition.TURNED_AWAY: _Default(above=24),
        Condition.JOBS_GIVEN_UP: _Default(),
        Condition.JOURNAL_BROKEN: _Default(urgent=True),
    }
)


class AlertRule(Section):
    """How one condition is watched, where that differs from its default."""

    condition: Condition = Field(description="Which condition; operator.md lists them.")
    on: bool = Field(default=True, description="False: this condition is told to nobody.")
    urgent: bool | None = Field(
        default=None, description="True: it also passes in quiet hours. Not given: as operator.md lists it."
    )
    after_minutes: float | None = Field(
        default=None, ge=0, le=10_080, description="It must hold so long before it is told, in minutes."
    )
    above: float | None = Field(
        default=None, gt=0, le=10_000, description="The limit, in the unit that operator.md gives."
    )
    remind_hours: float = Field(
        default=8.0,
        ge=0,
        le=720,
        description="While it lasts it is told again after so many hours; 0: never.",
    )
    channels: tuple[str, ...] = Field(
        default=(), description="Names of the channels that are told. Empty: all of them."
    )


class _Channel(Section):
    """What mail and webhooks have in common."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$", description="Name of the channel, for rules and pages.")
    quiet_from: time | None = Field(
        default=None,
        description="Start of quiet hours, local time: `22:00`. Only what is urgent passes then.",
    )
    quiet_until: time | None = Field(default=None, description="End of quiet hours, local time: `07:00`.")
    most_per_hour: int = Field(
        default=12,
        ge=1,
        le=1000,
        description="Most messages in an hour; more alerts go together in the next.",
    )
    timeout_seconds: float = Field(default=20.0, gt=0, le=300, description="Longest wait for one delivery.")

    @model_validator(mode="after")
    def _both_ends(self) -> _Channel:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("give quiet_from and quiet_until both, or neither")
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise ValueError("quiet_from and quiet_until are the same moment")
        return self


class EmailChannel(_Channel):
    """A mail server that sends alerts to people."""

    host: str = Field(description="Mail server.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is secured; `none` on loopback only."
    )
    ca_file: FilePath | None = Field(
        default=None, description="PEM file with the authorities of the mail server. Not given: the system's."
    )
    user: str | None = Field(default=None, description="Account at the mail server, when it asks for one.")
    password_file: FilePath | None = Field(default=None, description="File with the password of the account.")
    sender: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$", description="Address in From.")
    recipients: tuple[str, ...] = Field(min_length=1, description="Addresses that get the mail.")

    @field_validator("recipients")
    @classmethod
    def _addresses(cls, recipients: tuple[str, ...]) -> tuple[str, ...]:
        for address in recipients:
            if address.count("@") != 1 or any(c.isspace() or c in "<>," for c in address):
                raise ValueError("one plain address each, like wacht@gemeente.example")
        return recipients

    @model_validator(mode="after")
    def _secured(self) -> EmailChannel:
        if self.security == "none" and self.host not in LOOPBACK:
            raise ValueError("security none is for loopback only; write starttls or tls")
        if (self.user is None) != (self.password_file is None):
            raise ValueError("give user and password_file both, or neither")
        return self


class WebhookChannel(_Channel):
    """An address that gets each alert as a CloudEvent."""

    url: str = Field(pattern=r"^https?://[^\s]+$", description="Where it is posted; https in production.")
    ca_file: FilePath | None = Field(
        default=None, description="PEM file with the authorities of that server. Not given: the system's."
    )
    header: str = Field(
        default="Authorization", pattern=r"^[A-Za-z0-9-]+$", description="Header that carries the secret."
    )
    secret_file: FilePath | None = Field(
        default=None, description="File with the value of that header, for instance `Bearer …`."
    )
    signing_key_file: FilePath | None = Field(
        default=None,
        description="File with a key of at least 32 octets; each call then has the HMAC-SHA256 of its body in "
        "`Bridge-Signature`.",
    )


class AlertSettings(Section):
    """Warning people outside the console. Without channels nobody is told; the Alerts page shows all the same."""

    interval_seconds: float = Field(
        default=15.0, ge=1, le=3600, description="Time between two looks at the conditions, in seconds."
    )
    clear_after_minutes: float = Field(
        default=5.0,
        ge=0,
        le=1440,
        description="A condition has ended when it has not held for so long: one that comes and goes is told once.",
    )
    rules: tuple[AlertRule, ...] = Field(
        default=(), description="Conditions that are watched otherwise than by default."
    )
    emails: tuple[EmailChannel, ...] = Field(default=(), description="Mail channels.")
    webhooks: tuple[WebhookChannel, ...] = Field(default=(), description="Webhook channels.")

    @model_validator(mode="after")
    def _names_fit(self) -> AlertSettings:
        names = [channel.name for channel in (*self.emails, *self.webhooks)]
        if len(names) != len(set(names)):
            raise ValueError("two channels have the same name")
        for rule in self.rules:
            unknown = set(rule.channels) - set(names)
            if unknown:
                raise ValueError(
                    f"rule {rule.condition} names {', '.join(sorted(unknown))}; there is no such channel"
                )
        watched = [rule.condition for rule in self.rules]
        if len(watched) != len(set(watched)):
            raise ValueError("a condition has two rules; write one")
        return self

    def rule(self, condition: Condition) -> AlertRule:
        """The rule of a condition with every default filled in."""
        given = next((r for r in self.rules if r.condition is condition), AlertRule(condition=condition))
        default = DEFAULTS[condition]
        return given.model_copy(
            update={
                "urgent": default.urgent if given.urgent is None else given.urgent,
                "after_minutes": default.after if given.after_minutes is None else given.after_minutes,
                "above": default.above if given.above is None else given.above,
            }
        )

    @property
    def channels(self) -> tuple[EmailChannel | WebhookChannel, ...]:
        return (*self.emails, *self.webhooks)

    @property
    def clear_after(self) -> timedelta:
        return timedelta(minutes=self.clear_after_minutes)
