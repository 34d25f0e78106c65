"""`bridge message open`, `bridge event open` and `bridge person search`: masked, with a reason, written down."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from bridge.store import tables
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.events import get_event
from bridge.store.persons import index_person
from bridge.store.timeline import add_step
from bridge.store.unit import Store
from bridge.web.console.reveals import MOST_SEARCHES


@pytest.fixture
def lines(config: Path) -> Any:
    def read(action: str) -> Any:
        with Store.open(f"sqlite:///{config.parent / 'bridge.sqlite3'}") as store:
            return store.read_sync(lambda tx: list_audit(tx, AuditFilter(action=action)))

    return read


@pytest.fixture
def event(seed: Any, store: Store) -> str:
    """An event with a person in its data."""
    key = seed(0)[2]
    body = b'{"specversion": "1.0", "data": {"bsn": "999900092", "naam": "Jan de Vries"}}'
    store.write_sync(lambda tx: tx.execute(tables.event.update().values(body=body)))
    return str(key)


def test_opened_message_is_masked(shell: Any, seed: Any, lines: Any) -> None:
    seed(0)
    assert shell.run("message", "open", "0@politie.example") == 0
    assert "Vries" not in shell.out + shell.err
    assert "999900092" not in shell.out
    assert lines("content.revealed") == ()


def test_opened_message_is_a_document_for_scripts(shell: Any, seed: Any) -> None:
    seed(0)
    assert shell.run("message", "open", "0@politie.example", "--json") == 0
    (document,) = shell.documents()
    assert document["parts"][0]["place"] == "payload/0"
    assert "999900092" not in shell.out


@pytest.fixture
def refused(seed: Any, store: Store) -> Any:
    """An event that the hub refused in words that quote a person."""
    key = seed(0)[2]
    event = store.read_sync(lambda tx: get_event(tx, key))
    detail = {"event_id": event.id, "reason": "FUNCTIONEEL: …"}
    store.write_sync(
        lambda tx: add_step(
            tx,
            exchange=event.exchange,
            at=event.at,
            side="hub",
            what="event.refused",
            outcome="failed",
            detail=detail,
            told="Proefpersoon is onbekend",
        )
    )
    return event


@pytest.mark.parametrize("command", [("exchange", "show"), ("event", "show")])
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_that_a_peer_said_something_is_shown_and_not_what(
    shell: Any, refused: Any, command: tuple[str, str], json: tuple[str, ...]
) -> None:
    key = refused.key if command[0] == "event" else refused.exchange
    assert shell.run(*command, key, *json) == 0
    assert "told" in shell.out
    assert "onbekend" not in shell.out


def test_what_a_peer_said_is_opened_masked_and_revealed_with_a_reason(
    shell: Any, refused: Any, lines: Any
) -> None:
    assert shell.run("event", "open", refused.key) == 0
    assert "••• is onbekend" in shell.out
    assert "Proefpersoon" not in shell.out
    assert shell.run("event", "open", refused.key, "--reveal", "--reason", "hub asks", "--json") == 0
    (document,) = shell.documents()
    assert [line["value"] for line in document["told"]["lines"]][1] == "Proefpersoon is onbekend"
    assert [line.reason for line in lines("content.revealed")] == ["hub asks"]


def test_revealing_takes_a_reason_and_is_written_down(shell: Any, seed: Any, event: str, lines: Any) -> None:
    seed(60)
    assert shell.run("message", "open", "60@politie.example", "--reveal") == 2
    assert shell.run("message", "open", "60@politie.example", "--reveal", "--reason", "for 999990019") == 2
    assert lines("content.revealed") == ()
    assert shell.run("event", "open", event, "--reveal", "--reason", "request of the court") == 0
    assert "999900092" in shell.out
    (line,) = lines("content.revealed")
    assert (line.way, line.reason) == ("command", "request of the court")


def test_opened_event_is_masked(shell: Any, event: str) -> None:
    assert shell.run("event", "open", event) == 0
    assert "Vries" not in shell.out
    assert "9 digits, valid" in shell.out


@pytest.fixture
def person(config: Path, seed: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Types a BSN at the command; the first exchange is about 999990019."""
    exchange = seed(0)[0]
    key = config.parent / "person.key"
    key.write_bytes(b"k" * 32)
    with Store.open(f"sqlite:///{config.parent / 'bridge.sqlite3'}") as store:
        store.write_sync(lambda tx: index_person(tx, key.read_bytes(), "999990019", exchange))

    def type_(text: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return str(exchange)

    return type_


def test_person_index_says_how_much_it_saw(shell: Any, person: Any) -> None:
    assert shell.run("person", "index", "--json") == 0
    assert shell.documents() == [{"seen": 1}]


def test_person_is_found_by_a_bsn_that_is_piped_in(shell: Any, person: Any, lines: Any) -> None:
    exchange = person("9999.90.019\n")
    assert shell.run("person", "search", "--reason", "request of the court", "--json") == 0
    assert [document["key"] for document in shell.documents()] == [exchange]
    assert "999990019" not in shell.out + shell.err
    (line,) = lines("person.searched")
    assert (line.reason, dict(line.detail)) == ("request of the court", {"found": "1"})


def test_search_without_a_good_bsn_or_reason_is_wrong_use(shell: Any, person: Any, lines: Any) -> None:
    person("999990018")
    assert shell.run("person", "search", "--reason", "x") == 2
    assert "999990018" not in shell.err
    assert shell.run("person", "search", "--reason", "about 999990019") == 2
    assert lines("person.searched") == ()


def test_searching_too_often_is_refused(shell: Any, person: Any, lines: Any) -> None:
    for _ in range(MOST_SEARCHES):
        person("999990019")
        assert shell.run("person", "search", "--reason", "x", "--json") == 0
    person("999990019")
    assert shell.run("person", "search", "--reason", "x") == 1
    assert "an hour" in shell.err
    assert len(lines("person.search_refused")) == 1
