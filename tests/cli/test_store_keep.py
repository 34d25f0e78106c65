"""`bridge store verify|purge|purged|holds|rekey|backup|restore`, `bridge message evidence|hold|release`."""

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from bridge.hub.bsn import mask_bsn_in
from bridge.store import tables
from bridge.store.blobs import put_blob, read_blob
from bridge.store.chain import add_seal, head_of, in_groups, next_seal
from bridge.store.messages import add_evidence, payloads_of
from bridge.store.rows import Evidence, EvidenceKind
from bridge.store.sealing import MasterKeys, name_of
from bridge.store.unit import Store
from tests.cli.conftest import START

MESSAGE = "0@politie.example"


@pytest.fixture
def folder(tmp_path: Path, config: Path) -> Path:
    """The folder of the settings, with agreements and retention."""
    (tmp_path / "cpa").mkdir()
    return tmp_path


def add_settings(config: Path, text: str) -> None:
    config.write_text(config.read_text() + text, encoding="utf-8")


def seal(store: Store) -> None:
    found = store.read_sync(lambda tx: next_seal(tx, at=START))
    assert found is not None
    store.write_sync(lambda tx: add_seal(tx, found))


def add_some_evidence(tx: Any) -> None:
    message, (blob, _) = tx.scalar(select(tables.message.c.key)), put_blob(tx, b"<envelope/>")
    kind = EvidenceKind.ANSWER
    add_evidence(tx, Evidence(message=message, kind=kind, headers="", blob=blob, at=START))


def test_verify_prints_the_head_and_accepts_it_later(
    shell: Any, store: Store, seed: Any, folder: Path
) -> None:
    seed(0)
    seal(store)
    assert shell.run("store", "verify", "--json") == 0
    head = shell.documents()[0]["head"]
    seed(2)
    seal(store)

    assert shell.run("store", "verify", "--head", head) == 0
    assert shell.run("store", "verify", "--head", "1:" + "0" * 64) == 1
    assert "not the one that was noted" in shell.err


def test_verify_compares_every_head_that_a_log_tells(
    shell: Any, store: Store, seed: Any, folder: Path
) -> None:
    """Whoever writes the database can make the chain anew, or put an older copy in its place; not in the log."""
    seed(0)
    seal(store)
    number, digest = store.read_sync(head_of) or (0, "")
    log = folder / "bridge.log"
    told = {"number": number, "digest": in_groups(digest), "event": "journal.sealed"}
    log.write_text("started by hand\n" + json.dumps(mask_bsn_in(told)) + "\n", encoding="utf-8")
    assert shell.run("store", "verify", "--log", str(log), "--json") == 0
    assert shell.documents()[0]["headsCompared"] == 1

    store.write_sync(lambda tx: tx.execute(update(tables.seal).values(digest="a" * 64)))
    assert shell.run("store", "verify", "--log", str(log)) == 1
    assert "seal 1: is not the one that was noted" in shell.err
    store.write_sync(lambda tx: tx.execute(delete(tables.seal)))
    assert shell.run("store", "verify", "--log", str(log)) == 1
    assert "older copy of the store" in shell.err


def test_seals_that_came_after_the_backup_are_told_in_one_line(
    shell: Any, store: Store, seed: Any, folder: Path
) -> None:
    log = folder / "bridge.log"
    told = [{"number": n, "digest": "a" * 64, "event": "journal.sealed"} for n in (3, 4, 5)]
    log.write_text("".join(json.dumps(line) + "\n" for line in told), encoding="utf-8")

    assert shell.run("store", "verify", "--log", str(log)) == 1
    assert shell.err.count("seal ") == 1
    assert "seal 3: was noted and is not there, nor are 2 more up to 5" in shell.err


def test_a_log_without_heads_is_refused(shell: Any, store: Store, seed: Any, folder: Path) -> None:
    seed(0)
    (folder / "other.log").write_text('{"event": "bridge.ready"}\n')

    assert shell.run("store", "verify", "--log", str(folder / "other.log")) == 2


