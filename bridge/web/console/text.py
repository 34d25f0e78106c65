"""The words of the console: one flat catalogue per language, and the choice between them.

A key ends in `.one` or `.other` when its sentence depends on a number `n`. Both catalogues hold the same
keys; a test proves it.
"""

import json
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "locale"


class Language(StrEnum):
    DUTCH = "nl"
    ENGLISH = "en"


class Catalogue:
    """Sentences of one language. Calling it with a key gives the sentence, with its values filled in."""

    def __init__(self, language: Language, sentences: Mapping[str, str]) -> None:
        self.language = language
        self.sentences = sentences

    def __call__(self, key: str, /, **values: object) -> str:
        """Raises KeyError for a key that the catalogue does not hold."""
        if "n" in values and key not in self.sentences:
            key = f"{key}.one" if values["n"] == 1 else f"{key}.other"
        sentence = self.sentences[key]
        return sentence.format(**values) if values else sentence

    def sentence(self, key: str, /, **values: object) -> str:
        """As a sentence of its own: it begins with a capital, whatever name it begins with."""
        text = self(key, **values)
        return text[:1].upper() + text[1:]

    def who(self, name: str) -> str:
        """A person as it was recorded; that it was at the command line in the words of the reader."""
        person, mark, _ = name.rpartition(" (command)")
        return f"{person} ({self('by.command')})" if mark else name

    def find(self, key: str) -> str | None:
        return self.sentences.get(key)

    def day(self, day: date) -> str:
        """A date as a person writes it: `23 november 2026`."""
        return f"{day.day} {self(f'month.{day.month}')} {day.year}"

    def short_day(self, day: date) -> str:
        """`23 nov 2026`."""
        return f"{day.day} {self(f'month.{day.month}')[:3]} {day.year}"


@cache
def catalogue(language: Language) -> Catalogue:
    sentences = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return Catalogue(language, sentences)


def choose_language(
    *, asked: str | None, cookie: str | None, accept: str | None, default: Language
) -> Language:
    """What the link asks for, else the cookie, else the browser's best that we have, else `default`."""
    for wish in (asked, cookie):
        if wish is not None and wish in set(Language):
            return Language(wish)
    return _first_accepted(accept or "") or default


def _first_accepted(header: str) -> Language | None:
    wishes: list[tuple[float, Language]] = []
    for item in header[:500].split(","):
        tag, _, parameters = item.strip().partition(";")
        name = tag.partition("-")[0].lower()
        weight = _weight(parameters)
        if name in set(Language) and weight > 0:
            wishes.append((weight, Language(name)))
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else None


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
