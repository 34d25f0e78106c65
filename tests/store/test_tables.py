from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from bridge.store.rows import MessageState
from bridge.store.tables import Choice, Moment

DIALECT = sqlite.dialect()
moments = st.datetimes(timezones=st.timezones()).filter(lambda at: 2 < at.year < 9998)


@given(moments, moments)
def test_the_order_of_the_texts_is_the_order_of_the_times(a: datetime, b: datetime) -> None:
    one, two = (Moment().process_bind_param(at, DIALECT) for at in (a, b))

    assert one is not None and two is not None
    assert (one < two) == (a.astimezone(UTC) < b.astimezone(UTC))


def test_a_time_is_written_in_utc_with_microseconds() -> None:
    local = datetime(2026, 11, 23, 21, 53, 27, tzinfo=timezone(timedelta(hours=1)))

    assert Moment().process_bind_param(local, DIALECT) == "2026-11-23T20:53:27.000000Z"


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Moment().process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(ValueError, match="not a MessageState"):
        Choice(MessageState).process_bind_param("lost", DIALECT)
