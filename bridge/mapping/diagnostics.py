"""What is wrong with a mapping file: a code, where, a sentence, and the likely mend.

The codes are in `rules.py`. A code is never given to another rule and never used again.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.mapping.rules import RULES


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file; line and column count from 1, `length` is in characters of that line."""

    file: str
    line: int = 1
    column: int = 1
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def part(self, text: str, piece: str) -> Span:
        """The place of `piece` inside a scalar `text` that starts here."""
        at = text.find(piece)
        return self if at < 0 else Span(self.file, self.line, self.column + at, max(len(piece), 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    code: str
    severity: Severity
    span: Span
    text: str
    hint: str = ""
    """The likely mend, in words that can be typed over."""
    replacement: str | None = None
    """What to put in place of the marked text, when that is certain enough to offer."""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.span}  {self.code}  {self.text}{hint}"


def diagnostic(
    code: str, span: Span, text: str, *, hint: str = "", replacement: str | None = None
) -> Diagnostic:
    """A finding under a registered rule; the rule says whether it is an error or a warning."""
    severity = Severity(RULES[code].severity)
    return Diagnostic(code=code, severity=severity, span=span, text=text, hint=hint, replacement=replacement)


def unknown(code: str, span: Span, text: str, name: str, known: Iterable[str]) -> Diagnostic:
    """A name that does not exist, with the nearest one that does."""
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else ""
    return diagnostic(code, span, text, hint=hint, replacement=near)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`; a name that differs only in its prefix comes first."""
    names = list(known)
    local = name.rpartition(":")[2]
    for candidate in names:
        if candidate.rpartition(":")[2] == local and candidate != name:
            return candidate
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return found[0] if found else None


def has_errors(found: Iterable[Diagnostic]) -> bool:
    return any(d.severity is Severity.ERROR for d in found)


def ordered(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By file and place, each finding once."""
    once = {(d.span, d.code, d.text): d for d in found}
    return tuple(sorted(once.values(), key=lambda d: (d.span.file, d.span.line, d.span.column, d.code)))


def render(found: Sequence[Diagnostic], files: Mapping[str, str]) -> tuple[str, ...]:
    """Each finding as a person reads it: the place, the line itself, the marked text, the mend."""
    return tuple(_render_one(d, files) for d in found)


def _render_one(found: Diagnostic, files: Mapping[str, str]) -> str:
    head = f"{found.span}  {found.code}  {found.text}"
    lines = files.get(found.span.file, "").splitlines()
    if not 0 < found.span.line <= len(lines):
        return f"{head}\n      {found.hint}" if found.hint else head
    source = lines[found.span.line - 1]
    marked = " " * (found.span.column - 1) + "^" * min(found.span.length, max(len(source), 1))
    hint = f" {found.hint}" if found.hint else ""
    return f"{head}\n{found.span.line:>5} | {source}\n      | {marked}{hint}"


def summary(found: Sequence[Diagnostic]) -> str:
    """The closing line of a report."""
    errors = sum(d.severity is Severity.ERROR for d in found)
    return f"{_count(errors, 'error')}, {_count(len(found) - errors, 'warning')}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
