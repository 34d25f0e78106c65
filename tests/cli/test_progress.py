"""Signs of progress: on a terminal of a person, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.cli.progress import progress, tracked
from bridge.store.progress import nobody

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Clock:
    """A clock that is moved by hand."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Terminal:
    """A pseudo terminal, and everything that was written to it."""

    slave: int
    master: int
    seen: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                octets = os.read(self.master, 4096)
            except OSError:  # how Linux says that the other side is closed
                return
            if not octets:
                return
            self.seen += octets

    def text(self) -> str:
        """What there was to read, once everybody has closed it."""
        os.close(self.slave)
        self._reader.join()
        return self.seen.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    master, slave = pty.openpty()
    yield Terminal(slave=slave, master=master)
    os.close(master)


def _on(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> str:
    """What a person at the terminal saw of this work."""
    with os.fdopen(os.dup(terminal.slave), "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        work()
        monkeypatch.undo()
    return terminal.text()


def test_a_terminal_shows_how_much_is_done_and_of_how_much(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        with progress("Moving the store") as told:
            told("Copying message", 3, 1200)

    seen = _on(terminal, monkeypatch, work)
    assert "Moving the store" in seen
    assert "Copying message" in seen
    assert "3 of 1,200" in seen


def test_a_terminal_shows_how_long_it_may_still_take(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def work() -> None:
        with progress("Copying", now=clock) as told:
            for done in range(11):
                told("Copying", done, 100)
                clock.seconds += 1

    assert "10 of 100, 0:00:11, about 0:01:30 left" in _on(terminal, monkeypatch, work)


def test_without_a_known_end_a_terminal_shows_a_count_and_no_estimate(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def work() -> None:
        with progress("Removing", now=clock) as told:
            for done in (10, 20, 30):
                told("Removing payloads", done, None)
                clock.seconds += 1

    seen = _on(terminal, monkeypatch, work)
    assert "30, 0:00:03" in seen
    assert "left" not in seen
    assert " of " not in seen


def test_the_line_is_gone_when_the_work_is_done(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with progress("Copying") as told:
            told("Copying", 1, 2)

    seen = _on(terminal, monkeypatch, work)
    assert seen.rstrip("\r\n").endswith("\x1b[2K"), "the last thing on the line is that it is wiped"


def test_control_characters_in_what_is_done_never_reach_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        with progress("Copying") as told:
            told("a\x1b]0;x\x07[red]b", 1, 2)

    seen = _on(terminal, monkeypatch, work)
    assert "a�]0;x�[red]b" in seen


def test_data_on_standard_output_stays_data_beside_a_bar(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        with progress("Reading") as told:
            told("Reading", 1, 2)
            print("one row")

    assert "one row" not in _on(terminal, monkeypatch, work)
    assert capsys.readouterr().out == "one row\n"


def test_with_json_a_terminal_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with progress("Copying", json=True) as told:
            told("Copying", 1, 2)

    assert _on(terminal, monkeypatch, work) == ""


def test_a_terminal_that_cannot_move_its_cursor_shows_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")

    def work() -> None:
        with progress("Copying") as told:
            told("Copying", 1, 2)

    assert _on(terminal, monkeypatch, work) == ""


def test_in_a_pipe_nothing_is_said_even_when_colours_are_forced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("Copying") as told:
        told("Copying", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_when_nobody_looks_the_work_is_told_so_and_need_not_count() -> None:
    with progress("Copying") as told:
        assert told is nobody


def test_most_calls_cost_no_drawing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows in the same tenth of a second draw no more than the first of them."""
    clock = Clock()

    def work() -> None:
        with progress("Copying", now=clock) as told:
            for done in range(1_000):
                told("Copying", done, 1_000)

    seen = _on(terminal, monkeypatch, work)
    assert "0 of 1,000" in seen
    assert "500 of 1,000" not in seen


def test_tracked_items_are_counted_when_they_were_done() -> None:
    told: list[tuple[str, int, int | None]] = []
    tracking = tracked(lambda *one: told.append(one), "Reading", ["a", "b"], 2)
    assert [*tracking] == ["a", "b"]
    assert told == [("Reading", 0, 2), ("Reading", 1, 2), ("Reading", 2, 2)]


def test_a_command_shows_its_bar_on_the_terminal_and_only_rows_in_its_output(terminal: Terminal) -> None:
    command = [sys.executable, "-m", "bridge.cli.main", "mapping", "coverage", "--mappings", "mappings"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal.slave, cwd=ROOT, check=True)
    seen = terminal.text()
    assert "Running the cases" in seen
    assert "left" in seen or " of " in seen
    assert b"\x1b" not in done.stdout
    assert b"vt-melding" in done.stdout
