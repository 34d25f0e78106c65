"""The client that fetches revocation lists: no redirects, no cookies, bounded in size and time.

A list proves itself by its signature, so that plain HTTP will do, as certificates usually name it.
"""

from __future__ import annotations

from types import TracebackType

import aiohttp

from bridge.ebms.revocation import MAX_LIST_OCTETS
from bridge.errors import PeerUnreachable

SECONDS = 60.0
_CHUNK = 64 * 1024


class ListClient:
    """GETs from the addresses that it is given; by way of `proxy` where there is one."""

    def __init__(self, *, proxy: str | None = None, seconds: float = SECONDS) -> None:
        self._proxy = proxy
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ListClient:
        self._session = aiohttp.ClientSession(
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

    async def __call__(self, url: str) -> bytes:
        """The octets at the address. Raises PeerUnreachable when no 200 with a bounded body came."""
        assert self._session is not None, "entered before it is used"
        asking = self._session.get(url, proxy=self._proxy, allow_redirects=False, timeout=self._timeout)
        try:
            async with asking as answer:
                if answer.status != 200:
                    raise PeerUnreachable(f"HTTP {answer.status}")
                return await _read_bounded(answer.content)
        except TimeoutError as error:
            raise PeerUnreachable("no answer within the time limit") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerUnreachable(f"it could not be fetched ({type(error).__name__})") from error


async def _read_bounded(stream: aiohttp.StreamReader) -> bytes:
    octets = bytearray()
    async for chunk in stream.iter_chunked(_CHUNK):
        octets += chunk
        if len(octets) > MAX_LIST_OCTETS:
            raise PeerUnreachable(f"it is larger than {MAX_LIST_OCTETS} octets")
    return bytes(octets)
