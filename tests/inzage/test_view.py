"""What each level shows of a resource."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.hub.bsn import MASK
from bridge.inzage.view import ENVELOPE, Stored, cut, make_view, read_stored

BODY: dict[str, Any] = {
    "soort": "VT",
    "kop": {"datum": "2026-01-01", "tekst": "vertrouwelijk"},
    "personen": [{"bsn": "999900092", "rol": "kind"}, {"bsn": "999900109"}],
    "nieuw": "niemand gaf dit een niveau",
}
LEVELS = {"soort": 0, "kop": 1, "kop/tekst": 2, "personen": 2, "personen/*/rol": 1}


def stored(**changes: Any) -> Stored:
    values: dict[str, Any] = {
        "type": "melding",
        "id": "1",
        "version": 3,
        "owner": "00000001999990032000",
        "function": "uitwisselen-melding",
        "at": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "body": BODY,
        "levels": LEVELS,
    }
    return Stored(**values | changes)


def test_a_place_has_the_level_of_the_nearest_named_place_above_it() -> None:
    assert cut(BODY, LEVELS, level=1)["kop"] == {"datum": "2026-01-01"}


def test_a_place_below_may_be_lower_than_its_group() -> None:
    assert cut(BODY, LEVELS, level=1)["personen"] == [{"rol": "kind"}]


def test_what_nobody_gave_a_level_is_for_level_2_only() -> None:
    assert [("nieuw" in cut(BODY, LEVELS, level=level)) for level in (0, 1, 2)] == [False, False, True]


def test_level_2_shows_the_whole_body() -> None:
    assert cut(BODY, LEVELS, level=2) == BODY


def test_a_bsn_below_level_2_is_masked_also_when_its_place_is_too_low() -> None:
    view = make_view(stored(levels={"soort": 0, "personen": 0}), level=0)

    assert [one["bsn"] for one in view["personen"]] == [MASK, MASK]  # type: ignore[index,union-attr,call-overload]


def test_the_members_of_the_envelope_are_not_overwritten_by_the_body() -> None:
    body = dict.fromkeys(ENVELOPE, "uit de inhoud")

    view = make_view(stored(body=body, levels={}), level=2)

    assert (view["id"], view["bronhouder"], view["versie"]) == ("urn:melding:1", "00000001999990032000", 3)
    assert view["status"] == "uit de inhoud"


@pytest.mark.parametrize(
    ("mask", "masked"),
    [("bsn", ["*", "*"]), ("personen/*/bsn", ["*", "*"]), ("kop/bsn", [])],
)
def test_a_mask_names_a_member_or_a_path(mask: str, masked: list[str]) -> None:
    view = make_view(stored(), level=2, masks=[mask])

    persons: Any = view["personen"]
    assert len([one for one in persons if one["bsn"] == MASK]) == len(masked)


@pytest.mark.parametrize("mask", ["personen", "kop", "personen/*"])
def test_a_mask_can_hide_a_whole_group(mask: str) -> None:
    assert "999900092" not in json.dumps(make_view(stored(), level=2, masks=["personen", mask]))


@pytest.mark.parametrize("text", ["[]", "{}", '{"body": {}}', '{"body": [], "levels": {}}'])
def test_what_is_not_a_stored_resource_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="holds a body and its levels"):
        read_stored(text)


def test_a_level_that_is_none_of_the_three_hides() -> None:
    _, levels = read_stored('{"body": {"a": 1}, "levels": {"a": -1, "b": "0", "c": 1}}')

    assert levels == {"a": 2, "b": 2, "c": 1}


trees = st.recursive(
    st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)
places = st.lists(st.sampled_from(["a", "b", "c", "*"]), min_size=1, max_size=3).map("/".join)


@given(bodies, st.dictionaries(places, st.integers(0, 2), max_size=6))
@pytest.mark.rule("SOH-115")
def test_a_lower_level_never_shows_more(body: dict[str, Any], levels: dict[str, int]) -> None:
    sizes = [len(json.dumps(cut(body, levels, level=level))) for level in (0, 1, 2)]

    assert sizes == sorted(sizes)
    assert cut(body, levels, level=2) == body


@pytest.mark.parametrize(
    "place",
    ["bsn", "personen/*/bsn", "personen/bsn", "personen/0/bsn", "/personen/*/bsn", "personen", "personen/*"],
)
def test_what_a_decision_asks_to_mask_is_masked_however_it_writes_the_place(place: str) -> None:
    """A decision point that leaves the star out still means it."""
    view = make_view(stored(), level=2, masks=(place,))
    assert "999900" not in json.dumps(view["personen"])
