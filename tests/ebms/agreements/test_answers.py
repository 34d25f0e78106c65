"""The signals that the bridge makes."""

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.ebms import model as m
from bridge.ebms.answers import (
    make_acknowledgment,
    make_message_error,
    make_ping,
    make_pong,
    make_status_request,
    make_status_response,
)
from bridge.ebms.cpa_resolve import SignalTerms, signal_terms
from bridge.errors import EbmsError
from bridge.ids import ConversationId, MessageId

OWN = MessageId("answer@bridge.example.nl")


@pytest.fixture
def received(cpas: SimpleNamespace) -> m.Message:
    return cpas.message(cpas.agreement("osb-rm-s"))


def terms(cpas: SimpleNamespace, *, sync: bool = False) -> SignalTerms:
    return signal_terms(
        cpas.agreement("osb-rm", sync=sync),
        acknowledging=m.Party(party_ids=(cpas.party_b,)),
        original_sender=m.Party(party_ids=(cpas.party_a,)),
        action="Ping",
    )


@pytest.mark.rule("DK-46", "DK-83")
def test_every_answer_reverses_the_parties_and_keeps_cpa_and_conversation(
    cpas: SimpleNamespace, received: m.Message
) -> None:
    made: dict[str, Any] = {"message_id": OWN, "now": cpas.now}
    error = EbmsError("Unknown", "x")
    for answer in (
        make_acknowledgment(received, **made),
        make_message_error(received.header, [error], **made),
        make_pong(received, **made),
    ):
        header = answer.header
        assert header.from_party == m.Party(party_ids=(cpas.party_b,))
        assert header.to_party == m.Party(party_ids=(cpas.party_a,))
        assert (header.cpa_id, header.conversation_id) == ("melding_1", received.header.conversation_id)
        assert header.ref_to_message_id == received.header.message_id
        assert header.service == m.Service(value=m.SIGNAL_SERVICE)
        assert header.time_to_live is None and not header.duplicate_elimination
        assert answer.ack_requested == () and answer.manifest is None


@pytest.mark.rule("DK-23", "DK-89", "DK-98")
def test_an_acknowledgment_names_the_message_the_party_and_the_actor(
    cpas: SimpleNamespace, received: m.Message
) -> None:
    answer = make_acknowledgment(received, message_id=OWN, now=cpas.now)
    assert answer.kind is m.Kind.ACKNOWLEDGMENT
    assert answer.acknowledgment == m.Acknowledgment(
        timestamp=cpas.now,
        ref_to_message_id=received.header.message_id,
        from_party_ids=(cpas.party_b,),
        actor=m.ACTOR_TO_PARTY,
    )


@pytest.mark.rule("DK-73")
def test_a_signed_receipt_repeats_the_references(cpas: SimpleNamespace, received: m.Message) -> None:
    reference = m.DigestReference(uri="", transforms=(), digest_method="d", digest_value=b"1")
    answer = make_acknowledgment(received, message_id=OWN, now=cpas.now, references=(reference,))
    assert answer.acknowledgment is not None and answer.acknowledgment.references == (reference,)


@pytest.mark.rule("DK-82", "DK-83")
def test_a_message_error_lists_code_place_and_text_in_the_standard_context(
    cpas: SimpleNamespace, received: m.Message
) -> None:
    error = EbmsError("MimeProblem", "MIME part not found.", location="cid:x")
    answer = make_message_error(received.header, [error], message_id=OWN, now=cpas.now)
    assert answer.error_list is not None
    (listed,) = answer.error_list.errors
    assert (listed.code, listed.location, listed.description) == (
        "MimeProblem",
        "cid:x",
        "MIME part not found.",
    )
    assert listed.code_context == m.ERROR_CONTEXT
    assert answer.error_list.highest_severity == "Error"


def test_the_highest_severity_is_that_of_the_worst_error(cpas: SimpleNamespace, received: m.Message) -> None:
    warning, error = EbmsError("Unknown", "x", severity="Warning"), EbmsError("Unknown", "y")
    mild = make_message_error(received.header, [warning], message_id=OWN, now=cpas.now)
    both = make_message_error(received.header, [warning, error], message_id=OWN, now=cpas.now)
    assert mild.error_list is not None and mild.error_list.highest_severity == "Warning"
    assert both.error_list is not None and both.error_list.highest_severity == "Error"


def test_an_error_list_is_never_empty(cpas: SimpleNamespace, received: m.Message) -> None:
    with pytest.raises(ValueError, match="at least one"):
        make_message_error(received.header, [], message_id=OWN, now=cpas.now)


@pytest.mark.rule("DK-26")
@pytest.mark.parametrize(
    ("status", "told"),
    [("Received", True), ("Processed", True), ("NotRecognized", False), ("UnAuthorized", False)],
)
def test_a_status_response_tells_the_time_only_of_messages_it_may_know(
    cpas: SimpleNamespace, status: str, told: bool
) -> None:
    made: dict[str, Any] = {"cpa_id": "melding_1", "conversation_id": ConversationId("c"), "now": cpas.now}
    request = make_status_request(terms(cpas), MessageId("asked@x"), message_id=OWN, **made)
    answer = make_status_response(
        request, message_status=status, message_id=OWN, now=cpas.now, received_at=cpas.now
    )
    assert answer.status_response is not None
    assert answer.status_response.ref_to_message_id == "asked@x"
    assert (answer.status_response.timestamp is not None) is told


@pytest.mark.rule("DK-27")
@pytest.mark.parametrize("sync", [False, True])
def test_a_ping_asks_for_a_synchronous_pong_where_the_default_channel_is(
    cpas: SimpleNamespace, sync: bool
) -> None:
    made: dict[str, Any] = {"cpa_id": "melding_1", "conversation_id": ConversationId("c"), "now": cpas.now}
    ping = make_ping(terms(cpas, sync=sync), message_id=OWN, **made)
    assert ping.kind is m.Kind.PING
    assert (ping.sync_reply is not None) is sync
    assert ping.header.from_party == m.Party(party_ids=(cpas.party_b,))
