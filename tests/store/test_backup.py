"""Backups made while the store is written, their check, and putting one back; moving to PostgreSQL."""

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from bridge.errors import ConfigError
from bridge.store import tables
from bridge.store.backup import BackupFailed, check_backup, make_backup, restore_backup
from bridge.store.blobs import CHUNK, put_blob, read_blob
from bridge.store.chain import Verification, add_seal, next_seal
from bridge.store.cursors import restored_at
from bridge.store.engines import make_writer, read_url
from bridge.store.events import add_event
from bridge.store.jobs import add_job
from bridge.store.messages import add_evidence, add_message
from bridge.store.move import MoveFailed, digest_of, move_store
from bridge.store.rows import Evidence, EvidenceKind
from bridge.store.sealing import MasterKeys
from bridge.store.timeline import add_step
from bridge.store.unit import Store

Open = Callable[..., Store]


def fill(store: Store, make: Any, count: int = 20) -> str:
    """Messages with evidence, steps, events and jobs; the address of the last blob."""

    def work(tx: Any) -> str:
        blob = ""
        for n in range(count):
            message, at = make.message(), make.now
            add_message(tx, message)
            blob, _ = put_blob(tx, f"{n} ".encode() * CHUNK)
            evidence = Evidence(message=message.key, kind=EvidenceKind.RECEIVED, headers="", blob=blob, at=at)
            add_evidence(tx, evidence)
            add_event(tx, make.event())
            add_job(tx, key=make.key(), kind="map", subject_key=message.key, due=at, at=at)
            add_step(tx, exchange=message.exchange, at=at, side="ebms", what="é", outcome="ok")
        return blob

    return store.write_sync(work)


def seal(store: Store, make: Any) -> None:
    found = store.read_sync(lambda tx: next_seal(tx, at=make.now))
    assert found is not None
    store.write_sync(lambda tx: add_seal(tx, found))


def digests(url: str) -> dict[str, Any]:
    engine = make_writer(read_url(url), connections=1)
    with engine.begin() as tx:
        found = {table.name: digest_of(tx, table) for table in tables.metadata.sorted_tables}
    engine.dispose()
    return found


