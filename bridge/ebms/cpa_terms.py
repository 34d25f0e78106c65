"""What an agreement says about one message: the values that sending and receiving act on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509

from bridge.ebms.cpa_model import (
    ActionBinding,
    Agreement,
    Binding,
    Channel,
    NamedCertificate,
    PartyInfo,
    PerMessage,
    SyncReplyMode,
)
from bridge.ebms.model import ACTOR_TO_PARTY, Party, PartyId, Service
from bridge.ebms.profiles import fit_profile
from bridge.errors import EbmsError
from bridge.ids import CpaId

DEFAULT_SPAN = timedelta(days=5)
"""Where the parties agreed nothing, a message is tried and kept for five days (DK-94, DK-96)."""

DEFAULT_RETRY_INTERVAL = timedelta(hours=3)
"""The interval that the best practices advise (DK-145)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningTerms:
    """How messages of one party are signed. Algorithms are URIs and bind: stronger ones are refused as well.

    Several certificates while one replaces another: a signature by any of them is the party's.
    """

    certificates: tuple[x509.Certificate, ...] = field(repr=False)
    hash_function: str
    signature_algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionTerms:
    """How payload parts are encrypted: for whom, and with which content algorithm (a URI)."""

    certificate: x509.Certificate = field(repr=False)
    algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for one action from one party to the other (section 11.2)."""

    cpa_id: CpaId
    sender: PartyInfo = field(repr=False)
    receiver: PartyInfo = field(repr=False)
    from_role: str
    to_role: str
    service: Service
    action: str
    profile: str | None
    """The Digikoppeling profile that is followed exactly, else None; `deviations` says why."""
    nearest_profile: str
    deviations: tuple[str, ...]
    sync_reply_mode: SyncReplyMode
    ack_requested: PerMessage
    ack_signature_requested: PerMessage
    duplicate_elimination: PerMessage
    actor: str
    """Of AckRequested and Acknowledgment; toPartyMSH where the agreement is silent."""
    retries: int
    """Additional attempts: 1 + retries in all."""
    retry_interval: timedelta
    persist_duration: timedelta
    ordered: bool
    """MessageOrderSemantics is Guaranteed."""
    endpoint_url: str
    signing: SigningTerms | None
    """Business messages must be signed so; None: they are not signed."""
    verification: SigningTerms | None
    """How to verify a signature that is there, asked for or not; None: the agreement names no certificate."""
    encryption: EncryptionTerms | None
    """Every payload part is encrypted so; None: parts travel in the clear."""
    confidential: bool
    """Payload encryption is agreed; without `encryption` the agreement fails to say how."""
    client_certificate: x509.Certificate | None = field(repr=False)
    server_certificate: x509.Certificate | None = field(repr=False)

    @property
    def from_party(self) -> Party:
        """As the header names it: all PartyIds, and the role."""
        return Party(party_ids=self.sender.party_ids, role=self.from_role)

    @property
    def to_party(self) -> Party:
        return Party(party_ids=self.receiver.party_ids, role=self.to_role)

    @property
    def reliable(self) -> bool:
        """Whether an acknowledgment is asked for: `perMessage` leaves it to us, and we ask (section 8.1)."""
        return self.ack_requested is not PerMessage.NEVER

    @property
    def synchronous(self) -> bool:
        """Whether signals come in the HTTP response (section 6.1)."""
        return self.sync_reply_mode is not SyncReplyMode.NONE

    @property
    def numbered(self) -> bool:
        """Whether our messages carry MessageOrder: it goes with acknowledgment and DuplicateElimination only, and
        never with SyncReply (section 3.8)."""
        filtered = self.duplicate_elimination is not PerMessage.NEVER
        return self.ordered and self.reliable and filtered and not self.synchronous

    @property
    def retry_span(self) -> timedelta:
        """From the first attempt until one interval after the last."""
        return self.retry_interval * (1 + self.retries)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTerms:
    """What holds for a signal from the acknowledging party to the original sender (sections 6.4, 9.5)."""

    from_party_ids: tuple[PartyId, ...]
    to_party_ids: tuple[PartyId, ...]
    endpoint_url: str
    signing: SigningTerms | None
    """Of the acknowledging party's channel for this signal."""
    client_certificate: x509.Certificate | None = field(repr=False)
    server_certificate: x509.Certificate | None = field(repr=False)
    sync_reply_mode: SyncReplyMode
    """Of the signalling party's own default channel: Ping and StatusRequest go by it."""
    actor: str = ACTOR_TO_PARTY

    @property
    def synchronous(self) -> bool:
        return self.sync_reply_mode is not SyncReplyMode.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """Why a header finds no terms: the error it deserves (checks 14 to 17 of section 5)."""

    row: int
    code: str
    location: str
    text: str

    @property
    def error(self) -> EbmsError:
        return EbmsError(self.code, self.text, location=self.location)


