"""Reading agreements, and resolving headers to terms."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms import model as m
from bridge.ebms.cpa import PerMessage, SyncReplyMode, read_cpa
from bridge.ebms.cpa_resolve import Agreements, Unresolved, outgoing_terms, resolve, signal_terms
from bridge.ebms.durations import format_duration, parse_duration
from bridge.errors import ConfigError
from bridge.ids import CpaId


def faults_of(octets: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read_cpa(octets)
    return "\n".join(caught.value.problems)


# Reading


def test_an_agreement_names_its_parties_dates_and_status(cpas: SimpleNamespace) -> None:
    agreement = cpas.agreement("osb-rm")
    assert agreement.cpa_id == "melding_1"
    assert agreement.status == "agreed"
    assert [party.party_ids for party in agreement.parties] == [(cpas.party_a,), (cpas.party_b,)]


def test_comments_and_white_space_change_nothing(cpas: SimpleNamespace) -> None:
    loose = cpas.agreement(
        "osb-rm",
        ("keten:melding:1</tns:Service>", "\n keten:<!-- x -->melding:1\t</tns:Service>"),
        ("PT1H</tns:RetryInterval>", " PT1H <!-- an hour --></tns:RetryInterval>"),
        ("</tns:PartyInfo>", "<!-- end --></tns:PartyInfo>"),
    )
    assert cpas.terms(loose) == cpas.terms(cpas.agreement("osb-rm"))


@pytest.mark.rule("DK-76")
def test_ssl_3_in_the_text_does_not_keep_an_agreement_from_being_read(cpas: SimpleNamespace) -> None:
    agreement = cpas.agreement("osb-rm", ('tns:version="1.2">TLS<', 'tns:version="3.0">SSL<'))
    assert cpas.terms(agreement).profile == "osb-rm"


def test_missing_dates_mean_no_limit(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm")
    start = octets.index(b"<tns:Start>")
    end = octets.index(b"</tns:End>") + len(b"</tns:End>")
    agreement = read_cpa(octets[:start] + octets[end:])
    assert agreement.start is None and agreement.end is None
    assert agreement.is_active(cpas.now + timedelta(days=36500))


def test_attributes_without_prefix_are_read_too(cpas: SimpleNamespace) -> None:
    bare = cpas.agreement("osb-rm", ("tns:ackRequested=", "ackRequested="), ("tns:cpaid=", "cpaid="))
    assert cpas.terms(bare).ack_requested is PerMessage.ALWAYS


def test_key_info_may_hold_more_than_the_certificate(cpas: SimpleNamespace) -> None:
    noise = (
        "<ds:KeyName>x</ds:KeyName><ds:KeyValue/><ds:X509Data><ds:X509SubjectName>CN=x</ds:X509SubjectName>"
    )
    agreement = cpas.agreement("osb-rm-s", ("<ds:X509Data>", noise))
    assert cpas.terms(agreement).signing is not None


def test_messaging_characteristics_default_as_the_schema_says(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm").replace(b"<tns:MessagingCharacteristics", b"<tns:Other")
    terms = cpas.terms(read_cpa(octets))
    assert terms.sync_reply_mode is SyncReplyMode.NONE
    assert terms.ack_requested is terms.duplicate_elimination is PerMessage.PER_MESSAGE
    assert terms.actor == m.ACTOR_TO_PARTY


@pytest.mark.rule("DK-123")
def test_a_dangling_default_channel_is_refused(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm", (('defaultMshChannelId="A_Signals"', 'defaultMshChannelId="A_Gone"'),))
    assert "defaultMshChannelId is 'A_Gone'" in faults_of(octets)


@pytest.mark.rule("DK-123")
def test_a_missing_default_channel_is_refused(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm", ((' tns:defaultMshChannelId="B_Signals"', ""),))
    assert "no acknowledgment or error can be sent" in faults_of(octets)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'transportId="A_Transport" tns:docEx',
            'transportId="Nowhere" tns:docEx',
            "transportId refers to 'Nowhere'",
        ),
        (
            'DocExchange tns:docExchangeId="A_Exchange_Messages">',
            'DocExchange tns:docExchangeId="X">',
            "docExchangeId refers to",
        ),
        ("<tns:ChannelId>A_Messages<", "<tns:ChannelId>A_None<", "ChannelId 'A_None' is no channel"),
        (
            'ClientCertificateRef tns:certId="A_ClientCert"',
            'ClientCertificateRef tns:certId="Z"',
            "certificate 'Z'",
        ),
        ("<tns:OtherPartyActionBinding>B_R_1<", "<tns:OtherPartyActionBinding>B_R_9<", "'B_R_9'"),
        (
            'AnchorCertificateRef tns:certId="A_ClientCert"',
            'AnchorCertificateRef tns:certId="Q"',
            "trust anchor",
        ),
        ("PT1H</tns:RetryInterval>", "1 hour</tns:RetryInterval>", "'1 hour' is not an xs:duration"),
        ("<tns:Retries>2<", "<tns:Retries>-2<", "'-2' is not a whole number"),
        ('ackRequested="always"', 'ackRequested="often"', "'often' is none of always, never, perMessage"),
        ('tns:cpaid="melding_1"', "", "no cpaid"),
        ("<tns:Start>2026", "<tns:Start>26", "Start: "),
        (
            'tns:type="urn:osb:oin">00000001987654321000',
            'tns:type="urn:osb:oin">00000001123456789000',
            "share a",
        ),
    ],
)
def test_a_structural_fault_is_told_in_words(cpas: SimpleNamespace, old: str, new: str, words: str) -> None:
    octets = cpas.cpa("osb-rm")
    assert old.encode() in octets
    assert words in faults_of(octets.replace(old.encode(), new.encode()))


def test_all_faults_are_told_at_once(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm", (("<tns:Retries>2<", "<tns:Retries>x<"), ('tns:cpaid="melding_1"', "")))
    assert len(faults_of(octets).splitlines()) >= 2


@pytest.mark.parametrize("octets", [b"", b"<a/>", b"not xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_cpa_is_refused_with_a_reason(octets: bytes) -> None:
    assert faults_of(octets)


@given(st.data())
def test_a_damaged_document_is_read_or_refused_with_reasons(
    cpas: SimpleNamespace, data: st.DataObject
) -> None:
    octets = bytearray(cpas.cpa("osb-rm"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=4))
    try:
        read_cpa(bytes(octets))
    except ConfigError as error:
        assert error.problems


@given(st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_a_duration_that_is_written_reads_back(span: timedelta) -> None:
    whole = timedelta(days=span.days, seconds=span.seconds)
    assert parse_duration(format_duration(whole)) == whole


@pytest.mark.parametrize("text", ["P", "PT", "-P1D", "P1H", "1D", "P1DT", "P99999D", "PT1.5M", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"xs:duration|ten years"):
        parse_duration(text)


# Resolving


@pytest.mark.rule("DK-01")
@pytest.mark.parametrize("profile", ["osb-be", "osb-rm", "osb-be-s", "osb-rm-s", "osb-be-e", "osb-rm-e"])
def test_the_profile_of_each_action_is_named(cpas: SimpleNamespace, profile: str) -> None:
    agreement = cpas.agreement(profile)
    assert cpas.terms(agreement, "meld").profile == profile
    assert cpas.terms(agreement, "bevestig").profile == profile


@pytest.mark.rule("DK-01")
def test_a_channel_that_fits_no_profile_names_what_deviates(cpas: SimpleNamespace) -> None:
    terms = cpas.terms(
        cpas.agreement("osb-rm", ('duplicateElimination="always"', 'duplicateElimination="never"'))
    )
    assert terms.profile is None
    assert terms.nearest_profile == "osb-rm"
    assert terms.deviations == ("duplicateElimination is never, not always",)


def test_terms_come_from_the_channels_that_the_standard_names(cpas: SimpleNamespace) -> None:
    terms = cpas.terms(cpas.agreement("osb-rm-e"))
    assert terms.endpoint_url == "https://bridge.example.nl/ebms"
    assert terms.client_certificate == cpas.certificate(cpas.oin_a, "melder.example.nl")
    assert terms.server_certificate == cpas.certificate(cpas.oin_b, "bridge.example.nl")
    assert terms.signing is not None and terms.encryption is not None
    assert terms.signing.certificates == (cpas.certificate(cpas.oin_a, "melder.example.nl"),)
    assert terms.encryption.certificate == cpas.certificate(cpas.oin_b, "bridge.example.nl")
    assert (terms.retries, terms.retry_interval) == (2, timedelta(hours=1))


@pytest.mark.rule("DK-94")
def test_without_agreed_retries_a_message_is_tried_for_five_days(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm").replace(b"tns:ReliableMessaging", b"tns:Ignored")
    assert cpas.terms(read_cpa(octets)).retry_span == timedelta(days=5)


@pytest.mark.rule("DK-96")
def test_without_agreed_persist_duration_a_message_is_kept_for_five_days(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm").replace(b"tns:PersistDuration", b"tns:Ignored")
    assert cpas.terms(read_cpa(octets)).persist_duration == timedelta(days=5)


def unresolved(cpas: SimpleNamespace, **changes: object) -> Unresolved:
    asked: dict[str, object] = {
        "from_party": m.Party(party_ids=(cpas.party_a,), role="Melder"),
        "to_party": m.Party(party_ids=(cpas.party_b,), role="Ontvanger"),
        "service": cpas.service,
        "action": "meld",
    }
    found = resolve(cpas.agreement("osb-rm"), **(asked | changes))  # type: ignore[arg-type]
    assert isinstance(found, Unresolved), found
    return found


@pytest.mark.rule("DK-39")
@pytest.mark.parametrize("value", ["00000001000000000000", "fromPartyId"])
def test_an_unknown_party_is_inconsistent_at_its_party_id(cpas: SimpleNamespace, value: str) -> None:
    stranger = m.Party(party_ids=(m.PartyId(value=value, type="urn:osb:oin"),), role="Melder")
    found = unresolved(cpas, from_party=stranger)
    assert (found.code, found.location) == ("Inconsistent", "//Header/MessageHeader/From/PartyId")
    assert unresolved(cpas, to_party=stranger).location == "//Header/MessageHeader/To/PartyId"


@pytest.mark.rule("DK-39")
def test_a_party_id_of_another_type_is_unknown(cpas: SimpleNamespace) -> None:
    other = m.Party(party_ids=(m.PartyId(value=cpas.oin_a, type="urn:other"),), role="Melder")
    assert unresolved(cpas, from_party=other).code == "Inconsistent"


@pytest.mark.rule("DK-38")
def test_a_party_id_without_type_that_is_no_uri_is_inconsistent(cpas: SimpleNamespace) -> None:
    bare = m.Party(party_ids=(m.PartyId(value=cpas.oin_a),), role="Melder")
    assert unresolved(cpas, from_party=bare).text.startswith("Invalid value.")


@pytest.mark.rule("DK-42")
def test_a_wrong_role_is_not_recognized_on_either_side(cpas: SimpleNamespace) -> None:
    wrong_from = unresolved(cpas, from_party=m.Party(party_ids=(cpas.party_a,), role="Ontvanger"))
    wrong_to = unresolved(cpas, to_party=m.Party(party_ids=(cpas.party_b,), role="Melder"))
    assert wrong_from.code == wrong_to.code == "ValueNotRecognized"
    assert wrong_from.location.endswith("From/Role")
    assert wrong_to.location.endswith("To/Role")


@pytest.mark.rule("DK-49")
@pytest.mark.parametrize(
    "service",
    [
        m.Service(value="keten:melding:2", type="urn:osb:services"),
        m.Service(value="keten:melding:1", type="urn:other"),
        m.Service(value="keten:melding:1"),
    ],
)
def test_a_wrong_service_or_type_is_not_recognized(cpas: SimpleNamespace, service: m.Service) -> None:
    found = unresolved(cpas, service=service)
    assert (found.code, found.location) == ("ValueNotRecognized", "//Header/MessageHeader/Service")


@pytest.mark.rule("DK-51")
@pytest.mark.parametrize("action", ["onbekend", "bevestig"])
def test_an_action_that_the_sender_cannot_send_is_not_recognized(cpas: SimpleNamespace, action: str) -> None:
    found = unresolved(cpas, action=action)
    assert (found.code, found.location) == ("ValueNotRecognized", "//Header/MessageHeader/Action")


def test_a_service_without_type_must_be_a_uri(cpas: SimpleNamespace) -> None:
    found = unresolved(cpas, service=m.Service(value="melding"))
    assert (found.code, found.location) == ("Inconsistent", "//Header/MessageHeader/Service")


def test_missing_roles_are_accepted_where_one_candidate_is_left(cpas: SimpleNamespace) -> None:
    assert cpas.terms(cpas.agreement("osb-rm")).from_role == "Melder"


def test_a_message_to_the_sender_itself_is_inconsistent(cpas: SimpleNamespace) -> None:
    found = unresolved(cpas, to_party=m.Party(party_ids=(cpas.party_a,), role="Melder"))
    assert found.location == "//Header/MessageHeader/To/PartyId"


@pytest.mark.rule("DK-34")
def test_a_party_of_another_scheme_works(cpas: SimpleNamespace) -> None:
    old = 'tns:type="urn:osb:oin">00000001123456789000'
    agreement = cpas.agreement("osb-rm", (old, 'tns:type="urn:other:scheme">melder-7'))
    own = m.PartyId(value="melder-7", type="urn:other:scheme")
    terms = outgoing_terms(agreement, own=own, service=cpas.service, action="meld")
    assert terms.from_party.party_ids == (own,)


@pytest.mark.rule("DK-41")
def test_a_party_sends_and_receives_several_actions_in_its_role(cpas: SimpleNamespace) -> None:
    agreement = cpas.agreement("osb-rm")
    assert cpas.terms(agreement, "meld").from_role == cpas.terms(agreement, "bevestig").to_role == "Melder"


def test_all_party_ids_of_a_party_stand_in_the_header(cpas: SimpleNamespace) -> None:
    second = m.PartyId(value="melder-7", type="urn:other:scheme")
    extra = f'<tns:PartyId tns:type="{second.type}">{second.value}</tns:PartyId><tns:PartyRef'.encode()
    terms = cpas.terms(read_cpa(cpas.cpa("osb-rm").replace(b"<tns:PartyRef", extra, 1)))
    assert terms.from_party.party_ids == (cpas.party_a, second)


def test_outgoing_terms_that_do_not_exist_tell_why(cpas: SimpleNamespace) -> None:
    with pytest.raises(ConfigError, match="does not let the sender send"):
        outgoing_terms(cpas.agreement("osb-rm"), own=cpas.party_b, service=cpas.service, action="meld")


def test_signals_go_by_the_default_channels(cpas: SimpleNamespace) -> None:
    found = signal_terms(
        cpas.agreement("osb-rm-s"),
        acknowledging=m.Party(party_ids=(cpas.party_b,)),
        original_sender=m.Party(party_ids=(cpas.party_a,)),
        action="Acknowledgment",
    )
    assert found.endpoint_url == "https://melder.example.nl/ebms"
    assert found.signing is not None
    assert found.signing.certificates == (cpas.certificate(cpas.oin_b, "bridge.example.nl"),)


def test_an_override_sends_one_signal_another_way(cpas: SimpleNamespace) -> None:
    override = '<tns:OverrideMshActionBinding tns:action="Acknowledgment" tns:channelId="B_Messages"/></tns:PartyInfo>'
    octets = cpas.cpa("osb-rm")
    at = octets.rindex(b"</tns:PartyInfo>")
    party = read_cpa(octets[:at] + override.encode() + octets[at + len("</tns:PartyInfo>") :]).parties[1]
    assert party.signal_channel("Acknowledgment").channel_id == "B_Messages"
    assert party.signal_channel("MessageError").channel_id == "B_Signals"


# Several versions


def versions(cpas: SimpleNamespace) -> tuple[Agreements, datetime]:
    old = cpas.agreement("osb-rm")
    turn = datetime(2027, 6, 1, tzinfo=UTC)
    first = cpas.agreement("osb-rm", (f"<tns:End>{old.end:%Y-%m-%d}", "<tns:End>2027-06-30"))
    second = cpas.agreement("osb-rm-s", (f"<tns:Start>{old.start:%Y-%m-%d}", f"<tns:Start>{turn:%Y-%m-%d}"))
    return Agreements(agreements=(first, second)), second.start


def test_the_version_in_force_is_found(cpas: SimpleNamespace) -> None:
    agreements, turn = versions(cpas)
    assert agreements.find(CpaId("melding_1"), turn - timedelta(days=1)) is agreements.agreements[0]
    assert agreements.find(CpaId("melding_1"), turn + timedelta(days=1)) is agreements.agreements[1]


def test_where_none_is_in_force_the_latest_that_began_is_given(cpas: SimpleNamespace) -> None:
    agreements, turn = versions(cpas)
    found = agreements.find(CpaId("melding_1"), turn + timedelta(days=9999))
    assert found is agreements.agreements[1]
    assert not found.is_active(turn + timedelta(days=9999))


def test_an_unknown_cpa_id_finds_nothing(cpas: SimpleNamespace) -> None:
    assert versions(cpas)[0].find(CpaId("other"), cpas.now) is None


def test_our_side_of_an_agreement_is_told_by_party_id(cpas: SimpleNamespace) -> None:
    agreement = cpas.agreement("osb-rm")
    side = Agreements().own_side
    assert side(agreement, frozenset({cpas.party_b})) is agreement.parties[1]
    assert side(agreement, frozenset()) is None
    assert side(agreement, frozenset({cpas.party_a, cpas.party_b})) is None


@pytest.mark.rule("DK-121")
def test_only_agreements_in_force_are_candidates_to_send_under(cpas: SimpleNamespace) -> None:
    agreements = Agreements(agreements=(cpas.agreement("osb-rm"),))
    asked = {"own": cpas.party_a, "service": cpas.service, "action": "meld", "partner": cpas.party_b}
    assert len(agreements.candidates(**asked, at=cpas.now)) == 1
    assert agreements.candidates(**asked, at=cpas.now + timedelta(days=2000)) == ()
