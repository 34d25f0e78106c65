"""What goes into and comes out of the receiving decision: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_terms import EncryptionTerms, SignalTerms, SigningTerms, Terms
from bridge.ebms.model import DigestReference, Kind, PartyId
from bridge.ebms.sign import Verified
from bridge.errors import EbmsError, SoapFault
from bridge.ids import Oin


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end of the connection, as TLS proved it."""

    oin: Oin | None = None
    """Of the client certificate; None when the certificate names none."""
    certificate_sha256: str | None = None
    """Fingerprint of the client certificate, lower-case hex; None when there was none."""
    plain: bool = False
    """A connection without TLS; only test mode has these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingPolicy:
    """Settings of the receiving decision; the defaults are those of production."""

    production: bool = True
    """False: connections without TLS are let through."""
    clock_skew: timedelta = timedelta(minutes=5)
    """How far a peer's clock may be off when the dates of an agreement are checked."""
    refuse_unreferenced_parts: bool = True
    """A part that no Reference names: refused, or left out of the delivery."""
    strict_ref_to_message_id: bool = False
    """Refuse a RefToMessageId that names no message we know, as some adapters do."""
    answer_pings: bool = True
    answer_status_requests: bool = True
    deliver_best_effort_repeats: bool = False
    """Deliver a best-effort message again each time that it comes (DK-20)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the bridge knows when a message comes in."""

    agreement: Agreement | None
    """The version of the message's CPAId that counts now; None: no such agreement."""
    own_parties: frozenset[PartyId]
    peer: Peer
    now: datetime
    delegations: frozenset[tuple[Oin, PartyId]] = frozenset()
    """Which OIN may deliver for which party: gateways and intermediaries (DK-36, DK-104)."""
    policy: ReceivingPolicy = field(default_factory=ReceivingPolicy)
    named_action: str | None = None
    """What stood in SOAPAction in place of "ebXML", when it was a bare word (`soap_action.py`)."""
    succeeded: bool = False
    """A later version of the agreement is in force now; this one was when the message was written."""
    in_response: bool = False
    """It stood in the HTTP response to a message of ours, whose receiver it comes from (`answers_in_response`)."""
    knows_ref: bool | None = None
    """Whether RefToMessageId names a message we know; None: not looked up, or there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerError:
    """Refused: answer with a MessageError that lists `errors`."""

    row: int
    errors: tuple[EbmsError, ...]
    synchronous: bool
    """In the HTTP response (200); else by a new POST as `signal_terms` say, and 204 now."""
    signal_terms: SignalTerms | None
    """None: the answer may go to this connection only, and is synchronous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFault:
    """Refused: no MessageError is possible, so a SOAP fault; `errors` says what it would have listed."""

    row: int
    fault: SoapFault
    errors: tuple[EbmsError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """Refused without answer (204): never an error about an error, an acknowledgment or another answer."""

    row: int
    reason: str
    errors: tuple[EbmsError, ...] = ()


Refusal = AnswerError | AnswerFault | Ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The header is as agreed (rows 7 to 21); content and signature are still to be judged."""

    kind: Kind
    agreement: Agreement
    terms: Terms | None
    """Of the action; None for a signal."""
    acknowledgment: SignalTerms
    """For answers other than errors."""
    error: SignalTerms
    synchronous: bool
    """Whether signals go in the HTTP response (section 6.1)."""
    signature_required: bool
    verification: SigningTerms | None
    """What to verify a signature with; None: the agreement names no certificate of this sender."""
    encryption: EncryptionTerms | None
    """How the parts must be encrypted; None: they are in the clear."""
    policy: ReceivingPolicy
    flags: tuple[str, ...] = ()
    """What is odd but accepted, for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoOutcome:
    """What decrypting and verifying gave; an empty one for a message without either."""

    verified: Verified | None = None
    signature_error: EbmsError | None = None
    """Why `verify_signature` refused, or why the certificate is not trusted or not valid."""
    decrypted: frozenset[str] = frozenset()
    """Content ids of the parts that came encrypted and were decrypted."""
    decryption_errors: tuple[EbmsError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Everything is as agreed: store, answer after the commit, deliver."""

    content_ids: tuple[str, ...]
    """The parts to deliver, in the order of the Manifest."""
    references: tuple[DigestReference, ...] = ()
    """Of the verified signature, for a signed acknowledgment to repeat (section 9.5)."""
    flags: tuple[str, ...] = ()