def test_a_head_in_the_log_is_not_masked_for_a_bsn() -> None:
    digest = "61e646905892c39d34e23ba1dd540d93786993d8969ba340a763938d13cc72a2"
    assert mask_bsn_in(digest) != digest
    assert mask_bsn_in(in_groups(digest)) == in_groups(digest)


def test_verify_reads_the_octets_of_the_evidence_unless_told_not_to(
    shell: Any, store: Store, seed: Any, folder: Path
) -> None:
    seed(0)
    store.write_sync(add_some_evidence)
    seal(store)
    store.write_sync(lambda tx: tx.execute(update(tables.chunk).values(octets=b"other")))

    assert shell.run("store", "verify") == 1
    assert "evidence 1: its octets were changed" in shell.err
    assert shell.run("store", "verify", "--quick") == 0


def test_verify_names_the_line_that_was_changed(shell: Any, store: Store, seed: Any, folder: Path) -> None:
    seed(0)
    seal(store)
    store.write_sync(lambda tx: tx.execute(update(tables.step).values(outcome="failed")))

    assert shell.run("store", "verify") == 1
    assert "step 1: was changed (seal 1)" in shell.err


def test_a_purge_is_planned_done_and_reported(shell: Any, config: Path, seed: Any, folder: Path) -> None:
    seed(0), seed(1)
    add_settings(config, "\n[retention]\npayload_days = 0.000001\n")
    make_old(shell, folder)
    assert shell.run("store", "purge", "--dry-run", "--json") == 0
    planned = shell.documents()
    assert [(p["content"], p["exchanges"]) for p in planned] == [("payload", 1)]
    assert "1 wait for a person" in shell.err

    assert shell.run("store", "purge", "--reason", "opschonen", "--json") == 0
    assert [(p["content"], p["exchanges"]) for p in shell.documents()] == [("payload", 1)]
    shell.run("store", "purged", "--json")
    assert [(p["reason"], p["items"]) for p in shell.documents()] == [("opschonen", 1)]
    assert shell.run("store", "purge", "--dry-run", "--json") == 0
    assert shell.documents() == []


def make_old(shell: Any, folder: Path) -> None:
    """Everything happened a year before."""
    old = START.replace(year=2025)
    with Store.open(f"sqlite:///{folder / 'bridge.sqlite3'}") as store:
        store.write_sync(lambda tx: tx.execute(update(tables.exchange).values(changed_at=old)))
        store.write_sync(lambda tx: tx.execute(update(tables.message).values(at=old)))
        keys = store.read_sync(lambda tx: tx.execute(tables.exchange.select()).all())
        for row in keys:
            new = "018" + row.key[3:]
            for table, column in ((tables.exchange, "key"), (tables.message, "exchange")):
                place = table.c[column] == row.key
                store.write_sync(
                    lambda tx, t=table, c=column, p=place, n=new: tx.execute(
                        update(t).where(p).values({c: n})
                    )
                )


def test_a_purge_asks_for_a_reason(shell: Any, store: Store, folder: Path) -> None:
    assert shell.run("store", "purge") == 2


def test_a_message_is_held_and_released(shell: Any, seed: Any, folder: Path) -> None:
    exchange = seed(0)[0]
    assert shell.run("message", "hold", MESSAGE, "--reason", "klacht") == 0
    shell.run("store", "holds", "--json")
    assert [(h["exchange"], h["reason"]) for h in shell.documents()] == [(exchange, "klacht")]

    assert shell.run("message", "release", MESSAGE, "--reason", "klaar") == 0
    shell.run("store", "holds", "--json")
    assert shell.documents() == []


