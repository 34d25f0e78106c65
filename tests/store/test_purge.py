"""Retention: what is removed and when, what never is, and what stays known of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from bridge.ids import Key, Oin
from bridge.store import tables
from bridge.store.access import find_purged
from bridge.store.blobs import ContentPurged, put_blob, read_blob
from bridge.store.events import add_event, get_event
from bridge.store.exchanges import open_exchange, set_exchange
from bridge.store.holds import find_hold, hold_exchange, list_holds, release_exchange
from bridge.store.jobs import add_job, claim_jobs, finish_job
from bridge.store.messages import (
    add_evidence,
    add_message,
    add_payload,
    evidence_of,
    get_message,
    payloads_of,
)
from bridge.store.persons import find_by_person, index_person
from bridge.store.purge import (
    drop_done_jobs,
    is_purged,
    list_purge_runs,
    purge_due,
    purged_of,
    totals_of,
)
from bridge.store.resources import find_resource, put_resource
from bridge.store.retention import Due, Retention, TypeSpans, count_kept, find_due
from bridge.store.rows import (
    Content,
    Event,
    Evidence,
    EvidenceKind,
    Exchange,
    ExchangeState,
    Message,
    Payload,
    PurgeRun,
)
from bridge.store.timeline import add_step, steps_of, told_at, told_of
from bridge.store.unit import Store

DAY = timedelta(days=1)
ALL = Retention(spans=dict.fromkeys(Content, 10 * DAY))
KEY = b"k" * 32


@dataclass
class Case:
    """One exchange that is done: a message with payload, evidence and answer, an event and a resource."""

    exchange: Exchange
    message: Message
    event: Event
    payload: str = ""
    received: str = ""
    answer: str = ""


@dataclass
class World:
    store: Store
    make: Any
    needed: dict[str, datetime] = field(default_factory=dict)

    def write(self, **changes: Any) -> Case:
        make = self.make
        values = {"state": ExchangeState.DONE, **changes}
        content = values.pop("content", f"content {make.count}".encode())
        resource = values.pop("resource", None)
        exchange = make.exchange(**values)
        message = make.message(exchange=exchange.key)
        case = Case(exchange, message, make.event(exchange=exchange.key))
        self.store.write_sync(lambda tx: self._write(tx, case, content, resource or str(make.count)))
        return case

    def _write(self, tx: Any, case: Case, content: bytes, resource: str) -> None:
        at = self.make.now
        open_exchange(tx, case.exchange)
        add_message(tx, case.message)
        case.payload, size = put_blob(tx, content)
        part = {"content_id": "a@b", "content_type": "text/xml", "blob": case.payload, "size": size}
        add_payload(tx, Payload(message=case.message.key, position=0, **part))
        for kind, octets in ((EvidenceKind.RECEIVED, b"wire " + content), (EvidenceKind.ANSWER, b"answer")):
            blob, _ = put_blob(tx, octets)
            add_evidence(tx, Evidence(message=case.message.key, kind=kind, headers="", blob=blob, at=at))
            setattr(case, kind.value, blob)
        add_event(tx, case.event)
        put_resource(
            tx,
            key=self.make.key(),
            exchange=case.exchange.key,
            type="melding",
            id=resource,
            owner=Oin("00000000000000000101"),
            body="{}",
            at=at,
        )
        index_person(tx, KEY, "999900092", case.exchange.key)

    def needed_until(self, message: Message) -> datetime:
        return self.needed.get(message.key, message.at)

    def find(self, content: Content, retention: Retention = ALL) -> tuple[Due, ...]:
        now = self.make.now
        return self.store.read_sync(
            lambda tx: find_due(tx, content, retention, now=now, needed_until=self.needed_until)
        ).due

    def purge(self, *contents: Content, retention: Retention = ALL) -> PurgeRun:
        run = PurgeRun(key=self.make.key(), at=self.make.now, by="someone", reason="test")
        for content in contents or tuple(Content):
            self.remove(self.find(content, retention), run, retention)
        return run

    def remove(self, due: tuple[Due, ...], run: PurgeRun, retention: Retention = ALL) -> None:
        now, needed = self.make.now, self.needed_until
        self.store.write_sync(lambda tx: purge_due(tx, due, retention, run=run, now=now, needed_until=needed))

    def is_there(self, blob: str) -> bool:
        try:
            return bool(self.store.read_sync(lambda tx: read_blob(tx, blob)))
        except ContentPurged:
            return False

    def gone(self, case: Case) -> set[Content]:
        return {p.content for p in self.store.read_sync(lambda tx: purged_of(tx, case.exchange.key))}


@pytest.fixture
def world(store: Store, make: Any) -> World:
    return World(store, make)


def test_content_is_removed_and_the_fact_stays(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    world.purge()

    store = world.store
    assert world.gone(case) == set(Content)
    assert not world.is_there(case.payload) and not world.is_there(case.received)
    assert store.read_sync(lambda tx: get_message(tx, case.message.key)) == case.message
    assert [p.blob for p in store.read_sync(lambda tx: payloads_of(tx, case.message.key))] == [case.payload]
    assert len(store.read_sync(lambda tx: evidence_of(tx, case.message.key))) == 2
    event = store.read_sync(lambda tx: get_event(tx, case.event.key))
    assert (event.id, event.body) == (case.event.id, b"")
    assert store.read_sync(lambda tx: find_by_person(tx, KEY, "999900092")) == ()


def test_the_octets_are_gone_from_the_database(world: World) -> None:
    world.write()
    world.make.later(days=11)
    world.purge()

    left = world.store.read_sync(lambda tx: tx.scalar(select(func.count()).select_from(tables.chunk)))
    assert left == 1


@pytest.mark.parametrize("content", [Content.PAYLOAD, Content.EVENT])
def test_what_a_peer_said_goes_with_what_it_may_quote(world: World, content: Content) -> None:
    case, other = world.write(), world.write()
    for one in (case, other):
        key, at = one.exchange.key, world.make.now
        world.store.write_sync(
            lambda tx, key=key, at=at: add_step(
                tx, exchange=key, at=at, side="hub", what="event.refused", outcome="failed", told="Fictief"
            )
        )
    world.make.later(days=11)
    world.store.write_sync(
        lambda tx: hold_exchange(tx, other.exchange.key, by="someone", reason="test", at=world.make.now)
    )
    world.purge(content)

    assert world.store.read_sync(lambda tx: told_at(tx, case.exchange.key)) == frozenset()
    assert list(world.store.read_sync(lambda tx: told_of(tx, other.exchange.key)).values()) == ["Fictief"]
    assert "event.refused" in [
        s.what for s in world.store.read_sync(lambda tx: steps_of(tx, case.exchange.key))
    ]


def test_the_error_of_a_partner_goes_since_it_may_quote_the_message(world: World) -> None:
    case = world.write()

    def work(tx: Any) -> str:
        blob, _ = put_blob(tx, b"an error that quotes")
        kept = Evidence(
            message=case.message.key, kind=EvidenceKind.ERROR, headers="", blob=blob, at=world.make.now
        )
        add_evidence(tx, kept)
        return blob

    blob = world.store.write_sync(work)
    world.make.later(days=11)
    world.purge()

    assert not world.is_there(blob)


def test_the_acknowledgment_stays(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    world.purge()

    assert world.is_there(case.answer)


def test_nothing_is_removed_before_its_time(world: World) -> None:
    case = world.write()
    world.make.later(days=9)
    world.purge()

    assert world.gone(case) == set()


def test_nothing_is_removed_when_no_retention_is_set(world: World) -> None:
    case = world.write()
    world.make.later(days=9999)
    world.purge(retention=Retention(spans={}))

    assert world.gone(case) == set()


def test_each_kind_of_content_has_its_own_time(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    world.purge(retention=Retention(spans={Content.PAYLOAD: 10 * DAY, Content.EVIDENCE: 20 * DAY}))

    assert world.gone(case) == {Content.PAYLOAD}
    assert world.is_there(case.received)


def test_a_type_has_its_own_time(world: World) -> None:
    short, other = world.write(title="vtMeldingDi01"), world.write(title="vtOntvangstBevestigingDi01")
    world.make.later(days=5)
    types = (TypeSpans(pattern="vtMelding*", spans={Content.PAYLOAD: 2 * DAY}),)
    world.purge(retention=Retention(spans=ALL.spans, types=types))

    assert (world.gone(short), world.gone(other)) == ({Content.PAYLOAD}, set())


@pytest.mark.parametrize("state", [ExchangeState.RUNNING, ExchangeState.ATTENTION])
def test_what_is_not_done_stays(world: World, state: ExchangeState) -> None:
    case = world.write(state=state)
    world.make.later(days=99)
    world.purge()

    kept = world.store.read_sync(lambda tx: count_kept(tx, ALL, now=world.make.now))
    assert world.gone(case) == set()
    assert kept.running + kept.attention == 1


@pytest.mark.rule("DK-92", "DK-96")
def test_octets_that_a_repeat_or_duplicate_may_need_stay(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    world.needed[case.message.key] = world.make.now + DAY
    world.purge()
    before = world.gone(case)
    world.make.later(days=1)
    world.purge()

    assert before == {Content.EVENT, Content.RESOURCE}
    assert world.gone(case) == set(Content)


@pytest.mark.rule("SOH-129")
def test_a_resource_stays_as_long_as_consumers_may_come_for_it(world: World) -> None:
    case = world.write()
    retention = Retention(spans=ALL.spans, lookup=30 * DAY)
    world.make.later(days=29)
    world.purge(retention=retention)
    early = world.gone(case)
    world.make.later(days=2)
    world.purge(retention=retention)

    assert early == {Content.PAYLOAD, Content.EVIDENCE, Content.EVENT}
    assert world.gone(case) == set(Content)


@pytest.mark.rule("SOH-129")
def test_a_resource_to_which_a_later_event_points_stays(world: World) -> None:
    case = world.write(resource="shared")
    world.make.later(days=8)
    later = world.write(resource="shared")
    world.make.later(days=3)
    world.purge(Content.RESOURCE)
    assert (world.gone(case), world.gone(later)) == (set(), set())

    world.make.later(days=8)
    world.purge(Content.RESOURCE)
    assert world.gone(case) == {Content.RESOURCE}


@pytest.mark.rule("SOH-129")
def test_a_resource_to_which_a_live_event_points_stays(world: World) -> None:
    case = world.write(resource="shared")
    world.write(resource="shared", state=ExchangeState.RUNNING)
    world.make.later(days=99)
    world.purge(Content.RESOURCE)

    assert world.gone(case) == set()


def test_a_removed_resource_is_known_to_have_been_there(world: World) -> None:
    world.write(resource="one")
    world.make.later(days=11)
    world.purge(Content.RESOURCE)

    assert world.store.read_sync(lambda tx: find_resource(tx, "melding", "one")) is None
    assert world.store.read_sync(lambda tx: find_purged(tx, "melding", "one")) is not None


def test_octets_that_another_message_refers_to_stay(world: World) -> None:
    world.write(content=b"the same")
    world.make.later(days=5)
    young = world.write(content=b"the same")
    world.make.later(days=6)
    world.purge()
    assert world.is_there(young.payload) and world.is_there(young.received)

    world.make.later(days=5)
    world.purge()
    assert not world.is_there(young.payload)


def test_purged_content_that_comes_again_is_stored_again(world: World) -> None:
    old = world.write(content=b"again")
    world.make.later(days=11)
    world.purge()
    assert not world.is_there(old.payload)

    world.write(content=b"again")

    assert world.is_there(old.payload)


def test_a_hold_keeps_everything_until_it_is_released(world: World) -> None:
    case, store, at = world.write(), world.store, world.make.now
    key = case.exchange.key
    assert store.write_sync(lambda tx: hold_exchange(tx, key, at=at, by="jurist", reason="klacht 12"))
    assert not store.write_sync(lambda tx: hold_exchange(tx, key, at=at, by="jurist", reason="again"))
    assert [hold.reason for hold in store.read_sync(list_holds)] == ["klacht 12"]
    world.make.later(days=11)
    world.purge()
    assert world.gone(case) == set()

    assert store.write_sync(lambda tx: release_exchange(tx, key, at=at, by="jurist", reason="closed"))
    world.purge()
    assert world.gone(case) == set(Content)
    assert store.read_sync(lambda tx: find_hold(tx, key)) is None
    told = [step.what for step in store.read_sync(lambda tx: steps_of(tx, key))]
    assert told[:2] == ["hold.placed", "hold.released"]


def test_a_hold_that_comes_while_a_purge_is_under_way_wins(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    due = world.find(Content.PAYLOAD)
    at = world.make.now
    world.store.write_sync(lambda tx: hold_exchange(tx, case.exchange.key, at=at, by="jurist", reason="r"))
    world.remove(due, PurgeRun(key=world.make.key(), at=at, by="bridge", reason="retention"))

    assert world.is_there(case.payload)
    assert world.store.read_sync(list_purge_runs) == ()


def test_a_change_that_comes_while_a_purge_is_under_way_wins(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    due = world.find(Content.PAYLOAD)
    world.store.write_sync(
        lambda tx: set_exchange(tx, case.exchange.key, state=ExchangeState.RUNNING, at=world.make.now)
    )
    world.remove(due, PurgeRun(key=world.make.key(), at=world.make.now, by="bridge", reason="retention"))

    assert world.is_there(case.payload)


def test_a_run_is_reported_by_kind_and_type(world: World) -> None:
    world.write(title="a"), world.write(title="a"), world.write(title="b")
    world.make.later(days=11)
    run = world.purge(Content.PAYLOAD, Content.EVENT)

    totals = world.store.read_sync(lambda tx: totals_of(tx, run.key))
    assert [(t.content, t.title, t.exchanges, t.items) for t in totals] == [
        (Content.EVENT, "a", 2, 2),
        (Content.EVENT, "b", 1, 1),
        (Content.PAYLOAD, "a", 2, 2),
        (Content.PAYLOAD, "b", 1, 1),
    ]
    assert all(total.octets > 0 for total in totals)
    assert world.store.read_sync(list_purge_runs) == (run,)


def test_the_timeline_tells_what_was_removed_by_whom_and_why(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    world.purge(Content.PAYLOAD)

    (step,) = world.store.read_sync(lambda tx: steps_of(tx, case.exchange.key))
    assert (step.what, step.by, step.detail["content"]) == ("content.purged", "someone", "payload")
    assert step.detail["reason"] == "test"


def test_the_search_goes_on_where_it_stopped(world: World) -> None:
    cases = [world.write() for _ in range(5)]
    world.make.later(days=11)
    now, found, after, parts = world.make.now, [], None, 0
    while parts == 0 or after is not None:
        part = world.store.read_sync(
            lambda tx, after=after: find_due(
                tx, Content.EVENT, ALL, now=now, needed_until=world.needed_until, after=after, limit=2
            )
        )
        found += [due.exchange for due in part.due]
        after, parts = part.after, parts + 1

    assert found == [case.exchange.key for case in cases]
    assert parts == 3


def test_purging_twice_changes_nothing(world: World) -> None:
    case = world.write()
    world.make.later(days=11)
    world.purge(Content.EVENT)
    again = world.purge(Content.EVENT)

    assert world.store.read_sync(lambda tx: is_purged(tx, case.exchange.key, Content.EVENT))
    assert world.store.read_sync(lambda tx: totals_of(tx, again.key)) == ()


def test_with_the_events_of_an_exchange_without_messages_goes_about_whom_it_is(world: World) -> None:
    make, with_message = world.make, world.write()
    alone = make.exchange(state=ExchangeState.DONE)

    def work(tx: Any) -> None:
        open_exchange(tx, alone)
        add_event(tx, make.event(exchange=alone.key))
        index_person(tx, KEY, "999900092", alone.key)

    world.store.write_sync(work)
    make.later(days=11)
    world.purge(Content.EVENT)

    found = world.store.read_sync(lambda tx: find_by_person(tx, KEY, "999900092"))
    assert [exchange.key for exchange in found] == [with_message.exchange.key]


def test_jobs_that_were_done_long_ago_are_removed(store: Store, make: Any) -> None:
    def work(tx: Any) -> list[Key]:
        keys = [make.key(), make.key()]
        for key in keys:
            add_job(tx, key=key, kind="map", subject_key=key, due=make.now, at=make.now)
        (job,) = claim_jobs(tx, now=make.now, worker="w", lease=DAY, limit=1)
        finish_job(tx, job, at=make.now)
        return keys

    store.write_sync(work)
    later = make.later(days=31)

    assert store.write_sync(lambda tx: drop_done_jobs(tx, before=later - 30 * DAY)) == 1
    assert store.write_sync(lambda tx: drop_done_jobs(tx, before=later - 30 * DAY)) == 0
