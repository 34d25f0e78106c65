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


class JobState(StrEnum):
    READY = "ready"
    """To be done, now or later, leased or not."""
    DONE = "done"
    DEAD = "dead"
    """Given up; waits for a person."""


class Content(StrEnum):
    """What can be purged of an exchange; each kind has its own retention."""

    PAYLOAD = "payload"
    """Payloads in the clear, and whom they are about."""
    EVIDENCE = "evidence"
    """The octets received and sent. Answers and acknowledgments stay: they hold nothing about a person."""
    EVENT = "event"
    RESOURCE = "resource"


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
class ResourceHead:
    """What must be known of a version of a resource to decide on access, without its content."""

    key: Key
    exchange: Key
    id: str
    owner: Oin
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgedResource:
    """A resource that was removed when its retention ended."""

    type: str
    id: str
    owner: Oin
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: nothing of the exchange is purged while it lasts."""

    exchange: Key
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeRun:
    """One time that content was purged: by whom and why."""

    key: Key
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """One kind of content of one exchange that is gone. The rows that described it are still there."""

    exchange: Key
    content: Content
    run: Key
    at: datetime
    items: int
    octets: int
    digests: Mapping[str, str]
    """SHA-256 of each body that has no address of its own, by key."""


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
