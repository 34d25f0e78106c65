"""No list and no lookup walks over a whole table or sorts what it found (SQLite's own account of it)."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection

from bridge.store import blobs, cursors, events, exchanges, jobs, messages, resources, timeline
from bridge.store.rows import (
    Direction,
    EventState,
    ExchangeDirection,
    ExchangeState,
    JobState,
    MessageState,
)
from bridge.store.unit import Store

NOT_TEXT = {
    "ExchangeFilter": {"direction": ExchangeDirection.TO_HUB, "state": ExchangeState.DONE},
    "MessageFilter": {"direction": Direction.IN, "state": MessageState.PARKED},
    "EventFilter": {"direction": Direction.IN, "state": EventState.OK},
    "JobFilter": {"state": JobState.DEAD, "kind": "map"},
}


@pytest.fixture
def plans(sqlite_url: str, open_store: Callable[..., Store]) -> Callable[[Any], list[str]]:
    """Runs a work and tells how SQLite carries out each of its statements."""
    store = open_store(sqlite_url)

    def run(work: Callable[[Connection], Any]) -> list[str]:
        found: list[str] = []

        def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found.extend(row[3] for row in cursor.fetchall())

        def observed(tx: Connection) -> None:
            event.listen(tx, "before_cursor_execute", explain)
            work(tx)

        store.write_sync(observed)
        assert found
        return found

    return run


def bad(plan: list[str]) -> list[str]:
    return [line for line in plan if line.startswith("SCAN") or "TEMP B-TREE" in line]


def filters(kind: Any, make: Any) -> Iterator[Any]:
    special = NOT_TEXT[kind.__name__]
    for field in fields(kind):
        if field.name in ("since", "until"):
            yield kind(**{field.name: make.now})
        else:
            yield kind(**{field.name: special.get(field.name, "x")})
    yield kind(**special)


@pytest.mark.parametrize(
    ("kind", "listing"),
    [
        (exchanges.ExchangeFilter, exchanges.list_exchanges),
        (messages.MessageFilter, messages.list_messages),
        (events.EventFilter, events.list_events),
        (jobs.JobFilter, jobs.list_jobs),
    ],
)
def test_every_filter_of_every_list_goes_by_an_index(
    plans: Callable[[Any], list[str]], make: Any, kind: Any, listing: Any
) -> None:
    key = make.key()
    for wanted in filters(kind, make):
        for before in (None, key):
            plan = plans(lambda tx, w=wanted, b=before: listing(tx, w, before=b, limit=50))
            assert bad(plan) == [], wanted


def test_a_list_without_filter_walks_the_key_and_sorts_nothing(
    plans: Callable[[Any], list[str]],
) -> None:
    plan = plans(lambda tx: messages.list_messages(tx, messages.MessageFilter()))

    assert plan == ["SCAN message USING INDEX sqlite_autoindex_message_1"]


def a_job(make: Any, tx: Connection) -> None:
    key = make.key()
    jobs.add_job(tx, key=key, kind="map", subject_key=key, due=make.now, at=make.now, ordering_key="c")


LOOKUPS: dict[str, Callable[[Any, Any], Any]] = {
    "find_message": lambda m, tx: messages.find_message(
        tx, direction=Direction.IN, from_party="a", to_party="b", message_id="m"
    ),
    "find_by_message_id": lambda m, tx: messages.find_by_message_id(tx, "m"),
    "get_message": lambda m, tx: messages.list_messages(tx, messages.MessageFilter(), before=m.key()),
    "payloads_of": lambda m, tx: messages.payloads_of(tx, m.key()),
    "evidence_of": lambda m, tx: messages.evidence_of(tx, m.key(), kind="sent"),
    "find_event": lambda m, tx: events.find_event(tx, "s", "e"),
    "find_resource": lambda m, tx: resources.find_resource(tx, "t", "r", at=m.now),
    "versions_of": lambda m, tx: resources.versions_of(tx, "t", "r"),
    "find_exchanges": lambda m, tx: exchanges.find_exchanges(tx, "x"),
    "find_exchanges of a next page": lambda m, tx: exchanges.find_exchanges(tx, "x", before=m.key()),
    "steps_of": lambda m, tx: timeline.steps_of(tx, m.key()),
    "changed_since": lambda m, tx: timeline.exchanges_changed_since(tx, 7),
    "get_cursor": lambda m, tx: cursors.get_cursor(tx, "c"),
    "read_blob": lambda m, tx: blobs.read_blob(tx, blobs.put_blob(tx, b"x")[0]),
    "claim_jobs": lambda m, tx: jobs.claim_jobs(
        tx, now=m.now, worker="w", lease=timedelta(minutes=1), limit=5, kinds=("map",)
    ),
    "next_due": lambda m, tx: jobs.next_due(tx, m.now - timedelta(days=1)),
    "finish_jobs_about": lambda m, tx: jobs.finish_jobs_about(tx, kind="map", subject_key=m.key(), at=m.now),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_every_lookup_goes_by_an_index(plans: Callable[[Any], list[str]], make: Any, name: str) -> None:
    def work(tx: Connection) -> None:
        a_job(make, tx)
        LOOKUPS[name](make, tx)

    assert bad(plans(work)) == []
