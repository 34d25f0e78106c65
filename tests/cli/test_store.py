"""`bridge store upgrade` and `status`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from bridge.store.cursors import set_cursor
from bridge.store.unit import Store, head_version


def test_status_of_a_store_that_is_not_there_says_which_command_makes_it(shell: Any) -> None:
    assert shell.run("store", "status", "--json") == 1
    (found,) = shell.documents()
    assert (found["ready"], found["version"], found["needed"]) == (False, None, head_version())
    assert "bridge store upgrade" in found["problem"]


def test_upgrade_makes_the_store_and_doing_it_twice_is_harmless(shell: Any, tmp_path: Path) -> None:
    assert shell.run("store", "upgrade", "--json") == 0
    first = shell.documents()[0]
    assert (first["before"], first["version"], first["changed"]) == (None, head_version(), True)
    assert shell.run("store", "upgrade", "--json") == 0
    assert shell.documents()[0]["changed"] is False
    assert (tmp_path / "bridge.sqlite3").stat().st_mode & 0o077 == 0
    assert shell.run("store", "status", "--json") == 0
    assert shell.documents()[0]["ready"] is True


def test_upgrade_keeps_what_is_in_the_store(shell: Any, seed: Any) -> None:
    seed(0)
    assert shell.run("store", "upgrade") == 0
    shell.run("message", "list", "--json")
    assert len(shell.documents()) == 1


def test_store_of_a_newer_program_is_not_touched(shell: Any, store: Store) -> None:
    def newer(tx: Connection) -> None:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        set_cursor(tx, "store.oldest_program", "9999", datetime.now(UTC))

    store.write_sync(newer)
    assert shell.run("store", "upgrade") == 1
    assert "newer" in shell.err
    assert shell.run("store", "status") == 1
    assert "newer" in shell.out


def test_file_that_is_no_store_is_told_in_a_sentence(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "bridge.sqlite3").write_bytes(b"this is no database at all" * 50)
    assert shell.run("store", "status") == 1
    assert shell.run("store", "upgrade") == 1
    assert "Traceback" not in shell.err


def test_password_in_the_url_is_never_shown(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE__STORE__URL", "postgresql+psycopg://bridge:s3cret@127.0.0.1:1/bridge")
    assert shell.run("store", "status") == 1
    assert "s3cret" not in shell.out + shell.err
