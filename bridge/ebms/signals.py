"""What a received signal means for the message it is about (ebMS notes 5, "Signals received", and 9.5).

The same judgement serves a signal that came by POST and one that stood in the HTTP response of an attempt.

| signal | about | judgement |
| --- | --- | --- |
| Ping, StatusRequest | - | answer it |
| any other | nothing we know | `UnknownReference`: a SOAP fault |
| any other | under another CPA, or parties not reversed | `Ignore`: it changes nothing (DK-25) |
| Acknowledgment | a message that asked for none | `Ignore` |
| Acknowledgment | receipt unsigned or with other digests | `Ignore`: it does not acknowledge (DK-72, DK-73) |
| Acknowledgment | a settled message | `LateSignal` |
| Acknowledgment | a message that waits | `Acknowledges` |
| MessageError, severity Warning | - | `Ignore`: a warning does not settle |
| MessageError | an acknowledgment or error of ours | `Ignore`: logged only, never answered |
| MessageError | a settled message | `LateSignal` |
| MessageError | a message that waits | `FailsMessage` |
| Pong, StatusResponse | our Ping, our StatusRequest | `AnswersRequest` |

A business message says of our message what the Acknowledgment says that rides on it (`judge_rider`), judged as if that
came alone. Where the agreement lets the business response come in the HTTP response, that response says more
(`judge_response`), but only of what its rider left open:

| business message | about | judgement |
| --- | --- | --- |
| with an Acknowledgment | any message of ours | as an Acknowledgment, above |
| in the HTTP response | its request, settled, by its rider or before | `LateSignal`: nothing more to say |
| in the HTTP response | a request that asked for a signed receipt | `Ignore`: it is none |
| in the HTTP response | any other request | `Acknowledges`: who answers has it |
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.ebms.cpa_model import SyncReplyMode
from bridge.ebms.model import (
    ACTOR_NEXT_MSH,
    DigestReference,
    Error,
    Kind,
    Message,
    PartyId,
    Severity,
)
from bridge.ebms.peer_text import named_errors, told_errors
from bridge.ebms.read import Received
from bridge.ebms.receiving_model import CryptoOutcome, Ignore
from bridge.ebms.sign import check_receipt
from bridge.errors import SoapFault
from bridge.ids import CpaId, MessageId
from bridge.told import shown

ROW = 26
"""Signals are judged after every row of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """What the store knows of the message of ours that a signal refers to."""

    message_id: MessageId
    kind: Kind
    cpa_id: CpaId
    from_party_ids: tuple[PartyId, ...]
    to_party_ids: tuple[PartyId, ...]
    ack_requested: bool
    ack_signed: bool
    """A signed acknowledgment was asked for."""
    references: tuple[DigestReference, ...]
    """Of our own signature; empty for an unsigned message."""
    synchronous: bool
    """Whether signals were to come in the HTTP response."""
    settled: bool
    """Acknowledged, failed or expired already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledges:
    """The message has arrived. `signed_receipt`: keep the signal as proof of receipt."""

    message_id: MessageId
    signed_receipt: bool
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailsMessage:
    """The peer refused the message."""

    message_id: MessageId
    errors: tuple[Error, ...]

    @property
    def reason(self) -> str:
        """Codes and places."""
        return "the partner refused the message: " + "; ".join(named_errors(self.errors))

    @property
    def told(self) -> str:
        """The peer's descriptions, which are free text: content."""
        return told_errors(self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateSignal:
    """About a settled message: log it, answer 204. An acknowledgment still tells that it had arrived."""

    message_id: MessageId
    acknowledges: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownReference:
    """About a message that we never sent."""

    fault: SoapFault


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPing:
    """Answer with a Pong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStatus:
    """Answer with the status of the message `about`."""

    about: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersRequest:
    """A Pong or StatusResponse to our own request."""

    message_id: MessageId
    message_status: str | None = None


SignalJudgement = (
    Acknowledges
    | FailsMessage
    | LateSignal
    | UnknownReference
    | AnswerPing
    | AnswerStatus
    | AnswersRequest
    | Ignore
)


def judge_signal(
    received: Received,
    sent: SentMessage | None,
    *,
    crypto: CryptoOutcome | None = None,
    in_response: bool = False,
) -> SignalJudgement:
    """What the signal does. `sent` is the message of ours that `reference_of` names, if the store has it.

    `crypto` holds the verified signature, if the signal has one. `in_response`: it stood in an HTTP response.
    """
    message = received.message
    if message.kind is Kind.PING:
        return AnswerPing()
    if message.status_request is not None and message.kind is Kind.STATUS_REQUEST:
        return AnswerStatus(about=message.status_request.ref_to_message_id)
    if sent is None or reference_of(message) != sent.message_id:
        return UnknownReference(fault=SoapFault("RefToMessageId names no message that was sent from here."))
    stranger = _not_the_answer_to(message, sent)
    if stranger:
        return Ignore(row=ROW, reason=stranger)
    match message.kind:
        case Kind.ACKNOWLEDGMENT:
            return _acknowledgment(message, sent, crypto or CryptoOutcome(), in_response)
        case Kind.MESSAGE_ERROR:
            return _message_error(message, sent)
        case Kind.PONG if sent.kind is Kind.PING:
            return AnswersRequest(message_id=sent.message_id)
        case Kind.STATUS_RESPONSE if sent.kind is Kind.STATUS_REQUEST and message.status_response is not None:
            status = shown(message.status_response.message_status)
            return AnswersRequest(message_id=sent.message_id, message_status=status)
    return Ignore(row=ROW, reason=f"{message.kind} is no answer to {sent.kind}")


def judge_rider(
    received: Received, sent: SentMessage | None, *, crypto: CryptoOutcome | None = None
) -> Acknowledges | LateSignal | UnknownReference | Ignore:
    """What an Acknowledgment does that rides on a business message, as the standard allows (section 3.11).

    `sent` is the message of ours that the Acknowledgment refers to. The message itself is judged apart from it.
    """
    message = received.message
    if sent is None or message.acknowledgment is None:
        return UnknownReference(
            fault=SoapFault("The Acknowledgment is about no message that was sent from here.")
        )
    stranger = _not_the_answer_to(message, sent)
    if stranger:
        return Ignore(row=ROW, reason=stranger)
    return _acknowledgment(message, sent, crypto or CryptoOutcome(), in_response=sent.synchronous)


def answers_in_response(message: Message, sent: SentMessage, mode: SyncReplyMode) -> bool:
    """Whether a business message in the HTTP response is the answer that the agreement lets come there: to this very
    message, under its CPA, between its parties reversed (section 6.1)."""
    return (
        mode in (SyncReplyMode.RESPONSE_ONLY, SyncReplyMode.SIGNALS_AND_RESPONSE)
        and message.kind is Kind.BUSINESS
        and message.header.ref_to_message_id == sent.message_id
        and _not_the_answer_to(message, sent) is None
    )


def judge_response(sent: SentMessage) -> Acknowledges | LateSignal | Ignore:
    """What an accepted business response in the HTTP response says of its request, when its rider was judged.

    `sent` is the request as it is after that.
    """
    if sent.settled:
        return LateSignal(message_id=sent.message_id, acknowledges=True)
    if sent.ack_signed:
        return Ignore(row=ROW, reason="no valid signed acknowledgment came with the business response")
    flags = ("the business response came in the HTTP response",)
    return Acknowledges(message_id=sent.message_id, signed_receipt=False, flags=flags)


def reference_of(message: Message) -> MessageId | None:
    """The message that a signal is about: MessageData/RefToMessageId, else that of the Acknowledgment."""
    if message.header.ref_to_message_id is not None:
        return message.header.ref_to_message_id
    return message.acknowledgment.ref_to_message_id if message.acknowledgment else None


def _not_the_answer_to(message: Message, sent: SentMessage) -> str | None:
    """A signal belongs to a message when CPA and parties are that message's, reversed (DK-25)."""
    header = message.header
    if header.cpa_id != sent.cpa_id:
        return "the CPAId is not that of the message it refers to"
    if not set(header.from_party.party_ids) <= set(sent.to_party_ids):
        return "From is not the party that the message went to"
    if not set(header.to_party.party_ids) <= set(sent.from_party_ids):
        return "To is not the party that sent the message"
    return None


def _acknowledgment(
    message: Message, sent: SentMessage, crypto: CryptoOutcome, in_response: bool
) -> Acknowledges | LateSignal | Ignore:
    acknowledgment = message.acknowledgment
    if acknowledgment is None or acknowledgment.ref_to_message_id != sent.message_id:
        return Ignore(row=ROW, reason="the Acknowledgment element does not refer to the same message")
    if sent.kind is not Kind.BUSINESS or not sent.ack_requested:
        return Ignore(row=ROW, reason="no acknowledgment was asked for")
    if acknowledgment.actor == ACTOR_NEXT_MSH:
        return Ignore(row=ROW, reason="it acknowledges for the next MSH, not for the To party")
    faults = _receipt_faults(message, sent, crypto)
    if faults:
        return Ignore(row=ROW, reason="it does not acknowledge: " + "; ".join(faults[:5]))
    if sent.settled:
        return LateSignal(message_id=sent.message_id, acknowledges=True)
    flags = () if in_response == sent.synchronous else (_other_way(in_response),)
    return Acknowledges(message_id=sent.message_id, signed_receipt=sent.ack_signed, flags=flags)


def _receipt_faults(message: Message, sent: SentMessage, crypto: CryptoOutcome) -> tuple[str, ...]:
    """What keeps a receipt from being one, when a signed acknowledgment was asked for (section 9.5)."""
    if crypto.signature_error is not None:
        return ("its signature is not valid",)
    if not sent.ack_signed:
        return ()
    if crypto.verified is None:
        return ("it is not signed",)
    assert message.acknowledgment is not None
    return check_receipt(message.acknowledgment.references, sent.references)


def _other_way(in_response: bool) -> str:
    if in_response:
        return "the acknowledgment came in the HTTP response; the CPA says by a POST of its own"
    return "the acknowledgment came by a POST of its own; the CPA says in the HTTP response"


def _message_error(message: Message, sent: SentMessage) -> SignalJudgement:
    errors = message.error_list.errors if message.error_list else ()
    if sent.kind is not Kind.BUSINESS:
        return Ignore(row=ROW, reason=f"an error about our {sent.kind}: logged, never answered")
    if errors and all(error.severity == Severity.WARNING for error in errors):
        return Ignore(row=ROW, reason="a warning, which does not settle the message")
    if sent.settled:
        return LateSignal(message_id=sent.message_id, acknowledges=False)
    return FailsMessage(message_id=sent.message_id, errors=errors)
