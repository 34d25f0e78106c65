"""Why trying again would not help now: asked before it is offered."""

from aiohttp import web

from bridge.flow.runs import plan_for
from bridge.ids import Key
from bridge.store.rows import RunWhat
from bridge.web.console.now_pages import actor_of
from bridge.web.console.rights import Right
from bridge.web.console.state import BRIDGE
from bridge.web.console.visitor import visitor_of


async def hindrance_of(request: web.Request, exchange: Key) -> str:
    """As it was recorded; it is tried out, nothing is changed. Empty when nothing is in the way."""
    if not visitor_of(request).may(Right.TRY):
        return ""
    plan = await plan_for(request.app[BRIDGE], (exchange,), RunWhat.MEND, by=actor_of(request))
    return plan.impossible[0][1] if plan.impossible else ""
