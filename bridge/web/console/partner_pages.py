"""Partners: how they fare, what was agreed with them, and pausing, resuming or pinging them."""

from http import HTTPStatus

from aiohttp import web
from sqlalchemy import Connection

from bridge.config import PartnerSettings
from bridge.errors import BridgeError
from bridge.flow import mend
from bridge.flow.bridge import Bridge
from bridge.flow.mend import CannotMend
from bridge.flow.ping import ping
from bridge.store.channels import list_channels
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.rows import ExchangeDirection
from bridge.web.console.accounts import audit
from bridge.web.console.now_pages import actor_of
from bridge.web.console.render import lens_of, page
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.views import Lens, Moment

HUB = "hub"


async def show_partners(request: web.Request) -> web.Response:
    return await _partners(request)


async def pause(request: web.Request) -> web.Response:
    return await _hold(request, pausing=True)


async def resume(request: web.Request) -> web.Response:
    return await _hold(request, pausing=False)


async def ping_partner(request: web.Request) -> web.Response:
    """Ask the partner's MSH whether it is there; waits some seconds for its answer."""
    bridge, store, by = request.app[BRIDGE], request.app[STORE], actor_of(request)
    partner = _partner(bridge, request.match_info["party"])
    now = request.app[NOW]()
    await store.write(
        lambda tx: audit(
            tx, who=by.name, role=by.role, action="partner.pinged", target=partner.party_id, at=now
        )
    )
    try:
        asked = await ping(bridge, partner)
    except BridgeError as error:
        return await _partners(request, about=partner.party_id, said="unreachable", why=str(error))
    return await _partners(request, about=partner.party_id, said=asked.reached, why=asked.reason)


async def _hold(request: web.Request, *, pausing: bool) -> web.Response:
    party, reason = request.match_info["party"], await field(request, "reason")
    bridge = request.app[BRIDGE]
    if party != HUB:
        _partner(bridge, party)
    do = mend.pause_partner if pausing else mend.resume_partner
    try:
        await do(bridge, party, dry_run=False, by=actor_of(request), reason=reason)
    except CannotMend as error:
        return await _partners(request, about=party, said="refused", why=str(error))
    raise web.HTTPSeeOther("/partners")


def _partner(bridge: Bridge, party: str) -> PartnerSettings:
    partner = next((p for p in bridge.settings.partners if p.party_id == party), None)
    if partner is None:
        raise web.HTTPNotFound
    return partner


async def _partners(request: web.Request, *, about: str = "", said: str = "", why: str = "") -> web.Response:
    """Every partner and the hub. `said` is what came of asking one of them."""
    bridge, lens = request.app[BRIDGE], lens_of(request)
    parties = [partner.party_id for partner in bridge.settings.partners]
    channels, seen = await request.app[STORE].read(
        lambda tx: ({c.endpoint: c for c in list_channels(tx)}, {p: _last_seen(tx, p, lens) for p in parties})
    )
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
                "agreements": _agreements(bridge, party),
                "endpoints": _endpoints(bridge, party),
                "seen": seen.get(party, {}),
                "pings": party != HUB,
            }
            for party, name, id, events in ends
        ],
    )


def _last_seen(tx: Connection, party: str, lens: Lens) -> dict[str, Moment]:
    """When the newest exchange each way began."""
    found = {}
    for direction in ExchangeDirection:
        wanted = ExchangeFilter(partner=party, direction=direction)
        for exchange in list_exchanges(tx, wanted, limit=1):
            found[str(direction)] = lens.moment(exchange.started_at)
    return found


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
