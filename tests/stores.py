"""An empty store in no time: the tables are made once in each process of the tests, and then copied."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from bridge.store.migrate import upgrade


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bridge.sqlite3"
        upgrade(f"sqlite:///{file}")
        return file.read_bytes()


def put_empty_store(file: Path) -> None:
    """Where the bridge looks for its store; one that is there already stays."""
    if not file.exists():
        file.write_bytes(_empty())
        file.chmod(0o600)
