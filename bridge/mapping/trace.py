"""Where each value came from and where it went, masked by privacy class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.mapping.context import Finding, Json, TraceLine
from bridge.mapping.plan import strictest_of
from bridge.mapping.program import Program, Row, Scope
from bridge.mapping.types import Kind

MOST_ALLOWED = 20
"""A longer list of values is no help on a line."""
UNUSABLE = "(unusable)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracing:
    program: Program
    writing: bool
    faults: Mapping[str, Sequence[Finding]]
    """By place."""
    lines: list[TraceLine] = field(default_factory=list)


def trace_lines(
    program: Program, top: Scope, *, writing: bool, findings: Sequence[Finding] = ()
) -> tuple[TraceLine, ...]:
    """One line per value, in the order of the mapping. With `findings` also the rows that have none because of them."""
    faults: dict[str, list[Finding]] = {}
    for finding in findings:
        faults.setdefault(finding.place, []).append(finding)
    tracing = _Tracing(program=program, writing=writing, faults=faults)
    _walk(tracing, top, "")
    return tuple(tracing.lines)


def _walk(tracing: _Tracing, scope: Scope, above: str) -> None:
    writing = tracing.writing
    for row in scope.group.rows.values():
        way = row.write if writing else row.read
        value = scope.values.get(row.id)
        faults = tuple(tracing.faults.get(row.path, ())) if row.path else ()
        if way is None or (value is None and row.id not in scope.forms and not faults):
            continue
        tracing.lines.append(
            TraceLine(
                row=f"{above}{row.id}",
                place=row.path if way.from_place or writing else way.source,
                line=scope.lines.get(row.id),
                function=" | ".join(str(step) for step in way.steps) or ("calc" if way.getter else "text"),
                value=_told(tracing, row, value, scope),
                outputs=_outputs(row, above, writing),
                faults=faults,
                allowed=_allowed(tracing.program, row) if faults else (),
            )
        )
    for group in scope.group.groups.values():
        for at, item in enumerate(scope.items.get(group.id, ())):
            _walk(tracing, item, f"{above}{group.id}/{at}/")


def _told(tracing: _Tracing, row: Row, value: Json, scope: Scope) -> str:
    """Something that stands there and cannot be read is another thing than no value."""
    stands = row.id in scope.lines and row.id not in scope.forms
    return UNUSABLE if value is None and stands else masked(_class_of(tracing, row), value)


def _allowed(program: Program, row: Row) -> tuple[str, ...]:
    """The values that may stand at a place that says so. They are of the standard, not of the message."""
    kind = row.shape.type if row.shape and not row.attribute else None
    if kind is None or kind.kind not in (Kind.ONE, Kind.FIXED, Kind.LIST):
        return ()
    values = sorted(program.codes.get(kind.values[0], ())) if kind.kind is Kind.LIST else list(kind.values)
    return tuple(values) if len(values) <= MOST_ALLOWED else ()


def _outputs(row: Row, above: str, writing: bool) -> tuple[str, ...]:
    if writing:
        return (row.path or f"header {row.header}",)
    return ("resource/" + above + "/".join(row.resource),) if row.resource is not None else ()


def _class_of(tracing: _Tracing, row: Row) -> str:
    """Its privacy class; of what is calculated the strictest of what it comes from, also where an event may have it."""
    way = row.write if tracing.writing else row.read
    if row.privacy != "-" or way is None or way.getter is None:
        return row.privacy
    classes = {_class_of(tracing, used) for used in way.uses} - {"-"}
    return strictest_of(tracing.program.standard, classes) if classes else "-"


def masked(privacy: str, value: Json) -> str:
    """The value itself only when it has no privacy class; else its form."""
    if value is None:
        return "(no value)"
    if privacy == "-":
        return str(value)
    if isinstance(value, str):
        kind = "digits" if value.isdigit() else "characters"
        return f"({privacy}: {len(value)} {kind})"
    return f"({privacy})"
