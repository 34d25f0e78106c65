"""The pages of mappings: what is in use, trying a message out, comparing a change. Nothing of it is kept."""

import asyncio
import html
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import SAMPLE
from bridge.flow import workbench
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import MessageState, Role
from bridge.store.unit import Store
from tests.web.console.conftest import WANTED_MAPPINGS

FILE = "stuf-jz/vt-melding.map.yaml"
BSN = "999990342"
"""Stands in the sample."""


def mapping_file(bridge: Any) -> Path:
    (found,) = Path(bridge.settings.mappings.folder).rglob(WANTED_MAPPINGS[0])
    return found


async def test_the_list_shows_version_direction_and_use(browser: Any, seeder: Any, bridge: Any) -> None:
    label = bridge.mappings.named("vt-melding").label
    for _ in range(3):
        exchange = seeder.exchange()
        seeder.message(exchange, mapping=label)
    seeder.message(seeder.exchange(), mapping="vt-melding@0")
    page = await browser.get("/mappings")
    assert label in page
    assert re.search(r'<td role="cell" class="number"[^>]*>3</td>', page)
    assert "vt-melding@0" in page
    assert "eerdere versie" in page


async def test_a_refused_change_is_shown_with_its_lines(browser: Any, bridge: Any) -> None:
    bridge.problems["mappings"] = ("vt-melding.map.yaml:3:1  M101  not so",)
    page = await browser.get("/mappings")
    assert "Een gewijzigde koppeling is niet overgenomen" in page
    assert "vt-melding.map.yaml:3:1" in page
    assert "Het bestand is geen leesbare YAML" in page
    assert "Het bestand is geen leesbare YAML" in await browser.get("/attention")


async def test_the_files_are_checked_on_request_and_nothing_is_taken_up(browser: Any, bridge: Any) -> None:
    before = bridge.mappings
    page, _ = await browser.post("/mappings/check", page="/mappings", status=200)
    assert "De bestanden in de map kloppen." in page
    assert bridge.mappings is before


async def test_a_mapping_shows_its_rows_and_is_judged_on_request(browser: Any) -> None:
    page = await browser.get("/mappings/vt-melding")
    assert "jz:object/jz:indicatieSASHIngevuld" in page
    page, _ = await browser.post("/mappings/vt-melding", status=200)
    assert "Heen en terug geeft hetzelfde" in page
    assert "testgevallen" in page


async def test_unknown_mapping_is_not_there(browser: Any) -> None:
    await browser.get("/mappings/nothing", status=404)


async def test_a_pasted_message_shows_events_levels_and_the_way_back(browser: Any, store: Store) -> None:
    page, _ = await browser.post("/mappings/try", status=200, text=SAMPLE.read_text(encoding="utf-8"))
    assert "Dit lukt, met koppeling" in page
    for part in ("melding-geregistreerd", "level 0", "level 1", "level 2", "back"):
        assert part in page
    assert store.read_sync(lambda tx: list_messages(tx, MessageFilter())) == ()
    assert store.read_sync(lambda tx: list_audit(tx, AuditFilter())) == ()


async def test_an_uploaded_message_is_tried_too(browser: Any) -> None:
    page, _ = await browser.post("/mappings/try", status=200, files={"file": SAMPLE.read_bytes()}, text="")
    assert "Dit lukt, met koppeling" in page


async def test_a_message_that_does_not_fit_says_why_and_how_far_it_came(browser: Any) -> None:
    text = SAMPLE.read_text(encoding="utf-8").replace(">Nee<", ">N.v.t.<")
    page, _ = await browser.post("/mappings/try", status=200, text=text)
    assert "Dit lukt niet" in page
    assert "M903 at jz:object/jz:indicatieSASHIngevuld" in page


@pytest.mark.parametrize(
    "text",
    [
        "<a",
        '{"not": "an event"}',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "<a>" * 3000 + "</a>" * 3000,
    ],
)
async def test_nonsense_is_told_as_such(browser: Any, text: str) -> None:
    page, _ = await browser.post("/mappings/try", status=200, text=text)
    assert "Dit lukt niet" in page
    assert "root:" not in page


async def test_nothing_and_too_much_are_refused(browser: Any) -> None:
    page, _ = await browser.post("/mappings/try", status=400, text=" ")
    assert "Plak een bericht" in page
    page, _ = await browser.post("/mappings/try", status=400, text="<a>" + "x" * workbench.MOST_OCTETS)
    assert "hoogstens 1 MB" in page


