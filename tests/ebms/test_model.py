"""The values of a message."""

import dataclasses

import pytest

from bridge.ebms import model as m


@pytest.mark.parametrize("kind", [kind for kind in m.Kind if kind is not m.Kind.BUSINESS])
def test_a_signal_is_known_by_service_and_action(build, kind):
    assert m.Message(header=build.signal_header(kind.value)).kind is kind


def test_the_action_of_a_signal_under_another_service_is_business(build):
    assert build.message(header=build.header(action="Ping")).kind is m.Kind.BUSINESS


@pytest.mark.parametrize("action", ["Unknown", "business", "ping", ""])
def test_an_unknown_action_under_the_signal_service_counts_as_business(build, action):
    assert m.Message(header=build.signal_header(action)).kind is m.Kind.BUSINESS


def test_the_text_of_a_message_shows_ids_only(build):
    message = build.message(build.part(octets=b"geheim"))
    assert str(message) == "business 2b7c1f3a-0001@melder.example.nl"
    assert "geheim" not in repr(message)


def test_the_text_of_a_header_names_message_service_action_and_cpa(build):
    assert str(build.header()) == "2b7c1f3a-0001@melder.example.nl (keten:melding:1/meld, CPA melding_1)"


def test_a_party_shows_all_its_ids():
    party = m.Party(party_ids=(m.PartyId(value="1"), m.PartyId(value="2")))
    assert str(party) == "1+2"


def test_values_do_not_change(build):
    with pytest.raises(dataclasses.FrozenInstanceError):
        build.message().parts = ()


def test_content_in_memory_knows_size_and_digest():
    content = m.Octets(b"abc")
    assert content.size == 3
    assert content.digest("sha1").hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"
