"""Code lists in CSV or JSON beside the mapping, with validity dates.

The columns `from` and `until` (yyyy-mm-dd, both days included, empty for no bound) are about validity; the others
hold the codes. A list for `list(name)` has the columns `xml` and `json`. A list for `lookup(name …)` has one or more
columns to look in and a last one that answers.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic

MAX_LINES = 20_000
_VALIDITY = ("from", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    cells: tuple[str, ...]
    start: date | None
    until: date | None

    def valid(self, on: date) -> bool:
        return (self.start is None or self.start <= on) and (self.until is None or on <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    name: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    by_xml: dict[str, tuple[Line, ...]]
    by_json: dict[str, tuple[Line, ...]]

    def to_json(self, code: str, on: date) -> str | None:
        return next((line.cells[1] for line in self.by_xml.get(code, ()) if line.valid(on)), None)

    def to_xml(self, word: str, on: date) -> str | None:
        return next((line.cells[0] for line in self.by_json.get(word, ()) if line.valid(on)), None)

    def why_not(self, code: str, on: date) -> str:
        """Why `to_json` found nothing, in words without the code itself."""
        if code in self.by_xml:
            return f"the code list {self.name} has this code, but not on {on}"
        if code.strip() in self.by_xml:
            return f"the code list {self.name} has this code, but without white space around it"
        return f"the code list {self.name} has no such code"

    def answer(self, keys: Sequence[str], on: date) -> str | None:
        """The last cell of the first line that fits; None when no line does."""
        for line in self.lines:
            pairs = zip(line.cells, keys, strict=False)
            if line.valid(on) and all(cell in ("*", key) for cell, key in pairs):
                return line.cells[-1]
        return None

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(self.by_xml)


def read_list(file: str, text: str) -> tuple[CodeList | None, list[Diagnostic]]:
    """A list from CSV (comma, header line) or JSON (a list of objects, all texts)."""
    found: list[Diagnostic] = []
    rows = _json_rows(file, text, found) if file.endswith(".json") else _csv_rows(file, text, found)
    if not rows or found:
        return None, found or [diagnostic("M120", Span(file), "the list is empty")]
    header = rows[0][1]
    columns = tuple(c for c in header if c not in _VALIDITY)
    if len(columns) < 2 or len(set(header)) != len(header):
        said, other = "a list has at least two columns, each with its own name", _separator(header)
        hint = f"cells are separated by a comma, not by {other}" if other else ""
        return None, [diagnostic("M120", Span(file), said, hint=hint)]
    lines = [line for at, row in rows[1:] if (line := _line(file, at, header, row, found)) is not None]
    if columns[:2] == ("xml", "json"):
        found += _twice(file, lines, [at for at, row in rows[1:] if len(row) == len(header)])
    name = file.rpartition("/")[2].rpartition(".")[0]
    made = CodeList(
        name=name,
        columns=columns,
        lines=tuple(lines),
        by_xml=_index(lines, 0),
        by_json=_index(lines, 1),
    )
    return (None if found else made), found


def _separator(header: Sequence[str]) -> str:
    """What stands between the cells, when all of a line was read as one cell."""
    names = {";": "a semicolon", "\t": "a tab", "|": "a bar"}
    return next((name for sign, name in names.items() if len(header) == 1 and sign in header[0]), "")


def _twice(file: str, lines: Sequence[Line], at: Sequence[int]) -> Iterator[Diagnostic]:
    """A code with two words on one day: the first would silently win."""
    seen: dict[str, list[Line]] = {}
    for line, number in zip(lines, at, strict=True):
        code, word = line.cells[:2]
        for other in seen.get(code, ()):
            if other.cells[1] != word and _overlap(line, other):
                said = f"{code} stands twice, with different words on the same day"
                yield diagnostic(
                    "M120", Span(file, number), said, hint="keep one, or bound them with from and until"
                )
        seen.setdefault(code, []).append(line)


def _overlap(one: Line, other: Line) -> bool:
    starts = max(one.start or date.min, other.start or date.min)
    return starts <= min(one.until or date.max, other.until or date.max)


def _line(
    file: str, at: int, header: Sequence[str], row: Sequence[str], found: list[Diagnostic]
) -> Line | None:
    if len(row) != len(header):
        found.append(
            diagnostic("M120", Span(file, at), f"{len(row)} cells where the header has {len(header)}")
        )
        return None
    bounds: dict[str, date | None] = {"from": None, "until": None}
    cells: list[str] = []
    for column, cell in zip(header, row, strict=True):
        if column not in _VALIDITY:
            cells.append(cell)
        elif cell:
            try:
                bounds[column] = date.fromisoformat(cell)
            except ValueError:
                found.append(diagnostic("M120", Span(file, at), f"{column} is a date: yyyy-mm-dd"))
    return Line(cells=tuple(cells), start=bounds["from"], until=bounds["until"])


def _index(lines: Sequence[Line], column: int) -> dict[str, tuple[Line, ...]]:
    index: dict[str, tuple[Line, ...]] = {}
    for line in lines:
        key = line.cells[column]
        index[key] = (*index.get(key, ()), line)
    return index


def _csv_rows(file: str, text: str, found: list[Diagnostic]) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if len(rows) > MAX_LINES:
                found.append(diagnostic("M120", Span(file), f"more than {MAX_LINES} lines"))
                break
            if row:
                rows.append((reader.line_num, row))
    except csv.Error as error:
        found.append(diagnostic("M120", Span(file, reader.line_num or 1), f"this is not CSV: {error}"))
    return rows


def _json_rows(file: str, text: str, found: list[Diagnostic]) -> list[tuple[int, list[str]]]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list) or not all(_flat(item) for item in items) or len(items) > MAX_LINES:
        found.append(
            diagnostic("M120", Span(file), "a JSON list is a list of objects whose members are all texts")
        )
        return []
    if not items:
        return []
    header = list(items[0])
    return [(1, header), *((1, [item.get(column, "") for column in header]) for item in items)]


def _flat(item: object) -> bool:
    return isinstance(item, dict) and all(isinstance(value, str) for value in item.values())
