"""`bridge announce`: what an operator tells becomes an event that waits to be offered."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import BRIDGE, write_settings
from bridge.hub.profile import Mode, check_event, default_profile
from bridge.hub.reader import read_structured
from bridge.pki import Pki
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.events import EventFilter, list_events
from bridge.store.jobs import JobFilter, list_jobs
from bridge.store.rows import Event
from bridge.store.unit import Store

FROM, UNTIL = ("--from", "2026-11-23T22:00"), ("--until", "2026-11-24T02:00")
CONTACT = ("contact", "--mail", "beheer@example.nl", "--phone", "070-1234567")


@pytest.fixture
def config(tmp_path: Path, pki: Pki) -> Path:
    shutil.copytree(pki.directory, tmp_path / "certs")
    return write_settings(tmp_path, pki, partner_url="https://localhost:9/e", hub_url="https://localhost:9")


def told(config: Path) -> list[Event]:
    with Store.open(f"sqlite:///{config.parent / 'bridge.sqlite3'}", create=True) as store:
        return list(store.read_sync(lambda tx: list_events(tx, EventFilter(), limit=10)))


@pytest.mark.rule("SOH-163")
@pytest.mark.parametrize(
    ("arguments", "type", "data"),
    [
        (
            ("maintenance", *FROM, *UNTIL, "--text", "Nieuwe versie"),
            "beheer.onderhoud-aangekondigd",
            {
                "omschrijving": "Nieuwe versie",
                "begin": "2026-11-23T21:00:00Z",
                "einde": "2026-11-24T01:00:00Z",
            },
        ),
        (
            ("change", "--from", "2026-12-01", "--text", "De API wordt versie 1.1"),
            "beheer.wijziging-aangekondigd",
            {"omschrijving": "De API wordt versie 1.1", "ingangsmoment": "2026-11-30T23:00:00Z"},
        ),
        (
            CONTACT,
            "beheer.contactpunt-gewijzigd",
            {"mail": "beheer@example.nl", "telefoon": "070-1234567"},
        ),
    ],
)
def test_an_announcement_is_an_event_that_waits_to_be_offered(
    shell: Any, config: Path, arguments: tuple[str, ...], type: str, data: dict[str, str]
) -> None:
    assert shell.run("announce", *arguments, "--json") == 0, shell.err

    [row] = told(config)
    event = read_structured(row.body)
    assert json.loads(shell.out) == {"id": row.id, "type": type, "state": "created", "reason": ""}
    assert (event.type, event.data) == (type, data)
    assert event.source.startswith(f"urn:nld:oin:{BRIDGE.oin}:")
    assert check_event(event, Mode.PUBLISH, profile=default_profile()) == ()
    with Store.open(f"sqlite:///{config.parent / 'bridge.sqlite3'}") as store:
        [job] = store.read_sync(lambda tx: list_jobs(tx, JobFilter(), limit=10))
        [line] = store.read_sync(lambda tx: list_audit(tx, AuditFilter(), limit=10))
    assert (job.kind, job.subject_key) == ("publish", row.key)
    assert (line.action, line.target) == ("fact.announced", row.id)


@pytest.mark.rule("SOH-32")
@pytest.mark.parametrize(
    "arguments",
    [
        ("maintenance", *FROM, *UNTIL, "--text", "Zie 999990019"),
        ("maintenance", "--from", UNTIL[1], "--until", FROM[1], "--text", "x"),
        ("maintenance", "--from", "straks", *UNTIL, "--text", "x"),
    ],
)
def test_what_cannot_be_told_is_wrong_use_and_tells_nothing(
    shell: Any, config: Path, arguments: tuple[str, ...]
) -> None:
    assert shell.run("announce", *arguments) == 2
    assert told(config) == []
    assert "999990019" not in shell.out + shell.err
