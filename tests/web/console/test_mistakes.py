"""What a refused file has against it is said in the language of the reader, with the line for the integrator."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.flow.agreements import load_agreements
from bridge.flow.reload import checked_mappings
from bridge.mapping.rules import RULES
from bridge.web.console.mistakes import mistake_of, rule_text
from bridge.web.console.text import Language, catalogue

DUTCH, ENGLISH = catalogue(Language.DUTCH), catalogue(Language.ENGLISH)


def said(line: str) -> str:
    return mistake_of(line, DUTCH).said


def faults(work: object, folder: Path) -> tuple[str, ...]:
    assert callable(work)
    with pytest.raises(ConfigError) as raised:
        work(folder)
    return raised.value.problems


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_rule_of_the_mapping_language_has_its_sentence(code: str) -> None:
    assert rule_text(code, DUTCH)
    assert rule_text(code, DUTCH) != rule_text(code, ENGLISH)
    assert f"rule.{code}" not in ENGLISH.sentences or ENGLISH(f"rule.{code}") == RULES[code].text


def test_lines_of_refused_mappings_are_all_understood(tmp_path: Path, mappings: Path) -> None:
    folder = tmp_path / "mappings"
    shutil.copytree(mappings, folder)
    file = next(folder.rglob("vt-melding.map.yaml"))
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("missing: omit", "mising: omit"), encoding="utf-8")
    lines = faults(checked_mappings, folder)
    assert lines
    assert DUTCH("rule.M105") in {said(line) for line in lines}
    assert [line for line in lines if not said(line)] == []


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [(b"<a", "bad.xml: dit is geen geldige XML."), (b"<a/>", "bad.xml: dit is geen overeenkomst (CPA 2.0).")],
)
def test_file_that_is_no_agreement_is_told(tmp_path: Path, octets: bytes, sentence: str) -> None:
    (tmp_path / "bad.xml").write_bytes(octets)
    assert [said(line) for line in faults(load_agreements, tmp_path)] == [sentence]


def test_agreement_that_production_does_not_use_is_told_by_its_finding() -> None:
    line = "CPA cpa-1: error sha1 at Politie: signatures use SHA-1"
    assert said(line) == f"CPA cpa-1: {DUTCH('finding.cpa.sha1')}"


def test_folder_without_mappings_is_told() -> None:
    line = "the folder holds no mapping, so every message would wait"
    assert said(line) == "In de map staat geen koppeling. Elk bericht zou wachten."


@pytest.mark.parametrize("line", ["something else: is wrong", "a.yaml:1:1  M777  not a rule", ""])
def test_line_that_is_not_known_stays_what_it_is(line: str) -> None:
    found = mistake_of(line, DUTCH)
    assert (found.said, found.line) == ("", line)


def test_sum_of_the_lines_is_said_once() -> None:
    found = mistake_of("1 error, 0 warnings.", DUTCH)
    assert (found.said, found.line) == ("Fouten: 1. Waarschuwingen: 0.", "")
