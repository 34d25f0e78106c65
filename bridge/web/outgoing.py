"""The client that posts stored octets to partners' endpoints: mutual TLS, no redirects, bounded answers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType

import aiohttp
from cryptography import x509

from bridge.config import TlsSettings
from bridge.ebms.model import Content, Octets, PartyId
from bridge.errors import PeerUnreachable
from bridge.flow.bridge import PostAnswer, Route
from bridge.web.tls import PeerCheck, client_context, refuse_others

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""A synchronous answer is a signal; anything larger is cut off and cannot be read as one."""

_CHUNK = 64 * 1024
_SECONDS_PER_OCTET = 1 / (1024 * 1024)
"""A large body gets more time: a second for each MiB."""

_MOST_CONTEXTS = 1000


class ClientIdentities:
    """The client certificates of the own parties, as TLS contexts that are made when they are first used."""

    def __init__(
        self,
        files: Mapping[PartyId, Sequence[tuple[x509.Certificate, TlsSettings]]],
        *,
        check: PeerCheck | None = None,
    ) -> None:
        """The newest certificate of each party first."""
        self._files = files
        self._check = check
        self._made: dict[tuple[PartyId, int, tuple[x509.Certificate, ...]], ssl.SSLContext] = {}

    def context(self, route: Route) -> ssl.SSLContext:
        """For the certificate that the route names, if we have it, else for our newest."""
        files = self._files[route.own_party]
        wanted = (n for n, (held, _) in enumerate(files) if held == route.client_certificate)
        number = next(wanted, 0)
        key = (route.own_party, number, route.pinned)
        if key not in self._made:
            if len(self._made) >= _MOST_CONTEXTS:
                self._made.clear()
            check = refuse_others(route.pinned, self._check) if route.pinned else self._check
            self._made[key] = client_context(files[number][1], check=check)
        return self._made[key]


class PartnerClient:
    """POSTs to partners. Every own party has its own client certificate, hence its own connections."""

    def __init__(self, context: Callable[[Route], ssl.SSLContext], *, timeout_seconds: float = 30.0) -> None:
        self._context = context
        self._timeout = timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> PartnerClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit_per_host=8),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "bridge"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def __call__(self, route: Route, headers: tuple[tuple[str, str], ...], body: Content) -> PostAnswer:
        """POST once. Raises PeerUnreachable when no HTTP answer came."""
        assert self._session is not None, "entered before it is used"
        try:
            async with self._session.post(
                route.url,
                data=body.octets if isinstance(body, Octets) else _pieces(body),
                headers={**dict(headers), "Content-Length": str(body.size)},
                allow_redirects=False,
                ssl=self._context(route),
                timeout=aiohttp.ClientTimeout(total=self._timeout + body.size * _SECONDS_PER_OCTET),
            ) as answer:
                octets = await _read_bounded(answer.content)
                return PostAnswer(status=answer.status, headers=tuple(answer.headers.items()), body=octets)
        except TimeoutError as error:
            raise PeerUnreachable("no answer within the time limit") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerUnreachable(_say(error)) from error


async def _pieces(body: Content) -> AsyncIterator[bytes]:
    with body.open() as stream:
        while octets := stream.read(_CHUNK):
            yield octets


async def _read_bounded(stream: aiohttp.StreamReader) -> bytes:
    octets = bytearray()
    async for chunk in stream.iter_chunked(_CHUNK):
        octets += chunk
        if len(octets) > _MAX_ANSWER_BYTES:
            break
    return bytes(octets[:_MAX_ANSWER_BYTES])


def _say(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "the server certificate is not trusted, was revoked, or names another host"
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
