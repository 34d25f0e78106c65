"""The application of the API listener: routes, limits, and the decision point, from the settings."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

from aiohttp import web

from bridge.config import Settings
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge
from bridge.flow.lookup import decide_by_rules
from bridge.web.api.documents import get_asyncapi, get_openapi
from bridge.web.api.limits import RateLimit
from bridge.web.api.operations import BASES, OPERATIONS, Handler
from bridge.web.api.pdp import decision_point
from bridge.web.api.problem import Handler as Inner
from bridge.web.api.problem import Problem, answer_problems, dress
from bridge.web.api.state import STATE, ApiState, load_issuers
from bridge.web.tls import PeerCheck, server_context

_DOCUMENTS: tuple[tuple[str, Handler], ...] = (
    ("/openapi.json", get_openapi),
    ("/asyncapi.json", get_asyncapi),
)


def api_app(bridge: Bridge) -> web.Application:
    """The application. Raises ConfigError for keys of issuers that cannot be used."""
    settings = bridge.settings
    app = web.Application(
        middlewares=[dress, _allow_origins, answer_problems, _refuse_query_token],
        client_max_size=bridge.profile.max_receive,
    )
    app[STATE] = ApiState(
        bridge=bridge,
        issuers=load_issuers(settings.inzage),
        events=RateLimit(settings.api_listener.events_per_minute),
        lookups=RateLimit(settings.inzage.requests_per_minute),
        decide=decide_by_rules(settings.inzage),
    )
    app.cleanup_ctx.append(_with_decision_point)
    for base in BASES:
        for operation in OPERATIONS:
            app.router.add_route(operation.method, f"{base}{operation.path}", operation.handler)
        for path, handler in _DOCUMENTS:
            app.router.add_route("GET", f"{base}{path}", handler)
    return app


def api_tls(settings: Settings, *, check: PeerCheck | None = None) -> ssl.SSLContext | None:
    """The TLS context of the listener; None: plain HTTP, in test mode on loopback only. Raises ConfigError.

    A client certificate is asked for and checked, and needed by every operation but the public ones: without it the
    answer is 401 as a problem, and the documents can be read without one (SOH-111, SOH-147). `check` judges each
    certificate at the handshake, instead of the revocation list as it was at start.
    """
    tls = settings.api_listener.tls
    if tls is None:
        if settings.production:
            raise ConfigError(["api_listener.tls: is missing; production takes no plain HTTP (SOH-153)"])
        return None
    context = server_context(tls, check=check)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def _with_decision_point(app: web.Application) -> AsyncIterator[None]:
    state = app[STATE]
    settings = state.bridge.settings.inzage.pdp
    if settings is None:
        yield
        return
    async with decision_point(state.bridge, settings) as point:
        state.decide, state.pdp = point, point
        yield


@web.middleware
async def _refuse_query_token(request: web.Request, handler: Inner) -> web.StreamResponse:
    """A token in the address would end up in logs on the way (SOH-110)."""
    if "access_token" in request.query:
        raise Problem(
            401,
            "Geef een toegangstoken alleen in de header Authorization.",
            headers={"WWW-Authenticate": 'Bearer realm="bridge", error="invalid_request"'},
        )
    return await handler(request)


@web.middleware
async def _allow_origins(request: web.Request, handler: Inner) -> web.StreamResponse:
    """Web pages of the list may read the answers (API Design Rules, cors)."""
    response = await handler(request)
    origin = request.headers.get("Origin")
    if origin in request.app[STATE].bridge.settings.api_listener.cors_origins:
        response.headers.setdefault("Access-Control-Allow-Origin", origin)
        response.headers.add("Vary", "Origin")
    return response
