"""Every page of the console has its picture in the docs, made here.

`pytest tests/browser --screenshots docs/screenshots` writes them; without that option this looks whether they are
all there.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bridge.config import AlertSettings, EmailChannel, WebhookChannel
from bridge.demo import BRIDGE, CPA_ID, POLICE, SAMPLE
from bridge.flow import alerts
from bridge.flow.alerts import start_watching
from bridge.flow.causes import list_causes
from bridge.flow.jobs import make_worker
from bridge.flow.mend_model import Actor
from bridge.flow.runs import start_run, take_up
from bridge.store.channels import note_failure, pause
from bridge.store.keys import KeyMaker
from bridge.store.rows import Direction, EventState, ExchangeState, MessageState, Role, RunWhat
from bridge.web.console.routes import ROUTES
from tests.browser.pictures import NO_PAGE, PICTURES
from tests.web.console.conftest import NOW, PASSWORD

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
GUIDE = FOLDER.parent / "operator.md"
WIDTH, TALLEST = 1200, 2000
ANNA = Actor(name="anna", role="operator")
POLICE_ID, HOME_ID = POLICE.oin, BRIDGE.oin

pages = {route.path for route in ROUTES if route.method == "GET"} - NO_PAGE


def test_every_page_has_its_picture_and_no_picture_is_left_over() -> None:
    assert pages == set(PICTURES)
    assert {file.stem for file in FOLDER.glob("*.png")} == set(PICTURES.values())


def test_the_guide_shows_every_picture_with_a_line() -> None:
    shown = re.findall(r"!\[([^\]]{10,})\]\(screenshots/([\w-]+)\.png\)", GUIDE.read_text(encoding="utf-8"))
    assert {name for _, name in shown} == set(PICTURES.values())


def test_pictures_are_no_larger_than_a_page_needs() -> None:
    large = {file.name: file.stat().st_size for file in FOLDER.glob("*.png") if file.stat().st_size > 400_000}
    assert large == {}


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
async def scene(bridge: Any, seeder: Any, store: Any) -> dict[str, str]:
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
    seeder.event(rejected, state=EventState.ERROR, reason="FUNCTIONEEL: Onbekende ontvanger")
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
    await store.write(lambda tx: note_failure(tx, POLICE_ID, reason="no answer", at=NOW))
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
    }


PATHS: dict[str, Callable[[dict[str, str]], str]] = {
    "/runs/{key}": lambda at: f"/runs/{at['{run}']}",
    "/mend/{action}/{key}": lambda at: f"/mend/replay/{at['{message}']}",
    "/messages/{key}/explanation": lambda at: f"/messages/{at['{message}']}/explanation",
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


async def test_pictures_are_made(page: Any, person: Any, scene: Any, request: pytest.FixtureRequest) -> None:
    """With --screenshots they are written; always every page comes up in the browser."""
    wanted = request.config.getoption("--screenshots")
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=WIDTH, height=800, deviceScaleFactor=1, mobile=False
    )
    await page.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}]
    )
    await page.open("/login?lang=nl")
    if wanted:
        await save(page, Path(wanted) / "login.png")
    person("anna", Role.ADMINISTRATOR)
    await page.type("#name", "anna")
    await page.type("#password", PASSWORD)
    await page.click("main button")
    broken: dict[str, list[str]] = {}
    for pattern, name in PICTURES.items():
        if pattern == "/login":
            continue
        await page.open(path_of(pattern, scene))
        assert await page.run("document.querySelector('h1') !== null && !document.querySelector('.error')"), (
            pattern
        )
        if wanted:
            await save(page, Path(wanted) / f"{name}.png")
        broken[pattern] = await page.violations()
    assert {pattern: found for pattern, found in broken.items() if found} == {}


async def save(page: Any, file: Path) -> None:
    """The whole page, up to a bound, as PNG."""
    height = min(TALLEST, int(await page.run("document.documentElement.scrollHeight")))
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
    answer = await page.call(
        "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True, optimizeForSpeed=False
    )
    await asyncio.to_thread(file.write_bytes, base64.b64decode(answer["data"]))
