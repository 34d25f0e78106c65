"""The commands that mend, on the settings of a whole bridge."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bridge.cli.assemble import assemble
from bridge.config import load_settings
from bridge.demo import BRIDGE, CPA_ID, MAPPINGS, POLICE, SAMPLE, write_settings
from bridge.flow.exchange import settle_exchange
from bridge.ids import ConversationId, CpaId, Key, MessageId
from bridge.pki import Pki
from bridge.store.blobs import put_blob
from bridge.store.channels import find_channel
from bridge.store.exchanges import open_exchange
from bridge.store.jobs import add_job, bury_job, claim_jobs
from bridge.store.keys import KeyMaker
from bridge.store.messages import add_message, add_payload, get_message
from bridge.store.rows import (
    Direction,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    MendRun,
    Message,
    MessageState,
    Payload,
    RunState,
    RunWhat,
)
from bridge.store.runs import add_run, get_run
from bridge.store.unit import Store
from tests.conftest import Clock

WANTED = ("vt-melding.map.yaml", "vt-terugkoppeling.map.yaml")
REASON = ("--reason", "mapping mended")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Path:
    """Settings, keys, an agreement, the two mappings of the main job and an empty store."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(pki.directory, folder / "certs")
    for file in (MAPPINGS / "vocabulary.yaml", *(MAPPINGS / "stuf-jz").rglob("*")):
        name = file.relative_to(MAPPINGS)
        wanted = not name.name.endswith(".map.yaml") or name.name in WANTED
        if file.is_file() and wanted and not any(part.endswith(".cases") for part in name.parts):
            (folder / "mappings" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / "mappings" / name)
    config = write_settings(folder, pki, partner_url="https://localhost:9/e", hub_url="https://localhost:9")

    async def start() -> None:
        async with assemble(load_settings(config, environment={})):
            """Only to make the store."""

    asyncio.run(start())
    text = config.read_text(encoding="utf-8")
    start_of = text.index("[mappings]")
    end = text.index("\n", text.index("folder", start_of))
    config.write_text(text[:start_of] + '[mappings]\nfolder = "mappings"' + text[end:], encoding="utf-8")
    return folder


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "bridge.toml"


