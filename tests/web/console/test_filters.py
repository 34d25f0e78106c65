"""Filters: from the address to what is asked of the store, and back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.console.filters import NAMES, Wanted, may_be_bsn, read_filters, read_key

ZONE = ZoneInfo("Europe/Amsterdam")


def read(**query: str) -> Wanted:
    return read_filters(query, zone=ZONE)


def test_nothing_asked_is_everything() -> None:
    assert read() == Wanted()


def test_local_time_is_dutch() -> None:
    assert read(since="2026-11-23T10:15").exchanges.since == datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
    assert read(until="2026-07-01").exchanges.until == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_time_with_an_offset_is_kept() -> None:
    assert read(since="2026-11-23T10:15+00:00").exchanges.since == datetime(2026, 11, 23, 10, 15, tzinfo=UTC)


def test_every_wrong_filter_is_a_problem_and_none_is_used() -> None:
    wanted = read(
        state="lost", direction="up", since="soon", until="2026-99-99", partner="x" * 201, type="a\0b"
    )
    assert {problem.name for problem in wanted.problems} == set(NAMES) - {"q"}
    assert wanted.exchanges == Wanted().exchanges
    assert wanted.values == {}


@pytest.mark.parametrize("name", ["q", "partner", "type"])
def test_bsn_is_refused_and_forgotten(name: str) -> None:
    wanted = read(**{name: "melding 999900092"})
    assert [problem.what for problem in wanted.problems] == ["bsn"]
    assert wanted.text is None
    assert "999900092" not in wanted.href()


@pytest.mark.parametrize(
    "text", ["999900092", "x/999900092", "9999.00.092", "999 900 092", "bsn=999-900-092"]
)
def test_bsn_is_recognised_as_people_write_it(text: str) -> None:
    assert may_be_bsn(text)


@pytest.mark.parametrize(
    "text",
    [
        "00000001112223334000",
        "01936a2b-7c3d-7111-8000-999900092aaa",
        "BVH2026-000123",
        "999900093",
        "٩٩٩٩٠٠٠٩٢",
    ],
)
def test_other_ids_are_no_bsn(text: str) -> None:
    assert not may_be_bsn(text)


def test_address_is_written_back_the_same() -> None:
    asked = {"q": "a b&c", "state": "running", "direction": "to-hub", "since": "2026-11-23"}
    assert read(**asked).href() == "/exchanges?q=a+b%26c&state=running&direction=to-hub&since=2026-11-23"
    assert (
        read(**asked).href(q=None, state="done") == "/exchanges?state=done&direction=to-hub&since=2026-11-23"
    )


@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_any_address_is_read(query: dict[str, str]) -> None:
    wanted = read_filters(query, zone=ZONE)
    assert read_filters(wanted.values, zone=ZONE).exchanges == wanted.exchanges


@given(st.text())
def test_only_the_one_spelling_of_a_key_is_a_key(text: str) -> None:
    assert read_key(text) is None


def test_key_is_read() -> None:
    assert read_key("01936a2b-7c3d-7111-8000-000000000001") == "01936a2b-7c3d-7111-8000-000000000001"
    assert read_key("01936A2B-7c3d-7111-8000-000000000001") is None
