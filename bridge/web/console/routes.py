"""Every route of the console, with the right that it asks. A route that is not here does not exist."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.web.console import pages, session_pages
from bridge.web.console.rights import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`right` is asked before the handler is called."""

    method: str
    path: str
    handler: Handler
    right: Right


def _get(path: str, handler: Handler, right: Right) -> Route:
    return Route(method="GET", path=path, handler=handler, right=right)


def _post(path: str, handler: Handler, right: Right) -> Route:
    return Route(method="POST", path=path, handler=handler, right=right)


ROUTES: Sequence[Route] = (
    _get("/static/{name}", pages.give_static, Right.ANYONE),
    _get("/login", session_pages.show_login, Right.ANYONE),
    _post("/login", session_pages.log_in, Right.ANYONE),
    _get("/login/{token}", session_pages.use_link, Right.ANYONE),
    _post("/logout", session_pages.log_out, Right.SELF),
    _get("/account", session_pages.show_account, Right.SELF),
    _post("/account/password", session_pages.change_password, Right.SELF),
    _get("/", pages.show_exchanges, Right.LOOK),
    _get("/exchanges/{key}", pages.show_exchange, Right.LOOK),
    _get("/rows", pages.show_rows, Right.LOOK),
    _get("/live", pages.follow, Right.LOOK),
    _get("/api/v1/exchanges", pages.give_exchanges, Right.LOOK),
    _get("/api/v1/exchanges/{key}", pages.give_exchange, Right.LOOK),
)

RIGHTS_OF_ROUTES = {(route.method, route.path): route.right for route in ROUTES}


def add_routes(app: web.Application) -> None:
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.handler)
        if route.method == "GET" and route.path != "/live":
            app.router.add_route("HEAD", route.path, route.handler)
