"""Partners: how they fare, what was agreed with them, and pausing, resuming or testing them."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web
from sqlalchemy import Connection

from bridge.config import PartnerSettings
from bridge.errors import ConfigError
from bridge.flow import mend
from bridge.flow.acceptance import Verdict, last_test, try_partner
from bridge.flow.bridge import Bridge
from bridge.flow.mend import CannotMend
from bridge.flow.ping import PATIENCE, QUESTIONS
from bridge.store.channels import HUB, list_channels
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.rows import Channel, ExchangeDirection
from bridge.web.console.fares import LOOKED_AT, Fares, hub_fares, partner_fares, read_known
from bridge.web.console.mend_words import in_words
from bridge.web.console.now_pages import actor_of
from bridge.web.console.render import lens_of, page, words_of
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, STORE
from bridge.web.console.views import Lens, Mark, Moment
from bridge.web.console.whom import Side

SAID = ("tested", "untestable", "paused", "resumed")
"""What came of asking something, as it stands in the address after it: so that a page can be asked for again."""


async def show_partners(request: web.Request) -> web.Response:
    said = request.query.get("said", "")
    return await _partners(request, about=request.query.get("about", ""), said=said if said in SAID else "")


async def pause(request: web.Request) -> web.Response:
    return await _hold(request, pausing=True)


async def resume(request: web.Request) -> web.Response:
    return await _hold(request, pausing=False)


async def try_connection(request: web.Request) -> web.Response:
    """The part of the acceptance test that sends no message: TLS and a Ping. Waits some seconds for an answer."""
    bridge = request.app[BRIDGE]
    partner = _partner(bridge, request.match_info["party"])
    reason, said = words_of(request)("partners.ping"), "tested"
    try:
        await try_partner(bridge, partner, trial=None, within=PATIENCE, by=actor_of(request), reason=reason)
    except ConfigError:
        said = "untestable"
    raise web.HTTPSeeOther(_place(partner.party_id, said))


async def _hold(request: web.Request, *, pausing: bool) -> web.Response:
    party, reason = request.match_info["party"], await field(request, "reason")
    bridge = request.app[BRIDGE]
    if party != HUB:
        _partner(bridge, party)
    do = mend.pause_partner if pausing else mend.resume_partner
    try:
        await do(bridge, party, dry_run=False, by=actor_of(request), reason=reason)
    except CannotMend as error:
        why = in_words(str(error), words_of(request))
        return await _partners(request, about=party, said="refused", why=why)
    raise web.HTTPSeeOther(_place(party, "paused" if pausing else "resumed"))


def _place(party: str, said: str) -> str:
    """Of a partner on the page, with what came of it."""
    return f"/partners?{urlencode({'about': party, 'said': said})}#p-{quote(party, safe='')}"


def _partner(bridge: Bridge, party: str) -> PartnerSettings:
    partner = next((p for p in bridge.settings.partners if p.party_id == party), None)
    if partner is None:
        raise web.HTTPNotFound
    return partner


async def _partners(request: web.Request, *, about: str = "", said: str = "", why: str = "") -> web.Response:
    """Every partner and the hub. `said` and `why` are what came of asking one of them."""
    bridge, lens = request.app[BRIDGE], lens_of(request)
    parties = [partner.party_id for partner in bridge.settings.partners]

    def look(tx: Connection) -> tuple[dict[str, Channel], dict[str, Fares], dict[str, Any], dict[str, Any]]:
        channels = {channel.endpoint: channel for channel in list_channels(tx)}
        known = read_known(tx, lens)
        fares = {party: partner_fares(tx, party, channels.get(party), known, lens) for party in parties}
        fares[HUB] = hub_fares(tx, channels.get(HUB), known, lens)
        seen = {party: _last_seen(tx, party, lens) for party in parties}
        return channels, fares, seen, {party: _tested(tx, party, lens) for party in parties}

    channels, fares, seen, tested = await request.app[STORE].read(look)
    ends = [(p.party_id, p.name, p.party_id, ", ".join(p.events)) for p in bridge.settings.partners]
    ends.append((HUB, lens.words("hub"), bridge.settings.hub.base_url, ""))
    return page(
        request,
        "partners.html",
        status=HTTPStatus.BAD_REQUEST if said == "refused" else HTTPStatus.OK,
        page="partners",
        about=about,
        said=said,
        why=why,
        partners=[
            {
                "party": party,
                "name": name,
                "id": id,
                "events": events,
                "channel": channels.get(party),
                "fares": fares[party],
                "agreements": _agreements(bridge, party),
                "endpoints": _endpoints(bridge, party),
                "seen": seen.get(party),
                "tested": tested.get(party),
                "pings": party != HUB,
                "whom": lens.whom(Side.HUB if party == HUB else Side.PARTNER, party),
            }
            for party, name, id, events in ends
        ],
    )


def _last_seen(tx: Connection, party: str, lens: Lens) -> Moment | None:
    """When the newest message of the partner came in; a question between the two MSHs is none."""
    wanted = ExchangeFilter(partner=party, direction=ExchangeDirection.TO_HUB)
    found = list_exchanges(tx, wanted, limit=LOOKED_AT)
    return next((lens.moment(one.started_at) for one in found if one.title not in QUESTIONS), None)


def _tested(tx: Connection, party: str, lens: Lens) -> dict[str, Any] | None:
    """The last acceptance test, whole or in part, with a mark and words per check."""
    found = last_test(tx, party)
    if found is None:
        return None
    tones = {Verdict.OK: "ok", Verdict.NOTE: "waiting", Verdict.FAILED: "failed"}
    return {
        "at": lens.moment(found.at),
        "by": found.by,
        "checks": [
            {
                "name": lens.words(f"check.{name}.name"),
                "mark": Mark(tone=tones[verdict], word=lens.words(f"check.verdict.{verdict}")),
                "text": lens.words(f"check.{name}.{verdict}"),
            }
            for name, verdict in found.outcomes
        ],
    }


def _endpoints(bridge: Bridge, party: str) -> list[str]:
    """Where the agreements say that this party takes messages."""
    found = {
        other.default_channel.transport.endpoint_url("allPurpose")
        for agreement in bridge.agreements.agreements
        for other in agreement.parties
        if any(party_id.value == party for party_id in other.party_ids)
    }
    return sorted(url for url in found if url)


def _agreements(bridge: Bridge, party: str) -> list[str]:
    return sorted(
        {
            agreement.cpa_id
            for agreement in bridge.agreements.agreements
            for other in agreement.parties
            if any(party_id.value == party for party_id in other.party_ids)
        }
    )
