"""The console: what operators see and do. `console_app` is its front door.

What stands before every route is in `guard.py`; which route asks which right in `routes.py`.
"""

from http import HTTPStatus

from aiohttp import web

from bridge.flow.bridge import Bridge
from bridge.web.console import guard, live, oidc_pages
from bridge.web.console.provider import Provider
from bridge.web.console.render import RENDERER, Renderer, page
from bridge.web.console.routes import RIGHTS_OF_ROUTES, add_routes
from bridge.web.console.session_pages import LOG_OUT_THERE
from bridge.web.console.settings import SETTINGS, ConsoleOptions
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.waiting import read_waiting

API = "/api/"
MOST_OCTETS = 4 * 1024 * 1024
"""The largest form: an agreement, or a message for the playground."""


def console_app(bridge: Bridge, *, settings: ConsoleOptions) -> web.Application:
    """The console as an application to be served by the caller, who keeps the store open."""
    app = web.Application(middlewares=guard.guards(error_page, RIGHTS_OF_ROUTES), client_max_size=MOST_OCTETS)
    app[BRIDGE] = bridge
    app[STORE] = bridge.store
    app[NOW] = bridge.now
    app[SETTINGS] = settings
    app[RENDERER] = Renderer()
    if settings.oidc is not None:
        app[oidc_pages.PROVIDER] = Provider(settings.oidc, now=bridge.now)
        app[LOG_OUT_THERE] = oidc_pages.log_out_there
    app[live.PULSE] = live.Pulse(bridge.store, interval=settings.poll, count=lambda: read_waiting(bridge))
    app.cleanup_ctx.append(live.keep_pulse)
    app.on_shutdown.append(live.stop_pulse)
    app.on_response_prepare.append(guard.set_headers)
    add_routes(app)
    return app


def error_page(request: web.Request, status: int) -> web.Response:
    """A page, or problem details (RFC 9457) for a path of the API."""
    if request.path.startswith(API):
        problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
        return web.json_response(problem, status=status, content_type="application/problem+json")
    told = "403.form" if status == HTTPStatus.FORBIDDEN and request.get(guard.STALE_FORM) else str(status)
    return page(request, "error.html", status=status, told=told)
