"""A business message as the agreement wants it (ebMS notes 8.3): nothing missing, nothing too much.

A surplus element is refused by peers as much as a missing one, so every optional element is decided here.
"""

from __future__ import annotations

from datetime import datetime

from bridge.ebms.cpa_model import PerMessage, SyncReplyMode
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import (
    AckRequested,
    Manifest,
    Message,
    MessageHeader,
    Part,
    Reference,
    SyncReply,
)
from bridge.errors import ConfigError
from bridge.ids import ConversationId, MessageId


def outgoing_message(
    terms: Terms,
    *,
    message_id: MessageId,
    conversation_id: ConversationId,
    timestamp: datetime,
    time_to_live: datetime | None,
    ref_to_message_id: MessageId | None = None,
    parts: tuple[Part, ...] = (),
) -> Message:
    """The message that `terms` ask for; `time_to_live` comes from `plan(terms, timestamp)`.

    Raises ConfigError when payload must be encrypted and the agreement does not say how, since sending it in
    the clear would show it to others.
    """
    if terms.confidential and terms.encryption is None and parts:
        raise ConfigError(
            [
                f"CPA {terms.cpa_id}: {terms.service}/{terms.action} is confidential, but the receiver's "
                "channel has no ReceiverDigitalEnvelope; nothing is sent until a mended CPA is imported"
            ]
        )
    header = MessageHeader(
        from_party=terms.from_party,
        to_party=terms.to_party,
        cpa_id=terms.cpa_id,
        conversation_id=conversation_id,
        service=terms.service,
        action=terms.action,
        message_id=message_id,
        timestamp=timestamp,
        ref_to_message_id=ref_to_message_id,
        time_to_live=time_to_live,
        duplicate_elimination=terms.duplicate_elimination is not PerMessage.NEVER,
    )
    return Message(
        header=header,
        ack_requested=_ack_requested(terms),
        sync_reply=None if terms.sync_reply_mode is SyncReplyMode.NONE else SyncReply(),
        manifest=_manifest(parts),
        parts=parts,
    )


def _ack_requested(terms: Terms) -> tuple[AckRequested, ...]:
    """`perMessage` leaves it to us: an acknowledgment is asked for, unsigned, which every peer can give."""
    if not terms.reliable:
        return ()
    signed = terms.ack_signature_requested is PerMessage.ALWAYS
    return (AckRequested(signed=signed, actor=terms.actor),)


def _manifest(parts: tuple[Part, ...]) -> Manifest | None:
    """One Reference per part, in order; no Manifest without payload (section 3.3)."""
    if not parts:
        return None
    return Manifest(references=tuple(Reference(href=f"cid:{part.content_id}") for part in parts))
