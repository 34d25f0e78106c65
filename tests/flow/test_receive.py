"""Flow 1: what a partner's MSH sees when it posts, and what is on disk then."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.ebms.model import ErrorCode
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.store.messages import payloads_of
from bridge.store.rows import EvidenceKind, MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import part, post, write, write_without_payload
from tests.flow.store import evidence, payload_octets

PLAIN = [Profile.BEST_EFFORT, Profile.RELIABLE, Profile.BEST_EFFORT_SIGNED, Profile.RELIABLE_SIGNED]


@pytest.mark.rule("DK-04", "DK-07", "DK-23", "DK-31", "DK-80")
async def test_a_signed_message_is_stored_and_then_acknowledged_by_a_post_of_its_own(world: World) -> None:
    result = await world.partner.send(world.sample, "vtMelding")
    assert (result.status, result.body) == (204, b"")
    assert [m.message_id for m in world.messages()] == [result.message_id]
    await world.work()
    acknowledgment = await world.partner.acknowledged(result.message_id, 5)
    assert acknowledgment.header.ref_to_message_id == result.message_id


@pytest.mark.rule("DK-03", "DK-19")
@pytest.mark.parametrize("profile", [Profile.BEST_EFFORT, Profile.BEST_EFFORT_SIGNED])
async def test_a_best_effort_message_gets_204_and_no_signal_ever(
    tmp_path: Path, pki: Pki, clock: Clock, profile: Profile
) -> None:
    async with open_world(tmp_path, pki, clock, profile=profile) as world:
        result = await world.partner.send(world.sample, "vtMelding")
        assert (result.status, result.body) == (204, b"")
        await world.work(days=1)
        assert world.partner.signals == []
        assert [m.state for m in world.messages()] != [MessageState.REFUSED]


@pytest.mark.rule("DK-17", "DK-84", "DK-87")
@pytest.mark.parametrize("profile", [Profile.RELIABLE, Profile.RELIABLE_SIGNED])
async def test_with_mshsignalsonly_the_acknowledgment_is_in_the_http_response(
    tmp_path: Path, pki: Pki, clock: Clock, profile: Profile
) -> None:
    async with open_world(tmp_path, pki, clock, profile=profile, sync=True) as world:
        result = await world.partner.send(world.sample, "vtMelding")
        assert result.status == 200
        acknowledgment = await world.partner.acknowledged(result.message_id, 1)
        assert acknowledgment.header.ref_to_message_id == result.message_id
        await world.work()
        assert world.partner.signals == []


@pytest.mark.rule("DK-07", "DK-74")
async def test_a_plain_reliable_message_gets_an_unsigned_acknowledgment(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.RELIABLE) as world:
        result = await world.partner.send(world.sample, "vtMelding")
        await world.work()
        await world.partner.acknowledged(result.message_id, 5)
        assert b"Signature" not in evidence(world, EvidenceKind.ANSWER)


@pytest.mark.rule("DK-14", "DK-72", "DK-73")
async def test_the_signed_acknowledgment_satisfies_an_independent_verifier_and_repeats_every_digest(
    world: World,
) -> None:
    result = await world.partner.send(world.sample, "vtMelding", more=(part(b"%PDF-1.7", "application/pdf"),))
    await world.work()
    acknowledgment = await world.partner.acknowledged(result.message_id, 5)
    assert acknowledgment.acknowledgment is not None
    given = {(r.uri, r.digest_value) for r in acknowledgment.acknowledgment.references}
    assert given == {(r.uri, r.digest_value) for r in world.partner.sent(result.message_id).references}
    assert len(given) == 3


@pytest.mark.rule("DK-46")
async def test_the_acknowledgment_has_the_conversation_of_the_message(world: World) -> None:
    result = await world.partner.send(world.sample, "vtMelding", conversation_id="dossier-7")
    await world.work()
    acknowledgment = await world.partner.acknowledged(result.message_id, 5)
    assert acknowledgment.header.conversation_id == "dossier-7"
    assert [m.conversation_id for m in world.messages()] == ["dossier-7"]


@pytest.mark.rule("DK-11", "DK-126")
@pytest.mark.parametrize("profile", PLAIN)
@pytest.mark.parametrize("count", [0, 1, 3])
async def test_any_number_of_parts_is_received_under_each_profile(
    tmp_path: Path, pki: Pki, clock: Clock, profile: Profile, count: int
) -> None:
    async with open_world(tmp_path, pki, clock, profile=profile) as world:
        parts = tuple(part(f"<n>{number}</n>".encode()) for number in range(count))
        letter = write(world, *parts) if parts else write_without_payload(world)
        assert (await post(world, letter)).status == 204
        assert payload_octets(world) == [p.octets for p in parts]


@pytest.mark.rule("DK-71", "DK-79", "DK-127")
async def test_parts_keep_their_type_and_every_octet(world: World) -> None:
    """Also a payload with a broken signature of its own, or with encryption of the application's."""
    parts = (
        part(b"\r\n <a>\r\r\n\x00\xff", "application/pdf"),
        part(b'<x xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:Signature/></x>\n', "text/xml"),
        part(b'<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#"/>', "application/xml"),
        part(b"\x89PNG\r\n\x1a\n", "image/png"),
    )
    assert (await post(world, write(world, *parts))).status == 204
    assert payload_octets(world) == [p.octets for p in parts]
    key = world.messages()[0].key
    kept = world.bridge.store.read_sync(lambda tx: payloads_of(tx, key))
    assert [p.content_type for p in kept] == [p.content_type for p in parts]


@pytest.mark.rule("DK-10", "DK-41")
async def test_what_came_is_kept_as_evidence_octet_for_octet(world: World) -> None:
    letter = write(world)
    await post(world, letter)
    assert evidence(world, EvidenceKind.RECEIVED) == letter.body


@pytest.mark.rule("DK-17")
async def test_a_partner_that_knows_only_202_gets_202(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, empty_answer=202) as world:
        answer = await post(world, write(world))
        assert (answer.status, answer.body) == (202, b"")


@pytest.mark.rule("DK-104", "DK-36")
async def test_a_gateway_may_deliver_only_for_the_partners_that_say_so(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with (
        open_world(tmp_path, pki, clock, delivered_by=("00000001999990068000",)) as world,
        world.stranger() as session,
    ):
        letter = write(world)
        assert (await post(world, letter, session=session)).status == 204
        forged = write(world, in_octets=lambda octets: octets.replace(b"vtMelding", b"vtMeldinh"))
        await post(world, forged, session=session)
        assert [m.state for m in world.messages()] == [MessageState.RECEIVED, MessageState.REFUSED]


@pytest.mark.rule("DK-37", "DK-150", "DK-81")
async def test_a_peer_of_another_party_is_refused_and_nothing_is_kept(world: World) -> None:
    async with world.stranger() as session:
        answer = await post(world, write(world), session=session)
    assert answer.message.error_list is not None
    assert [e.code for e in answer.message.error_list.errors] == [ErrorCode.SECURITY_FAILURE]
    assert world.messages() == ()


@pytest.mark.rule("DK-102")
async def test_a_message_for_somebody_else_is_refused_and_not_forwarded(world: World) -> None:
    world.bridge.own = ()
    answer = await post(world, write(world))
    assert answer.status == 204
    assert [m.state for m in world.messages()] == [MessageState.REFUSED]
