"""JSON read strictly (RFC 8259) and written the same each time.

Refused, where the standard library would let it pass: doubled members, NaN and Infinity, lone surrogates,
invalid UTF-8, a byte order mark, numbers that no double can hold, and nesting or size without bound.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from bridge.errors import Broken, EventRejected
from bridge.hub.bsn import safe_where

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 100
MAX_OCTETS = 256 * 1024
MAX_DIGITS = 308
MAX_FAULTS = 50

# A string that never closes runs to the end, so that one pass over the text is always enough.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A JSON value and the places in it that break a rule, so that a batch can spare its good members."""

    value: Json
    faults: tuple[Broken, ...] = ()


def load_json(octets: bytes, *, max_octets: int = MAX_OCTETS, max_depth: int = MAX_DEPTH) -> Json:
    """The value that the octets hold. Raises EventRejected with every fault."""
    parsed = parse_json(octets, max_octets=max_octets, max_depth=max_depth)
    if parsed.faults:
        raise EventRejected(parsed.faults)
    return parsed.value


def parse_json(octets: bytes, *, max_octets: int = MAX_OCTETS, max_depth: int = MAX_DEPTH) -> Parsed:
    """The value that the octets hold, with its doubled members, lone surrogates and impossible numbers.

    Raises EventRejected for a fault after which nothing can be read; status 413 when there are more than
    `max_octets` octets.
    """
    if len(octets) > max_octets:
        fault = Broken(rule="SOH-35", where="", text=f"the body is larger than {max_octets} octets")
        raise EventRejected([fault], status=413)
    text = _decode(octets)
    _check_depth(text, max_depth)
    value, suspect = _parse(text)
    faults = _doubled_members(text) if suspect else []
    if suspect or _SURROGATE_ESCAPE.search(text):
        faults += _impossible_values(value)
    return Parsed(
        value, tuple(replace(fault, where=safe_where(fault.where)) for fault in faults[:MAX_FAULTS])
    )


def write_json(value: Json | Mapping[str, Any]) -> bytes:
    """UTF-8 without white space, members in their own order; equal input gives equal octets."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def pointer(parent: str, token: str | int) -> str:
    """The JSON pointer (RFC 6901) of a member or an item below `parent`."""
    return f"{parent}/{str(token).replace('~', '~0').replace('/', '~1')}"


def _decode(octets: bytes) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_json("the body is not valid UTF-8") from error
    if text.startswith("\ufeff"):
        raise _not_json("the body starts with a byte order mark")
    return text


def _check_depth(text: str, max_depth: int) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        char = text[match.start()]
        if char in "[{":
            depth += 1
            if depth > max_depth:
                raise _not_json(f"the body is nested deeper than {max_depth} levels")
        elif char in "]}":
            depth -= 1


def _parse(text: str) -> tuple[Json, bool]:
    """The value, and whether something in it needs a closer look.

    In it NaN stands for the words that JSON does not have (NaN, Infinity), and infinity for a number too large to hold.
    """
    suspect = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal suspect
        found = dict(pairs)
        suspect = suspect or len(found) != len(pairs)
        return found

    def number(text: str) -> int | float:
        nonlocal suspect
        value = _number(text)
        suspect = suspect or not math.isfinite(value)
        return value

    return _loads(text, members, number), suspect


def _loads(text: str, members: Any, number: Any) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=members,
            parse_constant=_constant(number),
            parse_int=number,
            parse_float=number,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _not_json(f"the body is not JSON ({where})") from error


def _constant(number: Callable[[str], int | float]) -> Callable[[str], int | float]:
    return lambda _word: number("nan")


def _number(text: str) -> int | float:
    if len(text) > MAX_DIGITS:
        return math.inf
    value = float(text)
    return int(text) if math.isfinite(value) and text.lstrip("-").isdigit() else value


class _Members(list[tuple[str, Any]]):
    """An object with its members as they stood, doubled ones included."""


def _doubled_members(text: str) -> list[Broken]:
    faults: list[Broken] = []
    waiting: list[tuple[str, Any]] = [("", _loads(text, _Members, _number))]
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, _Members):
            seen: set[str] = set()
            for name, item in value:
                here = at if _is_broken(name) else pointer(at, name)
                if name in seen:
                    rule = "SOH-28" if at else "SOH-27"
                    faults.append(Broken(rule=rule, where=here, text="the member occurs more than once"))
                seen.add(name)
                waiting.append((here, item))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            waiting += [(pointer(at, i), item) for i, item in enumerate(value)]
    return sorted(faults, key=lambda fault: fault.where)


def _impossible_values(value: Json, at: str = "") -> list[Broken]:
    """Strings that no UTF-8 can hold, and numbers that JSON does not have."""
    if isinstance(value, str):
        return [_lone_surrogate(at)] if _is_broken(value) else []
    if isinstance(value, float) and math.isnan(value):
        return [Broken(rule="SOH-28", where=at, text="NaN and Infinity are not JSON")]
    if isinstance(value, float) and math.isinf(value):
        return [_impossible(at, "the number is too large to hold")]
    found: list[Broken] = []
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += _impossible_values(item, pointer(at, i))
    elif isinstance(value, dict):
        for name, item in value.items():
            found += [_lone_surrogate(at)] if _is_broken(name) else []
            found += _impossible_values(item, at if _is_broken(name) else pointer(at, name))
    return found


def _is_broken(text: str) -> bool:
    return _SURROGATE.search(text) is not None


def _lone_surrogate(where: str) -> Broken:
    return _impossible(where, "a lone surrogate is not a character")


def _impossible(where: str, text: str) -> Broken:
    # Of an attribute it also breaks the rule for attribute values; deeper it is only bad JSON.
    rule = "SOH-25" if where.count("/") == 1 and where != "/data" else "SOH-28"
    return Broken(rule=rule, where=where, text=text)


def _not_json(text: str) -> EventRejected:
    return EventRejected([Broken(rule="SOH-28", where="", text=text)])
