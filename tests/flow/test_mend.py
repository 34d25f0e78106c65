"""Mending: replay, send again, offer again, release, settle, revive; what they refuse, and what they write down."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bridge.cli.assemble import assemble
from bridge.config import load_settings
from bridge.demo import BRIDGE, CPA_ID, MAPPINGS, POLICE, SAMPLE, SUBJECT, write_settings
from bridge.ebms.model import Service
from bridge.flow import compose, map, publish
from bridge.flow.bridge import Bridge
from bridge.flow.exchange import settle_exchange
from bridge.flow.mapping_folder import read_mapping_files
from bridge.flow.mend import (
    Actor,
    CannotMend,
    EffectKind,
    Mended,
    pause_partner,
    release,
    replay,
    resend,
    resolve,
    resume_partner,
    retry_event,
    revive,
)
from bridge.flow.outgoing import DELIVER
from bridge.hub.event import make_event, write_structured
from bridge.hub.reader import read_structured
from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.pki import Pki
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.blobs import put_blob
from bridge.store.channels import find_channel
from bridge.store.events import EventFilter, add_event, list_events, set_event_state
from bridge.store.exchanges import get_exchange, open_exchange
from bridge.store.jobs import JobFilter, add_job, bury_job, claim_jobs, list_jobs
from bridge.store.messages import MessageFilter, add_message, add_payload, get_message, list_messages
from bridge.store.resources import versions_of
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Job,
    JobState,
    Message,
    MessageState,
    Payload,
)
from bridge.store.timeline import steps_of
from bridge.store.unit import Store
from tests.conftest import Clock

ANNA = Actor(name="anna", role="operator")
WANTED = ("vt-melding.map.yaml", "vt-terugkoppeling.map.yaml")
SECRET = "999900092"


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The mappings of the main job, as texts."""
    every = read_mapping_files(MAPPINGS)
    return {n: t for n, t in every.items() if not n.endswith(".map.yaml") or n.endswith(WANTED)}


@pytest.fixture(scope="module")
def mended(files: dict[str, str]) -> MappingSet:
    """A version in which something of the event and of the resource changed."""
    name = next(name for name in files if name.endswith("vt-melding.map.yaml"))
    changed = files[name].replace("version: ", "version: 9", 1)
    assert changed != files[name]
    return read_mapping_set({**files, name: changed})


@pytest.fixture(scope="module")
def template(
    tmp_path_factory: pytest.TempPathFactory, pki: Pki, files: dict[str, str]
) -> tuple[Bridge, Path]:
    folder = tmp_path_factory.mktemp("mend")
    shutil.copytree(pki.directory, folder / "certs")
    for name, text in files.items():
        (folder / "mappings" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "mappings" / name).write_text(text, encoding="utf-8")
    config = write_settings(
        folder, pki, partner_url="https://localhost:9/ebms", hub_url="https://localhost:9"
    )
    elsewhere = {"BRIDGE__MAPPINGS__FOLDER": str(folder / "mappings")}

    async def make() -> Bridge:
        async with assemble(load_settings(config, environment=elsewhere)) as bridge:
            return bridge

    return asyncio.run(make()), folder / "bridge.sqlite3"


