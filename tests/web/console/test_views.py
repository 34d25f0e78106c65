"""From rows to what a page shows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bridge.ids import Key
from bridge.store.rows import Side, Step, StepOutcome
from bridge.web.console.text import Language, catalogue
from bridge.web.console.views import Lens, size_text, steps_of, took_text

NOW = datetime(2026, 11, 23, 21, tzinfo=UTC)
LENS = Lens(words=catalogue(Language.DUTCH), zone=ZoneInfo("Europe/Amsterdam"), now=NOW, names={})


def step(at: datetime, what: str = "message.received", by: str = "bridge") -> Step:
    return Step(
        seq=1, exchange=Key("x"), at=at, side=Side.EBMS, what=what, outcome=StepOutcome.OK, detail={}, by=by
    )


def test_moment_is_local_with_utc_beside_it() -> None:
    moment = LENS.moment(datetime(2026, 11, 23, 20, 53, 27, 123456, tzinfo=UTC))
    assert (moment.clock, moment.fraction, moment.day) == ("21:53:27", "123", "23 nov 2026")
    assert moment.title == "23 nov 2026 21:53:27.123 · 2026-11-23T20:53:27.123Z (UTC)"


def test_today_is_judged_by_the_local_day() -> None:
    assert not LENS.moment(datetime(2026, 11, 22, 22, 59, tzinfo=UTC)).today
    assert LENS.moment(datetime(2026, 11, 22, 23, 1, tzinfo=UTC)).today


def test_step_is_told_in_words_with_the_time_since_the_start() -> None:
    first, second = steps_of([step(NOW), step(NOW + timedelta(milliseconds=131))], LENS)
    assert (first.title, first.after, second.after) == ("Bericht ontvangen", "0.000", "0.131")


def test_step_without_words_keeps_its_own_name() -> None:
    assert steps_of([step(NOW, "partner.paused-again")], LENS)[0].title == "partner paused again"


def test_new_day_is_marked() -> None:
    views = steps_of([step(NOW), step(NOW + timedelta(hours=3))], LENS)
    assert [view.new_day for view in views] == [False, True]


def test_person_behind_a_step_is_named_and_the_bridge_is_not() -> None:
    assert [view.by for view in steps_of([step(NOW), step(NOW, by="k.jansen")], LENS)] == ["", "k.jansen"]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (49152, "48 KB"), (1258291, "1.2 MB")]
)
def test_size_is_readable(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4123, "0.412 s"), (2460, "41 min"), (11100, "3 h 5 min")])
def test_span_is_readable(seconds: float, text: str) -> None:
    assert took_text(timedelta(seconds=seconds)) == text
