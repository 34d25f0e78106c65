"""Flow 4, second half: whom an event concerns, what is looked up for it, and what ties the answer to its request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.config import PartnerSettings as PartnerTerms
from bridge.config import Settings
from bridge.config import SourceSettings as SourceTerms
from bridge.demo import BRIDGE, HUB, POLICE, cpa_party, tls_of
from bridge.mapping.load import MappingSet
from bridge.pki import Pki
from bridge.simulate import (
    CpaTerms,
    Partner,
    PartnerSettings,
    Peer,
    Profile,
    Source,
    SourceSettings,
    make_cpa,
)
from bridge.store.persons import find_by_person
from bridge.store.rows import Direction, EventState, ExchangeDirection, ExchangeState, MessageState
from tests.conftest import STRANGER, Clock
from tests.flow.conftest import World, open_world
from tests.flow.hub_side import TAKEN_UP, pull, report, taken_up

NUMBER = "BVH-2026-000042"
SECOND_CPA = "melding_vreemde_veiligthuis_1"


def states(world: World) -> list[EventState]:
    """Of the events that came in."""
    return [event.state for event in world.events() if event.direction is Direction.IN]


def reason(world: World) -> str:
    (event,) = [event for event in world.events() if event.direction is Direction.IN]
    return event.reason or ""


def sent(world: World) -> list[str]:
    """To whom messages were made."""
    return [message.to_party for message in world.messages(direction=Direction.OUT)]


# --- whom it concerns


@pytest.mark.rule("SOH-37", "SOH-137")
async def test_the_answer_carries_the_conversation_and_the_message_id_of_the_report(world: World) -> None:
    await report(world)
    (request,) = world.messages(direction=Direction.IN)
    await pull(world, taken_up())
    await world.settled()
    (received,) = world.partner.received
    assert received.conversation_id == request.conversation_id
    assert received.ref_to_message_id == request.message_id
    assert NUMBER.encode() in received.payload
    assert states(world) == [EventState.COMPOSED]


@pytest.mark.rule("SOH-37")
async def test_the_correlation_of_the_report_and_of_its_answer_at_the_hub_are_one(world: World) -> None:
    """Veilig Thuis behind the hub answers in the conversation of the event that it saw."""
    await report(world)
    await world.work(seconds=60)
    (offered,) = world.hub.events
    correlation = offered.event["correlationid"]
    await pull(world, taken_up(correlationid=correlation, causationid=offered.id))
    came = [event for event in world.events() if event.direction is Direction.IN]
    assert [(event.correlation_id, event.causation_id) for event in came] == [(correlation, offered.id)]
    assert {exchange.correlation_id for exchange in world.exchanges()} == {correlation}


@pytest.mark.rule("SOH-138")
async def test_two_open_reports_get_each_their_own_answer_whatever_the_order(world: World) -> None:
    await report(world, "A-1")
    await report(world, "A-2")
    requests = {message.subject: message.message_id for message in world.messages(direction=Direction.IN)}
    await pull(world, taken_up("A-2"))
    await pull(world, taken_up("A-1"))
    await world.settled()
    tied = {m.subject: m.ref_to_message_id for m in world.messages(direction=Direction.OUT)}
    assert tied == requests
    assert [message.ref_to_message_id for message in world.partner.received] == [
        requests["melding/A-2"],
        requests["melding/A-1"],
    ]


@pytest.mark.rule("SOH-37", "SOH-138")
@pytest.mark.parametrize("named_by", ["causationid", "correlationid"])
async def test_of_two_reports_about_one_subject_the_one_that_the_event_names_is_answered(
    world: World, named_by: str
) -> None:
    await report(world)
    await report(world)
    first, second = world.messages(direction=Direction.IN)
    for made in world.events()[::-1]:
        name = made.id if named_by == "causationid" else made.correlation_id
        await pull(world, taken_up(**{named_by: name}))
    await world.settled()
    answers = [message.ref_to_message_id for message in world.partner.received]
    assert answers == [second.message_id, first.message_id]


async def test_a_report_of_another_partner_is_never_answered_though_the_event_names_it(world: World) -> None:
    """What the hub says about the cause does not widen who is told: the subject must be the partner's own."""
    await report(world, "A-1")
    (made,) = world.events()
    await pull(world, taken_up("A-2", causationid=made.id, correlationid=made.correlation_id))
    assert states(world) == [EventState.UNMATCHED]
    assert sent(world) == []


async def test_an_event_about_a_subject_that_the_partner_never_reported_is_not_for_it(world: World) -> None:
    await report(world)
    await pull(world, taken_up("ANDERS-1"))
    assert states(world) == [EventState.UNMATCHED]
    assert sent(world) == []


async def test_a_refused_report_makes_no_one_concerned(world: World) -> None:
    """Who only tried to report, with a message that was not accepted, learns nothing about the subject."""
    payload = world.sample
    await world.partner.send(payload, "vtOnbekend")
    await pull(world, taken_up())
    assert sent(world) == []


