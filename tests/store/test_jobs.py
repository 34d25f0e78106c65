import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.ids import Key
from bridge.store.channels import pause
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.jobs import (
    JobFilter,
    LeaseLost,
    add_job,
    bring_forward,
    bury_job,
    claim_jobs,
    count_jobs,
    finish_job,
    finish_jobs_about,
    get_job,
    list_jobs,
    oldest_untaken,
    renew_lease,
    retry_job,
    revive_job,
)
from bridge.store.rows import Job, JobState, NoSuchRow
from bridge.store.unit import Store

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
LEASE = timedelta(minutes=1)


class Queue:
    """The queue as one worker sees it; the maker's clock is the time."""

    def __init__(self, store: Store, make: Any) -> None:
        self.store = store
        self.make = make

    def add(self, kind: str = "publish", **changes: Any) -> Key:
        key = self.make.key()
        values = {"key": key, "subject_key": key, "due": self.make.now, "at": self.make.now}
        self.store.write_sync(lambda tx: add_job(tx, **values | {"kind": kind} | changes))
        return key

    def claim(self, worker: str = "one", limit: int = 10, **options: Any) -> tuple[Job, ...]:
        now = self.make.now
        return self.store.write_sync(
            lambda tx: claim_jobs(tx, now=now, worker=worker, lease=LEASE, limit=limit, **options)
        )

    def claimed(self, **options: Any) -> list[Key]:
        return [job.key for job in self.claim(**options)]

    def finish(self, job: Job) -> None:
        self.store.write_sync(lambda tx: finish_job(tx, job, at=self.make.now))

    def bury(self, job: Job) -> None:
        self.store.write_sync(lambda tx: bury_job(tx, job, reason="refused by the hub", at=self.make.now))

    def retry(self, job: Job, **span: float) -> None:
        now = self.make.now
        due = now + timedelta(**span)
        self.store.write_sync(lambda tx: retry_job(tx, job, due=due, reason="hub away", at=now))

    def get(self, key: Key) -> Job:
        return self.store.read_sync(lambda tx: get_job(tx, key))


@pytest.fixture
def jobs(store: Store, make: Any) -> Queue:
    return Queue(store, make)


def test_a_due_job_is_claimed_with_a_lease(jobs: Queue) -> None:
    key = jobs.add()

    (job,) = jobs.claim(worker="one")

    assert (job.key, job.leased_by, job.lease_until, job.attempts) == (key, "one", START + LEASE, 1)
    assert jobs.get(key) == job


def test_a_job_that_is_not_due_is_not_claimed(jobs: Queue) -> None:
    jobs.add(due=START + timedelta(seconds=1))

    assert jobs.claim() == ()


def test_a_leased_job_is_not_claimed_again(jobs: Queue) -> None:
    jobs.add()
    jobs.claim(worker="one")

    assert jobs.claim(worker="two") == ()


def test_a_job_whose_lease_has_ended_is_claimed_again(jobs: Queue) -> None:
    key = jobs.add()
    jobs.claim(worker="one")

    jobs.make.later(minutes=1)
    (job,) = jobs.claim(worker="two")

    assert (job.key, job.leased_by, job.attempts) == (key, "two", 2)