@dataclass
class Room:
    """A bridge with a store of its own, a clock moved by hand, and nobody at the other ends."""

    bridge: Bridge
    clock: Clock

    def read(self, work: Callable[[Connection], Any]) -> Any:
        return self.bridge.store.read_sync(work)

    def write(self, work: Callable[[Connection], Any]) -> Any:
        return self.bridge.store.write_sync(work)

    async def received(self, *, payload: bytes | None = None) -> Message:
        """A report of the police, mapped when the mapping of now takes it."""
        key, exchange, now = self.bridge.new_key(), self.bridge.new_key(), self.clock.forward(seconds=1)
        message = Message(
            key=key,
            exchange=exchange,
            direction=Direction.IN,
            kind="business",
            message_id=MessageId(f"{key}@politie.example"),
            conversation_id=ConversationId("conversation"),
            cpa_id=CpaId(CPA_ID),
            from_party=POLICE.oin,
            from_role="Melder",
            to_party=BRIDGE.oin,
            service="urn:vtMelding",
            action="vtMelding",
            state=MessageState.RECEIVED,
            at=now,
            changed_at=now,
        )

        def work(tx: Connection) -> None:
            self._open(tx, exchange, ExchangeDirection.TO_HUB)
            add_message(tx, message)
            blob, size = put_blob(tx, payload or SAMPLE.read_bytes())
            add_payload(
                tx,
                Payload(
                    message=key, position=0, content_id="a@b", content_type="text/xml", blob=blob, size=size
                ),
            )
            add_job(tx, key=self.bridge.new_key(), kind=map.KIND, subject_key=key, due=now, at=now)

        self.write(work)
        await map.map_message(self.bridge, self.claim(map.KIND))
        return self.message(key)

    def set_aside(self, body: bytes | None = None) -> Event:
        """An event of the hub from which no message could be made."""
        exchange, now = self.bridge.new_key(), self.clock.forward(seconds=1)
        made = make_event(
            id=str(self.bridge.new_uuid()),
            source=f"urn:nld:oin:{BRIDGE.oin}:systeem:vt",
            type="uitwisselen-melding.melding-opgepakt",
            subject=SUBJECT,
            time=now,
            data={},
            extensions={},
        )
        event = Event(
            key=self.bridge.new_key(),
            exchange=exchange,
            direction=Direction.IN,
            source=made.source,
            id=EventId(made.id),
            type=made.type,
            subject=SUBJECT,
            time=str(made.attributes["time"]),
            state=EventState.QUARANTINED,
            reason="no agreement",
            body=body or write_structured(made),
            at=now,
            changed_at=now,
        )

        def work(tx: Connection) -> None:
            self._open(tx, exchange, ExchangeDirection.TO_PARTNER)
            add_event(tx, event)
            settle_exchange(tx, exchange, at=now)

        self.write(work)
        return event

    def undelivered(self, state: MessageState = MessageState.FAILED, **given: Any) -> Message:
        """A message of ours that did not arrive."""
        key, exchange, now = self.bridge.new_key(), self.bridge.new_key(), self.clock.forward(seconds=1)
        message = Message(
            **{
                "key": key,
                "exchange": exchange,
                "direction": Direction.OUT,
                "kind": "business",
                "message_id": MessageId(f"{key}@bridge.example"),
                "conversation_id": ConversationId("conversation"),
                "cpa_id": CpaId(CPA_ID),
                "from_party": BRIDGE.oin,
                "from_role": "Ontvanger",
                "to_party": POLICE.oin,
                "to_role": "Melder",
                "service": self.service().value,
                "service_type": self.service().type,
                "action": "vtTerugkoppeling",
                "state": state,
                "reason": "no acknowledgment",
                "attempts": 21,
                "at": now,
                "changed_at": now,
                "time_to_live": now + timedelta(hours=1),
            }
            | given
        )

        def work(tx: Connection) -> None:
            self._open(tx, exchange, ExchangeDirection.TO_PARTNER)
            add_message(tx, message)
            blob, size = put_blob(tx, b"<answer/>")
            add_payload(
                tx,
                Payload(
                    message=key, position=0, content_id="a@b", content_type="text/xml", blob=blob, size=size
                ),
            )
            settle_exchange(tx, exchange, at=now)

        self.write(work)
        return message

    def service(self) -> Service:
        return self.bridge.agreements.agreements[0].parties[0].roles[0].service

    def _open(self, tx: Connection, key: Key, direction: ExchangeDirection) -> None:
        now = self.clock()
        open_exchange(
            tx,
            Exchange(
                key=key,
                direction=direction,
                started_at=now,
                changed_at=now,
                partner=POLICE.oin,
                title="vtMelding",
                state=ExchangeState.RUNNING,
            ),
        )

    def claim(self, kind: str) -> Job:
        jobs = self.write(
            lambda tx: claim_jobs(
                tx, now=self.clock(), worker="test", lease=timedelta(minutes=1), limit=1, kinds=(kind,)
            )
        )
        return jobs[0]  # type: ignore[no-any-return]

    def message(self, key: Key) -> Message:
        return self.read(lambda tx: get_message(tx, key))  # type: ignore[no-any-return]

    def messages(self, exchange: Key) -> tuple[Message, ...]:
        return self.read(lambda tx: list_messages(tx, MessageFilter(exchange=exchange)))[::-1]  # type: ignore[no-any-return]

    def events(self, exchange: Key) -> tuple[Event, ...]:
        return self.read(lambda tx: list_events(tx, EventFilter(exchange=exchange)))[::-1]  # type: ignore[no-any-return]

    def ready(self, kind: str) -> list[Key]:
        return [
            j.subject_key
            for j in self.read(lambda tx: list_jobs(tx, JobFilter(state=JobState.READY, kind=kind)))
        ]

    def exchange(self, key: Key) -> Exchange:
        return self.read(lambda tx: get_exchange(tx, key))  # type: ignore[no-any-return]

    def last_step(self, exchange: Key) -> Any:
        return self.read(lambda tx: steps_of(tx, exchange))[-1]

    def audited(self) -> list[tuple[str, str | None, str | None]]:
        lines = self.read(lambda tx: list_audit(tx, AuditFilter()))
        return [(line.action, line.target, line.reason) for line in lines][::-1]

    def end_events(self, exchange: Key, state: EventState, reason: str | None = None) -> None:
        """The hub is done with every event of the exchange."""

        def work(tx: Connection) -> None:
            for event in list_events(tx, EventFilter(exchange=exchange)):
                set_event_state(tx, event.key, state, at=self.clock(), reason=reason)
            settle_exchange(tx, exchange, at=self.clock())

        self.write(work)


