"""`GET /inzage/{type}`: what of a kind the caller may know of, page by page and filtered."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final, assert_never

from aiohttp import web

from bridge.flow.lookup import Refused, Undecided
from bridge.flow.lookup_list import Page, WantedPage, list_page
from bridge.ids import Key, Oin
from bridge.inzage.access import Requester
from bridge.inzage.paging import open_place, seal_place
from bridge.inzage.record import continue_trace
from bridge.web.api.inzage import NO_MOMENT, NOT_FOUND, TYPE, read_moment, to_moment
from bridge.web.api.media import check_accept
from bridge.web.api.problem import Problem, invalid, respond_json, unavailable
from bridge.web.api.state import STATE, ApiState, get_requester, limit

DEFAULT_SIZE: Final = 20
MOST_SIZE: Final = 100

_PARAMETERS: Final = ("paginaGrootte", "na", "beschikbaarVanaf", "beschikbaarTot", "bronhouder")
_SIZE: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_OIN: Final = re.compile(r"[0-9]{20}", re.ASCII)


async def get_list(request: web.Request) -> web.Response:
    """A page at level 0, newest first; the next one is in `volgende` and in the header Link."""
    state = request.app[STATE]
    requester = get_requester(request)
    limit(state.lookups, request, requester.via)
    check_accept(request)
    wanted = _read(request, state, requester)
    outcome = await list_page(state.bridge, wanted, ask=state.decide)
    match outcome:
        case Page():
            return _show(request, state, requester, outcome)
        case Refused(by_scope=True):
            challenge = 'Bearer realm="bridge", error="insufficient_scope"'
            raise Problem(
                403, "De scope van uw token geeft deze soort niet.", headers={"WWW-Authenticate": challenge}
            )
        case Refused():
            header = state.bridge.settings.inzage.purpose_header
            raise Problem(403, f"Noem het doel van uw inzage in de header {header}.")
        case Undecided():
            raise unavailable("Er kan nu niet worden beslist wat u mag inzien. Probeer het later.")
        case _:
            assert_never(outcome)


def _read(request: web.Request, state: ApiState, requester: Requester) -> WantedPage:
    as_of = read_moment(request, others=_PARAMETERS)
    resource_type = request.match_info["type"]
    if not TYPE.fullmatch(resource_type):
        raise Problem(404, NOT_FOUND)
    query = _Query(request)
    size, owner = query.matching("paginaGrootte", _SIZE), query.matching("bronhouder", _OIN)
    if size is not None and int(size) > MOST_SIZE:
        query.refuse("paginaGrootte", f"een getal van 1 tot en met {MOST_SIZE}")
    since, until = query.moment("beschikbaarVanaf"), query.moment("beschikbaarTot")
    after = query.one("na")
    place = open_place(state.bridge.person_key, after, reader=requester.oin) if after is not None else None
    if after is not None and place is None:
        query.refuse("na", "geen vervolg dat u van ons kreeg; begin opnieuw zonder deze parameter")
    if query.errors:
        raise invalid(*query.errors)
    return WantedPage(
        type=resource_type,
        requester=requester,
        trace=continue_trace(request.headers.get("traceparent"), state.bridge.random(24)),
        size=int(size or DEFAULT_SIZE),
        after=Key(place) if place is not None else None,
        since=since,
        until=until,
        owner=Oin(owner) if owner is not None else None,
        as_of=as_of,
    )


def _show(request: web.Request, state: ApiState, requester: Requester, page: Page) -> web.Response:
    body: dict[str, Any] = {"resultaten": list(page.views)}
    if page.ended is None:
        return respond_json(body)
    place = seal_place(state.bridge.person_key, page.ended, reader=requester.oin)
    body["volgende"] = str(request.rel_url.update_query({"na": place}))
    return respond_json(body, headers={"Link": f'<{body["volgende"]}>; rel="next"'})


class _Query:
    """Each parameter at most once; every fault is kept, to be told together."""

    def __init__(self, request: web.Request) -> None:
        self._query = request.query
        self.errors: list[tuple[str, str]] = []

    def refuse(self, name: str, text: str) -> None:
        self.errors.append((f"query/{name}", text))

    def one(self, name: str) -> str | None:
        values = self._query.getall(name, [])
        if len(values) > 1:
            self.refuse(name, "geef deze parameter een keer")
        return values[0] if values else None

    def matching(self, name: str, pattern: re.Pattern[str]) -> str | None:
        value = self.one(name)
        if value is None or pattern.fullmatch(value):
            return value
        self.refuse(
            name, "een OIN van 20 cijfers" if pattern is _OIN else f"een getal van 1 tot en met {MOST_SIZE}"
        )
        return None

    def moment(self, name: str) -> datetime | None:
        value = self.one(name)
        moment = to_moment(value) if value is not None else None
        if value is not None and moment is None:
            self.refuse(name, NO_MOMENT)
        return moment
