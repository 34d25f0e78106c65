"""What an operator does, in a real browser; and axe-core on every page."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import SAMPLE
from bridge.store.messages import get_message
from bridge.store.rows import ExchangeState, MessageState, Role
from tests.web.console.conftest import PASSWORD


@pytest.fixture
def own_folder(bridge: Any, tmp_path: Path) -> Path:
    """An agreements folder of this test alone."""
    mine = tmp_path / "cpa"
    shutil.copytree(bridge.settings.agreements.folder, mine)
    agreements = bridge.settings.agreements.model_copy(update={"folder": mine})
    bridge.settings = bridge.settings.model_copy(update={"agreements": agreements})
    return mine


@pytest.fixture
def stuck(seeder: Any) -> Any:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M901 at rol[1]")
    return exchange, seeder.message(
        exchange, state=MessageState.PARKED, mapping=None, reason="M901", content=SAMPLE.read_bytes()
    )


async def log_in(page: Any, person: Any, role: Role, language: str = "nl") -> None:
    person("anna", role)
    await page.open(f"/login?lang={language}")
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


async def test_keyboard_reaches_everything_that_can_be_used(page: Any, person: Any, stuck: Any) -> None:
    """Tab goes through every link, button and field of a message's page, in the order in which they stand."""
    await log_in(page, person, Role.ADMINISTRATOR)
    await page.open(f"/messages/{stuck[1].key}")
    await page.run(
        "window.usable = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select,"
        ' summary, [tabindex="0"]\')].filter(e => e.checkVisibility())'
    )
    count = await page.run("window.usable.length")
    seen = []
    for _ in range(count):
        for kind in ("rawKeyDown", "keyUp"):
            await page.call(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )
        seen.append(await page.run("window.usable.indexOf(document.activeElement)"))
    assert seen == list(range(count))


async def test_administrator_uploads_an_agreement_and_sees_it_used(
    page: Any, person: Any, own_folder: Any, bridge: Any
) -> None:
    octets = next(iter(own_folder.glob("*.xml"))).read_bytes()
    cpa_id = bridge.agreements.agreements[0].cpa_id.encode()
    new = own_folder.parent / "new.xml"
    new.write_bytes(octets.replace(cpa_id, b"cpa-new"))
    await log_in(page, person, Role.ADMINISTRATOR)
    await page.open("/agreements")
    root = (await page.call("DOM.getDocument"))["root"]["nodeId"]
    field = await page.call("DOM.querySelector", nodeId=root, selector="#file")
    await page.call("DOM.setFileInputFiles", nodeId=field["nodeId"], files=[str(new)])
    await page.click("form.panel button")
    assert "Overeenkomst controleren" in await page.text()
    assert await page.violations() == []
    await page.type("#reason-add", "new partner")
    await page.click("main form.panel button")
    assert "cpa-new" in await page.text()
    assert (own_folder / "cpa-new.xml").is_file()


@pytest.mark.usefixtures("in_force")
async def test_operator_tests_the_connection_with_a_partner(page: Any, person: Any) -> None:
    await log_in(page, person, Role.OPERATOR)
    await page.open("/partners")
    await page.click('form[action$="/test"] button')
    assert "De partner is niet bereikt." in await page.text()
    assert await page.violations() == []


async def test_axe_notices_what_is_wrong(page: Any) -> None:
    await page.open("/login")
    await page.run("document.querySelector('main').append(document.createElement('button'))")
    assert any(found.startswith("button-name") for found in await page.violations())


@pytest.mark.parametrize("path", ["/", "/exchanges"])
async def test_number_at_the_menu_follows_and_nothing_moves(
    page: Any, person: Any, seeder: Any, path: str
) -> None:
    exchange = seeder.exchange()
    await log_in(page, person, Role.VIEWER)
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=1200, height=900, deviceScaleFactor=1, mobile=False
    )
    await page.open(path)
    place = "JSON.stringify(document.querySelector('nav a[href=\"/partners\"]').getBoundingClientRect())"
    before = await page.run(place)
    await page.until("document.querySelector('.pulse.on')")
    seeder.state(exchange, ExchangeState.ATTENTION, "message.parked")
    await page.until("document.querySelector('#waiting').dataset.n === '1'")
    assert await page.run("document.querySelector('#waiting .hidden').textContent") != ""
    assert await page.run(place) == before
    assert await page.violations() == []


async def test_console_script_runs_under_the_strict_policy(page: Any, person: Any, seeder: Any) -> None:
    seeder.arrived()
    await log_in(page, person, Role.VIEWER)
    await page.open("/exchanges")
    await page.until("document.querySelector('.pulse.on')")
