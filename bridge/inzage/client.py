"""Looking up at another organisation's source: mutual TLS, only where the settings allow, bounded answers.

The address comes out of an event, so it is hostile until proven otherwise: it must lie under the base address that
the settings give for a source. Redirects are not followed.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import aiohttp
from yarl import URL

from bridge.hub.answers import MAX_ANSWER, Answer, NoAnswer

_ODD = re.compile(r"%2[ef]|%5c|\\|//|\.\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An organisation whose source may be asked: its OIN and the address under which its resources stand."""

    oin: str
    base_url: str

    def covers(self, url: str) -> bool:
        """Whether the address is one of this source: same scheme, host and port, and below its path.

        Read by the client's own parser, so that what is judged is what is asked: it takes out `..`, also an encoded
        one. What stays encoded in the path could be read as a way up by the server.
        """
        asked, base = URL(url), URL(self.base_url)
        same = (asked.scheme, asked.host, asked.port) == (base.scheme, base.host, base.port)
        path = base.raw_path.rstrip("/") + "/"
        plain = not (asked.user or asked.password or asked.raw_query_string or asked.raw_fragment)
        straight = _ODD.search(asked.raw_path) is None
        return same and plain and straight and asked.raw_path.startswith(path)


def find_source(sources: Sequence[Source], url: str) -> Source | None:
    """The source that an address belongs to; None: it may not be asked."""
    try:
        return next((source for source in sources if source.covers(url)), None)
    except ValueError:
        return None


class SourceClient:
    """One session per own party, because the reader is known by its client certificate."""

    def __init__(self, contexts: Mapping[str, ssl.SSLContext], *, timeout_seconds: float = 20.0) -> None:
        """`contexts` by PartyId of the own party."""
        self._contexts = contexts
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> SourceClient:
        for party, context in self._contexts.items():
            self._sessions[party] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit_per_host=4),
                auto_decompress=False,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    async def get(
        self,
        url: str,
        *,
        reader: str,
        headers: Mapping[str, str],
        accept: str = "application/json",
        max_octets: int = MAX_ANSWER,
        seconds: float | None = None,
    ) -> Answer | NoAnswer:
        """GET a resource, or a file, as the own party `reader`. Never raises on what the source does.

        `seconds` is the time for all of it, when that is another than of the client.

        Only octets as they are: what is compressed could grow without bound while it is read.
        """
        timeout = self._timeout if seconds is None else aiohttp.ClientTimeout(total=seconds)
        asked = {"Accept": accept, "Accept-Encoding": "identity", **headers}
        try:
            session = self._sessions[reader]
            async with session.get(url, headers=asked, allow_redirects=False, timeout=timeout) as answer:
                if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                    return NoAnswer(reason="the source answered with compressed content", for_good=True)
                octets = bytearray()
                async for chunk in answer.content.iter_chunked(64 * 1024):
                    octets += chunk
                    if len(octets) > max_octets:
                        return NoAnswer(reason="the answer of the source is too large", for_good=True)
                return Answer(status=answer.status, headers=tuple(answer.headers.items()), body=bytes(octets))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(reason=f"the source did not answer ({type(error).__name__})")
