"""An HTTP runner that does not wait for ever for the first request of a connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

WAITING: web.AppKey[set[int]] = web.AppKey("waiting", set)
"""The connections (by identity of their protocol) whose first request head is not complete yet.

A middleware of the application takes them out.
"""

HEAD_SECONDS = 15.0
"""How long a new connection may take to send its first request head, the TLS handshake included."""


@asynccontextmanager
async def serving(
    app: web.Application,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    *,
    head_seconds: float = HEAD_SECONDS,
) -> AsyncIterator[None]:
    """Serve the application on the socket until the block ends, and then finish the requests under way."""
    runner = ImpatientRunner(
        app, head_seconds=head_seconds, access_log=None, shutdown_timeout=10.0, auto_decompress=False
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=context).start()
        yield
    finally:
        await runner.cleanup()


class ImpatientRunner(web.AppRunner):
    """Closes a connection that sent no complete request head within `head_seconds`."""

    def __init__(self, app: web.Application, *, head_seconds: float, **options: Any) -> None:
        super().__init__(app, **options)
        self._head_seconds = head_seconds
        app[WAITING] = set()

    @property
    def server(self) -> Any:
        """What the site makes a protocol with for every connection."""
        made = super().server
        return None if made is None else lambda: self._watched(made())

    def _watched(self, protocol: Any) -> Any:
        self._app[WAITING].add(id(protocol))
        asyncio.get_running_loop().call_later(self._head_seconds, self._give_up, protocol)
        return protocol

    def _give_up(self, protocol: Any) -> None:
        if id(protocol) not in self._app[WAITING]:
            return
        self._app[WAITING].discard(id(protocol))
        if protocol.transport is not None:
            protocol.force_close()
