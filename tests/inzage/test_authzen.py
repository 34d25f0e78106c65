"""Reading decisions: only the JSON value true is yes, and no answer is told apart from no."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ids import Oin
from bridge.inzage.access import Question, Requester
from bridge.inzage.authzen import NoDecision, read_decision

QUESTION = Question(
    requester=Requester(oin=Oin("1"), via=Oin("1")),
    type="melding",
    id="1",
    level=1,
    owner=None,
    function=None,
)


def read(answer: Any, status: int = 200) -> Any:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return read_decision(status, body, QUESTION, policy="https://pdp")


@pytest.mark.rule("SOH-118")
def test_true_is_yes_at_the_level_that_was_asked() -> None:
    verdict = read({"decision": True, "onbekend": 1})

    assert (verdict.allowed, verdict.level, verdict.policy) == (True, 1, "https://pdp")


@pytest.mark.parametrize("context", [{"niveau": 2}, {"niveau": 1}, None, {}])
def test_a_decision_never_raises_the_level(context: Any) -> None:
    assert read({"decision": True, "context": context}).level == 1


@pytest.mark.parametrize(
    "context",
    [{"niveau": 3}, {"niveau": "0"}, {"niveau": True}, {"maskeer": "bsn"}, {"maskeer": [1]}, {"x": 1}, []],
)
def test_an_obligation_that_cannot_be_kept_is_no(context: Any) -> None:
    assert not read({"decision": True, "context": context}).allowed


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 500])
@pytest.mark.rule("SOH-120")
def test_another_status_is_no_decision(status: int) -> None:
    with pytest.raises(NoDecision):
        read({"decision": True}, status)


@given(st.binary(max_size=60))
@pytest.mark.rule("SOH-120")
def test_nonsense_is_never_yes(octets: bytes) -> None:
    with contextlib.suppress(NoDecision):
        assert not read(octets).allowed
