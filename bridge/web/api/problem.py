"""The one error shape of the API (RFC 9457), and the headers that every answer carries, errors included."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from bridge.errors import Broken, EventRejected, StoreUnavailable
from bridge.hub.json import write_json
from bridge.log import get_logger

API_VERSION: Final = "1.0.0"
PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 30

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SECURITY: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "API-Version": API_VERSION,
    "Server": "bridge",
}

_TITLES: Final = {
    400: "Ongeldig verzoek",
    401: "Niet aangemeld",
    403: "Geen toegang",
    404: "Niet gevonden",
    405: "Methode niet toegestaan",
    406: "Geen passend antwoordformaat",
    408: "Verzoek kwam niet op tijd",
    409: "Strijdig met wat er is",
    410: "Niet meer beschikbaar",
    413: "Verzoek te groot",
    415: "Mediatype niet ondersteund",
    429: "Te veel verzoeken",
    431: "Headers te groot",
    500: "Interne fout",
    503: "Tijdelijk niet beschikbaar",
}

_DETAILS: Final = {
    404: "Op dit adres is niets dat u kunt opvragen.",
    405: "Dit adres kent deze methode niet; de header Allow noemt wat wel kan.",
    413: "De inhoud van het verzoek is groter dan hier wordt aangenomen.",
    417: "De header Expect kan niet worden gevolgd.",
    503: "De brug kan dit verzoek nu niet verwerken. Probeer het later opnieuw.",
}

_log = get_logger()


class Problem(Exception):
    """An answer of 400 or higher. `detail` tells a person what to do and holds nothing of the inside."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def invalid(*errors: tuple[str, str]) -> Problem:
    """400 with every fault at once: pairs of a place and a sentence."""
    found = [{"pointer": where, "detail": text} for where, text in errors]
    return Problem(400, "Het verzoek is niet in orde; zie errors voor elke fout.", members={"errors": found})


def of_rejection(rejected: EventRejected) -> Problem:
    """The broken rules of an event, all of them, each with its id and a JSON pointer (SOH-105)."""
    return Problem(
        rejected.status,
        "De gebeurtenis is niet aangenomen; zie errors voor elke regel die wordt overtreden.",
        members={"errors": [_broken(one) for one in rejected.broken]},
    )


def too_many(seconds: int) -> Problem:
    """429 with the time to wait (SOH-108, SOH-131)."""
    detail = "U doet meer verzoeken dan is afgesproken. Wacht zo lang als de header Retry-After zegt."
    return Problem(429, detail, headers={"Retry-After": str(seconds)})


def unavailable(detail: str = _DETAILS[503], **members: Any) -> Problem:
    """503: the same request may be done again later."""
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}, members=members)


def respond_json(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer in JSON."""
    return web.Response(
        body=write_json(value), status=status, headers=dict(headers or {}), content_type="application/json"
    )


def respond_problem(problem: Problem) -> web.Response:
    """The answer that a problem deserves."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status) or HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    return web.Response(
        body=write_json(body), status=problem.status, headers=problem.headers, content_type=PROBLEM_JSON
    )


@web.middleware
async def dress(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The security headers and the version, on every answer; no name or version of what we are made of."""
    return secure(await handler(request))


def secure(response: web.StreamResponse) -> web.StreamResponse:
    """The response with the headers that none goes without."""
    for name, value in _SECURITY.items():
        response.headers[name] = value
    return response


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong becomes a problem; what nobody foresaw is logged by its kind and told to no one."""
    try:
        return await handler(request)
    except Problem as problem:
        return respond_problem(problem)
    except EventRejected as rejected:
        return respond_problem(of_rejection(rejected))
    except web.HTTPException as error:
        return respond_problem(_of_framework(error))
    except StoreUnavailable:
        # The store told of it when it began.
        return respond_problem(unavailable())
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as surprise:
        _log.error("request.surprise", error=type(surprise).__name__, route=_route(request))
        return respond_problem(
            Problem(500, "Er ging iets mis dat niet was voorzien; het is gemeld bij het beheer van de brug.")
        )


def _of_framework(error: web.HTTPException) -> Problem:
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    detail = _DETAILS.get(error.status, "Het verzoek kan zo niet worden verwerkt.")
    return Problem(error.status, detail, headers=headers)


def _route(request: web.Request) -> str:
    """The pattern of the path, never the path: an identifier says nothing to who reads logs."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else ""


def _broken(broken: Broken) -> dict[str, str]:
    return {"rule": broken.rule, "pointer": broken.where, "detail": broken.text}
