"""What a function of the mapping language is: its words, its promise, its examples, its code.

A *conversion* (`as:`) is a pair: `read` makes the JSON value of a text, `write` makes the text again. Its promise:
`exact` (writing what was read gives the same text), `canonical` (the same after one pass), `lossy` (something is
gone), `one-way` (it cannot be written). A *calculation* (`calc:`) makes a value of other values.

Functions touch nothing but what is handed to them. A value they cannot take they refuse with `Refused`, whose words
never hold the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from bridge.mapping.lists import CodeList

Json = Any
"""A JSON value: text, truth value, whole number, list or mapping."""

INVALID = "?"
"""Of an item that a calculation looks at: the rows whose text could not be read. It is no name of a row."""


class Promise(StrEnum):
    EXACT = "exact"
    CANONICAL = "canonical"
    LOSSY = "lossy"
    ONE_WAY = "one-way"


class Refused(Exception):
    """A value that a function cannot take; the words say why, without the value."""


class Env(Protocol):
    """What a function may use beside its arguments."""

    @property
    def lists(self) -> Mapping[str, CodeList]: ...
    @property
    def moment(self) -> datetime:
        """The moment of the message, for validity dates and ages."""
        ...

    @property
    def namespace(self) -> UUID: ...
    @property
    def person_key(self) -> bytes: ...
    @property
    def party(self) -> str:
        """The OIN of the party whose data this is."""
        ...

    def note(self, rule: str, text: str) -> None:
        """Report something that does not stop the message."""
        ...

    def keep(self, content: bytes) -> str:
        """Set an attachment aside; its reference comes back."""
        ...

    def fetch(self, reference: str) -> bytes | None:
        """The attachment of a reference, or None when it is not at hand."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Reading `xml` gives `json`; writing `json` gives `back`, which is `xml` when it is left out."""

    args: str = ""
    xml: str | None = None
    json: Json = None
    back: str | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    name: str
    doc: str
    promise: Promise
    read: Callable[[str, tuple[str, ...], Env], Json]
    write: Callable[[Json, tuple[str, ...], Env], str] | None
    args: str = ""
    """How the arguments are written, for the reference: `(Ja Nee)`."""
    arity: tuple[int, int | None] = (0, 0)
    examples: tuple[Example, ...] = ()
    list_arg: bool = False
    """The first argument names a code list."""


class Param(StrEnum):
    """What a word in the brackets of a calculation stands for."""

    ROW = "row"
    EACH = "each"
    ITEM = "row of the items"
    ITEMS = "each/row"
    LIST = "code list"
    NUMBER = "number"
    TEXT = "text"
    WORD = "fixed word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    name: str
    doc: str
    params: tuple[tuple[Param, str], ...]
    """Kind and name of each word; a fixed word is its own name."""
    compute: Callable[[Sequence[Json], Env], Json]
    rest: Param | None = None
    """The kind of any further words."""
    example: str = ""
    cases: tuple[tuple[tuple[Json, ...], Json], ...] = ()
    """Arguments as computed values, and the result: documentation that runs as a test."""
    hides: bool = False
    """The result says nothing about the person (a pseudonym, a yes or no): its privacy class is `-`."""


def text_of(value: Json) -> str:
    """A JSON scalar as text; anything else is refused."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    raise Refused("a single value is needed here, not a list or a group")