@pytest.fixture
def room(template: tuple[Bridge, Path], tmp_path: Path, clock: Clock) -> Iterator[Room]:
    bridge, empty = template
    shutil.copy(empty, tmp_path / "bridge.sqlite3")
    with Store.open(f"sqlite:///{tmp_path / 'bridge.sqlite3'}") as store:
        yield Room(replace(bridge, store=store, now=clock, problems={}), clock)


@pytest.fixture
async def parked(room: Room) -> AsyncIterator[Message]:
    """No mapping took it; now there is one."""
    good, room.bridge.mappings = room.bridge.mappings, MappingSet(programs=(), sha="")
    message = await room.received()
    room.bridge.mappings = good
    assert message.state is MessageState.PARKED
    yield message


def kinds(mended: Mended) -> list[EffectKind]:
    return [effect.kind for effect in mended.effects]


# --- replay


async def test_parked_message_is_mapped_and_offered_after_the_mapping_was_mended(
    room: Room, parked: Message
) -> None:
    done = await replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason="mapping mended")
    assert done.done
    assert set(kinds(done)) == {EffectKind.OFFER, EffectKind.RESOURCE}
    assert room.message(parked.key).state is MessageState.MAPPED
    made = room.events(parked.exchange)
    assert made
    assert room.ready(publish.KIND)[::-1] == [event.key for event in made]
    assert room.exchange(parked.exchange).state is ExchangeState.RUNNING


async def test_replay_stands_on_the_timeline_and_in_the_audit_log(room: Room, parked: Message) -> None:
    await replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason="mapping  mended")
    step = room.last_step(parked.exchange)
    assert (step.what, step.by, step.detail["reason"]) == ("message.replayed", "anna", "mapping mended")
    assert room.audited() == [("message.replayed", parked.key, "mapping mended")]


async def test_dry_run_tells_the_same_and_changes_nothing(room: Room, parked: Message) -> None:
    told = await replay(room.bridge, parked.key, dry_run=True, by=ANNA, reason="")
    assert not told.done
    assert room.message(parked.key) == parked
    assert room.events(parked.exchange) == ()
    assert room.audited() == []
    done = await replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason="x")
    assert kinds(done) == kinds(told)


async def test_message_that_still_cannot_be_mapped_stays_parked_with_its_new_reason(
    room: Room, parked: Message
) -> None:
    room.bridge.mappings = MappingSet(programs=(), sha="")
    done = await replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason="try")
    assert (done.done, kinds(done)) == (False, [EffectKind.STOPS])
    assert room.message(parked.key).state is MessageState.PARKED
    assert room.audited()[-1][0] == "message.replay_failed"


@pytest.mark.rule("SOH-04")
async def test_published_event_is_not_offered_again_by_a_replay(room: Room) -> None:
    message = await room.received()
    room.end_events(message.exchange, EventState.OK)
    before = room.events(message.exchange)
    done = await replay(room.bridge, message.key, dry_run=False, by=ANNA, reason="look")
    assert set(kinds(done)) == {EffectKind.STAYS, EffectKind.RESOURCE_SAME}
    assert room.events(message.exchange) == before


