"""Where each value came from and where it went, masked by privacy class."""

from __future__ import annotations

from bridge.mapping.context import Json, TraceLine
from bridge.mapping.program import Program, Row, Scope


def trace_lines(program: Program, top: Scope, *, writing: bool) -> tuple[TraceLine, ...]:
    """One line per value, in the order of the mapping."""
    lines: list[TraceLine] = []
    _walk(program, top, "", writing, lines)
    return tuple(lines)


def _walk(program: Program, scope: Scope, above: str, writing: bool, lines: list[TraceLine]) -> None:
    for row in scope.group.rows.values():
        way = row.write if writing else row.read
        value = scope.values.get(row.id)
        if way is None or (value is None and row.id not in scope.forms):
            continue
        lines.append(
            TraceLine(
                row=f"{above}{row.id}",
                place=row.path if way.from_place or writing else way.source,
                line=scope.lines.get(row.id),
                function=" | ".join(str(step) for step in way.steps) or ("calc" if way.getter else "text"),
                value=masked(row, value),
                outputs=_outputs(row, above, writing),
            )
        )
    for group in scope.group.groups.values():
        for at, item in enumerate(scope.items.get(group.id, ())):
            _walk(program, item, f"{above}{group.id}/{at}/", writing, lines)


def _outputs(row: Row, above: str, writing: bool) -> tuple[str, ...]:
    if writing:
        return (row.path or f"header {row.header}",)
    return ("resource/" + above + "/".join(row.resource),) if row.resource is not None else ()


def masked(row: Row, value: Json) -> str:
    """The value itself only when its place has no privacy class; else its form."""
    if value is None:
        return "(no value)"
    if row.privacy == "-":
        return str(value)
    if isinstance(value, str):
        kind = "digits" if value.isdigit() else "characters"
        return f"({row.privacy}: {len(value)} {kind})"
    return f"({row.privacy})"