def test_a_renewed_lease_holds_longer(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    now = jobs.make.later(seconds=30)
    renewed = jobs.store.write_sync(lambda tx: renew_lease(tx, job, now=now, lease=LEASE))

    jobs.make.later(seconds=45)

    assert jobs.claim(worker="two") == ()
    assert jobs.get(job.key) == renewed


def test_a_job_is_finished_by_the_claim_from_before_its_lease_was_renewed(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    jobs.store.write_sync(lambda tx: renew_lease(tx, job, now=jobs.make.now, lease=LEASE * 2))

    jobs.finish(job)

    assert jobs.get(job.key).state == JobState.DONE


@pytest.mark.parametrize("end", ["finish", "bury", "retry", "renew"])
def test_who_lost_the_lease_can_no_longer_end_the_job(jobs: Queue, end: str) -> None:
    jobs.add()
    (late,) = jobs.claim(worker="one")
    jobs.make.later(minutes=2)
    (holder,) = jobs.claim(worker="one")

    now = jobs.make.now
    ends: dict[str, Callable[[], None]] = {
        "finish": lambda: jobs.finish(late),
        "bury": lambda: jobs.bury(late),
        "retry": lambda: jobs.retry(late),
        "renew": lambda: jobs.store.write_sync(lambda tx: void(renew_lease(tx, late, now=now, lease=LEASE))),
    }
    with pytest.raises(LeaseLost):
        ends[end]()

    assert jobs.get(holder.key) == holder


def void(_: object) -> None:
    """For a work whose result does not matter."""


def test_what_a_late_worker_wrote_with_its_finish_is_undone(jobs: Queue) -> None:
    jobs.add()
    (late,) = jobs.claim(worker="one")
    jobs.make.later(minutes=2)
    jobs.claim(worker="two")

    def work(tx: Any) -> None:
        set_cursor(tx, "result", "of the late worker", jobs.make.now)
        finish_job(tx, late, at=jobs.make.now)

    with pytest.raises(LeaseLost):
        jobs.store.write_sync(work)

    assert jobs.store.read_sync(lambda tx: get_cursor(tx, "result")) is None


def test_a_worker_whose_lease_ended_may_still_finish_when_nobody_took_over(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    jobs.make.later(minutes=2)

    jobs.finish(job)

    assert jobs.get(job.key).state == JobState.DONE


def test_a_job_that_nobody_claimed_cannot_be_finished(jobs: Queue) -> None:
    key = jobs.add()

    with pytest.raises(LeaseLost):
        jobs.finish(jobs.get(key))


def test_a_finished_job_is_never_claimed_again(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    jobs.finish(job)

    jobs.make.later(days=1)

    assert jobs.claim() == ()


def test_a_retried_job_waits_until_it_is_due(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    jobs.retry(job, minutes=5)

    before = jobs.claim()
    jobs.make.later(minutes=5)
    (again,) = jobs.claim()

    assert before == ()
    assert (again.key, again.attempts, again.reason) == (job.key, 2, "hub away")


def test_a_dead_job_is_not_claimed_and_keeps_its_reason(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    jobs.bury(job)

    jobs.make.later(days=1)

    dead = jobs.get(job.key)
    assert jobs.claim() == ()
    assert (dead.state, dead.reason, dead.ended_at) == (JobState.DEAD, "refused by the hub", START)


def test_a_revived_job_starts_counting_attempts_anew(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    jobs.bury(job)

    jobs.store.write_sync(lambda tx: revive_job(tx, job.key, due=START))
    (again,) = jobs.claim()

    assert (again.key, again.attempts, again.ended_at) == (job.key, 1, None)


def test_who_held_a_job_before_it_was_revived_no_longer_holds_it(jobs: Queue) -> None:
    jobs.add()
    (old,) = jobs.claim()
    jobs.bury(old)
    jobs.store.write_sync(lambda tx: revive_job(tx, old.key, due=START))
    jobs.claim()

    with pytest.raises(LeaseLost):
        jobs.finish(old)


def test_only_a_dead_job_is_revived(jobs: Queue) -> None:
    key = jobs.add()

    with pytest.raises(NoSuchRow):
        jobs.store.write_sync(lambda tx: revive_job(tx, key, due=START))


def test_jobs_with_one_ordering_key_are_claimed_one_at_a_time_in_order_of_adding(jobs: Queue) -> None:
    first, second = jobs.add(ordering_key="case-1"), jobs.add(ordering_key="case-1")

    (job,) = jobs.claim()
    while_first_is_held = jobs.claim()
    jobs.finish(job)

    assert job.key == first
    assert while_first_is_held == ()
    assert jobs.claimed() == [second]


def test_a_job_that_waits_for_its_retry_holds_back_the_younger_ones(jobs: Queue) -> None:
    jobs.add(ordering_key="case-1")
    jobs.add(ordering_key="case-1")
    (job,) = jobs.claim()
    jobs.retry(job, minutes=5)

    assert jobs.claim() == ()


def test_order_is_kept_though_the_younger_job_is_more_urgent_and_due_earlier(jobs: Queue) -> None:
    older = jobs.add(ordering_key="case-1", priority=90)
    jobs.add(ordering_key="case-1", priority=1, due=START - timedelta(hours=1))

    assert jobs.claimed() == [older]


def test_order_of_adding_counts_though_keys_were_made_by_clocks_that_differ(jobs: Queue) -> None:
    first = jobs.add(ordering_key="case-1")
    jobs.make = type(jobs.make)(now=START - timedelta(minutes=1))
    jobs.add(ordering_key="case-1")
    jobs.make.later(minutes=1)

    assert jobs.claimed() == [first]


def test_a_dead_job_does_not_hold_back_the_younger_ones(jobs: Queue) -> None:
    jobs.add(ordering_key="case-1")
    younger = jobs.add(ordering_key="case-1")
    (job,) = jobs.claim()
    jobs.bury(job)

    assert jobs.claimed() == [younger]


def test_a_revived_job_waits_for_the_younger_one_that_is_being_done(jobs: Queue) -> None:
    older = jobs.add(ordering_key="case-1")
    jobs.add(ordering_key="case-1")
    (job,) = jobs.claim()
    jobs.bury(job)
    (younger,) = jobs.claim()
    jobs.store.write_sync(lambda tx: revive_job(tx, older, due=START))

    while_younger_is_held = jobs.claim()
    jobs.finish(younger)

    assert while_younger_is_held == ()
    assert jobs.claimed() == [older]


def test_other_ordering_keys_and_other_kinds_do_not_wait(jobs: Queue) -> None:
    keys = {
        jobs.add("publish", ordering_key="case-1"),
        jobs.add("publish", ordering_key="case-2"),
        jobs.add("deliver", ordering_key="case-1"),
        jobs.add("publish"),
        jobs.add("publish"),
    }

    assert set(jobs.claimed()) == keys


def test_the_urgent_go_first_then_the_longest_due(jobs: Queue) -> None:
    bulk = jobs.add(due=START - timedelta(hours=9))
    recent = jobs.add(priority=10, due=START - timedelta(hours=1))
    longest = jobs.add(priority=10, due=START - timedelta(hours=2))

    assert jobs.claimed() == [longest, recent, bulk]


def test_a_claim_takes_no_more_than_its_limit(jobs: Queue) -> None:
    for priority in (1, 1, 2, 2, 3):
        jobs.add(priority=priority)

    assert [job.priority for job in jobs.claim(limit=3)] == [1, 1, 2]


def test_a_claim_takes_only_the_kinds_it_asks_for(jobs: Queue) -> None:
    wanted = jobs.add("deliver")
    jobs.add("publish")

    assert jobs.claimed(kinds=("deliver", "map")) == [wanted]


def test_two_processes_claim_different_jobs(url: str, open_store: Callable[..., Store], make: Any) -> None:
    one, two = Queue(open_store(url), make), Queue(open_store(url), make)
    keys = {one.add() for _ in range(6)}

    first, second = one.claimed(worker="one", limit=3), two.claimed(worker="two", limit=6)

    assert not set(first) & set(second)
    assert set(first) | set(second) == keys


async def test_many_claims_at_once_give_each_job_to_one_worker(
    url: str, open_store: Callable[..., Store], make: Any
) -> None:
    stores = [open_store(url), open_store(url)]
    queue = Queue(stores[0], make)
    keys = sorted(queue.add() for _ in range(20))

    def work(worker: str) -> Callable[[Any], tuple[Job, ...]]:
        return lambda tx: claim_jobs(tx, now=START, worker=worker, lease=LEASE, limit=4)

    claims = await asyncio.gather(*(stores[n % 2].write(work(f"worker {n}")) for n in range(12)))
    rest = queue.claimed(limit=20)

    assert sorted([job.key for claim in claims for job in claim] + rest) == keys


def test_what_happened_elsewhere_ends_the_jobs_about_a_subject(jobs: Queue) -> None:
    subject = jobs.make.key()
    ready, other = jobs.add("deliver", subject_key=subject), jobs.add("publish", subject_key=subject)

    ended = jobs.store.write_sync(
        lambda tx: finish_jobs_about(tx, kind="deliver", subject_key=subject, at=START)
    )

    assert ended == 1
    assert (jobs.get(ready).state, jobs.get(other).state) == (JobState.DONE, JobState.READY)


def test_who_holds_a_job_that_ended_elsewhere_has_lost_its_lease(jobs: Queue) -> None:
    subject = jobs.make.key()
    jobs.add("deliver", subject_key=subject)
    (job,) = jobs.claim()
    jobs.store.write_sync(lambda tx: finish_jobs_about(tx, kind="deliver", subject_key=subject, at=START))

    with pytest.raises(LeaseLost):
        jobs.retry(job)


def test_what_waits_for_a_held_endpoint_is_not_looked_through_to_find_the_rest(jobs: Queue) -> None:
    for _ in range(30):
        jobs.add(endpoint="dead")
    free = [jobs.add(endpoint="alive"), jobs.add()]
    jobs.store.write_sync(lambda tx: pause(tx, "dead", by="someone", reason="dead", at=START))

    assert jobs.claimed(limit=2) == free


def test_endpoints_share_a_claim_by_how_long_their_jobs_are_due(jobs: Queue) -> None:
    keys = []
    for endpoint in ("b", "a", None, "b"):
        keys.append(jobs.add(endpoint=endpoint))
        jobs.make.later(seconds=1)

    assert jobs.claimed(limit=3) == keys[:3]


def test_after_the_clock_went_back_what_was_put_off_is_due_now(jobs: Queue) -> None:
    jobs.add()
    (job,) = jobs.claim()
    jobs.make.later(days=1)
    jobs.retry(job, seconds=30)
    jobs.make.later(days=-1)
    assert jobs.claim() == ()

    jobs.store.write_sync(lambda tx: bring_forward(tx, now=jobs.make.now, lease=LEASE))

    assert jobs.claimed() == [job.key]


def test_after_the_clock_went_back_a_lease_from_the_future_ends_in_time(jobs: Queue) -> None:
    key = jobs.add()
    jobs.make.later(days=1)
    jobs.claim(worker="dies")
    jobs.make.later(days=-1)

    jobs.store.write_sync(lambda tx: bring_forward(tx, now=jobs.make.now, lease=LEASE))

    jobs.make.later(seconds=LEASE.total_seconds())
    assert jobs.claimed(worker="two") == [key]


def test_the_oldest_untaken_job_is_told(jobs: Queue) -> None:
    jobs.add(endpoint="a", due=START + timedelta(minutes=2))
    jobs.add(endpoint="b", due=START - timedelta(minutes=1))
    jobs.claim()
    jobs.add(due=START + timedelta(minutes=1), priority=10)

    assert jobs.store.read_sync(oldest_untaken) == START + timedelta(minutes=1)


def test_ready_and_dead_jobs_are_counted_by_kind(jobs: Queue) -> None:
    jobs.add("map")
    jobs.add("map")
    for kind in ("deliver", "publish"):
        jobs.add(kind)
        (job,) = jobs.claim(kinds=(kind,))
        (jobs.bury if kind == "deliver" else jobs.finish)(job)

    counts = jobs.store.read_sync(count_jobs)

    assert counts == {("map", JobState.READY): 2, ("deliver", JobState.DEAD): 1}


def test_jobs_are_listed_newest_first_page_by_page(jobs: Queue) -> None:
    keys = [jobs.add("map") for _ in range(5)]
    jobs.add("publish")
    wanted = JobFilter(state=JobState.READY, kind="map")

    first = jobs.store.read_sync(lambda tx: list_jobs(tx, wanted, limit=3))
    second = jobs.store.read_sync(lambda tx: list_jobs(tx, wanted, before=first[-1].key, limit=3))

    assert [job.key for job in first + second] == keys[::-1]
