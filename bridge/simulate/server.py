"""One small HTTP server for all simulated peers, and their control listener."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Command = Callable[..., Any]
"""Takes the keyword arguments of the control request; its answer (or what it awaits) must fit in JSON."""


class Server:
    """Listens while it lives; `port` is known after `start`."""

    def __init__(self, app: web.Application, *, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._host, self._tls = host, tls
        self.port = port

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()


def make_control(commands: Mapping[str, Command], *, port: int) -> Server:
    """POST /control on plain HTTP, loopback only: `{"do": NAME, …}` → `{"answer": …}`."""

    async def control(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        command = commands.get(asked.pop("do", ""))
        if command is None:
            return web.json_response({"problem": f"do one of {sorted(commands)}"}, status=400)
        try:
            answer = command(**asked)
            if inspect.isawaitable(answer):
                answer = await answer
        except (TypeError, ValueError, LookupError, TimeoutError) as wrong:
            return web.json_response({"problem": f"{type(wrong).__name__}: {wrong}"}, status=400)
        return web.json_response({"answer": answer})

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/control", control)
    return Server(app, host="127.0.0.1", port=port, tls=None)
