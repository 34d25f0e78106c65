"""How much asks for attention, the number at the menu of every page: exchanges and conditions together."""

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.errors import BridgeError
from bridge.flow.bridge import Bridge
from bridge.flow.conditions import Holding, examine_now
from bridge.store.exchanges import count_attention
from bridge.web.console.live import PULSE
from bridge.web.console.rights import Right
from bridge.web.console.state import BRIDGE
from bridge.web.console.visitor import visitor_of

MOST = 100
"""Counted so far and no further: after it stands `99+`, and a page costs the same with a million."""

WAITING = web.RequestKey("waiting", int)
HELD = web.RequestKey("held", tuple[Holding, ...])
_NO_PAGE = ("/api/", "/static/", "/live", "/rows")


async def read_waiting(bridge: Bridge) -> int:
    """Exchanges that need a person, at most `MOST`, and what holds of the bridge itself: all that Attention shows."""
    return (await _look(bridge))[0]


async def _look(bridge: Bridge) -> tuple[int, tuple[Holding, ...]]:
    now = bridge.now()
    exchanges, held = await bridge.store.read(
        lambda tx: (count_attention(tx, most=MOST), examine_now(tx, bridge, now=now))
    )
    return min(MOST, exchanges + len(held)), held


@web.middleware
async def know_waiting(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count for a page that shows the menu. A store that fails is told of by the page, not here."""
    if not request.path.startswith(_NO_PAGE) and visitor_of(request).may(Right.LOOK):
        try:
            request[WAITING], request[HELD] = await _look(request.app[BRIDGE])
            await request.app[PULSE].saw(request[WAITING])
        except BridgeError:
            request[WAITING] = 0
    return await handler(request)


def waiting_of(request: web.Request) -> int:
    """0 where nobody counted."""
    found: int = request.get(WAITING, 0)
    return found


async def conditions_of(request: web.Request) -> tuple[Holding, ...]:
    """What holds of the bridge itself: as it was counted for the menu of this page, else looked at now."""
    if HELD in request:
        return request[HELD]
    return (await _look(request.app[BRIDGE]))[1]
