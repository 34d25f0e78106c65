"""Somebody with the database changes it by hand: what `bridge store verify` shows of it, and what it cannot show.

The statements are given to SQLite and PostgreSQL as they stand here, past everything of the bridge.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, make_url

from bridge.cli.main import main
from bridge.cli.store_log import Taken
from bridge.store import tables
from bridge.store.blobs import put_blob
from bridge.store.chain import add_seal, in_groups, next_seal
from bridge.store.exchanges import open_exchange
from bridge.store.messages import add_evidence, add_message, add_payload
from bridge.store.rows import Evidence, EvidenceKind, Message, Payload
from bridge.store.timeline import add_step
from bridge.store.unit import Store

_MARKED = "UPDATE blob SET purged_at = '2026-01-06T08:00:00.000000Z', data_key = NULL WHERE sha256 = "
_RUN = "INSERT INTO purge_run VALUES ('run-1', '2026-01-06T08:00:00.000000Z', 'x', 'x')"
_PURGED = (
    "INSERT INTO purged (exchange, content, run, at, items, octets, digests) SELECT exchange, '{}', 'run-1',"
    " '2026-01-06T08:00:00.000000Z', 1, 1, '{{}}' FROM message WHERE message_id = 'message-2@partner.example'"
)
_PAYLOAD = (
    "(SELECT blob FROM payload WHERE message ="
    " (SELECT key FROM message WHERE message_id = 'message-2@partner.example'))"
)
"""Message 2 of three has steps 3 and 4, evidence 3 and its acknowledgment 4, and seal 2 over them."""
_STEP = (
    "INSERT INTO step (seq, exchange, at, side, what, outcome, detail, by)"
    " SELECT {}, exchange, at, side, what, outcome, detail, by FROM step WHERE seq = 1"
)


def _octets(number: int) -> str:
    return f"(SELECT blob FROM evidence WHERE seq = {number})"


def _swap(one: str, other: str) -> tuple[str, ...]:
    """Which octets stand at these two addresses."""
    return (
        "CREATE TABLE kept AS SELECT sha256, octets FROM chunk",
        f"UPDATE chunk SET octets = (SELECT octets FROM kept WHERE sha256 = {other}) WHERE sha256 = {one}",
        f"UPDATE chunk SET octets = (SELECT octets FROM kept WHERE sha256 = {one}) WHERE sha256 = {other}",
        "DROP TABLE kept",
    )


SETTINGS = """
[store]
url = "{url}"
[hub]
base_url = "https://hub.example"
[identifiers]
namespace = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
person_key_file = "person.key"
[[own_parties]]
name = "De brug"
party_id = "00000004445556667000"
certificate = "own.pem"
key = "own.key"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    does: tuple[str, ...]
    shown: tuple[str, ...]
    """The faults that `bridge store verify` names."""
    with_log: tuple[str, ...] = ()
    """What it names besides with a log that is elsewhere."""


