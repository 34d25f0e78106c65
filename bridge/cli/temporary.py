"""Where large parts of messages wait while they are worked on: in the clear, so nothing may be left of them.

A process that ends removes its files. One that was killed cannot: the next one to start removes what nobody holds any
more. A lock tells, which ends with the process however that ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.log import get_logger

_PREFIX = "bridge-parts-"
_LOCK = "lock"

_log = get_logger()


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """All temporary files of this process are in a folder of its own until the block ends."""
    try:
        top = Path(tempfile.gettempdir())
        _remove_what_was_left(top)
        folder, lock = _make(top)
    except OSError as error:
        # Small messages need no file: better that they go.
        _log.warning("temporary.none", reason=error.strerror or "no folder can be written")
        yield
        return
    former, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = former
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make(top: Path) -> tuple[Path, int]:
    """It gets the name by which others find it when it is locked, and no sooner."""
    made = Path(tempfile.mkdtemp(prefix=".bridge-", dir=top))
    lock = os.open(made / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return made.rename(top / f"{_PREFIX}{made.name.removeprefix('.bridge-')}"), lock


def _remove_what_was_left(top: Path) -> None:
    for folder in top.glob(f"{_PREFIX}*"):
        # Somebody else may have put it there, or be removing it at the same moment.
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                _log.info("temporary.removed", files="of a process that was killed")
            finally:
                os.close(lock)
