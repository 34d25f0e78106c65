from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from bridge.errors import ConfigError, StoreUnavailable
from bridge.store.cursors import set_cursor
from bridge.store.engines import make_writer, read_url
from bridge.store.migrate import _config, current_version, head_version, upgrade
from bridge.store.tables import metadata
from bridge.store.unit import Store

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def _set_version(url: str, version: str) -> None:
    engine = make_writer(read_url(url), connections=1)
    with engine.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    engine.dispose()


def _forget_oldest(url: str) -> None:
    """As a release that makes no promise leaves it."""
    engine = make_writer(read_url(url), connections=1)
    with engine.begin() as tx:
        tx.execute(text("DELETE FROM cursor WHERE name = 'store.oldest_program'"))
    engine.dispose()


def test_a_migrated_store_has_exactly_the_tables_of_the_code(url: str) -> None:
    engine = make_writer(read_url(url), connections=1)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


def test_upgrading_gives_the_newest_version(empty_url: str) -> None:
    before = current_version(empty_url)

    upgrade(empty_url)

    assert (before, current_version(empty_url)) == (None, head_version())


def test_upgrading_again_changes_nothing(url: str) -> None:
    upgrade(url)

    assert current_version(url) == head_version()


def test_a_store_without_tables_is_refused_with_what_to_do(empty_url: str) -> None:
    with pytest.raises(ConfigError, match="bridge store upgrade"):
        Store.open(empty_url)


def test_a_store_without_tables_is_made_on_request(empty_url: str, open_store: Callable[..., Store]) -> None:
    open_store(empty_url, create=True)

    assert current_version(empty_url) == head_version()


def test_a_refused_sqlite_file_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "none.sqlite3"

    with pytest.raises(ConfigError):
        Store.open(f"sqlite:///{file}")

    assert not file.exists()


def test_a_new_sqlite_file_is_closed_to_other_users(tmp_path: Path, open_store: Callable[..., Store]) -> None:
    file = tmp_path / "folder" / "new.sqlite3"

    open_store(f"sqlite:///{file}", create=True)

    assert [p.stat().st_mode & 0o077 for p in file.parent.iterdir()] == [0, 0, 0]


def test_a_store_from_a_newer_program_is_refused(url: str) -> None:
    _set_version(url, "9999")
    _forget_oldest(url)

    with pytest.raises(ConfigError, match="newer than this program"):
        Store.open(url)


def test_a_store_from_a_newer_program_whose_tables_still_serve_is_opened(
    url: str, open_store: Callable[..., Store]
) -> None:
    """A node of a rolling upgrade that is restarted after the tables were upgraded."""
    _set_version(url, "9999")

    with open_store(url) as store:
        store.write_sync(lambda tx: set_cursor(tx, "c", "written", NOW))

    assert current_version(url) == "9999"


def test_a_store_whose_tables_no_longer_serve_this_program_is_refused(
    url: str, open_store: Callable[..., Store]
) -> None:
    open_store(url).write_sync(lambda tx: set_cursor(tx, "store.oldest_program", "9999", NOW))
    _set_version(url, "9999")

    with pytest.raises(ConfigError, match="newer than this program"):
        Store.open(url)


def test_every_migration_says_which_programs_still_work_with_it() -> None:
    scripts = list(ScriptDirectory.from_config(_config()).walk_revisions())
    known = {script.revision for script in scripts}

    assert scripts[0].module.oldest_program in known


def test_a_store_from_a_newer_program_is_not_touched_by_an_upgrade(url: str) -> None:
    _set_version(url, "9999")

    with pytest.raises(ConfigError, match="newer than this program"):
        upgrade(url)

    assert current_version(url) == "9999"


def test_an_out_of_date_store_is_refused_with_what_to_do(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.migrate.head_version", lambda: "9998")

    with pytest.raises(ConfigError, match=r"version [0-9]{4}, needs 9998; run `bridge store upgrade`"):
        Store.open(url)


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "text.sqlite3"
    file.write_text("this is no database\n" * 100)

    with pytest.raises(StoreUnavailable, match="not a database"):
        Store.open(f"sqlite:///{file}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x?mode=memory",
        "mysql://localhost/x",
        "no url at all",
    ],
)
def test_a_url_that_cannot_keep_messages_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="store url"):
        Store.open(url)


def test_a_refused_url_does_not_tell_the_password() -> None:
    with pytest.raises(ConfigError) as refused:
        Store.open("mysql://someone:hunter2@localhost/x")

    assert "hunter2" not in str(refused.value)
