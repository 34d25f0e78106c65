"""The cases beside the mappings are right, and the runner tells when one is not."""

from __future__ import annotations

import pytest

from bridge.mapping.cases import coverage, run_cases
from bridge.mapping.load import MappingSet, read_mapping_set


def test_every_case_of_every_mapping_holds(all_files: dict[str, str]) -> None:
    every = read_mapping_set(all_files)
    results = run_cases(every, all_files)
    wrong = [str(found) for result in results for found in result.found]
    assert wrong == []
    assert {result.mapping for result in results} == {program.name for program in every.programs}


def test_only_the_named_mapping_is_run(mappings: MappingSet, files: dict[str, str]) -> None:
    results = run_cases(mappings, files, only="vt-terugkoppeling")
    assert {result.mapping for result in results} == {"vt-terugkoppeling"}


def changed(files: dict[str, str], name: str, old: str, new: str) -> dict[str, str]:
    assert old in files[name]
    return {**files, name: files[name].replace(old, new)}


def codes(mappings: MappingSet, files: dict[str, str], case: str) -> list[str]:
    results = run_cases(mappings, files)
    return [found.code for result in results if result.file.endswith(case) for found in result.found]


TYPICAL = "stuf-jz/vt-melding.cases/typical.yaml"


def test_a_failed_case_shows_the_difference_at_its_line(mappings: MappingSet, files: dict[str, str]) -> None:
    other = changed(files, TYPICAL, "leeftijd: 9}", "leeftijd: 10}")
    [found] = [f for r in run_cases(mappings, other) for f in r.found]
    assert found.code == "M502"
    assert found.text == "events/0/data/leeftijd is 9, not 10"
    assert files[TYPICAL].splitlines()[found.span.line - 1].strip().startswith("data:")


def test_a_wrong_count_is_told(mappings: MappingSet, files: dict[str, str]) -> None:
    other = changed(files, TYPICAL, "$betrokkene: 2", "$betrokkene: 3")
    assert codes(mappings, other, "typical.yaml") == ["M502"]


def test_an_unexpected_rejection_is_told_with_its_reasons(
    mappings: MappingSet, files: dict[str, str]
) -> None:
    other = changed(files, "stuf-jz/vt-melding.cases/no-number.yaml", "{rejected: M902}", "{finding: none}")
    [found] = [f for r in run_cases(mappings, other) for f in r.found]
    assert "row melding has no value" in found.text


def test_a_key_that_does_not_exist_is_told(mappings: MappingSet, files: dict[str, str]) -> None:
    other = changed(files, TYPICAL, "  back: same", "  bakc: same")
    assert "M501" in codes(mappings, other, "typical.yaml")


def test_a_file_that_does_not_exist_is_told(mappings: MappingSet, files: dict[str, str]) -> None:
    other = changed(files, TYPICAL, "xml: typical.xml", "xml: absent.xml")
    assert codes(mappings, other, "typical.yaml") == ["M501"]


def test_a_golden_file_that_differs_is_offered_anew(mappings: MappingSet, files: dict[str, str]) -> None:
    other = changed(files, TYPICAL, "  back: same", "  golden: typical.json\n  back: same")
    [result] = [r for r in run_cases(mappings, other) if r.file == TYPICAL]
    path = "stuf-jz/vt-melding.cases/typical.json"
    assert not result.ok
    again = run_cases(mappings, {**other, path: result.updates[path]})
    assert all(r.ok for r in again)


def test_a_value_that_leaks_to_a_lower_level_fails_every_case(files: dict[str, str]) -> None:
    name = "stuf-jz/vt-melding.map.yaml"
    leaky = '{read: {text: "{incPlaats}", resource: samenvatting, level: 1, because: test, missing: omit}}'
    other = changed(files, name, "  # -- derived\n", f"  # -- derived\n  lek: {leaky}\n")
    found = [f for r in run_cases(read_mapping_set(other), other) for f in r.found]
    assert {f.code for f in found} == {"M503"}
    assert any("the value of incPlaats stands in the resource at level 1" in f.text for f in found)


def test_a_way_back_that_loses_something_is_told(files: dict[str, str]) -> None:
    name = "stuf-jz/vt-melding.map.yaml"
    row = "resource: sash/niveau, missing: omit}"
    other = changed(files, name, row, "resource: sash/niveau, missing: omit, write: {const: laag}}")
    found = [f for r in run_cases(read_mapping_set(other), other) for f in r.found]
    assert "M504" in {f.code for f in found}


def test_coverage_names_the_rows_that_no_case_reads(mappings: MappingSet, files: dict[str, str]) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    results = run_cases(mappings, files, only="vt-melding")
    never = coverage(program, tuple(r for r in results if "rich" not in r.file))
    assert "betrokkenen/vreemdeling" in never
    assert "betrokkenen/bsn" not in never


@pytest.mark.parametrize("text", ["", "case: x", "[1, 2]", "case: x\nin: {}\nthen: {}", "a: *b"])
def test_a_broken_case_is_a_finding(mappings: MappingSet, files: dict[str, str], text: str) -> None:
    other = {**files, TYPICAL: text}
    assert codes(mappings, other, "typical.yaml")
