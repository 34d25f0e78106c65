"""A night in which something of everything happened, and the address of an example of every page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from bridge.config import AlertSettings, EmailChannel, WebhookChannel
from bridge.demo import BRIDGE, CPA_ID, MAPPINGS, POLICE, SAMPLE
from bridge.flow import alerts
from bridge.flow.acceptance import TESTED
from bridge.flow.alerts import start_watching
from bridge.flow.causes import list_causes
from bridge.flow.jobs import make_worker
from bridge.flow.mend_model import Actor, write_audit
from bridge.flow.runs import start_run, take_up
from bridge.store.access import add_access
from bridge.store.channels import note_failure, pause
from bridge.store.keys import KeyMaker
from bridge.store.rows import (
    Access,
    AccessOutcome,
    Direction,
    EventState,
    ExchangeState,
    MessageState,
    RunWhat,
)
from bridge.web.console.routes import ROUTES
from tests.browser.pictures import NO_PAGE
from tests.web.console.conftest import NOW

ANNA = Actor(name="anna", role="operator")
POLICE_ID, HOME_ID = POLICE.oin, BRIDGE.oin
EVENT = MAPPINGS / "stuf-jz" / "melding-generiek.cases" / "from-event.json"

PAGES = tuple(route.path for route in ROUTES if route.method == "GET" and route.path not in NO_PAGE)


@pytest.fixture
def bridge(bridge: Any) -> Any:
    """With people who are told, who are nowhere."""
    mail = EmailChannel(
        name="wacht",
        host="127.0.0.1",
        port=9,
        security="none",
        sender="brug@example.nl",
        recipients=("wacht@example.nl",),
        quiet_from="22:00",
        quiet_until="07:00",
        timeout_seconds=1,
    )
    hook = WebhookChannel(name="meldkamer", url="http://127.0.0.1:9/", timeout_seconds=1)
    settings = bridge.settings.model_copy(update={"alerts": AlertSettings(emails=(mail,), webhooks=(hook,))})
    keys = KeyMaker(random=Random(2).randbytes)
    return replace(bridge, settings=settings, new_key=lambda: keys(NOW))


@pytest.fixture
def options(options: Any) -> Any:
    """With the names of the demo's parties."""
    return replace(options, party_names={POLICE_ID: POLICE.name, HOME_ID: BRIDGE.name})


