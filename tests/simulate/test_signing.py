"""Packing and signatures of the simulated partner, alone: what they cover and what breaks them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bridge.ebms.model import Message, MessageHeader, Party, PartyId, Service, SyncReply
from bridge.ids import ConversationId, CpaId, MessageId
from bridge.pki import Pki
from bridge.simulate import signing
from bridge.simulate.envelope import Unreadable, read_envelope, write_envelope
from bridge.simulate.packing import Attachment, pack, unpack

PARTY = Party(party_ids=(PartyId(value="00000001111111110000", type="urn:osb:oin"),), role="Melder")
MESSAGE = Message(
    header=MessageHeader(
        from_party=PARTY,
        to_party=PARTY,
        cpa_id=CpaId("melding_1"),
        conversation_id=ConversationId("gesprek-1"),
        service=Service(value="proef", type="urn:osb:services"),
        action="vtMelding",
        message_id=MessageId("m@partner.test"),
        timestamp=datetime(2026, 11, 20, 9, tzinfo=UTC),
    ),
    sync_reply=SyncReply(),
)
PART = Attachment(content_id="p@partner.test", content_type="application/pdf", octets=b"%PDF\r\n\x00\xff")


def sign(pki: Pki) -> bytes:
    own = pki.credentials("melder")
    return signing.sign(write_envelope(MESSAGE), (PART,), key=own.key, certificate=own.certificate)[0]


def verify(pki: Pki, envelope: bytes, *parts: Attachment, stem: str = "melder") -> int:
    root, _ = read_envelope(envelope)
    return len(signing.verify(root, parts, certificate=pki.credentials(stem).certificate))


def test_signature_covers_envelope_and_part(pki: Pki):
    assert verify(pki, sign(pki), PART) == 2


def test_part_with_other_octets_does_not_verify(pki: Pki):
    with pytest.raises(signing.BadSignature, match="does not verify"):
        verify(pki, sign(pki), replace(PART, octets=PART.octets + b"\n"))


def test_part_that_was_not_signed_does_not_verify(pki: Pki):
    with pytest.raises(signing.BadSignature, match="cover"):
        verify(pki, sign(pki), PART, replace(PART, content_id="q@partner.test"))


def test_part_that_is_missing_does_not_verify(pki: Pki):
    with pytest.raises(signing.BadSignature, match="cover"):
        verify(pki, sign(pki))


def test_changed_header_does_not_verify(pki: Pki):
    with pytest.raises(signing.BadSignature, match="does not verify"):
        verify(pki, sign(pki).replace(b"vtMelding", b"vtAnders"), PART)


def test_certificate_of_another_party_does_not_verify(pki: Pki):
    with pytest.raises(signing.BadSignature, match="does not verify"):
        verify(pki, sign(pki), PART, stem="hub")


def test_message_without_signature_does_not_verify(pki: Pki):
    with pytest.raises(signing.BadSignature, match="0 signatures"):
        verify(pki, etree.tostring(write_envelope(MESSAGE)), PART)


def test_weaker_algorithm_than_agreed_does_not_verify(pki: Pki):
    weak = sign(pki).replace(
        b"http://www.w3.org/2001/04/xmlenc#sha256", b"http://www.w3.org/2000/09/xmldsig#sha1"
    )

    with pytest.raises(signing.BadSignature, match="agreed algorithm"):
        verify(pki, weak, PART)


def test_element_for_the_next_actor_is_outside_the_signature(pki: Pki):
    root, _ = read_envelope(sign(pki))
    element = root.find(".//{*}SyncReply")
    element.getparent().remove(element)

    assert verify(pki, etree.tostring(root), PART) == 2


def test_repeated_signing_does_not_leave_resolvers_behind(pki: Pki):
    sign(pki)
    other = replace(PART, octets=b"anders")
    own = pki.credentials("melder")
    envelope = signing.sign(write_envelope(MESSAGE), (other,), key=own.key, certificate=own.certificate)[0]

    assert verify(pki, envelope, other) == 2
    with pytest.raises(signing.BadSignature):
        verify(pki, envelope, PART)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_any_octets_survive_packing(contents: list[bytes]):
    parts = tuple(
        Attachment(content_id=f"p{i}@partner.test", content_type="application/octet-stream", octets=octets)
        for i, octets in enumerate(contents)
    )

    content_type, body = pack(b"<a/>", parts, boundary="f00d" * 8)

    assert unpack(content_type, body) == (b"<a/>", parts)


def test_without_parts_the_body_is_the_envelope():
    assert pack(b"<a/>", (), boundary="x") == ("text/xml; charset=UTF-8", b"<a/>")


@pytest.mark.parametrize(
    "octets",
    [b"", b"<a", b"<!DOCTYPE a><a/>", b"<a/>", b"<soap:Envelope xmlns:soap='urn:x'/>"],
    ids=["empty", "broken", "doctype", "other", "namespace"],
)
def test_octets_that_are_no_envelope_are_unreadable(octets: bytes):
    with pytest.raises(Unreadable):
        read_envelope(octets)


def test_envelope_is_read_back_as_it_was_written():
    _, read = read_envelope(etree.tostring(write_envelope(MESSAGE)))

    assert read == MESSAGE
