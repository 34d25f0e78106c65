"""A bridge that goes on from an older backup: what was lost is named, what was unfinished is finished once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bridge.demo import stage
from tests.e2e.operator import REASON, Operator
from tests.faults.bounds import LONGEST, at_most, last_lines, serving
from tests.faults.harness import PATIENT
from tests.store.conftest import emptied, empty_postgres, postgres_server, postgres_template, postgres_url

__all__ = ["emptied", "empty_postgres", "postgres_server", "postgres_template", "postgres_url"]


@pytest.mark.rule("DK-21", "SOH-05", "SOH-36")
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_after_an_older_backup_what_is_lost_is_named_and_what_is_left_goes_on(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    async with at_most(LONGEST, lambda: last_lines(tmp_path)), stage(tmp_path, retries=PATIENT) as scene:
        operator = Operator(scene=scene, capture=capsys)
        if engine == "postgresql":
            operator.use_store(request.getfixturevalue("postgres_url"))
        lost = await _live_until_the_crash(operator)
        if engine == "postgresql":
            operator.use_store(request.getfixturevalue("empty_postgres"))
        await _recover(operator, lost)
        await _go_on(operator, lost)
    assert {offer.count for offer in scene.hub.events} == {1}, "nothing was offered twice"
    assert Counter(offer.event["subject"] for offer in scene.hub.events) == {
        f"melding/case-{name}": 1 for name in "abcd"
    }


async def _live_until_the_crash(operator: Operator) -> list[str]:
    """A backup with unfinished work in it. The ids of the reports that come after it."""
    scene, partner = operator.scene, operator.scene.partner
    async with serving(scene.config, operator.environment) as (process, addresses):
        partner.bridge_url = addresses["partner"]
        await operator.types("partner", "pause", "hub", *REASON)
        await partner.acknowledged(await operator.send("case-a", 0), LONGEST)
        await operator.until(lambda: operator.count("job", kind="publish", state="ready") == 1)
        operator.give_up_publishing()
        await partner.acknowledged(await operator.send("case-b", 0), LONGEST)
        await operator.types("store", "backup", "--out", str(scene.folder / "backup"))
        lost = [await operator.send(case, 0) for case in ("case-c", "case-d")]
        for message_id in lost:
            await partner.acknowledged(message_id, LONGEST)
        await operator.seal()
        process.kill()
        await process.wait()
    return lost


async def _recover(operator: Operator, lost: list[str]) -> None:
    """As docs/operator-store.md says."""
    folder = operator.scene.folder
    await operator.types("store", "restore", str(folder / "backup"), *_replace(folder))
    await operator.types("store", "upgrade")
    await operator.types("store", "verify")
    log = str(folder / "bridge.log")
    (found,) = await operator.asks("store", "verify", "--quick", "--log", log, code=1)
    assert [one["message_id"] for one in found["lost"]] == lost
    (fault,) = found["faults"]
    assert "was put back from a backup" in fault and "is lost" in fault


def _replace(folder: Path) -> list[str]:
    return ["--replace"] if (folder / "bridge.sqlite3").exists() else []


async def _go_on(operator: Operator, lost: list[str]) -> None:
    """The dead letter is revived, and the partner sends again what was lost."""
    scene, partner = operator.scene, operator.scene.partner
    log = str(scene.folder / "bridge.log")
    async with serving(scene.config, operator.environment) as (_, addresses):
        partner.bridge_url = addresses["partner"]
        (dead,) = await operator.asks("job", "list", "--state", "dead")
        await operator.types("job", "revive", dead["key"], *REASON)
        for message_id in lost:
            await partner.resend(message_id)
        await operator.until(lambda: operator.count("job", kind="publish", state="ready") == 4)
        assert scene.hub.events == [], "the hub is paused still"
        await operator.types("partner", "resume", "hub", *REASON)
        await operator.until(lambda: operator.count("event", direction="out", state="ok") == 4)
        (found,) = await operator.asks("store", "verify", "--quick", "--log", log, code=1)
        assert found["lost"] == [], "they came again"
