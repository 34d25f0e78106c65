"""The Now page: what needs a person, what flows, what waits, and what ends soon."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from bridge.flow.mend import Actor
from bridge.web.console.attention import cause_views, condition_views
from bridge.web.console.examples import examples_of
from bridge.web.console.overview import SLOW, SOON, certificates_in_use, find_overview
from bridge.web.console.render import lens_of, page
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.views import Lens, took_text
from bridge.web.console.visitor import visitor_of
from bridge.web.console.waiting import conditions_of

SHOWN = 8


def actor_of(request: web.Request) -> Actor:
    """Who does what is asked now."""
    visitor = visitor_of(request)
    return Actor(name=visitor.name, role=str(visitor.role or ""), way="console")


async def show_now(request: web.Request) -> web.Response:
    bridge, now, lens = request.app[BRIDGE], request.app[NOW](), lens_of(request)
    store = request.app[STORE]
    found = await store.read(lambda tx: find_overview(tx, now=now))
    causes = await store.read(lambda tx: cause_views(tx, found.causes[:SHOWN], lens))
    examples = await store.read(lambda tx: examples_of(tx, found.causes[:SHOWN]))
    held = await conditions_of(request)
    conditions = await store.read(lambda tx: condition_views(tx, held, bridge, lens))
    endings = [e for e in certificates_in_use(bridge, now=now) if e.ends - now < SOON]
    hour, day = (_local(lens, now - span) for span in (timedelta(hours=1), timedelta(days=1)))
    return page(
        request,
        "now.html",
        page="now",
        causes=causes,
        examples=examples,
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
        urgent=[one for one in conditions if one.urgent],
        conditions=[one for one in conditions if not one.urgent],
        untold=not bridge.settings.alerts.channels,
        ready_jobs=found.ready_jobs,
        routine_jobs=found.routine_jobs,
        slow=found.slow,
        slow_href="/exchanges?" + urlencode({"state": "running", "until": _local(lens, now - SLOW)}),
        slow_minutes=int(SLOW.total_seconds() // 60),
        endings=[{"ending": ending, "moment": lens.moment(ending.ends)} for ending in endings],
    )


def _href(partner: str, **values: str) -> str:
    return "/exchanges?" + urlencode({**values, "partner": partner})


def _local(lens: Lens, at: datetime) -> str:
    """A moment as the filters take it, in the zone of the page."""
    return f"{at.astimezone(lens.zone):%Y-%m-%dT%H:%M:%S}"
