"""What is to be done, what it waits for, and who must know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bridge.ids import Key


class JobState(StrEnum):
    READY = "ready"
    """To be done, now or later, leased or not."""
    DONE = "done"
    DEAD = "dead"
    """Given up; waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """What was fetched from one address. After a failure `problem` says why, and the former list stays."""

    url: str
    octets: bytes | None = field(default=None, repr=False)
    sha256: str | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    fetched_at: datetime | None = None
    tried_at: datetime
    due: datetime
    """When to look again."""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How an endpoint (a partner, or the hub) fares. An endpoint without a row fares well."""

    endpoint: str
    failures: int = 0
    """In a row, without a success in between."""
    held_until: datetime | None = None
    """Until then nothing is tried: it failed too often."""
    reason: str | None = None
    paused_by: str | None = None
    """Who paused it; None: nobody."""
    changed_at: datetime

    @property
    def paused(self) -> bool:
        return self.paused_by is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that is due."""

    key: Key
    kind: str
    ordering_key: str | None = None
    subject_key: Key
    endpoint: str | None = None
    priority: int = 50
    """Lower goes first."""
    due: datetime
    attempts: int = 0
    """Claims since it was added or revived: 1 when it is claimed for the first time."""
    claims: int = 0
    """Claims ever: with `leased_by` it tells who holds the job."""
    surprises: int = 0
    """Failures in a row that nobody foresaw."""
    state: JobState = JobState.READY
    leased_by: str | None = None
    lease_until: datetime | None = None
    reason: str | None = None
    at: datetime
    ended_at: datetime | None = None
    """When it became done or dead."""

    @property
    def is_standing(self) -> bool:
        """There once and for ever, about nothing but itself: it is never given up."""
        return self.key == self.subject_key

    def __str__(self) -> str:
        return f"job {self.key} {self.kind} {self.state}"


class RunWhat(StrEnum):
    """What is done to many exchanges."""

    MEND = "mend"
    SETTLE = "settle"


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """A person stopped it; what was not tried yet is as it was."""


class ItemOutcome(StrEnum):
    """What came of one exchange of a run."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class DeliveryState(StrEnum):
    """Of a message to the people who keep watch."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseOwner:
    """A person has taken up a cause: others need not."""

    cause: str
    at: datetime
    owner: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MendRun:
    """One time that many exchanges of a cause are mended or settled: by whom, why, and how far it is."""

    key: Key
    at: datetime
    by: str
    role: str
    way: str
    """`console` or `command`."""
    what: RunWhat
    cause: str
    reason: str
    state: RunState = RunState.RUNNING
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MendItem:
    """One exchange of a run. `why` says why it was not done."""

    run: Key
    exchange: Key
    outcome: ItemOutcome = ItemOutcome.WAITING
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that holds, or held: told once until it ends."""

    key: Key
    condition: str
    target: str
    """What it is about: an endpoint, a cause, a certificate; empty when it is about the bridge as a whole."""
    urgent: int
    """1: also in quiet hours."""
    detail: Mapping[str, str]
    """Numbers and names of parties only, nothing about people."""
    at: datetime
    seen_at: datetime
    """When it was last found to hold."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTold:
    """A channel was told of an alert, last at `at`; `ended` is 1 when also its end was told."""

    alert: Key
    channel: str
    at: datetime
    ended: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDelivery:
    """One message to one channel: a mail or a call."""

    key: Key
    at: datetime
    channel: str
    content: str
    """JSON: which alerts began, go on and ended."""
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    reason: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Until when a condition is told to nobody. `target` None: whatever it is about."""

    key: Key
    condition: str
    target: str | None
    until: datetime
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """A peer whose messages were not let in: nothing else is kept of them."""

    oin: str
    """OIN in its certificate; empty when it showed none."""
    code: str
    """The ebMS error that it was given."""
    cpa_id: str
    count: int
    first_at: datetime
    last_at: datetime
    message_id: str
    """Of the last one."""
