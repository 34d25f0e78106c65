"""A message under a reference number that its sender used before.

A system that restarts may send its message again under another MessageId, which ebMS cannot recognise. By the number
that the standard makes unique per sender it can. The same content is passed over: nothing is made of it, and the
sender gets the answer that it got before. Other content waits for a person: it may be another child.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.ebms.model import Part
from bridge.errors import BridgeError
from bridge.flow.answer import Reply, answer_again, answer_to
from bridge.flow.bridge import Bridge
from bridge.flow.context import partner_named
from bridge.flow.sent import spool_blob
from bridge.ids import Key
from bridge.log import get_logger
from bridge.mapping.context import Mapped, Reference
from bridge.mapping.model import Fate
from bridge.store.answers import claim_reference, find_answer, find_reference
from bridge.store.blobs import ContentPurged
from bridge.store.exchanges import set_exchange
from bridge.store.messages import (
    ATTACHMENTS_FROM,
    get_message,
    payloads_of,
    set_message_state,
    set_message_values,
)
from bridge.store.rows import ClaimedReference, GivenAnswer, Message, MessageState
from bridge.store.timeline import add_step

NUMBER_USED_BY = "bridge.number-used-by"
"""Among the values of a message that waits: the MessageId of the one that used its number first.

A person who replays it then has decided that it goes on all the same.
"""

_log = get_logger()


class SeenMeanwhile(BridgeError):
    """Another message claimed the number since it was looked up: look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of the number of a message. Without `claim` it has none that counts."""

    claim: ClaimedReference | None = None
    earlier: Message | None = None
    """The message that used the number first."""
    same: bool = False
    """It was the same message."""

    @property
    def reason(self) -> str:
        """Why the message is not sent on."""
        assert self.earlier is not None
        if self.same:
            return f"received before as {self.earlier.message_id}, not sent on again"
        return (
            f"its reference number was used before, in message {self.earlier.message_id}, for other content; replay it "
            "to send it on all the same, or settle it"
        )


async def look_up(bridge: Bridge, message: Message, mapped: Mapped, content: str | None) -> Look:
    """Whether the number of a message was used before, and for what."""
    partner, reference = partner_named(bridge, message.from_party), mapped.reference
    unique = partner is not None and partner.unique_references
    if not unique or reference is None or content is None or NUMBER_USED_BY in message.values:
        return Look()
    number = _number(reference)

    def work(tx: Connection) -> Look:
        digest = _with_attachments(tx, message.key, content)
        claim = ClaimedReference(
            party=message.from_party,
            number=number,
            message=message.key,
            exchange=message.exchange,
            digest=digest,
            at=bridge.now(),
        )
        found = find_reference(tx, message.from_party, number)
        if found is None or found.message == message.key:
            return Look(claim=claim)
        return Look(claim=claim, earlier=get_message(tx, found.message), same=found.digest == digest)

    return await bridge.store.read(work)


def claim(tx: Connection, look: Look) -> None:
    """Claim the number, in the transaction that keeps what the message became. Raises SeenMeanwhile."""
    if look.claim is not None and claim_reference(tx, look.claim).message != look.claim.message:
        raise SeenMeanwhile("the reference number was claimed by another message meanwhile")


def marks(message: Message, look: Look | None = None) -> Mapping[str, str]:
    """The values that say that its number was used before."""
    if look is not None and look.earlier is not None and not look.same:
        return {NUMBER_USED_BY: look.earlier.message_id}
    known = message.values.get(NUMBER_USED_BY)
    return {} if known is None else {NUMBER_USED_BY: known}


async def reply_to(
    bridge: Bridge, message: Message, mapped: Mapped, mapping: str, look: Look
) -> Reply | None:
    """What the sender is told: for the same message the answer that it got, for another that the number was used."""
    assert look.earlier is not None
    known = replace(message, mapping=mapping, values={**message.values, **mapped.values})
    if not look.same:
        return await answer_to(bridge, known, Fate.REUSED)
    partner = partner_named(bridge, message.from_party)
    if partner is None or not partner.technical_answers:
        return None
    earlier, threshold = look.earlier.key, bridge.settings.partner_listener.spool_above_bytes
    found = await bridge.store.read(lambda tx: _former(tx, bridge, earlier, threshold))
    if found is None:
        return None
    given, former, parts = found
    return await asyncio.to_thread(answer_again, bridge, known, former, parts, Fate(given.fate))


def keep_held_back(
    tx: Connection,
    message: Message,
    look: Look,
    *,
    mapped: Mapped,
    mapping: str,
    subject: str | None,
    at: datetime,
    by: str = "bridge",
) -> None:
    """Store why a message is not sent on. What it says stays with it, whole."""
    assert look.earlier is not None
    set_message_values(tx, message.key, {**mapped.values, **marks(message, look)})
    state = MessageState.REPEATED if look.same else MessageState.PARKED
    set_message_state(tx, message.key, state, at=at, reason=look.reason, mapping=mapping, subject=subject)
    set_exchange(tx, message.exchange, subject=subject, at=at)
    detail = {
        "message_id": message.message_id,
        "former_message_id": look.earlier.message_id,
        "reason": look.reason,
    }
    where: dict[str, Any] = {"exchange": message.exchange, "at": at, "side": "bridge", "by": by}
    if look.same:
        add_step(tx, what="message.received_before", outcome="info", detail=detail, **where)
    else:
        add_step(tx, what="message.number_reused", outcome="failed", detail=detail, **where)


def log_held_back(bridge: Bridge, message: Message, look: Look) -> None:
    """After the commit."""
    partner = partner_named(bridge, message.from_party)
    if look.same:
        _log.info("message.received_before", message_id=message.message_id, reason=look.reason)
        metrics.message_repeated(partner, message.action)
    else:
        _log.warning("message.number_reused", message_id=message.message_id, reason=look.reason)
        metrics.message_parked(partner, message.action)


def _former(
    tx: Connection, bridge: Bridge, earlier: Key, threshold: int
) -> tuple[GivenAnswer, Message, tuple[Part, ...]] | None:
    """The answer that the first message got, with its content as far as that is still there."""
    given = find_answer(tx, earlier)
    if given is None:
        return None
    try:
        parts = tuple(
            Part(
                content_id=bridge.new_local_id(),
                content_type=payload.content_type,
                content=spool_blob(tx, payload.blob, threshold=threshold),
            )
            for payload in payloads_of(tx, given.answer)
        )
    except ContentPurged:
        return None
    return given, get_message(tx, given.answer), parts


def _number(reference: Reference) -> str:
    """One key for standard, sender and number, of bounded length."""
    whole = json.dumps([reference.standard, *reference.within, reference.number])
    return hashlib.sha256(whole.encode()).hexdigest()


def _with_attachments(tx: Connection, message: Key, content: str) -> str:
    """The content is all parts of the message: the first as XML, the others by their octets."""
    others = [p.blob for p in payloads_of(tx, message)[1:] if p.position < ATTACHMENTS_FROM]
    return hashlib.sha256(json.dumps([content, *others]).encode()).hexdigest()
