"""The types of a structure description: what a leaf element may hold, and how a wrong value is told.

`group`, `entity CODE` (a relation or object with a fixed `stuf:entiteittype`; `entity?` when the attribute may be
left out, `entity *` when any code will do), `any`, `extra` (StUF extra elements), `text`, `text a..b`, `text =n`,
`digits n` or `digits a..b`, `number` or `number ..max`, `boolean`, `date`, `day`, `moment`, `bsn`, `binary`,
`pattern REGEX`, `one A | B`, `list NAME` (a code list of the standard), `= TEXT` (one fixed value).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    GROUP = "group"
    ENTITY = "entity"
    ANY = "any"
    EXTRA = "extra"
    TEXT = "text"
    DIGITS = "digits"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DAY = "day"
    MOMENT = "moment"
    BSN = "bsn"
    BINARY = "binary"
    PATTERN = "pattern"
    ONE = "one"
    LIST = "list"
    FIXED = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    kind: Kind
    low: int = 0
    high: int | None = None
    values: tuple[str, ...] = ()
    """Of `one` and `=`: what may stand; of `list`: the name of the list; of `entity`: the code."""
    pattern: re.Pattern[str] | None = None
    required: bool = True
    """Of `entity`: whether the attribute must stand."""

    @property
    def holds_elements(self) -> bool:
        return self.kind in (Kind.GROUP, Kind.ENTITY)

    @property
    def fixed(self) -> str | None:
        """The one text that may stand, or None."""
        return self.values[0] if self.kind is Kind.FIXED else None

    @property
    def entity(self) -> str | None:
        """The fixed code of `stuf:entiteittype`; None when there is none or any will do."""
        code = self.values[0] if self.kind is Kind.ENTITY else "*"
        return None if code == "*" else code

    def __str__(self) -> str:
        return " ".join([self.kind.value, *self.values])


_Check = Callable[["Type", str, Mapping[str, frozenset[str]]], str | None]
_RANGE = re.compile(r"(\d*)\.\.(\d*)")
_SIMPLE = {k.value: k for k in Kind if k not in (Kind.ENTITY, Kind.ONE, Kind.LIST, Kind.FIXED, Kind.PATTERN)}


def read_type(text: str) -> tuple[Type, str]:
    """The type, and what is wrong with its text (empty when nothing is)."""
    word, _, rest = text.partition(" ")
    if word in ("entity", "entity?"):
        return Type(kind=Kind.ENTITY, values=(rest or "*",), required=word == "entity"), ""
    if word == "=":
        return Type(kind=Kind.FIXED, values=(rest,)), ""
    if word == "one":
        return Type(kind=Kind.ONE, values=tuple(v.strip() for v in rest.split(" | "))), ""
    if word == "list":
        return Type(kind=Kind.LIST, values=(rest,)), ""
    if word == "pattern":
        return _pattern(rest)
    if word in _SIMPLE:
        low, high, problem = _bounds(rest)
        return Type(kind=_SIMPLE[word], low=low, high=high), problem
    return Type(kind=Kind.ANY), f"{word or 'nothing'} is no type of a structure description"


def _pattern(text: str) -> tuple[Type, str]:
    try:
        return Type(kind=Kind.PATTERN, pattern=re.compile(text)), ""
    except re.error as error:
        return Type(kind=Kind.ANY), f"the pattern does not compile: {error}"


def _bounds(text: str) -> tuple[int, int | None, str]:
    if not text:
        return 0, None, ""
    found = _RANGE.fullmatch(text)
    if found:
        low, high = found.groups()
        return int(low or 0), int(high) if high else None, ""
    exact = text.removeprefix("=")
    if exact.isdecimal():
        return int(exact), int(exact), ""
    return 0, None, f"{text} is no length: write 5..40, ..40 or =12"


def fault(type_: Type, text: str, lists: Mapping[str, frozenset[str]]) -> str | None:
    """Why a text is not of a type, in words without the text itself; None when it is."""
    check = _CHECKS.get(type_.kind)
    return check(type_, text, lists) if check else None


def _text(type_: Type, text: str, _: Mapping[str, frozenset[str]]) -> str | None:
    if type_.high is not None and len(text) > type_.high:
        return f"longer than {type_.high} characters ({len(text)})"
    return f"shorter than {type_.low} characters ({len(text)})" if len(text) < type_.low else None


def _digits(type_: Type, text: str, _: Mapping[str, frozenset[str]]) -> str | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        return "not only digits"
    if len(text) < type_.low or (type_.high is not None and len(text) > type_.high):
        return f"{len(text)} digits where {type_.low} to {type_.high} are allowed"
    return None


def _number(type_: Type, text: str, _: Mapping[str, frozenset[str]]) -> str | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        return "not a whole number"
    return f"larger than {type_.high}" if type_.high is not None and int(text) > type_.high else None


_DATE = re.compile(r"\d{8}")
_MOMENT = re.compile(r"\d{8,17}")
_BSN = re.compile(r"\d{9}")


def _shaped(pattern: re.Pattern[str], words: str, strip: bool = True) -> _Check:
    def check(_: Type, text: str, __: Mapping[str, frozenset[str]]) -> str | None:
        shown = text.strip() if strip else text
        return None if pattern.fullmatch(shown) and shown.isascii() else words

    return check


def _matches(type_: Type, text: str, _: Mapping[str, frozenset[str]]) -> str | None:
    assert type_.pattern is not None
    return None if type_.pattern.fullmatch(text.strip()) else f"not of the form {type_.pattern.pattern}"


def _one_of(type_: Type, text: str, _: Mapping[str, frozenset[str]]) -> str | None:
    return None if text in type_.values else f"not one of {', '.join(type_.values)}"


def _listed(type_: Type, text: str, lists: Mapping[str, frozenset[str]]) -> str | None:
    known = lists.get(type_.values[0])
    return None if known is None or text in known else f"not in the code list {type_.values[0]}"


_CHECKS: dict[Kind, _Check] = {
    Kind.TEXT: _text,
    Kind.DIGITS: _digits,
    Kind.NUMBER: _number,
    Kind.DATE: _shaped(_DATE, "not a date of 8 digits"),
    Kind.DAY: _shaped(_DATE, "not a date of 8 digits"),
    Kind.MOMENT: _shaped(_MOMENT, "not a moment of 8 to 17 digits", strip=False),
    Kind.BSN: _shaped(_BSN, "not 9 digits"),
    Kind.PATTERN: _matches,
    Kind.ONE: _one_of,
    Kind.LIST: _listed,
    Kind.FIXED: _one_of,
}
