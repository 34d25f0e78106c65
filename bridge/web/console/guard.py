"""What stands before every route: the server's name, the methods, the security headers and the error pages.

A login goes here too, as one more middleware of `guards`: no route is reached around it.
"""

import ipaddress
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge.log import get_logger
from bridge.web.console.settings import SETTINGS

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

ERROR_STATUSES = frozenset({400, 404, 405, 421, 503})
"""What may be answered besides good news; everything else is a 500."""


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: every answer of the console carries these, also a stream and an error."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "bridge"


def guards(error_page: Callable[[web.Request, int], web.Response]) -> tuple[Middleware, ...]:
    """The middlewares, outermost first. `error_page` answers with a status of `ERROR_STATUSES` or 500."""

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        """No fault leaves the console as anything but one of its own pages."""
        try:
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            status = error.status if error.status in ERROR_STATUSES else 500
            response = error_page(request, status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except Exception as error:
            get_logger().error("console.failed", route=_route(request), error=type(error).__name__)
            return error_page(request, 500)

    @web.middleware
    async def know_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        """A name that is not ours is a page of somebody else that rebinds its DNS name to this address."""
        if not is_known_host(request.headers.get("Host", ""), request.app[SETTINGS].public_names):
            raise web.HTTPMisdirectedRequest
        return await handler(request)

    @web.middleware
    async def only_look(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])
        return await handler(request)

    return answer_errors, know_host, only_look


def is_known_host(host: str, public_names: tuple[str, ...]) -> bool:
    """Whether a Host header names this machine's loopback or one of the configured names, with any port."""
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if port and not port.isdecimal():
        return False
    if name.lower().rstrip(".") in {"localhost", *(n.lower() for n in public_names)}:
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"
