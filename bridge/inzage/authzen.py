"""The question to an external decision point as AuthZEN asks it, and its answer read as strictly as can be.

`decision` must be the JSON value true: anything else is no. What is no answer at all (another status, no JSON) is no
decision, which ends in no access too but is told apart (AuthZEN Authorization API 1.0; hub.md, section 10.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bridge.errors import BridgeError, EventRejected
from bridge.hub.json import load_json
from bridge.inzage.access import Question, Verdict
from bridge.inzage.view import LEVELS, write_moment

PATH: Final = "/access/v1/evaluation"

_KNOWN_OBLIGATIONS: Final = frozenset({"niveau", "maskeer", "id", "reason_admin", "reason_user", "policy"})
_MAX_ANSWER: Final = 64 * 1024
_MAX_MASKS: Final = 100


class NoDecision(BridgeError):
    """The decision point gave no decision, so there is no access (SOH-120). The text is safe to log."""


def write_evaluation(question: Question, *, now: datetime, traceparent: str, activity: str) -> dict[str, Any]:
    """The body of `POST /access/v1/evaluation`; nothing about a person is in it."""
    asked = question.requester
    subject: dict[str, Any] = {"namens": asked.oin}
    if asked.scopes is not None:
        subject["scopes"] = sorted(asked.scopes)
    resource = {"bronhouder": question.owner, "samenwerkfunctie": question.function}
    context = {
        "time": write_moment(now),
        "traceparent": traceparent,
        "doelbinding": asked.purpose,
        "casus": asked.case,
    }
    return {
        "subject": {"type": "organisatie", "id": asked.via, "properties": subject},
        "action": {
            "name": "inzien",
            "properties": {"niveau": question.level, "processing_activity_id": activity},
        },
        "resource": {
            "type": question.type,
            "id": f"urn:{question.type}:{question.id}",
            "properties": _without_none(resource),
        },
        "context": _without_none(context),
    }


def read_decision(status: int, body: bytes, question: Question, *, policy: str) -> Verdict:
    """The verdict in an answer. Raises NoDecision for an answer that holds none.

    An obligation that is not known here may be one that matters, so it turns a yes into a no.
    """
    if status != 200:
        raise NoDecision(f"the decision point answered {status}")
    try:
        answer = load_json(body, max_octets=_MAX_ANSWER, max_depth=20)
    except EventRejected as error:
        raise NoDecision("the decision point answered something that is no JSON") from error
    if not isinstance(answer, dict) or "decision" not in answer:
        raise NoDecision("the decision point answered without a decision")
    if answer["decision"] is not True:
        return Verdict(allowed=False, policy=policy, reason="the decision point said no")
    return _read_obligations(answer.get("context"), question, policy)


def _read_obligations(context: Any, question: Question, policy: str) -> Verdict:
    context = {} if context is None else context
    if not isinstance(context, dict) or not set(context) <= _KNOWN_OBLIGATIONS:
        return Verdict(
            allowed=False, policy=policy, reason="the decision carries an obligation not known here"
        )
    level, masks = context.get("niveau", question.level), context.get("maskeer", [])
    is_level = isinstance(level, int) and not isinstance(level, bool) and level in LEVELS
    if not is_level or not _are_places(masks):
        return Verdict(
            allowed=False, policy=policy, reason="the decision carries an obligation without meaning"
        )
    named = context.get("policy") or context.get("id")
    return Verdict(
        allowed=True,
        level=min(level, question.level),
        masks=tuple(masks),
        policy=f"{policy}#{named}" if isinstance(named, str) and len(named) <= 200 else policy,
    )


def _are_places(masks: Any) -> bool:
    return (
        isinstance(masks, list)
        and len(masks) <= _MAX_MASKS
        and all(isinstance(mask, str) and mask for mask in masks)
    )


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
