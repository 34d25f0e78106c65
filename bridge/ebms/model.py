"""The ebMS 2.0 message as values, named and spelled as the standard does.

Nothing here reads or writes: `read.py` makes these values from bytes, `write.py` makes bytes from them.
Times are aware UTC datetimes. A peer's unknown value is kept as text and judged by `receiving.py`.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

from bridge.ids import ConversationId, CpaId, MessageId

SIGNAL_SERVICE = "urn:oasis:names:tc:ebxml-msg:service"
ACTOR_TO_PARTY = "urn:oasis:names:tc:ebxml-msg:actor:toPartyMSH"
ACTOR_NEXT_MSH = "urn:oasis:names:tc:ebxml-msg:actor:nextMSH"
ACTOR_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
ERROR_CONTEXT = "urn:oasis:names:tc:ebxml-msg:service:errors"


class Kind(StrEnum):
    """What a message is; the signals are valued as their Action is spelled."""

    BUSINESS = "business"
    ACKNOWLEDGMENT = "Acknowledgment"
    MESSAGE_ERROR = "MessageError"
    PING = "Ping"
    PONG = "Pong"
    STATUS_REQUEST = "StatusRequest"
    STATUS_RESPONSE = "StatusResponse"


SIGNAL_ACTIONS = frozenset(kind.value for kind in Kind if kind is not Kind.BUSINESS)


class ErrorCode(StrEnum):
    """ebMS 2.0 section 4.2.3.4.1."""

    VALUE_NOT_RECOGNIZED = "ValueNotRecognized"
    NOT_SUPPORTED = "NotSupported"
    INCONSISTENT = "Inconsistent"
    OTHER_XML = "OtherXml"
    DELIVERY_FAILURE = "DeliveryFailure"
    TIME_TO_LIVE_EXPIRED = "TimeToLiveExpired"
    SECURITY_FAILURE = "SecurityFailure"
    MIME_PROBLEM = "MimeProblem"
    UNKNOWN = "Unknown"


class Severity(StrEnum):
    WARNING = "Warning"
    ERROR = "Error"


class Content(Protocol):
    """Octets of a payload part, wherever they are kept. Opening twice gives the same octets twice."""

    @property
    def size(self) -> int: ...

    def open(self) -> BinaryIO:
        """The octets from the start; the caller closes."""
        ...

    def digest(self, algorithm: str) -> bytes:
        """The digest of all octets; `algorithm` as hashlib names it (`sha256`)."""
        ...


@dataclass(frozen=True, slots=True)
class Octets:
    """Content held in memory."""

    octets: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.octets)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.octets)

    def digest(self, algorithm: str) -> bytes:
        return hashlib.new(algorithm, self.octets).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyId:
    value: str
    type: str | None = None

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """From or To of a header: one party, which several PartyIds may name."""

    party_ids: tuple[PartyId, ...]
    role: str | None = None

    def __str__(self) -> str:
        return "+".join(p.value for p in self.party_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    value: str
    type: str | None = None

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    text: str
    lang: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    """eb:MessageHeader (section 3.1). MessageData stands in it flat."""

    from_party: Party
    to_party: Party
    cpa_id: CpaId
    conversation_id: ConversationId
    service: Service
    action: str
    message_id: MessageId
    timestamp: datetime
    ref_to_message_id: MessageId | None = None
    time_to_live: datetime | None = None
    duplicate_elimination: bool = False
    descriptions: tuple[Description, ...] = ()
    version: str = "2.0"
    id: str | None = None

    def __str__(self) -> str:
        return f"{self.message_id} ({self.service}/{self.action}, CPA {self.cpa_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AckRequested:
    """eb:AckRequested (section 6.3.1). A missing actor means toPartyMSH."""

    signed: bool
    actor: str | None = ACTOR_TO_PARTY
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReply:
    """eb:SyncReply (section 4.3)."""

    actor: str | None = ACTOR_NEXT
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOrder:
    """eb:MessageOrder (section 9)."""

    sequence_number: int
    status: str = "Continue"
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestReference:
    """A ds:Reference of a signature, as a signed Acknowledgment repeats it."""

    uri: str
    transforms: tuple[str, ...]
    digest_method: str
    digest_value: bytes
    xpath: str | None = None
    """Text of the XPath transform, when `transforms` has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgment:
    """eb:Acknowledgment (section 6.3.2)."""

    timestamp: datetime
    ref_to_message_id: MessageId
    from_party_ids: tuple[PartyId, ...] = ()
    references: tuple[DigestReference, ...] = ()
    actor: str | None = ACTOR_TO_PARTY
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """One eb:Error of an ErrorList (section 4.2.3.2)."""

    code: str
    severity: str = Severity.ERROR
    location: str | None = None
    description: str | None = None
    lang: str = "en"
    code_context: str = ERROR_CONTEXT
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorList:
    errors: tuple[Error, ...]
    highest_severity: str = Severity.ERROR
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """eb:Reference of the Manifest (section 3.2.1). `schema_locations` are kept, never fetched."""

    href: str
    role: str | None = None
    descriptions: tuple[Description, ...] = ()
    schema_locations: tuple[str, ...] = ()
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    references: tuple[Reference, ...]
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    ref_to_message_id: MessageId
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResponse:
    ref_to_message_id: MessageId
    message_status: str
    timestamp: datetime | None = None
    version: str = "2.0"
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A payload container: the octets after undoing the transfer encoding, never converted."""

    content_id: str
    """Without angle brackets."""
    content_type: str
    content: Content
    filename: str | None = None
    """Metadata only: never a path."""
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A whole ebMS message: the header container as values, and the payload parts in wire order."""

    header: MessageHeader
    ack_requested: tuple[AckRequested, ...] = ()
    sync_reply: SyncReply | None = None
    message_order: MessageOrder | None = None
    acknowledgment: Acknowledgment | None = None
    error_list: ErrorList | None = None
    manifest: Manifest | None = None
    status_request: StatusRequest | None = None
    status_response: StatusResponse | None = None
    parts: tuple[Part, ...] = ()

    @property
    def kind(self) -> Kind:
        """By Service and Action.

        An unknown Action under the signal Service is a problem that reading reports; such a message counts
        as business here, so that it is answered as one.
        """
        if self.header.service.value != SIGNAL_SERVICE or self.header.action not in SIGNAL_ACTIONS:
            return Kind.BUSINESS
        return Kind(self.header.action)

    def __str__(self) -> str:
        return f"{self.kind} {self.header.message_id}"
