"""Every page of the console has its picture in the docs, made here.

`pytest tests/browser --screenshots docs/screenshots` writes them; without that option this looks whether they are
all there.
"""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.store.rows import Role
from tests.browser.pictures import PICTURES
from tests.browser.scene import PAGES, bridge, options, path_of, scene  # noqa: F401 - the night of the pictures
from tests.web.console.conftest import PASSWORD

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
GUIDE = FOLDER.parent / "operator.md"
WIDTH, TALLEST = 1200, 2000


def test_every_page_has_its_picture_and_no_picture_is_left_over() -> None:
    assert set(PAGES) == set(PICTURES)
    assert {file.stem for file in FOLDER.glob("*.png")} == set(PICTURES.values())


def test_the_guide_shows_every_picture_with_a_line() -> None:
    shown = re.findall(r"!\[([^\]]{10,})\]\(screenshots/([\w-]+)\.png\)", GUIDE.read_text(encoding="utf-8"))
    assert {name for _, name in shown} == set(PICTURES.values())


def test_pictures_are_no_larger_than_a_page_needs() -> None:
    large = {file.name: file.stat().st_size for file in FOLDER.glob("*.png") if file.stat().st_size > 400_000}
    assert large == {}


async def test_pictures_are_made(
    page: Any,
    person: Any,
    scene: Any,  # noqa: F811
    request: pytest.FixtureRequest,
) -> None:
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
