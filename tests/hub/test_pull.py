"""Pull in two steps, and the query for outcomes: bodies and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.errors import EventRejected
from bridge.hub.answers import Answer, NoAnswer
from bridge.hub.dialect import SOH_1, PullNames
from bridge.hub.event import Event, to_members, write_batch, write_structured
from bridge.hub.pull import (
    OutcomeReference,
    OutcomesFound,
    OutcomesPending,
    PullBusy,
    Pulled,
    PullFailed,
    PullGone,
    QueryAccepted,
    after_outcomes,
    after_query_get,
    after_query_post,
    outcomes_body,
    outcomes_in,
    query_body,
)
from bridge.hub.shared import ChannelFault, TokenRefused

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
OTHER = replace(SOH_1, pull=PullNames(types="soorten", request_id=("vraag",), next_cursor_header="X-Verder"))


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(
        status=status, headers=tuple((k.replace("_", "-"), v) for k, v in headers.items()), body=octets
    )


@pytest.mark.rule("SOH-80", "SOH-81")
def test_the_body_of_a_query_holds_what_is_asked_and_no_more() -> None:
    body = query_body(types=["uitwisselen-melding.*"], since=NOW, bsn="999990019", limit=500)
    assert json.loads(body) == {
        "types": ["uitwisselen-melding.*"],
        "vanaf": "2026-01-10T12:00:00Z",
        "burgerservicenummer": "999990019",
        "maxAantal": 500,
    }


@pytest.mark.rule("SOH-80")
def test_names_come_from_the_dialect() -> None:
    assert json.loads(query_body(types=["a.b"], dialect=OTHER)) == {"soorten": ["a.b"]}
    assert after_query_post(answer(202, {"vraag": "q"}), now=NOW, dialect=OTHER) == QueryAccepted(
        request_id="q"
    )


@pytest.mark.rule("SOH-79", "SOH-80")
@pytest.mark.parametrize(
    ("given", "request_id"),
    [
        (answer(202, {"requestId": "q-1"}, Retry_After="1"), "q-1"),
        (answer(202, None, Location="https://hub.example/queries/q%2F1", Retry_After="1"), "q/1"),
        (answer(201, {"interactieId": "q-1", "status": "IN_PROGRESS"}, Retry_After="1"), "q-1"),
        (answer(200, {"requestId": "q-1", "status": "IN_PROGRESS"}, Retry_After="1"), "q-1"),
    ],
)
def test_step_one_gives_a_request_id(given: Answer, request_id: str) -> None:
    outcome = after_query_post(given, now=NOW)
    assert outcome == QueryAccepted(request_id=request_id, retry_after=timedelta(seconds=1))


def test_step_one_may_give_the_events_at_once(outcome_event: Event) -> None:
    assert after_query_post(answer(200, write_batch([outcome_event])), now=NOW) == Pulled(
        events=(outcome_event,)
    )


@pytest.mark.rule("SOH-79", "SOH-80")
def test_step_two_gives_the_events_and_where_to_go_on(outcome_event: Event) -> None:
    link = '<https://hub.example/queries?cursor=c2>; rel="next", <https://hub.example>; rel=prev'
    given = answer(200, write_batch([outcome_event]), Next_Cursor="c2", Link=link)
    assert after_query_get(given, now=NOW) == Pulled(events=(outcome_event,), next_cursor="c2", more=True)


def test_the_cursor_may_stand_in_the_link_only() -> None:
    outcome = after_query_get(answer(200, b"[]", Link="</queries?cursor=c3>; rel=next"), now=NOW)
    assert outcome == Pulled(events=(), next_cursor="c3", more=True)


@pytest.mark.rule("SOH-80")
def test_the_other_shapes_of_events_are_read(outcome_event: Event) -> None:
    wrapped = {"requestId": "q", "status": "OK", "resultaat": {"events": [to_members(outcome_event)]}}
    assert after_query_get(answer(200, wrapped), now=NOW) == Pulled(events=(outcome_event,))
    assert after_query_get(answer(200, write_structured(outcome_event)), now=NOW) == Pulled(
        events=(outcome_event,)
    )


@pytest.mark.rule("SOH-83")
@pytest.mark.parametrize("before", [b"[", b'{"resultaat":{"events":['])
def test_an_invalid_event_does_not_hold_up_the_others(outcome_event: Event, before: bytes) -> None:
    good = write_structured(outcome_event)
    after = b"]" if before == b"[" else b"]}}"
    body = before + good + b',{"id":"x","id":"y"},{"data":NaN},' + good + after
    outcome = after_query_get(answer(200, body), now=NOW)
    assert isinstance(outcome, Pulled)
    assert [isinstance(one, EventRejected) for one in outcome.events] == [False, True, True, False]


@pytest.mark.rule("SOH-84")
@pytest.mark.parametrize("given", [answer(200, b"[]"), answer(204)])
def test_nothing_new_is_an_answer(given: Answer) -> None:
    assert after_query_get(given, now=NOW) == Pulled(events=())


@pytest.mark.rule("SOH-80")
def test_a_busy_hub_is_asked_again() -> None:
    busy = PullBusy(retry_after=timedelta(seconds=3))
    body = {"requestId": "q", "status": "IN_PROGRESS"}
    assert after_query_get(answer(202, body, Retry_After="3"), now=NOW) == busy
    assert after_query_get(answer(200, body, Retry_After="3"), now=NOW) == busy


@pytest.mark.rule("SOH-80")
@pytest.mark.parametrize("status", [404, 410])
def test_a_request_that_is_gone_is_told(status: int) -> None:
    assert after_query_get(answer(status), now=NOW) == PullGone()


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (NoAnswer(reason="x"), PullFailed),
        (answer(200, b"<html>"), PullFailed),
        (answer(200, {"iets": "anders"}), PullFailed),
        (answer(500), PullFailed),
        (answer(429, Retry_After="9"), PullFailed),
        (answer(401), TokenRefused),
        (answer(400, {"detail": "type"}), ChannelFault),
        (answer(302), ChannelFault),
    ],
)
def test_an_answer_without_events_moves_nothing(given: Any, kind: type) -> None:
    assert isinstance(after_query_get(given, now=NOW), kind)
    assert isinstance(after_query_post(given, now=NOW), kind)


@pytest.mark.rule("SOH-85")
def test_the_query_for_outcomes_has_the_names_of_the_contract() -> None:
    assert json.loads(outcomes_body(bsn="999990019", since=NOW, until=NOW)) == {
        "burgerservicenummer": "999990019",
        "beschikbaarVanaf": "2026-01-10T12:00:00Z",
        "beschikbaarTot": "2026-01-10T12:00:00Z",
    }
    assert json.loads(outcomes_body()) == {}


@pytest.mark.rule("SOH-85", "SOH-86")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "results": [
                    {
                        "identifier": "u",
                        "inzageUrl": "https://x",
                        "beschikbaarGesteldOp": "2026-01-10T12:00:00Z",
                    }
                ]
            },
            OutcomeReference(
                identifier="u", inzage_url="https://x", beschikbaar_gesteld_op="2026-01-10T12:00:00Z"
            ),
        ),
        (
            {
                "resultaten": [
                    {"identifier": "u", "beschikbaarSinds": "2026-01-10"},
                    {"geen": "identifier"},
                    7,
                ]
            },
            OutcomeReference(identifier="u", beschikbaar_gesteld_op="2026-01-10"),
        ),
        (
            {"interactieId": "i", "status": "OK", "resultaat": {"results": [{"identifier": "u"}]}},
            OutcomeReference(identifier="u"),
        ),
    ],
)
def test_outcomes_are_read_in_every_published_shape(body: Any, expected: OutcomeReference) -> None:
    assert after_outcomes(answer(200, body), now=NOW) == OutcomesFound(results=(expected,))


@pytest.mark.rule("SOH-86")
def test_outcomes_may_come_later() -> None:
    body = {"interactieId": "i", "status": "IN_PROGRESS"}
    assert after_outcomes(answer(202, body), now=NOW) == OutcomesPending(interactie_id="i")
    assert outcomes_in({"results": []}) == OutcomesFound(results=())


@pytest.mark.parametrize("body", [b"<html>", {"iets": 1}])
def test_an_answer_without_outcomes_is_a_failure(body: Any) -> None:
    assert isinstance(after_outcomes(answer(200, body), now=NOW), PullFailed)