async def test_without_a_subscription_nothing_is_sent(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, events=()) as world:
        await report(world)
        await pull(world, taken_up())
        assert states(world) == [EventState.UNMATCHED]
        assert sent(world) == []


def tomorrow(clock: Clock) -> date:
    return clock().astimezone(ZoneInfo("Europe/Amsterdam")).date() + timedelta(days=1)


@pytest.mark.rule("SOH-181")
async def test_from_the_day_of_its_migration_nothing_is_passed_for_a_partner_and_that_is_said(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, events=(TAKEN_UP,), migrated_on=tomorrow(clock)) as world:
        await report(world)
        await pull(world, taken_up())
        assert states(world) == [EventState.COMPOSED]
        before = len([event for event in world.events() if event.direction is Direction.OUT])

        await world.work(seconds=86400.0)
        await report(world)
        await pull(world, taken_up(minutes=1))

        words = f"{POLICE.name} migrated on {tomorrow(clock) - timedelta(days=1)}: the bridge translates nothing more"
        parked = world.messages(direction=Direction.IN)[-1]
        assert parked.state is MessageState.PARKED
        assert (parked.reason or "").startswith(words)
        unmatched = [event for event in world.events() if event.state is EventState.UNMATCHED]
        assert [(event.reason or "").startswith(words) for event in unmatched] == [True]
        assert len([event for event in world.events() if event.direction is Direction.OUT]) == before
        assert len(sent(world)) == 1
        told = [step for step in world.steps() if step.detail.get("reason", "").startswith(words)]
        assert {step.what for step in told} == {"message.parked", "event.unmatched"}


async def test_without_a_mapping_the_event_waits_for_a_person(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, events=(TAKEN_UP,)) as world:
        await report(world)
        world.bridge.mappings = MappingSet(programs=(), sha="")
        await pull(world, taken_up())
        assert states(world) == [EventState.QUARANTINED]
        assert "no mapping composes a message" in reason(world)
        assert POLICE.name in reason(world)
        assert ExchangeState.ATTENTION in [exchange.state for exchange in world.exchanges()]


@asynccontextmanager
async def two_partners(
    folder: Path, pki: Pki, clock: Clock, *, agreed: bool = True, **terms: Any
) -> AsyncIterator[tuple[World, Partner]]:
    """The police, and another partner with its own agreement, or without one."""
    other = Partner(
        PartnerSettings(
            name=STRANGER.name,
            oin=STRANGER.oin,
            role="Melder",
            cpa_id=SECOND_CPA,
            peer=Peer(oin=BRIDGE.oin, role="Ontvanger", certificate=pki.credentials(BRIDGE.stem).certificate),
            tls=tls_of(pki, STRANGER),
        ),
        clock=clock,
    )
    await other.start()

    def add(settings: Settings) -> Settings:
        partner = PartnerTerms(
            name=STRANGER.name, party_id=STRANGER.oin, system="Ander", events=(TAKEN_UP,), **terms
        )
        if agreed:
            (folder / "cpa" / "second.xml").write_bytes(_second_cpa(pki, other.url))
        return settings.model_copy(update={"partners": (*settings.partners, partner)})

    try:
        async with open_world(folder, pki, clock, settings_change=add) as world:
            other.bridge_url = world.url
            yield world, other
    finally:
        await other.stop()


def _second_cpa(pki: Pki, endpoint: str) -> bytes:
    now = datetime.now(UTC)
    terms = CpaTerms(
        cpa_id=SECOND_CPA,
        profile=Profile.RELIABLE_SIGNED,
        start=now - timedelta(days=1),
        end=now + timedelta(days=9),
    )
    return make_cpa(
        terms,
        partner=cpa_party(pki, STRANGER, "Melder", endpoint),
        bridge=cpa_party(pki, BRIDGE, "Ontvanger", "https://localhost:8443/ebms"),
    )


