"""Drafting agreements from a short description."""

import tomllib
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.ebms.cpa import PerMessage, SyncReplyMode, read_cpa
from bridge.ebms.cpa_create import create_cpa, read_description
from bridge.ebms.cpa_lint import Level, lint_cpa
from bridge.errors import ConfigError

PROFILES = ["osb-be", "osb-rm", "osb-be-s", "osb-rm-s", "osb-be-e", "osb-rm-e"]


def faults_of(description: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        read_description(description)
    return "\n".join(caught.value.problems)


@pytest.mark.rule("DK-01")
@pytest.mark.parametrize("profile", PROFILES)
def test_a_draft_follows_the_profile_that_was_asked_for(cpas: SimpleNamespace, profile: str) -> None:
    agreement = read_cpa(create_cpa(read_description(cpas.description(profile))))
    assert {cpas.terms(agreement, action).profile for action in ("meld", "bevestig")} == {profile}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_draft_has_no_errors_in_production(cpas: SimpleNamespace, profile: str) -> None:
    found = lint_cpa(
        cpas.cpa(profile),
        own_parties=[cpas.party_b],
        own_certificates=[cpas.certificate(cpas.oin_b, "bridge.example.nl")],
        now=cpas.now,
        production=True,
    )
    assert [str(f) for f in found if f.level is Level.ERROR] == []


@pytest.mark.rule("DK-145")
def test_the_best_practices_are_the_defaults(cpas: SimpleNamespace) -> None:
    description = cpas.description("osb-rm")
    for key in ("retries", "retry_interval", "persist_duration"):
        del description[key]
    terms = cpas.terms(read_cpa(create_cpa(read_description(description))))
    assert (terms.retries, terms.retry_interval) == (8, timedelta(hours=3))
    assert terms.persist_duration == timedelta(days=1)


@pytest.mark.rule("DK-44")
def test_a_cpa_id_is_made_of_service_and_parties(cpas: SimpleNamespace) -> None:
    description = cpas.description()
    del description["cpa_id"]
    assert read_description(description).cpa_id == f"keten-melding-1_{cpas.oin_a}_{cpas.oin_b}_1"


@pytest.mark.rule("DK-17")
def test_synchronous_acknowledgments_are_msh_signals_only_on_every_channel(cpas: SimpleNamespace) -> None:
    agreement = cpas.agreement("osb-rm", sync=True)
    modes = {channel.sync_reply_mode for party in agreement.parties for channel in party.channels}
    assert modes == {SyncReplyMode.MSH_SIGNALS_ONLY}
    assert cpas.terms(agreement).profile == "osb-rm"


@pytest.mark.rule("DK-72")
def test_a_signed_profile_asks_for_signed_acknowledgments_that_can_be_signed(cpas: SimpleNamespace) -> None:
    agreement = cpas.agreement("osb-rm-s")
    assert cpas.terms(agreement).ack_signature_requested is PerMessage.ALWAYS
    assert all(party.default_channel.sender.non_repudiation for party in agreement.parties)


def test_a_description_is_plain_toml(cpas: SimpleNamespace) -> None:
    certificate = cpas.pem(cpas.certificate(cpas.oin_a, "melder.example.nl"))
    party = (
        '[[party]]\nname="{0}"\noin="{1}"\nrole="{0}"\nendpoint="https://{0}.nl/"\ncertificate="""{2}"""\n'
    )
    text = (
        'profile = "osb-rm"\nstart = 2026-12-01\nend = 2029-12-01T00:00:00Z\n'
        + party.format("a", cpas.oin_a, certificate)
        + party.format("b", cpas.oin_b, certificate)
        + '[[action]]\nservice="s:1"\naction="x"\nfrom="a"\n'
    )
    assert read_cpa(create_cpa(read_description(tomllib.loads(text)))).status == "agreed"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"profile": "osb-xx"}, "'osb-xx' is none of osb-be, osb-rm"),
        ({"profil": "osb-be"}, "did you mean profile?"),
        ({"party": []}, "exactly two parties, not 0"),
        ({"party": "x"}, "[[party]]"),
        ({"action": []}, "at least one"),
        ({"action": [{"service": "a b", "action": "x", "from": "Melder"}]}, "no white space"),
        ({"action": [{"service": "a", "action": "x", "from": "Chef"}]}, "role of neither party"),
        ({"start": "soon"}, "start: give a TOML date"),
        ({"retries": -1}, "retries: a whole number"),
        ({"retry_interval": "3h"}, "retry_interval: not an xs:duration"),
        ({"sync": "yes"}, "sync: true or false"),
        ({"encryption_algorithm": "rot13"}, "'rot13' is none of aes256-gcm"),
    ],
)
def test_a_wrong_description_says_what_is_wrong(
    cpas: SimpleNamespace, changes: dict[str, Any], words: str
) -> None:
    assert words in faults_of(cpas.description() | changes)


@pytest.mark.rule("DK-33")
def test_a_party_needs_an_oin_a_url_and_a_certificate_and_hears_it_all_at_once(cpas: SimpleNamespace) -> None:
    description = cpas.description()
    description["party"][0] = {"name": "x", "oin": "123", "role": "Melder", "endpoint": "mailto:a@b"}
    faults = faults_of(description)
    assert "20 characters" in faults and "no https: URL" in faults and "as PEM" in faults


@pytest.mark.rule("DK-16")
def test_best_effort_cannot_be_synchronous(cpas: SimpleNamespace) -> None:
    assert "no acknowledgments" in faults_of(cpas.description("osb-be", sync=True))


def test_markup_in_a_description_stays_text(cpas: SimpleNamespace) -> None:
    description = cpas.description()
    description["party"][0]["name"] = '<a href="x">&amp;'
    agreement = read_cpa(create_cpa(read_description(description)))
    assert agreement.parties[0].name == '<a href="x">&amp;'
