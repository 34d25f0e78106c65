"""Structured logs: one JSON line per event, with ids and never with content.

`configure_logging` is called once by the process that serves; everything else only asks for `get_logger()`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from bridge.hub.bsn import mask_bsn_in


def get_logger() -> structlog.stdlib.BoundLogger:
    """The logger of the calling room. Event name first, then ids as keys."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger())


def configure_logging(*, as_json: bool = True, level: int = logging.INFO) -> None:
    """Send every log line, ours and the libraries', to standard error in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_error_without_text,
        mask_bsn,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    out = cast(TextIO, Unfailing(sys.stderr))
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[first_line, *shared], processor=renderer)
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    # A tick that comes while the one before it is still at work is left out: nothing that anyone need know.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


class Unfailing:
    """Where the log goes. A disk that is full, or a reader that is gone, costs lines of the log and nothing else.

    The first line that gets through afterwards is preceded by one that says how many were lost.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lost = stream, 0

    def write(self, text: str) -> int:
        try:
            if self._lost:
                self._stream.write(
                    json.dumps({"event": "log.lost", "level": "error", "lines": self._lost}) + "\n"
                )
                self._stream.flush()
                self._lost = 0
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._lost += 1
        return len(text)

    def flush(self) -> None:
        """Everything was written, or is lost."""


def tell_error_without_text(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Of an exception its type and where it was raised: its text may quote a message, a query or a file."""
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    found = sys.exc_info() if given is True else given
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"], event["where"] = type(error).__name__, where_raised(error)
    return event


def first_line(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of what a library logs the first line: the lines below it quote objects and errors (asyncio does so)."""
    event["event"] = str(event.get("event", "")).partition("\n")[0]
    return event


def where_raised(error: BaseException) -> str:
    """File and line of the innermost frame. Never the text of the error."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "unknown"


def mask_bsn(_logger: object, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Last line of defence: nine digits that pass the eleven-test never reach a log, however deep they stand."""
    return {key: mask_bsn_in(value) for key, value in event.items()}
