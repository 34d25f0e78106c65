"""What stands before every route: the server's name, who is asking, what they may do, and the error pages.

No route is reached around it: a route without a right in the table of `routes.py` is answered to nobody.
"""

import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge.log import get_logger
from bridge.store.rows import Account, Role
from bridge.web.console.accounts import find_visitor
from bridge.web.console.rights import OPEN, Right
from bridge.web.console.settings import SETTINGS, ConsoleOptions
from bridge.web.console.state import NOW, STORE
from bridge.web.console.visitor import (
    FORM_FIELD,
    LOCAL,
    VISITOR,
    Visitor,
    new_visit,
    read_token,
    session_cookie,
    set_cookie,
    visit_cookie,
    visitor_of,
)
from bridge.web.console.waiting import know_waiting

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

STALE_FORM = web.RequestKey("stale_form", bool)
"""Whether a form was not of this visitor, or of too long ago: another reason for 403 than a role."""
ERROR_STATUSES = frozenset({400, 401, 403, 404, 405, 409, 413, 421, 503})
"""What may be answered besides good news; everything else is a 500."""

LOGIN, PASSWORD = "/login", "/account"
STREAM = "/live"
SAFE = frozenset({"GET", "HEAD"})

RightsOfRoutes = Mapping[tuple[str, str], Right]
"""Method and path pattern → the right that it asks."""


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: every answer of the console carries these, also a stream and an error."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "bridge"
    if request.app[SETTINGS].secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def guards(
    error_page: Callable[[web.Request, int], web.Response], rights: RightsOfRoutes
) -> tuple[Middleware, ...]:
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
            if status == 401:
                response.headers["WWW-Authenticate"] = 'Cookie realm="console"'
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
    async def know_visitor(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who is asking; a browser that is not logged in gets a token for its forms. A machine has no business with
        either."""
        if _is_signed(request, rights):
            return await handler(request)
        visitor, fresh = await _visitor(request)
        request[VISITOR] = visitor
        response = await handler(request)
        if fresh and not response.prepared and visit_cookie(request) not in response.cookies:
            set_cookie(request, response, visit_cookie(request), visitor.token)
        return response

    @web.middleware
    async def check_right(request: web.Request, handler: Handler) -> web.StreamResponse:
        visitor, right = visitor_of(request), _right(request, rights)
        if right not in OPEN:
            if visitor.role is None:
                raise _ask_to_log_in(request)
            if visitor.must_choose and right is not Right.SELF:
                raise web.HTTPSeeOther(PASSWORD)
            if not visitor.may(right):
                raise web.HTTPForbidden
        return await handler(request)

    @web.middleware
    async def check_form(request: web.Request, handler: Handler) -> web.StreamResponse:
        """What changes something must come from a form of this visitor on one of our own pages."""
        known = request.match_info.http_exception is None
        if request.method not in SAFE and known and not _is_signed(request, rights):
            request[STALE_FORM] = True
            if not _is_from_here(request):
                raise web.HTTPForbidden
            token = (await request.post()).get(FORM_FIELD)
            if not isinstance(token, str) or not visitor_of(request).owns(token):
                raise web.HTTPForbidden
            request[STALE_FORM] = False
        return await handler(request)

    return answer_errors, know_host, know_visitor, know_waiting, check_right, check_form


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


async def _visitor(request: web.Request) -> tuple[Visitor, bool]:
    """Who asks, and whether its token is new to the browser."""
    settings = request.app[SETTINGS]
    if settings.login and (token := read_token(request, session_cookie(request))):
        found = await find_visitor(
            request.app[STORE],
            token,
            now=request.app[NOW](),
            lifetime=settings.lifetime,
            touch=request.path != STREAM,
        )
        if found is not None and _vouched(found[1], settings):
            session, account = found
            visitor = Visitor(
                name=account.name, role=account.role, token=token, account=account, session=session
            )
            return visitor, False
    visit = read_token(request, visit_cookie(request))
    token = visit or new_visit()
    if settings.login:
        return Visitor(token=token), not visit
    return Visitor(name=LOCAL, role=Role.OPERATOR, token=token), not visit


def _vouched(account: Account, settings: ConsoleOptions) -> bool:
    """Whether this kind of account may be logged in now: the settings may have changed since it did."""
    if account.issued_by is None:
        return settings.local
    return settings.oidc is not None and account.issued_by == settings.oidc.issuer


def _is_signed(request: web.Request, rights: RightsOfRoutes) -> bool:
    """Whether the caller proves itself by a token in the call, which its handler judges."""
    resource = request.match_info.route.resource
    return resource is not None and rights.get((request.method, resource.canonical)) is Right.SIGNED


def _right(request: web.Request, rights: RightsOfRoutes) -> Right:
    """What the route asks. What is no route is a page that only a visitor may know is not there."""
    if request.match_info.http_exception is not None:
        return Right.SELF
    resource = request.match_info.route.resource
    path = resource.canonical if resource else ""
    method = "GET" if request.method == "HEAD" else request.method
    found = rights.get((method, path))
    if found is None:
        raise web.HTTPForbidden
    return found


def _ask_to_log_in(request: web.Request) -> web.HTTPException:
    """For a page the login page, which leads back to it; for a program a status."""
    if request.path.startswith("/api/") or request.path in (STREAM, "/rows"):
        return web.HTTPUnauthorized()
    back = request.path_qs if request.method in SAFE and request.path_qs != "/" else ""
    return web.HTTPSeeOther(f"{LOGIN}?next={quote(back, safe='')}" if back else LOGIN)


def _is_from_here(request: web.Request) -> bool:
    """What browsers say of where a request comes from; they all say at least one of these."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin in (None, "null") or urlsplit(origin).netloc == request.headers.get("Host")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"
