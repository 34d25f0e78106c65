"""The hub's answers, real and odd, and what each means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.hub.contract import (
    Accepted,
    AlreadyEnded,
    Answer,
    ChannelFault,
    Conflict,
    Functional,
    InProgress,
    NoAnswer,
    NoAnswerYet,
    NotFound,
    NotTaken,
    Ok,
    OutcomeUnknown,
    Refused,
    Technical,
    TokenRefused,
    after_offer,
    after_status,
    poll_delay,
)
from bridge.hub.dialect import CORV2_POC, SOH_1, Dialect

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
ID = "e-1"


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(
        status=status, headers=tuple((k.replace("_", "-"), v) for k, v in headers.items()), body=octets
    )


def offered(status: int, body: Any = None, dialect: Dialect = SOH_1, **headers: str) -> Any:
    return after_offer(answer(status, body, **headers), event_id=ID, now=NOW, dialect=dialect)


def asked(status: int, body: Any = None, dialect: Dialect = SOH_1, **headers: str) -> Any:
    return after_status(answer(status, body, **headers), interactie_id=ID, now=NOW, dialect=dialect)


@pytest.mark.rule("SOH-68", "SOH-69")
def test_202_with_the_event_id_is_accepted_without_a_remark() -> None:
    assert offered(202, {"interactieId": ID}) == Accepted(interactie_id=ID)


@pytest.mark.rule("SOH-69")
def test_another_interactie_id_is_an_alarm_and_the_one_to_follow() -> None:
    outcome = offered(202, {"interactieId": "other"})
    assert outcome.interactie_id == "other" and outcome.alarm


@pytest.mark.rule("SOH-75")
@pytest.mark.parametrize("name", ["transactieId", "id"])
def test_another_name_for_the_interactie_id_is_read_with_an_alarm(name: str) -> None:
    outcome = offered(202, {name: ID, "nog": "iets"})
    assert outcome.interactie_id == ID and outcome.alarm


@pytest.mark.parametrize("body", [None, b"  "])
def test_202_without_body_is_followed_under_the_event_id(body: Any) -> None:
    assert offered(202, body) == Accepted(interactie_id=ID)


@pytest.mark.rule("SOH-05")
@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"x"', b'{"a":1,"a":2}'])
def test_202_with_nonsense_is_an_unknown_outcome(body: bytes) -> None:
    assert isinstance(offered(202, body), OutcomeUnknown)


@pytest.mark.rule("SOH-75")
def test_200_with_a_status_body_is_accepted_with_an_alarm() -> None:
    outcome = offered(200, {"interactieId": ID, "status": "OK"})
    assert outcome == Accepted(interactie_id=ID, alarm=outcome.alarm) and outcome.alarm


@pytest.mark.rule("SOH-05")
@pytest.mark.parametrize("status", [200, 201, 204, 500, 501, 502, 503, 504, 599, 100, 999])
def test_an_answer_that_says_nothing_is_an_unknown_outcome(status: int) -> None:
    assert isinstance(offered(status, b"nonsense"), OutcomeUnknown)


@pytest.mark.rule("SOH-05", "SOH-76")
def test_no_answer_is_an_unknown_outcome() -> None:
    outcome = after_offer(NoAnswer(reason="broken"), event_id=ID, now=NOW)
    assert outcome == OutcomeUnknown(reason="broken")


@pytest.mark.rule("SOH-76")
@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refusal_carries_the_problem_detail(status: int) -> None:
    problem = {
        "title": "Ongeldig",
        "detail": "bsn 999990019 klopt niet",
        "errors": [{"pointer": "/time", "detail": "x"}],
    }
    outcome = offered(status, problem)
    assert isinstance(outcome, Refused)
    assert outcome.details == ("Ongeldig", "bsn ********* klopt niet", "/time x")


@pytest.mark.rule("SOH-76")
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_told(status: int) -> None:
    outcome = offered(status)
    assert isinstance(outcome, TokenRefused)
    assert outcome.status == status
    assert outcome.reason.startswith("the hub does not")
    assert isinstance(asked(status), TokenRefused)


@pytest.mark.rule("SOH-76")
def test_a_date_to_wait_for_is_read_by_the_clock_of_the_hub() -> None:
    skewed = {"Retry-After": "Wed, 01 Jan 2031 00:02:00 GMT", "Date": "Wed, 01 Jan 2031 00:00:00 GMT"}
    outcome = offered(429, **skewed)
    assert isinstance(outcome, NotTaken)
    assert outcome.retry_after == timedelta(minutes=2)


@pytest.mark.rule("SOH-76", "SOH-109")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 404, 405, 410])
def test_a_wrong_address_holds_the_channel(status: int) -> None:
    assert isinstance(offered(status, Location="https://elders.example/events"), ChannelFault)


def test_409_means_that_the_hub_knows_the_id() -> None:
    assert isinstance(offered(409, {"title": "bestaat"}), Conflict)


@pytest.mark.rule("SOH-76")
@pytest.mark.parametrize("status", [408, 425, 429])
@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Sat, 10 Jan 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Sat, 10 Jan 2026 11:00:00 GMT", timedelta(0)),
        ("999999999999", timedelta(days=1)),
        ("gauw", None),
        ("-5", None),
        ("", None),
    ],
)
def test_too_fast_is_not_taken_and_says_when(status: int, header: str, wait: timedelta | None) -> None:
    outcome = offered(status, Retry_After=header)
    assert isinstance(outcome, NotTaken) and outcome.retry_after == wait


@pytest.mark.rule("SOH-76")
def test_503_says_when_too() -> None:
    assert offered(503, Retry_After="7").retry_after == timedelta(seconds=7)
    assert asked(503, Retry_After="7").retry_after == timedelta(seconds=7)


@pytest.mark.rule("SOH-78")
def test_the_withdrawn_draft_accepts_with_200() -> None:
    body = {"id": ID, "status": "IN_PROGRESS"}
    assert offered(200, body, CORV2_POC) == Accepted(interactie_id=ID)


@pytest.mark.rule("SOH-78")
def test_the_withdrawn_draft_may_tell_the_end_at_once() -> None:
    outcome = offered(200, {"id": ID, "status": "OK"}, CORV2_POC)
    assert outcome == AlreadyEnded(interactie_id=ID, outcome=Ok())


@pytest.mark.rule("SOH-78")
def test_the_withdrawn_draft_refuses_with_a_status_object() -> None:
    body = {
        "id": ID,
        "status": "ERROR",
        "resultaat": {"fout": "fout", "info": {"validatiefouten": ["veld a"]}},
    }
    assert offered(400, body, CORV2_POC).details == ("fout", "veld a")


@pytest.mark.rule("SOH-70")
def test_the_three_states_are_read() -> None:
    assert asked(200, {"interactieId": ID, "status": "IN_PROGRESS"}) == InProgress()
    assert asked(200, {"interactieId": ID, "status": "OK", "resultaat": {"a": 1}}) == Ok(resultaat={"a": 1})
    error = {"interactieId": ID, "status": "ERROR", "resultaat": {"fout": "f", "typeFout": "FUNCTIONEEL"}}
    assert asked(200, error) == Functional(fout="f")


@pytest.mark.rule("SOH-73", "SOH-74", "SOH-75")
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"fout": "f", "typeFout": "TECHNISCH", "info": {"a": 1}}, Technical(fout="f", info={"a": 1})),
        ({"fout": "f", "typeFout": "TECHNISCH", "info": None}, Technical(fout="f")),
        (
            {"fout": "f", "info": {"validatiefouten": []}},
            Functional(
                fout="f",
                info={"validatiefouten": []},
                note="typeFout is missing; validatiefouten say FUNCTIONEEL",
            ),
        ),
        ({"fout": "f", "info": None}, Technical(fout="f", note="typeFout is missing; read as TECHNISCH")),
        (None, Technical(fout="the hub gave no reason", note="typeFout is missing; read as TECHNISCH")),
        (
            {"fout": "bsn 999990019", "typeFout": "FUNCTIONEEL", "info": {"bsn": 999990019}},
            Functional(fout="bsn *********", info={"bsn": "*********"}),
        ),
    ],
)
def test_errors_are_told_apart_leniently(result: Any, expected: Any) -> None:
    assert asked(200, {"interactieId": ID, "status": "ERROR", "resultaat": result}) == expected


@pytest.mark.rule("SOH-75")
@pytest.mark.parametrize("status", ["WACHT", None, 1, "ok"])
def test_an_unknown_status_is_in_progress_with_an_alarm(status: Any) -> None:
    outcome = asked(200, {"interactieId": ID, "status": status})
    assert isinstance(outcome, InProgress) and outcome.alarm


def test_an_end_of_another_interaction_is_never_taken_for_ours() -> None:
    outcome = asked(200, {"interactieId": "other", "status": "OK"})
    assert isinstance(outcome, InProgress) and outcome.alarm


def test_an_unknown_id_is_told() -> None:
    assert asked(404) == NotFound()


@pytest.mark.parametrize("status", [204, 408, 425, 429, 500, 502, 503])
def test_a_question_without_usable_answer_is_asked_again(status: int) -> None:
    assert isinstance(asked(status), NoAnswerYet)


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]"])
def test_200_with_nonsense_is_asked_again(body: bytes) -> None:
    assert isinstance(asked(200, body), NoAnswerYet)


@pytest.mark.parametrize("status", [301, 400, 405, 422])
def test_a_question_that_is_not_understood_holds_the_channel(status: int) -> None:
    assert isinstance(asked(status), ChannelFault)


@pytest.mark.rule("SOH-71", "SOH-72")
def test_polling_doubles_to_the_cap() -> None:
    delays = [poll_delay(attempt, 0).total_seconds() for attempt in range(12)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


@pytest.mark.rule("SOH-72")
@given(st.integers(-3, 10**9), st.floats(-5, 5))
def test_the_delay_stays_within_jitter_and_cap(attempt: int, jitter: float) -> None:
    middle = min(2.0 ** min(max(attempt, 0), 30), 300)
    assert 0.8 * middle - 1e-5 <= poll_delay(attempt, jitter).total_seconds() <= min(1.2 * middle + 1e-5, 300)


@given(st.integers(100, 599), st.binary(max_size=60), st.sampled_from([SOH_1, CORV2_POC]))
def test_any_answer_has_an_outcome(status: int, body: bytes, dialect: Dialect) -> None:
    given_answer = Answer(status=status, headers=(("Retry-After", body.decode("latin-1")),), body=body)
    outcome = after_offer(given_answer, event_id=ID, now=NOW, dialect=dialect)
    state = after_status(given_answer, interactie_id=ID, now=NOW, dialect=dialect)
    assert not isinstance(outcome, Accepted) or status in (200, 201, 202)
    assert not isinstance(state, Ok | Functional | Technical) or status == 200