@pytest.mark.rule("SOH-74")
async def test_published_event_is_offered_anew_when_asked_and_names_its_cause(room: Room) -> None:
    message = await room.received()
    room.end_events(message.exchange, EventState.OK)
    before = room.events(message.exchange)
    done = await replay(
        room.bridge, message.key, dry_run=False, by=ANNA, reason="hub lost it", offer_again=True
    )
    assert EffectKind.OFFER_AGAIN in kinds(done)
    fresh = room.events(message.exchange)[len(before) :]
    assert [event.causation_id for event in fresh] == [event.id for event in before]
    assert [read_structured(e.body).attributes["causationid"] for e in fresh] == [e.id for e in before]
    assert {event.id for event in fresh}.isdisjoint({event.id for event in before})


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (EventState.CREATED, EffectKind.QUEUED),
        (EventState.OFFERED, EffectKind.UNDER_WAY),
        (EventState.UNKNOWN, EffectKind.UNKNOWN),
    ],
)
async def test_event_on_its_way_to_the_hub_is_left_alone_and_is_said_to_be_where_it_is(
    room: Room, state: EventState, kind: EffectKind
) -> None:
    message = await room.received()
    room.end_events(message.exchange, state)
    before = room.events(message.exchange)
    done = await replay(room.bridge, message.key, dry_run=False, by=ANNA, reason="x", offer_again=True)
    assert kind in kinds(done)
    assert room.events(message.exchange) == before


async def test_second_replay_with_new_offers_does_not_offer_twice(room: Room) -> None:
    message = await room.received()
    room.end_events(message.exchange, EventState.OK)
    for _ in range(2):
        await replay(room.bridge, message.key, dry_run=False, by=ANNA, reason="x", offer_again=True)
    causes = [e.causation_id for e in room.events(message.exchange) if e.causation_id]
    assert len(causes) == len(set(causes))


async def test_of_two_replays_at_the_same_time_one_is_refused(room: Room, parked: Message) -> None:
    tries = [replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason="x") for _ in range(2)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["ChangedMeanwhile", "Mended"]
    ids = [event.id for event in room.events(parked.exchange)]
    assert len(ids) == len(set(ids)) == len(room.ready(publish.KIND))


async def test_rejected_event_is_offered_anew_by_a_replay(room: Room) -> None:
    message = await room.received()
    room.end_events(message.exchange, EventState.ERROR, "FUNCTIONEEL: x")
    assert room.exchange(message.exchange).state is ExchangeState.ATTENTION
    await replay(room.bridge, message.key, dry_run=False, by=ANNA, reason="x")
    assert room.exchange(message.exchange).state is ExchangeState.RUNNING


async def test_older_message_does_not_put_newer_data_back(room: Room, parked: Message) -> None:
    await room.received(payload=SAMPLE.read_bytes().replace(b"demo-2026-11-000042", b"demo-2026-11-000043"))
    done = await replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason="x")
    about = next(effect for effect in done.effects if effect.kind is EffectKind.RESOURCE_NEWER)
    versions = room.read(lambda tx: versions_of(tx, about.title, about.id))
    assert [version.exchange for version in versions if version.exchange == parked.exchange] == []


async def test_difference_shows_places_and_never_values(room: Room) -> None:
    message = await room.received()
    room.end_events(message.exchange, EventState.OK)

    def spoil(tx: Connection) -> None:
        event = room.events(message.exchange)[0]
        body = json.loads(event.body)
        body["data"] = {**body["data"], "extra": f"Jan {SECRET}"}
        from bridge.store import tables

        tx.execute(
            tables.event.update()
            .where(tables.event.c.key == event.key)
            .values(body=json.dumps(body).encode())
        )

    room.write(spoil)
    told = await replay(room.bridge, message.key, dry_run=True, by=ANNA, reason="")
    changed = next(effect for effect in told.effects if effect.kind is EffectKind.STAYS_CHANGED)
    assert any("data/extra" in line for line in changed.differences)
    assert SECRET not in str(told)


async def test_outgoing_message_is_not_replayed(room: Room) -> None:
    with pytest.raises(CannotMend, match="send it again"):
        await replay(room.bridge, room.undelivered().key, dry_run=True, by=ANNA, reason="x")


# --- sending again


async def test_failed_message_is_sent_as_a_new_message_with_the_same_content(room: Room) -> None:
    old = room.undelivered()
    await resend(room.bridge, old.key, dry_run=False, by=ANNA, reason="partner is back")
    kept, fresh = room.messages(old.exchange)
    assert kept == old
    assert fresh.message_id != old.message_id
    assert fresh.conversation_id == old.conversation_id
    assert room.ready(DELIVER) == [fresh.key]
    assert room.exchange(old.exchange).state is ExchangeState.RUNNING
    assert room.audited() == [("message.resent", old.key, "partner is back")]


