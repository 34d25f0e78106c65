"""What large messages leave on disk: nothing, also when the process was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bridge.cli.temporary import own_temporary_folder

HOLD = """
import sys, tempfile
from pathlib import Path
from bridge.cli.temporary import own_temporary_folder
with own_temporary_folder():
    Path(tempfile.gettempdir(), "part-1").write_bytes(b"in the clear")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process and those that it starts put their temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def hold() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return process


def parts(top: Path) -> int:
    return len(list(top.rglob("part-*")))


def test_what_waits_on_disk_is_removed_when_the_process_ends(top: Path) -> None:
    with own_temporary_folder():
        Path(tempfile.gettempdir(), "part-1").write_bytes(b"in the clear")
        assert parts(top) == 1 and Path(tempfile.gettempdir()).stat().st_mode & 0o077 == 0
    assert list(top.iterdir()) == []
    assert Path(tempfile.gettempdir()) == top


def test_what_a_killed_process_left_is_removed_by_the_next_and_of_one_that_lives_nothing(top: Path) -> None:
    killed, living = hold(), hold()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert parts(top) == 2

    with own_temporary_folder():
        assert parts(top) == 1

    assert living.stdin is not None
    living.stdin.close()
    assert living.wait() == 0
    assert list(top.iterdir()) == []


def test_a_folder_that_is_not_one_of_ours_is_left_alone(top: Path) -> None:
    elsewhere = top / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (top / "bridge-parts-link").symlink_to(elsewhere)
    (top / "bridge-parts-without-lock").mkdir()

    with own_temporary_folder():
        pass

    assert sorted(path.name for path in top.iterdir()) == [
        "bridge-parts-link",
        "bridge-parts-without-lock",
        "elsewhere",
    ]
    assert (elsewhere / "lock").exists()


def test_without_a_place_to_write_the_bridge_goes_on(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(top / "gone"))
    with own_temporary_folder():
        assert tempfile.gettempdir() == str(top / "gone")
