"""The hub's answers and what each means: pure decisions, one table per question.

What to do with an outcome (wait, ask, tell the operator) the flow decides; here is only said what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from bridge.hub.answers import (
    Answer,
    NoAnswer,
    clean,
    clean_value,
    find_object,
    find_text,
    problem_texts,
    retry_after,
    status_told,
    told_by,
)
from bridge.hub.dialect import SOH_1, Dialect
from bridge.hub.json import Json
from bridge.hub.pull import (
    OutcomeReference,
    OutcomesFound,
    OutcomesOutcome,
    OutcomesPending,
    PullBusy,
    Pulled,
    PullFailed,
    PullGone,
    PullOutcome,
    QueryAccepted,
    QueryOutcome,
    after_outcomes,
    after_query_get,
    after_query_post,
    outcomes_body,
    query_body,
)
from bridge.hub.shared import ChannelFault, TokenRefused, is_channel_fault

POLL_CAP: Final = timedelta(seconds=300)
JITTER: Final = 0.2

_NOT_TAKEN: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Taken for processing, not done (SOH-68). Follow the status of `interactie_id`."""

    interactie_id: str
    alarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyEnded:
    """Taken, and the answer tells the end at once."""

    interactie_id: str
    outcome: Ok | Functional | Technical


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown:
    """Nobody knows whether the hub took it: ask its status first, offer nothing (SOH-05)."""

    reason: str
    retry_after: timedelta | None = None
    told: str = field(default="", repr=False)
    """Here and below: what the hub says in words of its own, which is content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """Certainly not taken: the same bytes may be offered again after a while."""

    reason: str
    retry_after: timedelta | None = None
    told: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The hub will not take these bytes, ever: to the operator. `details` are the hub's own words, one by one."""

    reason: str
    details: tuple[str, ...] = field(default=(), repr=False)
    told: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """The hub knows this id already: ask its status."""

    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ok:
    """Processed. `resultaat` as the function defines it."""

    resultaat: Mapping[str, Json] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Functional:
    """The content cannot be processed: no automatic new offer (SOH-73). `fout` is content: it may quote it."""

    fout: str = field(repr=False)
    info: Json = field(default=None, repr=False)
    note: str | None = None
    """What had to be guessed in reading the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Technical:
    """A failure that says nothing about the content: a new offer later (SOH-74)."""

    fout: str = field(repr=False)
    info: Json = field(default=None, repr=False)
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InProgress:
    alarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The hub does not know this id: after an unknown outcome offer the same bytes, after a 202 alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswerYet:
    """The question got no usable answer: ask again later."""

    reason: str
    retry_after: timedelta | None = None
    told: str = field(default="", repr=False)


OfferOutcome: TypeAlias = (
    Accepted | AlreadyEnded | OutcomeUnknown | NotTaken | TokenRefused | ChannelFault | Refused | Conflict
)
StatusOutcome: TypeAlias = (
    Ok | Functional | Technical | InProgress | NotFound | NoAnswerYet | TokenRefused | ChannelFault
)


def after_offer(
    answer: Answer | NoAnswer, *, event_id: str, now: datetime, dialect: Dialect = SOH_1
) -> OfferOutcome:
    """What became of an offered event. `now` dates a Retry-After that is given as a date."""
    if isinstance(answer, NoAnswer):
        return OutcomeUnknown(reason=answer.reason)
    status = answer.status
    if status in (200, 201, 202):
        return _after_success(answer, event_id, dialect)
    if status in (401, 403):
        return TokenRefused(reason=_reason(answer), status=status, told=told_by(answer))
    if status == 409:
        return Conflict(details=problem_texts(answer))
    if status in _NOT_TAKEN:
        return NotTaken(
            reason=_reason(answer), retry_after=retry_after(answer, now=now), told=told_by(answer)
        )
    if is_channel_fault(status):
        return ChannelFault(reason=_channel_reason(answer), told=told_by(answer))
    if 400 <= status < 500:
        return Refused(reason=_reason(answer), details=problem_texts(answer), told=told_by(answer))
    return OutcomeUnknown(
        reason=_reason(answer), retry_after=retry_after(answer, now=now), told=told_by(answer)
    )


def after_status(
    answer: Answer | NoAnswer,
    *,
    interactie_id: str,
    now: datetime,
    event_id: str | None = None,
    dialect: Dialect = SOH_1,
) -> StatusOutcome:
    """What the hub says about an interaction; an answer about another one is never taken for its end."""
    if isinstance(answer, NoAnswer):
        return NoAnswerYet(reason=answer.reason)
    status = answer.status
    if status == 200:
        return _after_status_body(answer, {interactie_id, event_id} - {None}, dialect)
    if status == 404:
        return NotFound()
    if status in (401, 403):
        return TokenRefused(reason=_reason(answer), status=status, told=told_by(answer))
    if status == 410:
        return InProgress(alarm="the hub no longer keeps the status of this interaction")
    if is_channel_fault(status) or (400 <= status < 500 and status not in _NOT_TAKEN):
        return ChannelFault(reason=_channel_reason(answer), told=told_by(answer))
    return NoAnswerYet(reason=_reason(answer), retry_after=retry_after(answer, now=now), told=told_by(answer))


def poll_delay(attempt: int, jitter: float) -> timedelta:
    """How long to wait before asking the status again (SOH-71, SOH-72).

    `attempt` counts from 0: 1, 2, 4, … seconds, never above the cap. `jitter` from -1 to 1 is at most 20 %.
    """
    seconds = min(2.0 ** min(max(attempt, 0), 30), POLL_CAP.total_seconds())
    swing = 1 + JITTER * min(max(jitter, -1.0), 1.0)
    return min(timedelta(seconds=seconds * swing), POLL_CAP)


def _after_success(answer: Answer, event_id: str, dialect: Dialect) -> OfferOutcome:
    members = find_object(answer)
    if members is None:
        if answer.status == 202 and not answer.body.strip():
            return Accepted(interactie_id=event_id)
        return OutcomeUnknown(reason=f"the answer of the hub cannot be read (status {answer.status})")
    interactie_id = find_text(members, dialect.interaction_id)
    if answer.status not in dialect.accepted:
        if interactie_id is None:
            return OutcomeUnknown(reason=f"status {answer.status} without an interactieId")
        alarm = f"accepted with status {answer.status}, which the dialect {dialect.name} does not have"
        return Accepted(interactie_id=interactie_id, alarm=alarm)
    ended = _read_status(members)
    if interactie_id is not None and isinstance(ended, Ok | Functional | Technical):
        return AlreadyEnded(interactie_id=interactie_id, outcome=ended)
    return _accepted(members, interactie_id, event_id, dialect)


def _accepted(
    members: Mapping[str, Json], interactie_id: str | None, event_id: str, dialect: Dialect
) -> Accepted:
    expected = dialect.interaction_id[0]
    if interactie_id is None:
        return Accepted(interactie_id=event_id, alarm=f"accepted without {expected}; following the event id")
    if interactie_id != event_id:
        alarm = "the hub follows this event under another id than its own"
        return Accepted(interactie_id=interactie_id, alarm=alarm)
    if find_text(members, (expected,)) is None:
        return Accepted(interactie_id=interactie_id, alarm=f"accepted without {expected}, under another name")
    return Accepted(interactie_id=interactie_id)


def _after_status_body(answer: Answer, known: set[str | None], dialect: Dialect) -> StatusOutcome:
    members = find_object(answer)
    if members is None:
        return NoAnswerYet(reason="the answer of the hub cannot be read (status 200)")
    named = {value for name in dialect.interaction_id if isinstance(value := members.get(name), str)}
    if named and not named & known:
        return InProgress(alarm="the hub answered about another interaction")
    return _read_status(members)


def _read_status(members: Mapping[str, Json]) -> Ok | Functional | Technical | InProgress:
    status, result = members.get("status"), members.get("resultaat")
    if status == "OK":
        return Ok(resultaat=result if isinstance(result, dict) else None)
    if status == "ERROR":
        return _read_error(result if isinstance(result, dict) else {})
    if status == "IN_PROGRESS":
        return InProgress()
    return InProgress(alarm="the hub answered with a status that is not in the contract")


def _read_error(result: Mapping[str, Json]) -> Functional | Technical:
    fout = clean(find_text(result, ("fout",)) or "the hub gave no reason")
    info = clean_value(result.get("info"))
    kind = result.get("typeFout")
    if kind == "FUNCTIONEEL":
        return Functional(fout=fout, info=info)
    if kind == "TECHNISCH":
        return Technical(fout=fout, info=info)
    if isinstance(info, dict) and "validatiefouten" in info:
        return Functional(fout=fout, info=info, note="typeFout is missing; validatiefouten say FUNCTIONEEL")
    return Technical(fout=fout, info=info, note="typeFout is missing; read as TECHNISCH")


def _reason(answer: Answer) -> str:
    return f"{_meaning(answer.status)} ({status_told(answer)})"


def _meaning(status: int) -> str:
    """What a status says, for who does not know it by heart."""
    if status == 401:
        return "the hub does not accept our credentials"
    if status == 403:
        return "the hub does not let us do this"
    if status in _NOT_TAKEN:
        return "the hub is busy and asks us to come back later"
    if status >= 500:
        return "the hub has a failure of its own"
    return "the hub does not take this" if status >= 400 else "the hub gave an answer that cannot be used"


def _channel_reason(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return f"status {answer.status}: a redirect, which is never followed; check the address of the hub"
    return f"{_reason(answer)}; check the address and the dialect of the hub"


__all__ = [
    "Accepted",
    "AlreadyEnded",
    "Answer",
    "ChannelFault",
    "Conflict",
    "Functional",
    "InProgress",
    "NoAnswer",
    "NoAnswerYet",
    "NotFound",
    "NotTaken",
    "OfferOutcome",
    "Ok",
    "OutcomeReference",
    "OutcomeUnknown",
    "OutcomesFound",
    "OutcomesOutcome",
    "OutcomesPending",
    "PullBusy",
    "PullFailed",
    "PullGone",
    "PullOutcome",
    "Pulled",
    "QueryAccepted",
    "QueryOutcome",
    "Refused",
    "StatusOutcome",
    "Technical",
    "TokenRefused",
    "after_offer",
    "after_outcomes",
    "after_query_get",
    "after_query_post",
    "after_status",
    "outcomes_body",
    "poll_delay",
    "query_body",
]
