"""Endpoints that are paused or in trouble: their jobs wait, and nobody else's do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Connection

from bridge.ids import Key
from bridge.store.channels import (
    LONGEST_HOLD,
    THRESHOLD,
    find_channel,
    hold_after,
    list_channels,
    note_failure,
    note_success,
    pause,
    resume,
)
from bridge.store.jobs import add_job, claim_jobs
from bridge.store.keys import KeyMaker
from bridge.store.unit import Store

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)


@pytest.fixture
def add(store: Store) -> Callable[[str | None], Key]:
    maker = KeyMaker()

    def add_one(endpoint: str | None) -> Key:
        key = maker(NOW)
        store.write_sync(
            lambda tx: add_job(
                tx, key=key, kind="deliver", subject_key=key, endpoint=endpoint, due=NOW, at=NOW
            )
        )
        return key

    return add_one


def claimed(store: Store, now: datetime = NOW, **options: object) -> list[str | None]:
    def work(tx: Connection) -> list[str | None]:
        jobs = claim_jobs(tx, now=now, worker="w", lease=LEASE, limit=10, **options)  # type: ignore[arg-type]
        return [job.endpoint for job in jobs]

    return store.write_sync(work)


def fail(store: Store, endpoint: str, times: int, now: datetime = NOW) -> datetime | None:
    held = None
    for _ in range(times):
        held = store.write_sync(lambda tx: note_failure(tx, endpoint, reason="no answer", at=now))
    return held


def test_jobs_of_a_paused_endpoint_wait_until_it_is_resumed(
    store: Store, add: Callable[[str | None], Key]
) -> None:
    add("a")
    add("b")
    store.write_sync(lambda tx: pause(tx, "a", by="anna", reason="maintenance", at=NOW))
    assert claimed(store) == ["b"]
    store.write_sync(lambda tx: resume(tx, "a", at=NOW))
    assert claimed(store) == ["a"]


def test_a_few_failures_hold_nothing(store: Store, add: Callable[[str | None], Key]) -> None:
    add("a")
    assert fail(store, "a", THRESHOLD - 1) is None
    assert claimed(store) == ["a"]


def test_an_endpoint_that_keeps_failing_is_held_and_others_go_on(
    store: Store, add: Callable[[str | None], Key]
) -> None:
    add("dead")
    add("alive")
    add(None)
    held = fail(store, "dead", THRESHOLD)
    assert held is not None and held > NOW
    assert claimed(store) == ["alive", None]
    assert claimed(store, held) == ["dead"]


def test_after_the_hold_one_job_at_a_time_tries_again(store: Store, add: Callable[[str | None], Key]) -> None:
    for _ in range(3):
        add("dead")
    held = fail(store, "dead", THRESHOLD)
    assert held is not None
    assert claimed(store, held) == ["dead"]
    assert claimed(store, held) == []


def test_one_success_ends_the_trouble(store: Store, add: Callable[[str | None], Key]) -> None:
    for _ in range(3):
        add("a")
    fail(store, "a", THRESHOLD)
    assert store.write_sync(lambda tx: note_success(tx, "a", at=NOW)) is True
    assert claimed(store) == ["a", "a", "a"]


def test_who_tries_a_failing_endpoint_at_once_does_not_make_it_look_better(
    store: Store, add: Callable[[str | None], Key]
) -> None:
    add("a")
    fail(store, "a", THRESHOLD + 2)
    store.write_sync(lambda tx: resume(tx, "a", at=NOW))
    channel = store.read_sync(lambda tx: find_channel(tx, "a"))
    assert channel is not None and channel.failures == THRESHOLD + 2
    assert claimed(store) == ["a"]


def test_a_success_without_trouble_changes_nothing(store: Store) -> None:
    assert store.write_sync(lambda tx: note_success(tx, "a", at=NOW)) is False
    assert store.read_sync(list_channels) == ()


def test_a_failure_does_not_end_a_pause_nor_hide_its_reason(store: Store) -> None:
    store.write_sync(lambda tx: pause(tx, "a", by="anna", reason="maintenance", at=NOW))
    fail(store, "a", THRESHOLD)
    channel = store.read_sync(lambda tx: find_channel(tx, "a"))
    assert channel is not None
    assert (channel.paused_by, channel.reason, channel.failures) == ("anna", "maintenance", THRESHOLD)


def test_of_one_endpoint_only_its_share_is_claimed(store: Store, add: Callable[[str | None], Key]) -> None:
    for _ in range(6):
        add("slow")
    add("other")
    assert claimed(store, per_endpoint=2, busy={"slow": 1}) == ["slow", "other"]


def test_holds_grow_and_are_bounded() -> None:
    holds = [hold_after(failures) for failures in range(THRESHOLD, THRESHOLD + 12)]
    assert holds == sorted(holds)
    assert holds[0] < holds[1]
    assert holds[-1] == LONGEST_HOLD