async def test_message_is_sent_anew_once(room: Room) -> None:
    old = room.undelivered()
    tries = [resend(room.bridge, old.key, dry_run=False, by=ANNA, reason="x") for _ in range(2)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["CannotMend", "Mended"]
    assert len(room.ready(DELIVER)) == 1


async def test_without_an_agreement_nothing_is_sent_and_nothing_written_down(room: Room) -> None:
    old = room.undelivered(cpa_id=CpaId("gone"))
    with pytest.raises(CannotMend, match="no longer there"):
        await resend(room.bridge, old.key, dry_run=False, by=ANNA, reason="x")
    assert room.messages(old.exchange) == (old,)
    assert room.audited() == []


async def test_failed_message_may_be_sent_again_with_the_same_id(room: Room) -> None:
    old = room.undelivered()
    await resend(room.bridge, old.key, same=True, dry_run=False, by=ANNA, reason="partner is back")
    now = room.message(old.key)
    assert (now.state, now.attempts, now.message_id) == (MessageState.CREATED, 0, old.message_id)
    assert room.ready(DELIVER) == [old.key]
    assert room.exchange(old.exchange).state is ExchangeState.RUNNING
    assert room.audited() == [("message.resent", old.key, "partner is back")]


async def test_expired_message_keeps_its_octets_home(room: Room) -> None:
    old = room.undelivered(MessageState.EXPIRED, time_to_live=room.clock())
    with pytest.raises(CannotMend, match="as a new message"):
        await resend(room.bridge, old.key, same=True, dry_run=False, by=ANNA, reason="x")


async def test_message_that_is_under_way_is_not_sent_again(room: Room) -> None:
    waiting = room.undelivered(MessageState.WAITING)
    with pytest.raises(CannotMend, match="only a failed or expired one"):
        await resend(room.bridge, waiting.key, dry_run=True, by=ANNA, reason="x")


async def test_message_is_not_sent_again_twice(room: Room) -> None:
    old = room.undelivered()
    await resend(room.bridge, old.key, same=True, dry_run=False, by=ANNA, reason="x")
    with pytest.raises(CannotMend):
        await resend(room.bridge, old.key, same=True, dry_run=False, by=ANNA, reason="x")
    assert room.ready(DELIVER) == [old.key]


# --- events


@pytest.mark.rule("SOH-04")
async def test_rejected_event_is_offered_again_under_a_new_id(room: Room) -> None:
    message = await room.received()
    room.end_events(message.exchange, EventState.ERROR, "FUNCTIONEEL: x")
    old = room.events(message.exchange)[0]
    await retry_event(room.bridge, old.key, dry_run=False, by=ANNA, reason="hub was wrong")
    fresh = room.events(message.exchange)[-1]
    assert (fresh.causation_id, fresh.state) == (old.id, EventState.CREATED)
    assert fresh.key in room.ready(publish.KIND)
    assert read_structured(fresh.body).data == read_structured(old.body).data


async def test_event_is_offered_again_once(room: Room) -> None:
    message = await room.received()
    room.end_events(message.exchange, EventState.ERROR, "x")
    old = room.events(message.exchange)[0]
    await retry_event(room.bridge, old.key, dry_run=False, by=ANNA, reason="x")
    with pytest.raises(CannotMend, match="offered again already"):
        await retry_event(room.bridge, old.key, dry_run=False, by=ANNA, reason="x")


@pytest.mark.parametrize("state", [EventState.OK, EventState.OFFERED, EventState.UNKNOWN])
async def test_event_that_was_not_rejected_is_not_offered_again(room: Room, state: EventState) -> None:
    message = await room.received()
    room.end_events(message.exchange, state)
    with pytest.raises(CannotMend, match="only one that the hub rejected"):
        await retry_event(
            room.bridge, room.events(message.exchange)[0].key, dry_run=False, by=ANNA, reason="x"
        )


async def test_event_that_was_set_aside_is_composed_again(room: Room) -> None:
    event = room.set_aside()
    done = await release(room.bridge, event.key, dry_run=False, by=ANNA, reason="agreement is there")
    assert kinds(done) == [EffectKind.NOBODY]
    assert room.ready(compose.KIND) == [event.key]
    assert room.exchange(event.exchange).state is ExchangeState.RUNNING


@pytest.mark.parametrize("body", [b"no json", b"{}"])
async def test_event_that_breaks_the_rules_is_not_released(room: Room, body: bytes) -> None:
    event = room.set_aside(body)
    with pytest.raises(CannotMend, match="its sender must send a good one"):
        await release(room.bridge, event.key, dry_run=False, by=ANNA, reason="x")
    assert room.ready(compose.KIND) == []


# --- settling, jobs, partners


async def test_settled_exchange_is_done_and_says_by_whom(room: Room, parked: Message) -> None:
    await resolve(room.bridge, parked.exchange, note="phoned the partner", dry_run=False, by=ANNA)
    assert room.exchange(parked.exchange).state is ExchangeState.DONE
    step = room.last_step(parked.exchange)
    assert (step.what, step.by, step.detail["reason"]) == ("exchange.resolved", "anna", "phoned the partner")


async def test_settled_message_stays_settled_when_something_else_changes(room: Room, parked: Message) -> None:
    await resolve(room.bridge, parked.exchange, note="x", dry_run=False, by=ANNA)
    room.write(lambda tx: settle_exchange(tx, parked.exchange, at=room.clock()))
    assert room.exchange(parked.exchange).state is ExchangeState.DONE


async def test_settled_message_that_is_replayed_counts_again(room: Room, parked: Message) -> None:
    await resolve(room.bridge, parked.exchange, note="x", dry_run=False, by=ANNA)
    await replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason="after all")
    assert room.exchange(parked.exchange).state is ExchangeState.RUNNING


