"""Flow 5: attempts as the agreement says, octet for octet the same, until acknowledged, failed or expired."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from bridge.config import AgreementLimits
from bridge.demo import CPA_ID
from bridge.ebms.cpa_resolve import Agreements
from bridge.errors import ConfigError
from bridge.flow.outgoing import send_anew
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.simulate.envelope import read_envelope
from bridge.store.rows import EvidenceKind, ExchangeState, MessageState
from bridge.store.timeline import steps_of, told_of
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.outgoing import send_out
from tests.flow.store import evidence
from tests.flow.wire import Wire

PLAIN = [Profile.BEST_EFFORT, Profile.RELIABLE, Profile.BEST_EFFORT_SIGNED, Profile.RELIABLE_SIGNED]


@pytest.mark.rule("DK-01", "DK-05", "DK-06", "DK-09", "DK-11", "DK-126", "DK-127", "DK-02", "DK-63")
@pytest.mark.parametrize("profile", PLAIN)
@pytest.mark.parametrize("count", [1, 3])
async def test_a_message_arrives_under_each_profile(
    tmp_path: Path, pki: Pki, clock: Clock, profile: Profile, count: int
) -> None:
    """The simulated partner is as strict as the usual adapter: it checks every element and the signature itself."""
    async with open_world(tmp_path, pki, clock, profile=profile) as world:
        await send_out(world, *(f"<n>{n}</n>".encode() for n in range(count)))
        await world.work()
        await world.settled()
        assert world.partner.refused == []
        (received,) = world.partner.received
        assert [a.octets for a in received.attachments] == [f"<n>{n}</n>".encode() for n in range(count)]
        expected = MessageState.ACKNOWLEDGED if profile.reliable else MessageState.DELIVERED
        assert [m.state for m in world.messages()] == [expected]


@pytest.mark.rule("DK-17", "DK-86")
async def test_under_mshsignalsonly_the_acknowledgment_of_the_response_settles(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, sync=True) as world:
        await send_out(world)
        await world.work()
        assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]


@pytest.mark.rule("DK-93", "DK-97", "DK-99", "DK-18")
async def test_the_attempts_come_at_zero_two_and_four_seconds_and_then_none(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, retries=2, retry_interval=2.0) as world:
        wire = Wire(world)
        wire.refuses(100)
        await send_out(world)
        begun = clock.now
        await world.work()
        for _ in range(12):
            await world.work(seconds=1)
        assert [(at - begun).total_seconds() for at in wire.times] == [0, 2, 4]
        assert len(set(wire.bodies)) == 1
        (message,) = world.messages()
        assert message.state is MessageState.EXPIRED
        assert [e.state for e in world.exchanges()] == [ExchangeState.ATTENTION]


async def test_each_attempt_tells_what_came_of_it_also_when_all_ended_alike(world: World) -> None:
    world.partner.misconduct.refused, world.partner.misconduct.status = 2, 503
    await send_out(world)
    for _ in range(2):
        await world.work(seconds=30)
    (exchange,) = world.exchanges()
    tries = [step.what for step in world.bridge.store.read_sync(lambda tx: steps_of(tx, exchange.key))][-4:]
    assert tries == ["message.sent", "message.waiting"] * 2


@pytest.mark.rule("DK-93", "DK-96")
async def test_the_schedule_survives_a_restart(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    from bridge.flow.jobs import make_worker

    async with open_world(tmp_path, pki, clock, retries=2, retry_interval=2.0) as world:
        wire = Wire(world)
        wire.refuses(100)
        await send_out(world)
        begun = clock.now
        await world.work()
        world.worker = make_worker(world.bridge, name="after the restart")
        for _ in range(12):
            await world.work(seconds=1)
        assert [(at - begun).total_seconds() for at in wire.times] == [0, 2, 4]


@pytest.mark.rule("DK-114")
async def test_503_twice_then_delivered_on_the_third_attempt(world: World) -> None:
    wire = Wire(world)
    world.partner.misconduct.refused, world.partner.misconduct.status = 2, 503
    await send_out(world)
    for _ in range(3):
        await world.work(seconds=30)
        await world.settled()
    assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]
    assert len(wire.times) == 3


@pytest.mark.rule("DK-115")
@pytest.mark.parametrize(("status", "attempts"), [(302, 4), (404, 4), (401, 4), (400, 1), (413, 1)])
async def test_3xx_and_4xx_are_errors_that_the_operator_sees(
    world: World, status: int, attempts: int
) -> None:
    wire = Wire(world)
    world.partner.misconduct.refused, world.partner.misconduct.status = 99, status
    await send_out(world)
    await world.work()
    for _ in range(6):
        await world.work(seconds=30)
    assert len(wire.times) == attempts
    assert any(str(status) in step.detail.get("reason", "") for step in world.steps())
    assert [e.state for e in world.exchanges()] == [ExchangeState.ATTENTION]


@pytest.mark.rule("DK-113")
async def test_a_500_with_a_fault_is_retried_and_its_text_is_shown(world: World) -> None:
    world.partner.settings = world.partner.settings  # the partner faults what is not of its agreement
    real = world.partner._answer

    async def faulting(request, body):  # type: ignore[no-untyped-def]
        world.partner._answer = real  # type: ignore[method-assign]
        raise LookupError("tijdelijk niet")

    world.partner._answer = faulting  # type: ignore[method-assign]
    await send_out(world)
    await world.work()
    assert any("the message is not accepted" in step.detail.get("reason", "") for step in world.steps())
    await world.work(seconds=30)
    await world.settled()
    assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]


@pytest.mark.rule("DK-113")
async def test_a_fault_that_quotes_the_message_is_kept_as_content_alone(world: World) -> None:
    async def faulting(request, body):  # type: ignore[no-untyped-def]
        fault = (
            '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault>'
            "<faultcode>soap:Server</faultcode><faultstring>Jan Proefpersoon is onbekend</faultstring>"
            "</soap:Fault></soap:Body></soap:Envelope>"
        )
        return web.Response(status=500, text=fault, content_type="text/xml")

    world.partner._answer = faulting  # type: ignore[method-assign]
    await send_out(world)
    await world.work()
    (message,) = world.messages()
    told = world.bridge.store.read_sync(lambda tx: told_of(tx, message.exchange))
    assert list(told.values()) == ["Jan Proefpersoon is onbekend"]
    assert "(HTTP 500): …" in str(message.reason)
    assert not [step for step in world.steps() if "Proefpersoon" in str(step)]


@pytest.mark.rule("DK-18")
async def test_a_lost_best_effort_message_is_not_retransmitted_but_marked_failed(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.BEST_EFFORT) as world:
        wire = Wire(world)
        wire.refuses(9)
        await send_out(world)
        await world.work()
        await world.work(days=1)
        assert len(wire.times) == 1
        assert [m.state for m in world.messages()] == [MessageState.FAILED]
        assert [e.state for e in world.exchanges()] == [ExchangeState.ATTENTION]


async def test_the_operator_may_allow_best_effort_a_few_transport_retries(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.BEST_EFFORT, best_effort_retries=2) as world:
        wire = Wire(world)
        wire.refuses(2)
        await send_out(world)
        await world.work()
        for _ in range(4):
            await world.work(minutes=1)
        assert len(wire.times) == 3
        assert [m.state for m in world.messages()] == [MessageState.DELIVERED]


@pytest.mark.rule("DK-99")
async def test_a_failed_message_can_be_sent_anew_under_a_new_id(world: World) -> None:
    world.partner.misconduct.refused, world.partner.misconduct.status = 1, 400
    row = await send_out(world, b"<vtTerugkoppeling>1</vtTerugkoppeling>")
    await world.work()
    new_id = await send_anew(world.bridge, row.key)
    await world.work()
    await world.settled()
    assert new_id != row.message_id
    assert [r.message_id for r in world.partner.received] == [new_id]
    assert [m.state for m in world.messages()] == [MessageState.FAILED, MessageState.ACKNOWLEDGED]
    assert [e.state for e in world.exchanges()] == [ExchangeState.DONE]


async def test_what_is_still_under_way_is_not_sent_anew(world: World) -> None:
    row = await send_out(world)
    with pytest.raises(ConfigError):
        await send_anew(world.bridge, row.key)


@pytest.mark.rule("DK-121")
async def test_without_the_agreement_nothing_is_sent_and_the_message_expires_in_time(world: World) -> None:
    wire = Wire(world)
    row = await send_out(world)
    world.bridge.agreements = Agreements()
    await world.work()
    assert [m.state for m in world.messages()] == [MessageState.WAITING]
    await world.work(hours=1)
    assert wire.times == []
    assert [(m.key, m.state) for m in world.messages()] == [(row.key, MessageState.EXPIRED)]


@pytest.mark.rule("DK-04", "DK-22", "DK-62", "DK-63", "DK-03", "DK-16", "DK-90", "DK-91", "DK-98", "DK-58")
@pytest.mark.parametrize("profile", PLAIN)
async def test_a_written_message_has_exactly_the_elements_of_its_profile(
    tmp_path: Path, pki: Pki, clock: Clock, profile: Profile
) -> None:
    async with open_world(tmp_path, pki, clock, profile=profile) as world:
        await send_out(world)
        octets = evidence(world, EvidenceKind.SENT)
        for name, present in {
            b"AckRequested": profile.reliable,
            b"DuplicateElimination": profile.reliable,
            b"TimeToLive": profile.reliable,
            b"ds:Signature": profile.signed,
            b"SyncReply": False,
            b"MessageOrder": False,
            b"eb:Acknowledgment": False,
            b"nextMSH": False,
        }.items():
            found = octets.replace(b"actor:nextMSH&quot;", b"").replace(b'actor:nextMSH"', b"")
            assert (name in found) is present, name


@pytest.mark.rule("DK-05")
async def test_a_signed_message_differs_from_a_plain_one_by_its_signature_only(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    kinds = []
    for profile in (Profile.RELIABLE, Profile.RELIABLE_SIGNED):
        folder = tmp_path / profile
        folder.mkdir()
        async with open_world(folder, pki, clock, profile=profile) as world:
            await send_out(world)
            envelope = evidence(world, EvidenceKind.SENT).split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0]
            root, _ = read_envelope(envelope)
            kinds.append({str(child.tag) for child in root.iter()})
    plain, signed = kinds
    assert plain < signed
    assert all("xmldsig" in tag for tag in signed - plain)


@pytest.mark.rule("DK-47", "DK-146", "DK-53", "DK-45")
async def test_written_ids_are_unique_addresses_and_times_are_of_now(world: World) -> None:
    ids = {world.bridge.new_local_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(i.count("@") == 1 and i.endswith(f"@{world.bridge.settings.host_name}") for i in ids)
    row = await send_out(world)
    assert (row.at, bool(row.conversation_id)) == (world.clock(), True)


@pytest.mark.rule("DK-08", "DK-46", "DK-152")
async def test_a_response_carries_reference_and_conversation_of_its_request(world: World) -> None:
    result = await world.partner.send(world.sample, "vtMelding", conversation_id="dossier-9")
    await send_out(world, ref_to=result.message_id, conversation_id="dossier-9")
    await world.work()
    await world.settled()
    (received,) = world.partner.received
    assert (received.ref_to_message_id, received.conversation_id) == (result.message_id, "dossier-9")
    acknowledged = await world.partner.acknowledged(result.message_id, 5)
    assert acknowledged.header.conversation_id == "dossier-9"


@pytest.mark.rule("DK-111", "DK-108", "DK-110", "DK-109")
async def test_the_http_head_has_soapaction_in_quotes_and_nothing_mime_like(world: World) -> None:
    wire = Wire(world)
    await send_out(world, "<a>é€</a>".encode())
    await world.work()
    names = {name.lower() for name, _ in wire.headers[0]}
    assert not names & {"mime-version", "content-id", "content-transfer-encoding"}
    assert ("SOAPAction", '"ebXML"') in wire.headers[0]
    assert "<a>é€</a>".encode() in wire.bodies[0]
    assert b"charset=UTF-8" in wire.bodies[0]


@pytest.mark.rule("DK-104")
async def test_an_intermediary_of_the_settings_takes_the_place_of_the_endpoint(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, url="https://localhost:9/via") as world:
        wire = Wire(world)
        await send_out(world)
        await world.work()
        assert [route.url for route in wire.routes] == ["https://localhost:9/via"]
        assert [m.state for m in world.messages()] == [MessageState.WAITING]


@pytest.mark.rule("DK-30")
async def test_production_never_sends_to_a_plain_endpoint(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, url="http://localhost:9/msh") as world:
        world.bridge.settings = world.bridge.settings.model_copy(update={"production": True})
        wire = Wire(world)
        await send_out(world)
        await world.work()
        assert wire.routes == []
        assert any("DK-30" in step.detail.get("reason", "") for step in world.steps())


@pytest.mark.rule("DK-125")
@pytest.mark.parametrize(
    ("limits", "said"),
    [({"max_part_bytes": 100}, "payload part of 101"), ({"max_message_bytes": 1024}, "a message of")],
)
async def test_what_is_larger_than_its_agreement_takes_is_not_sent(
    world: World, limits: dict[str, int], said: str
) -> None:
    limit = AgreementLimits.model_validate({"cpa_id": CPA_ID, **limits})
    agreements = world.bridge.settings.agreements.model_copy(update={"limits": (limit,)})
    world.bridge.settings = world.bridge.settings.model_copy(update={"agreements": agreements})
    with pytest.raises(ConfigError, match=said):
        await send_out(world, b"x" * 101)
    assert world.messages() == ()


@pytest.mark.rule("DK-95")
async def test_one_attempt_ends_before_the_next_one_is_due(world: World) -> None:
    """There are no transport retries within an attempt, and an attempt has a time limit."""
    wire = Wire(world)
    wire.refuses(1)
    await send_out(world)
    await world.work()
    assert len(wire.times) == 1
    assert world.bridge.post.real._timeout <= 30  # type: ignore[attr-defined]


@pytest.mark.rule("DK-21")
async def test_a_lost_acknowledgment_is_repaired_by_the_next_attempt(world: World) -> None:
    world.partner.misconduct.dropped = 2
    await send_out(world)
    for _ in range(4):
        await world.work(seconds=30)
        await world.settled()
    (received,) = world.partner.received
    assert received.copies == 3
    assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]


@pytest.mark.rule("DK-72")
async def test_a_tampered_acknowledgment_does_not_acknowledge(world: World) -> None:
    world.partner.misconduct.tampered = 1
    await send_out(world)
    await world.work()
    await world.settled()
    assert [m.state for m in world.messages()] == [MessageState.WAITING]
    await world.work(seconds=30)
    await world.settled()
    assert [m.state for m in world.messages()] == [MessageState.ACKNOWLEDGED]
