"""From rows to what a page shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bridge.ids import Key
from bridge.store.rows import Side, Step, StepOutcome
from bridge.web.console.recorded import meaning_of
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


def attempt(number: int, what: str, **detail: str) -> Step:
    return Step(
        seq=number,
        exchange=Key("x"),
        at=NOW + timedelta(seconds=number),
        side=Side.EBMS,
        what=what,
        outcome=StepOutcome.WAITING,
        detail={"message_id": "m1"} | detail,
    )


def test_retries_that_end_alike_are_one_step_with_all_their_times() -> None:
    tries = [attempt(2 * n, "message.sent", attempt=str(n)) for n in range(1, 5)]
    replies = [attempt(2 * n + 1, "message.waiting", reason="HTTP 204") for n in range(1, 5)]
    steps = sorted([*tries, *replies], key=lambda one: one.seq)
    end = replace(attempt(10, "message.expired"), outcome=StepOutcome.FAILED)
    sent, silent, late = steps_of([*steps, end], LENS)
    assert [(one.seq, one.attempt) for one in sent.times] == [(2, "1"), (4, "2"), (6, "3"), (8, "4")]
    assert [one.seq for one in silent.times] == [3, 5, 7, 9]
    assert [one.moment.clock for one in silent.times][::3] == ["22:00:03", "22:00:09"]
    assert late.times == ()


def test_folded_step_tells_no_attempt_and_a_single_one_does() -> None:
    both = [attempt(1, "message.sent", attempt="1"), attempt(2, "message.sent", attempt="2")]
    assert [[fact.label for fact in view.details] for view in steps_of(both, LENS)] == [["bericht"]]
    assert [fact.label for fact in steps_of(both[:1], LENS)[0].details] == ["bericht", "poging"]


def test_retries_with_another_reason_or_after_another_step_stand_apart() -> None:
    refused = attempt(1, "answer.not_posted", attempt="1", reason="HTTP 500")
    other = attempt(2, "answer.not_posted", attempt="2", reason="HTTP 503")
    assert len(steps_of([refused, other], LENS)) == 2
    between = step(NOW + timedelta(seconds=2), "channel.resumed")
    again = attempt(3, "answer.not_posted", attempt="3", reason="HTTP 500")
    assert [view.times for view in steps_of([refused, between, again], LENS)] == [(), (), ()]


def test_direction_is_no_word_for_a_state() -> None:
    """An event that never left is not to be called sent."""
    for language, ways in (
        (Language.DUTCH, ("inkomend", "uitgaand")),
        (Language.ENGLISH, ("incoming", "outgoing")),
    ):
        words = catalogue(language)
        assert (words("direction.in"), words("direction.out")) == ways


def test_receipt_of_a_post_is_not_told_as_a_message_that_was_taken() -> None:
    said = meaning_of("the partner took it without an answer (HTTP 204)", LENS.words)
    assert said == "de partner ontving de POST, maar gaf geen bevestiging (HTTP 204)"
