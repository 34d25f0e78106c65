"""An HTTP runner that does not wait for ever for the first request of a connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bridge.log import get_logger
from bridge.web.head import UnfoldingParser

_log = get_logger()

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
        return None if made is None else lambda: self._watched(self._protocol(made))

    def _protocol(self, made: Any) -> Any:
        return _Protocol(made, loop=asyncio.get_running_loop(), **made._kwargs)

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


class _Protocol(web.RequestHandler):
    """Reads folded headers, and answers what is no HTTP with a bare status and one line in the log."""

    __slots__ = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._parser = UnfoldingParser(self._parser)  # type: ignore[assignment]

    def handle_error(
        self,
        request: Any,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what no handler ever saw; the connection closes after it."""
        _log.warning("request.unreadable", status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, so no other can be given")
        response = web.Response(status=status)
        response.force_close()
        return response
