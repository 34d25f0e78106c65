"""The last line of defence of the log: a BSN that someone logs by mistake does not get out."""

from __future__ import annotations

import errno
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bridge.log import configure_logging, mask_bsn


def test_a_bsn_is_masked_however_deep_it_stands() -> None:
    line = {"event": "x", "reason": "over 999990342", "ids": ["999990342"], "more": {"n": "999990342"}}
    shown = mask_bsn(None, "info", line)
    assert "999990342" not in str(shown)
    assert shown["event"] == "x"


def test_ids_and_times_are_left_as_they_are() -> None:
    line = {"oin": "00000001999990032000", "timestamp": "2026-11-23T21:44:31.034549Z", "attempt": 2}
    assert mask_bsn(None, "info", dict(line)) == line


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process that serves writes to standard error."""
    shown, root = io.StringIO(), logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    monkeypatch.setattr("sys.stderr", shown)
    configure_logging()
    yield shown
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("apscheduler").setLevel(logging.NOTSET)


def test_an_error_that_a_library_logs_is_told_by_kind_and_place_without_its_words(log: io.StringIO) -> None:
    try:
        raise ValueError("Testpersoon, 999990342")
    except ValueError as error:
        text = f"Task exception was never retrieved\nfuture: <Task exception={error!r}>"
        logging.getLogger("asyncio").error(text, exc_info=True)
    line = json.loads(log.getvalue())
    assert (line["event"], line["error"]) == ("Task exception was never retrieved", "ValueError")
    assert line["where"].startswith("test_log.py:")
    assert "Testpersoon" not in log.getvalue() and "999990342" not in log.getvalue()


def test_an_error_of_our_own_is_told_without_its_words(log: io.StringIO) -> None:
    try:
        raise ValueError("Testpersoon, 999990342")
    except ValueError:
        structlog.get_logger().exception("job.surprise")
    assert json.loads(log.getvalue())["error"] == "ValueError"
    assert "Testpersoon" not in log.getvalue()


def test_a_tick_that_is_left_out_is_not_told_and_one_that_fails_is(log: io.StringIO) -> None:
    ticks = logging.getLogger("apscheduler.scheduler")
    ticks.warning("Execution of job skipped: maximum number of running instances reached (1)")
    assert log.getvalue() == ""
    ticks.error("Run time of job was missed")
    assert json.loads(log.getvalue())["level"] == "error"


class FullDisk(io.StringIO):
    """Takes nothing while it is full."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_log_that_cannot_be_written_stops_nothing_and_tells_later_how_much_was_lost(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    disk = FullDisk()
    monkeypatch.setattr("sys.stderr", disk)
    configure_logging()
    structlog.get_logger().info("message.received")
    logging.getLogger("asyncio").error("something of a library")
    disk.full = False
    structlog.get_logger().info("message.mapped")
    lines = [json.loads(line) for line in disk.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["log.lost", "message.mapped"]
    assert lines[0]["lines"] == 2
