"""One line of the table, and how a short piece of work is timed."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`ratio` is the value divided by the value of the row named `against`, of the same part.

    `line` is the requirement that gives a figure for this value, and `figure` that figure: the most for a time, the
    least for a throughput.
    """

    part: str
    what: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    errors: int = 0
    line: str | None = None
    figure: float | None = None


def compared(part: str, unit: str, values: Sequence[tuple[str, float]]) -> tuple[Row, ...]:
    """Rows of which each but the first is compared with the first."""
    name, base = values[0]
    first = Row(part=part, what=name, value=base, unit=unit)
    return (
        first,
        *(
            Row(
                part=part,
                what=what,
                value=value,
                unit=unit,
                against=name,
                ratio=value / base if base else None,
            )
            for what, value in values[1:]
        ),
    )


def milliseconds(work: Callable[[], object], *, rounds: int) -> float:
    """Of the best of some rounds: what the machine did beside it counts as little as possible."""
    timer = timeit.Timer(work)
    number, _ = timer.autorange() if rounds > 3 else (3, 0.0)
    number = max(1, min(number, 50))
    return min(timer.repeat(repeat=rounds, number=number)) / number * 1000


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The smallest value that is not below this share of all."""
    position = min(len(sorted_values) - 1, int(share * len(sorted_values)))
    return sorted_values[position]
