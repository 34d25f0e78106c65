"""The fault harness in its short form: what was acknowledged is there, once, on both engines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.harness import Plan, Report, run, subject


def check(report: Report, plan: Plan) -> None:
    print("\n".join(report.lines()))
    everything = Counter({f"melding/{subject(number)}": 1 for number in range(plan.messages)})
    assert report.kills == plan.kills
    assert report.acknowledged == plan.messages, "every report was acknowledged in the end"
    assert report.facts == everything, "every report reached the hub as exactly one event"
    assert set(report.offers.values()) == {1}, "no event was offered twice"
    assert report.altered == 0
    assert report.answers == everything, "every answer reached the partner exactly once"
    assert (report.unfinished, report.attention) == (0, 0)


@pytest.mark.rule("DK-21", "SOH-05", "SOH-36", "SOH-172")
async def test_one_process_on_sqlite_killed_at_random_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plan = Plan(messages=40, kills=4)
    check(await run(plan, tmp_path), plan)


@pytest.mark.rule("SOH-170", "SOH-171")
async def test_four_processes_on_postgresql_killed_at_random_lose_and_double_nothing(
    tmp_path: Path, postgres_url: str
) -> None:
    plan = Plan(messages=40, kills=4, workers=4, store=postgres_url, seed=2)
    check(await run(plan, tmp_path), plan)
