"""`bridge store move` in the middle of everything: what was under way on SQLite goes on from PostgreSQL, once.

Every step is a command that an operator gives, to a bridge that runs as a process of its own and is killed.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.cli.assemble import assemble
from bridge.config import load_settings
from bridge.demo import POLICE, stage
from bridge.flow.mend_model import Actor
from bridge.flow.runs import start_run
from bridge.simulate import FaultKind, Where
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Direction, RunWhat
from tests.e2e.operator import REASON, Operator
from tests.faults.bounds import LONGEST, at_most, last_lines, serving
from tests.faults.harness import PATIENT
from tests.faults.test_kill_order import _guarantee
from tests.store.conftest import empty_postgres, postgres_server

__all__ = ["empty_postgres", "postgres_server"]

ORDERED = "case-a"
OTHER = "case-b"
WITH_ROWS = (
    "account",
    "session",
    "audit_log",
    "hold",
    "mend_run",
    "mend_item",
    "channel",
    "cursor",
    "sequence",
    "place",
    "seal",
    "evidence",
)


@pytest.mark.rule("DK-21", "DK-28", "SOH-82")
@pytest.mark.parametrize("encrypted", [False, True], ids=["in the clear", "encrypted"])
async def test_a_store_that_moves_in_the_middle_of_its_work_loses_and_doubles_nothing(
    tmp_path: Path, empty_postgres: str, encrypted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async with at_most(LONGEST, lambda: last_lines(tmp_path)), stage(tmp_path, retries=PATIENT) as scene:
        _guarantee(scene)
        if encrypted:
            (tmp_path / "store.key").write_bytes(os.urandom(32))
            with scene.config.open("a", encoding="utf-8") as settings:
                settings.write('[store.encryption]\nkey_file = "store.key"\n')
        operator = Operator(scene=scene, ordered=True, capture=capsys)
        async with aiohttp.ClientSession() as browser:
            await _fill(operator, browser)
            before = await _verified(operator)
            await _move(operator, empty_postgres)
            assert await _verified(operator) == before
            await _go_on(operator, browser)


async def _fill(operator: Operator, browser: aiohttp.ClientSession) -> None:
    """Everything that a store may be in the middle of. At the end the bridge is killed."""
    scene, partner = operator.scene, operator.scene.partner
    async with serving(scene.config, operator.environment) as (process, addresses):
        partner.bridge_url = addresses["partner"]
        await operator.types("account", "add", "anna", "--role", "operator")
        (link,) = await operator.asks("account", "link", "anna", "--console", addresses["console"])
        await _open(browser, link["link"])
        await operator.types("partner", "pause", "hub", *REASON)
        await partner.acknowledged(await operator.send(OTHER, 0), LONGEST)
        await operator.until(lambda: operator.count("job", kind="publish", state="ready") == 1)
        operator.give_up_publishing()
        for number in range(3):
            await partner.acknowledged(await operator.send(ORDERED, number), LONGEST)
        await operator.types("message", "hold", f"{ORDERED}-0@partner", *REASON)
        await operator.types("message", "open", f"{ORDERED}-0@partner", "--reveal", *REASON)
        await operator.types("partner", "pause", POLICE.oin, *REASON)
        await operator.types("partner", "resume", "hub", *REASON)
        await operator.until(lambda: operator.count("message", direction="out", kind="business") == 3)
        for number in range(2):
            await operator.send(f"unknown-{number}", 0, b"<Onbekend/>")
        await operator.until(lambda: operator.count("message", state="parked") == 2)
        await operator.seal()
        scene.hub.fail(FaultKind.SLOW, where=Where.EVENTS, seconds=600.0)
        await operator.send(ORDERED, 3)
        await operator.until(lambda: operator.count("job", kind="publish", state="ready", attempts=1) == 1)
        process.kill()
        await process.wait()
    assert len(await operator.asks("job", "list", "--kind", "publish", "--among", "leased")) == 1
    async with assemble(load_settings(scene.config, {})) as bridge:
        (cause,) = [c for c in await operator.asks("exchange", "causes") if c["count"] == 2]
        by = Actor(name="anna", way="console")
        await start_run(bridge, cause["cause"], RunWhat.SETTLE, limit=500, by=by, reason="both are settled")
    assert partner.received == []
    assert Counter(offer.event["subject"] for offer in scene.hub.events) == {f"melding/{ORDERED}": 3}


async def _verified(operator: Operator) -> tuple[Any, ...]:
    """What `store verify` says of the chain, also against the log, which is elsewhere."""
    (found,) = await operator.asks("store", "verify", "--log", str(operator.scene.folder / "bridge.log"))
    assert found["faults"] == [] and found["headsCompared"] > 0
    return found["head"], found["lines"], found["octetsOf"]


async def _move(operator: Operator, target: str) -> None:
    (moved,) = await operator.asks("store", "move", "--to", target)
    for table in (
        *WITH_ROWS,
        *(("data_key",) if load_settings(operator.scene.config, {}).store.encryption.key_file else ()),
    ):
        assert moved["tables"][table] > 0, table
    operator.use_store(target)
    assert not (operator.scene.folder / "bridge.sqlite3").exists()
    (partner,) = [one for one in await operator.asks("partner", "list") if one["party"] == POLICE.oin]
    assert "paused" in partner["sending"]


async def _open(browser: aiohttp.ClientSession, address: str) -> None:
    async with browser.get(address) as answer:
        assert answer.status == 200 and "/login" not in answer.url.path, answer.url


async def _go_on(operator: Operator, browser: aiohttp.ClientSession) -> None:
    scene, partner = operator.scene, operator.scene.partner
    async with serving(scene.config, operator.environment) as (_, addresses):
        partner.bridge_url = addresses["partner"]
        await _open(browser, f"{addresses['console']}exchanges")
        # The run goes on, the report that the killed process was offering goes, and its answer is composed.
        await operator.until(lambda: operator.count("mend_run", state="done") == 1)
        await operator.until(lambda: operator.count("message", direction="out", kind="business") == 4)
        assert partner.received == [], "the partner is paused still"
        await operator.types("partner", "resume", POLICE.oin, *REASON)
        await operator.until(lambda: len(partner.received) == 4)
        (dead,) = await operator.asks("job", "list", "--state", "dead")
        await operator.types("job", "revive", dead["key"], *REASON)
        await partner.acknowledged(await operator.send(ORDERED, 4), LONGEST)
        await operator.until(lambda: len(partner.received) == 6)
        await operator.until(lambda: operator.count("exchange", state="running") == 0)
    _check(operator)
    await _verified(operator)
    archive = str(scene.folder / "evidence.zip")
    await operator.types(
        "message", "evidence", f"{ORDERED}-0@partner", "--out", archive, "--reason", "a test"
    )


def _check(operator: Operator) -> None:
    scene = operator.scene
    assert {offer.count for offer in scene.hub.events} == {1}, "nothing was offered twice"
    subjects = Counter(offer.event["subject"] for offer in scene.hub.events)
    assert subjects == {f"melding/{ORDERED}": 5, f"melding/{OTHER}": 1}
    received = [message.message_id for message in scene.partner.received]
    assert len(set(received)) == 6, "each message once"
    with operator.store() as store:
        out = MessageFilter(direction=Direction.OUT, conversation_id=ORDERED)
        composed = [m.message_id for m in store.read_sync(lambda tx: list_messages(tx, out))[::-1]]
    assert [one for one in received if one in composed] == composed and len(composed) == 5, "in their order"
    asked = [s.event["causationid"] for s in scene.hub.stream if "causationid" in s.event]
    assert operator.count("event", direction="in") == len(asked) == 6, "no event was pulled again"
    assert operator.count("message", state="failed") == 0
    assert operator.count("hold") == 1
