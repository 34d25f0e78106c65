"""A CPA 2.0 agreement as values, named as the standard names its elements.

References between elements (certificate, channel, transport, document exchange) are resolved on reading,
so a binding leads straight to its channels and a channel to its endpoint and certificates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509

from bridge.ebms.model import PartyId, Service
from bridge.ids import CpaId

AGREED = "agreed"


class PerMessage(StrEnum):
    """What a channel says of ackRequested, ackSignatureRequested and duplicateElimination."""

    ALWAYS = "always"
    NEVER = "never"
    PER_MESSAGE = "perMessage"


class SyncReplyMode(StrEnum):
    """What comes back in the HTTP response (CPA 2.0, MessagingCharacteristics)."""

    NONE = "none"
    MSH_SIGNALS_ONLY = "mshSignalsOnly"
    SIGNALS_ONLY = "signalsOnly"
    RESPONSE_ONLY = "responseOnly"
    SIGNALS_AND_RESPONSE = "signalsAndResponse"


class Persistence(StrEnum):
    """How isConfidential, isAuthenticated and isTamperProof protect: on the line, in the message, or both."""

    NONE = "none"
    TRANSIENT = "transient"
    PERSISTENT = "persistent"
    TRANSIENT_AND_PERSISTENT = "transient-and-persistent"

    @property
    def in_the_message(self) -> bool:
        return self in (Persistence.PERSISTENT, Persistence.TRANSIENT_AND_PERSISTENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCertificate:
    """tns:Certificate: a certificate and the `certId` by which the agreement refers to it."""

    cert_id: str
    certificate: x509.Certificate = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """tns:ReliableMessaging. What the agreement leaves open is None; `retries` counts additional attempts."""

    retries: int | None = None
    retry_interval: timedelta | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NonRepudiation:
    """tns:SenderNonRepudiation or tns:ReceiverNonRepudiation: how business messages are signed."""

    hash_function: str
    signature_algorithm: str
    certificate: NamedCertificate | None = None
    """The sender's signing certificate; a receiver binding names trust anchors instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalEnvelope:
    """tns:SenderDigitalEnvelope or tns:ReceiverDigitalEnvelope: how payload parts are encrypted."""

    protocol: str
    algorithm: str
    """URI of the content encryption algorithm (`w3c` attribute, else text, else oid)."""
    certificate: NamedCertificate | None = None
    """The receiver's encryption certificate; a sender binding has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """tns:ebXMLSenderBinding or tns:ebXMLReceiverBinding."""

    reliability: Reliability | None = None
    persist_duration: timedelta | None = None
    non_repudiation: NonRepudiation | None = None
    digital_envelope: DigitalEnvelope | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    uri: str
    type: str = "allPurpose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """tns:Transport. Protocol versions are kept for the reader of the agreement, never obeyed."""

    transport_id: str
    endpoints: tuple[Endpoint, ...] = ()
    client_certificate: NamedCertificate | None = None
    server_certificate: NamedCertificate | None = None
    protocols: tuple[str, ...] = ()
    """Transport and security protocols as written, e.g. `HTTP 1.1`, `SSL 3.0`."""

    def endpoint_url(self, *types: str) -> str | None:
        """The endpoint of the first of `types` that there is, else the first endpoint."""
        for wanted in types:
            for endpoint in self.endpoints:
                if endpoint.type == wanted:
                    return endpoint.uri
        return self.endpoints[0].uri if self.endpoints else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """tns:DeliveryChannel with its transport and document exchange."""

    channel_id: str
    transport: Transport
    sender: Binding = field(default_factory=Binding)
    receiver: Binding = field(default_factory=Binding)
    sync_reply_mode: SyncReplyMode = SyncReplyMode.NONE
    ack_requested: PerMessage = PerMessage.PER_MESSAGE
    ack_signature_requested: PerMessage = PerMessage.PER_MESSAGE
    duplicate_elimination: PerMessage = PerMessage.PER_MESSAGE
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Characteristics:
    """tns:BusinessTransactionCharacteristics, as far as a message service handler acts on them."""

    non_repudiation: bool = False
    confidential: Persistence = Persistence.NONE
    authenticated: Persistence = Persistence.NONE
    tamper_proof: Persistence = Persistence.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBinding:
    """tns:ThisPartyActionBinding of a CanSend or CanReceive."""

    id: str
    action: str
    characteristics: Characteristics
    channels: tuple[Channel, ...]
    """In order of preference; at least one."""
    other_id: str | None = None
    """OtherPartyActionBinding: the id of the counterpart."""

    @property
    def channel(self) -> Channel:
        return self.channels[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollaborationRole:
    """tns:CollaborationRole: one role of a party in one service. Nested bindings stand in the same lists."""

    role: str
    service: Service
    can_send: tuple[ActionBinding, ...] = ()
    can_receive: tuple[ActionBinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyInfo:
    """tns:PartyInfo: one of the two parties."""

    name: str
    party_ids: tuple[PartyId, ...]
    roles: tuple[CollaborationRole, ...]
    default_channel: Channel
    """The default MSH channel: URL, key and characteristics of signals."""
    overrides: tuple[tuple[str, Channel], ...] = ()
    """OverrideMshActionBinding: (signal action, channel)."""
    certificates: tuple[NamedCertificate, ...] = ()
    channels: tuple[Channel, ...] = ()

    def signal_channel(self, action: str) -> Channel:
        """The channel for a signal action: an override, else the default MSH channel."""
        return next((channel for name, channel in self.overrides if name == action), self.default_channel)

    def is_named_by(self, party_ids: tuple[PartyId, ...]) -> bool:
        """Whether every one of these PartyIds, type and value, is an identity of this party."""
        return bool(party_ids) and all(party_id in self.party_ids for party_id in party_ids)

    def __str__(self) -> str:
        return f"{self.name} ({'+'.join(str(p) for p in self.party_ids)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """tns:CollaborationProtocolAgreement between exactly two parties."""

    cpa_id: CpaId
    status: str
    """`proposed`, `agreed` or `signed`; only `agreed` is used."""
    start: datetime | None
    """None: no date given, so valid from ever."""
    end: datetime | None
    """None: no date given, so valid for ever."""
    parties: tuple[PartyInfo, PartyInfo]

    def find_party(self, party_ids: tuple[PartyId, ...]) -> PartyInfo | None:
        return next((party for party in self.parties if party.is_named_by(party_ids)), None)

    def other_party(self, party: PartyInfo) -> PartyInfo:
        first, second = self.parties
        return second if party is first else first

    def is_active(self, at: datetime, *, skew: timedelta = timedelta(0)) -> bool:
        """Agreed, and `at` within Start..End, both inclusive (section 11.1)."""
        return self.status == AGREED and self.is_dated(at, skew=skew)

    def is_dated(self, at: datetime, *, skew: timedelta = timedelta(0)) -> bool:
        """Whether `at` lies within Start..End."""
        begun = self.start is None or self.start - at <= skew
        return begun and (self.end is None or at - self.end <= skew)

    def __str__(self) -> str:
        return str(self.cpa_id)
