"""Flow 6, lookup at the source: decide who may see what, write it down, and only then answer.

The order is that of the enforcement point (hub.md, section 10.1): scope, decision, resource. To decide, only the
owner of the resource is read, never its content. One transaction holds the decision, a line of the processing log for
every person concerned, and the `…-ingezien` event with its job; the answer goes out after its commit, so a lookup of
which no line can be written is not answered (SOH-122).

Who may not even know of a resource gets the very answer of one that does not exist, by the same steps (SOH-132).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy.engine import Connection

from bridge.config import InzageSettings
from bridge.ebms.model import Content
from bridge.flow.bridge import Bridge
from bridge.flow.lookup_attachment import load_attachment, refers_to
from bridge.flow.lookup_report import Report, make_report, store_report
from bridge.hub.identity import agent_id
from bridge.ids import Oin
from bridge.inzage.access import AccessRule, Question, Requester, Verdict, decide, scope_level
from bridge.inzage.authzen import NoDecision, write_evaluation
from bridge.inzage.record import Trace, encrypt_subject, find_subjects, subject_cipher
from bridge.inzage.view import LEVELS, Stored, make_view, read_stored
from bridge.log import get_logger
from bridge.store.access import add_access, add_processing, find_head, find_purged
from bridge.store.blobs import ContentPurged
from bridge.store.exchanges import get_exchange
from bridge.store.resources import find_resource
from bridge.store.rows import Access, AccessOutcome, Processing, Resource

Decide: TypeAlias = Callable[[Question, Trace], Awaitable[Verdict]]
"""Answers one question. Raises NoDecision."""

_NAME = "inzage"

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, by whom, and in which trace."""

    type: str
    id: str
    """The last part of the identifier."""
    level: int | None
    """Exactly this level; None: the richest that is allowed."""
    as_of: datetime | None
    """The resource as it was then; None: as it is."""
    requester: Requester
    trace: Trace
    attachment: str | None = None
    """The reference of a file that the resource refers to, and that is wanted; None: the resource itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The answer, after everything about it was stored."""

    view: dict[str, Any] = field(repr=False)
    level: int
    version: int
    attachment: Content | None = None
    """The octets of the file that was wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """There is no such resource, or this organisation may not know of it: nobody can tell which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """It was there, and its retention has ended; told only to who might have seen it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """May know of it, and not see it at this level; or its token opens nothing of this kind."""

    by_scope: bool = False
    lacks_purpose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """No decision could be had, so no access (SOH-120)."""


Outcome: TypeAlias = Shown | Unknown | Gone | Refused | Undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question with its verdict; None: no decision could be had."""

    question: Question
    verdict: Verdict | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The resource, and the correlation of the exchange that it came from."""

    resource: Resource
    correlation_id: str | None


async def lookup(bridge: Bridge, wanted: Wanted, *, ask: Decide) -> Outcome:
    """Decide, write down, answer. Raises StoreUnavailable, and then nothing is shown."""
    started = bridge.now()
    function = function_of(bridge, wanted.type)
    names = bridge.settings.inzage.scope_names
    top = scope_level(wanted.requester.scopes, function=function, names=names)
    if top is None or (wanted.level or 0) > top:
        level = wanted.level if wanted.level is not None else max(LEVELS)
        verdict = Verdict(allowed=False, policy="scope", reason="the token does not open this level")
        await _write_refusal(
            bridge, wanted, [Asked(question=question_of(wanted, None, level, function), verdict=verdict)]
        )
        return Refused(by_scope=True)
    head, purged = await bridge.store.read(
        lambda tx: (
            find_head(tx, wanted.type, wanted.id, at=wanted.as_of),
            find_purged(tx, wanted.type, wanted.id),
        )
    )
    owner = head.owner if head else purged.owner if purged else None
    asked, given = await _ask(wanted, owner, function, top, ask)
    if given is None or head is None:
        await _write_refusal(bridge, wanted, asked)
        return _refusal(wanted, asked, given, is_there=owner is not None, is_gone=head is None)
    found = await bridge.store.read(lambda tx: _find(tx, wanted))
    if found is None or found.resource.owner != owner:
        await _write_refusal(bridge, wanted, asked)
        return Unknown()
    return await _show(bridge, wanted, found, function, asked, given, started)


def access_rules(settings: InzageSettings) -> tuple[AccessRule, ...]:
    """The built-in rules of the settings."""
    return tuple(
        AccessRule(
            name=rule.name,
            oins=rule.oins,
            types=rule.types,
            functions=rule.functions,
            owners=rule.owners,
            level=rule.level,
            purposes=rule.purposes,
            masks=rule.masks,
        )
        for rule in settings.rules
    )


def decide_by_rules(settings: InzageSettings) -> Decide:
    """The built-in decision point."""
    rules = access_rules(settings)

    async def answer(question: Question, trace: Trace) -> Verdict:
        return decide(rules, question)

    return answer


def function_of(bridge: Bridge, resource_type: str) -> str | None:
    """The samenwerkfunctie to which a type of resource belongs."""
    event_type = bridge.profile.lookup_type(resource_type)
    return event_type.partition(".")[0] if event_type else None


def _find(tx: Connection, wanted: Wanted) -> _Found | None:
    resource = find_resource(tx, wanted.type, wanted.id, at=wanted.as_of)
    if resource is None:
        return None
    return _Found(resource=resource, correlation_id=get_exchange(tx, resource.exchange).correlation_id)


async def _ask(
    wanted: Wanted, owner: Oin | None, function: str | None, top: int, ask: Decide
) -> tuple[list[Asked], Verdict | None]:
    """Ask from the richest level down, or for the one level; then whether it may at least be known.

    The second value is the verdict that may be shown; None: nothing may.
    """
    asked: list[Asked] = []
    if wanted.level is None:
        levels = [level for level in reversed(LEVELS) if level <= top]
    else:
        levels = [wanted.level, *([0] if wanted.level > 0 else [])]
    for level in levels:
        question = question_of(wanted, owner, level, function)
        try:
            verdict = await ask(question, wanted.trace)
        except NoDecision as error:
            asked.append(Asked(question=question, verdict=None, reason=str(error)))
            return asked, None
        asked.append(Asked(question=question, verdict=verdict))
        if verdict.allowed and (wanted.level is None or verdict.level >= wanted.level):
            return asked, verdict
        if verdict.allowed or verdict.lacks_purpose:
            break
    return asked, None


def _refusal(
    wanted: Wanted, asked: list[Asked], given: Verdict | None, *, is_there: bool, is_gone: bool
) -> Outcome:
    if any(one.verdict is None for one in asked):
        return Undecided()
    if any(one.verdict is not None and one.verdict.lacks_purpose for one in asked):
        return Refused(lacks_purpose=True)
    may_know = any(one.verdict is not None and one.verdict.allowed for one in asked)
    if not is_there or not may_know:
        return Unknown()
    if given is not None and is_gone:
        # Before its first version it was not there yet; after the purge it is no longer.
        return Unknown() if wanted.as_of is not None else Gone()
    return Refused()


async def _show(
    bridge: Bridge,
    wanted: Wanted,
    found: _Found,
    function: str | None,
    asked: list[Asked],
    given: Verdict,
    started: datetime,
) -> Outcome:
    resource = found.resource
    body, levels = read_stored(resource.body)
    stored = Stored(
        type=resource.type,
        id=resource.id,
        version=resource.version,
        owner=resource.owner,
        function=function,
        at=resource.at,
        body=body,
        levels=levels,
    )
    view = make_view(stored, level=given.level, masks=given.masks)
    attachment: Content | None = None
    if wanted.attachment is not None:
        opened = await _open(bridge, resource, view, wanted.attachment)
        if isinstance(opened, Unknown | Gone):
            await _write_refusal(bridge, wanted, asked)
            return opened
        attachment = opened
    now = bridge.now()
    rows = _access_rows(bridge, wanted, asked, now)
    lines = _processing_lines(bridge, wanted, body, started, now)
    report = make_report(
        bridge,
        resource,
        reader=wanted.requester.oin,
        trace=wanted.trace,
        correlation_id=found.correlation_id,
        at=now,
    )

    def work(tx: Connection) -> bool:
        if find_head(tx, wanted.type, wanted.id, at=wanted.as_of) is None:
            return False
        for row in rows:
            add_access(tx, row)
        for line in lines:
            add_processing(tx, line)
        store_report(tx, report, resource=resource, level=given.level, attachment=wanted.attachment)
        return True

    if not await bridge.store.write(work):
        await _write_refusal(bridge, wanted, asked)
        return Unknown()
    _tell(bridge, report, wanted, given.level)
    return Shown(view=view, level=given.level, version=resource.version, attachment=attachment)


async def _open(
    bridge: Bridge, resource: Resource, view: Mapping[str, Any], reference: str
) -> Content | Unknown | Gone:
    """The file of this reference, when what the reader sees refers to it."""
    if not refers_to(view, reference):
        return Unknown()
    threshold = bridge.settings.partner_listener.spool_above_bytes
    try:
        found = await bridge.store.read(
            lambda tx: load_attachment(tx, resource, reference, threshold=threshold)
        )
    except ContentPurged:
        return Gone()
    return Unknown() if found is None else found


async def _write_refusal(bridge: Bridge, wanted: Wanted, asked: list[Asked]) -> None:
    rows = _access_rows(bridge, wanted, asked, bridge.now())

    def work(tx: Connection) -> None:
        for row in rows:
            add_access(tx, row)

    await bridge.store.write(work)
    _log.info(
        "inzage.refused",
        reader=wanted.requester.oin,
        type=wanted.type,
        trace_id=wanted.trace.trace_id,
        outcome=[str(row.outcome) for row in rows],
    )


def _tell(bridge: Bridge, report: Report, wanted: Wanted, level: int) -> None:
    if report.event is not None:
        bridge.wake()
    _log.info(
        "inzage.shown",
        reader=wanted.requester.oin,
        type=wanted.type,
        level=level,
        attachment=wanted.attachment is not None,
        trace_id=wanted.trace.trace_id,
        event_id=report.event.id if report.event else None,
    )


def question_of(wanted: Wanted, owner: Oin | None, level: int, function: str | None) -> Question:
    """May this requester see this resource at this level?"""
    return Question(
        requester=wanted.requester,
        type=wanted.type,
        id=wanted.id,
        level=level,
        owner=owner,
        function=function,
    )


def _access_rows(bridge: Bridge, wanted: Wanted, asked: list[Asked], now: datetime) -> list[Access]:
    return [access_row(bridge, wanted, one, now) for one in asked]


def access_row(bridge: Bridge, wanted: Wanted, asked: Asked, now: datetime) -> Access:
    """One line of the decision log."""
    verdict = asked.verdict
    response: dict[str, Any]
    outcome, response = AccessOutcome.UNDECIDED, {}
    if verdict is not None:
        outcome = AccessOutcome.ALLOWED if verdict.allowed else AccessOutcome.DENIED
        response["decision"] = verdict.allowed
        if verdict.allowed:
            response["context"] = {"niveau": verdict.level, "maskeer": list(verdict.masks)}
    question = write_evaluation(
        asked.question,
        now=now,
        traceparent=wanted.trace.traceparent,
        activity=bridge.settings.inzage.activity_url,
    )
    return Access(
        key=bridge.new_key(),
        at=now,
        trace_id=wanted.trace.trace_id,
        span_id=wanted.trace.span_id,
        parent_id=wanted.trace.parent_id,
        status="Error" if verdict is None else "Ok",
        outcome=outcome,
        reader=wanted.requester.oin,
        via=wanted.requester.via,
        type=wanted.type,
        id=wanted.id,
        level=asked.question.level,
        policy=verdict.policy if verdict else "",
        reason=asked.reason or (verdict.reason if verdict else None) or None,
        request=json.dumps(question, ensure_ascii=False),
        response=json.dumps(response, ensure_ascii=False),
    )


def _processing_lines(
    bridge: Bridge, wanted: Wanted, body: Any, started: datetime, now: datetime
) -> list[Processing]:
    """One line for each person; one line without a person when the resource names none."""
    cipher = subject_cipher(bridge.person_key)
    about: list[tuple[str | None, str | None]] = [
        (encrypt_subject(cipher, one), one.kind) for one in find_subjects(body)
    ]
    return [
        Processing(
            key=bridge.new_key(),
            trace_id=wanted.trace.trace_id,
            span_id=bridge.random(8).hex(),
            parent_id=wanted.trace.span_id,
            status="Ok",
            name=_NAME,
            start_time=started,
            end_time=now,
            activity_id=bridge.settings.inzage.activity_url,
            subject_id=subject_id,
            subject_id_type=kind,
            processor=agent_id(wanted.requester.oin),
        )
        for subject_id, kind in (about or [(None, None)])
    ]
