"""For one message: where every value came from, what it became, and what was left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from bridge.mapping.context import Context, Mapped, Rejected, TraceLine
from bridge.mapping.program import Group, Place, Program, Row
from bridge.mapping.run import Reading
from bridge.mapping.trace import trace_lines
from bridge.mapping.walk import line_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Something of the source that went nowhere, and why."""

    place: str
    line: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    mapping: str
    trace: tuple[TraceLine, ...]
    left: tuple[Left, ...]
    outcome: Mapped | Rejected


def explain(program: Program, payload: etree._Element, *, context: Context) -> Explanation:
    """Also of a message that is rejected: then the trace goes as far as reading came."""
    reading = Reading(program, context)
    outcome = reading.run(payload)
    return Explanation(
        mapping=program.label,
        trace=trace_lines(program, reading.top, writing=False, findings=outcome.findings),
        left=tuple(_left(program, payload, program.top.place)),
        outcome=outcome,
    )


def _left(program: Program, element: etree._Element, place: Place) -> Iterator[Left]:
    for child in element:
        tag = child.tag
        below = place.children.get(tag) if isinstance(tag, str) else None
        if below is None:
            continue
        line = line_of(child)
        if below.dropped:
            yield Left(place=below.shape.path, line=line, why=_why(program, below.shape.path))
        elif below.leaf and below.row is None and below.shape.type.fixed is not None:
            yield Left(place=below.shape.path, line=line, why="a fixed text, checked")
        else:
            yield from _left(program, child, below)


def _why(program: Program, path: str) -> str:
    fits = [
        (d, why)
        for d, why in program.dropped
        if path == d.removesuffix("/*") or path.startswith(d.removesuffix("*"))
    ]
    return max(fits, key=lambda pair: len(pair[0]), default=("", ""))[1]


def rows_of(program: Program) -> tuple[tuple[str, Row], ...]:
    """Every row with its groups before it."""

    def walk(group: Group, above: str) -> Iterator[tuple[str, Row]]:
        for name, row in group.rows.items():
            yield f"{above}{name}", row
        for name, below in group.groups.items():
            yield from walk(below, f"{above}{name}/")

    return tuple(walk(program.top, ""))


def explanation_lines(explained: Explanation) -> tuple[str, ...]:
    """As a person reads it."""
    lines = [f"mapping {explained.mapping}"]
    for item in explained.trace:
        where = f"line {item.line}" if item.line is not None else "made"
        goes = ", ".join(item.outputs) or "(used by other rows)"
        lines.append(f"{item.row}: {item.place} ({where}) —{item.function}→ {goes} = {item.value}")
    lines += [f"left behind: {left.place} (line {left.line}): {left.why}" for left in explained.left]
    lines += [f"finding: {finding}" for finding in explained.outcome.findings]
    return tuple(lines)
