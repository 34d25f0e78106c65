"""Colours that everyone can read, in light and in dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest

from bridge.web.console import render

CSS = (Path(render.__file__).parent / "static" / "console.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.S)
)

TEXTS = [
    *((text, ground) for text in ("ink", "soft", "link") for ground in ("ground", "paper")),
    *((tone, f"{tone}-ground") for tone in ("ok", "waiting", "failed", "info")),
    ("brand-ink", "brand"),
    ("brand-soft", "brand"),
    ("paper", "link"),
]
SHAPES = [
    *((shape, ground) for shape in ("edge", "focus") for ground in ("ground", "paper")),
    *((tone, "paper") for tone in ("ok", "waiting", "failed")),
]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_text_stands_out(theme: dict[str, str], text: str, ground: str) -> None:
    assert contrast(theme[text], theme[ground]) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_borders_and_focus_stand_out(theme: dict[str, str], shape: str, ground: str) -> None:
    assert contrast(theme[shape], theme[ground]) >= 3


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert re.findall(r"url\(|@import|https?:", CSS) == []
