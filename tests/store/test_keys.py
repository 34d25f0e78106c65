from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store.keys import KeyMaker, first_key, new_key

NOW = datetime(2026, 11, 23, 20, 53, 27, 123456, tzinfo=UTC)
times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def test_a_key_is_a_uuid_of_version_7_with_the_milliseconds_in_front() -> None:
    key = UUID(new_key(NOW, bytes(8)))

    assert (key.version, key.variant) == (7, "specified in RFC 4122")
    assert key.int >> 80 == int(NOW.timestamp() * 1000)


@given(times, times, st.binary(min_size=8, max_size=16), st.binary(min_size=8, max_size=16))
def test_keys_sort_by_time_to_the_microsecond(a: datetime, b: datetime, one: bytes, two: bytes) -> None:
    early, late = sorted((a, b))

    assert early == late or new_key(early, one) < new_key(late, two)


@given(times, st.binary(min_size=8, max_size=8))
def test_the_first_key_of_a_time_is_its_lower_bound(at: datetime, random: bytes) -> None:
    assert first_key(at) <= new_key(at, random)


def test_a_naive_time_makes_no_key() -> None:
    with pytest.raises(ValueError, match="aware"):
        new_key(NOW.replace(tzinfo=None), bytes(8))


def test_too_little_randomness_makes_no_key() -> None:
    with pytest.raises(ValueError, match="8 random octets"):
        new_key(NOW, bytes(7))


def test_keys_of_one_process_rise_though_the_clock_stands_still_or_steps_back() -> None:
    maker = KeyMaker()
    clock = [NOW, NOW, NOW - timedelta(hours=1), NOW - timedelta(days=1), NOW, NOW + timedelta(seconds=1)]

    keys = [maker(now) for now in clock]

    assert keys == sorted(set(keys))
