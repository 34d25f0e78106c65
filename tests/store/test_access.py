"""The decision log, the processing log, interactions, and what a health check asks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bridge.ids import Key, Oin
from bridge.store.access import (
    AccessFilter,
    add_access,
    add_processing,
    add_purged,
    find_interaction,
    find_purged,
    list_accesses,
    oldest_waiting,
    processing_about,
    processing_of,
)
from bridge.store.jobs import add_job
from bridge.store.keys import KeyMaker
from bridge.store.rows import Access, AccessOutcome, Processing, PurgedResource
from bridge.store.unit import Store

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
READER = Oin("00000001999990032000")
KEYS = KeyMaker()


@pytest.fixture
def store(sqlite_url: str, open_store: Callable[..., Store]) -> Store:
    return open_store(sqlite_url)


def _access(trace: str, outcome: AccessOutcome) -> Access:
    return Access(
        key=KEYS(START),
        at=START,
        trace_id=trace,
        span_id="b" * 16,
        status="Ok",
        outcome=outcome,
        reader=READER,
        via=READER,
        type="melding",
        id="1",
        level=1,
        policy="rules",
        request="{}",
        response="{}",
    )


def _line(trace: str, subject: str | None) -> Processing:
    return Processing(
        key=KEYS(START),
        trace_id=trace,
        span_id="c" * 16,
        status="Ok",
        name="inzage",
        start_time=START,
        end_time=START,
        activity_id="https://register.example/1",
        subject_id=subject,
    )


def test_decisions_are_listed_newest_first_and_by_what_is_asked(store: Store) -> None:
    rows = [_access("1", AccessOutcome.ALLOWED), _access("2", AccessOutcome.DENIED)]
    store.write_sync(lambda tx: [add_access(tx, row) for row in rows])

    assert store.read_sync(lambda tx: list_accesses(tx, AccessFilter())) == tuple(reversed(rows))
    denied = AccessFilter(outcome=AccessOutcome.DENIED)
    assert store.read_sync(lambda tx: list_accesses(tx, denied)) == (rows[1],)


def test_lines_are_found_by_trace_and_by_person(store: Store) -> None:
    rows = [_line("1", "x"), _line("1", None), _line("2", "x")]
    store.write_sync(lambda tx: [add_processing(tx, row) for row in rows])

    assert store.read_sync(lambda tx: processing_of(tx, trace_id="1")) == tuple(rows[:2])
    assert store.read_sync(lambda tx: processing_about(tx, "x")) == (rows[0], rows[2])


def test_a_purged_resource_is_remembered_once(store: Store) -> None:
    purged = PurgedResource(type="melding", id="1", owner=READER, at=START)

    added = [store.write_sync(lambda tx: add_purged(tx, purged)) for _ in range(2)]

    assert added == [True, False]
    assert store.read_sync(lambda tx: find_purged(tx, "melding", "1")) == purged
    assert store.read_sync(lambda tx: find_purged(tx, "melding", "2")) is None


def test_an_interaction_that_nobody_had_is_not_found(store: Store) -> None:
    assert store.read_sync(lambda tx: find_interaction(tx, READER, "1")) is None


def test_the_oldest_job_that_nobody_took_is_told(store: Store) -> None:
    before = store.read_sync(oldest_waiting)
    for hours in (2, 1):
        due = START + timedelta(hours=hours)
        store.write_sync(
            lambda tx, due=due: add_job(
                tx, key=KEYS(START), kind="map", subject_key=Key("x"), due=due, at=START
            )
        )

    assert (before.due, before.unanswered) == (None, None)
    assert store.read_sync(oldest_waiting).due == START + timedelta(hours=1)
