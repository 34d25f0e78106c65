"""The receiving decision: every row of the table, the answer it gives, duplicates and signals."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ebms import model as m
from bridge.ebms.answers import (
    make_acknowledgment,
    make_message_error,
    make_ping,
    make_pong,
    make_status_request,
)
from bridge.ebms.cpa_resolve import signal_terms
from bridge.ebms.keys import fingerprint_sha256
from bridge.ebms.read import Received
from bridge.ebms.receiving import (
    AGREEMENT_TABLE,
    Accepted,
    Acknowledges,
    Agreed,
    AnswerError,
    AnswerFault,
    AnswerPing,
    AnswersRequest,
    AnswerStatus,
    CryptoOutcome,
    DeliverAgain,
    FailsMessage,
    Ignore,
    LateSignal,
    OtherAgreement,
    OtherContent,
    Peer,
    Place,
    ReceivingPolicy,
    SameAgain,
    SentMessage,
    StoredMessage,
    UnknownReference,
    answer_place,
    content_digest,
    judge_agreement,
    judge_content,
    judge_duplicate,
    judge_peer,
    judge_signal,
    repeats_are_delivered,
)
from bridge.ebms.sign import Verified
from bridge.errors import EbmsError
from bridge.ids import ConversationId, CpaId, MessageId

Receive = Callable[[m.Message], Received]


def judged(cpas: SimpleNamespace, receive: Receive, message: m.Message, agreement: Any, **known: Any) -> Any:
    return judge_agreement(receive(message), known=cpas.known(agreement, **known))


def refused(outcome: Any) -> tuple[str, str]:
    assert isinstance(outcome, AnswerError), outcome
    return outcome.errors[0].code, outcome.errors[0].location


HEADER = "//Header/MessageHeader"


# Rows 7 to 21


@pytest.mark.rule("DK-03", "DK-04", "DK-11")
@pytest.mark.parametrize("profile", ["osb-be", "osb-rm", "osb-be-s", "osb-rm-s", "osb-be-e", "osb-rm-e"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_message_as_agreed_passes_the_agreement_rows(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive, profile: str, count: int
) -> None:
    agreement = cpas.agreement(profile)
    parts = [build.part(f"p{n}@melder.example.nl") for n in range(count)]
    outcome = judged(cpas, receive, cpas.message(agreement, *parts), agreement)
    assert isinstance(outcome, Agreed)
    assert outcome.signature_required == profile.endswith(("-s", "-e"))
    assert (outcome.encryption is not None) == profile.endswith("-e")


@pytest.mark.rule("DK-43", "DK-121")
def test_an_unknown_cpa_is_a_fault(cpas: SimpleNamespace, receive: Receive) -> None:
    outcome = judged(cpas, receive, cpas.message(cpas.agreement("osb-rm")), None)
    assert isinstance(outcome, AnswerFault)
    assert outcome.fault.fault_code == "Client" and outcome.fault.status == 500


@pytest.mark.rule("DK-37", "DK-81", "DK-150")
def test_a_peer_that_is_not_the_from_party_is_refused_on_its_own_connection(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    stranger = Peer(oin="00000001000000000001", certificate_sha256="ab" * 32)
    outcome = judged(cpas, receive, cpas.message(agreement), agreement, peer=stranger)
    assert refused(outcome) == ("SecurityFailure", f"{HEADER}/From/PartyId")
    assert outcome.synchronous and outcome.signal_terms is None, (
        "a forger must not make us write to the real party"
    )


@pytest.mark.rule("DK-36", "DK-104")
def test_a_gateway_may_deliver_for_a_party_that_authorised_it(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement, message = cpas.agreement("osb-rm"), cpas.message(cpas.agreement("osb-rm"))
    gateway = Peer(oin="00000001000000000001", certificate_sha256="ab" * 32)
    allowed = frozenset({("00000001000000000001", cpas.party_a)})
    assert isinstance(judged(cpas, receive, message, agreement, peer=gateway, delegations=allowed), Agreed)
    for_another = frozenset({("00000001000000000001", cpas.party_b)})
    assert refused(judged(cpas, receive, message, agreement, peer=gateway, delegations=for_another))


@pytest.mark.rule("DK-35")
def test_a_suffix_in_the_party_id_is_not_compared_with_the_certificate(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm", ("00000001123456789000<", "00000001123456789000_T<"))
    own = m.PartyId(value=cpas.oin_a + "_T", type="urn:osb:oin")
    header = cpas.message(cpas.agreement("osb-rm")).header
    message = replace(
        cpas.message(cpas.agreement("osb-rm")),
        header=replace(header, from_party=m.Party(party_ids=(own,), role="Melder")),
    )
    assert isinstance(judged(cpas, receive, message, agreement), Agreed)


@pytest.mark.rule("DK-136")
def test_a_certificate_without_oin_counts_only_if_the_agreement_names_it(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    named = fingerprint_sha256(cpas.certificate(cpas.oin_a, "melder.example.nl"))
    message = cpas.message(agreement)
    assert isinstance(judged(cpas, receive, message, agreement, peer=Peer(certificate_sha256=named)), Agreed)
    other = Peer(certificate_sha256="cd" * 32)
    assert refused(judged(cpas, receive, message, agreement, peer=other))[0] == "SecurityFailure"


@pytest.mark.rule("DK-02", "DK-30")
def test_a_connection_without_certificate_is_refused_in_production_only(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    plain, message = Peer(plain=True), cpas.message(agreement)
    assert refused(judged(cpas, receive, message, agreement, peer=plain))[0] == "SecurityFailure"
    test_mode = ReceivingPolicy(production=False)
    assert isinstance(judged(cpas, receive, message, agreement, peer=plain, policy=test_mode), Agreed)


def test_a_problem_of_reading_is_answered_with_its_own_code_and_place(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    problem = EbmsError("Inconsistent", "The element is missing.", location=f"{HEADER}/ConversationId")
    received = replace(receive(cpas.message(agreement)), problems=(problem,))
    outcome = judge_agreement(received, known=cpas.known(agreement))
    assert refused(outcome) == ("Inconsistent", f"{HEADER}/ConversationId")


@pytest.mark.rule("DK-121")
@pytest.mark.parametrize("days", [-20, 1100])
def test_an_agreement_that_is_not_in_force_refuses(
    cpas: SimpleNamespace, receive: Receive, days: int
) -> None:
    agreement = cpas.agreement("osb-rm")
    at = cpas.now + timedelta(days=days)
    message = cpas.message(agreement, timestamp=at, time_to_live=None)
    outcome = judged(cpas, receive, message, agreement, now=at)
    assert refused(outcome) == ("Inconsistent", f"{HEADER}/@cpaid")


@pytest.mark.rule("DK-121")
def test_an_old_timestamp_does_not_bring_an_ended_agreement_back(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement, time_to_live=None)
    outcome = judged(cpas, receive, message, agreement, now=cpas.now + timedelta(days=1100))
    assert refused(outcome) == ("Inconsistent", f"{HEADER}/@cpaid")


@pytest.mark.rule("DK-121")
def test_an_agreement_that_is_only_proposed_refuses(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm", ('tns:value="agreed"', 'tns:value="proposed"'))
    outcome = judged(cpas, receive, cpas.message(cpas.agreement("osb-rm")), agreement)
    assert refused(outcome) == ("Inconsistent", f"{HEADER}/@cpaid")


def test_a_small_clock_difference_is_allowed(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement, timestamp=agreement.start - timedelta(minutes=4))
    assert isinstance(judged(cpas, receive, message, agreement), Agreed)


@pytest.mark.rule("DK-107")
def test_another_header_version_is_inconsistent(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    outcome = judged(cpas, receive, cpas.message(agreement, version="1.0"), agreement)
    assert refused(outcome) == ("Inconsistent", f"{HEADER}/@version")


@pytest.mark.rule("DK-102")
def test_a_message_for_a_party_that_is_not_ours_is_refused(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    outcome = judged(cpas, receive, cpas.message(agreement), agreement, own_parties=frozenset())
    assert refused(outcome) == ("Inconsistent", f"{HEADER}/To/PartyId")


@pytest.mark.rule("DK-51", "DK-83")
def test_an_unknown_action_is_not_recognized(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement)
    message = replace(message, header=replace(message.header, action="onbekend"))
    outcome = judged(cpas, receive, message, agreement)
    assert refused(outcome) == ("ValueNotRecognized", f"{HEADER}/Action")


@pytest.mark.rule("DK-42")
def test_a_wrong_role_is_not_recognized(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    wrong = m.Party(party_ids=(cpas.party_a,), role="Chef")
    outcome = judged(cpas, receive, cpas.message(agreement, from_party=wrong), agreement)
    assert refused(outcome) == ("ValueNotRecognized", f"{HEADER}/From/Role")


def test_an_unknown_reference_is_flagged_and_refused_only_if_strict(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement, ref_to_message_id=MessageId("x@y"))
    accepted = judged(cpas, receive, message, agreement, knows_ref=False)
    assert isinstance(accepted, Agreed) and any("RefToMessageId" in flag for flag in accepted.flags)
    strict = ReceivingPolicy(strict_ref_to_message_id=True)
    outcome = judged(cpas, receive, message, agreement, knows_ref=False, policy=strict)
    assert refused(outcome) == ("ValueNotRecognized", f"{HEADER}/MessageData/RefToMessageId")


def test_an_expired_message_is_refused(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement, time_to_live=cpas.now)
    outcome = judged(cpas, receive, message, agreement, now=cpas.now)
    assert refused(outcome) == ("TimeToLiveExpired", f"{HEADER}/MessageData/TimeToLive")


SIGNED = m.AckRequested(signed=True)
UNSIGNED = m.AckRequested(signed=False)


@pytest.mark.parametrize(
    ("profile", "changes", "code", "location"),
    [
        pytest.param(
            "osb-be", {"sync_reply": m.SyncReply()}, "Inconsistent", "//Header/SyncReply",
            marks=pytest.mark.rule("DK-16"),
        ),
        pytest.param(
            "osb-be", {"ack_requested": (UNSIGNED,)}, "Inconsistent", "//Header/AckRequested",
            marks=pytest.mark.rule("DK-19"),
        ),
        pytest.param(
            "osb-rm", {"ack_requested": ()}, "Inconsistent", "//Header/AckRequested",
            marks=pytest.mark.rule("DK-22"),
        ),
        pytest.param(
            "osb-rm", {"ack_requested": (SIGNED,)}, "Inconsistent", "//Header/AckRequested/@signed",
            marks=pytest.mark.rule("DK-74"),
        ),
        pytest.param(
            "osb-rm-s", {"ack_requested": (UNSIGNED,)}, "Inconsistent", "//Header/AckRequested/@signed",
            marks=pytest.mark.rule("DK-72"),
        ),
        pytest.param(
            "osb-rm", {"ack_requested": (replace(UNSIGNED, version="1.0"),)}, "Inconsistent",
            "//Header/AckRequested/@version", marks=pytest.mark.rule("DK-107"),
        ),
        pytest.param(
            "osb-rm", {"ack_requested": (replace(UNSIGNED, actor=m.ACTOR_NEXT_MSH),)}, "NotSupported",
            "//Header/AckRequested/@actor", marks=pytest.mark.rule("DK-29", "DK-88", "DK-103"),
        ),
        pytest.param(
            "osb-rm", {"sync_reply": m.SyncReply()}, "Inconsistent", "//Header/SyncReply",
            marks=pytest.mark.rule("DK-86"),
        ),
        pytest.param(
            "osb-rm", {"message_order": m.MessageOrder(sequence_number=0, status="Reset")}, "NotSupported",
            "//Header/MessageOrder", marks=pytest.mark.rule("DK-28"),
        ),
    ],
)  # fmt: skip
def test_elements_against_the_agreement_are_refused_at_their_place(
    cpas: SimpleNamespace, receive: Receive, profile: str, changes: dict[str, Any], code: str, location: str
) -> None:
    agreement = cpas.agreement(profile)
    outcome = judged(cpas, receive, replace(cpas.message(agreement), **changes), agreement)
    assert refused(outcome) == (code, location)


@pytest.mark.rule("DK-90", "DK-91")
@pytest.mark.parametrize(("profile", "present"), [("osb-be", True), ("osb-rm", False)])
def test_duplicate_elimination_against_the_agreement_is_inconsistent(
    cpas: SimpleNamespace, receive: Receive, profile: str, present: bool
) -> None:
    agreement = cpas.agreement(profile)
    outcome = judged(cpas, receive, cpas.message(agreement, duplicate_elimination=present), agreement)
    assert refused(outcome) == ("Inconsistent", f"{HEADER}/DuplicateElimination")


@pytest.mark.rule("DK-17", "DK-86")
def test_a_synchronous_agreement_demands_sync_reply(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm", sync=True)
    message = cpas.message(agreement)
    assert message.sync_reply is not None
    assert isinstance(judged(cpas, receive, message, agreement), Agreed)
    without = judged(cpas, receive, replace(message, sync_reply=None), agreement)
    assert refused(without) == ("Inconsistent", "//Header/SyncReply")


def test_per_message_allows_both(cpas: SimpleNamespace, receive: Receive) -> None:
    edits = tuple((f'{a}="always"', f'{a}="perMessage"') for a in ("ackRequested", "duplicateElimination"))
    agreement = cpas.agreement("osb-rm", *edits)
    message = cpas.message(agreement)
    neither = replace(message, ack_requested=(), header=replace(message.header, duplicate_elimination=False))
    assert isinstance(judged(cpas, receive, message, agreement), Agreed)
    assert isinstance(judged(cpas, receive, neither, agreement), Agreed)


@pytest.mark.rule("DK-28")
def test_message_order_is_taken_where_it_is_guaranteed(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm", ("NotGuaranteed", "Guaranteed"))
    order = m.MessageOrder(sequence_number=0, status="Reset")
    message = replace(cpas.message(agreement), message_order=order)
    assert isinstance(judged(cpas, receive, message, agreement), Agreed)
    unfiltered = cpas.agreement(
        "osb-rm",
        ("NotGuaranteed", "Guaranteed"),
        ('duplicateElimination="always"', 'duplicateElimination="never"'),
    )
    message = replace(cpas.message(unfiltered), message_order=order)
    assert refused(judged(cpas, receive, message, unfiltered)) == ("Inconsistent", "//Header/MessageOrder")


@pytest.mark.rule("DK-52", "DK-106")
def test_descriptions_and_ids_change_nothing(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    texts = (m.Description(text="a", lang="nl"), m.Description(text="b", lang="en"))
    plain = judged(cpas, receive, cpas.message(agreement), agreement)
    assert judged(cpas, receive, cpas.message(agreement, descriptions=texts, id="x"), agreement) == plain


# Where an answer goes


@pytest.mark.rule("DK-07", "DK-84")
@pytest.mark.parametrize("sync", [False, True])
def test_an_error_goes_where_the_agreement_says(cpas: SimpleNamespace, receive: Receive, sync: bool) -> None:
    agreement = cpas.agreement("osb-rm", sync=sync)
    outcome = judged(cpas, receive, cpas.message(agreement, time_to_live=cpas.now), agreement)
    assert isinstance(outcome, AnswerError)
    assert outcome.synchronous is sync
    assert outcome.signal_terms is not None
    assert outcome.signal_terms.endpoint_url == "https://melder.example.nl/ebms"


@pytest.mark.rule("DK-84", "DK-87")
@pytest.mark.parametrize(
    ("mode", "place"),
    [
        ("none", Place.ASYNC),
        ("mshSignalsOnly", Place.SYNC),
        ("signalsOnly", Place.SYNC),
        ("responseOnly", Place.SYNC),
        ("signalsAndResponse", Place.SYNC),
    ],
)
def test_the_place_of_an_answer_follows_the_sync_reply_mode(
    cpas: SimpleNamespace, mode: str, place: Place
) -> None:
    agreement = cpas.agreement("osb-rm", ('syncReplyMode="none"', f'syncReplyMode="{mode}"'))
    assert answer_place(cpas.terms(agreement), cpas.message(agreement)) is place


def test_without_terms_sync_reply_in_the_message_decides(cpas: SimpleNamespace) -> None:
    message = cpas.message(cpas.agreement("osb-rm"))
    assert answer_place(None, message) is Place.ASYNC
    assert answer_place(None, replace(message, sync_reply=m.SyncReply())) is Place.SYNC


def test_an_error_that_cannot_be_routed_is_a_fault_with_its_text(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    unknown = m.PartyId(value=cpas.oin_a, type="urn:other")
    message = cpas.message(agreement, from_party=m.Party(party_ids=(unknown,), role="Melder"))
    allowed = frozenset({(cpas.oin_a, unknown)})
    outcome = judged(cpas, receive, message, agreement, delegations=allowed)
    assert isinstance(outcome, AnswerFault)
    assert outcome.errors[0].code == "Inconsistent"
    assert "From/PartyId" in outcome.fault.text


def test_the_same_error_goes_in_the_response_when_the_message_asks_for_it(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm", sync=True)
    unknown = m.PartyId(value=cpas.oin_a, type="urn:other")
    message = cpas.message(agreement, from_party=m.Party(party_ids=(unknown,), role="Melder"))
    outcome = judged(cpas, receive, message, agreement, delegations=frozenset({(cpas.oin_a, unknown)}))
    assert isinstance(outcome, AnswerError) and outcome.synchronous


@pytest.mark.parametrize("action", ["Acknowledgment", "MessageError", "Pong", "StatusResponse"])
def test_an_answer_of_the_peer_is_never_answered_with_an_error(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive, action: str
) -> None:
    agreement = cpas.agreement("osb-rm")
    answer = _answer(cpas, build, agreement, action)
    answer = replace(answer, header=replace(answer.header, version="1.0"))
    assert isinstance(judged(cpas, receive, answer, agreement), Ignore)


def _answer(cpas: SimpleNamespace, build: SimpleNamespace, agreement: Any, action: str) -> m.Message:
    sent = cpas.message(agreement, action="bevestig")
    make = {"message_id": MessageId("answer@melder.example.nl"), "now": cpas.now}
    match action:
        case "Acknowledgment":
            return make_acknowledgment(sent, **make)
        case "MessageError":
            return make_message_error(sent.header, [EbmsError("Unknown", "x")], **make)
    pong = make_pong(sent, **make)
    if action == "Pong":
        return pong
    status = m.StatusResponse(ref_to_message_id=sent.header.message_id, message_status="Received")
    return replace(pong, header=replace(pong.header, action=action), status_response=status)


@pytest.mark.rule("DK-27", "DK-26")
def test_a_signal_service_that_is_off_is_not_supported(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    off = ReceivingPolicy(answer_pings=False, answer_status_requests=False)
    for message in (_ping(cpas, agreement), _status_request(cpas, agreement)):
        outcome = judged(cpas, receive, message, agreement, policy=off)
        assert refused(outcome) == ("NotSupported", f"{HEADER}/Action")


def _signal(cpas: SimpleNamespace, agreement: Any) -> tuple[Any, dict[str, Any]]:
    terms = signal_terms(
        agreement,
        acknowledging=m.Party(party_ids=(cpas.party_a,)),
        original_sender=m.Party(party_ids=(cpas.party_b,)),
        action="Ping",
    )
    made = {"cpa_id": agreement.cpa_id, "conversation_id": ConversationId("c"), "now": cpas.now}
    return terms, made | {"message_id": MessageId("ping@melder.example.nl")}


def _ping(cpas: SimpleNamespace, agreement: Any) -> m.Message:
    terms, made = _signal(cpas, agreement)
    return make_ping(terms, **made)


def _status_request(cpas: SimpleNamespace, agreement: Any) -> m.Message:
    terms, made = _signal(cpas, agreement)
    return make_status_request(terms, MessageId("asked@melder.example.nl"), **made)


@pytest.mark.rule("DK-27", "DK-101")
def test_an_unsigned_ping_is_to_be_answered_under_a_signed_agreement(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm-s")
    received = receive(_ping(cpas, agreement))
    outcome = judge_agreement(received, known=cpas.known(agreement))
    assert isinstance(outcome, Agreed) and not outcome.signature_required
    assert isinstance(judge_content(received, outcome, CryptoOutcome()), Accepted)
    assert judge_signal(received, None) == AnswerPing()


@pytest.mark.rule("DK-101")
def test_a_ping_with_a_broken_signature_is_refused(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm-s")
    received = replace(receive(_ping(cpas, agreement)), signatures=1)
    agreed = judge_agreement(received, known=cpas.known(agreement))
    broken = CryptoOutcome(signature_error=EbmsError("SecurityFailure", "x", location="//Header/Signature"))
    assert refused(judge_content(received, agreed, broken))[0] == "SecurityFailure"


@pytest.mark.rule("DK-26", "DK-100")
def test_an_unsigned_status_request_is_to_be_answered(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm-s")
    received = receive(_status_request(cpas, agreement))
    assert isinstance(judge_agreement(received, known=cpas.known(agreement)), Agreed)
    assert judge_signal(received, None) == AnswerStatus(about=MessageId("asked@melder.example.nl"))


# Rows 22 to 25


def content(
    cpas: SimpleNamespace,
    receive: Receive,
    message: m.Message,
    agreement: Any,
    crypto: CryptoOutcome | None = None,
    signatures: int = 0,
    **known: Any,
) -> Any:
    received = replace(receive(message), signatures=signatures)
    agreed = judge_agreement(received, known=cpas.known(agreement, **known))
    assert isinstance(agreed, Agreed), agreed
    return judge_content(received, agreed, crypto or CryptoOutcome())


def verified(cpas: SimpleNamespace) -> CryptoOutcome:
    reference = m.DigestReference(uri="", transforms=(), digest_method="d", digest_value=b"1")
    certificate = cpas.certificate(cpas.oin_a, "melder.example.nl")
    return CryptoOutcome(verified=Verified(certificate=certificate, references=(reference,)))


@pytest.mark.rule("DK-64")
@pytest.mark.parametrize("profile", ["osb-be-s", "osb-rm-s", "osb-be-e", "osb-rm-e"])
def test_an_unsigned_message_is_refused_where_signing_is_agreed(
    cpas: SimpleNamespace, receive: Receive, profile: str
) -> None:
    agreement = cpas.agreement(profile)
    outcome = content(cpas, receive, cpas.message(agreement), agreement)
    assert refused(outcome) == ("SecurityFailure", "//Header/Signature")


@pytest.mark.rule("DK-65")
def test_a_second_signature_is_refused(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm-s")
    outcome = content(cpas, receive, cpas.message(agreement), agreement, verified(cpas), signatures=2)
    assert refused(outcome) == ("SecurityFailure", "//Header/Signature")


@pytest.mark.rule("DK-62")
def test_a_signature_that_the_agreement_gives_no_certificate_for_is_refused(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    outcome = content(cpas, receive, cpas.message(agreement), agreement, verified(cpas), signatures=1)
    assert refused(outcome) == ("SecurityFailure", "//Header/Signature")


def test_a_signature_that_nobody_verified_is_refused(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm-s")
    outcome = content(cpas, receive, cpas.message(agreement), agreement, CryptoOutcome(), signatures=1)
    assert refused(outcome) == ("SecurityFailure", "//Header/Signature")


@pytest.mark.rule("DK-14")
def test_a_verified_signature_gives_its_references_for_the_receipt(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement, crypto = cpas.agreement("osb-rm-s"), verified(cpas)
    outcome = content(cpas, receive, cpas.message(agreement), agreement, crypto, signatures=1)
    assert isinstance(outcome, Accepted)
    assert crypto.verified is not None and outcome.references == crypto.verified.references


@pytest.mark.rule("DK-54", "DK-55", "DK-56", "DK-59")
@pytest.mark.parametrize("href", ["cid:gone@x", "http://example.nl/a", "mid:other@x/p", "cid:"])
def test_a_reference_that_names_no_part_is_a_mime_problem(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive, href: str
) -> None:
    agreement = cpas.agreement("osb-rm")
    message = replace(cpas.message(agreement), manifest=m.Manifest(references=(m.Reference(href=href),)))
    assert refused(content(cpas, receive, message, agreement)) == ("MimeProblem", href)


@pytest.mark.rule("DK-59")
def test_a_percent_encoded_cid_names_its_part(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement, build.part("p1@x"))
    message = replace(message, manifest=m.Manifest(references=(m.Reference(href="cid:p1%40x"),)))
    outcome = content(cpas, receive, message, agreement)
    assert isinstance(outcome, Accepted) and outcome.content_ids == ("p1@x",)


def test_a_part_that_no_reference_names_is_refused_or_left_out(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement, build.part("p1@x"), build.part("extra@x"))
    message = replace(message, manifest=m.Manifest(references=(m.Reference(href="cid:p1@x"),)))
    assert refused(content(cpas, receive, message, agreement)) == ("MimeProblem", "cid:extra@x")
    lenient = ReceivingPolicy(refuse_unreferenced_parts=False)
    outcome = content(cpas, receive, message, agreement, policy=lenient)
    assert isinstance(outcome, Accepted)
    assert outcome.content_ids == ("p1@x",), "a part that is not signed for is never delivered"


@pytest.mark.rule("DK-57", "DK-60", "DK-61")
def test_role_schema_and_description_of_a_reference_change_nothing(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    reference = m.Reference(
        href="cid:p1@x",
        role="urn:x",
        schema_locations=("http://example.nl/other.xsd",),
        descriptions=(m.Description(text="x", lang="nl"),),
    )
    message = replace(
        cpas.message(agreement, build.part("p1@x")), manifest=m.Manifest(references=(reference,))
    )
    outcome = content(cpas, receive, message, agreement)
    assert isinstance(outcome, Accepted) and outcome.content_ids == ("p1@x",)


@pytest.mark.rule("DK-107")
def test_another_manifest_version_is_inconsistent(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    message = cpas.message(agreement, build.part("p1@x"))
    assert message.manifest is not None
    message = replace(message, manifest=replace(message.manifest, version="1.0"))
    assert refused(content(cpas, receive, message, agreement)) == ("Inconsistent", "//Body/Manifest/@version")


@pytest.mark.rule("DK-78")
def test_a_clear_part_is_refused_where_encryption_is_agreed(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement, message = (
        cpas.agreement("osb-rm-e"),
        cpas.message(cpas.agreement("osb-rm-e"), build.part("p1@x")),
    )
    crypto = verified(cpas)
    assert refused(content(cpas, receive, message, agreement, crypto, 1)) == ("SecurityFailure", "cid:p1@x")
    opened = replace(crypto, decrypted=frozenset({"p1@x"}))
    assert isinstance(content(cpas, receive, message, agreement, opened, 1), Accepted)


@pytest.mark.rule("DK-79")
def test_a_part_that_the_application_encrypted_passes_where_none_is_agreed(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    own = b'<e:EncryptedData xmlns:e="http://www.w3.org/2001/04/xmlenc#"/>'
    message = cpas.message(agreement, build.part("p1@x", own))
    assert isinstance(content(cpas, receive, message, agreement), Accepted)


def test_all_faults_of_a_row_are_reported_but_not_without_end(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    references = tuple(m.Reference(href=f"cid:gone-{n}") for n in range(100))
    message = replace(cpas.message(agreement), manifest=m.Manifest(references=references))
    outcome = content(cpas, receive, message, agreement)
    assert isinstance(outcome, AnswerError) and len(outcome.errors) == 20


def test_a_manifest_without_end_costs_little(cpas: SimpleNamespace, receive: Receive) -> None:
    agreement = cpas.agreement("osb-rm")
    references = tuple(m.Reference(href=f"cid:gone-{n}") for n in range(1001))
    message = replace(cpas.message(agreement), manifest=m.Manifest(references=references))
    assert refused(content(cpas, receive, message, agreement)) == ("MimeProblem", "//Body/Manifest")


# Duplicates


def stored(receive: Receive, message: m.Message, **changes: Any) -> StoredMessage:
    digest = content_digest(receive(message), encrypted=False)
    return replace(StoredMessage(digest=digest, cpa_id=message.header.cpa_id, has_answer=True), **changes)


@pytest.mark.rule("DK-24")
def test_a_repeat_with_another_boundary_is_the_same_again(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    message = cpas.message(cpas.agreement("osb-rm"), build.part("p1@x"))
    before = stored(receive, message)
    again = content_digest(receive(message), encrypted=False)
    assert judge_duplicate(before, again, cpa_id=CpaId("melding_1")) == SameAgain(has_answer=True)


def test_a_new_message_is_no_duplicate(cpas: SimpleNamespace) -> None:
    assert judge_duplicate(None, "x", cpa_id=CpaId("melding_1")) is None


@pytest.mark.rule("DK-24")
@pytest.mark.parametrize("change", ["part", "header"])
def test_the_same_id_with_other_content_is_inconsistent(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive, change: str
) -> None:
    agreement = cpas.agreement("osb-rm")
    first = cpas.message(agreement, build.part("p1@x", b"<a/>"))
    other = (
        cpas.message(agreement, build.part("p1@x", b"<b/>"))
        if change == "part"
        else cpas.message(agreement, build.part("p1@x", b"<a/>"), conversation_id=ConversationId("other"))
    )
    digest = content_digest(receive(other), encrypted=False)
    outcome = judge_duplicate(stored(receive, first), digest, cpa_id=CpaId("melding_1"))
    assert isinstance(outcome, OtherContent) and outcome.error.code == "Inconsistent"


def test_the_same_id_under_another_agreement_is_a_fault(cpas: SimpleNamespace, receive: Receive) -> None:
    message = cpas.message(cpas.agreement("osb-rm"))
    outcome = judge_duplicate(stored(receive, message), "x", cpa_id=CpaId("other"))
    assert isinstance(outcome, OtherAgreement)


def test_a_new_content_key_does_not_make_an_encrypted_repeat_other_content(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm-e")
    first = content_digest(receive(cpas.message(agreement, build.part("p1@x", b"key 1"))), encrypted=True)
    second = content_digest(receive(cpas.message(agreement, build.part("p1@x", b"key 2"))), encrypted=True)
    assert first == second


def test_the_digest_leaves_the_received_tree_untouched(cpas: SimpleNamespace, receive: Receive) -> None:
    received = receive(cpas.message(cpas.agreement("osb-rm")))
    assert content_digest(received, encrypted=False) == content_digest(received, encrypted=False)


@pytest.mark.rule("DK-20")
def test_best_effort_repeats_are_delivered_only_if_the_operator_chose_so(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    chosen = ReceivingPolicy(deliver_best_effort_repeats=True)
    for profile, policy, delivered in (
        ("osb-be", chosen, True),
        ("osb-be", ReceivingPolicy(), False),
        ("osb-rm", chosen, False),
    ):
        agreement = cpas.agreement(profile)
        message = cpas.message(agreement)
        assert repeats_are_delivered(cpas.terms(agreement), message, policy) is delivered
    same = stored(receive, cpas.message(cpas.agreement("osb-be")))
    outcome = judge_duplicate(same, same.digest, cpa_id=same.cpa_id, deliver_repeats=True)
    assert outcome == DeliverAgain()


def test_a_duplicate_is_looked_for_only_after_the_peer_is_known(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    late = cpas.known(agreement, now=cpas.now + timedelta(days=9))
    received = receive(cpas.message(agreement))
    assert judge_peer(received, known=late) is None, "a repeat after TimeToLive still gets its answer"
    stranger = cpas.known(agreement, peer=Peer(oin="00000001000000000001", certificate_sha256="ab" * 32))
    assert judge_peer(received, known=stranger) is not None, "a stranger gets none"


# Signals about what we sent


def sent_message(cpas: SimpleNamespace, **changes: Any) -> SentMessage:
    header = cpas.message(cpas.agreement("osb-rm"), action="bevestig").header
    sent = SentMessage(
        message_id=header.message_id,
        kind=m.Kind.BUSINESS,
        cpa_id=header.cpa_id,
        from_party_ids=header.from_party.party_ids,
        to_party_ids=header.to_party.party_ids,
        ack_requested=True,
        ack_signed=False,
        references=(),
        synchronous=False,
        settled=False,
    )
    return replace(sent, **changes)


REFERENCE = m.DigestReference(uri="", transforms=(), digest_method="urn:d", digest_value=b"1234")


def acknowledgment(cpas: SimpleNamespace, **make: Any) -> m.Message:
    sent = cpas.message(cpas.agreement("osb-rm"), action="bevestig")
    return make_acknowledgment(sent, message_id=MessageId("ack@melder.example.nl"), now=cpas.now, **make)


@pytest.mark.rule("DK-23", "DK-97")
def test_an_acknowledgment_acknowledges(cpas: SimpleNamespace, receive: Receive) -> None:
    sent = sent_message(cpas)
    outcome = judge_signal(receive(acknowledgment(cpas)), sent)
    assert outcome == Acknowledges(message_id=sent.message_id, signed_receipt=False)


def test_an_acknowledgment_on_the_other_way_counts_and_is_flagged(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    outcome = judge_signal(receive(acknowledgment(cpas)), sent_message(cpas), in_response=True)
    assert isinstance(outcome, Acknowledges) and outcome.flags


def test_an_acknowledgment_of_what_was_never_sent_is_a_fault(cpas: SimpleNamespace, receive: Receive) -> None:
    assert isinstance(judge_signal(receive(acknowledgment(cpas)), None), UnknownReference)


@pytest.mark.rule("DK-25")
@pytest.mark.parametrize(
    "changes",
    [
        {"cpa_id": CpaId("other")},
        {"from_party_ids": (m.PartyId(value="00000001000000000009", type="urn:osb:oin"),)},
        {"to_party_ids": (m.PartyId(value="00000001000000000009", type="urn:osb:oin"),)},
        {"ack_requested": False},
        {"kind": m.Kind.PING},
    ],
)
def test_an_acknowledgment_that_does_not_fit_changes_nothing(
    cpas: SimpleNamespace, receive: Receive, changes: dict[str, Any]
) -> None:
    assert isinstance(judge_signal(receive(acknowledgment(cpas)), sent_message(cpas, **changes)), Ignore)


def test_an_acknowledgment_of_a_settled_message_is_late(cpas: SimpleNamespace, receive: Receive) -> None:
    outcome = judge_signal(receive(acknowledgment(cpas)), sent_message(cpas, settled=True))
    assert isinstance(outcome, LateSignal) and outcome.acknowledges


@pytest.mark.rule("DK-72", "DK-73")
def test_a_signed_receipt_must_be_signed_and_repeat_the_digests(
    cpas: SimpleNamespace, receive: Receive
) -> None:
    sent = sent_message(cpas, ack_signed=True, references=(REFERENCE,))
    good = receive(acknowledgment(cpas, references=(REFERENCE,)))
    changed = receive(acknowledgment(cpas, references=(replace(REFERENCE, digest_value=b"4321"),)))
    none = receive(acknowledgment(cpas))
    crypto = verified(cpas)
    assert isinstance(judge_signal(good, sent, crypto=crypto), Acknowledges)
    assert isinstance(judge_signal(good, sent), Ignore), "unsigned"
    assert isinstance(judge_signal(changed, sent, crypto=crypto), Ignore), "another digest"
    assert isinstance(judge_signal(none, sent, crypto=crypto), Ignore), "no References"
    broken = CryptoOutcome(signature_error=EbmsError("SecurityFailure", "x"))
    assert isinstance(judge_signal(good, sent, crypto=broken), Ignore), "a bad signature"


def message_error(cpas: SimpleNamespace, severity: str = "Error") -> m.Message:
    sent = cpas.message(cpas.agreement("osb-rm"), action="bevestig")
    error = EbmsError("DeliveryFailure", "free text about 999990019", severity=severity)
    return make_message_error(sent.header, [error], message_id=MessageId("e@melder.example.nl"), now=cpas.now)


@pytest.mark.rule("DK-83")
def test_a_message_error_fails_the_message(cpas: SimpleNamespace, receive: Receive) -> None:
    outcome = judge_signal(receive(message_error(cpas)), sent_message(cpas))
    assert isinstance(outcome, FailsMessage)
    assert "DeliveryFailure" in outcome.reason and "999990019" not in outcome.reason


def test_a_warning_does_not_settle(cpas: SimpleNamespace, receive: Receive) -> None:
    assert isinstance(judge_signal(receive(message_error(cpas, "Warning")), sent_message(cpas)), Ignore)


def test_an_error_about_a_settled_message_is_late(cpas: SimpleNamespace, receive: Receive) -> None:
    outcome = judge_signal(receive(message_error(cpas)), sent_message(cpas, settled=True))
    assert isinstance(outcome, LateSignal) and not outcome.acknowledges


@pytest.mark.parametrize("kind", [m.Kind.ACKNOWLEDGMENT, m.Kind.MESSAGE_ERROR])
def test_an_error_about_an_error_or_acknowledgment_is_only_logged(
    cpas: SimpleNamespace, receive: Receive, kind: m.Kind
) -> None:
    assert isinstance(judge_signal(receive(message_error(cpas)), sent_message(cpas, kind=kind)), Ignore)


def test_a_pong_answers_our_ping_only(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    pong = receive(_answer(cpas, build, cpas.agreement("osb-rm"), "Pong"))
    asked = sent_message(cpas, kind=m.Kind.PING)
    assert judge_signal(pong, asked) == AnswersRequest(message_id=asked.message_id)
    assert isinstance(judge_signal(pong, sent_message(cpas)), Ignore)


def test_a_status_response_tells_the_status(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    response = receive(_answer(cpas, build, cpas.agreement("osb-rm"), "StatusResponse"))
    outcome = judge_signal(response, sent_message(cpas, kind=m.Kind.STATUS_REQUEST))
    assert isinstance(outcome, AnswersRequest) and outcome.message_status == "Received"


# The whole table


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_message_gets_a_judgement_and_never_an_error_about_an_answer(
    cpas: SimpleNamespace, strategies: SimpleNamespace, receive: Receive, data: st.DataObject
) -> None:
    message = data.draw(strategies.messages())
    sync = data.draw(st.booleans())
    agreement = cpas.agreement(data.draw(st.sampled_from(["osb-be", "osb-rm", "osb-rm-s"])))
    if data.draw(st.booleans()):
        parties = {
            "from_party": m.Party(party_ids=(cpas.party_a,)),
            "to_party": m.Party(party_ids=(cpas.party_b,)),
        }
        message = replace(message, header=replace(message.header, **parties))
    known = cpas.known(agreement, policy=ReceivingPolicy(production=sync))
    outcome = judge_agreement(receive(message), known=known)
    if isinstance(outcome, AnswerError):
        assert message.kind in (m.Kind.BUSINESS, m.Kind.PING, m.Kind.STATUS_REQUEST)
        assert outcome.errors and (outcome.synchronous or outcome.signal_terms)
    elif isinstance(outcome, Agreed):
        content_outcome = judge_content(receive(message), outcome, CryptoOutcome())
        assert isinstance(content_outcome, Accepted | AnswerError | Ignore)


def test_the_rows_of_the_table_stand_in_the_order_of_the_notes() -> None:
    numbers = [row.number for row in AGREEMENT_TABLE]
    assert numbers[:2] == [9, 11], "nobody learns anything before the agreement and the peer are known"
    assert numbers[2:] == sorted(numbers[2:])


def test_an_acknowledgment_counts_also_after_the_agreement_has_ended(
    cpas: SimpleNamespace, build: SimpleNamespace, receive: Receive
) -> None:
    agreement = cpas.agreement("osb-rm")
    late = cpas.now + timedelta(days=1100)
    answer = _answer(cpas, build, agreement, "Acknowledgment")
    answer = replace(answer, header=replace(answer.header, timestamp=late))
    assert isinstance(judged(cpas, receive, answer, agreement, now=late), Agreed)
