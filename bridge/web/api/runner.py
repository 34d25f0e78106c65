"""A runner whose answer to HTTP that cannot be parsed is a problem too, as every other error of the API (SOH-144)."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import http_exceptions, web

from bridge.log import get_logger
from bridge.web.api.problem import Problem, respond_problem, secure

_log = get_logger()


class ApiRunner(web.AppRunner):
    """As `web.AppRunner`; use it for the API listener."""

    @property
    def server(self) -> Any:
        """What the site makes a protocol with for every connection."""
        made = super().server
        if made is None:
            return None
        loop = asyncio.get_running_loop()
        # No access log: its lines would hold identifiers.
        return lambda: _Protocol(made, loop=loop, access_log=None)  # type: ignore[arg-type]


class _Protocol(web.RequestHandler):
    """Says nothing of what it is made of, nor repeats what it was sent."""

    __slots__ = ()

    def handle_error(
        self,
        request: Any,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what no handler ever saw; the connection closes after it."""
        _log.info("request.unreadable", status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, so no other can be given")
        if isinstance(exc, http_exceptions.LineTooLong):
            problem = Problem(431, "De eerste regel of een header van het verzoek is te lang.")
        elif status < 500:
            problem = Problem(400, "Het verzoek is geen geldig HTTP.")
        else:
            problem = Problem(500, "Er ging iets mis dat niet was voorzien.")
        response = secure(respond_problem(problem))
        response.force_close()
        return response