@pytest.fixture
def store(config: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{config.parent / 'bridge.sqlite3'}") as store:
        yield store


@pytest.fixture
def parked(store: Store, clock: Clock) -> tuple[Key, Key]:
    """An exchange and its message, which no mapping took at the time."""
    keys, now = KeyMaker(), clock()
    exchange, key = keys(now), keys(now)

    def work(tx: Connection) -> None:
        open_exchange(
            tx,
            Exchange(
                key=exchange,
                direction=ExchangeDirection.TO_HUB,
                started_at=now,
                changed_at=now,
                partner=POLICE.oin,
                title="vtMelding",
                state=ExchangeState.RUNNING,
            ),
        )
        add_message(
            tx,
            Message(
                key=key,
                exchange=exchange,
                direction=Direction.IN,
                kind="business",
                message_id=MessageId("1@politie.example"),
                conversation_id=ConversationId("conversation"),
                cpa_id=CpaId(CPA_ID),
                from_party=POLICE.oin,
                to_party=BRIDGE.oin,
                service="urn:vtMelding",
                action="vtMelding",
                state=MessageState.PARKED,
                reason="no mapping takes 12345",
                at=now,
                changed_at=now,
            ),
        )
        blob, size = put_blob(tx, SAMPLE.read_bytes())
        part = Payload(
            message=key, position=0, content_id="a@b", content_type="text/xml", blob=blob, size=size
        )
        add_payload(tx, part)
        settle_exchange(tx, exchange, at=now)

    store.write_sync(work)
    return exchange, key


def test_dry_run_shows_what_a_replay_would_do(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("message", "replay", "1@politie.example", "--dry-run", "--json") == 0
    (document,) = shell.documents()
    assert (document["dryRun"], document["done"]) == (True, False)
    assert {effect["kind"] for effect in document["effects"]} == {"offer", "resource"}
    shell.run("message", "list", "--json")
    assert shell.documents()[0]["state"] == "parked"


def test_replay_mends_and_is_audited(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("message", "replay", parked[1], *REASON) == 0
    shell.run("message", "list", "--json")
    assert shell.documents()[0]["state"] == "mapped"
    shell.run("audit", "list", "--json", "--action", "message.replayed")
    assert [line["reason"] for line in shell.documents()] == ["mapping mended"]


def test_mending_asks_for_a_reason(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("message", "replay", parked[1]) == 2
    assert shell.run("exchange", "resolve", parked[0]) == 2


def test_what_cannot_be_mended_is_a_failure_in_a_sentence(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("message", "resend", parked[1], *REASON) == 1
    assert "only a failed or expired one is sent again" in shell.err


def test_causes_group_what_needs_a_person(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("exchange", "causes", "--json") == 0
    (cause,) = shell.documents()
    assert (cause["count"], cause["reason"], cause["example"]) == (1, "no mapping takes …", parked[0])


def test_cause_is_mended_as_a_whole_with_a_limit(shell: Any, parked: tuple[Key, Key]) -> None:
    shell.run("exchange", "causes", "--json")
    cause = shell.documents()[0]["cause"]
    assert shell.run("exchange", "mend", "--cause", cause, *REASON) == 2
    assert shell.run("exchange", "mend", "--cause", cause, "--limit", "5", *REASON, "--json") == 0
    (run,) = shell.documents()
    assert (run["cause"], run["state"], run["done"], run["failed"]) == (cause, "done", [parked[0]], [])


def test_dry_run_of_a_cause_counts_what_would_happen(shell: Any, parked: tuple[Key, Key]) -> None:
    shell.run("exchange", "causes", "--json")
    cause = shell.documents()[0]["cause"]
    asked = ("--cause", cause, "--limit", "5", "--dry-run", "--json")
    assert shell.run("exchange", "mend", *asked) == 0
    (plan,) = shell.documents()
    assert (plan["dryRun"], plan["total"], plan["impossible"]) == (True, 1, [])
    assert plan["effects"] == {"offer": 1, "resource": 1}
    shell.run("exchange", "causes", "--json")
    assert shell.documents()[0]["cause"] == cause


def test_a_cause_is_taken_up_and_let_go(shell: Any, parked: tuple[Key, Key]) -> None:
    shell.run("exchange", "causes", "--json")
    cause = shell.documents()[0]["cause"]
    assert shell.run("exchange", "take", cause) == 2
    assert shell.run("exchange", "take", cause, "--reason", "I call them") == 0
    shell.run("exchange", "causes", "--json")
    (found,) = shell.documents()
    assert found["turn"] == "integrator"
    assert found["owner"].endswith("(command)")
    assert shell.run("exchange", "take", cause, "--drop", "--reason", "done") == 0
    assert shell.run("exchange", "take", cause, "--drop", "--reason", "done") == 1


def test_one_or_many_but_not_both(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("exchange", "mend", *REASON) == 2
    assert shell.run("exchange", "mend", parked[0], "--cause", "x", "--limit", "1", *REASON) == 2


def test_settled_exchange_is_done(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("exchange", "resolve", parked[0], "--reason", "phoned") == 0
    shell.run("exchange", "show", parked[0], "--json")
    assert shell.documents()[0]["state"] == "done"


def test_dead_job_is_revived(shell: Any, store: Store, parked: tuple[Key, Key], clock: Clock) -> None:
    key, now = KeyMaker()(clock()), clock()

    def work(tx: Connection) -> None:
        add_job(tx, key=key, kind="map", subject_key=parked[1], due=now, at=now)
        (job,) = claim_jobs(tx, now=now, worker="w", lease=timedelta(minutes=1), limit=1)
        bury_job(tx, job, reason="surprise", at=now)

    store.write_sync(work)
    assert shell.run("job", "revive", key, *REASON) == 0
    shell.run("job", "show", key, "--json")
    assert shell.documents()[0]["state"] == "ready"


@pytest.mark.parametrize("verb", [("event", "retry"), ("event", "release"), ("job", "revive")])
def test_unknown_id_is_a_failure(shell: Any, parked: tuple[Key, Key], verb: tuple[str, str]) -> None:
    assert shell.run(*verb, "nothing", *REASON) == 1
    assert "list` shows what there is" in shell.err


def test_partner_is_paused_with_a_reason_and_resumed(shell: Any, store: Store) -> None:
    assert shell.run("partner", "pause", POLICE.oin) == 2
    assert shell.run("partner", "pause", POLICE.oin, "--dry-run") == 0
    assert store.read_sync(lambda tx: find_channel(tx, POLICE.oin)) is None
    assert shell.run("partner", "pause", POLICE.oin, "--reason", "new servers") == 0
    paused = store.read_sync(lambda tx: find_channel(tx, POLICE.oin))
    assert paused is not None and paused.reason == "new servers"
    shell.run("now", "--json")
    assert [one["endpoint"] for one in shell.documents()[0]["endpoints"]] == [POLICE.oin]
    assert shell.run("partner", "resume", POLICE.oin, "--reason", "they are back") == 0
    resumed = store.read_sync(lambda tx: find_channel(tx, POLICE.oin))
    assert resumed is not None and not resumed.paused
    shell.run("audit", "list", "--json", "--target", POLICE.oin)
    assert [line["action"] for line in shell.documents()] == ["partner.resumed", "partner.paused"]


@pytest.fixture
def slip(config: Path) -> None:
    """A mistake in a mapping file, as somebody makes it at the end of a day."""
    file = next((config.parent / "mappings").rglob("vt-melding.map.yaml"))
    file.write_text(file.read_text(encoding="utf-8") + "\nrows: [oops\n", encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        ("partner", "list"),
        ("partner", "pause", POLICE.oin, "--reason", "maintenance"),
        ("cpa", "list"),
        ("message", "open", "1@politie.example"),
        ("exchange", "resolve", "1@politie.example", "--reason", "by phone"),
    ],
    ids=" ".join,
)
def test_a_mistake_in_a_mapping_stops_no_command_that_maps_nothing(
    shell: Any, parked: tuple[Key, Key], slip: None, command: tuple[str, ...]
) -> None:
    assert shell.run(*command) == 0
    assert "without mappings, since they are refused: " in shell.err
    assert "vt-melding.map.yaml" in shell.err


@pytest.mark.parametrize("verb", [("message", "replay"), ("exchange", "mend"), ("exchange", "refuse")])
def test_a_mistake_in_a_mapping_stops_what_maps(
    shell: Any, store: Store, parked: tuple[Key, Key], slip: None, verb: tuple[str, str]
) -> None:
    assert shell.run(*verb, "1@politie.example", *REASON) == 1
    assert "vt-melding.map.yaml" in shell.err
    assert store.read_sync(lambda tx: get_message(tx, parked[1])).state is MessageState.PARKED


def test_hub_is_paused_like_a_partner_and_a_stranger_is_not(shell: Any, store: Store) -> None:
    assert shell.run("partner", "pause", "hub", "--reason", "maintenance") == 0
    assert shell.run("partner", "pause", "nobody", "--reason", "maintenance") == 1
    shell.run("partner", "list", "--json")
    hub = next(row for row in shell.documents() if row["party"] == "hub")
    assert "maintenance" in hub["sending"]


def test_resuming_a_partner_that_is_not_paused_says_so_and_is_no_failure(shell: Any, store: Store) -> None:
    assert shell.run("partner", "resume", POLICE.oin, "--reason", "they are back", "--json") == 0
    assert "is not paused" in shell.err
    assert shell.documents()[0]["done"] is False
    shell.run("audit", "list", "--json")
    assert shell.documents() == []


def test_partner_of_half_a_name_is_told_what_is_wanted(shell: Any, store: Store) -> None:
    assert shell.run("partner", "pause", POLICE.name.split()[0], "--reason", "new servers") == 1
    assert "PartyId (OIN) or its whole name" in shell.err
    assert f'did you mean "{POLICE.name}"' in shell.err


def test_answer_does_not_come_with_what_stands_out_in_the_agreements(
    shell: Any, store: Store, config: Path
) -> None:
    shell.run("check")
    assert "port 443" in shell.out
    shell.run("partner", "list")
    assert "agreement.finding" not in shell.err


def test_now_counts_what_needs_a_person(shell: Any, parked: tuple[Key, Key]) -> None:
    assert shell.run("now", "--json") == 0
    (document,) = shell.documents()
    assert document["needPerson"] >= 1
    assert sum(flow["attention"] for flow in document["flows"]) == document["needPerson"]
    assert shell.run("now") == 0
    assert "Per partner" in shell.out


def test_agreements_in_use_are_listed(shell: Any, store: Store) -> None:
    assert shell.run("cpa", "list", "--json") == 0
    assert CPA_ID in [document["cpaId"] for document in shell.documents()]


def test_run_is_listed_shown_and_cannot_be_stopped_when_it_ended(shell: Any, parked: tuple[Key, Key]) -> None:
    shell.run("exchange", "causes", "--json")
    cause = shell.documents()[0]["cause"]
    shell.run("exchange", "mend", "--cause", cause, "--limit", "5", *REASON)
    assert shell.run("run", "list", "--json") == 0
    (run, *_) = shell.documents()
    assert (run["reason"], run["waiting"]) == ("mapping mended", 0)
    assert shell.run("run", "show", run["key"], "--json") == 0
    assert "notDone" in shell.documents()[0]
    assert shell.run("run", "stop", run["key"]) == 2
    assert shell.run("run", "stop", run["key"], "--reason", "too late") == 1
    assert "ended already" in shell.err


def test_run_that_is_under_way_is_stopped(
    shell: Any, store: Store, parked: tuple[Key, Key], clock: Clock
) -> None:
    run = MendRun(
        key=KeyMaker()(clock.now),
        at=clock.now,
        by="anna",
        role="operator",
        way="console",
        what=RunWhat.MEND,
        cause="c",
        reason="r",
    )
    store.write_sync(lambda tx: add_run(tx, run, [parked[0]]))
    assert shell.run("run", "stop", run.key, "--reason", "wrong mapping") == 0
    assert store.read_sync(lambda tx: get_run(tx, run.key)).state is RunState.STOPPED
