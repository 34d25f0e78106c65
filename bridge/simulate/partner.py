"""A partner's MSH: real HTTPS with two-sided TLS, its own packing, signatures and memory.

It is as strict as the usual Digikoppeling adapter: SOAPAction with quotes, exactly the agreed elements, and
no acknowledgment in the HTTP response of an asynchronous message.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from bridge.ebms.model import DigestReference, Error, Kind, Message, MessageOrder
from bridge.ids import ConversationId, MessageId
from bridge.simulate import messages, signing
from bridge.simulate.envelope import Unreadable, fault, read_envelope, to_octets, write_envelope
from bridge.simulate.inbox import Arrival, Inbox, find_error
from bridge.simulate.journal import Journal
from bridge.simulate.misconduct import Misconduct, tamper
from bridge.simulate.outbox import DeliveryFailed, Outbox
from bridge.simulate.packing import XML_TYPE, Attachment, pack, unpack
from bridge.simulate.records import ReceivedMessage, SendResult, Sent, to_text
from bridge.simulate.server import Command, Server, make_control
from bridge.simulate.settings import PartnerSettings
from bridge.simulate.tls import client_context, peer_oin, server_context

__all__ = ["DeliveryFailed", "Partner"]

_SOAP_ACTION = '"ebXML"'
_MAX_BODY = 64 * 1024 * 1024


class Partner:
    """Start it, send, and look at `received`; `refused` says what it did not accept, and why.

    `signals` holds every signal that came by POST, accepted or not, and `raw` its envelope.
    """

    def __init__(
        self, settings: PartnerSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.settings = settings
        self.bridge_url = settings.bridge_url
        self.refused: list[str] = []
        self.signals: list[Message] = []
        self.raw: list[bytes] = []
        self.misconduct = Misconduct()
        self._clock = clock
        self._journal = Journal(settings.journal)
        self._inbox = Inbox(settings, journal=self._journal, make_acknowledgment=self._acknowledge)
        self._outbox = Outbox(settings, post=self.post, journal=self._journal, refused=self.refused)
        self._tasks: set[asyncio.Task[None]] = set()
        tls = settings.tls
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/msh", self._on_request)
        context = server_context(certificate=tls.certificate, key=tls.key, trust=tls.trust, crl=tls.crl)
        self._server = Server(app, host=settings.host, port=settings.port, tls=context)
        port = settings.control_port
        self._control = None if port is None else make_control(self._commands(), port=port)

    # --- life

    async def start(self) -> None:
        """Listens, remembers what its journal says, and takes up what was not acknowledged."""
        tls = self.settings.tls
        context = client_context(certificate=tls.certificate, key=tls.key, trust=tls.trust, crl=tls.crl)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            timeout=aiohttp.ClientTimeout(total=self.settings.request_timeout.total_seconds()),
        )
        for entry in self._journal.read():
            kind = entry.pop("kind")
            self._inbox.remember(kind, entry)
            self._outbox.remember(kind, entry)
        await self._server.start()
        if self._control:
            await self._control.start()
        for sent in self._outbox.outstanding():
            self._spawn(self._outbox.retry(sent), f"retry {sent.message_id}")

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._control:
            await self._control.stop()
        await self._server.stop()
        await self._session.close()

    @property
    def url(self) -> str:
        """Where it listens for ebMS, as the CPA names it."""
        return f"https://localhost:{self._server.port}/msh"

    @property
    def addresses(self) -> Mapping[str, str]:
        """What its process prints when it is ready."""
        control = {"control": f"http://127.0.0.1:{self._control.port}/control"} if self._control else {}
        return {"url": self.url, **control}

    # --- sending

    async def send(
        self,
        payload: bytes,
        action: str,
        *,
        content_type: str = "text/xml",
        more: tuple[Attachment, ...] = (),
        message_id: str | None = None,
        conversation_id: str | None = None,
        ref_to: str | None = None,
        number: int | None = None,
    ) -> SendResult:
        """Makes a message, makes the first attempt, and goes on trying in the background as agreed.

        `number` is its place in its conversation, for an agreement in which the order is guaranteed.
        """
        first = Attachment(content_id=self._new_id(), content_type=content_type, octets=payload)
        message = messages.make_business(
            self.settings,
            action,
            hrefs=tuple(f"cid:{a.content_id}" for a in (first, *more)),
            message_id=MessageId(message_id or self._new_id()),
            conversation_id=ConversationId(conversation_id or str(uuid.uuid4())),
            ref_to=MessageId(ref_to) if ref_to else None,
            now=self._clock(),
            order=None if number is None else _numbered(number),
        )
        sent = self._write(message, (first, *more))
        self._outbox.put(sent)
        result = await self._outbox.attempt(sent)
        if sent.wants_acknowledgment and not sent.settled.is_set():
            self._spawn(self._outbox.retry(sent), f"retry {sent.message_id}")
        return result

    async def resend(self, message_id: str) -> SendResult:
        """The same octets once more, whatever became of the message."""
        return await self._outbox.attempt(self._outbox.get(message_id))

    async def post(self, content_type: str, body: bytes) -> tuple[int, bytes]:
        """Any octets, also wrong ones: HTTP status and body of the answer. Raises aiohttp.ClientError."""
        head = {"Content-Type": content_type, "SOAPAction": _SOAP_ACTION}
        posting = self._session.post(self.bridge_url, data=body, headers=head, allow_redirects=False)
        async with posting as response:
            return response.status, await response.read()

    def sent(self, message_id: str) -> Sent:
        """What it remembers of a message that it sent. Raises KeyError."""
        return self._outbox.get(message_id)

    async def acknowledged(self, message_id: str, within: float) -> Message:
        """The verified acknowledgment. Raises `DeliveryFailed`, or TimeoutError after `within` seconds."""
        return await self._outbox.acknowledged(message_id, within)

    # --- receiving

    @property
    def received(self) -> list[ReceivedMessage]:
        """Accepted business messages in order of arrival, each once."""
        return self._inbox.received

    async def wait_received(self, count: int, within: float) -> list[ReceivedMessage]:
        """`received`, as soon as it holds `count` messages. Raises TimeoutError after `within` seconds."""
        return await self._inbox.wait(count, within)

    async def _on_request(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await asyncio.sleep(self.misconduct.delay)
        if self.misconduct.refuses():
            return web.Response(status=self.misconduct.status)
        try:
            return await self._answer(request, body)
        except (Unreadable, signing.BadSignature, LookupError, ValueError) as wrong:
            self.refused.append(str(wrong))
            return _response(500, fault("the message is not accepted"))

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("SOAPAction") != _SOAP_ACTION:
            raise Unreadable("SOAPAction is not ebXML in quotes")
        if peer_oin(request) != self.settings.peer.oin:
            raise Unreadable("the client certificate is not the peer's")
        envelope, attachments = unpack(request.headers.get("Content-Type", ""), body)
        root, message = read_envelope(envelope)
        if message.kind is not Kind.BUSINESS:
            self.signals.append(message)
            self.raw.append(envelope)
        match message.kind:
            case Kind.ACKNOWLEDGMENT | Kind.MESSAGE_ERROR:
                self._outbox.take_signal(root, message, envelope)
                return web.Response(status=204)
            case Kind.PING:
                pong = messages.make_pong(
                    self.settings, message, message_id=MessageId(self._new_id()), now=self._clock()
                )
                return self._give(to_octets(write_envelope(pong)), sync=message.sync_reply is not None)
            case Kind.PONG | Kind.STATUS_RESPONSE:
                return web.Response(status=204)
            case Kind.BUSINESS:
                return await self._take(
                    Arrival(root=root, message=message, attachments=attachments, envelope=envelope)
                )
            case _:
                raise Unreadable(f"{message.kind} is not supported")

    async def _take(self, arrival: Arrival) -> web.StreamResponse:
        disagreement = messages.find_fault(self.settings, arrival.message, now=self._clock())
        error = find_error(self.settings, arrival, fault=disagreement)
        answer = await self._inbox.take(arrival, error=error)
        if isinstance(answer, Error):
            return self._refuse(arrival.message, answer)
        if answer is None or self.misconduct.drops():
            return web.Response(status=204)
        return self._give(tamper(answer) if self.misconduct.tampers() else answer, sync=self.settings.sync)

    def _refuse(self, message: Message, error: Error) -> web.StreamResponse:
        self.refused.append(f"{message.header.message_id}: {error.code} {error.location}")
        made = messages.make_error(
            self.settings, message, error, message_id=MessageId(self._new_id()), now=self._clock()
        )
        return self._give(to_octets(write_envelope(made)), sync=self.settings.sync)

    def _acknowledge(self, request: Message, references: tuple[DigestReference, ...]) -> bytes:
        made = messages.make_acknowledgment(
            self.settings, request, references, message_id=MessageId(self._new_id()), now=self._clock()
        )
        return self._close(made, (), signed=request.ack_requested[0].signed)[0]

    def _give(self, signal: bytes, *, sync: bool) -> web.StreamResponse:
        if sync:
            return _response(200, signal)
        self._spawn(self._post_signal(signal), "signal")
        return web.Response(status=204)

    async def _post_signal(self, signal: bytes) -> None:
        """Once, as adapters do: a lost signal is mended by the sender's next attempt."""
        try:
            status, _ = await self.post(XML_TYPE, signal)
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            self.refused.append(f"a signal could not be delivered: {type(broken).__name__}")
            return
        if status >= 300:
            self.refused.append(f"a signal was answered with HTTP status {status}")

    # --- making octets, tasks, control

    def _write(self, message: Message, attachments: tuple[Attachment, ...]) -> Sent:
        envelope, references = self._close(message, attachments, signed=self.settings.profile.signed)
        content_type, body = pack(envelope, attachments, boundary=uuid.uuid4().hex)
        return Sent(
            message_id=message.header.message_id,
            action=message.header.action,
            content_type=content_type,
            body=body,
            wants_acknowledgment=bool(message.ack_requested),
            references=references,
        )

    def _close(
        self, message: Message, attachments: tuple[Attachment, ...], *, signed: bool
    ) -> tuple[bytes, tuple[DigestReference, ...]]:
        tree, tls = write_envelope(message), self.settings.tls
        if not signed:
            return to_octets(tree), ()
        return signing.sign(tree, attachments, key=tls.key, certificate=tls.certificate)

    def _new_id(self) -> str:
        return f"{uuid.uuid4()}@{self.settings.oin}.partner.test"

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _commands(self) -> Mapping[str, Command]:
        async def send(payload: str, action: str, **options: Any) -> Mapping[str, Any]:
            return _summary(await self.send(payload.encode("utf-8"), action, **options))

        async def resend(message_id: str) -> Mapping[str, Any]:
            return _summary(await self.resend(message_id))

        async def acknowledged(message_id: str, within: float) -> str:
            return (await self.acknowledged(message_id, within)).header.message_id

        def use_bridge(url: str) -> None:
            self.bridge_url = url

        def misbehave(**counts: float) -> None:
            self.misconduct = Misconduct(**counts)  # type: ignore[arg-type]

        def state() -> Mapping[str, Any]:
            received = [{**r.to_journal(), "copies": r.copies} for r in self.received]
            return {"received": received, "refused": self.refused}

        async def arrived(count: int, within: float) -> list[Mapping[str, str]]:
            found = await self.wait_received(count, within)
            return [{"action": r.action, "conversation": r.conversation_id} for r in found]

        return {
            command.__name__: command
            for command in (send, resend, acknowledged, arrived, use_bridge, misbehave, state)
        }


def _numbered(number: int) -> MessageOrder:
    return MessageOrder(sequence_number=number, status="Continue" if number else "Reset")


def _summary(result: SendResult) -> Mapping[str, Any]:
    return {
        "message_id": result.message_id,
        "status": result.status,
        "body": to_text(result.body),
        "problem": result.problem,
    }


def _response(status: int, envelope: bytes) -> web.Response:
    headers = {"Content-Type": XML_TYPE, "SOAPAction": _SOAP_ACTION}
    return web.Response(status=status, body=envelope, headers=headers)