def build_terms(
    agreement: Agreement,
    *,
    sender: PartyInfo,
    receiver: PartyInfo,
    roles: tuple[str, str],
    service: Service,
    send: ActionBinding,
    receive: ActionBinding,
) -> Terms:
    """Each value from the channel that section 11.2 names for it."""
    sending, receiving = send.channel, receive.channel
    url = receiving.transport.endpoint_url("allPurpose", "request") or ""
    required = send.characteristics.non_repudiation
    signing = signing_of(sending.sender) if required else None
    confidential = send.characteristics.confidential.in_the_message
    encryption = _encryption(receiving) if confidential else None
    fit = fit_profile(sending, endpoint_url=url, signed=signing is not None, encrypted=confidential)
    retries, interval = _retrying(sending.sender, receiving.receiver)
    return Terms(
        cpa_id=agreement.cpa_id,
        sender=sender,
        receiver=receiver,
        from_role=roles[0],
        to_role=roles[1],
        service=service,
        action=send.action,
        profile=fit.profile,
        nearest_profile=fit.nearest,
        deviations=fit.deviations,
        sync_reply_mode=sending.sync_reply_mode,
        ack_requested=sending.ack_requested,
        ack_signature_requested=sending.ack_signature_requested,
        duplicate_elimination=sending.duplicate_elimination,
        actor=sending.actor or ACTOR_TO_PARTY,
        retries=retries,
        retry_interval=interval,
        persist_duration=_persisting(sending.sender, interval * (1 + retries)),
        ordered=_ordered(sending.sender) or _ordered(receiving.receiver),
        endpoint_url=url,
        signing=signing,
        verification=signing or signing_of(sending.sender) or any_signing(sender),
        encryption=encryption,
        confidential=confidential,
        client_certificate=certificate_of(sending.transport.client_certificate),
        server_certificate=certificate_of(receiving.transport.server_certificate),
    )


def signing_of(binding: Binding) -> SigningTerms | None:
    """What a sender binding says about signing; None when it says nothing or names no certificate."""
    said = binding.non_repudiation
    if said is None or said.certificate is None:
        return None
    return SigningTerms(
        certificates=(said.certificate.certificate,),
        hash_function=said.hash_function,
        signature_algorithm=said.signature_algorithm,
    )


def any_signing(party: PartyInfo) -> SigningTerms | None:
    """The first signing terms on any channel of a party, for a channel that itself has none."""
    return next((terms for channel in party.channels if (terms := signing_of(channel.sender))), None)


def certificate_of(named: NamedCertificate | None) -> x509.Certificate | None:
    return None if named is None else named.certificate


def _encryption(receiving: Channel) -> EncryptionTerms | None:
    said = receiving.receiver.digital_envelope
    if said is None or said.certificate is None:
        return None
    return EncryptionTerms(certificate=said.certificate.certificate, algorithm=said.algorithm)


def _retrying(sender: Binding, receiver: Binding) -> tuple[int, timedelta]:
    """Retries and RetryInterval: the sender's binding, then the receiver's; if silent, five days in all."""
    said = [b.reliability for b in (sender, receiver) if b.reliability is not None]
    retries = next((r.retries for r in said if r.retries is not None), None)
    interval = next((r.retry_interval for r in said if r.retry_interval), None)
    if interval is None:
        interval = DEFAULT_RETRY_INTERVAL if retries is None else DEFAULT_SPAN / (1 + retries)
    if retries is None:
        retries = max(DEFAULT_SPAN // interval - 1, 0)
    return retries, interval


def _persisting(sender: Binding, retry_span: timedelta) -> timedelta:
    """PersistDuration of the sender; where silent five days, and never shorter than the retries take."""
    return sender.persist_duration or max(DEFAULT_SPAN, retry_span)


def _ordered(binding: Binding) -> bool:
    return binding.reliability is not None and binding.reliability.ordered