@pytest.fixture
async def scene(bridge: Any, in_force: None, seeder: Any, store: Any) -> dict[str, str]:
    """A night with something of everything, the same each time; gives what stands in the paths."""
    seeder.now = NOW - timedelta(minutes=40)
    seeder.keys = KeyMaker(random=Random(1).randbytes)
    party = {"partner": POLICE_ID}
    for _ in range(6):
        seeder.arrived(**party)
    reason = "M903 at jz:betrokkene/jz:rol: not on the list of roles"
    stuck = []
    for _ in range(3):
        exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=reason, **party)
        stuck.append(
            seeder.message(
                exchange,
                state=MessageState.PARKED,
                mapping=None,
                reason=reason,
                action="vtMelding",
                cpa_id=CPA_ID,
                from_party=POLICE_ID,
                to_party=HOME_ID,
                content=SAMPLE.read_bytes(),
            )
        )
        seeder.step(exchange, "message.received", 0, side="ebms")
        seeder.step(exchange, "message.parked", 0.31, outcome="failed", detail={"reason": reason})
    rejected = seeder.exchange(
        state=ExchangeState.ATTENTION, reason="FUNCTIONEEL: Onbekende ontvanger", **party
    )
    seeder.message(rejected)
    event = seeder.event(
        rejected,
        state=EventState.ERROR,
        reason="FUNCTIONEEL: Onbekende ontvanger",
        body=EVENT.read_bytes(),
    )
    for number, outcome in enumerate((AccessOutcome.ALLOWED, AccessOutcome.ALLOWED, AccessOutcome.DENIED)):
        store.write_sync(lambda tx, n=number, o=outcome: add_access(tx, lookup(seeder, n, o)))
    late = "no acknowledgment came in 5 attempts before TimeToLive"
    silent = seeder.exchange(
        direction="to-partner",
        title="uitwisselen-melding.melding-opgepakt",
        state=ExchangeState.ATTENTION,
        reason=late,
        **party,
    )
    seeder.message(silent, direction=Direction.OUT, state=MessageState.EXPIRED, reason=late)
    seeder.waiting(**party)
    mended = seeder.exchange(state=ExchangeState.ATTENTION, reason="no mapping takes zorgMelding", **party)
    seeder.message(
        mended, state=MessageState.PARKED, mapping=None, action="vtMelding", content=SAMPLE.read_bytes()
    )
    other = seeder.exchange(state=ExchangeState.ATTENTION, reason="no mapping takes zorgMelding", **party)
    seeder.message(
        other, state=MessageState.PARKED, mapping=None, action="vtMelding", content=b"<zorgMelding/>"
    )

    def cause_of(start: str) -> str:
        return next(c.id for c in store.read_sync(list_causes) if c.text.startswith(start))

    await take_up(bridge, cause_of("FUNCTIONEEL"), by=ANNA, note="gebeld met de hub, zij zoeken het uit")
    run = await start_run(
        bridge, cause_of("no mapping"), RunWhat.MEND, limit=5, by=ANNA, reason="koppeling is aangevuld"
    )
    await store.write(lambda tx: note_failure(tx, POLICE_ID, reason="it does not answer", at=NOW))
    outcome = "ping: ok; message: ok; repeat: ok; status: note"
    store.write_sync(
        lambda tx: write_audit(tx, bridge, ANNA, TESTED, POLICE_ID, "aansluiten", outcome=outcome)
    )
    await store.write(lambda tx: start_watching(tx, bridge))
    await alerts.test_channel(bridge, "meldkamer", by=ANNA)
    until = NOW + timedelta(hours=9)
    await alerts.silence(bridge, "partner-down", POLICE_ID, until=until, by=ANNA, reason="gepland onderhoud")
    bridge.problems["agreements"] = ("melding_oud_2.xml: the end of the agreement has passed",)
    await make_worker(bridge, name="docs").run_until_idle()
    await store.write(lambda tx: pause(tx, "hub", by="anna", reason="onderhoud bij de hub tot 06:00", at=NOW))
    return {
        "{key}": str(stuck[0].exchange),
        "{cause}": cause_of("M903"),
        "{what}": "mend?limit=3",
        "{run}": str(run.key),
        "{message}": str(stuck[0].key),
        "{event}": str(event.key),
    }


def lookup(seeder: Any, number: int, outcome: AccessOutcome) -> Access:
    """One decision about a lookup at the source."""
    at = NOW - timedelta(minutes=3 - number)
    denied = outcome is AccessOutcome.DENIED
    return Access(
        key=seeder.keys(at),
        at=at,
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        status="Ok",
        outcome=outcome,
        reader=HOME_ID,
        via=HOME_ID,
        type="uitwisselen-melding.melding",
        id=f"6f1c8f0a-0000-4000-8000-{number:012}",
        level=2 - number % 2,
        policy="level-by-role",
        reason="this role may see level 1 only" if denied else None,
        request="{}",
        response="{}",
    )


PATHS: dict[str, Callable[[dict[str, str]], str]] = {
    "/jobs": lambda at: "/jobs?state=ready",
    "/runs/{key}": lambda at: f"/runs/{at['{run}']}",
    "/mend/{action}/{key}": lambda at: f"/mend/replay/{at['{message}']}",
    "/messages/{key}/explanation": lambda at: f"/messages/{at['{message}']}/explanation",
    "/messages/{key}": lambda at: f"/messages/{at['{message}']}",
    "/events/{key}": lambda at: f"/events/{at['{event}']}",
    "/agreements/{cpa}": lambda at: f"/agreements/{CPA_ID}",
    "/mappings/{name}": lambda at: "/mappings/vt-melding",
    "/mappings/try": lambda at: f"/mappings/try?message={at['{message}']}",
    "/mappings/compare": lambda at: "/mappings/compare?file=stuf-jz/vt-melding.map.yaml",
}


def path_of(pattern: str, at: dict[str, str]) -> str:
    """The address of an example of this page."""
    if pattern in PATHS:
        return PATHS[pattern](at)
    for name, value in at.items():
        pattern = pattern.replace(name, value)
    return pattern
