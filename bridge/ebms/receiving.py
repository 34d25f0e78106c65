# ruff: noqa: E501 (a table is read by its columns)
"""The receiving decision, as a table (ebMS notes section 5).

A message passes the rows from top to bottom; the first row that finds faults decides, with all faults it
found. The numbers are those of the notes. Rows 1 to 6 are the listener's and the reader's: before them there
is no header to judge (row 2 only comes back for what needs the agreement). Between `judge_peer` and the rest stands the look for a duplicate (row 10,
`judge_duplicate`), so that a repeat gets its first answer even after the message has expired, and a stranger
gets nothing. Between the two tables the flow decrypts and verifies, which costs most.

    judge_peer → judge_duplicate → judge_agreement → decrypt, verify → judge_content → (signals: judge_signal)

Row 26, store and answer in one transaction, is the flow's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Generic, TypeVar

from bridge.ebms import receiving_checks as check
from bridge.ebms.cpa_resolve import sender_verification, signal_terms
from bridge.ebms.cpa_terms import SignalTerms, Terms
from bridge.ebms.duplicates import (
    DeliverAgain,
    OtherAgreement,
    OtherContent,
    SameAgain,
    StoredMessage,
    content_digest,
    judge_duplicate,
    repeats_are_delivered,
)
from bridge.ebms.model import ErrorCode, Kind, Message, Party
from bridge.ebms.read import Received
from bridge.ebms.receiving_checks import ContentCase, Fault, HeaderCase, header_case
from bridge.ebms.receiving_model import (
    Accepted,
    Agreed,
    AnswerError,
    AnswerFault,
    CryptoOutcome,
    Ignore,
    Known,
    Peer,
    ReceivingPolicy,
    Refusal,
)
from bridge.ebms.signals import (
    Acknowledges,
    AnswerPing,
    AnswersRequest,
    AnswerStatus,
    FailsMessage,
    LateSignal,
    SentMessage,
    SignalJudgement,
    UnknownReference,
    judge_signal,
    reference_of,
)
from bridge.errors import EbmsError, SoapFault

__all__ = [
    "AGREEMENT_TABLE",
    "CONTENT_TABLE",
    "Accepted",
    "Acknowledges",
    "Agreed",
    "AnswerError",
    "AnswerFault",
    "AnswerPing",
    "AnswerStatus",
    "AnswersRequest",
    "CryptoOutcome",
    "DeliverAgain",
    "FailsMessage",
    "Ignore",
    "Known",
    "LateSignal",
    "OtherAgreement",
    "OtherContent",
    "Peer",
    "Place",
    "ReceivingPolicy",
    "Refusal",
    "SameAgain",
    "SentMessage",
    "SignalJudgement",
    "StoredMessage",
    "UnknownReference",
    "answer_place",
    "content_digest",
    "judge_agreement",
    "judge_content",
    "judge_duplicate",
    "judge_peer",
    "judge_signal",
    "reference_of",
    "repeats_are_delivered",
]

_Case = TypeVar("_Case", HeaderCase, ContentCase)


class By(Enum):
    """How a row refuses."""

    ERROR = auto()
    """A MessageError, to where answers go by agreement."""
    THIS_CONNECTION = auto()
    """A MessageError to whoever is connected, never to the party it claims to be."""
    FAULT = auto()
    """A SOAP fault: there is nobody to send a MessageError to."""


class Place(Enum):
    """Where an answer goes (section 6.1)."""

    SYNC = auto()
    """In the HTTP response, status 200."""
    ASYNC = auto()
    """By a new POST; the HTTP response is 204 and empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Generic[_Case]):
    """One row: its number, what must hold, for which messages, and the error when it does not."""

    number: int
    what: str
    kinds: frozenset[Kind]
    check: Callable[[_Case], Iterator[Fault]]
    code: ErrorCode
    location: str
    by: By = By.ERROR


MAX_FAULTS = 20
"""Faults that one row reports; a hostile message may have very many."""

ALL = frozenset(Kind)
BUSINESS = frozenset({Kind.BUSINESS})
REQUESTS = frozenset({Kind.BUSINESS, Kind.PING, Kind.STATUS_REQUEST})
"""What may be answered with an error; the other kinds are answers themselves."""

