"""Of several mappings that answer to one event type, the one that leaves least of the full data unread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bridge.mapping.program import Group, Program

Json = Any


def by_fit(programs: Sequence[Program], resource: dict[str, Json] | None) -> list[Program]:
    """The mappings with the best first; in the order given where nothing tells them apart."""
    if resource is None or len(programs) < 2:
        return list(programs)
    values = list(_values(resource, ()))
    return sorted(programs, key=lambda program: _unread(program, values))


def _unread(program: Program, values: Sequence[tuple[str, ...]]) -> int:
    known = frozenset(_places(program.top, ()))
    return sum(not any(path[:length] in known for length in range(len(path) + 1)) for path in values)


def _places(group: Group, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for row in group.rows.values():
        if row.resource is not None:
            yield (*above, *row.resource)
    for below in group.groups.values():
        yield from _places(below, (*above, *below.resource, "*"))


def _values(value: Json, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The places of all values; how something is absent or was ordered (`_…`) says nothing about the mapping."""
    if isinstance(value, dict):
        for name, below in value.items():
            if not name.startswith("_"):
                yield from _values(below, (*path, name))
    elif isinstance(value, list):
        for below in value:
            yield from _values(below, (*path, "*"))
    else:
        yield path
