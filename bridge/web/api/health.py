"""Health for people and central pollers, and the two questions of an orchestrator (hub.md, section 14).

Healthy, degraded and unhealthy are told apart per component with a reason; the components only to callers with a
certificate, the state to everyone.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.errors import StoreUnavailable
from bridge.flow.health import Component, Health, examine_store, examine_work
from bridge.store.access import Waiting, oldest_waiting
from bridge.web.api.media import check_accept
from bridge.web.api.problem import Problem, respond_json, unavailable
from bridge.web.api.state import STATE, ApiState, find_caller


async def get_health(request: web.Request) -> web.Response:
    """200 for healthy and degraded, 503 for unhealthy (SOH-157)."""
    check_accept(request)
    components = await examine(request.app[STATE])
    state = max((one.health for one in components), key=list(Health).index)
    shown: dict[str, Any] = {}
    if find_caller(request) is not None:
        shown["componenten"] = [_shape(one) for one in components]
    if state is Health.UNHEALTHY:
        raise unavailable("De brug kan nu geen werk aannemen.", gezondheid=str(state), **shown)
    return respond_json({"status": str(state), **shown})


async def get_live(request: web.Request) -> web.Response:
    """The process answers."""
    check_accept(request)
    return respond_json({"status": str(Health.HEALTHY)})


async def get_ready(request: web.Request) -> web.Response:
    """The process can take requests: its store answers."""
    check_accept(request)
    if (await _examine_store(request.app[STATE]))[0].health is Health.UNHEALTHY:
        raise Problem(503, "De brug kan nu geen verzoeken aannemen.", headers={"Retry-After": "5"})
    return respond_json({"status": str(Health.HEALTHY)})


async def examine(state: ApiState) -> tuple[Component, ...]:
    """Every component with its state and, when it is not healthy, the reason."""
    store, waiting = await _examine_store(state)
    found = [store]
    if waiting is not None:
        found += examine_work(waiting, now=state.bridge.now())
    if state.pdp is not None:
        is_down = state.pdp.is_reachable is False
        found.append(
            Component(
                name="beslispunt",
                health=Health.DEGRADED if is_down else Health.HEALTHY,
                reason="de laatste vraag om een beslissing bleef onbeantwoord" if is_down else None,
            )
        )
    return tuple(found)


async def _examine_store(state: ApiState) -> tuple[Component, Waiting | None]:
    """The store holds the processing log too: without it no lookup is answered."""
    store = state.bridge.store
    try:
        waiting = await store.read(oldest_waiting)
    except StoreUnavailable as error:
        return examine_store(store.trouble or str(error)), None
    return examine_store(store.trouble), waiting


def _shape(component: Component) -> dict[str, str]:
    shape = {"naam": component.name, "status": str(component.health)}
    return shape | ({"reden": component.reason} if component.reason else {})