async def test_exchange_that_runs_is_not_settled(room: Room) -> None:
    message = await room.received()
    with pytest.raises(CannotMend, match="nothing to settle"):
        await resolve(room.bridge, message.exchange, note="x", dry_run=False, by=ANNA)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\x00b"])
async def test_nothing_is_mended_without_a_good_reason(room: Room, parked: Message, reason: str) -> None:
    with pytest.raises(CannotMend, match="give a reason"):
        await replay(room.bridge, parked.key, dry_run=False, by=ANNA, reason=reason)
    assert room.message(parked.key) == parked


async def test_dead_job_is_revived_with_its_exchange(room: Room) -> None:
    message = await room.received()
    job = room.claim(publish.KIND)
    room.write(lambda tx: bury_job(tx, job, reason="surprise", at=room.clock()))
    await revive(room.bridge, job.key, dry_run=False, by=ANNA, reason="mended")
    assert job.subject_key in room.ready(publish.KIND)
    assert room.last_step(message.exchange).what == "job.revived"
    with pytest.raises(CannotMend, match="only a dead one"):
        await revive(room.bridge, job.key, dry_run=False, by=ANNA, reason="x")


async def test_partner_is_paused_and_resumed_with_a_reason(room: Room) -> None:
    await pause_partner(room.bridge, POLICE.oin, dry_run=False, by=ANNA, reason="maintenance")
    paused = room.read(lambda tx: find_channel(tx, POLICE.oin))
    assert (paused.paused_by, paused.reason) == ("anna", "maintenance")
    await resume_partner(room.bridge, POLICE.oin, dry_run=False, by=ANNA, reason="done")
    assert not room.read(lambda tx: find_channel(tx, POLICE.oin)).paused
    assert [action for action, _, _ in room.audited()] == ["partner.paused", "partner.resumed"]


async def test_dry_runs_write_nothing(room: Room, parked: Message) -> None:
    failed, rejected = room.undelivered(), await room.received()
    room.end_events(rejected.exchange, EventState.ERROR, "x")
    event = room.events(rejected.exchange)[0]
    steps = room.read(lambda tx: len(steps_of(tx, rejected.exchange)))
    await resend(room.bridge, failed.key, dry_run=True, by=ANNA, reason="")
    await retry_event(room.bridge, event.key, dry_run=True, by=ANNA, reason="")
    await resolve(room.bridge, parked.exchange, note="", dry_run=True, by=ANNA)
    await pause_partner(room.bridge, POLICE.oin, dry_run=True, by=ANNA, reason="")
    assert room.audited() == []
    assert room.read(lambda tx: len(steps_of(tx, rejected.exchange))) == steps
    assert room.message(failed.key) == failed
