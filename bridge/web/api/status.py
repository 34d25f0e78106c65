"""`GET /status/{interactieId}`: what became of an offered event, for the one who offered it (hub.md, section 7.2)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.flow.offered import Failed, InProgress, Status, Succeeded, follow
from bridge.web.api.media import check_accept
from bridge.web.api.problem import Problem, invalid, respond_json
from bridge.web.api.state import STATE, get_sender, limit


async def get_status(request: web.Request) -> web.Response:
    """One of the three shapes; to others than the offering organisation it does not exist (SOH-96, SOH-97)."""
    state = request.app[STATE]
    caller, _ = get_sender(request)
    limit(state.lookups, request, caller.oin)
    check_accept(request)
    if request.query:
        raise invalid(*((f"query/{name}", "deze parameter bestaat niet") for name in set(request.query)))
    interactie_id = request.match_info["interactieId"]
    status = await follow(state.bridge, oin=caller.oin, interactie_id=interactie_id)
    if status is None:
        raise Problem(404, "U hebt geen gebeurtenis met dit interactieId aangeboden.")
    return respond_json({"interactieId": interactie_id, **_shape(status)})


def _shape(status: Status) -> dict[str, Any]:
    match status:
        case InProgress():
            return {"status": "IN_PROGRESS"}
        case Succeeded(result=result):
            return {"status": "OK", "resultaat": result} if result else {"status": "OK"}
        case Failed(fault=fault, text=text):
            return {"status": "ERROR", "resultaat": {"fout": text, "typeFout": str(fault)}}
