"""What a level may see of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Any


def at_level(body: Mapping[str, Json], levels: Mapping[str, int], level: int) -> dict[str, Json]:
    """The part of a resource that a level may see; empty groups and lists fall away.

    `levels` is that of a `ResourceDraft`: places joined by `/`, `*` for items. A place that is not named has the
    level of the nearest place above it that is; at the top that is 2.
    """
    seen = _seen(body, levels, level, "", 2)
    return seen if isinstance(seen, dict) else {}


def _seen(value: Json, levels: Mapping[str, int], level: int, path: str, above: int) -> Json:
    own = levels.get(path, above)
    if isinstance(value, Mapping):
        below = {k: _seen(v, levels, level, f"{path}/{k}".lstrip("/"), own) for k, v in value.items()}
        return {key: part for key, part in below.items() if part is not None} or None
    if isinstance(value, list):
        if own > level:
            return None
        parts = [_seen(item, levels, level, f"{path}/*", own) for item in value]
        return [part for part in parts if part is not None] or None
    return value if own <= level else None
