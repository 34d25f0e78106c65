"""The signals that the bridge itself makes: acknowledgments, errors, pings and status messages.

Each is a `Message` without payload. From and To are those of the message that is answered, reversed and
without Role; CPAId and ConversationId are the same (ebMS notes 3.6 to 3.10). The caller signs and sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.ebms.cpa_terms import SignalTerms
from bridge.ebms.model import (
    ACTOR_TO_PARTY,
    SIGNAL_SERVICE,
    Acknowledgment,
    DigestReference,
    Error,
    ErrorList,
    Kind,
    Message,
    MessageHeader,
    Party,
    Service,
    Severity,
    StatusRequest,
    StatusResponse,
    SyncReply,
)
from bridge.errors import EbmsError
from bridge.ids import ConversationId, CpaId, MessageId

MAX_ERRORS = 20
"""Errors listed in one MessageError; who has more learns the rest after mending these."""


def make_acknowledgment(
    received: Message,
    *,
    message_id: MessageId,
    now: datetime,
    actor: str = ACTOR_TO_PARTY,
    references: tuple[DigestReference, ...] = (),
) -> Message:
    """The acknowledgment of a received message (sections 3.6 and 9.5).

    `actor` is that of `Agreed.acknowledgment`; `references` are those of the verified signature, given only
    when a signed acknowledgment was asked for. It has no TimeToLive and asks for no acknowledgment.
    """
    return Message(
        header=_answer_header(received.header, Kind.ACKNOWLEDGMENT, message_id=message_id, now=now),
        acknowledgment=Acknowledgment(
            timestamp=now,
            ref_to_message_id=received.header.message_id,
            from_party_ids=received.header.to_party.party_ids,
            references=references,
            actor=actor,
        ),
    )


def make_message_error(
    received_header: MessageHeader, errors: Sequence[EbmsError], *, message_id: MessageId, now: datetime
) -> Message:
    """The MessageError about a received message (section 3.7). Raises ValueError without errors."""
    if not errors:
        raise ValueError("a MessageError lists at least one error")
    listed = tuple(_error(error) for error in errors[:MAX_ERRORS])
    worst = Severity.ERROR if any(e.severity == Severity.ERROR for e in listed) else Severity.WARNING
    return Message(
        header=_answer_header(received_header, Kind.MESSAGE_ERROR, message_id=message_id, now=now),
        error_list=ErrorList(errors=listed, highest_severity=worst),
    )


def make_pong(ping: Message, *, message_id: MessageId, now: datetime) -> Message:
    """The answer to a Ping (section 3.10)."""
    return Message(header=_answer_header(ping.header, Kind.PONG, message_id=message_id, now=now))


def make_status_response(
    request: Message,
    *,
    message_status: str,
    message_id: MessageId,
    now: datetime,
    received_at: datetime | None = None,
) -> Message:
    """The answer to a StatusRequest (section 3.9).

    `message_status` is UnAuthorized, NotRecognized, Received, Processed or Forwarded; `received_at` is left
    out of the first two, which know of no message. Raises ValueError when `request` holds no StatusRequest.
    """
    if request.status_request is None:
        raise ValueError("only a StatusRequest is answered with a StatusResponse")
    known = message_status not in ("UnAuthorized", "NotRecognized")
    return Message(
        header=_answer_header(request.header, Kind.STATUS_RESPONSE, message_id=message_id, now=now),
        status_response=StatusResponse(
            ref_to_message_id=request.status_request.ref_to_message_id,
            message_status=message_status,
            timestamp=received_at if known else None,
        ),
    )


def make_ping(
    terms: SignalTerms,
    *,
    cpa_id: CpaId,
    conversation_id: ConversationId,
    message_id: MessageId,
    now: datetime,
) -> Message:
    """A Ping to the other party; `terms` come from `signal_terms` with action Ping (section 3.10)."""
    return Message(
        header=_own_header(terms, Kind.PING, cpa_id, conversation_id, message_id, now),
        sync_reply=_sync_reply(terms),
    )


def make_status_request(
    terms: SignalTerms,
    about: MessageId,
    *,
    cpa_id: CpaId,
    conversation_id: ConversationId,
    message_id: MessageId,
    now: datetime,
) -> Message:
    """Ask the other party what became of the message `about` (section 3.9)."""
    return Message(
        header=_own_header(terms, Kind.STATUS_REQUEST, cpa_id, conversation_id, message_id, now),
        sync_reply=_sync_reply(terms),
        status_request=StatusRequest(ref_to_message_id=about),
    )


def _answer_header(
    header: MessageHeader, kind: Kind, *, message_id: MessageId, now: datetime
) -> MessageHeader:
    return MessageHeader(
        from_party=Party(party_ids=header.to_party.party_ids),
        to_party=Party(party_ids=header.from_party.party_ids),
        cpa_id=header.cpa_id,
        conversation_id=header.conversation_id,
        service=Service(value=SIGNAL_SERVICE),
        action=kind,
        message_id=message_id,
        timestamp=now,
        ref_to_message_id=header.message_id,
    )


def _own_header(
    terms: SignalTerms,
    kind: Kind,
    cpa_id: CpaId,
    conversation_id: ConversationId,
    message_id: MessageId,
    now: datetime,
) -> MessageHeader:
    return MessageHeader(
        from_party=Party(party_ids=terms.from_party_ids),
        to_party=Party(party_ids=terms.to_party_ids),
        cpa_id=cpa_id,
        conversation_id=conversation_id,
        service=Service(value=SIGNAL_SERVICE),
        action=kind,
        message_id=message_id,
        timestamp=now,
    )


def _sync_reply(terms: SignalTerms) -> SyncReply | None:
    return SyncReply() if terms.synchronous else None


def _error(error: EbmsError) -> Error:
    return Error(
        code=error.code, severity=error.severity, location=error.location or None, description=error.text
    )
