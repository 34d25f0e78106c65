"""The acceptance test of a partner's adapter, against one that behaves and ones that do not."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bridge.cli.main import make_app
from bridge.demo import POLICE
from bridge.errors import ConfigError
from bridge.flow.acceptance import Check, Trial, try_partner
from bridge.flow.mend_model import Actor
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.channels import note_failure
from bridge.store.rows import Direction, MessageState
from tests.conftest import Clock
from tests.e2e.pair import open_pair
from tests.flow.conftest import World, open_world

BY = Actor(name="beheerder", role="operator", way="command")
TRIAL = Trial(action="vtTerugkoppeling", payload=b"<proef/>")


async def run(world: World, trial: Trial | None = TRIAL, *, seconds: float = 5.0) -> dict[str, Check]:
    checks = await try_partner(
        world.bridge,
        world.bridge.settings.partners[0],
        trial=trial,
        within=timedelta(seconds=seconds),
        by=BY,
        reason="new adapter",
    )
    return {check.name: check for check in checks}


def verdicts(checks: dict[str, Check]) -> dict[str, str]:
    return {name: str(check.verdict) for name, check in checks.items()}


@pytest.mark.parametrize("sync", [False, True])
async def test_a_good_adapter_passes(tmp_path: Path, pki: Pki, clock: Clock, sync: bool) -> None:
    """The simulated partner knows no status service, which is optional."""
    async with open_world(tmp_path, pki, clock, sync=sync) as world:
        checks = await run(world)
        assert verdicts(checks) == {"ping": "ok", "message": "ok", "repeat": "ok", "status": "note"}
        assert [m.payload for m in world.partner.received] == [b"<proef/>"]
        (message,) = world.messages(direction=Direction.OUT, action="vtTerugkoppeling")
        assert (message.state, message.attempts) == (MessageState.ACKNOWLEDGED, 2)
        (line,) = world.bridge.store.read_sync(lambda tx: list_audit(tx, AuditFilter()))
        assert (line.who, line.action, line.target, line.reason) == (
            "beheerder",
            "partner.tested",
            POLICE.oin,
            "new adapter",
        )


async def test_without_a_trial_no_message_is_sent(world: World) -> None:
    assert verdicts(await run(world, None)) == {"ping": "ok"}
    assert world.partner.received == []


async def test_best_effort_ends_at_the_message(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    async with open_world(tmp_path, pki, clock, profile=Profile.BEST_EFFORT) as world:
        assert verdicts(await run(world)) == {"ping": "ok", "message": "ok"}


async def test_an_adapter_that_is_not_there_fails_at_the_first_check(world: World) -> None:
    await world.partner.stop()
    checks = await run(world)
    assert verdicts(checks) == {"ping": "failed"}
    assert checks["ping"].text == "not reached: no connection (refused or unreachable)"


async def test_an_adapter_that_acknowledges_nothing_fails(world: World) -> None:
    world.partner.misconduct.dropped = 9
    checks = await run(world, seconds=2.0)
    assert verdicts(checks) == {"ping": "ok", "message": "failed"}
    assert "no valid acknowledgment came in time" in checks["message"].text


async def test_an_acknowledgment_with_a_broken_signature_does_not_pass(world: World) -> None:
    world.partner.misconduct.tampered = 1
    assert verdicts(await run(world, seconds=0.5))["message"] == "failed"


async def test_an_adapter_that_does_not_answer_a_repeat_fails(world: World) -> None:
    task = asyncio.create_task(run(world, seconds=1.0), name="test")
    while not world.partner.received:  # noqa: ASYNC110 - the simulated partner only counts
        await asyncio.sleep(0.005)
    world.partner.misconduct.dropped = 9
    checks = await task
    assert verdicts(checks)["repeat"] == "failed"
    assert "a lost acknowledgment would never be mended" in checks["repeat"].text


async def test_an_action_that_no_agreement_has_is_said_before_anything_is_sent(world: World) -> None:
    with pytest.raises(ConfigError, match="no agreement in force lets us send niets"):
        await run(world, Trial(action="niets", payload=b"<x/>"))


@pytest.mark.rule("DK-26", "DK-27")
async def test_between_two_bridges_everything_passes_the_status_too(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_pair(tmp_path, pki, clock, profile="osb-rm-e") as pair:

        async def answer() -> None:
            while True:
                await pair.theirs.worker.run_until_idle()
                await asyncio.sleep(0.02)

        answering = asyncio.create_task(answer(), name="answer")
        bridge = pair.ours.bridge
        checks = await try_partner(
            bridge,
            bridge.settings.partners[0],
            trial=Trial(action="vraag", payload=b"<proef/>"),
            within=timedelta(seconds=10),
            by=BY,
            reason="new adapter",
        )
        answering.cancel()
        assert [(c.name, c.verdict) for c in checks] == [
            (name, "ok") for name in ("ping", "message", "repeat", "status")
        ]


# --- on the command line


async def command(world: World, *arguments: str) -> Result:
    config = str(world.folder / "bridge.toml")
    return await asyncio.to_thread(CliRunner().invoke, make_app(), [*arguments, "--config", config])


def documents(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


async def test_the_list_shows_agreements_and_how_sending_goes(world: World) -> None:
    ended = await command(world, "partner", "list", "--json")
    assert ended.exit_code == 0, ended.stderr
    row, hub = documents(ended)
    assert (row["name"], row["party"], row["sending"]) == (POLICE.name, POLICE.oin, "good")
    assert (hub["name"], hub["sending"]) == ("hub", "good")
    assert row["agreements"] == world.bridge.agreements.agreements[0].cpa_id


@pytest.mark.parametrize("named", [POLICE.name, POLICE.oin, "hub"])
async def test_a_partner_and_the_hub_are_paused_and_resumed(world: World, named: str) -> None:
    def sending() -> dict[str, str]:
        ended = CliRunner().invoke(
            make_app(), ["partner", "list", "--json", "--config", str(world.folder / "bridge.toml")]
        )
        return {row["name"]: row["sending"] for row in documents(ended)}

    hold = ("partner", "pause", named)
    assert (await command(world, *hold)).exit_code == 2, "not without a reason"
    assert (await command(world, *hold, "--dry-run")).exit_code == 0
    assert set((await asyncio.to_thread(sending)).values()) == {"good"}

    assert (await command(world, *hold, "--reason", "onderhoud")).exit_code == 0

    shown = await asyncio.to_thread(sending)
    about = "hub" if named == "hub" else POLICE.name
    assert shown[about].endswith(": onderhoud")
    assert [name for name, said in shown.items() if said != "good"] == [about]
    assert (await command(world, "partner", "resume", named, "--reason", "klaar")).exit_code == 0
    assert set((await asyncio.to_thread(sending)).values()) == {"good"}


async def test_an_endpoint_that_is_held_says_from_when_it_is_tried_again(world: World) -> None:
    for _ in range(9):
        world.bridge.store.write_sync(
            lambda tx: note_failure(tx, POLICE.oin, reason="it does not answer", at=datetime.now(UTC))
        )
    row = documents(await command(world, "partner", "list", "--json"))[0]
    assert "failed 9 times: it does not answer; tried again from " in row["sending"]


@pytest.mark.rule("DK-27")
@pytest.mark.parametrize("named", [POLICE.oin, POLICE.name])
async def test_a_partner_is_pinged_by_its_oin_or_its_name(world: World, named: str) -> None:
    ended = await command(world, "partner", "ping", named, "--json")
    assert ended.exit_code == 0, ended.stderr
    assert documents(ended)[0]["reached"] == "answered"


async def test_a_partner_that_is_not_reached_gives_exit_code_1(world: World) -> None:
    await world.partner.stop()
    ended = await command(world, "partner", "ping", POLICE.oin, "--json", "--within", "0.2")
    assert (ended.exit_code, documents(ended)[0]["reached"]) == (1, "unreachable")


async def test_the_test_prints_each_check(world: World, tmp_path: Path) -> None:
    payload = tmp_path / "proef.xml"
    payload.write_bytes(b"<proef/>")
    more = ("--action", "vtTerugkoppeling", "--payload", str(payload), "--within", "5")
    ended = await command(world, "partner", "test", POLICE.name, "--json", *more)
    assert ended.exit_code == 0, ended.stderr
    assert [(d["name"], d["verdict"]) for d in documents(ended)][:3] == [
        ("ping", "ok"),
        ("message", "ok"),
        ("repeat", "ok"),
    ]


@pytest.mark.rule("DK-26")
async def test_the_status_of_a_sent_message_is_asked_from_the_command_line(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_pair(tmp_path, pki, clock, profile="osb-rm", sync=True) as pair:
        row = await pair.ours.send(b"<a/>")
        await pair.work()
        config = str(tmp_path / pair.ours.organisation.stem / "bridge.toml")
        ended = await asyncio.to_thread(
            CliRunner().invoke,
            make_app(),
            ["message", "status", row.message_id, "--json", "--config", config],
        )
        assert ended.exit_code == 0, ended.stderr
        assert documents(ended)[0]["status"] in ("Received", "Processed")


async def test_an_unknown_partner_is_said_in_words(world: World) -> None:
    ended = await command(world, "partner", "ping", "nobody")
    assert ended.exit_code == 1
    assert "there is no partner 'nobody'" in str(ended.exception)
