"""What `bridge check` finds: one kind of value for all groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.config import Settings


class Group(StrEnum):
    """What a finding is about, in the order in which they are told."""

    SETTINGS = "settings"
    CERTIFICATES = "certificates"
    AGREEMENTS = "agreements"
    MAPPINGS = "mappings"
    STORE = "store"
    LISTENERS = "listeners"
    HUB = "hub"


class Level(StrEnum):
    ERROR = "error"
    """The bridge does not start, or will fail at this."""
    WARNING = "warning"
    """It runs, and something will go wrong or is against the rules."""
    HINT = "hint"
    """It could be better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know before it happens; `text` ends with what to do."""

    group: Group
    level: Level
    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The settings under judgement, and the moment for which they are judged."""

    settings: Settings
    now: datetime

    @property
    def strict(self) -> Level:
        """What only tests may do: an error in production, a warning elsewhere."""
        return Level.ERROR if self.settings.production else Level.WARNING


def errors(group: Group, where: str, problems: Iterable[str]) -> Iterator[Finding]:
    """The problems of a ConfigError or MappingError, each as a finding."""
    for problem in problems:
        text = problem.removeprefix(f"{where}: ")
        yield Finding(group=group, level=Level.ERROR, where=where, text=text)
