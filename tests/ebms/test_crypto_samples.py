"""The signed and encrypted messages of another implementation, when the reference folder is there."""

from __future__ import annotations

import base64
import email
import hashlib
import os
from email import policy
from pathlib import Path

import pytest

from bridge.ebms.encrypt import decrypt_part
from bridge.ebms.keys import KeyPair, load_p12
from bridge.ebms.model import Octets, Part
from bridge.ebms.sign import (
    AlgorithmPolicy,
    Verified,
    check_receipt,
    references_of_sent,
    signature_references,
    verify_signature,
)
from bridge.ebms.signed_info import RSA_SHA1, RSA_SHA256, SHA1, SHA256
from bridge.ebms.xml import EB, parse_xml
from bridge.errors import EbmsError

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "ebms-samples"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not SAMPLES.is_dir(), reason="the read-only reference folder is not beside the project"
    ),
]


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return load_p12((SAMPLES / "keys" / "localhost.p12").read_bytes(), b"password")


def sample(name: str) -> tuple[bytes, tuple[Part, ...]]:
    """Envelope octets and parts of a raw HTTP request, cut by boundary so that no octet changes."""
    (path,) = (SAMPLES / "signed").glob(f"{name}*.http")
    head, body = path.read_bytes().split(b"\r\n\r\n", 1)
    headers = email.message_from_bytes(head.split(b"\r\n", 1)[1], policy=policy.HTTP)
    boundary = headers.get_boundary()
    if boundary is None:
        return body, ()
    pieces = [piece.split(b"\r\n\r\n", 1) for piece in body.split(b"--" + boundary.encode())[1:-1]]
    parts = []
    for raw_headers, octets in pieces:
        inner = email.message_from_bytes(raw_headers.lstrip(), policy=policy.HTTP)
        parts.append(
            Part(
                content_id=str(inner["Content-ID"]).strip("<>"),
                content_type=str(inner["Content-Type"]),
                content=Octets(octets.removesuffix(b"\r\n")),
            )
        )
    first = parts[0].content
    assert isinstance(first, Octets)
    return first.octets, tuple(parts[1:])


def verified(
    name: str, pair: KeyPair, parts: tuple[Part, ...] | None = None, *, sha1: bool = False
) -> Verified:
    envelope, clear = sample(name)
    return verify_signature(
        parse_xml(envelope),
        clear if parts is None else parts,
        certificates=[pair.certificate],
        digest_method=SHA1 if sha1 else SHA256,
        signature_method=RSA_SHA1 if sha1 else RSA_SHA256,
        policy=AlgorithmPolicy(allow_sha1=sha1),
    )


def test_a_sha256_signature_over_envelope_and_part_verifies(pair: KeyPair) -> None:
    assert len(verified("01", pair).references) == 2


@pytest.mark.parametrize(("name", "count"), [("03", 1), ("04", 2), ("07", 2), ("08", 1), ("18", 2)])
def test_the_sha1_signatures_of_test_agreements_verify(pair: KeyPair, name: str, count: int) -> None:
    assert len(verified(name, pair, sha1=True).references) == count
    with pytest.raises(EbmsError, match="SecurityFailure"):
        verified(name, pair)


@pytest.mark.rule("DK-14")
@pytest.mark.parametrize(("name", "cause"), [("11", "part"), ("12", "envelope"), ("20", "not signed")])
def test_tampered_and_unsigned_messages_are_refused(pair: KeyPair, name: str, cause: str) -> None:
    with pytest.raises(EbmsError, match=cause) as caught:
        verified(name, pair)
    assert caught.value.code == "SecurityFailure"


@pytest.mark.rule("DK-15", "DK-133")
@pytest.mark.parametrize("name", ["13", "14"])
def test_encrypted_parts_decrypt_and_the_signature_over_them_verifies(pair: KeyPair, name: str) -> None:
    _, sealed = sample(name)
    parts = tuple(decrypt_part(part, keys=[pair], random=os.urandom) for part in sealed)
    assert [part.content_type for part in parts] == ["text/xml", "application/octet-stream"]
    binary = parts[1].content
    assert isinstance(binary, Octets)
    assert (
        hashlib.sha256(binary.octets).hexdigest()
        == "81248fa71a6171a2bd3242b9a4ed36e6fdb9569f3e34336dc0715ee94b196fb6"
    )
    assert len(verified(name, pair, parts, sha1=True).references) == 3


@pytest.mark.rule("DK-73")
def test_the_signed_acknowledgment_repeats_the_references_of_its_request(pair: KeyPair) -> None:
    request, _ = sample("07")
    acknowledgment, _ = sample("08")
    root = parse_xml(acknowledgment)
    repeated = root.find(f".//{{{EB}}}Acknowledgment")
    assert repeated is not None
    sent = references_of_sent(request)
    digests = [
        (element.getparent().get("URI"), "".join((element.text or "").split()))  # type: ignore[union-attr]
        for element in repeated.iter("{http://www.w3.org/2000/09/xmldsig#}DigestValue")
    ]
    assert digests == [(one.uri, base64.b64encode(one.digest_value).decode()) for one in sent]
    assert [reference.uri for reference in signature_references(root)] == [""]
    assert check_receipt(sent, sent) == ()
