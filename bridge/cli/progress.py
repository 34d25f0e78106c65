"""Signs of progress of long work: on standard error, when that is a terminal and a person reads along."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from bridge.cli.output import clean
from bridge.store.progress import Told, nobody

_EVERY = 0.1
"""Seconds between two looks at the numbers: work may tell of every row and is not slowed by it."""
_WIDTH = 24

T = TypeVar("T")


@contextmanager
def progress(text: str, *, json: bool = False, now: Callable[[], float] = time.monotonic) -> Iterator[Told]:
    """Show what is done, how much and of how much, since when, and how long it may still take.

    Nothing at all with `json` or when standard error is no terminal: the work is then given `nobody` to tell.
    """
    talk = Console(stderr=True, highlight=False, markup=False)
    if json or not sys.stderr.isatty() or talk.is_dumb_terminal:
        yield nobody
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), _Bar(), _Numbers())
    # Standard output is data and stays what it is; what is said meanwhile comes above the bar.
    with Progress(*columns, console=talk, transient=True, redirect_stdout=False, get_time=now) as shown:
        line = _Line(shown, now)
        line(text, 0, None)
        yield line


def tracked(told: Told, text: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
    """The items one by one, telling how many were done."""
    done = 0
    told(text, done, total)
    for item in items:
        yield item
        done += 1
        told(text, done, total)


class _Line:
    """The one line of a terminal; another `what` begins it anew."""

    def __init__(self, shown: Progress, now: Callable[[], float]) -> None:
        self._shown, self._now = shown, now
        self._task: TaskID | None = None
        self._told: tuple[str, int | None] | None = None
        self._next = 0.0

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if self._task is None or self._told != (what, total):
            if self._task is not None:
                self._shown.remove_task(self._task)
            self._task = self._shown.add_task(clean(what), total=total, completed=done)
            self._told = (what, total)
        elif self._now() >= self._next or done == total:
            self._shown.update(self._task, completed=done)
        else:
            return
        self._next = self._now() + _EVERY


class _Bar(BarColumn):
    """A bar, where the end is known."""

    def __init__(self) -> None:
        super().__init__(bar_width=_WIDTH)

    def render(self, task: Task) -> Text:  # type: ignore[override] # a bar is what Text stands beside here
        return Text("") if task.total is None else super().render(task)  # type: ignore[return-value]


class _Numbers(ProgressColumn):
    """How much, since when, and how long yet."""

    def render(self, task: Task) -> Text:
        return Text(", ".join(filter(None, (_amount(task), _span(task.elapsed), _left(task)))))


def _amount(task: Task) -> str:
    if task.total is not None:
        return f"{int(task.completed):,} of {int(task.total):,}"
    return f"{int(task.completed):,}" if task.completed else ""


def _left(task: Task) -> str:
    """Over the pace of the last half minute."""
    if task.total is None or task.finished or task.time_remaining is None:
        return ""
    return f"about {_span(task.time_remaining)} left"


def _span(seconds: float | None) -> str:
    return str(timedelta(seconds=int(seconds or 0)))
