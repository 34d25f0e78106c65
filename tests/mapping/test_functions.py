"""Each function does what its examples say, keeps its promise, and refuses without telling the value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.mapping.functions import CALCULATIONS, CONVERSIONS
from bridge.mapping.functions.base import Conversion, Example, Promise, Refused
from bridge.mapping.functions.bsn import is_bsn
from bridge.mapping.functions.file_name import harmless
from bridge.mapping.functions.stuf_time import moment_of
from bridge.mapping.lists import CodeList, read_list


class Env:
    """The environment that a run gives to functions."""

    def __init__(self) -> None:
        made, _ = read_list(
            "lists/geslacht.csv", "xml,json,from,until\nM,MAN,,\nV,VROUW,,\nO,OUD,,2020-12-31\n"
        )
        phases, _ = read_list("lists/fase.csv", "status,uitkomst,fase\na,x,een\na,*,twee\nb,,drie\n")
        assert made is not None and phases is not None
        self.lists: dict[str, CodeList] = {"geslacht": made, "fase": phases}
        self.moment = datetime(2026, 6, 1, tzinfo=UTC)
        self.namespace = UUID(int=1)
        self.person_key = b"key"
        self.party = "00000001999990019000"
        self.notes: list[str] = []
        self.kept: dict[str, bytes] = {}

    def note(self, rule: str, text: str) -> None:
        self.notes.append(rule)

    def keep(self, content: bytes) -> str:
        self.kept["sha256:" + "0" * 64] = content
        return "sha256:" + "0" * 64

    def fetch(self, reference: str) -> bytes | None:
        return self.kept.get(reference)


EXAMPLES = [(c, e) for c in CONVERSIONS.values() for e in c.examples]


@pytest.mark.parametrize(
    ("function", "example"), EXAMPLES, ids=lambda v: getattr(v, "name", None) or str(v)[:40]
)
def test_an_example_does_what_it_says(function: Conversion, example: Example) -> None:
    args = tuple(example.args.split())
    env: Any = Env()
    if example.refused:
        assert example.xml is not None
        with pytest.raises(Refused) as refused:
            function.read(example.xml, args, env)
        assert len(example.xml) < 3 or example.xml not in str(refused.value)
        return
    if example.xml is not None:
        got = function.read(example.xml, args, env)
        assert got == example.json
        assert type(got) is type(example.json)
    assert function.write is not None
    expected = example.back if example.back is not None else example.xml
    assert function.write(example.json, args, env) == expected


@pytest.mark.parametrize("function", CONVERSIONS.values(), ids=lambda f: f.name)
def test_a_conversion_explains_itself_with_an_example(function: Conversion) -> None:
    assert function.doc.endswith(".")
    assert function.examples


@pytest.mark.parametrize("name", CALCULATIONS)
def test_a_calculation_does_what_its_cases_say(name: str) -> None:
    env: Any = Env()
    for values, expected in CALCULATIONS[name].cases:
        assert CALCULATIONS[name].compute(values, env) == expected


TEXTS = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"[0-9]{8,17}", fullmatch=True),
    st.from_regex(
        r"(19|20)[0-9]{2}(0[0-9]|1[0-2])[0-3][0-9]([01][0-9][0-5][0-9][0-5][0-9])?", fullmatch=True
    ),
    st.sampled_from(["Ja", "Nee", "M", "V", " M", "999990019", "00000001999990044000", "007"]),
)
ARGS = {
    "yes-no": ("Ja", "Nee"),
    "list": ("geslacht",),
    "codes": ("M=1", "V=2"),
    "prefix": ("a/",),
    "truncate": ("20",),
}


@pytest.mark.parametrize("function", CONVERSIONS.values(), ids=lambda f: f.name)
@given(text=TEXTS)
def test_writing_what_was_read_gives_what_the_promise_says(function: Conversion, text: str) -> None:
    args = ARGS.get(function.name, ())
    env: Any = Env()
    try:
        value = function.read(text, args, env)
        assert function.write is not None
        once = function.write(value, args, env)
    except Refused:
        return
    if function.promise is Promise.EXACT:
        assert once == text
    assert function.write(function.read(once, args, env), args, env) == once


@pytest.mark.parametrize("value", [None, [], {}, 3, True, "text", "9" * 400, "\x00"])
@pytest.mark.parametrize("function", CONVERSIONS.values(), ids=lambda f: f.name)
def test_writing_anything_gives_a_text_or_a_refusal(function: Conversion, value: Any) -> None:
    env: Any = Env()
    assert function.write is not None
    try:
        assert isinstance(function.write(value, ARGS.get(function.name, ()), env), str)
    except Refused as refused:
        assert str(refused)


def test_the_repeated_hour_in_october_takes_the_first_and_says_so() -> None:
    env: Any = Env()
    assert CONVERSIONS["stuf-time"].read("20261025023000", (), env) == "2026-10-25T00:30:00Z"
    assert env.notes == ["M920"]


def test_the_skipped_hour_in_march_is_told() -> None:
    env: Any = Env()
    CONVERSIONS["stuf-time"].read("20260329023000", (), env)
    assert env.notes == ["M920"]


def test_the_second_of_two_equal_local_times_is_told_on_writing() -> None:
    env: Any = Env()
    assert CONVERSIONS["stuf-time"].write is not None
    assert CONVERSIONS["stuf-time"].write("2026-10-25T01:30:00Z", (), env) == "20261025023000"
    assert env.notes == ["M920"]


def test_a_date_as_moment_is_the_start_of_the_dutch_day() -> None:
    assert moment_of("2026-07-01") == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_a_code_outside_its_validity_is_refused() -> None:
    env: Any = Env()
    with pytest.raises(Refused, match="but not on 2026-06-01"):
        CONVERSIONS["list"].read("O", ("geslacht",), env)


def test_a_lookup_takes_the_first_line_that_fits() -> None:
    env: Any = Env()
    lookup = CALCULATIONS["lookup"].compute
    assert lookup(("fase", "a", "x"), env) == "een"
    assert lookup(("fase", "a", "y"), env) == "twee"
    assert lookup(("fase", "a", None), env) == "twee"
    assert lookup(("fase", "b", None), env) == "drie"
    with pytest.raises(Refused):
        lookup(("fase", "b", "z"), env)


def test_the_same_person_has_the_same_mark_per_party_only() -> None:
    env: Any = Env()
    other: Any = Env()
    other.party = "00000001999990020000"
    pseudonym = CALCULATIONS["pseudonym"].compute
    assert pseudonym(("999990019",), env) == pseudonym(("999990019",), env)
    assert pseudonym(("999990019",), env) != pseudonym(("999990019",), other)
    assert pseudonym(("999990019",), env) != pseudonym(("999990020",), env)


@given(st.text(max_size=300))
def test_a_file_name_is_never_a_path_and_never_empty(name: str) -> None:
    made = harmless(name)
    assert made and not made.startswith(".") and len(made) <= 200
    assert not set(made) & set("/\\:\x00\n\r")
    assert harmless(made) == made


def test_a_bsn_is_nine_digits_that_pass_the_test() -> None:
    assert is_bsn("999990019")
    assert not is_bsn("999990018")
    assert not is_bsn("99999001٩")
