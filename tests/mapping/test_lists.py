"""Code lists: CSV and JSON, validity, and what is wrong with one."""

from __future__ import annotations

from datetime import date

import pytest

from bridge.mapping.lists import read_list

DAY = date(2026, 6, 1)


def test_csv_and_json_give_the_same_list() -> None:
    csv, _ = read_list("lists/a.csv", "xml,json\nM,man\nV,vrouw\n")
    json, _ = read_list("lists/a.json", '[{"xml": "M", "json": "man"}, {"xml": "V", "json": "vrouw"}]')
    assert csv is not None and json is not None
    assert csv.name == json.name == "a"
    assert [csv.to_json(c, DAY) for c in "MV"] == [json.to_json(c, DAY) for c in "MV"] == ["man", "vrouw"]


def test_both_days_of_a_validity_count() -> None:
    made, _ = read_list("a.csv", "xml,json,from,until\nA,a,2026-01-01,2026-12-31\n")
    assert made is not None
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)]
    assert [made.to_json("A", day) for day in days] == [None, "a", "a", None]


def test_of_two_lines_for_one_code_the_valid_one_counts() -> None:
    made, _ = read_list("a.csv", "xml,json,from,until\nA,old,,2025-12-31\nA,new,2026-01-01,\n")
    assert made is not None
    assert (made.to_json("A", date(2025, 6, 1)), made.to_json("A", DAY)) == ("old", "new")


def test_white_space_around_a_code_is_named_as_the_reason() -> None:
    made, _ = read_list("a.csv", "xml,json\nA,a\n")
    assert made is not None
    assert "without white space" in made.why_not("A ", DAY)


WRONG = [
    "",
    "xml\nA\n",
    "xml,xml\nA,a\n",
    "xml,json\nA\n",
    "xml,json,from\nA,a,yesterday\n",
    'xml,json\n"A,a\n',
]


@pytest.mark.parametrize("text", WRONG)
def test_a_list_that_is_wrong_is_told(text: str) -> None:
    made, found = read_list("a.csv", text)
    assert made is None and {d.code for d in found} == {"M120"}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"xml": 1}]', "[" * 9999])
def test_a_json_list_that_is_wrong_is_told(text: str) -> None:
    made, found = read_list("a.json", text)
    assert made is None and found


def test_every_shipped_code_list_turns_back_into_itself(all_files: dict[str, str]) -> None:
    for name, text in all_files.items():
        if "/lists/" not in name:
            continue
        made, found = read_list(name, text)
        assert made is not None, found
        if made.columns == ("xml", "json"):
            assert all(made.to_xml(made.to_json(code, DAY) or "", DAY) == code for code in made.codes)
