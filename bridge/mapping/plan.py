"""What is worked out once, so that a run has nothing left to find out.

Places laid over the structure, what reading asks for, what composing can fill, the level and the class of each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.mapping.model import MissingKind
from bridge.mapping.program import Group, Place, Row
from bridge.mapping.standard import Standard
from bridge.mapping.structure import Block, Shape
from bridge.mapping.types import Kind


def lay_out(shape: Shape, key: str) -> Place:
    """An empty place for an element and all below it."""
    place = Place(
        shape=shape,
        key=key,
        leaf=shape.leaf,
        extra=shape.type.kind is Kind.EXTRA,
        entity=shape.type.kind is Kind.ENTITY,
        loose=shape.loose,
        blocks=any(isinstance(particle, Block) for particle in shape.particles),
        required=tuple(c.tag for c in shape.children.values() if c.occurs.low > 0 and not c.optional_in),
    )
    for at, child in enumerate(shape.children.values()):
        below = f"{key}.{child.name}" if key else child.name
        place.children[child.tag] = lay_out(child, below)
        place.order[child.tag] = at
    return place


def relay(place: Place, key: str) -> None:
    """Names the places below anew, from the group that starts here."""
    place.key = key or "."
    for child in place.children.values():
        relay(child, f"{key}.{child.shape.name}" if key else child.shape.name)


def mark_used(place: Place) -> tuple[bool, bool]:
    """Notes for each element whether anything in it is mapped, and which children composing can fill."""
    own = [*place.attributes.values(), *([place.row] if place.row else []), *(row for *_, row in place.picks)]
    used = bool(own) or place.group is not None
    writes = any(row.write is not None for row in own)
    for tag, child in place.children.items():
        child_used, child_writes = mark_used(child)
        used = used or child_used
        writes = writes or child_writes
        if child_writes and not child.dropped:
            place.written[tag] = child
    place.used = used
    return used, writes


def plan_reading(group: Group) -> None:
    """Sorts out once which rows a run must ask for and which go to the resource."""
    quiet = (MissingKind.OMIT, MissingKind.NIL)
    group.asked = tuple(
        row
        for row in group.rows.values()
        if row.read is not None
        and (row.place or row.resource is not None or row.remember)
        and not (row.read.from_place and row.read.missing.kind in quiet)
    )
    group.kept = tuple(row for row in group.rows.values() if row.read is not None and row.resource)
    for below in group.groups.values():
        plan_reading(below)


def protect(rows: list[Row], standard: Standard, levelled: set[int], hiding: Mapping[int, bool]) -> None:
    """Gives each row its level, and a row made of others the privacy class of the most protected of them."""
    done: set[int] = set()

    def settle(row: Row) -> None:
        if id(row) in done:
            return
        done.add(id(row))
        inputs = [used for way in (row.read, row.write) if way is not None for used in way.uses]
        for used in inputs:
            settle(used)
        if row.shape is None and inputs and not hiding.get(id(row), False):
            row.privacy = max((used.privacy for used in inputs), key=lambda name: _strictness(standard, name))
        if id(row) not in levelled:
            known = standard.privacy.get(row.privacy)
            row.level = max(
                [known.level if known else 2, *(used.level for used in inputs if row.shape is None)]
            )

    for row in rows:
        settle(row)


def keep_invalid(rows: list[Row], deciding: list[Row], exact: set[int]) -> None:
    """Marks the rows whose text is kept when it cannot be read, because nothing is decided by them.

    The others reject the message: subjects, identities and the choice of events are made of them, another row is
    read or not because of them, a later message is tied to them, or they must have a value.
    """
    needed: set[int] = set()
    for row in [*deciding, *(row for row in rows if row.remember)]:
        _need(row, needed)
    for row in rows:
        if row.read is not None and row.read.from_place:
            for used in row.read.uses:
                _need(used, needed)
    for row in rows:
        way = row.read
        row.keeps_invalid = (
            way is not None
            and way.from_place
            and row.shape is not None
            and row.attribute is None
            and row.resource is not None
            and way.missing.kind in (MissingKind.OMIT, MissingKind.NIL)
            and not any(step.conversion.name == "attachment" for step in way.steps)
            and id(row) not in needed | exact
        )


def _need(row: Row, needed: set[int]) -> None:
    if id(row) not in needed:
        needed.add(id(row))
        for used in row.read.uses if row.read is not None else ():
            _need(used, needed)


def strictest(standard: Standard) -> str:
    """The class of a value that may come from anywhere in the message."""
    return strictest_of(standard, standard.privacy)


def strictest_of(standard: Standard, names: Iterable[str]) -> str:
    return max(names, key=lambda name: _strictness(standard, name))


def _strictness(standard: Standard, name: str) -> tuple[bool, int]:
    known = standard.privacy.get(name)
    return (known.personal, known.level) if known else (True, 2)


def resource_levels(top: Group) -> dict[str, int]:
    """The lowest level per place of the resource."""
    levels: dict[str, int] = {}
    _levels(top, "", levels)
    return levels


def _levels(group: Group, above: str, levels: dict[str, int]) -> None:
    levels[f"{above}_afwezig"] = group.level if group.parent else 1
    levels[f"{above}_volgorde"] = group.level if group.parent else 1
    for row in group.rows.values():
        if row.resource:
            parent = "".join(f"{step}/" for step in row.resource[:-1])
            levels[f"{above}{parent}{row.resource[-1]}"] = row.level
            levels[f"{above}{parent}_afwezig/{row.resource[-1]}"] = row.level
            if row.keeps_invalid:
                levels[f"{above}{parent}_ongeldig/{row.resource[-1]}"] = row.level
    for below in group.groups.values():
        place = f"{above}{'/'.join(below.resource)}"
        levels[place] = below.level
        if below.scalar is not None:
            levels[f"{place}/*"] = below.scalar.level
        _levels(below, f"{place}/*/", levels)