def test_evidence_is_written_once_and_for_us_alone(shell: Any, seed: Any, folder: Path) -> None:
    seed(0)
    out = folder / "evidence.zip"
    why = ("--reason", "request of the court")
    assert shell.run("message", "evidence", MESSAGE, "--out", str(out), *why) == 0
    assert out.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("manifest.json"))["message"]["messageId"] == MESSAGE
    assert shell.run("message", "evidence", MESSAGE, "--out", str(out), *why) == 2


@pytest.mark.parametrize(
    "reason", [(), ("--reason", " "), ("--reason", "999990342"), ("--reason", "x" * 501)]
)
def test_evidence_is_not_given_without_a_reason(
    shell: Any, seed: Any, folder: Path, reason: tuple[str, ...]
) -> None:
    seed(0)
    out = folder / "evidence.zip"
    assert shell.run("message", "evidence", MESSAGE, "--out", str(out), *reason) == 2
    assert not out.exists()
    shell.run("audit", "list", "--json")
    assert shell.documents() == []


def test_who_exported_evidence_and_why_stands_in_the_audit_log(shell: Any, seed: Any, folder: Path) -> None:
    seed(0)
    shell.run(
        "message", "evidence", MESSAGE, "--out", str(folder / "a.zip"), "--reason", "request of the court"
    )
    shell.run("audit", "list", "--json")
    (line,) = shell.documents()
    assert (line["action"], line["reason"], line["way"]) == (
        "evidence.exported",
        "request of the court",
        "command",
    )


def test_a_store_is_encrypted_and_its_key_replaced(
    shell: Any, config: Path, store: Store, seed: Any, folder: Path
) -> None:
    message = seed(0)[1]
    (blob,) = store.read_sync(lambda tx: [p.blob for p in payloads_of(tx, message)])
    before = config.read_text()
    for name in "ab":
        (folder / f"{name}.key").write_bytes(name.encode() * 32)
    add_settings(config, '\n[store.encryption]\nkey_file = "a.key"\n')
    assert shell.run("store", "rekey", "--wait", "0", "--json") == 0
    assert shell.documents()[0]["encrypted"] == 2
    second = '\n[store.encryption]\nkey_file = "b.key"\nprevious_key_file = "a.key"\n'
    config.write_text(before + second, encoding="utf-8")
    assert shell.run("store", "rekey", "--wait", "0") == 0

    assert "999900092" not in (folder / "bridge.sqlite3").read_bytes().decode("latin-1")
    with Store.open(f"sqlite:///{folder / 'bridge.sqlite3'}", masters=MasterKeys(current=b"b" * 32)) as after:
        assert b"999900092" in after.read_sync(lambda tx: read_blob(tx, blob))
    assert shell.run("store", "status", "--json") == 0
    assert shell.documents()[0]["masterKey"] == name_of(b"b" * 32), "to tell the copies of keys apart"
    config.write_text(before, encoding="utf-8")
    assert shell.run("store", "status") == 1
    assert "encrypted" in shell.out


def test_the_key_may_come_from_the_environment(
    shell: Any, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    monkeypatch.setenv("BRIDGE__STORE__ENCRYPTION__KEY", key)

    assert shell.run("store", "rekey", "--wait", "0") == 0
    assert key not in shell.out + shell.err


def test_a_key_that_is_none_is_refused(shell: Any, config: Path, store: Store, folder: Path) -> None:
    (folder / "short.key").write_text("abc")
    add_settings(config, '\n[store.encryption]\nkey_file = "short.key"\n')

    assert shell.run("store", "verify") != 0
    assert "32 bytes" in shell.err


def test_a_backup_is_made_and_put_back(shell: Any, store: Store, seed: Any, folder: Path) -> None:
    seed(0)
    assert shell.run("store", "backup", "--out", str(folder / "backup")) == 0
    seed(2)
    store.close()
    assert shell.run("store", "restore", str(folder / "backup")) != 0
    assert shell.run("store", "restore", str(folder / "backup"), "--replace") == 0

    shell.run("message", "list", "--json")
    assert [document["messageId"] for document in shell.documents()] == [MESSAGE]
