"""Agreements, messages and what is known, for the tests of agreements and decision tables.

Everything is made here: certificates (keys live in memory only), and CPAs by `create_cpa`, changed by text where
a test needs one that no tool would make.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bridge.ebms import model as m
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_create import create_cpa, read_description
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import Terms, resolve
from bridge.ebms.keys import fingerprint_sha256
from bridge.ebms.oin import OIN_TYPE
from bridge.ebms.read import Received, read_message
from bridge.ebms.receiving import Known, Peer, ReceivingPolicy
from bridge.ebms.sending import outgoing_message, plan
from bridge.ids import ConversationId, MessageId, Oin

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
OIN_A, OIN_B = Oin("00000001123456789000"), Oin("00000001987654321000")
PARTY_A = m.PartyId(value=OIN_A, type=OIN_TYPE)
PARTY_B = m.PartyId(value=OIN_B, type=OIN_TYPE)
SERVICE = m.Service(value="keten:melding:1", type="urn:osb:services")


@cache
def make_certificate(
    serial: str | None,
    host: str,
    *,
    days: int = 1200,
    self_signed: bool = False,
    issuer: str = "Test CA",
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, host)]
    if serial:
        names.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    subject = x509.Name(names)
    issued_by = subject if self_signed else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
    builder = x509.CertificateBuilder(
        subject_name=subject, issuer_name=issued_by, public_key=key.public_key()
    )
    builder = builder.serial_number(1).not_valid_before(NOW - timedelta(days=30))
    builder = builder.not_valid_after(NOW + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return builder.sign(key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def make_description(profile: str = "osb-rm", **changes: Any) -> dict[str, Any]:
    description: dict[str, Any] = {
        "cpa_id": "melding_1",
        "profile": profile,
        "start": NOW - timedelta(days=10),
        "end": NOW + timedelta(days=1000),
        "retries": 2,
        "retry_interval": "PT1H",
        "persist_duration": "P1D",
        "party": [
            {
                "name": "Melder",
                "oin": OIN_A,
                "role": "Melder",
                "endpoint": "https://melder.example.nl/ebms",
                "certificate": pem(make_certificate(OIN_A, "melder.example.nl")),
            },
            {
                "name": "Ontvanger",
                "oin": OIN_B,
                "role": "Ontvanger",
                "endpoint": "https://bridge.example.nl/ebms",
                "certificate": pem(make_certificate(OIN_B, "bridge.example.nl")),
            },
        ],
        "action": [
            {"service": SERVICE.value, "action": "meld", "from": "Melder"},
            {"service": SERVICE.value, "action": "bevestig", "from": "Ontvanger"},
        ],
    }
    return description | changes


@cache
def make_cpa(profile: str = "osb-rm", edits: tuple[tuple[str, str], ...] = (), sync: bool = False) -> bytes:
    """A CPA of a profile; every edit replaces a text that must occur."""
    text = create_cpa(read_description(make_description(profile, sync=sync))).decode()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


def make_agreement(profile: str = "osb-rm", *edits: tuple[str, str], sync: bool = False) -> Agreement:
    return read_cpa(make_cpa(profile, edits, sync))


def make_terms(agreement: Agreement, action: str = "meld") -> Terms:
    first, second = (PARTY_A, PARTY_B) if action == "meld" else (PARTY_B, PARTY_A)
    found = resolve(
        agreement,
        from_party=m.Party(party_ids=(first,)),
        to_party=m.Party(party_ids=(second,)),
        service=SERVICE,
        action=action,
    )
    assert isinstance(found, Terms), found
    return found


def make_outgoing(agreement: Agreement, *parts: m.Part, action: str = "meld", **header: Any) -> m.Message:
    """A message exactly as the agreement wants it."""
    terms = make_terms(agreement, action)
    message = outgoing_message(
        terms,
        message_id=MessageId("2b7c1f3a-0001@melder.example.nl"),
        conversation_id=ConversationId("7d1f0c0e-1"),
        timestamp=NOW,
        time_to_live=plan(terms, NOW).time_to_live,
        parts=parts,
    )
    return replace(message, header=replace(message.header, **header))


def make_known(agreement: Agreement | None, **changes: Any) -> Known:
    """The bridge plays Ontvanger; Melder itself is connected."""
    known = Known(
        agreement=agreement,
        own_parties=frozenset({PARTY_B}),
        peer=Peer(
            oin=OIN_A, certificate_sha256=fingerprint_sha256(make_certificate(OIN_A, "melder.example.nl"))
        ),
        now=NOW + timedelta(seconds=1),
        policy=ReceivingPolicy(),
    )
    return replace(known, **changes)


@pytest.fixture(scope="session")
def cpas() -> SimpleNamespace:
    return SimpleNamespace(
        agreement=make_agreement,
        certificate=make_certificate,
        cpa=make_cpa,
        description=make_description,
        known=make_known,
        message=make_outgoing,
        now=NOW,
        oin_a=OIN_A,
        oin_b=OIN_B,
        party_a=PARTY_A,
        party_b=PARTY_B,
        pem=pem,
        service=SERVICE,
        terms=make_terms,
    )


@pytest.fixture(scope="session")
def receive(build: SimpleNamespace) -> Callable[[m.Message], Received]:
    """A message over the wire: written, packed, and read again."""

    def over_the_wire(message: m.Message) -> Received:
        headers, body = build.to_wire(message)
        return read_message(headers, body)

    return over_the_wire
