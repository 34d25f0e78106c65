"""The leak test: no protected value of a message stands where fewer people may look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.mapping.context import EventDraft, Mapped
from bridge.mapping.levels import at_level
from bridge.mapping.program import Program, Row, Scope

Json = Any
_NAMED = ("soh:burgerservicenummer", "bsn", "leeftijd")
_SHORT = 4
"""A text shorter than this occurs by chance."""


@dataclass(frozen=True, slots=True)
class _Protected:
    row: str
    pattern: re.Pattern[str]


def leaks(
    program: Program, top: Scope, outcome: Mapped, lower: Sequence[EventDraft], known: frozenset[str]
) -> tuple[str, ...]:
    """What leaks, in words that name rows and places, never values.

    `known` are texts of the settings, such as names of organisations, in which a value may stand by chance.
    """
    return tuple(dict.fromkeys(_leaks(program, top, outcome, lower, known)))


def _leaks(
    program: Program, top: Scope, outcome: Mapped, lower: Sequence[EventDraft], known: frozenset[str]
) -> Iterator[str]:
    protected = list(_protected(program, top))
    for event in outcome.events:
        yield from _found(protected, event.subject, f"the subject of {event.type}")
        for text in set(_strings(event.data, named=True)) - known:
            yield from _found(protected, text, f"the data of {event.type}")
    for event in lower:
        if event.level is not None and event.level < 2:
            for text in set(_strings(event.data, named=False)) - known:
                yield from _found(protected, text, f"the event of level {event.level} of {event.type}")
    if outcome.resource is None:
        return
    yield from _found(protected, outcome.resource.id, "the id of the resource")
    for level in (0, 1):
        view = at_level(outcome.resource.body, outcome.resource.levels, level)
        for text in set(_strings(view, named=False)) - known - frozenset(_allowed(top, level)):
            yield from _found(protected, text, f"the resource at level {level}")


def _protected(program: Program, scope: Scope) -> Iterator[_Protected]:
    """Everything personal that only level 2 may see."""
    for row in scope.group.rows.values():
        if _personal(program, row) and row.level >= 2:
            for text in _strings([scope.values.get(row.id), scope.invalid.get(row.id)], named=False):
                if len(text.strip()) >= _SHORT:
                    yield _Protected(row.id, re.compile(rf"(?<!\w){re.escape(text.strip())}(?!\w)"))
    for items in scope.items.values():
        for item in items:
            yield from _protected(program, item)


def _allowed(scope: Scope, level: int) -> Iterator[str]:
    """Whole values that the message itself has at a place which this level may see."""
    for row in scope.group.rows.values():
        if row.shape is not None and row.level <= level:
            yield from _strings(scope.values.get(row.id), named=False)
    for items in scope.items.values():
        for item in items:
            yield from _allowed(item, level)


def _personal(program: Program, row: Row) -> bool:
    known = program.standard.privacy.get(row.privacy)
    return known is None or known.personal


def _strings(value: Json, *, named: bool) -> Iterator[str]:
    """Every text in a JSON value; with `named`, without the members that the profile names."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, below in value.items():
            if key not in ("_afwezig", "_volgorde") and not (named and key in _NAMED):
                yield from _strings(below, named=named)
    elif isinstance(value, list):
        for below in value:
            yield from _strings(below, named=named)


def _found(protected: Sequence[_Protected], text: str, where: str) -> Iterator[str]:
    for item in protected:
        if item.pattern.search(text):
            yield f"the value of {item.row} stands in {where}"
