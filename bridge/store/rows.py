"""What the store holds, as values: one dataclass per table, and the states a row can be in.

All times are aware UTC datetimes. A `Key` is made by the caller (`keys.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bridge.errors import BridgeError
from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId, Oin


class NoSuchRow(BridgeError, KeyError):
    """A row that was asked for by its key is not in the store."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class Direction(StrEnum):
    IN = "in"
    """To the bridge, from a partner or from the hub."""
    OUT = "out"


class MessageState(StrEnum):
    """The first four are for messages that came in, the others for messages that go out."""

    RECEIVED = "received"
    MAPPED = "mapped"
    PARKED = "parked"
    """Waits for a mapping or a person."""
    REFUSED = "refused"
    CREATED = "created"
    WAITING = "waiting"
    """Sent; the acknowledgment is outstanding."""
    ACKNOWLEDGED = "acknowledged"
    DELIVERED = "delivered"
    """Sent without asking for an acknowledgment (best effort)."""
    FAILED = "failed"
    EXPIRED = "expired"


class EvidenceKind(StrEnum):
    RECEIVED = "received"
    ANSWER = "answer"
    SENT = "sent"
    ACKNOWLEDGMENT = "acknowledgment"
    ERROR = "error"


class EventState(StrEnum):
    """The first six are for events offered to the hub, the others for events that came from it."""

    CREATED = "created"
    OFFERED = "offered"
    """The hub answered 202; its status is followed."""
    UNKNOWN = "unknown"
    """Offered without a usable answer: the hub must be asked before it is offered again."""
    OK = "ok"
    ERROR = "error"
    REFUSED = "refused"
    RECEIVED = "received"
    COMPOSED = "composed"
    UNMATCHED = "unmatched"
    QUARANTINED = "quarantined"
    OWN = "own"
    """An event of the bridge itself that came back."""
    EXPIRED = "expired"


class ExchangeDirection(StrEnum):
    TO_HUB = "to-hub"
    TO_PARTNER = "to-partner"


class ExchangeState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    ATTENTION = "attention"
    """A person must look."""


class Side(StrEnum):
    EBMS = "ebms"
    BRIDGE = "bridge"
    HUB = "hub"


class StepOutcome(StrEnum):
    OK = "ok"
    WAITING = "waiting"
    FAILED = "failed"
    INFO = "info"


class JobState(StrEnum):
    READY = "ready"
    """To be done, now or later, leased or not."""
    DONE = "done"
    DEAD = "dead"
    """Given up; waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One ebMS message, unique per direction, party pair and MessageId unless it was refused."""

    key: Key
    exchange: Key
    direction: Direction
    kind: str
    message_id: MessageId
    ref_to_message_id: MessageId | None = None
    conversation_id: ConversationId
    cpa_id: CpaId
    from_party: str
    from_role: str | None = None
    to_party: str
    to_role: str | None = None
    service: str
    service_type: str | None = None
    action: str
    state: MessageState
    reason: str | None = None
    at: datetime
    """Received or created."""
    changed_at: datetime
    time_to_live: datetime | None = None
    digest: str | None = None
    """Hex digest of the canonical content: tells a true duplicate from a reused MessageId."""
    subject: str | None = None
    """The business reference."""
    mapping: str | None = None
    """`name@version` of the mapping that was used."""
    attempts: int = 0
    """How often it was sent."""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What later answers must repeat of its content: reference numbers and the like."""

    def __str__(self) -> str:
        return f"message {self.message_id} {self.direction} {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A payload part of a message; its octets are in the blob."""

    message: Key
    position: int
    content_id: str
    content_type: str
    filename: str | None = None
    blob: str
    """SHA-256 of the octets, hex."""
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Exactly what went over the wire for a message; only ever added."""

    message: Key
    kind: EvidenceKind
    headers: str = field(repr=False)
    """The raw header block, as HTTP writes it."""
    blob: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One CloudEvent, unique per source and id."""

    key: Key
    exchange: Key
    direction: Direction
    source: str
    id: EventId
    type: str
    subject: str | None = None
    time: str
    """As it stands in the event."""
    state: EventState
    reason: str | None = None
    interactie_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    level: str | None = None
    body: bytes = field(repr=False)
    """The event in structured JSON."""
    at: datetime
    changed_at: datetime
    offers: int = 0
    """How often it was offered to the hub."""

    def __str__(self) -> str:
        return f"event {self.id} {self.direction} {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One version of the full data that stayed behind, to look up at the source."""

    key: Key
    exchange: Key
    type: str
    id: str
    version: int
    owner: Oin
    body: str = field(repr=False)
    """JSON."""
    at: datetime

    def __str__(self) -> str:
        return f"resource {self.key} version {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a person follows: one message or one hub event, with everything that came of it."""

    key: Key
    direction: ExchangeDirection
    started_at: datetime
    changed_at: datetime
    partner: str
    """OIN or party id."""
    title: str
    """The message's action or the event's type."""
    subject: str | None = None
    state: ExchangeState
    reason: str | None = None
    correlation_id: str | None = None
    conversation_id: ConversationId | None = None

    def __str__(self) -> str:
        return f"exchange {self.key} {self.direction} {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of an exchange's timeline."""

    seq: int
    exchange: Key
    at: datetime
    side: Side
    what: str
    """For instance `message.received`."""
    outcome: StepOutcome
    detail: Mapping[str, str]
    """Ids and rules only."""
    by: str = "bridge"


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
    state: JobState = JobState.READY
    leased_by: str | None = None
    lease_until: datetime | None = None
    reason: str | None = None
    at: datetime
    ended_at: datetime | None = None
    """When it became done or dead."""

    def __str__(self) -> str:
        return f"job {self.key} {self.kind} {self.state}"
