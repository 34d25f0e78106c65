"""Real agreements and messages of other implementations, judged as their table says (extra tests)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lxml import etree

from bridge.ebms import model as m
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_lint import Level, lint_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import outgoing_terms
from bridge.ebms.keys import load_p12
from bridge.ebms.read import read_message
from bridge.ebms.receiving import (
    Agreed,
    AnswerError,
    CryptoOutcome,
    Known,
    Peer,
    ReceivingPolicy,
    judge_agreement,
    judge_content,
)
from bridge.ebms.soap_action import named_action
from bridge.errors import SoapFault

pytestmark = pytest.mark.shared

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OIN = "urn:osb:oin"
A, B = m.PartyId(value="0" * 20, type=OIN), m.PartyId(value="0" * 19 + "1", type=OIN)
SERVICE = m.Service(value="osb:afleveren:1.1$1.0", type="urn:osb:services")

AGREEMENTS = {
    # file: (nearest profile, deviates, sync mode, signed with, encrypted, ack signed, retries)
    "be.http.unsigned": ("osb-be", True, "none", None, False, "never", None),
    "be.https.signed": ("osb-be-s", False, "none", "rsa-sha1", False, "never", None),
    "rm.http.signed": ("osb-rm-s", True, "none", "rsa-sha1", False, "never", 5),
    "rm.http.unsigned.sync": ("osb-rm", True, "signalsAndResponse", None, False, "never", 5),
    "rm.https.signed-sha256": ("osb-rm-s", False, "none", "rsa-sha256", False, "never", 5),
    "rm.https.signed.ackSigned": ("osb-rm-s", False, "none", "rsa-sha1", False, "always", 5),
    "rm.https.signed.encrypted": ("osb-rm-e", False, "none", "rsa-sha1", True, "never", 5),
    "rm.https.signed.sync": ("osb-rm-s", True, "signalsAndResponse", "rsa-sha1", False, "never", 5),
}


def read_sample(shared: Path, name: str) -> Agreement:
    return read_cpa((shared / "cpas" / f"cpaStubEBF.{name}.xml").read_bytes())


@pytest.mark.rule("DK-122")
@pytest.mark.parametrize("name", AGREEMENTS)
def test_a_real_agreement_resolves_in_every_direction(shared: Path, name: str) -> None:
    nearest, deviates, mode, signed, encrypted, ack_signed, retries = AGREEMENTS[name]
    agreement = read_sample(shared, name)
    other = m.Service(value="osb:aanleveren:1.1$1.0", type=SERVICE.type)
    for own, service, action in (
        (A, SERVICE, "afleveren"),
        (B, SERVICE, "bevestigAfleveren"),
        (B, other, "aanleveren"),
        (A, other, "bevestigAanleveren"),
    ):
        terms = outgoing_terms(agreement, own=own, service=service, action=action)
        assert (terms.nearest_profile, bool(terms.deviations)) == (nearest, deviates)
        assert (terms.sync_reply_mode, terms.ack_signature_requested) == (mode, ack_signed)
        assert (terms.signing and terms.signing.signature_algorithm.rpartition("#")[2]) == signed
        assert (terms.encryption is not None) is encrypted
        assert (8088 if own == A else 8888) == int(terms.endpoint_url.rsplit(":", 1)[1].split("/")[0])
        if retries is not None:
            assert (terms.retries, terms.retry_interval) == (retries, timedelta(minutes=5))


@pytest.mark.rule("DK-122")
@pytest.mark.parametrize("name", AGREEMENTS)
def test_a_real_agreement_has_no_errors_for_who_holds_its_key(shared: Path, name: str) -> None:
    key = load_p12((shared / "ebms-samples" / "keys" / "localhost.p12").read_bytes(), b"password")
    agreement = read_sample(shared, name)
    found = lint_cpa(
        agreement, own_parties=[B], own_certificates=[key.certificate], now=NOW, production=False
    )
    assert [str(f) for f in found if f.level is Level.ERROR] == []
    assert {"plain-http"} & {f.code for f in found} or "https" in name


def outline(root: etree._Element) -> set[tuple[str, str]]:
    """Which element stands in which, by name."""
    return {
        (etree.QName(child.getparent()).localname, etree.QName(child).localname)
        for child in root.iter(etree.Element)
        if child.getparent() is not None
    }


def test_a_draft_is_built_as_the_real_agreements_are(shared: Path, cpas: SimpleNamespace) -> None:
    real: set[tuple[str, str]] = set()
    for name in AGREEMENTS:
        real |= outline(etree.parse(shared / "cpas" / f"cpaStubEBF.{name}.xml").getroot())
    for profile in ("osb-be", "osb-rm", "osb-rm-s", "osb-rm-e"):
        assert outline(etree.fromstring(cpas.cpa(profile))) <= real


@pytest.mark.parametrize("profile", ["osb-rm-s", "osb-rm-e"])
def test_a_draft_resolves_as_the_real_agreement_of_its_profile(
    shared: Path, cpas: SimpleNamespace, profile: str
) -> None:
    name = {"osb-rm-s": "rm.https.signed-sha256", "osb-rm-e": "rm.https.signed.encrypted"}[profile]
    real = outgoing_terms(read_sample(shared, name), own=A, service=SERVICE, action="afleveren")
    draft = cpas.terms(cpas.agreement(profile))
    for field in (
        "profile",
        "sync_reply_mode",
        "ack_requested",
        "duplicate_elimination",
        "actor",
        "confidential",
    ):
        assert getattr(draft, field) == getattr(real, field)


INDEX = Path(__file__).resolve().parents[3].parent / "shared" / "ebms-samples" / "index.json"
SAMPLES = json.loads(INDEX.read_text()) if INDEX.is_file() else []


@pytest.mark.parametrize("row", [r for r in SAMPLES if r["cpa"]], ids=lambda row: row["file"])
def test_a_message_of_another_implementation_gets_the_answer_of_its_table(
    shared: Path, read_http: Callable[[Path], tuple[list[tuple[str, str]], bytes]], row: dict[str, Any]
) -> None:
    """Up to the signature value, which the tests of signatures check."""
    headers, body = read_http(shared / "ebms-samples" / row["file"])
    received = read_message(headers, body)
    own = A if "08-signed-acknowledgment" in row["file"] else B
    known = Known(
        agreement=read_sample(shared, row["cpa"].removeprefix("cpaStubEBF.")),
        own_parties=frozenset({own}),
        peer=Peer(plain=True),
        now=NOW,
        named_action=named_action(dict(headers)["SOAPAction"]),
        policy=ReceivingPolicy(production=False),
    )
    outcome = judge_agreement(received, known=known)
    if isinstance(outcome, Agreed) and "tampered" not in row["file"] and not received.signatures:
        outcome = judge_content(received, outcome, CryptoOutcome())  # type: ignore[assignment]
    if row["error"] and "tampered" not in row["file"]:
        assert isinstance(outcome, AnswerError)
        assert outcome.errors[0].code == row["error"]
        assert outcome.synchronous is row["cpa"].endswith("sync")
    else:
        assert not isinstance(outcome, AnswerError | SoapFault), outcome
