"""What a simulated partner remembers of what it sent and received, and how that stands in its journal."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

from bridge.ebms.model import DigestReference
from bridge.ids import ConversationId, MessageId
from bridge.simulate.packing import Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """One attempt: the HTTP answer, or (`status` None) why there was none."""

    message_id: MessageId
    status: int | None
    body: bytes = field(default=b"", repr=False)
    problem: str | None = None


@dataclass(slots=True, kw_only=True)
class Sent:
    """A message with its exact octets. It is settled by an acknowledgment or by an error."""

    message_id: MessageId
    action: str
    content_type: str
    body: bytes = field(repr=False)
    wants_acknowledgment: bool
    references: tuple[DigestReference, ...] = ()
    attempts: int = 0
    acknowledgment: bytes | None = field(default=None, repr=False)
    failure: str | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def to_journal(self) -> dict[str, Any]:
        return {
            "message_id": self.message_id,
            "action": self.action,
            "content_type": self.content_type,
            "body": to_text(self.body),
            "wants_acknowledgment": self.wants_acknowledgment,
            "references": [
                [r.uri, list(r.transforms), r.digest_method, to_text(r.digest_value), r.xpath]
                for r in self.references
            ],
        }

    @classmethod
    def from_journal(cls, entry: dict[str, Any]) -> Sent:
        return cls(
            message_id=MessageId(entry["message_id"]),
            action=entry["action"],
            content_type=entry["content_type"],
            body=to_octets(entry["body"]),
            wants_acknowledgment=entry["wants_acknowledgment"],
            references=tuple(
                DigestReference(
                    uri=uri,
                    transforms=tuple(transforms),
                    digest_method=method,
                    digest_value=to_octets(value),
                    xpath=xpath,
                )
                for uri, transforms, method, value, xpath in entry["references"]
            ),
        )


@dataclass(slots=True, kw_only=True)
class ReceivedMessage:
    """A business message that was accepted; `copies` counts every time it came, the first included."""

    message_id: MessageId
    action: str
    conversation_id: ConversationId
    ref_to_message_id: MessageId | None
    attachments: tuple[Attachment, ...]
    fingerprint: str
    """SHA-256 over envelope and parts: a second message with this id must be equal."""
    answer: bytes | None = field(repr=False)
    """The acknowledgment, given again for every copy."""
    copies: int = 1

    @property
    def payload(self) -> bytes:
        """The first payload part."""
        return self.attachments[0].octets

    def to_journal(self) -> dict[str, Any]:
        return {
            "message_id": self.message_id,
            "action": self.action,
            "conversation_id": self.conversation_id,
            "ref_to_message_id": self.ref_to_message_id,
            "attachments": [[a.content_id, a.content_type, to_text(a.octets)] for a in self.attachments],
            "fingerprint": self.fingerprint,
            "answer": None if self.answer is None else to_text(self.answer),
        }

    @classmethod
    def from_journal(cls, entry: dict[str, Any]) -> ReceivedMessage:
        ref_to, answer = entry["ref_to_message_id"], entry["answer"]
        return cls(
            message_id=MessageId(entry["message_id"]),
            action=entry["action"],
            conversation_id=ConversationId(entry["conversation_id"]),
            ref_to_message_id=MessageId(ref_to) if ref_to else None,
            attachments=tuple(
                Attachment(content_id=content_id, content_type=content_type, octets=to_octets(octets))
                for content_id, content_type, octets in entry["attachments"]
            ),
            fingerprint=entry["fingerprint"],
            answer=None if answer is None else to_octets(answer),
        )


def to_text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def to_octets(text: str) -> bytes:
    return base64.b64decode(text)