@pytest.fixture
def restored_url(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a backup of `url` goes: the same kind of database, without tables."""
    if url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'restored' / 'bridge.sqlite3'}"
    found: str = request.getfixturevalue("empty_postgres")
    return found


def test_a_restored_backup_is_the_same_store(
    url: str, restored_url: str, store: Store, open_store: Open, make: Any, tmp_path: Path
) -> None:
    blob = fill(store, make)
    seal(store, make)
    before = digests(url)
    made = make_backup(url, tmp_path / "backup")
    restore_backup(restored_url, made.file, replace=False, at=make.now)

    after = digests(restored_url)
    changed = {name for name in before if after[name] != before[name]}
    assert changed <= {"seal", "cursor"}, "horizons are forgotten, and when it was put back is noted"
    again = open_store(restored_url)
    assert again.read_sync(restored_at) == make.now
    assert again.read_sync(lambda tx: read_blob(tx, blob)).startswith(b"19 ")
    assert again.read_sync(Verification().check_seals) == (False, ())
    fill(again, make, 1)


def test_a_backup_is_of_one_moment_while_others_write(
    url: str, restored_url: str, store: Store, open_store: Open, make: Any, tmp_path: Path
) -> None:
    fill(store, make)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            fill(store, make, 1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = make_backup(url, tmp_path / "backup")
    finally:
        stop.set()
        writer.join()
    restore_backup(restored_url, made.file, replace=False, at=make.now)

    counts = {name: count for name, (count, _) in digests(restored_url).items()}
    assert counts["message"] >= 20
    assert len({counts[name] for name in ("message", "evidence", "event", "job", "step")}) == 1


def test_a_backup_is_closed_to_other_users_and_has_its_digest_beside_it(
    url: str, store: Store, make: Any, tmp_path: Path
) -> None:
    made = make_backup(url, tmp_path / "backup")

    assert made.file.stat().st_mode & 0o077 == 0
    assert made.sha256 == hashlib.sha256(made.file.read_bytes()).hexdigest()
    check = ["sha256sum", "-c", "backup.sha256"]
    assert subprocess.run(check, cwd=tmp_path, check=False, capture_output=True).returncode == 0


def test_a_backup_never_goes_over_another_one(url: str, store: Store, tmp_path: Path) -> None:
    make_backup(url, tmp_path / "backup")

    with pytest.raises(BackupFailed, match="there already"):
        make_backup(url, tmp_path / "backup")


def test_a_damaged_backup_is_not_restored(
    url: str, restored_url: str, store: Store, make: Any, tmp_path: Path
) -> None:
    fill(store, make)
    made = make_backup(url, tmp_path / "backup")
    octets = bytearray(made.file.read_bytes())
    octets[len(octets) // 2] ^= 1
    made.file.write_bytes(octets)

    with pytest.raises(BackupFailed, match="not what was written"):
        restore_backup(restored_url, made.file, replace=False, at=make.now)


def test_a_backup_cut_short_is_found_without_its_digest(
    url: str, store: Store, make: Any, tmp_path: Path
) -> None:
    fill(store, make)
    made = make_backup(url, tmp_path / "backup")
    (tmp_path / "backup.sha256").unlink()
    made.file.write_bytes(made.file.read_bytes()[:-20_000])

    with pytest.raises(BackupFailed):
        check_backup(made.file)


def test_a_restore_goes_over_no_store(url: str, store: Store, make: Any, tmp_path: Path) -> None:
    fill(store, make)
    before = digests(url)
    made = make_backup(url, tmp_path / "backup")

    with pytest.raises(BackupFailed, match=r"there is a store|has tables"):
        restore_backup(url, made.file, replace=False, at=make.now)
    assert digests(url) == before


def test_a_replaced_store_is_set_aside(sqlite_url: str, open_store: Open, make: Any, tmp_path: Path) -> None:
    store = open_store(sqlite_url)
    made = make_backup(sqlite_url, tmp_path / "backup")
    fill(store, make)
    store.close()
    restore_backup(sqlite_url, made.file, replace=True, at=make.now)

    (aside,) = tmp_path.glob("bridge.sqlite3.before-*T080000")
    assert digests(f"sqlite:///{aside}")["message"][0] == 20
    assert digests(sqlite_url)["message"][0] == 0


def test_a_file_that_is_no_backup_is_refused(sqlite_url: str, make: Any, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no backup at all")

    with pytest.raises(BackupFailed, match="no backup of a store"):
        restore_backup(sqlite_url, tmp_path / "notes", replace=True, at=make.now)


def test_without_the_programs_of_postgresql_the_error_says_so(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BackupFailed, match="pg_dump is not installed"):
        make_backup(postgres_url, tmp_path / "backup")


def test_a_failed_backup_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "not-a-store.sqlite3").write_bytes(b"x" * 5000)

    with pytest.raises(BackupFailed):
        make_backup(f"sqlite:///{tmp_path / 'not-a-store.sqlite3'}", tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["not-a-store.sqlite3"]


@pytest.mark.parametrize("masters", [None, MasterKeys(current=b"1" * 32)])
def test_a_moved_store_has_every_row_and_goes_on(
    masters: MasterKeys | None,
    sqlite_url: str,
    empty_postgres: str,
    open_store: Open,
    make: Any,
    tmp_path: Path,
) -> None:
    store = open_store(sqlite_url, masters=masters)
    blob = fill(store, make)
    seal(store, make)
    store.close()
    before = digests(sqlite_url)

    moved = move_store(sqlite_url, empty_postgres, at=make.now)

    assert digests(empty_postgres) == before
    assert (moved.rows["message"], moved.rows["chunk"]) == (20, before["chunk"][0])
    assert not (tmp_path / "bridge.sqlite3").exists() and (tmp_path / moved.set_aside).exists()
    again = open_store(empty_postgres, masters=masters)
    assert again.read_sync(lambda tx: read_blob(tx, blob)).startswith(b"19 ")
    fill(again, make, 1)
    seal(again, make)
    assert again.read_sync(Verification().check_seals) == (False, ())
    assert again.read_sync(lambda tx: tx.scalar(select(tables.step.c.seq).order_by(-tables.step.c.seq))) == 21


def test_a_target_with_rows_is_refused_and_both_stay_as_they_are(
    sqlite_url: str, postgres_url: str, open_store: Open, make: Any
) -> None:
    fill(open_store(sqlite_url), make)
    engine = make_writer(read_url(postgres_url), connections=1)
    with engine.begin() as tx:
        tx.execute(insert(tables.cursor).values(name="a", value="b", at=make.now))
    engine.dispose()
    before = digests(sqlite_url), digests(postgres_url)

    with pytest.raises(MoveFailed, match="not empty: cursor"):
        move_store(sqlite_url, postgres_url, at=make.now)
    assert (digests(sqlite_url), digests(postgres_url)) == before


def test_a_bridge_that_still_runs_on_a_moved_file_stops_writing(
    sqlite_url: str, postgres_url: str, open_store: Open, make: Any
) -> None:
    store = open_store(sqlite_url)
    fill(store, make)
    move_store(sqlite_url, postgres_url, at=make.now)

    with pytest.raises(Exception, match="removed or replaced"):
        fill(store, make, 1)


def test_a_store_moves_to_postgresql_only(sqlite_url: str, make: Any, tmp_path: Path) -> None:
    other = shutil.copy(tmp_path / "bridge.sqlite3", tmp_path / "other.sqlite3")

    with pytest.raises(ConfigError, match="store move"):
        move_store(sqlite_url, f"sqlite:///{other}", at=make.now)
