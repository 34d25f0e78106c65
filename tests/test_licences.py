"""Everything the bridge installs may be used, changed and passed on by everybody."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"

OPEN = re.compile(
    r"\b(?:MIT|MIT-0|MIT-CMU|Apache|BSD|0BSD|ISC|ISCL|PSF|Python Software Foundation|MPL|Mozilla Public|LGPL|Lesser"
    r"|Unlicense|ZPL|CC0|HPND|EUPL)",
    re.IGNORECASE,
)


def locked() -> list[str]:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [
        line.partition("==")[0].partition("[")[0].strip() for line in lines if re.match(r"[A-Za-z0-9]", line)
    ]


def licence_of(name: str) -> str:
    """What the package itself says of its licence, from the newest form of saying it to the oldest."""
    found = metadata.metadata(name)
    classified = [text for text in found.get_all("Classifier", []) if text.startswith("License ::")]
    said = [found.get("License-Expression"), *classified, found.get("License")]
    return "; ".join(text.partition("\n")[0][:200] for text in said if text)


def test_the_lock_names_what_is_installed() -> None:
    assert len(locked()) > 40


@pytest.mark.rule("SOH-179")
@pytest.mark.parametrize("name", locked())
def test_a_dependency_has_an_open_licence(name: str) -> None:
    try:
        licence = licence_of(name)
    except metadata.PackageNotFoundError:
        pytest.skip("only installed on another platform")
    assert OPEN.search(licence), licence


def test_the_bridge_itself_says_its_licence() -> None:
    project = (LOCK.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert "EUPL" in project
