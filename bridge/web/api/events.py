"""`POST /events` takes an event, `OPTIONS /events` is the webhook handshake (hub.md, sections 7.1 and 12)."""

from __future__ import annotations

import asyncio
from typing import assert_never

from aiohttp import web

from bridge.flow.offered import Conflict, NotYours, Taken, offer
from bridge.log import get_logger
from bridge.web.api.media import check_accept, check_identity_encoding
from bridge.web.api.problem import Problem, respond_json
from bridge.web.api.state import STATE, get_sender, limit

_log = get_logger()


async def post_event(request: web.Request) -> web.Response:
    """202 with the interactieId, after the event is stored (SOH-95)."""
    state = request.app[STATE]
    caller, sender = get_sender(request)
    limit(state.events, request, caller.oin)
    check_identity_encoding(request)
    if "Content-Type" not in request.headers:
        raise Problem(415, "Noem het mediatype van de gebeurtenis in de header Content-Type.")
    check_accept(request)
    outcome = await offer(
        state.bridge,
        oin=caller.oin,
        any_source=sender.any_source,
        headers=tuple(request.headers.items()),
        body=await _read(request, state.bridge.settings.api_listener.read_timeout_seconds),
    )
    match outcome:
        case Taken(interactie_id=interactie_id):
            base = request.path.removesuffix("/events")
            headers = {"Location": f"{base}/status/{interactie_id}"} if _fits_path(interactie_id) else {}
            return respond_json({"interactieId": interactie_id}, status=202, headers=headers)
        case Conflict(text=text):
            _log.warning("event.conflict", oin=caller.oin, reason=text)
            raise Problem(
                409, "Onder dit id is eerder een andere gebeurtenis aangeboden; gebruik een nieuw id."
            )
        case NotYours():
            _log.warning("event.refused", oin=caller.oin, reason="the source is of another organisation")
            raise Problem(403, "De source van de gebeurtenis is niet van uw organisatie.")
        case _:
            assert_never(outcome)


async def handshake(request: web.Request) -> web.Response:
    """Consent for origins on the list, at most at our own rate; for others these headers are absent (SOH-106)."""
    settings = request.app[STATE].bridge.settings.api_listener
    headers = {"Allow": "POST, OPTIONS"}
    origin = request.headers.get("WebHook-Request-Origin", "").strip()
    if origin and origin in settings.webhook_origins:
        headers["WebHook-Allowed-Origin"] = origin
        headers["WebHook-Allowed-Rate"] = str(
            _rate(request.headers.get("WebHook-Request-Rate"), settings.events_per_minute)
        )
    if "WebHook-Request-Callback" in request.headers:
        # A person decides whether to call it: an address that a stranger gives is never called by itself (SOH-107).
        _log.warning("webhook.callback_asked", known_origin=origin in settings.webhook_origins)
    return web.Response(status=204, headers=headers)


async def _read(request: web.Request, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError as error:
        raise Problem(408, "De gebeurtenis kwam niet op tijd binnen.") from error


def _rate(asked: str | None, own: int) -> int:
    if asked is None or not (asked.isascii() and asked.isdigit()) or len(asked) > 9:
        return own
    return min(max(int(asked), 1), own)


def _fits_path(text: str) -> bool:
    return text.isascii() and all(char.isalnum() or char in "-._~" for char in text)
