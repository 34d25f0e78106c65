"""What an operator does, in a real browser; and axe-core on every page."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.demo import SAMPLE
from bridge.store.messages import get_message
from bridge.store.rows import ExchangeState, MessageState, Role
from tests.web.console.conftest import PASSWORD

PAGES = (
    "/",
    "/exchanges",
    "/attention",
    "/partners",
    "/certificates",
    "/mappings",
    "/mappings/try",
    "/mappings/compare",
    "/alerts",
    "/jobs",
    "/audit",
    "/person",
    "/account",
)


@pytest.fixture
def stuck(seeder: Any) -> Any:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M901 at rol[1]")
    return exchange, seeder.message(
        exchange, state=MessageState.PARKED, mapping=None, reason="M901", content=SAMPLE.read_bytes()
    )


async def log_in(page: Any, person: Any, role: Role) -> None:
    person("anna", role)
    await page.open("/login?lang=nl")
    await page.type("#name", "anna")
    await page.type("#password", PASSWORD)
    await page.click("main button")


async def test_operator_finds_a_message_sees_why_it_failed_and_replays_it(
    page: Any, person: Any, stuck: Any, store: Any
) -> None:
    exchange, message = stuck
    await log_in(page, person, Role.OPERATOR)
    await page.open("/exchanges")
    await page.type("#q", exchange.subject)
    await page.click(".search button")
    await page.click("#rows a")
    assert "Wat is er gebeurd?" in await page.text()
    await page.click(f'a[href="/mend/replay/{message.key}"]')
    assert "Nieuw event wordt aangeboden" in await page.text()
    await page.type("input[name=reason]", "mapping mended")
    await page.click("form.panel button")
    assert "Bericht herspeeld" in await page.text()
    assert store.read_sync(lambda tx: get_message(tx, message.key)).state is MessageState.MAPPED


async def test_every_page_passes_axe(page: Any, person: Any, stuck: Any, seeder: Any) -> None:
    seeder.arrived()
    seeder.waiting()
    exchange, message = stuck
    await page.open("/login")
    found = {"/login": await page.violations()}
    await log_in(page, person, Role.ADMINISTRATOR)
    await page.open("/attention")
    cause = await page.run("document.querySelector('.causes a').getAttribute('href')")
    await page.open("/partners")
    agreement = await page.run("document.querySelector('a[href^=\"/agreements/\"]').getAttribute('href')")
    more = (
        f"/exchanges/{exchange.key}",
        f"/mend/replay/{message.key}",
        f"/messages/{message.key}/explanation",
        cause,
        agreement,
        "/nowhere",
    )
    for path in (*PAGES, *more):
        await page.open(path)
        found[path] = await page.violations()
    assert {path: broken for path, broken in found.items() if broken} == {}


async def test_axe_notices_what_is_wrong(page: Any) -> None:
    await page.open("/login")
    await page.run("document.querySelector('main').append(document.createElement('button'))")
    assert any(found.startswith("button-name") for found in await page.violations())


@pytest.mark.parametrize("path", PAGES)
async def test_page_fits_a_phone(page: Any, person: Any, stuck: Any, path: str) -> None:
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
    )
    await log_in(page, person, Role.ADMINISTRATOR)
    await page.open(path)
    assert await page.run("document.documentElement.scrollWidth") <= 320


async def test_console_script_runs_under_the_strict_policy(page: Any, person: Any, seeder: Any) -> None:
    seeder.arrived()
    await log_in(page, person, Role.VIEWER)
    await page.open("/exchanges")
    await page.until("document.querySelector('.pulse.on')")
