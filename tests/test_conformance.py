"""The list of checklist lines, and the markers that name them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conformance import reasons, render, titles

TESTS = Path(__file__).parent
_MARK = re.compile(r"pytest\.mark\.rule\(([^)]*)\)", re.S)


def named() -> set[str]:
    """Every rule id that a marker in any test file names."""
    files = (path for path in TESTS.rglob("*.py") if path != Path(__file__))
    marks = (mark for file in files for mark in _MARK.findall(file.read_text(encoding="utf-8")))
    return {rule for mark in marks for rule in re.findall(r'"([A-Z]+-\d+)"', mark)}


def test_the_lists_have_every_line_of_both_checklists() -> None:
    rules = titles()
    assert sum(rule.startswith("DK-") for rule in rules) == 153
    assert sum(rule.startswith("SOH-") for rule in rules) == 181


def test_every_rule_marker_names_a_line_that_exists() -> None:
    assert named() - set(titles()) == set()


def test_every_open_line_exists_and_has_a_reason() -> None:
    assert set(reasons()) - set(titles()) == set()
    assert all(len(reason) > 20 for reason in reasons().values())


def test_every_digikoppeling_line_is_named_by_a_test_or_open_with_a_reason() -> None:
    lines = {rule for rule in titles() if rule.startswith("DK-")}
    assert lines - named() - set(reasons()) == set()


def test_the_page_tells_proven_failed_and_open_lines_apart() -> None:
    page = render(
        {"DK-01": "a", "DK-02": "b", "DK-03": "c"},
        {"DK-01": {"t.py::x[1]": "passed", "t.py::x[2]": "passed"}, "DK-02": {"t.py::y": "failed"}},
        {"DK-03": "cannot be tested"},
    )
    assert "| DK-01 | a | `t.py::x` proven |" in page
    assert "| DK-02 | b | `t.py::y` FAILED |" in page
    assert "| DK-03 | c | **open**: cannot be tested |" in page
    assert "1 of 3 lines" in page