async def test_a_stored_message_shows_only_its_masked_explanation_and_is_audited(
    browser: Any, seeder: Any, store: Store
) -> None:
    exchange = seeder.exchange()
    message = seeder.message(
        exchange, state=MessageState.PARKED, mapping=None, action="vtMelding", content=SAMPLE.read_bytes()
    )
    page, _ = await browser.post("/mappings/try", status=200, key=message.key)
    assert "betrokkenen" in page
    assert BSN not in page
    assert "<details" not in page
    (line,) = store.read_sync(lambda tx: list_audit(tx, AuditFilter()))
    assert (line.action, line.target) == ("content.explained", message.key)


async def test_a_stored_message_that_waits_for_a_person_is_not_said_to_work(
    browser: Any, seeder: Any
) -> None:
    """The explanation goes on where mapping stops; what is said of the whole must not."""
    content = SAMPLE.read_bytes().replace(
        b"<jz:indicatieSASHIngevuld>Nee<", b"<jz:indicatieSASHIngevuld>N.v.t.<"
    )
    message = seeder.message(
        seeder.exchange(), state=MessageState.PARKED, mapping=None, action="vtMelding", content=content
    )
    page, _ = await browser.post("/mappings/try", status=200, key=message.key)
    assert "M903" in page
    assert "Dit lukt niet" in page
    assert "Dit lukt, met koppeling" not in page


async def test_a_stored_message_that_is_not_there_is_a_404(browser: Any, unknown_key: str) -> None:
    await browser.post("/mappings/try", status=404, key=unknown_key)


async def test_a_change_is_compared_over_stored_messages_without_showing_values(
    browser: Any, seeder: Any, bridge: Any
) -> None:
    seeder.message(seeder.exchange(), action="vtMelding", content=SAMPLE.read_bytes())
    before = bridge.mappings
    text = mapping_file(bridge).read_text(encoding="utf-8")
    name = bridge.mappings.named("vt-melding").file
    changed = text.replace("indicatieSASHIngevuld", "indicatieAnders", 1)
    page, _ = await browser.post("/mappings/compare", status=200, name=name, last="10", text=text)
    assert "0 van 1 berichten worden anders." in page
    page, _ = await browser.post("/mappings/compare", status=200, name=name, last="10", text=changed)
    assert "Deze inhoud bevat fouten" in page or "1 van 1 berichten wordt anders." in page
    assert bridge.mappings is before
    assert mapping_file(bridge).read_text(encoding="utf-8") == text


async def test_a_change_with_mistakes_is_told_with_line_and_column(browser: Any, bridge: Any) -> None:
    name = bridge.mappings.named("vt-melding").file
    text = mapping_file(bridge).read_text(encoding="utf-8") + "\n  - not a row\n"
    page, _ = await browser.post("/mappings/compare", status=200, name=name, last="10", text=text)
    assert "Deze inhoud bevat fouten" in page
    assert "vt-melding.map.yaml:" in html.unescape(page)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../../etc/passwd", "last": "10", "text": "x"},
        {"name": FILE, "last": "0", "text": "x"},
        {"name": FILE, "last": "501", "text": "x"},
        {"name": FILE, "last": "10", "text": " "},
    ],
)
async def test_compare_refuses_what_makes_no_sense(browser: Any, fields: dict[str, str]) -> None:
    page, _ = await browser.post("/mappings/compare", status=400, **fields)
    assert "root:" not in page


@pytest.mark.parametrize("path", ["/mappings/try", "/mappings/compare"])
async def test_a_viewer_does_not_try_mappings(enter: Any, path: str) -> None:
    browser = await enter(Role.VIEWER)
    await browser.get("/mappings")
    await browser.get(path, status=403)


async def test_when_others_are_trying_things_out_one_is_asked_to_wait(browser: Any) -> None:
    gate = threading.Event()
    others = [asyncio.create_task(workbench.bounded(gate.wait)) for _ in range(2)]
    try:
        page, _ = await browser.post("/mappings/try", status=400, text="<a/>")
        assert "Anderen proberen nu iets" in page
    finally:
        gate.set()
        await asyncio.gather(*others)
    await browser.post("/mappings/try", status=200, text="<a/>")


async def test_what_takes_too_long_keeps_its_place_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each try would leave a thread behind, until none is left."""
    monkeypatch.setattr(workbench, "_PATIENCE", 0.0)
    gate = threading.Event()
    try:
        for _ in range(2):
            with pytest.raises(workbench.Busy, match="too long"):
                await workbench.bounded(gate.wait)
        with pytest.raises(workbench.Busy, match="others"):
            await workbench.bounded(gate.wait)
    finally:
        gate.set()
        await asyncio.gather(*workbench._running)
