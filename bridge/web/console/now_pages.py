"""What needs a person: the Now page, and the causes behind it with what can be done about each."""

from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web

from bridge.flow.causes import Bulk, Cause, exchanges_of, list_causes, mend_cause, resolve_cause
from bridge.flow.mend import Actor
from bridge.flow.mend_model import CannotMend, check_reason
from bridge.store.rows import Exchange
from bridge.web.console.overview import SLOW, SOON, certificates_in_use, find_overview
from bridge.web.console.render import lens_of, page, words_of
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.views import Lens, line_of, took_text
from bridge.web.console.visitor import visitor_of

SHOWN = 8
LIST = 100
MOST_AT_ONCE = 500


def actor_of(request: web.Request) -> Actor:
    """Who does what is asked now."""
    visitor = visitor_of(request)
    return Actor(name=visitor.name, role=str(visitor.role or ""), way="console")


async def show_now(request: web.Request) -> web.Response:
    bridge, now, lens = request.app[BRIDGE], request.app[NOW](), lens_of(request)
    found = await request.app[STORE].read(lambda tx: find_overview(tx, now=now))
    endings = [e for e in certificates_in_use(bridge, now=now) if e.ends - now < SOON]
    hour, day = (_local(lens, now - span) for span in (timedelta(hours=1), timedelta(days=1)))
    return page(
        request,
        "now.html",
        page="now",
        causes=[cause_view(cause, lens) for cause in found.causes[:SHOWN]],
        more_causes=max(0, len(found.causes) - SHOWN),
        waiting=sum(cause.count for cause in found.causes),
        flows=[
            {
                "name": lens.name(flow.partner),
                "cells": [
                    (flow.to_hub_hour, _href(flow.partner, direction="to-hub", since=hour)),
                    (flow.to_hub_day, _href(flow.partner, direction="to-hub", since=day)),
                    (flow.to_partner_hour, _href(flow.partner, direction="to-partner", since=hour)),
                    (flow.to_partner_day, _href(flow.partner, direction="to-partner", since=day)),
                    (flow.running, _href(flow.partner, state="running")),
                    (flow.attention, _href(flow.partner, state="attention")),
                ],
                "oldest": took_text(now - flow.oldest) if flow.oldest else "",
            }
            for flow in found.flows
        ],
        channels=[
            {"name": lens.name(channel.endpoint), "channel": channel, "reason": channel.reason or ""}
            for channel in found.channels
        ],
        dead_jobs=found.dead_jobs,
        ready_jobs=found.ready_jobs,
        slow=found.slow,
        slow_href="/exchanges?" + urlencode({"state": "running", "until": _local(lens, now - SLOW)}),
        slow_minutes=int(SLOW.total_seconds() // 60),
        problems=[f"{name}: {line}" for name, lines in bridge.problems.items() for line in lines],
        endings=[{"ending": ending, "moment": lens.moment(ending.ends)} for ending in endings],
    )


async def show_attention(request: web.Request) -> web.Response:
    lens = lens_of(request)
    causes = await request.app[STORE].read(list_causes)
    return page(
        request,
        "attention.html",
        page="attention",
        causes=[cause_view(cause, lens) for cause in causes],
        more=any(cause.more for cause in causes),
    )


async def show_cause(request: web.Request) -> web.Response:
    return await _cause_page(request, bulk=None, problem="")


async def mend_many(request: web.Request) -> web.Response:
    return await _do(request, settle=False)


async def settle_many(request: web.Request) -> web.Response:
    return await _do(request, settle=True)


async def _do(request: web.Request, *, settle: bool) -> web.Response:
    """Mend or settle up to the number that was typed; the page tells what came of it."""
    bridge, cause = request.app[BRIDGE], request.match_info["cause"]
    limit, reason = await field(request, "limit"), await field(request, "reason")
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 0 < int(limit) <= MOST_AT_ONCE):
        return await _cause_page(request, bulk=None, problem="mend.bad_limit")
    try:
        text = check_reason(reason)
    except CannotMend:
        return await _cause_page(request, bulk=None, problem="mend.bad_reason")
    by = actor_of(request)
    if settle:
        bulk = await resolve_cause(bridge, cause, limit=int(limit), by=by, note=text)
    else:
        bulk = await mend_cause(bridge, cause, limit=int(limit), by=by, reason=text)
    return await _cause_page(request, bulk=bulk, problem="")


async def _cause_page(request: web.Request, *, bulk: Bulk | None, problem: str) -> web.Response:
    lens, id = lens_of(request), request.match_info["cause"]
    causes, exchanges = await request.app[STORE].read(
        lambda tx: (list_causes(tx), exchanges_of(tx, id, limit=LIST))
    )
    cause = next((cause for cause in causes if cause.id == id), None)
    if cause is None and bulk is None:
        raise web.HTTPNotFound
    return page(
        request,
        "cause.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        page="attention",
        id=id,
        cause=cause_view(cause, lens) if cause else None,
        lines=[line_of(exchange, lens) for exchange in exchanges],
        first=_first(exchanges),
        bulk=bulk,
        problem=words_of(request)(problem, n=MOST_AT_ONCE) if problem else "",
        most=MOST_AT_ONCE,
    )


def _first(exchanges: tuple[Exchange, ...]) -> str:
    return exchanges[0].key if exchanges else ""


def cause_view(cause: Cause, lens: Lens) -> dict[str, object]:
    return {
        "id": cause.id,
        "count": cause.count,
        "partner": lens.name(cause.partner),
        "title": cause.title.rpartition(".")[2] or cause.title,
        "text": cause.text or "–",
        "oldest": lens.moment(cause.oldest),
        "href": f"/attention/{cause.id}",
    }


def _href(partner: str, **values: str) -> str:
    return "/exchanges?" + urlencode({**values, "partner": partner})


def _local(lens: Lens, at: datetime) -> str:
    """A moment as the filters take it, in the zone of the page."""
    return f"{at.astimezone(lens.zone):%Y-%m-%dT%H:%M:%S}"
