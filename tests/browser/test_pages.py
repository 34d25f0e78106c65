"""Every page of the console, as it stands after a night in which something of everything happened."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.store.rows import Role
from tests.browser.scene import PAGES, bridge, options, path_of, scene  # noqa: F401 - the night that is looked at
from tests.browser.test_console import log_in

MORE = ("/nowhere", "/login/none", "/exchanges?since=soon", "/jobs?state=ready", "/jobs?state=leased")
"""Pages without a route or picture of their own."""


def every_page(scene: dict[str, str]) -> list[str]:  # noqa: F811
    """The address of every page; a route whose pattern is not filled in fails the test."""
    paths = [path_of(pattern, scene) for pattern in PAGES]
    assert [path for path in paths if "{" in path] == []
    return [*paths, *MORE]


@pytest.mark.parametrize(("language", "theme"), [("nl", "light"), ("en", "dark")])
async def test_every_page_passes_axe_in_both_languages_and_themes(
    page: Any,
    person: Any,
    scene: Any,  # noqa: F811
    language: str,
    theme: str,
) -> None:
    await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    await page.open(f"/login?lang={language}")
    found = {"/login": await page.violations()}
    # Nobody sees all: the administrator does not unmask, which `test_people.py` does.
    await log_in(page, person, Role.ADMINISTRATOR, language)
    for path in every_page(scene):
        await page.open(path)
        found[path] = await page.violations()
    assert {path: broken for path, broken in found.items() if broken} == {}


FOLLOWED = re.compile(r"/(mend|exchanges|attention|messages|events|runs)/")
"""Pages of which each example may be of another shape: what a page links to is looked at as well."""

WIDE = """
(() => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  const clipped = [...document.querySelectorAll("main *")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && box.right > innerWidth + 1 && !one.closest(".scroll, .record > pre, .hidden, select");
  });
  const width = document.documentElement.scrollWidth;
  return width > innerWidth ? [`page ${width}`] : clipped.slice(0, 3).map((one) => one.outerHTML.slice(0, 120));
})()
"""
"""With everything folded open: whether the page scrolls sideways, and what stands beyond its edge and is cut off."""


async def on_a_phone(page: Any) -> None:
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
    )


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_every_page_and_what_it_leads_to_fits_a_phone(
    page: Any,
    person: Any,
    scene: Any,  # noqa: F811
    language: str,
) -> None:
    await on_a_phone(page)
    await log_in(page, person, Role.ADMINISTRATOR, language)
    paths, wide = every_page(scene), {}
    for path in paths:
        await page.open(path)
        found = await page.run(WIDE)
        if found:
            wide[path] = found
        links = await page.run("[...document.querySelectorAll('main a')].map((a) => a.getAttribute('href'))")
        new = {link.partition("#")[0] for link in links if FOLLOWED.match(link)}
        paths += sorted(new - set(paths))
    assert wide == {}
    kinds = {found[1] for path in paths if (found := FOLLOWED.match(path))}
    assert kinds == {"mend", "exchanges", "attention", "messages", "events", "runs"}


ANSWERED = {
    "/mappings": 'form[action="/mappings/check"] button',
    "/mappings/vt-melding": ".headline form button",
    "/mappings/try": "main form button",
    "/mappings/compare": "main form button",
    "/agreements": 'form[action="/agreements/check"] button',
    "/person": "main form button",
    "/attention/{cause}": 'form[action$="/take"] button',
}
"""Pages with a form that is answered by a page → the button of that form."""


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_page_that_answers_a_form_fits_a_phone_and_passes_axe(
    page: Any,
    person: Any,
    scene: Any,  # noqa: F811
    bridge: Any,  # noqa: F811
    tmp_path: Path,
    language: str,
) -> None:
    """Of files with mistakes in them, and of an agreement that would replace one."""
    break_mapping(bridge, tmp_path)
    cpa = next(iter(sorted(bridge.settings.agreements.folder.glob("*.xml")))).read_text(encoding="utf-8")
    await on_a_phone(page)
    await log_in(page, person, Role.ADMINISTRATOR, language)
    found = {}
    for pattern, button in ANSWERED.items():
        await page.open(path_of(pattern, scene))
        await page.run(FILL.replace("CPA", json.dumps(cpa.replace("localhost:9/ebms", "localhost:10/ebms"))))
        await page.click(button)
        found[pattern] = await page.run(WIDE) + await page.violations()
    assert {pattern: broken for pattern, broken in found.items() if broken} == {}


FILL = """
(() => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  document.querySelectorAll("main input[name=reason]").forEach((one) => (one.value = "een reden"));
  document.querySelectorAll("main input[name=bsn]").forEach((one) => (one.value = "999900092"));
  document.querySelectorAll("main textarea").forEach((one) => (one.value ||= "<a/>"));
  const file = document.querySelector('form[action="/agreements/check"] input[type=file]');
  const carried = new DataTransfer();
  carried.items.add(new File([CPA], "cpa.xml"));
  if (file) file.files = carried.files;
})()
"""


def break_mapping(bridge: Any, tmp_path: Path) -> None:  # noqa: F811
    """A copy of the mappings folder, in which a word is misspelled."""
    folder = tmp_path / "mappings"
    shutil.copytree(bridge.settings.mappings.folder, folder)
    file = next(folder.rglob("vt-melding.map.yaml"))
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("missing: omit", "mising: omit"), encoding="utf-8")
    mappings = bridge.settings.mappings.model_copy(update={"folder": folder})
    bridge.settings = bridge.settings.model_copy(update={"mappings": mappings})
