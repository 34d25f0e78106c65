"""From a message that failed to the hub's OK: what an operator and an integrator do together, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.config import Settings
from bridge.flow.reload import Watch
from bridge.incidents import UNKNOWN_CODE, copy_mappings
from bridge.pki import Pki
from bridge.web.console.settings import ConsoleOptions
from tests.browser.conftest import Page, chromium
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.web.console.conftest import serving

SUBJECT = "melding/BVH-2026-000101"


@pytest.fixture
async def scene(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[tuple[World, Page, Path]]:
    """A whole bridge with mappings of its own, a browser on its console, and the mapping file that will be mended."""
    copy_mappings(tmp_path / "mappings")

    def change(settings: Settings) -> Settings:
        mappings = settings.mappings.model_copy(update={"folder": tmp_path / "mappings"})
        return settings.model_copy(update={"mappings": mappings})

    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(tmp_path, pki, clock, settings_change=change))
        options = ConsoleOptions(poll=timedelta(milliseconds=20))
        runner = await stack.enter_async_context(serving(world.bridge, options))
        page = await stack.enter_async_context(
            chromium(tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}")
        )
        (file,) = (tmp_path / "mappings").rglob("vt-melding.map.yaml")
        yield world, page, file


async def test_a_message_is_found_understood_mended_replayed_and_seen_through(
    scene: tuple[World, Page, Path],
) -> None:
    world, page, file = scene
    watch = Watch(world.bridge)
    await world.partner.send(UNKNOWN_CODE, "vtMelding")
    await world.work()

    await page.open("/exchanges?lang=nl")
    await page.type("#q", SUBJECT)
    await page.click(".search button")
    await page.click("#rows a")
    text = await page.text()
    assert "een waarde of code die de koppeling niet kent" in text
    assert "jz:object/jz:indicatieSASHIngevuld" in text

    await page.click('a[href^="/mend/replay/"]')
    assert "Gaat nog steeds niet" in await page.text()
    replay = await page.run("location.pathname")

    good = file.read_text(encoding="utf-8")
    file.write_text(good + "\n  - a mistake\n", encoding="utf-8")
    await watch.look()
    await page.open("/attention")
    assert "Een gewijzigde koppeling is niet overgenomen" in await page.text()

    mended = good.replace("resource: sash/ingevuld, as: yes-no(Ja Nee),", "resource: sash/ingevuld,")
    assert mended != good
    file.write_text(mended, encoding="utf-8")
    await watch.look()
    await page.open("/attention")
    assert "Een gewijzigde koppeling is niet overgenomen" not in await page.text()

    await page.open(replay)
    assert "Nieuw event wordt aangeboden" in await page.text()
    await page.type("input[name=reason]", "N.v.t. is allowed now")
    await page.click("form.panel button")
    assert "Bericht herspeeld" in await page.text()
    for _ in range(5):
        await world.work(seconds=30)
    await page.open(await page.run("location.pathname"))
    text = await page.text()
    assert "Event verwerkt door de hub" in text
    assert "klaar" in text
    assert [offer.event["subject"] for offer in world.hub.events] == [SUBJECT]