_IN = ErrorCode.INCONSISTENT
_VNR = ErrorCode.VALUE_NOT_RECOGNIZED
_NS = ErrorCode.NOT_SUPPORTED
_TTL = ErrorCode.TIME_TO_LIVE_EXPIRED
_SEC = ErrorCode.SECURITY_FAILURE
_MIME = ErrorCode.MIME_PROBLEM
_MH = "//Header/MessageHeader"


def _row(
    number: int,
    what: str,
    kinds: frozenset[Kind],
    check: Callable[[_Case], Iterator[Fault]],
    code: ErrorCode,
    location: str,
    by: By = By.ERROR,
) -> Row[_Case]:
    return Row(number=number, what=what, kinds=kinds, check=check, code=code, location=location, by=by)


# fmt: off
PEER_TABLE: tuple[Row[HeaderCase], ...] = (
    #    must hold                                  for       check                  else       at
    _row(9, "the CPA is known",                     ALL,      check.agreement_known, _VNR, f"{_MH}/CPAId", By.FAULT),
    _row(11, "the peer may speak for From",         ALL,      check.peer_authorised, _SEC, f"{_MH}/From/PartyId", By.THIS_CONNECTION),
    _row(2, "SOAPAction is ebXML",                  ALL,      check.soap_action,     _VNR, "SOAPAction", By.FAULT),
)

AGREEMENT_TABLE: tuple[Row[HeaderCase], ...] = (
    *PEER_TABLE,
    _row(7, "the envelope reads without problems",  ALL,      check.reading,         _IN,  "//Header"),
    _row(8, "the signal is one we serve",           ALL,      check.service_offered, _NS,  f"{_MH}/Action"),
    _row(12, "the CPA is agreed and in force",      REQUESTS, check.agreement_active, _IN, f"{_MH}/@cpaid"),
    _row(13, "the header is of version 2.0",        ALL,      check.header_version,  _IN,  f"{_MH}/@version"),
    _row(13, "so are the elements beside it",       ALL,      check.element_versions, _IN, "//Header"),
    _row(14, "From is a party of the CPA",          ALL,      check.from_party,      _IN,  f"{_MH}/From/PartyId"),
    _row(15, "To is the other party, and ours",     ALL,      check.to_party,        _IN,  f"{_MH}/To/PartyId"),
    _row(16, "Service and Action are well-formed",  BUSINESS, check.service_and_action, _IN, f"{_MH}/Service"),
    _row(17, "From sends it and To receives it",    BUSINESS, check.may_send_and_receive, _VNR, f"{_MH}/Action"),
    _row(17, "SOAPAction names no other action",    BUSINESS, check.named_action,    _VNR, f"{_MH}/Action"),
    _row(18, "RefToMessageId is known, if strict",  BUSINESS, check.reference_known, _VNR, f"{_MH}/MessageData/RefToMessageId"),
    _row(19, "TimeToLive has not passed",           REQUESTS, check.not_expired,     _TTL, f"{_MH}/MessageData/TimeToLive"),
    _row(20, "DuplicateElimination is as agreed",   BUSINESS, check.duplicate_elimination, _IN, f"{_MH}/DuplicateElimination"),
    _row(20, "AckRequested is as agreed",           BUSINESS, check.ack_requested,   _IN,  "//Header/AckRequested"),
    _row(20, "SyncReply is as agreed",              REQUESTS, check.sync_reply,      _IN,  "//Header/SyncReply"),
    _row(21, "MessageOrder only where agreed",      REQUESTS, check.message_order,   _NS,  "//Header/MessageOrder"),
)

CONTENT_TABLE: tuple[Row[ContentCase], ...] = (
    _row(22, "signed if and as agreed",             ALL,      check.signature_present, _SEC, "//Header/Signature"),
    _row(23, "Manifest and parts name each other",  ALL,      check.manifest,        _MIME, "//Body/Manifest"),
    _row(24, "parts are encrypted if agreed",       ALL,      check.decrypted,       _SEC, "//Body"),
    _row(25, "the signature is valid",              ALL,      check.signature_valid, _SEC, "//Header/Signature"),
)
# fmt: on


def judge_peer(received: Received, *, known: Known) -> Refusal | None:
    """Rows 9, 11 and 2: may this peer say this to us at all? Before it, not even a stored answer is given."""
    return _first_refusal(PEER_TABLE, header_case(received, known))


