"""How the bridge is, and telling the hub when that changes or every so often (hub.md, section 14).

One job for all processes, there only when the settings name an event type. What was told last is in the store, so a
restart tells nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.engine import Connection

from bridge.flow.announce import announce
from bridge.flow.bridge import Bridge
from bridge.hub.json import Json
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.access import Waiting, oldest_waiting
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.jobs import add_standing_job, retry_job
from bridge.store.rows import Job

KIND = "health"

_KEY = Key("health")
_STATE = "health.state"
_TOLD = "health.told"

_PATIENCE = timedelta(minutes=5)
"""What waits longer than this is worth telling."""

_log = get_logger()


class Health(StrEnum):
    """In the order of getting worse."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing that the bridge depends on. The reason is in Dutch: it goes to other organisations."""

    name: str
    health: Health
    reason: str | None = None


def examine_work(waiting: Waiting, *, now: datetime) -> tuple[Component, ...]:
    """What the waiting work says of the hub and of the workers."""
    since = now - _PATIENCE
    hub_is_silent = waiting.unanswered is not None and waiting.unanswered < since
    work_waits = waiting.due is not None and waiting.due < since
    return (
        Component(
            name="hub",
            health=Health.DEGRADED if hub_is_silent else Health.HEALTHY,
            reason="een aangeboden gebeurtenis wacht op antwoord van de hub" if hub_is_silent else None,
        ),
        Component(
            name="werkvoorraad",
            health=Health.DEGRADED if work_waits else Health.HEALTHY,
            reason="werk dat aan de beurt is wordt niet opgepakt" if work_waits else None,
        ),
    )


_STORE_TROUBLE = (
    ("full", "de schijf van de opslag is vol"),
    ("readonly", "de opslag kan alleen gelezen worden"),
    ("read-only", "de opslag kan alleen gelezen worden"),
    ("encrypt", "dit proces heeft de sleutel van de opslag niet; het moet opnieuw gestart worden"),
    ("locked", "de opslag wordt door een ander proces bezet gehouden"),
)


def examine_store(trouble: str | None) -> Component:
    """What the failing disk or database is called to others; the log of the bridge says it in full."""
    if trouble is None:
        return Component(name="opslag", health=Health.HEALTHY)
    known = (words for sign, words in _STORE_TROUBLE if sign in trouble)
    reason = next(known, "de opslag en het verwerkingslog antwoorden niet")
    return Component(name="opslag", health=Health.UNHEALTHY, reason=reason)


def start_telling(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there, when something is to be told. Doing it twice is harmless."""
    settings = bridge.settings.health_events
    if settings.change_type is not None or settings.periodic_type is not None:
        add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


async def tell_health(bridge: Bridge, job: Job) -> None:
    """Compare with what was told last, tell what is due, and come back."""
    settings, now = bridge.settings.health_events, bridge.now()

    def work(tx: Connection) -> list[str]:
        components = examine_work(oldest_waiting(tx), now=now)
        state = max((one.health for one in components), key=list(Health).index)
        former = get_cursor(tx, _STATE) or Health.HEALTHY
        told: list[str] = []
        if settings.change_type is not None and former != state:
            recovered = state is Health.HEALTHY and settings.recovery_type
            told.append(recovered or settings.change_type)
        if settings.periodic_type is not None and _is_time(tx, bridge, now):
            told.append(settings.periodic_type)
            set_cursor(tx, _TOLD, now.isoformat(), now)
        for type in told:
            _tell(tx, bridge, type, state, components, now)
        set_cursor(tx, _STATE, state, now)
        due = now + timedelta(seconds=settings.interval_seconds)
        retry_job(tx, job, due=due, reason="comes back", at=now)
        return told

    told = await bridge.store.write(work)
    if told:
        _log.info("health.told", types=told)
        bridge.wake()


def _is_time(tx: Connection, bridge: Bridge, now: datetime) -> bool:
    last = get_cursor(tx, _TOLD)
    every = timedelta(minutes=bridge.settings.health_events.periodic_minutes)
    return not last or now - datetime.fromisoformat(last) >= every


def _tell(
    tx: Connection, bridge: Bridge, type: str, state: Health, components: Sequence[Component], now: datetime
) -> None:
    parts: list[Json] = [
        {"naam": one.name, "status": str(one.health), **({"reden": one.reason} if one.reason else {})}
        for one in components
    ]
    data: dict[str, Json] = {"status": str(state), "onderdelen": parts}
    announce(tx, bridge, type, data, at=now, what="health.told", detail={"status": str(state)})
