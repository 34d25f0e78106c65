"""The version of a store's tables, and bringing it up to that of this program."""

import functools
import os
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from bridge.errors import ConfigError
from bridge.store import tables
from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.engines import file_of, make_writer, read_url, translate

_OLDEST = "store.oldest_program"
"""The cursor that tells programs older than the tables whether they may go on with them."""

_UPGRADE_LOCK = 0x6272_6964_6765
"""Two nodes that upgrade one PostgreSQL database at once take turns."""


def upgrade(url: str) -> None:
    """Bring the store to the newest version in one transaction; makes a SQLite file that is not there.

    Raises ConfigError (wrong url, or a store from a newer program) and StoreUnavailable.
    """
    parsed = read_url(url)
    file = file_of(parsed)
    if file and not file.exists():
        _make_file(file)
    engine = make_writer(parsed, connections=1)
    try:
        with engine.begin() as connection:
            if not file:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
            _check_known(version_in(connection), None)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            set_cursor(connection, _OLDEST, _oldest_program(), datetime.now(UTC))
    except SQLAlchemyError as error:
        raise translate(error) from None
    finally:
        engine.dispose()


def current_version(url: str) -> str | None:
    """The version of the store's tables; None when it has none. Raises ConfigError, StoreUnavailable."""
    parsed = read_url(url)
    file = file_of(parsed)
    if file and not file.exists():
        return None
    engine = make_writer(parsed, connections=1)
    try:
        with engine.connect() as connection:
            return version_in(connection)
    except SQLAlchemyError as error:
        raise translate(error) from None
    finally:
        engine.dispose()


def version_in(connection: Connection) -> str | None:
    """The version of the tables behind this connection."""
    return MigrationContext.configure(connection).get_current_revision()


@functools.cache
def head_version() -> str:
    """The version that this program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


@functools.cache
def _known_versions() -> frozenset[str]:
    """Every version up to that one; read once, since each opening of a store asks."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def oldest_program_in(connection: Connection) -> str | None:
    """The oldest version of the program that works with the tables behind this connection, if they tell it."""
    if not inspect(connection).has_table("cursor"):
        return None
    return get_cursor(connection, _OLDEST)


def forget_oldest_program(connection: Connection) -> None:
    """Leave tables as empty as they were made, so that all rows of another store fit in."""
    connection.execute(delete(tables.cursor).where(tables.cursor.c.name == _OLDEST))


def check_version(version: str | None, url: URL, *, oldest: str | None = None) -> None:
    """Raise ConfigError, with what to do, unless this program works with a store of this version.

    That is its own version, or a newer one whose tables still serve it (`oldest`): so that the nodes of a
    rolling upgrade may still be restarted when the tables are new already (docs/decisions/0016).
    """
    if _check_known(version, oldest):
        return
    if version is None:
        raise ConfigError([f"store {_shown(url)}: has no tables yet; run `bridge store upgrade`"])
    if version != head_version():
        raise ConfigError(
            [f"store {_shown(url)}: version {version}, needs {head_version()}; run `bridge store upgrade`"]
        )


def _check_known(version: str | None, oldest: str | None) -> bool:
    """Whether it is newer and may be used all the same. Raises ConfigError when it may not."""
    known = _known_versions()
    if version is None or version in known:
        return False
    if oldest not in known:
        raise ConfigError(
            [f"store: its version {version} is newer than this program; run the newer release of the bridge"]
        )
    return True


def _oldest_program() -> str:
    """What the newest migration says of itself."""
    script = ScriptDirectory.from_config(_config()).get_revision(head_version())
    oldest: str = script.module.oldest_program
    return oldest


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _make_file(file: Path) -> None:
    """Made by hand, because SQLite would make it readable for everyone."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ConfigError([f"store {file}: cannot be made ({error.strerror})"]) from error


def _config() -> Config:
    config = Config()
    # ConfigParser takes a percent sign for an interpolation.
    here = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", here)
    return config