def judge_agreement(received: Received, *, known: Known) -> Agreed | Refusal:
    """Rows 7 to 21, without the duplicate: is the header what the parties agreed? Never raises."""
    case = header_case(received, known)
    refusal = _first_refusal(AGREEMENT_TABLE, case)
    if refusal is not None:
        return refusal
    agreement, message, terms = known.agreement, received.message, case.terms
    acknowledgment, error = _signal(case, "Acknowledgment"), _signal(case, "MessageError")
    assert agreement is not None and acknowledgment is not None and error is not None
    sender = message.header.from_party
    return Agreed(
        kind=message.kind,
        agreement=agreement,
        terms=terms,
        acknowledgment=acknowledgment,
        error=error,
        synchronous=answer_place(terms, message) is Place.SYNC,
        signature_required=terms is not None and terms.signing is not None,
        verification=(
            terms.verification
            if terms is not None
            else sender_verification(agreement, sender=sender, action=message.header.action)
        ),
        encryption=terms.encryption if terms is not None else None,
        policy=known.policy,
        flags=tuple(_flags(case)),
    )


def judge_content(received: Received, agreed: Agreed, crypto: CryptoOutcome) -> Accepted | Refusal:
    """Rows 22 to 25: signature, manifest, encryption. Fails closed: what was not verified is refused."""
    case = ContentCase(received=received, agreed=agreed, crypto=crypto)
    for row in CONTENT_TABLE:
        errors = _errors(row, case)
        if errors and agreed.kind not in REQUESTS:
            return Ignore(row=row.number, reason=str(errors[0]), errors=errors)
        if errors:
            return AnswerError(
                row=row.number, errors=errors, synchronous=agreed.synchronous, signal_terms=agreed.error
            )
    return Accepted(
        content_ids=check.referenced(received.message),
        references=crypto.verified.references if crypto.verified else (),
        flags=tuple(f"part {cid} was left out" for cid in check.unreferenced(received.message)),
    )


def answer_place(terms: Terms | None, message: Message) -> Place:
    """Where signals about this message go."""
    return Place.SYNC if check.answers_in_response(terms, message) else Place.ASYNC


def _first_refusal(table: tuple[Row[HeaderCase], ...], case: HeaderCase) -> Refusal | None:
    for row in table:
        errors = _errors(row, case)
        if errors:
            return _refuse(row, errors, case)
    return None


def _errors(row: Row[_Case], case: _Case) -> tuple[EbmsError, ...]:
    if case.message.kind not in row.kinds:
        return ()
    return tuple(
        EbmsError(fault.code or row.code, fault.text, location=fault.location or row.location)
        for fault in islice(row.check(case), MAX_FAULTS)
    )


def _refuse(row: Row[HeaderCase], errors: tuple[EbmsError, ...], case: HeaderCase) -> Refusal:
    """The answer that a failed row may give. An answer of the peer's is never answered with an error."""
    fault = AnswerFault(row=row.number, fault=SoapFault(str(errors[0])), errors=errors)
    if row.by is By.FAULT or (case.message.kind in REQUESTS and not _can_be_written(case.message)):
        return fault
    if case.message.kind not in REQUESTS:
        refused = row.by is By.THIS_CONNECTION
        return fault if refused else Ignore(row=row.number, reason=str(errors[0]), errors=errors)
    if row.by is By.THIS_CONNECTION:
        return AnswerError(row=row.number, errors=errors, synchronous=True, signal_terms=None)
    terms = _signal(case, "MessageError")
    if answer_place(case.terms, case.message) is Place.SYNC:
        return AnswerError(row=row.number, errors=errors, synchronous=True, signal_terms=terms)
    if terms is None:
        return fault
    return AnswerError(row=row.number, errors=errors, synchronous=False, signal_terms=terms)


def _can_be_written(message: Message) -> bool:
    """Whether a MessageError can be: it has the ConversationId of what it is about (DK-46)."""
    return bool(message.header.conversation_id)


def _signal(case: HeaderCase, action: str) -> SignalTerms | None:
    """The terms for our signal to whoever sent this; None when the header's From is no party of the agreement.

    To may be anyone: the error about a wrong To goes back to From all the same.
    """
    header, agreement = case.message.header, case.known.agreement
    sender = agreement.find_party(header.from_party.party_ids) if agreement else None
    if agreement is None or sender is None:
        return None
    return signal_terms(
        agreement,
        acknowledging=Party(party_ids=agreement.other_party(sender).party_ids),
        original_sender=header.from_party,
        action=action,
    )


def _flags(case: HeaderCase) -> Iterator[str]:
    yield from case.received.notes
    if case.known.knows_ref is False:
        yield "RefToMessageId names no message that is known here"
