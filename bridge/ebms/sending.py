"""The sending decision, as a table (ebMS notes 8.1 and 8.2).

`plan` says how often and how long, `after_attempt` what the result of an attempt means, `after_signal` what
a signal by POST means, `after_time` what is due when a wait is over. All are total: any state and any input
give a next step, with a reason in plain words. Nothing here waits or counts.

A retry sends the identical octets: same MessageId, Timestamp, TimeToLive and signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto

from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import Kind, Message, Severity
from bridge.ebms.outgoing import outgoing_message
from bridge.ebms.peer_text import named_errors, peer_text, told_errors
from bridge.told import kept_apart, shown

__all__ = [
    "AFTER_ATTEMPT",
    "NEVER_SENT",
    "Acknowledged",
    "AttemptResult",
    "Delivered",
    "Expired",
    "Failed",
    "Fault",
    "Foreign",
    "HttpError",
    "Mode",
    "Move",
    "Next",
    "NoContent",
    "Result",
    "Retry",
    "Schedule",
    "Sending",
    "Signal",
    "Stay",
    "Unreachable",
    "Wait",
    "after_attempt",
    "after_signal",
    "after_time",
    "expired",
    "outgoing_message",
    "plan",
    "told_by",
]

NEVER_SENT = "it was never sent: its TimeToLive ended before the first attempt"
"""The reason of what expired without leaving. The partner cannot have it, so a new message makes no double."""

TIME_TO_LIVE_MARGIN = timedelta(seconds=1)
"""TimeToLive is later than Timestamp + (1 + Retries) x RetryInterval, not equal (section 12.5)."""

SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_SPAN = timedelta(days=3650)
"""No agreement keeps a message alive for longer, whatever its numbers multiply to."""

FINAL_STATUSES = frozenset({400, 405, 413, 415})
"""Statuses that no retry of the same octets can mend. All others are retried: proxies and servers in the
middle of a deployment answer 3xx, 401, 403 and 404 for a while (section 8.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How often and how long a message is tried."""

    attempts: int
    """In all: 1 + Retries."""
    interval: timedelta
    """The least wait between two attempts."""
    time_to_live: datetime | None
    """What goes in the header, and the moment of expiry; None for best effort, which waits for nothing."""
    keep_until: datetime
    """The octets are kept for retransmission at least until then (PersistDuration, DK-96)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Where a message stands that is not settled."""

    attempt: int
    """Attempts made so far, the one just ended included; 0 before the first."""
    created: datetime
    reliable: bool
    """An acknowledgment was asked for."""
    synchronous: bool
    """The acknowledgment comes in the HTTP response."""
    schedule: Schedule
    sent_before: bool = False
    """Its octets went out before its attempts were counted anew."""


# What an attempt can result in


@dataclass(frozen=True, slots=True, kw_only=True)
class NoContent:
    """2xx with nothing in it."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """An ebMS signal, or the business response, whatever the HTTP status. `receipt_faults`: why it acknowledges
    nothing."""

    message: Message
    receipt_faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """2xx with content that is no signal about this message."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A SOAP fault; `text` is its faultstring."""

    status: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpError:
    """A status outside 2xx without ebMS or SOAP content."""

    status: int
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """No HTTP answer at all: refused, timed out, TLS, DNS."""

    reason: str


AttemptResult = NoContent | Signal | Foreign | Fault | HttpError | Unreachable


# What comes next


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The receiver has it, and said so."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Best effort: the receiver took it. No acknowledgment will ever come."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """It was taken, the acknowledgment is outstanding. At `until` ask `after_time`."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The attempt failed. The next one is due at `at`."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not be delivered, and someone must act."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Nobody acknowledged it in time. It may have arrived all the same, unless it is `NEVER_SENT`."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """The signal changes nothing: what was due remains due."""

    reason: str


Next = Acknowledged | Delivered | Wait | Retry | Failed | Expired


class Mode(Enum):
    """The three ways to send."""

    RELIABLE = auto()
    """Acknowledgment by a POST of its own."""
    RELIABLE_SYNC = auto()
    """Acknowledgment in the HTTP response."""
    BEST_EFFORT = auto()


class Result(StrEnum):
    """The results of an attempt as the table tells them apart."""

    NO_CONTENT = "the partner took it without an answer"
    ACKNOWLEDGMENT = "the partner acknowledged it"
    BAD_ACKNOWLEDGMENT = "the partner's acknowledgment is not valid"
    ERROR = "the partner answered with an error"
    WARNING = "the partner answered with a warning"
    FOREIGN = "the partner answered with content that is no signal about this message"
    FAULT = "the partner answered with a SOAP fault"
    FINAL_STATUS = "the partner refused it for good"
    OTHER_STATUS = "the partner could not take it now"
    UNREACHABLE = "the partner could not be reached"


class Move(Enum):
    """What a cell of the table says."""

    ACKNOWLEDGED = auto()
    DELIVERED = auto()
    WAIT = auto()
    """For the acknowledgment; the next attempt after the interval."""
    RETRY = auto()
    """The attempt failed; the next one after the interval."""
    FAIL = auto()


_A, _D, _W, _R, _F = Move.ACKNOWLEDGED, Move.DELIVERED, Move.WAIT, Move.RETRY, Move.FAIL

# fmt: off
AFTER_ATTEMPT: Mapping[Result, Mapping[Mode, Move]] = {
    #                             reliable           reliable, synchronous    best effort
    Result.NO_CONTENT:         {Mode.RELIABLE: _W, Mode.RELIABLE_SYNC: _R, Mode.BEST_EFFORT: _D},
    Result.ACKNOWLEDGMENT:     {Mode.RELIABLE: _A, Mode.RELIABLE_SYNC: _A, Mode.BEST_EFFORT: _D},
    Result.BAD_ACKNOWLEDGMENT: {Mode.RELIABLE: _W, Mode.RELIABLE_SYNC: _R, Mode.BEST_EFFORT: _D},
    Result.ERROR:              {Mode.RELIABLE: _F, Mode.RELIABLE_SYNC: _F, Mode.BEST_EFFORT: _F},
    Result.WARNING:            {Mode.RELIABLE: _W, Mode.RELIABLE_SYNC: _R, Mode.BEST_EFFORT: _D},
    Result.FOREIGN:            {Mode.RELIABLE: _W, Mode.RELIABLE_SYNC: _R, Mode.BEST_EFFORT: _D},
    Result.FAULT:              {Mode.RELIABLE: _R, Mode.RELIABLE_SYNC: _R, Mode.BEST_EFFORT: _R},
    Result.FINAL_STATUS:       {Mode.RELIABLE: _F, Mode.RELIABLE_SYNC: _F, Mode.BEST_EFFORT: _F},
    Result.OTHER_STATUS:       {Mode.RELIABLE: _R, Mode.RELIABLE_SYNC: _R, Mode.BEST_EFFORT: _R},
    Result.UNREACHABLE:        {Mode.RELIABLE: _R, Mode.RELIABLE_SYNC: _R, Mode.BEST_EFFORT: _R},
}
"""Attempts used up: RETRY and WAIT become a wait until TimeToLive, and for best effort RETRY becomes FAIL.
Best effort has one attempt unless the operator set more in `plan`."""
# fmt: on


def plan(
    terms: Terms,
    created: datetime,
    *,
    best_effort_retries: int = 0,
    best_effort_interval: timedelta = timedelta(minutes=1),
) -> Schedule:
    """The schedule of a message made at `created`, its header Timestamp (section 8.1).

    Best effort is not retransmitted (DK-18) unless the operator allows a partner a few transport retries.
    """
    if not terms.reliable:
        interval = max(best_effort_interval, SHORTEST_INTERVAL)
        return Schedule(
            attempts=1 + best_effort_retries,
            interval=interval,
            time_to_live=None,
            keep_until=created + min(terms.persist_duration, LONGEST_SPAN),
        )
    interval = max(terms.retry_interval, SHORTEST_INTERVAL)
    span = min(interval * (1 + terms.retries), LONGEST_SPAN)
    return Schedule(
        attempts=1 + terms.retries,
        interval=interval,
        time_to_live=created + span + TIME_TO_LIVE_MARGIN,
        keep_until=created + min(max(terms.persist_duration, span), LONGEST_SPAN),
    )


def after_attempt(state: Sending, result: AttemptResult, *, now: datetime) -> Next:
    """What the result of attempt number `state.attempt` means. Never raises."""
    kind = _classify(result)
    reason = _reason(kind, result)
    match AFTER_ATTEMPT[kind][_mode(state)]:
        case Move.ACKNOWLEDGED:
            return Acknowledged(reason=reason)
        case Move.DELIVERED:
            return Delivered(reason=reason)
        case Move.FAIL:
            return Failed(reason=reason)
        case Move.WAIT:
            return Wait(until=_due(state, now, None) or _end(state, now), reason=reason)
        case Move.RETRY:
            return _retry(state, result, reason, now)


def after_signal(state: Sending, signal: Signal, *, now: datetime) -> Acknowledged | Failed | Stay:
    """What a signal means that came by POST for a message that waits. Never raises."""
    kind = _classify(signal)
    reason = _reason(kind, signal)
    if kind is Result.ACKNOWLEDGMENT and state.reliable:
        return Acknowledged(reason=reason)
    if kind is Result.ERROR:
        return Failed(reason=reason)
    return Stay(reason=reason)


def told_by(result: AttemptResult) -> str:
    """What the partner said in words of its own that no reason repeats: content, to be kept as such."""
    match result:
        case Fault(text=text):
            return kept_apart(peer_text(text, limit=1000))
        case Signal(message=message):
            return told_errors(message.error_list.errors) if message.error_list else ""
        case _:
            return ""


def expired(attempts: int, *, sent: bool) -> Expired:
    """The end by TimeToLive. `sent`: an attempt ever began, also before the attempts were counted anew."""
    if not sent:
        return Expired(reason=NEVER_SENT)
    return Expired(reason=f"no acknowledgment came in {attempts} attempts before TimeToLive")


def after_time(state: Sending, *, now: datetime) -> Retry | Wait | Failed | Expired:
    """What is due when a wait is over, and before every attempt: an attempt now, more waiting, or the end."""
    until = state.schedule.time_to_live
    if until is not None and now >= until:
        return expired(state.attempt, sent=state.attempt > 0 or state.sent_before)
    if state.attempt < state.schedule.attempts:
        return Retry(at=now, reason="the next attempt is due")
    if until is not None:
        return Wait(until=until, reason="all attempts are made; an acknowledgment may still come")
    return Failed(reason=f"all {state.attempt} attempts failed")


def _retry(state: Sending, result: AttemptResult, reason: str, now: datetime) -> Next:
    asked = result.retry_after if isinstance(result, HttpError) else None
    due = _due(state, now, asked)
    if due is not None:
        return Retry(at=due, reason=reason)
    if state.schedule.time_to_live is None:
        return Failed(reason=reason)
    return Wait(
        until=_end(state, now), reason=f"{reason}; all attempts are made, an acknowledgment may still come"
    )


def _due(state: Sending, now: datetime, asked: timedelta | None) -> datetime | None:
    """When the next attempt is due; None when there is none. A peer's Retry-After counts while it fits."""
    schedule = state.schedule
    if state.attempt >= schedule.attempts:
        return None
    soonest = now + schedule.interval
    if asked is not None and schedule.interval < asked <= LONGEST_SPAN:
        later = now + asked
        if schedule.time_to_live is None or later < schedule.time_to_live:
            return later
    if schedule.time_to_live is not None and soonest >= schedule.time_to_live:
        return None
    return soonest


def _end(state: Sending, now: datetime) -> datetime:
    """The moment of expiry, or now when it has passed."""
    return max(state.schedule.time_to_live or now, now)


def _mode(state: Sending) -> Mode:
    if not state.reliable:
        return Mode.BEST_EFFORT
    return Mode.RELIABLE_SYNC if state.synchronous else Mode.RELIABLE


def _classify(result: AttemptResult) -> Result:
    match result:
        case NoContent(status=status):
            return Result.NO_CONTENT if _is_success(status) else _status_class(status)
        case Foreign(status=status):
            return Result.FOREIGN if _is_success(status) else _status_class(status)
        case HttpError(status=status):
            return _status_class(status)
        case Fault():
            return Result.FAULT
        case Unreachable():
            return Result.UNREACHABLE
        case Signal():
            return _classify_signal(result)


def _classify_signal(signal: Signal) -> Result:
    message = signal.message
    if message.kind is Kind.ACKNOWLEDGMENT:
        return Result.BAD_ACKNOWLEDGMENT if signal.receipt_faults else Result.ACKNOWLEDGMENT
    if message.kind is Kind.BUSINESS and signal.receipt_faults:
        return Result.BAD_ACKNOWLEDGMENT
    if message.kind is Kind.MESSAGE_ERROR:
        errors = message.error_list.errors if message.error_list else ()
        warning = bool(errors) and all(error.severity == Severity.WARNING for error in errors)
        return Result.WARNING if warning else Result.ERROR
    return Result.FOREIGN


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _status_class(status: int) -> Result:
    return Result.FINAL_STATUS if status in FINAL_STATUSES else Result.OTHER_STATUS


def _reason(kind: Result, result: AttemptResult) -> str:
    """The sentence for the timeline: the result, and the status, fault or codes behind it."""
    match result:
        case NoContent(status=status) | Foreign(status=status) | HttpError(status=status):
            return f"{kind} (HTTP {status})"
        case Fault(status=status, text=text):
            return f"{kind} (HTTP {status}): {shown(peer_text(text))}"
        case Unreachable(reason=reason):
            return f"{kind}: {reason}"
        case Signal(message=message, receipt_faults=faults):
            listed = message.error_list.errors if message.error_list else ()
            said = "; ".join(named_errors(listed) or faults[:5])
            return f"{kind}: {said}" if said else str(kind)
