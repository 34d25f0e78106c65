"""The names of the payload, from one file: the framework has used several for the same thing.

Of every property and class the first name is written, the others are read too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    namespaces: Mapping[str, str]
    properties: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, tuple[str, ...]]
    allowed: Mapping[str, tuple[str, ...]]
    """Per kind of node (`entity`, `person`, `activity`, `agent`) the properties that an event may hold."""

    def name(self, key: str) -> str:
        """The name that is written for a property."""
        return self.properties[key][0]

    def cls(self, key: str) -> str:
        """The name that is written for a class."""
        return self.classes[key][0]

    def key_of(self, name: str) -> str | None:
        """The property that a name stands for, in any of its spellings."""
        return next((key for key, names in self.properties.items() if name in names), None)


def parse_vocabulary(text: str) -> Vocabulary:
    """A vocabulary from the text of its file. Raises ValueError or KeyError when the file is not one."""
    content = json.loads(text)
    return Vocabulary(
        namespaces=dict(content["namespaces"]),
        properties=_names(content["properties"]),
        classes=_names(content["classes"]),
        allowed=_names(content["allowed"]),
    )


@cache
def default_vocabulary() -> Vocabulary:
    """The vocabulary that comes with the bridge."""
    return parse_vocabulary(resources.files("bridge.hub").joinpath("vocabulary.json").read_text("utf-8"))


def _names(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(names) for key, names in table.items()}
