"""Backups made while the bridge works, their check, and putting one in place.

SQLite: one file, by the online backup of the engine. PostgreSQL: a dump in the custom format, by `pg_dump`, and
back by `pg_restore`; both must be installed. Beside the file stands its SHA-256, as `sha256sum -c` reads it.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL

from bridge.errors import BridgeError, ConfigError
from bridge.store.chain import forget_horizons
from bridge.store.cursors import RESTORED, set_cursor
from bridge.store.engines import file_of, make_writer, read_url
from bridge.store.migrate import check_version, current_version
from bridge.store.progress import MEGABYTE, Told, nobody

_PAGES = 2000
"""Pages of SQLite that are copied in one go; then others may go on."""


class BackupFailed(BridgeError):
    """A backup could not be made, checked or put in place. What was there before is still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was checked."""

    file: Path
    size: int
    sha256: str
    version: str | None
    """Of its tables; a dump of PostgreSQL tells it after the restore."""


def make_backup(url: str, file: Path, *, told: Told = nobody) -> Backup:
    """Copy the store to a new file, closed to other users, and check it. Others go on reading and writing.

    The copy is of one moment. Raises ConfigError and BackupFailed.
    """
    parsed = read_url(url)
    if file.exists():
        raise BackupFailed(f"{file}: is there already; a backup never goes over another one")
    with _part_of(file) as part:
        source = file_of(parsed)
        if source:
            _copy_sqlite(source, part, told)
        else:
            # The fastest compression: the usual one takes four times as long for a file that is a seventh smaller.
            options = ["--format=custom", "--compress=1", "--no-owner", "--no-privileges"]
            _run("pg_dump", [*options, "--file", str(part)], parsed)
        told("Checking the copy", 0, None)
        _check_content(part)
        digest = _sha256(part, told)
        _sync(part)
        part.replace(file)
    _sum_of(file).write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    _sync(file.parent)
    return check_backup(file, told=told)


def check_backup(file: Path, *, told: Told = nobody) -> Backup:
    """Whether it is what was written, and whole. Raises BackupFailed with what is wrong."""
    if not file.is_file():
        raise BackupFailed(f"{file}: there is no such file")
    digest, noted = _sha256(file, told), _sum_of(file)
    if noted.is_file() and noted.read_text(encoding="utf-8").split()[:1] != [digest]:
        raise BackupFailed(f"{file}: is not what was written: it differs from {noted.name}")
    told("Checking what is in the backup", 0, None)
    return Backup(file=file, size=file.stat().st_size, sha256=digest, version=_check_content(file))


def restore_backup(url: str, file: Path, *, replace: bool, at: datetime, told: Told = nobody) -> Backup:
    """Put the backup in place as the store. The bridge must not run.

    A SQLite store that is there is refused, or with `replace` set aside under another name. A PostgreSQL
    database must be empty. Raises ConfigError and BackupFailed.
    """
    parsed = read_url(url)
    backup = check_backup(file, told=told)
    target = file_of(parsed)
    if (backup.version is None) is not (target is None):
        raise BackupFailed(f"{file}: is of the other kind of database; restore it there, then move the store")
    told("Putting the backup in place", 0, None)
    if target:
        check_version_known(backup)
        _put_sqlite(file, target, replace=replace, at=at)
    else:
        _restore_postgresql(parsed, file, at=at)
    found = current_version(url)
    return Backup(file=file, size=backup.size, sha256=backup.sha256, version=found)


def _note_restored(tx: Connection, at: datetime) -> None:
    """So that the hub is asked before anything of before is offered."""
    set_cursor(tx, RESTORED, at.isoformat(), at)


def check_version_known(backup: Backup) -> None:
    """Raises BackupFailed for tables of a newer program; older ones are upgraded after the restore."""
    try:
        check_version(backup.version, read_url(f"sqlite:///{backup.file}"))
    except ConfigError as error:
        if "newer" in str(error):
            raise BackupFailed(f"{backup.file}: {error}") from error


# --- SQLite ---


def _copy_sqlite(source: Path, part: Path, told: Told) -> None:
    if not source.exists():
        raise ConfigError([f"store {source}: does not exist"])
    with _translated(part):
        reading = sqlite3.connect(f"file:{source}?mode=rw", uri=True)
        writing = sqlite3.connect(part)
        try:
            reading.execute("PRAGMA query_only=ON")
            # One snapshot for the whole copy: without it, every write of the bridge makes the copy begin anew.
            reading.execute("BEGIN")
            reading.execute("SELECT 1 FROM sqlite_master").fetchall()
            reading.backup(
                writing,
                pages=_PAGES,
                progress=lambda _, left, total: told("Copying pages of the store", total - left, total),
            )
            writing.execute("PRAGMA journal_mode=DELETE")
        finally:
            reading.close()
            writing.close()


def _check_sqlite(file: Path) -> str | None:
    with _translated(file):
        connection = sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)
        try:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
            version: str | None = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        finally:
            connection.close()
    if found != ["ok"] or broken:
        raise BackupFailed(f"{file}: is damaged ({len(broken) or len(found)} faults); take an older backup")
    return version


def _put_sqlite(file: Path, target: Path, *, replace: bool, at: datetime) -> None:
    """What SQLite keeps beside the former store goes with it: it must not be taken for that of the new one."""
    if target.exists() and not replace:
        raise BackupFailed(f"{target}: there is a store; set it aside yourself, or say --replace")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _part_of(target) as part:
        shutil.copyfile(file, part)
        engine = create_engine(URL.create("sqlite", database=str(part)))
        with engine.begin() as connection:
            _note_restored(connection, at)
        engine.dispose()
        _sync(part)
        for end in ("", "-wal", "-shm"):
            old = target.with_name(target.name + end)
            if old.exists():
                old.rename(target.with_name(f"{target.name}.before-{at:%Y%m%dT%H%M%S}{end}"))
        part.replace(target)
    _sync(target.parent)


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, TypeError) as error:
        raise BackupFailed(f"{file}: is no whole store of the bridge ({type(error).__name__})") from error


# --- PostgreSQL ---


def _restore_postgresql(url: URL, file: Path, *, at: datetime) -> None:
    engine = make_writer(url, connections=1)
    try:
        with engine.connect() as connection:
            query = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
            if connection.scalar(text(query)):
                raise BackupFailed("the database has tables; make an empty one and name that in store.url")
        options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
        _run("pg_restore", [*options, "--dbname", url.database or "", str(file)], url)
        with engine.begin() as connection:
            forget_horizons(connection)
            _note_restored(connection, at)
    finally:
        engine.dispose()


def _run(program: str, arguments: Sequence[str], url: URL | None = None) -> None:
    """The password goes by the environment: everybody may read the arguments of a process."""
    found = shutil.which(program)
    if found is None:
        raise BackupFailed(f"{program} is not installed; it comes with the client programs of PostgreSQL")
    given = (
        {}
        if url is None
        else {
            "PGHOST": url.host,
            "PGPORT": str(url.port) if url.port else None,
            "PGUSER": url.username,
            "PGPASSWORD": str(url.password) if url.password else None,
            "PGDATABASE": url.database,
        }
    )
    environment = os.environ | {name: value for name, value in given.items() if value}
    done = subprocess.run([found, *arguments], env=environment, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        # The first line alone: what follows may quote rows.
        said = done.stderr.decode(errors="replace").partition("\n")[0]
        raise BackupFailed(f"{program} failed: {said}")


# --- files ---


def _check_content(file: Path) -> str | None:
    """The version of its tables, of SQLite. Raises BackupFailed."""
    with file.open("rb") as stream:
        begin = stream.read(16)
    if begin.startswith(b"SQLite format 3\0"):
        return _check_sqlite(file)
    if not begin.startswith(b"PGDMP"):
        raise BackupFailed(f"{file}: is no backup of a store")
    # Reads every block of the dump and throws it away.
    _run("pg_restore", ["--file", os.devnull, str(file)])
    return None


@contextmanager
def _part_of(file: Path) -> Iterator[Path]:
    """A new file for our eyes only, that takes its name when it is whole."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield part
    except OSError as error:
        raise BackupFailed(f"{file}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def _sum_of(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def _sha256(file: Path, told: Told) -> str:
    digest, done, size = hashlib.sha256(), 0, file.stat().st_size
    with file.open("rb", buffering=0) as stream:
        while octets := stream.read(MEGABYTE):
            digest.update(octets)
            done += len(octets)
            told("Adding up the file, in MB", done // MEGABYTE, size // MEGABYTE)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
