"""What a connected party can try without help: an event that is only checked, and its own connection step by step.

Nothing is stored and nothing goes further (hub.md, section 14).
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Any, assert_never

from aiohttp import web

from bridge.flow.health import Health
from bridge.flow.rehearse import Became, BecameNothing, LookedUp, rehearse
from bridge.hub.cncf import Finding
from bridge.hub.event import to_members
from bridge.hub.profile import Mode, accept_http
from bridge.inzage.access import scope_level
from bridge.web.api.health import examine
from bridge.web.api.media import check_accept, check_identity_encoding
from bridge.web.api.problem import Problem, respond_json
from bridge.web.api.state import STATE, ApiState, Caller, find_caller, find_claims, get_caller, limit


class Outcome(StrEnum):
    """How one step of the connection fared."""

    GOOD = "goed"
    WRONG = "fout"
    NOT_ASKED = "niet gevraagd"


async def post_test_event(request: web.Request) -> web.Response:
    """Check an event as `POST /events` would, and try out what comes of it; keep nothing (SOH-159, SOH-160)."""
    state = request.app[STATE]
    caller = get_caller(request)
    limit(state.events, request, caller.oin)
    check_identity_encoding(request)
    if "Content-Type" not in request.headers:
        raise Problem(415, "Noem het mediatype van de gebeurtenis in de header Content-Type.")
    check_accept(request)
    try:
        async with asyncio.timeout(state.bridge.settings.api_listener.read_timeout_seconds):
            body = await request.read()
    except TimeoutError as error:
        raise Problem(408, "De gebeurtenis kwam niet op tijd binnen.") from error
    event, findings = accept_http(
        tuple(request.headers.items()), body, Mode.RECEIVE, profile=state.bridge.profile
    )
    tried = await rehearse(state.bridge, event, oin=caller.oin)
    return respond_json(
        {
            "inOrde": True,
            "bevindingen": [_shape(finding) for finding in findings],
            "wordt": _became(tried.became),
            "inzageBijU": _looked_up(tried.looked_up),
            "testgebeurtenis": to_members(tried.returned),
        }
    )


def _became(became: Became | BecameNothing) -> dict[str, Any]:
    match became:
        case Became(mapping=mapping, service=service, action=action, payload=payload):
            found = {"mapping": mapping, "dienst": service, "actie": action, "bericht": payload}
            return {name: value for name, value in found.items() if value is not None}
        case BecameNothing(is_mapped=False):
            return {"uitleg": "Van gebeurtenissen van dit type maakt de brug geen bericht."}
        case BecameNothing(rules=rules):
            text = "De brug kan hier geen bericht van maken; de gegevens bij de bron ontbreken of zijn onvolledig."
            return {"uitleg": text, "regels": list(rules)}
        case _:
            assert_never(became)


def _looked_up(looked_up: LookedUp) -> dict[str, str]:
    if looked_up.worked is None:
        text = "De gebeurtenis verwijst niet naar een bron van uw organisatie die de brug kent."
        return {"uitslag": Outcome.NOT_ASKED, "uitleg": text}
    if looked_up.worked:
        return {"uitslag": Outcome.GOOD, "uitleg": "De brug heeft de gegevens bij uw bron opgehaald."}
    return {"uitslag": Outcome.WRONG, "uitleg": f"De brug kreeg de gegevens niet: {looked_up.status}."}


async def get_connection(request: web.Request) -> web.Response:
    """Which step of certificate, token, scope, offering and services holds, and which does not (SOH-158)."""
    state = request.app[STATE]
    check_accept(request)
    caller = find_caller(request)
    if caller is None:
        text = "Meld u aan met een clientcertificaat van PKIoverheid waarin uw OIN staat."
        return respond_json(_told([("certificaat", Outcome.WRONG, text)]))
    limit(state.lookups, request, caller.oin)
    steps = [("certificaat", Outcome.GOOD, f"Uw OIN is {caller.oin}.")]
    steps += _token_and_scope(request, state, caller)
    steps += [_offering(state, caller), await _services(state)]
    return respond_json(_told(steps))


_Step = tuple[str, Outcome, str]


def _token_and_scope(request: web.Request, state: ApiState, caller: Caller) -> list[_Step]:
    needed = state.bridge.settings.inzage.token == "required"  # noqa: S105 - a setting, no password
    try:
        claims = find_claims(request, state, caller)
    except Problem as problem:
        return [
            ("token", Outcome.WRONG, problem.detail),
            ("scope", Outcome.NOT_ASKED, "Zonder token geen scope."),
        ]
    if claims is None:
        text = "Voor inzage is een toegangstoken nodig." if needed else "Het certificaat alleen is genoeg."
        step = Outcome.WRONG if needed else Outcome.NOT_ASKED
        return [("token", step, text), ("scope", Outcome.NOT_ASKED, "Zonder token geen scope.")]
    functions = {scope.partition(":")[0] for scope in claims[1]}
    opens = any(scope_level(claims[1], function=name, names={}) is not None for name in functions)
    text = "Een scope van het token opent inzage." if opens else "Geen scope van het token opent inzage."
    return [
        ("token", Outcome.GOOD, "Het token is geldig op deze verbinding."),
        ("scope", Outcome.GOOD if opens else Outcome.WRONG, text),
    ]


def _offering(state: ApiState, caller: Caller) -> _Step:
    senders = state.bridge.settings.api_listener.senders
    if any(sender.oin == caller.oin for sender in senders):
        return "aanbieden", Outcome.GOOD, "Uw organisatie mag gebeurtenissen aanbieden."
    return "aanbieden", Outcome.WRONG, "Uw organisatie mag geen gebeurtenissen aanbieden; vraag het beheer."


async def _services(state: ApiState) -> _Step:
    ill = [one.name for one in await examine(state) if one.health is not Health.HEALTHY]
    if ill:
        return "diensten", Outcome.WRONG, f"Niet gezond: {', '.join(ill)}."
    return "diensten", Outcome.GOOD, "De diensten achter de verbinding zijn gezond."


def _told(steps: list[_Step]) -> dict[str, object]:
    return {
        "inOrde": all(outcome is not Outcome.WRONG for _, outcome, _ in steps),
        "stappen": [{"stap": name, "uitslag": str(outcome), "uitleg": text} for name, outcome, text in steps],
    }


def _shape(finding: Finding) -> dict[str, str]:
    return {"rule": finding.rule, "pointer": finding.where, "detail": finding.text}
