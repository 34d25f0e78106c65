"""The console: what operators see. `console_app` is its front door.

It has no login yet, so it is served on loopback only. What stands before every route is in `guard.py`.
"""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from bridge.store.unit import Store
from bridge.web.console import guard, live, pages
from bridge.web.console.render import NOW, RENDERER, Renderer, page
from bridge.web.console.settings import SETTINGS, ConsoleOptions

API = "/api/"


def console_app(store: Store, *, now: Callable[[], datetime], settings: ConsoleOptions) -> web.Application:
    """The console as an application to be served by the caller, who keeps the store open."""
    app = web.Application(middlewares=guard.guards(error_page), client_max_size=64 * 1024)
    app[pages.STORE] = store
    app[NOW] = now
    app[SETTINGS] = settings
    app[RENDERER] = Renderer()
    app[live.PULSE] = live.Pulse(store, interval=settings.poll)
    app.cleanup_ctx.append(live.keep_pulse)
    app.on_shutdown.append(live.stop_pulse)
    app.on_response_prepare.append(guard.set_headers)
    app.add_routes(
        [
            web.get("/", pages.show_exchanges),
            web.get("/exchanges/{key}", pages.show_exchange),
            web.get("/rows", pages.show_rows),
            web.get("/live", pages.follow, allow_head=False),
            web.get("/api/v1/exchanges", pages.give_exchanges),
            web.get("/api/v1/exchanges/{key}", pages.give_exchange),
            web.get("/static/{name}", pages.give_static),
        ]
    )
    return app


def error_page(request: web.Request, status: int) -> web.Response:
    """A page, or problem details (RFC 9457) for a path of the API."""
    if request.path.startswith(API):
        problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
        return web.json_response(problem, status=status, content_type="application/problem+json")
    return page(request, "error.html", status=status)
