"""The sending half of a simulated partner: attempts, retries, and the signals that settle a message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from lxml import etree

from bridge.ebms.model import Message
from bridge.ids import MessageId
from bridge.simulate import messages, signing
from bridge.simulate.envelope import Unreadable, read_envelope
from bridge.simulate.journal import Journal
from bridge.simulate.records import SendResult, Sent, to_octets, to_text
from bridge.simulate.settings import PartnerSettings

_RECOVERABLE = frozenset({408, 429}) | frozenset(range(500, 600)) - {501, 505, 510}
"""HTTP statuses after which the usual adapter tries again; every other one above 299 is final for it."""

Post = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]


class DeliveryFailed(Exception):
    """A message that will never be acknowledged; the text says why."""


class Outbox:
    """Messages on their way. `refused` gets a line for every answer that was not accepted."""

    def __init__(
        self, settings: PartnerSettings, *, post: Post, journal: Journal, refused: list[str]
    ) -> None:
        self._settings, self._post, self._journal, self._refused = settings, post, journal, refused
        self._sent: dict[MessageId, Sent] = {}

    def get(self, message_id: str) -> Sent:
        """Raises KeyError."""
        return self._sent[MessageId(message_id)]

    def outstanding(self) -> list[Sent]:
        return [s for s in self._sent.values() if s.wants_acknowledgment and not s.settled.is_set()]

    def put(self, sent: Sent) -> None:
        self._sent[sent.message_id] = sent
        self._journal.write(kind="sent", **sent.to_journal())

    async def attempt(self, sent: Sent) -> SendResult:
        """Posts the octets once; a failure to connect is a result, not an exception."""
        sent.attempts += 1
        try:
            status, body = await self._post(sent.content_type, sent.body)
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            return SendResult(message_id=sent.message_id, status=None, problem=type(broken).__name__)
        if 200 <= status < 300:
            self._take_answer(sent, body)
        elif status not in _RECOVERABLE:
            self._settle(sent, failure=f"HTTP status {status}")
        return SendResult(message_id=sent.message_id, status=status, body=body)

    async def retry(self, sent: Sent) -> None:
        """The further attempts of the agreement, until the message is settled."""
        for _ in range(self._settings.retries):
            try:
                await asyncio.wait_for(sent.settled.wait(), self._settings.retry_interval.total_seconds())
                return
            except TimeoutError:
                await self.attempt(sent)

    async def acknowledged(self, message_id: str, within: float) -> Message:
        """The acknowledgment. Raises `DeliveryFailed`, or TimeoutError after `within` seconds."""
        sent = self.get(message_id)
        await asyncio.wait_for(sent.settled.wait(), within)
        if sent.acknowledgment is None:
            raise DeliveryFailed(sent.failure or "delivered, and no acknowledgment was asked")
        return read_envelope(sent.acknowledgment)[1]

    def take_signal(self, root: etree._Element, signal: Message, octets: bytes) -> None:
        """Raises LookupError, `Unreadable` or `BadSignature` for a signal that settles nothing."""
        sent = self._sent.get(MessageId(signal.header.ref_to_message_id or ""))
        if sent is None or not messages.answers(self._settings, signal):
            raise LookupError("a signal about nothing that was sent")
        if signal.error_list:
            codes = ", ".join(f"{error.code} {error.location}" for error in signal.error_list.errors)
            self._settle(sent, failure=f"MessageError: {codes}")
        elif signal.acknowledgment is None or not sent.wants_acknowledgment:
            raise Unreadable("no acknowledgment was asked, or none is in the signal")
        else:
            self._check(root, signal, sent)
            self._settle(sent, acknowledgment=octets)

    def remember(self, kind: str, entry: dict[str, Any]) -> None:
        """One entry of the journal."""
        if kind == "sent":
            sent = Sent.from_journal(entry)
            self._sent[sent.message_id] = sent
        elif kind == "settled":
            sent, kept = self.get(entry["message_id"]), entry["acknowledgment"]
            sent.acknowledgment = None if kept is None else to_octets(kept)
            sent.failure = entry["failure"]
            sent.settled.set()

    def _take_answer(self, sent: Sent, body: bytes) -> None:
        if body and not self._settings.sync:
            self._refused.append(f"{sent.message_id}: content in the response of an asynchronous message")
        elif body:
            try:
                self.take_signal(*read_envelope(body), body)
            except (Unreadable, signing.BadSignature, LookupError) as wrong:
                self._refused.append(f"{sent.message_id}: {wrong}")
        elif not sent.wants_acknowledgment:
            self._settle(sent)

    def _settle(self, sent: Sent, *, acknowledgment: bytes | None = None, failure: str | None = None) -> None:
        if sent.settled.is_set():
            return
        sent.acknowledgment, sent.failure = acknowledgment, failure
        kept = to_text(acknowledgment) if acknowledgment else None
        self._journal.write(kind="settled", message_id=sent.message_id, acknowledgment=kept, failure=failure)
        sent.settled.set()

    def _check(self, root: etree._Element, signal: Message, sent: Sent) -> None:
        acknowledgment = signal.acknowledgment
        assert acknowledgment is not None
        if acknowledgment.ref_to_message_id != sent.message_id:
            raise Unreadable("the two RefToMessageId of the acknowledgment differ")
        if not self._settings.profile.signed:
            return
        signing.verify(root, (), certificate=self._settings.peer.certificate)
        given = sorted((r.uri, r.digest_method, r.digest_value) for r in acknowledgment.references)
        if given != sorted((r.uri, r.digest_method, r.digest_value) for r in sent.references):
            raise signing.BadSignature("the acknowledgment is about other digests than were sent")
