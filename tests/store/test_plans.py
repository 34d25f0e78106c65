"""No list and no lookup walks over a whole table or sorts what it found (SQLite's own account of it)."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection

from bridge.flow.causes import list_causes
from bridge.store import (
    access,
    blobs,
    cursors,
    doors,
    events,
    exchanges,
    jobs,
    messages,
    persons,
    resources,
    runs,
    timeline,
)
from bridge.store.rows import (
    Direction,
    EventState,
    ExchangeDirection,
    ExchangeState,
    ItemOutcome,
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


_FILTERED = ("partner", "title", "state", "direction", "since", "until")
COMBINED = [names for count in range(1, len(_FILTERED) + 1) for names in combinations(_FILTERED, count)]


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
    """Channels are left out: there is one for each endpoint that was ever in trouble."""
    return [
        line
        for line in plan
        if (line.startswith("SCAN") and not line.startswith("SCAN channel ")) or "TEMP B-TREE" in line
    ]


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


@pytest.mark.parametrize("names", COMBINED, ids="+".join)
def test_every_combination_of_filters_of_the_console_goes_by_an_index_in_the_order_of_the_list(
    plans: Callable[[Any], list[str]], make: Any, names: tuple[str, ...]
) -> None:
    values = {
        name: make.now if name in ("since", "until") else NOT_TEXT["ExchangeFilter"].get(name, "x")
        for name in names
    }
    wanted = exchanges.ExchangeFilter(**values)

    for before in (None, make.key()):
        plan = plans(lambda tx, b=before: exchanges.list_exchanges(tx, wanted, before=b))

        assert bad(plan) == []
        # All that is equal stands in the index: no row is read that the page does not show.
        chosen = {name for name in names if name in ("partner", "title", "state", "direction")}
        assert all(f"{name}=?" in line for line in plan for name in chosen), plan


@pytest.mark.parametrize("id", ["subject", "correlation_id", "conversation_id"])
def test_an_id_leads_to_its_few_rows_whatever_else_is_asked(
    plans: Callable[[Any], list[str]], make: Any, id: str
) -> None:
    wanted = exchanges.ExchangeFilter(
        partner="x", title="x", state=ExchangeState.DONE, direction=ExchangeDirection.TO_HUB, **{id: "x"}
    )

    plan = plans(lambda tx: exchanges.list_exchanges(tx, wanted))

    assert plan == [f"SEARCH exchange USING INDEX ix_exchange_{id}_key ({id}=?)"]


def test_exchanges_are_counted_by_partner_in_the_index_alone(
    plans: Callable[[Any], list[str]], make: Any
) -> None:
    plan = plans(lambda tx: exchanges.count_exchanges(tx, since=make.now))

    assert plan[0].startswith(
        "SEARCH exchange USING COVERING INDEX ix_exchange_state_direction_key_partner"
        " (state=? AND direction=? AND key>?)"
    )


def test_ready_and_dead_jobs_are_counted_in_the_index_alone(plans: Callable[[Any], list[str]]) -> None:
    plan = plans(jobs.count_jobs)

    assert [line.split(" (")[0] for line in plan] == ["SEARCH job USING COVERING INDEX ix_job_state_kind_key"]


def test_what_waits_for_a_held_endpoint_is_not_read_to_find_what_is_due(
    plans: Callable[[Any], list[str]], make: Any
) -> None:
    def work(tx: Connection) -> None:
        a_job(make, tx)
        jobs.claim_jobs(tx, now=make.now, worker="w", lease=timedelta(minutes=1), limit=5)

    plan = plans(work)

    assert "SEARCH job USING INDEX ix_job_state_priority_endpoint_due_seq" in " ".join(plan)
    assert [line for line in plan if "due<?" in line and "endpoint=?" not in line] == []


def related(make: Any, tx: Connection) -> Any:
    key = make.key()
    ids = {"subject": "s", "correlation_id": "c", "conversation_id": "v"}
    exchanges.open_exchange(tx, make.exchange(key=key, **ids))
    return exchanges.related_exchanges(tx, key)


def an_exchange(make: Any, tx: Connection) -> list[Any]:
    key = make.key()
    exchanges.open_exchange(tx, make.exchange(key=key))
    messages.add_message(tx, make.message(exchange=key))
    events.add_event(tx, make.event(exchange=key))
    return [key, make.key()]


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
    "newest_messages_of": lambda m, tx: messages.newest_messages_of(tx, an_exchange(m, tx), most=5),
    "newest_events_of": lambda m, tx: events.newest_events_of(tx, an_exchange(m, tx), most=5),
    "senders_of": lambda m, tx: messages.senders_of(tx, [m.key(), m.key()]),
    "exchanges_of": lambda m, tx: events.exchanges_of(tx, [m.key(), m.key()]),
    "find_event": lambda m, tx: events.find_event(tx, "s", "e"),
    "find_resource": lambda m, tx: resources.find_resource(tx, "t", "r", at=m.now),
    "versions_of": lambda m, tx: resources.versions_of(tx, "t", "r"),
    "find_exchanges": lambda m, tx: exchanges.find_exchanges(tx, "x"),
    "find_exchanges of a next page": lambda m, tx: exchanges.find_exchanges(tx, "x", before=m.key()),
    "steps_of": lambda m, tx: timeline.steps_of(tx, m.key()),
    "changed_since": lambda m, tx: timeline.steps_since(tx, 7, without={9}),
    "get_cursor": lambda m, tx: cursors.get_cursor(tx, "c"),
    "read_blob": lambda m, tx: blobs.read_blob(tx, blobs.put_blob(tx, b"x")[0]),
    "claim_jobs": lambda m, tx: jobs.claim_jobs(
        tx, now=m.now, worker="w", lease=timedelta(minutes=1), limit=5, kinds=("map",)
    ),
    "owners_of": lambda m, tx: runs.owners_of(tx, ["a", "b"]),
    "count_items": lambda m, tx: runs.count_items(tx, m.key()),
    "items_of": lambda m, tx: runs.items_of(tx, m.key(), ItemOutcome.WAITING, limit=5, after=m.key()),
    "turned_away_since": lambda m, tx: doors.turned_away_since(tx, m.now),
    "oldest_untaken": lambda m, tx: jobs.oldest_untaken(tx),
    "oldest_due": lambda m, tx: jobs.oldest_due(tx, m.now, ("map", "publish")),
    "count_attention": lambda m, tx: exchanges.count_attention(tx, most=100),
    "count_running": lambda m, tx: exchanges.count_running(tx, before=m.now),
    "oldest_waiting": lambda m, tx: access.oldest_waiting(tx),
    "find_by_person": lambda m, tx: persons.find_by_person(tx, b"k" * 32, "999990019", before=m.key()),
    "list_causes": lambda m, tx: list_causes(tx),
    "related_exchanges": related,
    "dead_jobs_about": lambda m, tx: jobs.dead_jobs_about(tx, kind="signal", subject_keys=[m.key()]),
    "tries_about": lambda m, tx: jobs.tries_about(tx, kind="publish", subject_keys=[m.key()]),
    "count_dead": lambda m, tx: jobs.count_dead(tx, without="signal"),
    "count_ready_for": lambda m, tx: jobs.count_ready_for(tx, "e", most=5),
    "ready_for": lambda m, tx: jobs.ready_for(tx, "e", most=5),
    "count_standing": lambda m, tx: jobs.count_standing(tx),
    "end_given_up": lambda m, tx: jobs.end_given_up(tx, kind="signal", subject_key=m.key(), at=m.now),
    "count_dead_by_sender": lambda m, tx: jobs.count_dead_by_sender(tx, kind="signal", most=5),
    "overdue_about": lambda m, tx: jobs.overdue_about(tx, kind="deliver", endpoint="e", now=m.now, limit=5),
    "finish_free_jobs_about": lambda m, tx: jobs.finish_free_jobs_about(
        tx, kind="map", subject_key=m.key(), at=m.now
    ),
    "finish_jobs_about": lambda m, tx: jobs.finish_jobs_about(tx, kind="map", subject_key=m.key(), at=m.now),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_every_lookup_goes_by_an_index(plans: Callable[[Any], list[str]], make: Any, name: str) -> None:
    def work(tx: Connection) -> None:
        a_job(make, tx)
        LOOKUPS[name](make, tx)

    assert bad(plans(work)) == []
