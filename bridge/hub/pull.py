"""Asking the hub for events in two steps, and for outcomes of case conferences: bodies out, answers in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from bridge.errors import EventRejected
from bridge.hub.answers import (
    Answer,
    NoAnswer,
    clean,
    find_object,
    find_parsed,
    find_text,
    retry_after,
    status_masked,
)
from bridge.hub.dialect import SOH_1, Dialect, PullNames
from bridge.hub.event import Event, write_time
from bridge.hub.json import Json, Parsed, pointer, write_json
from bridge.hub.reader import DEFAULT_LIMITS, Limits, MemberRejected, inspect_structured, read_members
from bridge.hub.shared import ChannelFault, TokenRefused, is_channel_fault

_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_REL_NEXT = re.compile(r";\s*rel=\"?(?:[^\";]*\s)?next(?:\s[^\";]*)?\"?\s*(?:[;,]|\Z)", re.IGNORECASE)
_RESULTS: Final = ("results", "resultaten")
_AVAILABLE: Final = ("beschikbaarGesteldOp", "beschikbaarSinds")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAccepted:
    """Step 1 done: ask for the events with `request_id`."""

    request_id: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """The events, in the hub's order. An invalid one stands there with its reason and blocks nothing."""

    events: tuple[Event | EventRejected, ...] = field(repr=False)
    next_cursor: str | None = None
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PullBusy:
    """The hub is still gathering: ask again with the same request id."""

    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullGone:
    """The request id is unknown or expired: ask anew from the same cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFailed:
    """No usable answer: the same question later. The cursor does not move."""

    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReference:
    """One outcome of a case conference that can be looked up at its source."""

    identifier: str
    inzage_url: str | None = None
    beschikbaar_gesteld_op: str | None = None
    """A date-time, or a date where the hub gives only that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesFound:
    results: tuple[OutcomeReference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesPending:
    """The hub answers later: follow the status of `interactie_id`; its resultaat goes to `outcomes_in`."""

    interactie_id: str


QueryOutcome: TypeAlias = QueryAccepted | Pulled | PullFailed | TokenRefused | ChannelFault
PullOutcome: TypeAlias = Pulled | PullBusy | PullGone | PullFailed | TokenRefused | ChannelFault
OutcomesOutcome: TypeAlias = OutcomesFound | OutcomesPending | PullFailed | TokenRefused | ChannelFault


def query_body(
    *,
    types: Sequence[str] = (),
    sources: Sequence[str] = (),
    subjects: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    bsn: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    dialect: Dialect = SOH_1,
) -> bytes:
    """The body of step 1. A BSN travels only here, never in an address (SOH-81)."""
    names = dialect.pull
    members: dict[str, Json] = {
        names.types: list(types),
        names.sources: list(sources),
        names.subjects: list(subjects),
        names.since: write_time(since) if since else None,
        names.until: write_time(until) if until else None,
        names.bsn: bsn,
        names.cursor: cursor,
        names.limit: limit,
    }
    return write_json({name: value for name, value in members.items() if value not in (None, [])})


def after_query_post(
    answer: Answer | NoAnswer, *, now: datetime, dialect: Dialect = SOH_1, limits: Limits = DEFAULT_LIMITS
) -> QueryOutcome:
    """What step 1 led to. Events that come at once are taken (the framework speaks of both)."""
    match _failure(answer, now):
        case None:
            pass
        case failure:
            return failure
    assert isinstance(answer, Answer)
    if answer.status == 204:
        return Pulled(events=())
    parsed = find_parsed(answer)
    members = _members(parsed)
    request_id = _request_id(answer, members, dialect.pull)
    still_busy = answer.status in (201, 202) or (members or {}).get("status") == "IN_PROGRESS"
    if request_id and (still_busy or not _holds_events(answer, members, dialect.pull)):
        return QueryAccepted(request_id=request_id, retry_after=retry_after(answer, now=now))
    if answer.status == 200:
        return _events_in(answer, parsed, dialect, limits)
    return PullFailed(reason=f"status {answer.status} without a request id")


def after_query_get(
    answer: Answer | NoAnswer, *, now: datetime, dialect: Dialect = SOH_1, limits: Limits = DEFAULT_LIMITS
) -> PullOutcome:
    """What step 2 led to."""
    if isinstance(answer, Answer) and answer.status in (404, 410):
        return PullGone()
    match _failure(answer, now):
        case None:
            pass
        case failure:
            return failure
    assert isinstance(answer, Answer)
    if answer.status == 204:
        return Pulled(events=(), next_cursor=_next_cursor(answer, dialect.pull), more=_has_more(answer))
    if answer.status == 202:
        return PullBusy(retry_after=retry_after(answer, now=now))
    parsed = find_parsed(answer)
    if (_members(parsed) or {}).get("status") == "IN_PROGRESS":
        return PullBusy(retry_after=retry_after(answer, now=now))
    return _events_in(answer, parsed, dialect, limits)


def outcomes_body(
    *, bsn: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> bytes:
    """The body of the query for outcomes, with the names of the contract (SOH-85)."""
    members: dict[str, Json] = {
        "burgerservicenummer": bsn,
        "beschikbaarVanaf": write_time(since) if since else None,
        "beschikbaarTot": write_time(until) if until else None,
    }
    return write_json({name: value for name, value in members.items() if value is not None})


def after_outcomes(answer: Answer | NoAnswer, *, now: datetime, dialect: Dialect = SOH_1) -> OutcomesOutcome:
    """What the query for outcomes led to, in the contract's names or the prose's (SOH-86)."""
    match _failure(answer, now):
        case None:
            pass
        case failure:
            return failure
    assert isinstance(answer, Answer)
    if answer.status == 204:
        return OutcomesFound(results=())
    members = find_object(answer)
    if members is None:
        return PullFailed(reason=f"status {answer.status} with a body that says nothing")
    found = outcomes_in(members)
    if found is not None:
        return found
    interactie_id = find_text(members, (*dialect.interaction_id, *dialect.pull.request_id))
    if interactie_id is not None and (answer.status == 202 or "status" in members):
        return OutcomesPending(interactie_id=interactie_id)
    return PullFailed(reason="the answer holds no results")


def outcomes_in(members: Mapping[str, Json]) -> OutcomesFound | None:
    """The results in an answer, or in the `resultaat` of a status; None when there are none to read."""
    result = members.get("resultaat")
    places = (members, result) if isinstance(result, dict) else (members,)
    for place in places:
        for name in _RESULTS:
            rows = place.get(name)
            if isinstance(rows, list):
                return OutcomesFound(results=tuple(ref for row in rows if (ref := _reference(row))))
    return None


def _reference(row: Json) -> OutcomeReference | None:
    if not isinstance(row, dict):
        return None
    identifier = find_text(row, ("identifier",))
    if identifier is None:
        return None
    url, available = find_text(row, ("inzageUrl",)), find_text(row, _AVAILABLE)
    return OutcomeReference(identifier=identifier, inzage_url=url, beschikbaar_gesteld_op=available)


def _failure(answer: Answer | NoAnswer, now: datetime) -> PullFailed | TokenRefused | ChannelFault | None:
    """The outcome of an answer that is no success; None for a 2xx."""
    if isinstance(answer, NoAnswer):
        return PullFailed(reason=answer.reason)
    if 200 <= answer.status < 300:
        return None
    reason = status_masked(answer)
    if answer.status in (401, 403):
        return TokenRefused(reason=reason, status=answer.status)
    if is_channel_fault(answer.status):
        return ChannelFault(reason=f"{reason}; check the address and the dialect of the hub")
    if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
        return ChannelFault(reason=f"{reason}; the hub does not take this query")
    return PullFailed(reason=reason, retry_after=retry_after(answer, now=now))


def _request_id(answer: Answer, members: Mapping[str, Json] | None, names: PullNames) -> str | None:
    named = find_text(members or {}, names.request_id)
    if named is not None and "specversion" not in (members or {}):
        return named
    # Only the last segment is taken: the address itself comes from the settings, never from an answer.
    path = urlsplit(answer.header("Location") or "").path if _is_plain(answer.header("Location")) else ""
    return unquote(path.rsplit("/", 1)[-1]) or None


def _is_plain(location: str | None) -> bool:
    return location is not None and "[" not in location and "]" not in location


def _holds_events(answer: Answer, members: Mapping[str, Json] | None, names: PullNames) -> bool:
    if members is None:
        return answer.body.lstrip()[:1] == b"["
    return "specversion" in members or _listed_events(members, names) is not None


def _events_in(
    answer: Answer, parsed: Parsed | None, dialect: Dialect, limits: Limits
) -> Pulled | PullFailed:
    """Events in any of the three shapes: a batch, one event, or the status pattern applied to a query."""
    try:
        events = _read_events(answer, parsed, dialect.pull, limits)
    except EventRejected as rejected:
        return PullFailed(reason=clean(f"the answer is no batch of events: {rejected}"))
    if events is None:
        return PullFailed(reason="the answer holds no events")
    cursor = _next_cursor(answer, dialect.pull)
    return Pulled(events=events, next_cursor=cursor, more=_has_more(answer))


def _read_events(
    answer: Answer, parsed: Parsed | None, names: PullNames, limits: Limits
) -> tuple[Event | EventRejected, ...] | None:
    if parsed is None:
        return None
    if isinstance(parsed.value, list):
        return read_members(parsed.value, faults=parsed.faults, limits=limits)
    members = _members(parsed) or {}
    if "specversion" in members:
        one = inspect_structured(answer.body, limits=limits)
        return (
            (MemberRejected(one.broken, parsed.value),) if one.broken or one.event is None else (one.event,)
        )
    listed = _listed_events(members, names)
    if listed is None:
        return None
    at, rows = listed
    return read_members(rows, faults=parsed.faults, at=at, limits=limits)


def _members(parsed: Parsed | None) -> Mapping[str, Json] | None:
    return parsed.value if parsed is not None and isinstance(parsed.value, dict) else None


def _listed_events(members: Mapping[str, Json], names: PullNames) -> tuple[str, list[Json]] | None:
    """The array of events and its JSON pointer."""
    for at, place in (("/resultaat", members.get("resultaat")), ("", members)):
        if isinstance(place, dict):
            for name in names.events:
                rows = place.get(name)
                if isinstance(rows, list):
                    return pointer(at, name), rows
    return None


def _next_cursor(answer: Answer, names: PullNames) -> str | None:
    named = (answer.header(names.next_cursor_header) or "").strip()
    if named:
        return named
    target = _next_link(answer)
    if target is None or not _is_plain(target):
        return None
    values = parse_qs(urlsplit(target).query).get(names.cursor, [])
    return values[0] if values else None


def _has_more(answer: Answer) -> bool:
    return _next_link(answer) is not None


def _next_link(answer: Answer) -> str | None:
    for target, parameters in _LINK.findall(answer.header("Link") or ""):
        if _REL_NEXT.search(parameters):
            return str(target)
    return None