CASES = {
    "a step is changed": Case(
        does=("UPDATE step SET outcome = 'failed' WHERE seq = 3",), shown=("step 3: was changed (seal 2)",)
    ),
    "a note on the timeline is changed": Case(
        does=('UPDATE step SET detail = \'{"reason": "other"}\' WHERE seq = 4',),
        shown=("step 4: was changed (seal 2)",),
    ),
    "a step is removed": Case(
        does=("DELETE FROM step WHERE seq = 3",), shown=("step 3: was removed (seal 2)",)
    ),
    "another step is put in the place of one": Case(
        does=("DELETE FROM step WHERE seq = 4", _STEP.format(4)),
        shown=("step 4: was changed (seal 2)",),
    ),
    "a step is slipped in below the first": Case(
        does=(_STEP.format(0),), shown=("step 0: was added afterwards",)
    ),
    "a payload is marked as purged": Case(
        does=(f"DELETE FROM chunk WHERE sha256 = {_PAYLOAD}", f"{_MARKED}{_PAYLOAD}"),
        shown=("payload 1 of message {key}: its octets were removed, and by no purge",),
    ),
    "a payload is marked as purged, with a run that says so": Case(
        does=(
            f"DELETE FROM chunk WHERE sha256 = {_PAYLOAD}",
            f"{_MARKED}{_PAYLOAD}",
            _RUN,
            _PURGED.format("payload"),
        ),
        shown=(
            "payload 1 of message {key}: its octets were removed, and by no purge",
            "exchange {exchange}: is said to be purged of its payload, and was by no purge",
        ),
    ),
    "evidence that is there is hidden as if it were purged": Case(
        does=(_RUN, _PURGED.format("evidence")),
        shown=("exchange {exchange}: is said to be purged of its evidence, and was by no purge",),
    ),
    "the octets of an acknowledgment are changed": Case(
        does=(f"UPDATE chunk SET octets = CAST('<other/>' AS {{octets}}) WHERE sha256 = {_octets(4)}",),
        shown=("evidence 4: its octets were changed",),
    ),
    "an acknowledgment becomes that of another message": Case(
        does=(f"UPDATE evidence SET blob = {_octets(2)} WHERE seq = 4",),
        shown=("evidence 4: was changed (seal 2)",),
    ),
    "two bodies are swapped": Case(
        does=_swap(_octets(1), _octets(3)),
        shown=("evidence 1: its octets were changed", "evidence 3: its octets were changed"),
    ),
    "a payload is swapped with another": Case(
        does=_swap(_PAYLOAD, _octets(4)),
        shown=(
            "evidence 4: its octets were changed",
            "payload 1 of message {key}: its octets were changed",
        ),
    ),
    "the end of the journal is cut off with its seal": Case(
        does=(
            "DELETE FROM step WHERE seq > 4",
            "DELETE FROM evidence WHERE seq > 4",
            "DELETE FROM seal WHERE number > 2",
        ),
        shown=(),
        with_log=(
            "seal 3: was noted and is not there: the end was cut off, or an older copy of the store put in place",
        ),
    ),
    "a message is removed with all that tells of it": Case(
        does=(
            "DELETE FROM step WHERE seq > 4",
            "DELETE FROM evidence WHERE seq > 4",
            "DELETE FROM seal WHERE number > 2",
            "DELETE FROM payload WHERE message = (SELECT key FROM message WHERE message_id LIKE 'message-3@%')",
            "DELETE FROM exchange WHERE key = (SELECT exchange FROM message WHERE message_id LIKE 'message-3@%')",
            "DELETE FROM message WHERE message_id LIKE 'message-3@%'",
        ),
        shown=(),
        with_log=(
            "seal 3: was noted and is not there: the end was cut off, or an older copy of the store put in place",
            "lost: message message-3@partner.example (submit) of 00000000000000000101, taken in at 2026-01-05",
        ),
    ),
    # What no chain can show, as the guide says.
    "a line is added at the end": Case(does=(_STEP.format(1000),), shown=()),
    "the state and the reason of a message are changed": Case(
        does=("UPDATE message SET state = 'refused', reason = 'other'",), shown=()
    ),
    "a hold is taken away": Case(does=("DELETE FROM hold",), shown=()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A store with three messages, each with a seal, and its log. The second is what is spoken of."""

    url: str
    config: Path
    log: Path
    key: str
    exchange: str

    def execute(self, statement: str) -> None:
        """Past the bridge."""
        if self.url.startswith("sqlite"):
            text = statement.replace("{octets}", "BLOB")
            with closing(sqlite3.connect(str(make_url(self.url).database))) as tx:
                tx.execute(text)
                tx.commit()
            return
        url = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.replace("{octets}", "bytea"))  # type: ignore[arg-type]


@pytest.fixture
def kept(url: str, open_store: Callable[..., Store], make: Any, tmp_path: Path) -> Kept:
    log, messages = list[dict[str, Any]](), [make.message() for _ in range(3)]
    with open_store(url) as store:
        for message in messages:
            store.write_sync(partial(_write, make=make, message=message))
            log.append(
                {"event": "message.received", "outcome": "accepted", "timestamp": "2026-01-05"}
                | {"message_id": message.message_id, "exchange": message.exchange}
                | {"from_party": message.from_party, "action": message.action}
            )
            seal = store.read_sync(partial(next_seal, at=make.now))
            assert seal is not None and store.write_sync(partial(add_seal, seal=seal))
            log.append({"event": "journal.sealed", "number": seal.number, "digest": in_groups(seal.digest)})
    config, file = tmp_path / "bridge.toml", tmp_path / "bridge.log"
    config.write_text(SETTINGS.format(url=url), encoding="utf-8")
    file.write_text("".join(json.dumps(line) + "\n" for line in log), encoding="utf-8")
    return Kept(url=url, config=config, log=file, key=messages[1].key, exchange=messages[1].exchange)


def _write(tx: Any, make: Any, message: Message) -> None:
    key, at = message.exchange, make.now
    open_exchange(tx, make.exchange(key=key))
    tx.execute(insert(tables.hold).values(exchange=key, at=at, by="x", reason="x"))
    add_message(tx, message)
    for kind in (EvidenceKind.RECEIVED, EvidenceKind.ANSWER):
        blob, _ = put_blob(tx, f"<{kind} {message.message_id}/>".encode())
        add_evidence(tx, Evidence(message=message.key, kind=kind, headers="", blob=blob, at=at))
    blob, size = put_blob(tx, f"<payload {message.message_id}/>".encode())
    part = {"position": 0, "content_id": message.message_id, "content_type": "text/xml"}
    add_payload(tx, Payload(message=message.key, blob=blob, size=size, **part))  # type: ignore[arg-type]
    for what in ("message.received", "answer.stored"):
        add_step(tx, exchange=key, at=at, side="ebms", what=what, outcome="ok")


def verify(kept: Kept, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """What the command names. Its exit code says whether it names something."""
    capsys.readouterr()
    code = main(["store", "verify", "--json", "--config", str(kept.config), *more])
    (found,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    named = [*found["faults"], *(str(Taken(**one)) for one in found["lost"])]
    assert code == (1 if named else 0)
    return named


def test_what_nobody_changed_is_good(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(kept, capsys, "--log", str(kept.log)) == []


@pytest.mark.parametrize("name", CASES)
def test_what_was_changed_by_hand_is_named_or_the_guide_says_that_it_cannot_be(
    kept: Kept, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    for statement in case.does:
        kept.execute(statement)

    shown = [text.format(key=kept.key, exchange=kept.exchange) for text in case.shown]
    assert verify(kept, capsys) == shown
    assert verify(kept, capsys, "--log", str(kept.log)) == [*shown, *case.with_log]


def test_evidence_whose_octets_were_changed_is_not_exported(
    kept: Kept, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for statement in CASES["the octets of an acknowledgment are changed"].does:
        kept.execute(statement)
    archive = tmp_path / "evidence.zip"

    export = ["message", "evidence", kept.key, "--out", str(archive), "--reason", "a test"]
    code = main([*export, "--config", str(kept.config)])

    assert code == 1 and not archive.exists()
    assert "is damaged" in capsys.readouterr().err
