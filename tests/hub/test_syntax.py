"""The small grammars, at their edges."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.hub import syntax


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("/oin/1/systeem/a", True),
        ("urn:nld:oin:1:systeem:a", True),
        ("https://x.example:443/a?b=c#d", True),
        ("https://[::1]/a", True),
        ("//host/path", True),
        ("a/b:c", True),
        ("?q", True),
        ("#f", True),
        ("", False),
        ("a b", False),
        ("1a:b", False),
        ("urn:x%2", False),
        ("urn:x%zz", False),
        ("a#b#c", False),
        ("é", False),
        ('a"b', False),
        ("a<b>", False),
    ],
)
def test_a_uri_reference(text: str, good: bool) -> None:
    assert syntax.is_uri_reference(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [("https://x.example/s#a", True), ("urn:a:b", True), ("s/1", False), ("urn:", False), ("", False)],
)
def test_an_absolute_uri(text: str, good: bool) -> None:
    assert syntax.is_absolute_uri(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("application/json", True),
        ('text/plain; charset="utf-8"', True),
        ("application/ld+json ;profile=x;a=b", True),
        ("json", False),
        ("a/b/c", False),
        ("a/b; c", False),
        ("a/b;", False),
    ],
)
def test_a_media_type(text: str, good: bool) -> None:
    assert syntax.is_media_type(text) is good


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-10T13:00:00.5+01:00", datetime(2026, 1, 10, 12, 0, 0, 500000, tzinfo=UTC)),
        ("2026-01-10T12:00:00.123456789Z", datetime(2026, 1, 10, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:30:60Z", None),
        ("2026-01-10T12:00:00+24:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-01-10T12:00:00Z\n", None),
        ("٢٠٢٦-01-10T12:00:00Z", None),
        ("2026-01-10 12:00:00Z", None),
    ],
)
def test_a_timestamp(text: str, moment: datetime | None) -> None:
    assert syntax.parse_timestamp(text) == moment


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_written_moment_is_read_back(moment: datetime) -> None:
    assert syntax.parse_timestamp(moment.isoformat()) == moment


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01", True),
        ("cc-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-more", True),
        ("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-more", False),
        ("ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-00f067aa0ba902b7-01", False),
    ],
)
def test_a_traceparent(text: str, good: bool) -> None:
    assert syntax.is_traceparent(text) is good
