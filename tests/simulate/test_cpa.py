"""The CPA of the simulated partner says what its profile means."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bridge.pki import Pki
from bridge.simulate.cpa import CpaParty, CpaTerms, make_cpa
from bridge.simulate.profile import Profile

NS = {
    "tns": "http://www.oasis-open.org/committees/ebxml-cppa/schema/cpp-cpa-2_0.xsd",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
TERMS = CpaTerms(
    cpa_id="melding_1",
    profile=Profile.RELIABLE_SIGNED,
    start=datetime(2026, 1, 1, tzinfo=UTC),
    end=datetime(2027, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def make(pki: Pki):
    def make(terms: CpaTerms) -> etree._Element:
        partner = CpaParty(
            name="Melder & Zoon",
            oin="00000001111111110000",
            role="Melder",
            endpoint="https://localhost:1/msh",
            certificate=pki.credentials("melder").certificate.read_bytes(),
        )
        bridge = CpaParty(
            name="Ontvanger",
            oin="00000001222222220000",
            role="Ontvanger",
            endpoint="https://localhost:2/ebms",
            certificate=pki.credentials("ontvanger").certificate.read_bytes(),
        )
        return etree.fromstring(make_cpa(terms, partner=partner, bridge=bridge))

    return make


def values(root: etree._Element, path: str) -> list[str]:
    return [str(found) for found in root.xpath(path, namespaces=NS)]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (Profile.BEST_EFFORT, ("never", "never", "never", "false")),
        (Profile.RELIABLE, ("always", "never", "always", "false")),
        (Profile.BEST_EFFORT_SIGNED, ("never", "never", "never", "true")),
        (Profile.RELIABLE_SIGNED, ("always", "always", "always", "true")),
    ],
)
def test_profile_decides_acknowledgment_duplicates_and_signature(make, profile, expected):
    root = make(replace(TERMS, profile=profile))

    found = [
        set(values(root, f"//@tns:{name}"))
        for name in (
            "ackRequested",
            "ackSignatureRequested",
            "duplicateElimination",
            "isNonRepudiationRequired",
        )
    ]
    assert found == [{value} for value in expected]


@pytest.mark.parametrize(("sync", "mode"), [(False, "none"), (True, "mshSignalsOnly")])
def test_synchronous_or_not_is_said_by_both_channels(make, sync, mode):
    assert values(make(replace(TERMS, sync=sync)), "//@tns:syncReplyMode") == [mode, mode]


def test_every_reference_resolves(make):
    root = make(TERMS)

    for use, of in (
        ("//tns:ChannelId/text()|//@tns:defaultMshChannelId", "//tns:DeliveryChannel/@tns:channelId"),
        ("//tns:DeliveryChannel/@tns:transportId", "//tns:Transport/@tns:transportId"),
        ("//tns:DeliveryChannel/@tns:docExchangeId", "//tns:DocExchange/@tns:docExchangeId"),
        ("//tns:OtherPartyActionBinding/text()", "//tns:ThisPartyActionBinding/@tns:id"),
        ("//tns:*[not(self::tns:Certificate)]/@tns:certId", "//tns:Certificate/@tns:certId"),
        ("//tns:*[not(self::tns:SecurityDetails)]/@tns:securityId", "//tns:SecurityDetails/@tns:securityId"),
        ("//@tns:packageId|//@tns:defaultMshPackageId", "//tns:Packaging/@tns:id"),
        ("//@tns:idref", "//tns:SimplePart/@tns:id"),
    ):
        assert set(values(root, use)) <= set(values(root, of)), use


def test_each_side_sends_what_the_other_receives(make):
    root = make(TERMS)

    assert values(root, "//tns:PartyInfo[1]//tns:CanSend//@tns:action") == ["vtMelding"]
    assert values(root, "//tns:PartyInfo[2]//tns:CanReceive//@tns:action") == ["vtMelding"]
    assert values(root, "//tns:PartyInfo[2]//tns:CanSend//@tns:action") == ["vtTerugkoppeling"]
    assert values(root, "//tns:PartyInfo[1]//tns:CanReceive//@tns:action") == ["vtTerugkoppeling"]


def test_certificate_of_each_party_is_its_leaf(make, pki: Pki):
    root = make(TERMS)

    held = [base64.b64decode(text) for text in values(root, "//ds:X509Certificate/text()")]

    assert held == [
        x509.load_pem_x509_certificate(pki.credentials(stem).certificate.read_bytes()).public_bytes(
            Encoding.DER
        )
        for stem in ("melder", "ontvanger")
    ]


def test_signed_profile_names_sha_256_for_both_parties(make):
    root = make(TERMS)

    assert set(values(root, "//tns:HashFunction/text()")) == {"http://www.w3.org/2001/04/xmlenc#sha256"}
    assert len(values(root, "//tns:SenderNonRepudiation")) == 2


def test_unsigned_profile_has_no_non_repudiation(make):
    assert values(make(replace(TERMS, profile=Profile.RELIABLE)), "//tns:HashFunction") == []


def test_best_effort_has_no_retries(make):
    assert values(make(replace(TERMS, profile=Profile.BEST_EFFORT)), "//tns:Retries") == []


def test_persist_duration_outlives_all_attempts_unless_it_is_given(make):
    interval = timedelta(milliseconds=500)
    derived = make(replace(TERMS, retries=1, retry_interval=interval))
    given = make(replace(TERMS, persist_duration=timedelta(days=1)))

    assert set(values(derived, "//tns:RetryInterval/text()")) == {"PT0.5S"}
    assert set(values(derived, "//tns:PersistDuration/text()")) == {"PT3601S"}
    assert set(values(given, "//tns:PersistDuration/text()")) == {"PT86400S"}


def test_agreement_names_parties_service_roles_and_endpoints(make):
    root = make(replace(TERMS, service="keten:proef:1", service_type=None))

    assert values(root, "//tns:PartyInfo/@tns:partyName") == ["Melder & Zoon", "Ontvanger"]
    assert values(root, "//tns:Role/@tns:name") == ["Melder", "Ontvanger"]
    assert set(values(root, "//tns:Service/text()")) == {"keten:proef:1"}
    assert values(root, "//tns:Service/@tns:type") == []
    assert values(root, "//@tns:uri") == ["https://localhost:1/msh", "https://localhost:2/ebms"]
