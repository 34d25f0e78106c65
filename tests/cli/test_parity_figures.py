"""Of one store a page and its command tell the same numbers, and give the same files octet for octet."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bridge.cli.assemble import assemble
from bridge.cli.main import main
from bridge.flow.mend_model import Actor, write_audit
from bridge.store.access import add_access
from bridge.store.jobs import add_job, bury_job, claim_jobs
from bridge.store.rows import AccessOutcome, ExchangeDirection, ExchangeState, JobState, Role
from tests.browser.scene import lookup
from tests.web.console.conftest import (  # noqa: F401 - the console on a store of its own
    NOW,
    SAFE_AT_HOME,
    bridge,
    browser,
    closed,
    enter,
    mappings,
    options,
    person,
    runner,
    seeder,
    store,
    whole,
)

ANNA = Actor(name="anna", role="operator")
START, LEASE = NOW - timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def command(
    whole: Any,  # noqa: F811
    bridge: Any,  # noqa: F811
    mappings: Any,  # noqa: F811
    tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """Runs a command on the store that the console shows, at the same moment."""
    monkeypatch.setenv("BRIDGE__STORE__URL", f"sqlite:///{tmp_path / 'bridge.sqlite3'}")
    monkeypatch.setenv("BRIDGE__MAPPINGS__FOLDER", str(mappings))
    monkeypatch.setattr("bridge.cli.mending.assemble", partial(assemble, now=lambda: NOW))
    config = whole[1].parent / "bridge.toml"

    async def run(*arguments: str) -> str:
        code = await asyncio.to_thread(main, [*arguments, "--config", str(config)])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    return run


@pytest.fixture
def day(seeder: Any, store: Any) -> None:  # noqa: F811
    """Something of everything: two partners, both ways, what went well, what waits, what stopped, and jobs."""
    for _ in range(4):
        seeder.arrived()
    for _ in range(3):
        seeder.parked()
    seeder.waiting()
    seeder.waiting(partner=SAFE_AT_HOME)
    seeder.exchange(
        partner=SAFE_AT_HOME,
        direction=ExchangeDirection.TO_PARTNER,
        state=ExchangeState.ATTENTION,
        reason="no acknowledgment came in 5 attempts before TimeToLive",
    )
    for kind, number in (("map", 2), ("deliver", 3), ("publish", 1)):
        for _ in range(number):
            add_one(seeder, store, kind)
    add_one(seeder, store, "deliver", dead=True)


def add_one(seeder: Any, store: Any, kind: str, *, dead: bool = False) -> None:  # noqa: F811
    """A job about a message, ready or given up."""
    message = seeder.message(seeder.exchange(state=ExchangeState.DONE))

    def work(tx: Any) -> None:
        if not dead:
            add_job(tx, key=seeder.keys(NOW), kind=kind, subject_key=message.key, due=NOW, at=NOW)
            return
        add_job(tx, key=seeder.keys(NOW), kind=kind, subject_key=message.key, due=START, at=START)
        (job,) = claim_jobs(tx, now=START, worker="w", lease=LEASE, limit=1)
        bury_job(tx, job, reason="surprise", at=NOW)

    store.write_sync(work)


def rows_of(page: str, cells: str = r"<td[^>]*>(.*?)</td>") -> list[tuple[str, list[str]]]:
    """Of each row of a page its heading and its cells, as text."""
    found = re.findall(r'<tr role="row"[^>]*><th role="rowheader"[^>]*>(.*?)</th>(.*?)</tr>', page, re.S)
    plain = partial(re.sub, r"<[^>]+>", "")
    return [
        (plain(head).strip(), [plain(one).strip() for one in re.findall(cells, rest)]) for head, rest in found
    ]


async def test_flow_of_the_first_page_is_that_of_the_command(
    browser: Any,  # noqa: F811
    command: Any,
    day: None,
    options: Any,  # noqa: F811
) -> None:
    flows = json.loads(await command("now", "--json"))["flows"]
    names = ("toHubHour", "toHubDay", "toPartnerHour", "toPartnerDay", "running", "attention")
    told = {options.party_names[flow["partner"]]: [str(flow[name]) for name in names] for flow in flows}
    shown = {name: cells[:6] for name, cells in rows_of(await browser.get("/"))}
    assert shown == told
    assert len(shown) == 2
    assert {name: cells[4:] for name, cells in shown.items()} == {
        "Politie Eenheid Oost": ["1", "3"],
        "Veilig Thuis Oost": ["1", "1"],
    }


async def test_what_waits_for_a_person_is_as_many_everywhere(
    browser: Any,  # noqa: F811
    command: Any,
    day: None,
) -> None:
    now = json.loads(await command("now", "--json"))
    causes = [json.loads(line) for line in (await command("exchange", "causes", "--json")).splitlines()]
    page = await browser.get("/attention")
    shown = dict(re.findall(r'<h3><a href="/attention/(\w+)">.*?<strong>(\d+)', page, re.S))
    assert shown == {cause["cause"]: str(cause["count"]) for cause in causes}
    assert (now["needPerson"], now["causes"]) == (4, 2)
    badge = re.search(r'id="waiting" data-n="(\d+)"', page)
    assert badge is not None
    assert int(badge[1]) == now["attention"] == now["needPerson"] + len(now["conditions"]) > 4
    assert sum(map(int, shown.values())) == now["needPerson"]
    summed = re.search(r'<p class="facts-line">[^<0-9]*(\d+)', page)
    assert summed is not None
    assert int(summed[1]) == now["needPerson"]


async def test_what_is_slow_and_what_is_ready_is_as_much_in_both(
    browser: Any,  # noqa: F811
    command: Any,
    day: None,
) -> None:
    now = json.loads(await command("now", "--json"))
    page = await browser.get("/")
    ready = re.search(r'<a href="/jobs\?state=ready">[^<0-9]*(\d+)', page)
    slow = re.search(
        r'<a href="/exchanges\?state=running&amp;until=[^"]*"><svg.*?</svg> [^<0-9]*(\d+)', page, re.S
    )
    assert ready is not None
    assert int(ready[1]) == now["jobsReady"] == 6
    assert slow is not None
    assert int(slow[1]) == now["slow"] == 2


@pytest.mark.parametrize("state", [JobState.READY, JobState.DEAD])
async def test_jobs_per_kind_are_as_many_in_both(
    browser: Any,  # noqa: F811
    command: Any,
    day: None,
    state: JobState,
) -> None:
    lines = (await command("job", "list", "--state", state, "--json")).splitlines()
    told = Counter(json.loads(line)["kind"] for line in lines)
    page = await browser.get(f"/jobs?state={state}")
    assert Counter(head.split()[-1] for head, _ in rows_of(page)) == told
    assert told == ({"map": 2, "deliver": 3, "publish": 1} if state is JobState.READY else {"deliver": 1})


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_logs_are_exported_octet_for_octet_as_the_console_does(
    enter: Any,  # noqa: F811
    command: Any,
    bridge: Any,  # noqa: F811
    seeder: Any,  # noqa: F811
    store: Any,  # noqa: F811
    tmp_path: Any,
    form: str,
) -> None:
    store.write_sync(lambda tx: write_audit(tx, bridge, ANNA, "exchange.resolved", "x", "=gebeld, 999900092"))
    store.write_sync(lambda tx: add_access(tx, lookup(seeder, 1, AccessOutcome.DENIED)))
    officer = await enter(Role.PRIVACY)
    for log, narrow in (("audit", ("action", "exchange.resolved")), ("access", ("outcome", "denied"))):
        page = await officer.get(f"/{log}.{form}?{narrow[0]}={narrow[1]}")
        file = tmp_path / f"{log}.{form}"
        await command(log, "export", "--format", form, f"--{narrow[0]}", narrow[1], "--out", str(file))
        assert file.read_bytes() == page.encode()
        assert page.count("\n") == (2 if form == "csv" else 1)
        assert "999900092" not in page
    exported = (await command("audit", "list", "--action", "audit.exported", "--json")).splitlines()
    assert sorted(json.loads(line)["way"] for line in exported) == ["command", "console"]


@pytest.mark.parametrize("form", ["csv", "ics"])
async def test_certificates_are_exported_octet_for_octet_as_the_console_does(
    browser: Any,  # noqa: F811
    command: Any,
    tmp_path: Any,
    form: str,
) -> None:
    file = tmp_path / "certificates"
    await command("certs", "export", "--format", form, "--out", str(file))
    async with browser.ask("GET", f"/certificates.{form}") as answer:
        assert file.read_bytes() == await answer.read()
        assert answer.headers["Content-Digest"].startswith("sha-256=:")


async def test_export_without_a_file_goes_to_standard_output_and_never_over_a_file(
    command: Any,
    tmp_path: Any,
) -> None:
    assert (await command("certs", "export")).startswith("BEGIN:VCALENDAR\r\n")
    there = tmp_path / "there"
    there.write_text("kept", encoding="utf-8")
    with pytest.raises(AssertionError, match="Invalid value for --out"):
        await command("certs", "export", "--out", str(there))
    assert there.read_text(encoding="utf-8") == "kept"
