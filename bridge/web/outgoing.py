"""The client that posts stored octets to partners' endpoints: mutual TLS, no redirects, bounded answers."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import TracebackType

import aiohttp

from bridge.ebms.model import PartyId
from bridge.errors import PeerUnreachable
from bridge.flow.bridge import PostAnswer

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""A synchronous answer is a signal; anything larger is cut off and cannot be read as one."""


class PartnerClient:
    """One session for each own party, since each has its own client certificate."""

    def __init__(self, contexts: Mapping[PartyId, ssl.SSLContext], *, timeout_seconds: float = 30.0) -> None:
        self._contexts = contexts
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._sessions: dict[PartyId, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> PartnerClient:
        for party_id, context in self._contexts.items():
            self._sessions[party_id] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit_per_host=8),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "bridge"},
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    async def __call__(
        self, url: str, headers: tuple[tuple[str, str], ...], body: bytes, *, own_party: PartyId
    ) -> PostAnswer:
        """POST once. Raises PeerUnreachable when no HTTP answer came."""
        try:
            async with self._sessions[own_party].post(
                url, data=body, headers=dict(headers), allow_redirects=False
            ) as answer:
                octets = await _read_bounded(answer.content)
                return PostAnswer(status=answer.status, headers=tuple(answer.headers.items()), body=octets)
        except TimeoutError as error:
            raise PeerUnreachable("no answer within the time limit") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerUnreachable(_say(error)) from error


async def _read_bounded(stream: aiohttp.StreamReader) -> bytes:
    octets = bytearray()
    async for chunk in stream.iter_chunked(64 * 1024):
        octets += chunk
        if len(octets) > _MAX_ANSWER_BYTES:
            break
    return bytes(octets[:_MAX_ANSWER_BYTES])


def _say(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "the server certificate is not trusted or names another host"
        case aiohttp.ClientConnectorSSLError() | aiohttp.ClientSSLError():
            return "the TLS handshake failed"
        case aiohttp.ClientConnectorDNSError():
            return "the host name is not known"
        case aiohttp.ClientConnectorError():
            return "no connection (refused or unreachable)"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case _:
            return f"the connection failed ({type(error).__name__})"
