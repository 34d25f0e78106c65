"""Strict JSON: what is refused, where the fault is, and that the cost is bounded."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import EventRejected
from bridge.hub.json import load_json, parse_json, write_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.rule("SOH-28")
@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b'{"a":1,}',
        b"[1,]",
        b'{"a":NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[" + b"9" * 400 + b"]",
        b'"\xc0\xa0"',
        b'\xef\xbb\xbf{"a":1}',
        b'["\x01"]',
        b"{'a':1}",
        b'{"a":1} x',
        b"[" * 200 + b"]" * 200,
        b'["\\udead"]',
    ],
)
def test_what_is_no_strict_json_is_refused_with_the_rule(octets: bytes) -> None:
    with pytest.raises(EventRejected) as caught:
        load_json(octets)
    assert {fault.rule for fault in caught.value.broken} <= {"SOH-28", "SOH-25"}
    assert caught.value.status == 400


@pytest.mark.rule("SOH-27")
def test_every_doubled_member_is_named_with_its_pointer() -> None:
    parsed = parse_json(b'{"id":1,"id":2,"data":{"x":[{"y/z":1,"y/z":2}]}}')
    assert {(fault.rule, fault.where) for fault in parsed.faults} == {
        ("SOH-27", "/id"),
        ("SOH-28", "/data/x/0/y~1z"),
    }


@pytest.mark.rule("SOH-35")
def test_too_many_octets_are_refused_with_413() -> None:
    with pytest.raises(EventRejected) as caught:
        load_json(b'"' + b"a" * 100 + b'"', max_octets=50)
    assert caught.value.status == 413


def test_the_deepest_nesting_that_is_allowed_is_read() -> None:
    assert load_json(b"[" * 100 + b"]" * 100) != []


def test_brackets_inside_a_string_are_no_nesting() -> None:
    assert load_json(b'"' + b"[" * 500 + b'\\""') == "[" * 500 + '"'


@pytest.mark.parametrize(
    "octets", [b'"' + b'\\"' * 200_000, b"[" * 400_000, b'{"a":' * 100_000, b'["' + b"\\" * 400_001]
)
def test_hostile_octets_are_refused_in_a_moment(octets: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(EventRejected):
        load_json(octets, max_octets=10**7)
    assert time.perf_counter() - started < 2


def test_a_bsn_as_member_name_is_masked_in_the_pointer() -> None:
    (fault,) = parse_json(b'{"999990019":1,"999990019":2}').faults
    assert "999990019" not in fault.where


@given(JSON_VALUES)
def test_what_is_written_is_read_back_the_same(value: object) -> None:
    assert load_json(write_json(value), max_octets=10**7) == value  # type: ignore[arg-type]


@given(st.binary(max_size=200))
def test_any_octets_end_in_a_value_or_a_refusal(octets: bytes) -> None:
    try:
        value = load_json(octets)
    except EventRejected as rejected:
        assert rejected.broken
    else:
        assert json.loads(octets) == value
