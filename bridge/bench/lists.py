"""How long the lists of the console wait for a store with many messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from sqlalchemy import Connection

from bridge.bench.fill import PARTNERS, TITLES
from bridge.bench.row import Row
from bridge.flow.causes import list_causes
from bridge.store.access import oldest_waiting
from bridge.store.exchanges import (
    ExchangeFilter,
    count_exchanges,
    find_exchanges,
    list_exchanges,
)
from bridge.store.jobs import JobFilter, count_jobs, list_jobs
from bridge.store.persons import find_by_person
from bridge.store.rows import ExchangeDirection, ExchangeState, JobState
from bridge.store.unit import Store

Work = Callable[[Connection], Any]

ROUNDS = 3


def listing(store: Store, *, stored: int, now: datetime) -> tuple[Row, ...]:
    """The slowest of some rounds of each list, and of every combination of filters the slowest."""
    part = f"lists of the console, {stored} stored messages"
    return tuple(
        Row(part=part, what=what, value=max(_milliseconds(store, work) for work in works), unit="ms")
        for what, works in _lists(now)
    )


def _lists(now: datetime) -> Iterator[tuple[str, list[Work]]]:
    yield "exchanges, the slowest of every combination of filters", [_exchanges(f) for f in _filters(now)]
    yield "search by id", [lambda tx: find_exchanges(tx, "melding/case-7")]
    yield "search by person", [lambda tx: find_by_person(tx, b"key", "999990019")]
    yield "what needs a person, by cause", [list_causes]
    yield "the counts of the Now page", [lambda tx: _counts(tx, now)]
    yield "dead jobs, ready jobs", [_jobs(JobState.DEAD), _jobs(JobState.READY)]
    yield "jobs by kind, and what waits longest", [count_jobs, oldest_waiting]


def _filters(now: datetime) -> Iterator[ExchangeFilter]:
    """Also such as fit nothing: then a list that has no index for it looks through everything."""
    for partner, title, state, direction, since in product(
        (None, PARTNERS[0], PARTNERS[-1], "nobody"),
        (None, TITLES[0], "nothing"),
        (None, *ExchangeState),
        (None, *ExchangeDirection),
        (None, now - timedelta(days=300)),
    ):
        yield ExchangeFilter(partner=partner, title=title, state=state, direction=direction, until=since)


def _exchanges(wanted: ExchangeFilter) -> Work:
    return lambda tx: list_exchanges(tx, wanted, limit=51)


def _jobs(state: JobState) -> Work:
    return lambda tx: list_jobs(tx, JobFilter(state=state), limit=51)


def _counts(tx: Connection, now: datetime) -> None:
    count_exchanges(tx, since=now - timedelta(hours=1))
    count_exchanges(tx, since=now - timedelta(days=1))
    count_exchanges(tx, states=(ExchangeState.RUNNING, ExchangeState.ATTENTION))


def _milliseconds(store: Store, work: Work) -> float:
    """The best of some rounds: what the machine did beside it is not the list's."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        store.read_sync(work)
        times.append(time.perf_counter() - begun)
    return min(times) * 1000
