"""The filter dialects of CloudEvents Subscriptions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.hub.event import Event
from bridge.hub.subscriptions import compile_filter, matches

EVENT = Event(
    attributes={
        "specversion": "1.0",
        "id": "1",
        "source": "urn:nld:oin:1:systeem:zaak",
        "type": "uitwisselen-melding.melding-opgepakt",
        "subject": "melding/17",
        "aan": True,
        "n": 42,
    }
)


@pytest.mark.parametrize(
    ("spec", "passes"),
    [
        ({"exact": {"type": "uitwisselen-melding.melding-opgepakt"}}, True),
        ({"exact": {"type": "uitwisselen-melding.melding-opgepakt", "subject": "melding/18"}}, False),
        ({"exact": {"aan": "true", "n": "42"}}, True),
        ({"exact": {"ontbreekt": "x"}}, False),
        ({"prefix": {"type": "uitwisselen-melding."}}, True),
        ({"prefix": {"type": "uitwisselen-uitkomst"}}, False),
        ({"suffix": {"type": "-opgepakt"}}, True),
        ({"suffix": {"subject": "/18"}}, False),
        ({"all": [{"prefix": {"subject": "melding/"}}, {"suffix": {"subject": "7"}}]}, True),
        ({"all": [{"prefix": {"subject": "melding/"}}, {"suffix": {"subject": "8"}}]}, False),
        ({"any": [{"exact": {"id": "2"}}, {"exact": {"id": "1"}}]}, True),
        ({"any": [{"exact": {"id": "2"}}, {"exact": {"id": "3"}}]}, False),
        ({"not": {"exact": {"id": "2"}}}, True),
        ({"not": {"exact": {"ontbreekt": "x"}}}, True),
        ([], True),
        ([{"exact": {"id": "1"}}, {"prefix": {"type": "uit"}}], True),
        ([{"exact": {"id": "1"}}, {"prefix": {"type": "in"}}], False),
    ],
)
def test_a_filter_passes_what_it_says(spec: Any, passes: bool) -> None:
    assert matches(compile_filter(spec), EVENT) is passes


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({}, "filter:"),
        ({"exact": {"id": "1"}, "prefix": {"id": "1"}}, "filter:"),
        ({"sql": "id = '1'"}, "filter:"),
        ({"exact": {}}, "filter.exact:"),
        ({"exact": {"correlationId": "1"}}, "filter.exact:"),
        ({"exact": {"id": ""}}, "filter.exact.id:"),
        ({"exact": {"id": 1}}, "filter.exact.id:"),
        ({"any": []}, "filter.any:"),
        ({"all": {"exact": {"id": "1"}}}, "filter.all:"),
        ({"not": []}, "filter.not:"),
        ([{"exact": {"id": "1"}}, "x"], "filters[1]:"),
    ],
)
def test_a_wrong_filter_is_refused_with_its_place(spec: Any, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_filter(spec)
    assert caught.value.problems[0].startswith(place)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_filter([{"sql": "x"}, {"exact": {"id": ""}}, 7])
    assert len(caught.value.problems) == 3


def test_nesting_is_bounded() -> None:
    spec: dict[str, Any] = {"exact": {"id": "1"}}
    for _ in range(5000):
        spec = {"not": spec}
    with pytest.raises(ConfigError):
        compile_filter(spec)


SPECS = st.recursive(
    st.sampled_from(["exact", "prefix", "suffix"]).flatmap(
        lambda dialect: st.dictionaries(
            st.sampled_from(["id", "type", "n", "x"]), st.text("1uitw-", min_size=1, max_size=3), min_size=1
        ).map(lambda wanted: {dialect: wanted})
    ),
    lambda inner: (
        inner.map(lambda one: {"not": one})
        | st.lists(inner, min_size=1, max_size=3).map(lambda many: {"all": many})
        | st.lists(inner, min_size=1, max_size=3).map(lambda many: {"any": many})
    ),
    max_leaves=8,
)


@given(st.lists(SPECS, min_size=1, max_size=3))
def test_not_any_is_all_not(specs: list[Any]) -> None:
    none = compile_filter({"not": {"any": specs}})
    assert matches(none, EVENT) is matches(compile_filter({"all": [{"not": one} for one in specs]}), EVENT)
