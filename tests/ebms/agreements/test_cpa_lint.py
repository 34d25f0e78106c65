# ruff: noqa: E501 (a table is read by its columns)
"""Findings about agreements."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_create import create_cpa, read_description
from bridge.ebms.cpa_lint import Finding, Level, explain_cpa, lint_cpa


def findings(cpas: SimpleNamespace, octets: bytes, **changes: Any) -> dict[str, Finding]:
    settings: dict[str, Any] = {
        "own_parties": [cpas.party_b],
        "own_certificates": [cpas.certificate(cpas.oin_b, "bridge.example.nl")],
        "now": cpas.now,
        "production": False,
    }
    gravest_last = reversed(lint_cpa(octets, **(settings | changes)))
    return {finding.code: finding for finding in gravest_last}


DEFAULT = ('isConfidential="transient"', 'isConfidential="persistent"')


@pytest.mark.parametrize(
    ("profile", "edit", "code", "level"),
    [
        pytest.param("osb-rm", ('="agreed"', '="proposed"'), "status", Level.ERROR),
        pytest.param("osb-rm", ("https://m", "mailto:m"), "endpoint", Level.ERROR, marks=pytest.mark.rule("DK-32")),
        pytest.param("osb-rm", ("https://m", "ftp://m"), "endpoint", Level.ERROR, marks=pytest.mark.rule("DK-32")),
        pytest.param("osb-rm", ("https://m", "http://m"), "plain-http", Level.WARNING, marks=pytest.mark.rule("DK-30")),
        pytest.param("osb-rm", ("https://m", "https://u:p@m"), "credentials", Level.ERROR, marks=pytest.mark.rule("DK-116")),
        pytest.param("osb-rm", (".nl/ebms", ".nl:8443/ebms"), "port", Level.WARNING, marks=pytest.mark.rule("DK-143")),
        pytest.param("osb-rm", ("https://melder", "https://other"), "host-name", Level.WARNING, marks=pytest.mark.rule("DK-149")),
        pytest.param("osb-rm", ('cpaid="melding_1"', 'cpaid="melding.1"'), "cpa-id", Level.HINT, marks=pytest.mark.rule("DK-44")),
        pytest.param("osb-rm", ("keten:melding:1<", "keten melding<"), "white-space", Level.WARNING, marks=pytest.mark.rule("DK-48")),
        pytest.param("osb-rm", ('action="meld"', 'action="me ld"'), "white-space", Level.WARNING, marks=pytest.mark.rule("DK-50")),
        pytest.param("osb-rm", ('"urn:osb:services"', '"urn:x"'), "service-type", Level.HINT, marks=pytest.mark.rule("DK-147")),
        pytest.param("osb-rm", ('syncReplyMode="none"', 'syncReplyMode="responseOnly"'), "sync-mode", Level.WARNING, marks=pytest.mark.rule("DK-85")),
        pytest.param("osb-rm", (' tns:actor="urn:oasis:names:tc:ebxml-msg:actor:toPartyMSH"', ""), "actor", Level.WARNING),
        pytest.param("osb-rm", ('ackRequested="always"', 'ackRequested="perMessage"'), "ack-per-message", Level.WARNING),
        pytest.param("osb-rm", ('duplicateElimination="always"', 'duplicateElimination="never"'), "profile", Level.WARNING, marks=pytest.mark.rule("DK-01")),
        pytest.param("osb-rm", ("P1D<", "PT1H<"), "persist-duration", Level.WARNING),
        pytest.param("osb-rm", ("NotGuaranteed", "Guaranteed"), "ordered", Level.WARNING, marks=pytest.mark.rule("DK-28")),
        pytest.param("osb-rm", ('ackSignatureRequested="never" tns:duplicateElimination="always"', 'ackSignatureRequested="always" tns:duplicateElimination="always"'), "ack-not-signable", Level.WARNING),
        pytest.param("osb-rm", ("isNonRepudiationRequired=\"false\"", "isNonRepudiationRequired=\"true\""), "signing-not-described", Level.ERROR),
        pytest.param("osb-rm", DEFAULT, "encryption-not-described", Level.ERROR),
        pytest.param("osb-rm", ('oin">00000001123456789000', 'oin">12345'), "oin", Level.WARNING, marks=pytest.mark.rule("DK-34")),
        pytest.param("osb-rm", ('"urn:osb:oin"', '"urn:other"'), "party-id-type", Level.WARNING, marks=pytest.mark.rule("DK-34")),
        pytest.param("osb-rm", ('oin">00000001123456789000', 'oin">00000001000000000000'), "other-oin", Level.WARNING, marks=pytest.mark.rule("DK-37")),
        pytest.param("osb-rm", ('version="1.2">TLS', 'version="3.0">SSL'), "ssl", Level.HINT, marks=pytest.mark.rule("DK-76")),
        pytest.param("osb-rm-s", ("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"), "sha1", Level.WARNING, marks=pytest.mark.rule("DK-128")),
        pytest.param("osb-rm-e", ("2009/xmlenc11#aes256-gcm", "2001/04/xmlenc#aes256-cbc"), "cbc", Level.WARNING, marks=pytest.mark.rule("DK-134")),
        pytest.param("osb-rm-e", ("2009/xmlenc11#aes256-gcm", "2001/04/xmlenc#tripledes-cbc"), "3des", Level.WARNING, marks=pytest.mark.rule("DK-134")),
        pytest.param("osb-rm", ("<tns:ChannelId>A_Messages</tns:ChannelId>", "<tns:ChannelId>A_Messages</tns:ChannelId><tns:ChannelId>A_Signals</tns:ChannelId>"), "several-channels", Level.WARNING),
    ],
)  # fmt: skip
def test_a_finding(
    cpas: SimpleNamespace, profile: str, edit: tuple[str, str], code: str, level: Level
) -> None:
    assert code not in findings(cpas, cpas.cpa(profile)), "an agreement without the fault has no such finding"
    found = findings(cpas, cpas.cpa(profile, (edit,)))
    assert code in found, sorted(found)
    assert found[code].level is level
    assert found[code].where and found[code].text.endswith((".", ")"))


@pytest.mark.rule("DK-30", "DK-128")
@pytest.mark.parametrize(
    ("profile", "edit", "code"),
    [
        ("osb-rm", ("https://m", "http://m"), "plain-http"),
        ("osb-rm-s", ("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"), "sha1"),
    ],
)
def test_what_tests_may_do_production_refuses(
    cpas: SimpleNamespace, profile: str, edit: tuple[str, str], code: str
) -> None:
    assert findings(cpas, cpas.cpa(profile, (edit,)), production=True)[code].level is Level.ERROR


def with_certificate(cpas: SimpleNamespace, serial: str | None, **certificate: Any) -> bytes:
    description = cpas.description("osb-rm-s")
    made = cpas.certificate(serial, "melder.example.nl", **certificate)
    description["party"][0]["certificate"] = cpas.pem(made)
    return create_cpa(read_description(description))


@pytest.mark.rule("DK-68", "DK-136")
def test_a_certificate_without_oin_is_refused_in_production(cpas: SimpleNamespace) -> None:
    octets = with_certificate(cpas, None)
    assert findings(cpas, octets)["no-oin"].level is Level.WARNING
    assert findings(cpas, octets, production=True)["no-oin"].level is Level.ERROR


@pytest.mark.rule("DK-69", "DK-118")
def test_a_self_signed_certificate_is_refused_in_production(cpas: SimpleNamespace) -> None:
    octets = with_certificate(cpas, cpas.oin_a, self_signed=True)
    assert findings(cpas, octets)["self-signed"].level is Level.WARNING
    assert findings(cpas, octets, production=True)["self-signed"].level is Level.ERROR


@pytest.mark.rule("DK-148")
def test_a_certificate_that_ends_before_the_agreement_is_told(cpas: SimpleNamespace) -> None:
    octets = with_certificate(cpas, cpas.oin_a, days=10)
    assert "certificate-before-end" in findings(cpas, octets)
    assert "certificate-expired" in findings(cpas, octets, now=cpas.now + timedelta(days=20))


@pytest.mark.rule("DK-151")
def test_test_parties_and_trial_certificates_are_told_in_production(cpas: SimpleNamespace) -> None:
    octets = with_certificate(cpas, cpas.oin_a, issuer="TRIAL PKIoverheid CA")
    found = findings(
        cpas, octets.replace(b"00000001123456789000<", b"00000001123456789000_T<"), production=True
    )
    assert {"test-party", "trial-certificate"} <= set(found)


@pytest.mark.rule("DK-35")
def test_a_test_suffix_is_fine_outside_production(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm").replace(b"00000001123456789000<", b"00000001123456789000_OTA<")
    assert not {"test-party", "oin", "other-oin"} & set(findings(cpas, octets))


@pytest.mark.rule("DK-148")
def test_dates_are_judged_at_the_moment_that_is_asked(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm")
    assert findings(cpas, octets, now=cpas.now + timedelta(days=2000))["expired"].level is Level.ERROR
    assert findings(cpas, octets, now=cpas.now - timedelta(days=20))["not-yet-valid"].level is Level.WARNING
    forever = cpas.cpa("osb-rm", (("<tns:End>20", "<tns:End>21"),))
    assert findings(cpas, forever)["long-validity"].level is Level.HINT


def test_we_must_be_one_of_the_parties(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm")
    assert findings(cpas, octets, own_parties=[])["no-own-party"].level is Level.ERROR
    both = findings(cpas, octets, own_parties=[cpas.party_a, cpas.party_b])
    assert both["both-own-parties"].level is Level.WARNING


@pytest.mark.parametrize(("profile", "level"), [("osb-rm", Level.WARNING), ("osb-rm-s", Level.ERROR)])
def test_a_missing_private_key_is_told(cpas: SimpleNamespace, profile: str, level: Level) -> None:
    found = findings(cpas, cpas.cpa(profile), own_certificates=[])
    assert found["no-private-key"].level is level


@pytest.mark.rule("DK-40")
def test_two_roles_of_one_party_are_told(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm")
    role = octets[octets.index(b"<tns:CollaborationRole>") : octets.index(b"<tns:Certificate ")]
    second = role.replace(b'name="Melder"', b'name="Bijrol"').replace(b'id="A_', b'id="A2_')
    found = findings(cpas, octets.replace(role, role + second, 1))
    assert "Bijrol, Melder" in found["several-roles"].text


@pytest.mark.rule("DK-124")
def test_actions_with_different_profiles_are_named(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm", (("<tns:ChannelId>B_Messages<", "<tns:ChannelId>B_Signals<"),))
    text = findings(cpas, octets)["mixed-profiles"].text
    assert "osb-be: keten:melding:1/bevestig" in text and "osb-rm: keten:melding:1/meld" in text


@pytest.mark.rule("DK-123")
def test_octets_that_are_no_agreement_are_findings_too(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm", (('defaultMshChannelId="A_Signals"', 'defaultMshChannelId="X"'),))
    found = lint_cpa(octets, own_parties=[], now=cpas.now, production=False)
    assert {(finding.code, finding.level) for finding in found} == {("structure", Level.ERROR)}


def test_the_gravest_findings_come_first(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm", (('="agreed"', '="proposed"'), ('cpaid="melding_1"', 'cpaid="a.b"')))
    levels = [f.level for f in lint_cpa(octets, own_parties=[cpas.party_b], now=cpas.now, production=False)]
    assert levels == sorted(levels, key=list(Level).index)
    assert {Level.ERROR, Level.HINT} <= set(levels)


def test_an_agreement_is_explained_in_words(cpas: SimpleNamespace) -> None:
    text = "\n".join(explain_cpa(read_cpa(cpas.cpa("osb-rm-e"))))
    for words in (
        "profile osb-rm-e",
        "signed acknowledgment by a message of its own",
        "up to 3 attempts, 1:00:00 apart",
        "payload encrypted with aes256-gcm",
        "to https://bridge.example.nl/ebms",
    ):
        assert words in text
