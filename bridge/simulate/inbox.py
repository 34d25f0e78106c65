"""The receiving half of a simulated partner: what is accepted, what is a copy, and what is answered."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree

from bridge.ebms.model import DigestReference, Error, ErrorCode, Message
from bridge.simulate import messages, signing
from bridge.simulate.journal import Journal
from bridge.simulate.packing import Attachment
from bridge.simulate.records import ReceivedMessage
from bridge.simulate.settings import PartnerSettings

MakeAcknowledgment = Callable[[Message, tuple[DigestReference, ...]], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A business message as it came in."""

    root: etree._Element
    message: Message
    attachments: tuple[Attachment, ...]
    envelope: bytes

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.envelope)
        for attachment in self.attachments:
            digest.update(hashlib.sha256(attachment.octets).digest())
        return digest.hexdigest()


class Inbox:
    """Every accepted message once, with the number of times it came."""

    def __init__(
        self, settings: PartnerSettings, *, journal: Journal, make_acknowledgment: MakeAcknowledgment
    ) -> None:
        self.received: list[ReceivedMessage] = []
        self._settings, self._journal = settings, journal
        self._make_acknowledgment = make_acknowledgment
        self._arrived = asyncio.Condition()

    async def take(self, arrival: Arrival, *, error: Error | None) -> bytes | Error | None:
        """The acknowledgment to give (None when none was asked), or the error; journalled first."""
        header, fingerprint = arrival.message.header, arrival.fingerprint
        known = next((r for r in self.received if r.message_id == header.message_id), None)
        if known and known.fingerprint == fingerprint:
            known.copies += 1
            self._journal.write(kind="copy", message_id=known.message_id)
            return known.answer
        if known or error:
            return error or Error(code=ErrorCode.INCONSISTENT, description="Same id, other content.")
        new = ReceivedMessage(
            message_id=header.message_id,
            action=header.action,
            conversation_id=header.conversation_id,
            ref_to_message_id=header.ref_to_message_id,
            attachments=arrival.attachments,
            fingerprint=fingerprint,
            answer=self._acknowledge(arrival),
        )
        self._journal.write(kind="received", **new.to_journal())
        async with self._arrived:
            self.received.append(new)
            self._arrived.notify_all()
        return new.answer

    async def wait(self, count: int, within: float) -> list[ReceivedMessage]:
        """What was received, as soon as it is `count` messages. Raises TimeoutError."""
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: len(self.received) >= count), within)
        return self.received

    def remember(self, kind: str, entry: dict[str, Any]) -> None:
        """One entry of the journal."""
        if kind == "received":
            self.received.append(ReceivedMessage.from_journal(entry))
        elif kind == "copy":
            next(r for r in self.received if r.message_id == entry["message_id"]).copies += 1

    def _acknowledge(self, arrival: Arrival) -> bytes | None:
        asked = arrival.message.ack_requested
        if not asked:
            return None
        references = signing.read_references(arrival.root) if asked[0].signed else ()
        return self._make_acknowledgment(arrival.message, references)


def find_error(settings: PartnerSettings, arrival: Arrival, *, fault: Error | None) -> Error | None:
    """What is wrong: `fault` of the agreement first, then the parts, then the signature."""
    found = fault or messages.find_unresolved(
        arrival.message, tuple(a.content_id for a in arrival.attachments)
    )
    if found or not (settings.profile.signed or signing.has_signature(arrival.root)):
        return found
    try:
        signing.verify(arrival.root, arrival.attachments, certificate=settings.peer.certificate)
    except signing.BadSignature as bad:
        return Error(code=ErrorCode.SECURITY_FAILURE, location="//Header/Signature", description=str(bad))
    return None
