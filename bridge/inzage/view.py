"""What each information level shows of a resource (hub.md, sections 6.1 and 9): one resource, three views.

The stored text of a resource holds its body and the lowest level per place. A place that is not named has the level
of the nearest place above it that is; above everything stands level 2, so that what nobody thought of stays hidden.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.hub.bsn import MASK, mask_bsn_in

if TYPE_CHECKING:
    from bridge.hub.json import Json

LEVELS: Final = (0, 1, 2)
MOST: Final = 2
"""The level that shows everything."""

ABSENT_MEMBER: Final = "_afwezig"
"""Member in which the mapping says of a place why it is empty."""

ENVELOPE: Final = (
    "id",
    "type",
    "niveau",
    "status",
    "versie",
    "beschikbaarGesteldOp",
    "bronhouder",
    "samenwerkfunctie",
    "afwijkingen",
)
"""Members that the view writes itself; of these only `status` may come from the body."""

_STATUS: Final = "beschikbaar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One version of a resource, as it was kept."""

    type: str
    id: str
    version: int
    owner: str
    """OIN of the party whose data it is."""
    function: str | None
    """The samenwerkfunctie, where the type belongs to one."""
    at: datetime
    body: Mapping[str, Json] = field(repr=False)
    levels: Mapping[str, int] = field(repr=False)


def read_stored(text: str) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """Body and levels from the stored JSON. Raises ValueError when it is not of that form."""
    content = json.loads(text)
    body = content.get("body") if isinstance(content, dict) else None
    levels = content.get("levels") if isinstance(content, dict) else None
    if not isinstance(body, dict) or not isinstance(levels, dict):
        raise ValueError("a stored resource holds a body and its levels")
    return body, {place: level if level in LEVELS else MOST for place, level in levels.items()}


def make_view(stored: Stored, *, level: int, masks: Iterable[str] = ()) -> dict[str, Json]:
    """The resource as this level shows it, the masked places in stars.

    Below level 2 every BSN is masked wherever it stands, also when a mapping gave its place too low a level.
    """
    visible = cut(stored.body, stored.levels, level=level)
    for mask in masks:
        visible = _mask(visible, tuple(mask.strip("/").split("/")))
    if level < MOST:
        shown = mask_bsn_in(visible)
        assert isinstance(shown, dict)
        visible = shown
    view: dict[str, Json] = {
        "id": f"urn:{stored.type}:{stored.id}",
        "type": stored.type,
        "niveau": level,
        "status": visible.get("status", _STATUS),
        "versie": stored.version,
        "beschikbaarGesteldOp": write_moment(stored.at),
        "bronhouder": stored.owner,
    }
    if level > 0 and stored.function:
        view["samenwerkfunctie"] = stored.function
    view |= {name: value for name, value in visible.items() if name not in ENVELOPE}
    if level == MOST:
        view["afwijkingen"] = [
            {"plaats": place, "reden": reason} for place, reason in _absences(stored.body, ())
        ]
    return view


def cut(body: Mapping[str, Json], levels: Mapping[str, int], *, level: int) -> dict[str, Json]:
    """What of the body may be seen at this level. An object or list of which nothing may be seen is left out."""
    shown: dict[str, Json] = {}
    for name, value in body.items():
        found, is_seen = _cut(value, (name,), levels, level, MOST)
        if is_seen:
            shown[name] = found
    return shown


def write_moment(moment: datetime) -> str:
    """RFC 3339 in UTC with Z (API Design Rules, date-time)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut(
    value: Json, place: tuple[str, ...], levels: Mapping[str, int], level: int, above: int
) -> tuple[Json, bool]:
    """The visible part of one place, and whether there is one. A place below may be lower than its group."""
    own = levels.get("/".join(place), above)
    if isinstance(value, dict):
        parts = {name: _cut(item, (*place, name), levels, level, own) for name, item in value.items()}
        shown: Json = {name: found for name, (found, is_seen) in parts.items() if is_seen}
        return shown, bool(shown) or own <= level
    if isinstance(value, list):
        items = [_cut(item, (*place, "*"), levels, level, own) for item in value]
        kept: Json = [found for found, is_seen in items if is_seen]
        return kept, bool(kept) or own <= level
    return value, own <= level


def _mask(value: Any, steps: Sequence[str]) -> Any:
    """`bsn` alone masks every member of that name; `betrokkenen/*/bsn` exactly that place.

    A list that the place does not name, or names by a number, is looked into all the same: what a decision asks to
    mask is never shown because it was written a little differently.
    """
    if isinstance(value, list):
        rest = steps[1:] if steps[0] == "*" or steps[0].isdecimal() else steps
        return [_mask(item, rest) for item in value] if rest else [MASK for _ in value]
    if not isinstance(value, dict):
        return value
    masked: dict[str, Any] = {}
    for name, item in value.items():
        if name == steps[0] and len(steps) == 1:
            masked[name] = MASK
        elif name == steps[0]:
            masked[name] = _mask(item, steps[1:])
        elif len(steps) == 1:
            masked[name] = _mask(item, steps)
        else:
            masked[name] = item
    return masked


def _absences(value: Any, place: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every place that the source left empty, with the reason that it gave."""
    found: list[tuple[str, str]] = []
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == ABSENT_MEMBER and isinstance(item, Mapping):
                found += [("/".join((*place, key)), str(reason)) for key, reason in item.items()]
            else:
                found += _absences(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _absences(item, (*place, str(index)))
    return found
