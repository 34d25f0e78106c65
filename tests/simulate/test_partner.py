"""Two simulated partners talk to each other over real TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from bridge.ebms.model import SIGNAL_SERVICE, Service
from bridge.ids import ConversationId, MessageId
from bridge.pki import Flaw, Organisation, Pki
from bridge.simulate import messages
from bridge.simulate.envelope import read_envelope, to_octets, write_envelope
from bridge.simulate.journal import Journal
from bridge.simulate.packing import XML_TYPE, Attachment
from bridge.simulate.partner import DeliveryFailed, Partner
from bridge.simulate.profile import Profile
from bridge.simulate.settings import Tls

PAYLOAD = b"<melding>\r\n  <nummer>1</nummer>\xc3\xab</melding>\n"
WITHIN = 10


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("profile", list(Profile))
async def test_payload_arrives_octet_for_octet_in_every_profile(make_pair, profile, sync):
    melder, ontvanger = await make_pair(profile=profile, sync=sync)

    result = await melder.send(PAYLOAD, "vtMelding")

    assert (result.status, [m.payload for m in ontvanger.received]) == (
        200 if sync and profile.reliable else 204,
        [PAYLOAD],
    )
    assert (melder.refused, ontvanger.refused) == ([], [])


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("profile", [Profile.RELIABLE, Profile.RELIABLE_SIGNED])
async def test_reliable_message_is_acknowledged(make_pair, profile, sync):
    melder, _ = await make_pair(profile=profile, sync=sync)

    result = await melder.send(PAYLOAD, "vtMelding")

    acknowledgment = await melder.acknowledged(result.message_id, WITHIN)
    assert acknowledgment.header.ref_to_message_id == result.message_id


async def test_signed_acknowledgment_repeats_the_references_that_were_signed(make_pair):
    melder, _ = await make_pair(profile=Profile.RELIABLE_SIGNED)

    result = await melder.send(PAYLOAD, "vtMelding")

    acknowledgment = (await melder.acknowledged(result.message_id, WITHIN)).acknowledgment
    assert acknowledgment is not None
    assert acknowledgment.references == melder.sent(result.message_id).references
    assert len(acknowledgment.references) == 2


async def test_any_octets_arrive_as_second_part(make_pair):
    melder, ontvanger = await make_pair()
    octets = bytes(range(256)) + b"\r\n--\r\n\n\r"

    more = Attachment(content_id="bijlage@partner.test", content_type="application/pdf", octets=octets)
    await melder.send(PAYLOAD, "vtMelding", more=(more,))

    assert [a.octets for a in ontvanger.received[0].attachments] == [PAYLOAD, octets]


async def test_conversation_and_reference_travel_with_the_message(make_pair):
    melder, ontvanger = await make_pair()

    await melder.send(PAYLOAD, "vtMelding", conversation_id="gesprek-1", ref_to="eerder@partner.test")

    arrived = ontvanger.received[0]
    assert (arrived.conversation_id, arrived.ref_to_message_id) == ("gesprek-1", "eerder@partner.test")


async def test_duplicate_is_counted_and_gets_the_same_acknowledgment_octets(make_pair):
    melder, ontvanger = await make_pair(sync=True)
    first = await melder.send(PAYLOAD, "vtMelding")

    again = await melder.resend(first.message_id)

    assert (again.body, len(ontvanger.received), ontvanger.received[0].copies) == (first.body, 1, 2)


async def test_same_message_id_with_other_content_is_refused(make_pair):
    melder, ontvanger = await make_pair(sync=True)
    await melder.send(PAYLOAD, "vtMelding", message_id="m@partner.test")

    await melder.send(b"<anders/>", "vtMelding", message_id="m@partner.test")

    with pytest.raises(DeliveryFailed, match="Inconsistent"):
        await melder.acknowledged("m@partner.test", WITHIN)
    assert [m.payload for m in ontvanger.received] == [PAYLOAD]


async def test_dropped_acknowledgment_is_mended_by_the_retry(make_pair):
    melder, ontvanger = await make_pair(melder={"retry_interval": timedelta(milliseconds=20)})
    ontvanger.misconduct.dropped = 1

    result = await melder.send(PAYLOAD, "vtMelding")

    await melder.acknowledged(result.message_id, WITHIN)
    assert len(ontvanger.received) == 1
    assert ontvanger.received[0].copies >= 2


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_tampered_acknowledgment_does_not_acknowledge(make_pair, sync):
    melder, ontvanger = await make_pair(sync=sync, melder={"retry_interval": timedelta(milliseconds=20)})
    ontvanger.misconduct.tampered = 1

    result = await melder.send(PAYLOAD, "vtMelding")

    await melder.acknowledged(result.message_id, WITHIN)
    assert any("does not verify" in line for line in melder.refused)
    assert melder.sent(result.message_id).attempts >= 2


@pytest.mark.parametrize("profile", [Profile.BEST_EFFORT_SIGNED, Profile.RELIABLE_SIGNED])
async def test_tampered_payload_is_a_security_failure(make_pair, profile):
    melder, ontvanger = await make_pair(profile=profile, sync=True)
    ontvanger.misconduct.refused = 1
    result = await melder.send(PAYLOAD, "vtMelding")
    sent = melder.sent(result.message_id)

    _, answer = await melder.post(sent.content_type, sent.body.replace(b"<nummer>1<", b"<nummer>2<"))

    assert b"SecurityFailure" in answer
    assert ontvanger.received == []


async def test_ping_is_answered_with_a_pong(make_pair):
    melder, _ = await make_pair(sync=True)
    request = messages.make_business(
        melder.settings,
        "Ping",
        hrefs=(),
        message_id=MessageId("ping@partner.test"),
        conversation_id=ConversationId("gesprek-1"),
        ref_to=None,
        now=datetime.now(UTC),
    )
    ping = replace(request, header=replace(request.header, service=Service(value=SIGNAL_SERVICE)))

    status, answer = await melder.post(XML_TYPE, to_octets(write_envelope(ping)))

    pong = read_envelope(answer)[1].header
    assert (status, pong.action, pong.ref_to_message_id) == (200, "Pong", "ping@partner.test")


async def test_stripped_signature_is_a_security_failure(make_pair):
    melder, ontvanger = await make_pair(
        sync=True, melder={"profile": Profile.BEST_EFFORT}, ontvanger={"profile": Profile.BEST_EFFORT_SIGNED}
    )

    result = await melder.send(PAYLOAD, "vtMelding")

    assert b"SecurityFailure" in result.body
    assert ontvanger.received == []


async def test_signature_of_another_party_is_refused(make_pair, pki: Pki):
    melder, ontvanger = await make_pair(sync=True)
    peer = replace(ontvanger.settings.peer, certificate=pki.credentials("hub").certificate)
    strict = Partner(replace(ontvanger.settings, peer=peer))
    await strict.start()
    melder.bridge_url = strict.url

    result = await melder.send(PAYLOAD, "vtMelding")

    await strict.stop()
    assert b"SecurityFailure" in result.body


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"cpa_id": "andere_1"}, b"ValueNotRecognized"),
        ({"service": "iets:anders:1"}, b"ValueNotRecognized"),
        ({"role": "Omstander"}, b"Inconsistent"),
        ({"profile": Profile.BEST_EFFORT_SIGNED}, b"Inconsistent"),
        ({"retries": 0, "retry_interval": timedelta(days=-1)}, b"TimeToLiveExpired"),
    ],
    ids=["cpa", "service", "role", "profile", "expired"],
)
async def test_message_against_the_agreement_gets_its_error(make_pair, other, code):
    melder, ontvanger = await make_pair(sync=True, melder=other)

    result = await melder.send(PAYLOAD, "vtMelding")

    assert code in result.body
    assert ontvanger.received == []


async def test_unknown_action_is_refused_asynchronously(make_pair):
    melder, _ = await make_pair()

    result = await melder.send(PAYLOAD, "vtOnbekend")

    with pytest.raises(DeliveryFailed, match="ValueNotRecognized"):
        await melder.acknowledged(result.message_id, WITHIN)


async def test_content_in_the_response_of_an_asynchronous_message_does_not_acknowledge(make_pair):
    melder, _ = await make_pair(ontvanger={"sync": True})

    result = await melder.send(PAYLOAD, "vtMelding")

    assert result.status == 200
    assert not melder.sent(result.message_id).settled.is_set()
    assert melder.refused != []


async def test_status_that_cannot_heal_ends_the_message(make_pair):
    melder, ontvanger = await make_pair()
    ontvanger.misconduct.refused, ontvanger.misconduct.status = 1, 404

    result = await melder.send(PAYLOAD, "vtMelding")

    with pytest.raises(DeliveryFailed, match="404"):
        await melder.acknowledged(result.message_id, WITHIN)


async def test_status_that_may_heal_is_retried(make_pair):
    melder, ontvanger = await make_pair(melder={"retry_interval": timedelta(milliseconds=20)})
    ontvanger.misconduct.refused = 2

    result = await melder.send(PAYLOAD, "vtMelding")

    await melder.acknowledged(result.message_id, WITHIN)
    assert result.status == 503


async def test_peer_that_is_away_is_a_result_and_not_an_exception(make_pair):
    melder, ontvanger = await make_pair()
    await ontvanger.stop()

    result = await melder.send(PAYLOAD, "vtMelding")

    assert (result.status, result.problem) == (None, "ClientConnectorError")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/xml", b"not xml"),
        ("text/xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        ("text/xml", b"<a/>"),
        ("multipart/related; boundary=x", b"no part at all"),
        ("multipart/related", b""),
    ],
    ids=["no-xml", "doctype", "no-envelope", "no-part", "no-boundary"],
)
async def test_octets_that_are_no_message_get_a_fault(make_pair, content_type, body):
    melder, _ = await make_pair()

    status, answer = await melder.post(content_type, body)

    assert status == 500
    assert b"faultcode" in answer


async def test_certificate_of_another_organisation_gets_a_fault(make_pair, tls: Callable[[str], Tls]):
    stranger, ontvanger = await make_pair(melder={"tls": tls("hub")})

    result = await stranger.send(PAYLOAD, "vtMelding")

    assert result.status == 500
    assert ontvanger.received == []


@pytest.mark.parametrize("flaw", [Flaw.EXPIRED, Flaw.OTHER_CA, Flaw.REVOKED, Flaw.SELF_SIGNED])
async def test_wrong_client_certificate_ends_in_the_handshake(make_pair, pki: Pki, tls, flaw):
    wrong = pki.make_wrong(Organisation(name="Fout", oin="00000001111111110000", stem=f"x-{flaw}"), flaw)
    _, ontvanger = await make_pair()
    settings = replace(tls("melder"), certificate=wrong.certificate, key=wrong.key)
    late = Partner(replace(ontvanger.settings, tls=settings, port=0))
    fresh = Partner(replace(ontvanger.settings, port=0))  # reads the revocation list as it is now
    await late.start()
    await fresh.start()
    late.bridge_url = fresh.url

    result = await late.send(PAYLOAD, "vtMelding")

    await late.stop()
    await fresh.stop()
    assert result.status is None


async def test_slow_partner_answers_late(make_pair):
    melder, ontvanger = await make_pair(melder={"request_timeout": timedelta(milliseconds=50)})
    ontvanger.misconduct.delay = 60

    result = await melder.send(PAYLOAD, "vtMelding")

    assert (result.status, result.problem) == (None, "TimeoutError")


async def test_received_messages_survive_in_the_journal(make_pair, ontvanger_settings, journal: Path):
    melder, ontvanger = await make_pair(ontvanger={"journal": journal})
    result = await melder.send(PAYLOAD, "vtMelding")
    await melder.acknowledged(result.message_id, WITHIN)
    await melder.resend(result.message_id)
    await ontvanger.stop()

    again = Partner(replace(ontvanger.settings))
    await again.start()

    await again.stop()
    assert [(m.message_id, m.payload, m.copies) for m in again.received] == [(result.message_id, PAYLOAD, 2)]


async def test_unacknowledged_message_is_taken_up_after_a_restart(make_pair, journal: Path):
    melder, ontvanger = await make_pair(melder={"journal": journal})
    ontvanger.misconduct.dropped = 1
    result = await melder.send(PAYLOAD, "vtMelding")
    await melder.stop()

    again = Partner(replace(melder.settings, retry_interval=timedelta(milliseconds=20)), clock=melder._clock)
    again.bridge_url = ontvanger.url
    await again.start()
    ontvanger.bridge_url = again.url
    await again.acknowledged(result.message_id, WITHIN)

    await again.stop()
    assert len(ontvanger.received) == 1


def test_cut_off_last_line_of_the_journal_never_happened(journal: Path):
    Journal(journal).write(kind="copy")
    journal.write_bytes(journal.read_bytes() + b'{"kind": "copy", "mess')

    entries = Journal(journal).read()

    assert (entries, journal.read_bytes()) == ([{"kind": "copy"}], b'{"kind": "copy"}\n')


async def test_control_endpoint_sends_and_tells(make_pair):
    melder, ontvanger = await make_pair(control_port=0)
    async with aiohttp.ClientSession() as session:

        async def do(partner: Partner, **asked: object) -> object:
            async with session.post(partner.addresses["control"], json=asked) as response:
                return (await response.json())["answer"]

        result = await do(melder, do="send", payload=PAYLOAD.decode(), action="vtMelding")
        await do(melder, do="acknowledged", message_id=result["message_id"], within=WITHIN)
        state = await do(ontvanger, do="state")

    assert [(m["message_id"], m["copies"]) for m in state["received"]] == [(result["message_id"], 1)]


async def test_waiting_for_messages_ends_when_they_are_there(make_pair):
    melder, ontvanger = await make_pair()
    waiting = asyncio.ensure_future(ontvanger.wait_received(2, WITHIN))

    await melder.send(PAYLOAD, "vtMelding")
    await melder.send(PAYLOAD, "vtMelding")

    assert len(await waiting) == 2


async def test_many_messages_at_once_arrive_once_each(make_pair):
    melder, ontvanger = await make_pair()

    results = await asyncio.gather(*(melder.send(PAYLOAD, "vtMelding") for _ in range(20)))

    for result in results:
        await melder.acknowledged(result.message_id, WITHIN)
    assert sorted(m.message_id for m in ontvanger.received) == sorted(r.message_id for r in results)
