"""The lookup flow by itself: the order of deciding, writing down and answering."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.demo import HUB, POLICE
from bridge.flow.bridge import Bridge
from bridge.flow.lookup import (
    Refused,
    Shown,
    Undecided,
    Unknown,
    Wanted,
    access_rules,
    decide_by_rules,
    lookup,
)
from bridge.ids import Oin
from bridge.inzage.access import Question, Requester, Verdict
from bridge.inzage.authzen import NoDecision
from bridge.inzage.record import Trace
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.jobs import JobFilter, list_jobs
from bridge.store.rows import AccessOutcome, EventState, ExchangeState
from bridge.store.timeline import steps_of
from tests.conftest import Clock
from tests.web.api.conftest import (
    CORRELATION,
    RESOURCE,
    accesses,
    events,
    keep,
    make_settings,
    open_bridge,
    processing,
)

WANTED = Wanted(
    type="melding",
    id=RESOURCE,
    level=None,
    as_of=None,
    requester=Requester(oin=Oin(HUB.oin), via=Oin(HUB.oin)),
    trace=Trace(trace_id="a" * 32, span_id="b" * 16),
)


@pytest.fixture
async def bridge(tmp_path: Path, clock: Clock) -> AsyncIterator[Bridge]:
    async with open_bridge(tmp_path, clock, make_settings(tmp_path)) as opened:
        keep(opened)
        yield opened


def everyone(verdicts: dict[int, Verdict]) -> tuple[list[Question], object]:
    asked: list[Question] = []

    async def ask(question: Question, trace: Trace) -> Verdict:
        asked.append(question)
        return verdicts[question.level]

    return asked, ask


YES = {level: Verdict(allowed=True, level=level, policy="test") for level in (0, 1, 2)}
NO = Verdict(allowed=False, policy="test")


async def test_the_richest_level_is_asked_first_and_each_question_is_written_down(bridge: Bridge) -> None:
    asked, ask = everyone(YES | {2: NO})

    outcome = await lookup(bridge, WANTED, ask=ask)  # type: ignore[arg-type]

    assert isinstance(outcome, Shown)
    assert [question.level for question in asked] == [2, 1]
    assert [row.outcome for row in accesses(bridge)] == [AccessOutcome.DENIED, AccessOutcome.ALLOWED]
    assert (outcome.level, outcome.view["niveau"]) == (1, 1)


async def test_the_question_names_the_owner_and_no_content(bridge: Bridge) -> None:
    asked, ask = everyone(YES)

    await lookup(bridge, WANTED, ask=ask)  # type: ignore[arg-type]

    assert (asked[0].owner, asked[0].function) == (POLICE.oin, "uitwisselen-melding")


@pytest.mark.rule("SOH-132")
async def test_what_does_not_exist_is_asked_about_all_the_same(bridge: Bridge) -> None:
    asked, ask = everyone(dict.fromkeys(YES, NO))

    there = await lookup(bridge, WANTED, ask=ask)  # type: ignore[arg-type]
    absent = await lookup(bridge, replace(WANTED, id="x"), ask=ask)  # type: ignore[arg-type]

    assert there == absent == Unknown()
    assert [question.level for question in asked] == [2, 1, 0, 2, 1, 0]
    assert {question.owner for question in asked[3:]} == {None}


async def test_a_level_above_what_is_allowed_is_refused_to_who_may_know(bridge: Bridge) -> None:
    _, ask = everyone(YES | {2: NO})

    assert await lookup(bridge, replace(WANTED, level=2), ask=ask) == Refused()  # type: ignore[arg-type]
    assert events(bridge) == ()


@pytest.mark.rule("SOH-117")
async def test_a_scope_that_opens_nothing_is_refused_before_anything_is_asked(bridge: Bridge) -> None:
    asked, ask = everyone(YES)
    wanted = replace(WANTED, requester=replace(WANTED.requester, scopes=frozenset({"x:read:volledig"})))

    outcome = await lookup(bridge, wanted, ask=ask)  # type: ignore[arg-type]

    assert (outcome, asked) == (Refused(by_scope=True), [])
    assert [row.policy for row in accesses(bridge)] == ["scope"]


@pytest.mark.rule("SOH-120", "SOH-121")
async def test_without_a_decision_nothing_is_shown_and_that_is_written_down(bridge: Bridge) -> None:
    async def ask(question: Question, trace: Trace) -> Verdict:
        raise NoDecision("the decision point did not answer in time")

    assert await lookup(bridge, WANTED, ask=ask) == Undecided()
    (row,) = accesses(bridge)
    assert (row.outcome, row.reason) == (
        AccessOutcome.UNDECIDED,
        "the decision point did not answer in time",
    )
    assert processing(bridge) == ()


@pytest.mark.rule("SOH-122")
async def test_a_resource_that_is_purged_while_deciding_is_not_shown(bridge: Bridge) -> None:
    async def ask(question: Question, trace: Trace) -> Verdict:
        await bridge.store.write(lambda tx: tx.execute(text("DELETE FROM resource")))
        return YES[2]

    assert await lookup(bridge, WANTED, ask=ask) == Unknown()
    assert processing(bridge) == ()
    assert events(bridge) == ()


@pytest.mark.rule("SOH-125")
async def test_the_report_is_an_exchange_of_its_own_with_a_job_to_publish_it(bridge: Bridge) -> None:
    _, ask = everyone(YES)

    await lookup(bridge, WANTED, ask=ask)  # type: ignore[arg-type]

    (event,) = events(bridge)
    (job,) = bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="publish")))
    made, came_from = bridge.store.read_sync(lambda tx: list_exchanges(tx, ExchangeFilter()))
    assert (job.subject_key, job.ordering_key) == (event.key, event.subject)
    assert (made.key, made.state, made.partner) == (event.exchange, ExchangeState.RUNNING, HUB.oin)
    assert made.correlation_id == came_from.correlation_id == CORRELATION
    assert [step.what for step in bridge.store.read_sync(lambda tx: steps_of(tx, came_from.key))] == [
        "resource.looked_up"
    ]


async def test_a_report_that_breaks_a_rule_waits_for_a_person_and_the_lookup_is_answered(
    bridge: Bridge,
) -> None:
    _, ask = everyone(YES)
    odd = Oin("0000000199999003200A")
    wanted = replace(WANTED, requester=Requester(oin=odd, via=odd))

    outcome = await lookup(bridge, wanted, ask=ask)  # type: ignore[arg-type]

    assert isinstance(outcome, Shown)
    (event,) = events(bridge)
    assert event.state is EventState.REFUSED
    assert "SOH-58" in (event.reason or "")
    assert bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="publish"))) == ()


async def test_the_rules_of_the_settings_decide(bridge: Bridge) -> None:
    ask = decide_by_rules(bridge.settings.inzage)

    assert isinstance(await lookup(bridge, WANTED, ask=ask), Shown)
    assert [rule.name for rule in access_rules(bridge.settings.inzage)] == ["alles"]
