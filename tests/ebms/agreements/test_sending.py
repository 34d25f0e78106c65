"""The sending decision: schedules, every cell of the table, and messages exactly as the agreement says."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms import model as m
from bridge.ebms.answers import make_acknowledgment, make_message_error, make_pong
from bridge.ebms.cpa import read_cpa
from bridge.ebms.sending import (
    AFTER_ATTEMPT,
    Acknowledged,
    Delivered,
    Expired,
    Failed,
    Fault,
    Foreign,
    HttpError,
    Mode,
    NoContent,
    Result,
    Retry,
    Sending,
    Signal,
    Stay,
    Unreachable,
    Wait,
    after_attempt,
    after_signal,
    after_time,
    outgoing_message,
    plan,
    told_by,
)
from bridge.errors import ConfigError, EbmsError
from bridge.ids import ConversationId, MessageId


def state(cpas: SimpleNamespace, *, attempt: int = 1, profile: str = "osb-rm", **changes: Any) -> Sending:
    terms = cpas.terms(cpas.agreement(profile))
    sending = Sending(
        attempt=attempt,
        created=cpas.now,
        reliable=terms.reliable,
        synchronous=terms.synchronous,
        schedule=plan(terms, cpas.now),
    )
    return replace(sending, **changes)


def signal(cpas: SimpleNamespace, kind: str, severity: str = "Error") -> Signal:
    sent = cpas.message(cpas.agreement("osb-rm"))
    made = {"message_id": MessageId("s@bridge.example.nl"), "now": cpas.now}
    match kind:
        case "Acknowledgment":
            return Signal(message=make_acknowledgment(sent, **made))
        case "MessageError":
            error = EbmsError(
                "SecurityFailure", "about 999990019", severity=severity, location="//Header/Signature"
            )
            return Signal(message=make_message_error(sent.header, [error], **made))
    return Signal(message=make_pong(sent, **made))


# Schedules


@pytest.mark.rule("DK-93")
def test_attempts_come_at_the_agreed_intervals_and_then_none(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm", (("PT1H<", "PT2S<"),))
    schedule = plan(cpas.terms(read_cpa(octets)), cpas.now)
    now, attempts = cpas.now, []
    sending = state(cpas, attempt=0, schedule=schedule)
    while True:
        step = after_time(sending, now=now)
        if isinstance(step, Retry):
            attempts.append((now - cpas.now).total_seconds())
            sending = replace(sending, attempt=sending.attempt + 1)
            step = after_attempt(sending, NoContent(status=204), now=now)
        if isinstance(step, Expired):
            break
        assert isinstance(step, Wait)
        now = step.until
    assert attempts == [0, 2, 4]
    assert now == schedule.time_to_live


@pytest.mark.rule("DK-94")
def test_where_nothing_is_agreed_attempts_go_on_for_five_days(cpas: SimpleNamespace) -> None:
    octets = cpas.cpa("osb-rm").replace(b"tns:ReliableMessaging", b"tns:Ignored")
    schedule = plan(cpas.terms(read_cpa(octets)), cpas.now)
    assert schedule.attempts * schedule.interval == timedelta(days=5)


@pytest.mark.rule("DK-92", "DK-96")
def test_time_to_live_and_keeping_outlast_every_attempt(cpas: SimpleNamespace) -> None:
    terms = cpas.terms(cpas.agreement("osb-rm"))
    schedule = plan(terms, cpas.now)
    assert schedule.time_to_live is not None
    assert schedule.time_to_live > cpas.now + terms.retry_span
    short = replace(terms, persist_duration=timedelta(minutes=1))
    assert plan(short, cpas.now).keep_until >= cpas.now + terms.retry_span


@pytest.mark.rule("DK-18")
def test_best_effort_is_one_attempt_without_time_to_live(cpas: SimpleNamespace) -> None:
    schedule = plan(cpas.terms(cpas.agreement("osb-be")), cpas.now)
    assert schedule.attempts == 1 and schedule.time_to_live is None


@given(retries=st.integers(0, 10_000), interval=st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_any_agreed_numbers_give_a_schedule(cpas: SimpleNamespace, retries: int, interval: timedelta) -> None:
    terms = replace(cpas.terms(cpas.agreement("osb-rm")), retries=retries, retry_interval=interval)
    schedule = plan(terms, cpas.now)
    assert schedule.interval >= timedelta(seconds=1)
    assert schedule.time_to_live is not None and schedule.time_to_live > cpas.now


# The table


@pytest.mark.parametrize("result", list(Result))
def test_every_result_has_a_cell_for_every_mode(result: Result) -> None:
    assert set(AFTER_ATTEMPT[result]) == set(Mode)


def test_an_asynchronous_message_without_answer_waits_for_its_acknowledgment(cpas: SimpleNamespace) -> None:
    step = after_attempt(state(cpas), NoContent(status=204), now=cpas.now)
    assert isinstance(step, Wait) and step.until == cpas.now + timedelta(hours=1)


@pytest.mark.rule("DK-17")
def test_a_synchronous_message_without_acknowledgment_is_tried_again(cpas: SimpleNamespace) -> None:
    step = after_attempt(state(cpas, synchronous=True), NoContent(status=204), now=cpas.now)
    assert isinstance(step, Retry) and step.at == cpas.now + timedelta(hours=1)


@pytest.mark.rule("DK-97")
@pytest.mark.parametrize("synchronous", [False, True])
def test_an_acknowledgment_ends_it_whichever_way_it_came(cpas: SimpleNamespace, synchronous: bool) -> None:
    acknowledgment = signal(cpas, "Acknowledgment")
    step = after_attempt(state(cpas, synchronous=synchronous), acknowledgment, now=cpas.now)
    assert isinstance(step, Acknowledged)
    assert isinstance(after_signal(state(cpas), acknowledgment, now=cpas.now), Acknowledged)


@pytest.mark.rule("DK-72")
def test_a_receipt_that_fails_does_not_acknowledge(cpas: SimpleNamespace) -> None:
    bad = replace(signal(cpas, "Acknowledgment"), receipt_faults=("another digest",))
    assert isinstance(after_attempt(state(cpas), bad, now=cpas.now), Wait)
    assert isinstance(after_signal(state(cpas), bad, now=cpas.now), Stay)


def test_a_message_error_fails_it_with_code_and_place_but_no_free_text(cpas: SimpleNamespace) -> None:
    for step in (
        after_attempt(state(cpas), signal(cpas, "MessageError"), now=cpas.now),
        after_signal(state(cpas), signal(cpas, "MessageError"), now=cpas.now),
    ):
        assert isinstance(step, Failed)
        assert "SecurityFailure at //Header/Signature" in step.reason and "999990019" not in step.reason


def test_a_warning_does_not_settle(cpas: SimpleNamespace) -> None:
    warning = signal(cpas, "MessageError", "Warning")
    assert isinstance(after_attempt(state(cpas), warning, now=cpas.now), Wait)
    assert isinstance(after_signal(state(cpas), warning, now=cpas.now), Stay)


@pytest.mark.rule("DK-113", "DK-114", "DK-115")
@pytest.mark.parametrize(
    "result",
    [
        Fault(status=500, text="busy"),
        *(HttpError(status=status) for status in (302, 401, 403, 404, 408, 429, 500, 501, 502, 503, 504)),
        Unreachable(reason="timeout"),
    ],
)
def test_what_may_heal_is_tried_again(cpas: SimpleNamespace, result: Any) -> None:
    assert isinstance(after_attempt(state(cpas), result, now=cpas.now), Retry)


@pytest.mark.parametrize("status", [400, 405, 413, 415])
def test_what_no_retry_mends_fails_at_once(cpas: SimpleNamespace, status: int) -> None:
    step = after_attempt(state(cpas), HttpError(status=status), now=cpas.now)
    assert isinstance(step, Failed) and str(status) in step.reason


@pytest.mark.rule("DK-113")
def test_the_text_of_a_fault_is_content_and_no_part_of_the_reason(cpas: SimpleNamespace) -> None:
    fault = Fault(status=500, text="no\n such  CPA for Jansen 999990019")
    step = after_attempt(state(cpas), fault, now=cpas.now)
    assert step.reason.endswith("the partner answered with a SOAP fault (HTTP 500): …")
    assert told_by(fault) == "no such CPA for Jansen *********"


@pytest.mark.rule("DK-113")
def test_a_fault_of_technical_words_alone_is_told_as_it_is(cpas: SimpleNamespace) -> None:
    fault = Fault(status=500, text="Internal Server Error")
    assert after_attempt(state(cpas), fault, now=cpas.now).reason.endswith(
        "(HTTP 500): Internal Server Error"
    )
    assert told_by(fault) == ""


@pytest.mark.rule("DK-114")
def test_retry_after_is_honoured_while_it_fits_in_time_to_live(cpas: SimpleNamespace) -> None:
    later = HttpError(status=503, retry_after=timedelta(minutes=90))
    too_late = HttpError(status=503, retry_after=timedelta(days=9))
    sooner = HttpError(status=503, retry_after=timedelta(seconds=1))
    for result, wait in ((later, 90), (too_late, 60), (sooner, 60)):
        step = after_attempt(state(cpas), result, now=cpas.now)
        assert isinstance(step, Retry) and step.at == cpas.now + timedelta(minutes=wait)


@pytest.mark.rule("DK-99")
def test_after_the_last_attempt_it_waits_until_time_to_live_and_expires(cpas: SimpleNamespace) -> None:
    last = state(cpas, attempt=3)
    step = after_attempt(last, Unreachable(reason="refused"), now=cpas.now)
    assert isinstance(step, Wait) and step.until == last.schedule.time_to_live
    assert isinstance(after_time(last, now=step.until), Expired)
    assert isinstance(after_time(last, now=step.until - timedelta(seconds=1)), Wait)


def test_an_attempt_is_never_due_after_time_to_live(cpas: SimpleNamespace) -> None:
    sending = state(cpas)
    assert sending.schedule.time_to_live is not None
    late = sending.schedule.time_to_live - timedelta(minutes=5)
    step = after_attempt(sending, Unreachable(reason="refused"), now=late)
    assert step == replace(step, until=sending.schedule.time_to_live) and isinstance(step, Wait)


@pytest.mark.rule("DK-03", "DK-18")
def test_best_effort_is_delivered_by_any_success_and_fails_by_any_failure(cpas: SimpleNamespace) -> None:
    best = state(cpas, profile="osb-be")
    for result in (
        NoContent(status=204),
        NoContent(status=202),
        Foreign(status=200),
        signal(cpas, "Acknowledgment"),
    ):
        assert isinstance(after_attempt(best, result, now=cpas.now), Delivered)
    for failure in (HttpError(status=503), Unreachable(reason="x"), Fault(status=500, text="x")):
        assert isinstance(after_attempt(best, failure, now=cpas.now), Failed)


def test_the_operator_may_allow_best_effort_some_transport_retries(cpas: SimpleNamespace) -> None:
    terms = cpas.terms(cpas.agreement("osb-be"))
    best = state(cpas, profile="osb-be", schedule=plan(terms, cpas.now, best_effort_retries=1))
    assert isinstance(after_attempt(best, Unreachable(reason="x"), now=cpas.now), Retry)
    last = replace(best, attempt=2)
    assert isinstance(after_attempt(last, Unreachable(reason="x"), now=cpas.now), Failed)
    assert isinstance(after_time(last, now=cpas.now), Failed)


@given(st.data())
def test_any_state_and_any_input_give_a_next_step(cpas: SimpleNamespace, data: st.DataObject) -> None:
    sending = state(
        cpas,
        attempt=data.draw(st.integers(0, 10_000)),
        profile=data.draw(st.sampled_from(["osb-be", "osb-rm"])),
        reliable=data.draw(st.booleans()),
        synchronous=data.draw(st.booleans()),
    )
    status = st.integers(-1, 1000)
    spans = st.none() | st.timedeltas()
    results = st.one_of(
        st.builds(NoContent, status=status),
        st.builds(Foreign, status=status),
        st.builds(Fault, status=status, text=st.text()),
        st.builds(HttpError, status=status, retry_after=spans),
        st.builds(Unreachable, reason=st.text()),
        st.sampled_from([signal(cpas, kind) for kind in ("Acknowledgment", "MessageError", "Pong")]),
    )
    now: datetime = cpas.now + data.draw(st.timedeltas(timedelta(days=-300), timedelta(days=300)))
    result = data.draw(results)
    step = after_attempt(sending, result, now=now)
    assert isinstance(step, Acknowledged | Delivered | Wait | Retry | Failed)
    assert step.reason
    if isinstance(step, Retry):
        assert step.at > now and sending.attempt < sending.schedule.attempts
    if isinstance(step, Wait):
        assert step.until >= now
    assert isinstance(after_time(sending, now=now), Retry | Wait | Failed | Expired)
    if isinstance(result, Signal):
        assert isinstance(after_signal(sending, result, now=now), Acknowledged | Failed | Stay)


# Messages as the agreement says


@pytest.mark.rule("DK-03", "DK-16", "DK-90")
@pytest.mark.parametrize("profile", ["osb-be", "osb-be-s", "osb-be-e"])
def test_a_best_effort_message_asks_for_nothing(cpas: SimpleNamespace, profile: str) -> None:
    message = cpas.message(cpas.agreement(profile))
    assert message.ack_requested == () and message.sync_reply is None and message.message_order is None
    assert not message.header.duplicate_elimination and message.header.time_to_live is None


@pytest.mark.rule("DK-04", "DK-22", "DK-72", "DK-74", "DK-91")
@pytest.mark.parametrize(("profile", "signed"), [("osb-rm", False), ("osb-rm-s", True), ("osb-rm-e", True)])
def test_a_reliable_message_asks_for_what_is_agreed(
    cpas: SimpleNamespace, profile: str, signed: bool
) -> None:
    message = cpas.message(cpas.agreement(profile))
    assert message.ack_requested == (m.AckRequested(signed=signed, actor=m.ACTOR_TO_PARTY),)
    assert message.header.duplicate_elimination and message.sync_reply is None
    assert message.header.time_to_live is not None


@pytest.mark.rule("DK-17")
def test_a_synchronous_agreement_puts_sync_reply_in(cpas: SimpleNamespace) -> None:
    assert cpas.message(cpas.agreement("osb-rm", sync=True)).sync_reply == m.SyncReply()


@pytest.mark.rule("DK-28", "DK-29", "DK-98")
def test_no_message_order_and_no_acknowledgment_ride_along(cpas: SimpleNamespace) -> None:
    message = cpas.message(cpas.agreement("osb-rm", ("NotGuaranteed", "Guaranteed")))
    assert message.message_order is None and message.acknowledgment is None


@pytest.mark.rule("DK-38", "DK-39", "DK-42", "DK-49")
def test_parties_roles_and_service_are_those_of_the_agreement(cpas: SimpleNamespace) -> None:
    header = cpas.message(cpas.agreement("osb-rm")).header
    assert header.from_party == m.Party(party_ids=(cpas.party_a,), role="Melder")
    assert header.to_party == m.Party(party_ids=(cpas.party_b,), role="Ontvanger")
    assert header.service == cpas.service


@pytest.mark.rule("DK-48", "DK-50")
def test_a_service_with_white_space_around_it_is_written_trimmed(cpas: SimpleNamespace) -> None:
    agreement = cpas.agreement(
        "osb-rm", ("keten:melding:1</tns:Service>", "  keten:melding:1 </tns:Service>")
    )
    assert cpas.message(agreement).header.service.value == "keten:melding:1"


@pytest.mark.rule("DK-58")
def test_the_manifest_names_the_parts_in_order_with_nothing_else(
    cpas: SimpleNamespace, build: SimpleNamespace
) -> None:
    message = cpas.message(cpas.agreement("osb-rm"), build.part("a@x"), build.part("b@x"))
    expected = (m.Reference(href="cid:a@x"), m.Reference(href="cid:b@x"))
    assert message.manifest == m.Manifest(references=expected)
    assert cpas.message(cpas.agreement("osb-rm")).manifest is None


def test_confidential_payload_is_not_sent_when_nobody_says_how_to_encrypt(
    cpas: SimpleNamespace, build: SimpleNamespace
) -> None:
    agreement = cpas.agreement("osb-rm", ('isConfidential="transient"', 'isConfidential="persistent"'))
    with pytest.raises(ConfigError, match="ReceiverDigitalEnvelope"):
        outgoing_message(
            cpas.terms(agreement),
            message_id=MessageId("m@x"),
            conversation_id=ConversationId("c"),
            timestamp=cpas.now,
            time_to_live=None,
            parts=(build.part(),),
        )
