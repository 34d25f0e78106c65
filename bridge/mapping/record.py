"""What a mapping does with every field of its message: the annex of a privacy assessment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.mapping.program import Group, Place, Program, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLine:
    place: str
    privacy: str
    row: str
    """Empty for what is dropped or only checked."""
    direction: str
    """⇄, → or ←."""
    resource: str
    level: int | None
    events: tuple[str, ...]
    """The event types in whose data the value stands."""
    reason: str
    """Why it is dropped, or what it is written from."""


def mapping_record(program: Program) -> tuple[RecordLine, ...]:
    """One line per field of the message, in the order of the standard, then the values that are made."""
    return (*_fields(program, program.top.place), *_made(program, program.top))


def _fields(program: Program, place: Place) -> Iterator[RecordLine]:
    for child in place.children.values():
        for row in child.attributes.values():
            yield _line(program, row)
        for _, _, row in child.picks:
            yield _line(program, row)
        if child.row is not None:
            yield _line(program, child.row)
        elif child.dropped:
            yield _bare(child, next((why for d, why in program.dropped if _under(child.shape.path, d)), ""))
        elif child.leaf and child.shape.type.fixed is not None:
            yield _bare(child, f"always {child.shape.type.fixed}")
        else:
            yield from _fields(program, child)


def _under(path: str, drop: str) -> bool:
    bare = drop.removesuffix("/*")
    return path == bare or path.startswith(f"{bare}/")


def _made(program: Program, group: Group) -> Iterator[RecordLine]:
    for row in group.rows.values():
        if row.shape is None:
            yield _line(program, row)
    for below in group.groups.values():
        yield from _made(program, below)


def _line(program: Program, row: Row) -> RecordLine:
    sources = [way.source for way in (row.read, row.write) if way is not None and not way.from_place]
    return RecordLine(
        place=row.path if row.shape is not None else "",
        privacy=row.privacy,
        row=row.id,
        direction=row.arrow,
        resource="/".join(row.resource) if row.resource is not None else "",
        level=row.level if row.resource is not None else None,
        events=tuple(_shown_in(program, row)),
        reason="; ".join(dict.fromkeys(s for s in sources if s)),
    )


def _bare(place: Place, reason: str) -> RecordLine:
    shape = place.shape
    return RecordLine(
        place=shape.path,
        privacy=shape.privacy,
        row="",
        direction="",
        resource="",
        level=None,
        events=(),
        reason=reason,
    )


def _shown_in(program: Program, row: Row) -> Iterator[str]:
    for event in program.events:
        nodes = [program.graph[name] for name in event.nodes]
        rows = [used for node in nodes for item in node.properties for used in item.uses]
        rows += [used for member in event.members for used in member.uses]
        if row in [*rows, *event.subject_uses]:
            yield event.type


def record_markdown(program: Program) -> str:
    """The record as a table."""
    head = f"# {program.title.get('nl', program.name)} ({program.label})\n\n"
    rows = ["| place | class | row | way | resource | level | events | reason |", "| --- " * 8 + "|"]
    for line in mapping_record(program):
        level = "" if line.level is None else str(line.level)
        cells = [
            line.place,
            line.privacy,
            line.row,
            line.direction,
            line.resource,
            level,
            ", ".join(line.events),
            line.reason,
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return head + "\n".join(rows) + "\n"
