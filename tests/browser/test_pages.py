"""Every page of the console, as it stands after a night in which something of everything happened."""

from __future__ import annotations

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


async def test_every_page_fits_a_phone(page: Any, person: Any, scene: Any) -> None:  # noqa: F811
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
    )
    await log_in(page, person, Role.ADMINISTRATOR)
    wide = {}
    for path in every_page(scene):
        await page.open(path)
        width = await page.run("document.documentElement.scrollWidth")
        if width > 320:
            wide[path] = width
    assert wide == {}