async def test_of_two_subscribers_only_the_one_that_reported_gets_the_answer(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with two_partners(tmp_path, pki, clock) as (world, other):
        await report(world)
        await pull(world, taken_up())
        await world.settled()
        assert sent(world) == [POLICE.oin]
        assert len(world.partner.received) == 1
        assert other.received == []


async def test_two_partners_that_reported_the_same_get_each_a_message_of_their_own(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with two_partners(tmp_path, pki, clock) as (world, other):
        await report(world)
        assert (await other.send(world.sample, "vtMelding")).status == 204
        await world.work()
        await pull(world, taken_up())
        await world.settled()
        assert sorted(sent(world)) == sorted([POLICE.oin, STRANGER.oin])
        (one,), (two,) = world.partner.received, other.received
        assert one.message_id != two.message_id
        assert one.conversation_id != two.conversation_id
        requests = {m.from_party: m.message_id for m in world.messages(direction=Direction.IN)}
        assert (one.ref_to_message_id, two.ref_to_message_id) == (
            requests[POLICE.oin],
            requests[STRANGER.oin],
        )


async def test_without_an_agreement_nothing_goes_out_and_the_reason_is_told(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with two_partners(tmp_path, pki, clock, agreed=False, only_own_subjects=False) as (world, _):
        await report(world)
        await pull(world, taken_up())
        assert states(world) == [EventState.QUARANTINED]
        assert f"{STRANGER.name}: " in reason(world)
        assert sent(world) == []


# --- what is looked up


@asynccontextmanager
async def with_source(
    folder: Path, pki: Pki, clock: Clock, *, readers: tuple[str, ...] = (BRIDGE.oin,), known: bool = True
) -> AsyncIterator[tuple[World, Source]]:
    """A migrated organisation with a source, which the settings know or not."""
    source = Source(SourceSettings(tls=tls_of(pki, HUB), readers=readers))
    await source.start()
    terms = SourceTerms(oin=HUB.oin, base_url=f"{source.url}/inzage")

    def add(settings: Settings) -> Settings:
        return settings.model_copy(update={"sources": (terms,) if known else ()})

    try:
        async with open_world(folder, pki, clock, settings_change=add) as world:
            yield world, source
    finally:
        await source.stop()


def put(source: Source) -> str:
    """A decision of Veilig Thuis; gives its address."""
    resource = {"id": "urn:uitkomst-melding:1", "toelichting": "Proefbesluit van de bron"}
    return source.put("uitkomst-melding", "1", resource)


@pytest.mark.rule("SOH-133")
async def test_the_full_data_is_fetched_at_the_source_for_the_partner(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with with_source(tmp_path, pki, clock) as (world, source):
        await report(world)
        await pull(world, taken_up(dataref=put(source)))
        await world.settled()
        assert source.lookups == [(BRIDGE.oin, "uitkomst-melding", "1", 200)]
        (received,) = world.partner.received
        assert b"Proefbesluit van de bron" in received.payload


async def test_a_message_to_a_partner_is_found_by_the_person_that_stands_in_it(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with with_source(tmp_path, pki, clock) as (world, source):
        await report(world)
        about = {"id": "urn:uitkomst-melding:1", "toelichting": "Proefbesluit over 999990019"}
        await pull(world, taken_up(dataref=source.put("uitkomst-melding", "1", about)))
        await world.settled()
        key = world.bridge.person_key
        found = world.bridge.store.read_sync(lambda tx: find_by_person(tx, key, "999990019"))
        assert [exchange.direction for exchange in found] == [ExchangeDirection.TO_PARTNER]


@pytest.mark.rule("SOH-165")
async def test_a_source_that_is_down_makes_the_message_wait_and_says_so(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with with_source(tmp_path, pki, clock) as (world, source):
        await report(world)
        url = put(source)
        port = source._server.port
        await source.stop()
        await pull(world, taken_up(dataref=url))
        assert states(world) == [EventState.RECEIVED]
        assert "did not answer" in reason(world)
        assert world.what_happened().count("source.down") == 1
        again = Source(SourceSettings(tls=tls_of(pki, HUB), readers=(BRIDGE.oin,), port=port))
        put(again)
        await again.start()
        try:
            await world.work(seconds=900)
            await world.settled()
        finally:
            await again.stop()
        assert states(world) == [EventState.COMPOSED]
        assert len(world.partner.received) == 1


async def test_a_source_that_refuses_leaves_the_event_for_a_person(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with with_source(tmp_path, pki, clock, readers=()) as (world, source):
        await report(world)
        await pull(world, taken_up(dataref=put(source)))
        assert states(world) == [EventState.QUARANTINED]
        assert "status 403" in reason(world)
        assert sent(world) == []


Address = Callable[[Source], str]


@pytest.mark.parametrize(
    "address",
    [
        lambda source: f"{source.url}/elders/uitkomst-melding/1",
        lambda source: f"{source.url}/inzage/../control",
        lambda source: source.url.replace("localhost", "127.0.0.1") + "/inzage/uitkomst-melding/1",
        lambda source: source.url.replace("https://", "https://iemand@") + "/inzage/uitkomst-melding/1",
        lambda source: source.url.replace("https", "http") + "/inzage/uitkomst-melding/1",
    ],
)
async def test_an_address_that_is_not_of_a_known_source_is_never_asked(
    tmp_path: Path, pki: Pki, clock: Clock, address: Address
) -> None:
    async with with_source(tmp_path, pki, clock) as (world, source):
        await report(world)
        await pull(world, taken_up(dataref=address(source)))
        assert source.lookups == []
        assert states(world) == [EventState.QUARANTINED]
        assert "not in the settings" in reason(world)


async def test_a_source_that_the_settings_do_not_name_is_never_asked(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with with_source(tmp_path, pki, clock, known=False) as (world, source):
        await report(world)
        await pull(world, taken_up(dataref=put(source)))
        assert source.lookups == []
        assert states(world) == [EventState.QUARANTINED]
        assert sent(world) == []
