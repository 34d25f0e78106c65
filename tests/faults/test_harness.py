"""The fault harness in its short form: what was acknowledged is there, once, on both engines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.harness import Plan, Report, run, subject


def check(report: Report, plan: Plan) -> None:
    print("\n".join(report.lines()))
    everything = Counter(f"melding/{subject(number)}" for number in range(plan.messages))
    assert report.kills >= plan.kills
    assert all(report.left), "it went wrong while reports were still to come"
    assert report.acknowledged == plan.messages, "every report was acknowledged in the end"
    assert report.facts == everything, "every report reached the hub as exactly one event"
    assert set(report.offers.values()) == {1}, "no event was offered twice"
    assert report.altered == 0
    assert all(report.in_order.values()), "two reports about one subject reached the hub in their order"
    assert report.answers == everything, "every answer reached the partner exactly once"
    assert all(report.answers_in_order.values()), (
        "two answers about one subject reached the partner in their order"
    )
    assert (report.unfinished, report.attention) == (0, 0)


@pytest.mark.rule("DK-21", "SOH-05", "SOH-36", "SOH-172")
async def test_one_process_on_sqlite_killed_at_random_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plan = Plan(messages=40, kills=3)
    check(await run(plan, tmp_path), plan)


@pytest.mark.rule("SOH-170", "SOH-171")
async def test_four_processes_on_postgresql_killed_at_random_lose_and_double_nothing(
    tmp_path: Path, postgres_url: str
) -> None:
    plan = Plan(messages=40, kills=3, workers=4, store=postgres_url, seed=2)
    check(await run(plan, tmp_path), plan)


@pytest.mark.rule("SOH-165", "SOH-172")
async def test_a_disk_that_is_full_for_a_while_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plan = Plan(messages=20, kills=1, scenario="full-disk")
    report = await _where_possible(plan, tmp_path)
    check(report, plan)
    assert "while it went wrong the bridge said: 503 de schijf van de opslag is vol" in report.notes
    assert report.notes[-1].startswith("the log told of the store 1 times")


@pytest.mark.rule("SOH-172")
async def test_a_disk_that_comes_back_for_reading_only_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plan = Plan(messages=20, kills=1, scenario="read-only-disk")
    report = await _where_possible(plan, tmp_path)
    check(report, plan)
    (said,) = report.notes
    assert "Traceback" not in said and "store" in said, "it does not start, and says why"


async def _where_possible(plan: Plan, folder: Path) -> Report:
    try:
        return await run(plan, folder)
    except OSError as error:
        pytest.skip(str(error))


async def test_a_process_that_may_write_no_larger_files_for_a_while_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    plan = Plan(messages=20, kills=1, scenario="bound-file")
    check(await run(plan, tmp_path), plan)


async def test_a_store_that_another_process_locks_for_long_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plan = Plan(messages=20, kills=1, scenario="locked-file")
    report = await run(plan, tmp_path)
    check(report, plan)
    held = "de opslag wordt door een ander proces bezet gehouden"
    assert f"while it went wrong the bridge said: 503 {held}" in report.notes


@pytest.mark.rule("DK-24")
async def test_lines_cut_in_the_middle_of_answers_lose_and_double_nothing(tmp_path: Path) -> None:
    plan = Plan(messages=40, kills=4, scenario="cut-lines")
    check(await run(plan, tmp_path), plan)


@pytest.mark.rule("SOH-165", "SOH-172")
async def test_a_database_that_crashes_and_comes_back_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plan = Plan(messages=20, kills=1, scenario="database-restarts")
    report = await _where_possible(plan, tmp_path)
    check(report, plan)
    assert [note for note in report.notes if note.startswith("while it went wrong the bridge said: 503")]
