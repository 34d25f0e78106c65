"""Several processes that share the listeners' sockets: one parent that only watches, N children that work.

The parent binds before it forks, so every child accepts from the same queue and no port is ever without a listener
while one child is replaced. A child that dies is started again after a pause; nothing is lost, as what it had claimed
lapses in the store.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from bridge.log import get_logger

PAUSE_SECONDS = 1.0
"""Between the death of a child and its successor, so that a fault at start does not spin."""

_log = get_logger()


def run_workers(
    count: int, work: Callable[[Callable[[], None]], int], *, when_ready: Callable[[], None]
) -> int:
    """Run `work` in `count` processes until SIGTERM or SIGINT; gives the parent's exit code.

    `work` is handed a function to call when it is ready and returns its exit code. `when_ready` is called once,
    when all first children are ready.
    """
    family = _Family(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, family.stop)
    for _ in range(count):
        family.start_child()
    if family.wait_ready():
        when_ready()
    return family.watch()


class _Family:
    def __init__(self, work: Callable[[Callable[[], None]], int]) -> None:
        self._work = work
        self._children: set[int] = set()
        self._stopping = False
        self._ready_in, self._ready_out = os.pipe()

    def start_child(self) -> None:
        child = os.fork()
        if child:
            self._children.add(child)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        code = 1
        try:
            code = self._work(self._tell_ready)
        finally:
            os._exit(code)

    def wait_ready(self) -> bool:
        """Whether every first child said that it is ready, before one of them ended."""
        waiting = len(self._children)
        os.set_blocking(self._ready_in, False)
        while waiting and not self._stopping:
            try:
                waiting -= len(os.read(self._ready_in, waiting))
            except BlockingIOError:
                ended, _ = os.waitpid(-1, os.WNOHANG)
                if ended:
                    self._children.discard(ended)
                    self.stop(signal.SIGTERM, None)
                time.sleep(0.02)
        return waiting == 0

    def watch(self) -> int:
        """Wait for children, and start a successor for each that dies. Returns when all have ended."""
        failed = False
        while self._children:
            try:
                ended, status = os.wait()
            except InterruptedError:
                continue
            if ended not in self._children:
                continue
            self._children.discard(ended)
            if self._stopping:
                failed = failed or os.waitstatus_to_exitcode(status) not in (0, -signal.SIGTERM)
                continue
            _log.error("worker.died", pid=ended, status=os.waitstatus_to_exitcode(status))
            time.sleep(PAUSE_SECONDS)
            if not self._stopping:
                self.start_child()
        return int(failed)

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """Tell every child to finish what it has under way and end."""
        self._stopping = True
        for child in tuple(self._children):
            try:
                os.kill(child, signal.SIGTERM)
            except ProcessLookupError:
                self._children.discard(child)

    def _tell_ready(self) -> None:
        os.write(self._ready_out, b".")
