"""The guide for integrators is true: its files and commands give what it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.guide import GUIDE, matches, walk

EXAMPLES = GUIDE.parent / "examples"


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which everything was done that the guide says."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    wrong = [
        f"$ {shown.command}\n{shown.got}"
        for shown in walk(GUIDE.read_text(encoding="utf-8"), tmp_path)
        if not matches(shown.wanted, shown.got)
    ]
    assert wrong == [], "look, then run: python -m tests.cli.guide"
    return tmp_path


def test_every_command_of_the_guide_shows_what_the_guide_says(done: Path) -> None:
    assert (done / "annex.md").read_text(encoding="utf-8").startswith("# Aanmelding bij het wijkteam")


def test_outcome_of_the_guide_is_whole_in_both_directions(done: Path) -> None:
    outcome = json.loads((done / "outcome.json").read_text(encoding="utf-8"))
    assert outcome["back"] == {"same": True, "differences": []}
    assert [event["subject"] for event in outcome["events"]] == ["onderzoek/WT-2026-0042"]
    assert outcome["resource"]["body"]["kinderen"][1]["rol"] == "broer-of-zus"


def test_finished_files_stand_among_the_examples(done: Path) -> None:
    made = {
        path.relative_to(done).as_posix(): path.read_text(encoding="utf-8")
        for path in done.rglob("*")
        if path.is_file() and path.name not in ("outcome.json", "annex.md")
    }
    kept = {
        path.relative_to(EXAMPLES).as_posix(): path.read_text(encoding="utf-8")
        for path in EXAMPLES.rglob("*")
        if path.is_file()
    }
    assert kept == made
