"""What comes in and goes out: exchanges with their messages, events, resources and timeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId, Oin


class Direction(StrEnum):
    IN = "in"
    """To the bridge, from a partner or from the hub."""
    OUT = "out"


class MessageState(StrEnum):
    """The first seven are for messages that came in, the others for messages that go out."""

    RECEIVED = "received"
    HELD = "held"
    """Waits for an earlier message of its conversation (MessageOrder)."""
    OVERDUE = "overdue"
    """The earlier message did not come in time: a person decides."""
    MAPPED = "mapped"
    PARKED = "parked"
    """Waits for a mapping or a person."""
    REPEATED = "repeated"
    """Was received before under another MessageId, so it is not sent on again."""
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
    timestamp: datetime | None = None
    """MessageData/Timestamp of a message that came in; None when it was stored before this was kept."""
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
class Sequence:
    """How far an ordered conversation has come, one way: the first position of its run, and the one that is due."""

    line: str
    base: int = 0
    next: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message stands in its ordered conversation; no two messages of a line stand in the same place."""

    message: Key
    line: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A payload part of a message; its octets are in the blob."""

    message: Key
    position: int
    content_id: str
    content_type: str
    filename: str | None = None
    blob: str
    """The address of the octets (`blobs.py`)."""
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
    used_by: Key | None = None
    """The exchange that last said the same again, when that was not the first one."""
    used_at: datetime | None = None

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
class Told:
    """What a peer said in words of its own when a step was taken. It may quote a message, so it is content."""

    key: Key
    """The number of the step."""
    exchange: Key
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceHead:
    """What must be known of a version of a resource to decide on access, without its content."""

    key: Key
    exchange: Key
    id: str
    owner: Oin
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A person settled a message or event that stopped: it asks for attention no longer."""

    subject_key: Key
    exchange: Key
    at: datetime
    by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedReference:
    """The reference number of a message that was mapped; its sender uses it once."""

    party: str
    """The party that delivered it."""
    number: str
    """Digest of message standard, sender and number."""
    message: Key
    exchange: Key
    digest: str
    """Of the content: tells the same message again from another under the same number."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """The technical answer that went back for a message: one, whatever happens to it later."""

    message: Key
    fate: str
    """What the answer says of it."""
    answer: Key
    """The message that went out."""
    at: datetime
