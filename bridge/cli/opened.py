"""The store of the settings file, open for one command; and ids that a person shortened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import typer

from bridge.cli.store_keys import load_master_keys
from bridge.config import Settings, load_settings
from bridge.errors import BridgeError
from bridge.ids import Key
from bridge.store.unit import Store

PAST = "ffffffff-ffff-ffff-ffff-ffffffffffffg"
"""Just past the highest key: a beginning completed with it is above every key with that beginning."""


class NotFound(BridgeError):
    """What was asked for is not in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    settings: Settings
    store: Store

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.console.timezone)


@contextmanager
def open_store(config: Path) -> Iterator[Opened]:
    """Raises ConfigError for settings or a store with which nothing can be done."""
    settings = load_settings(config)
    masters = load_master_keys(settings.store.encryption)
    with Store.open(settings.store.url, masters=masters) as store:
        yield Opened(settings=settings, store=store)


class Row(Protocol):
    @property
    def key(self) -> Key: ...


R = TypeVar("R", bound=Row)


def is_key_beginning(text: str) -> bool:
    """Whether a key can begin so."""
    return 0 < len(text) < len(PAST) and all(
        c == "-" if s == "-" else c in "0123456789abcdef" for c, s in zip(text, PAST, strict=False)
    )


def pick(
    noun: str, text: str, *, exact: Callable[[str], tuple[R, ...]], below: Callable[[Key], tuple[R, ...]]
) -> R:
    """The one row that a person means by an id or by the beginning of a key.

    `exact` finds rows that carry this id; `below` gives the newest rows with a lower key. Raises NotFound.
    Several rows are wrong use, which lists their keys.
    """
    found = exact(text)
    if not found and is_key_beginning(text):
        top = Key(text + PAST[len(text) :])
        found = tuple(row for row in below(top) if row.key.startswith(text))
    if not found:
        raise NotFound(f"there is no {noun} {text!r}; `bridge {noun} list` shows what there is")
    if len(found) > 1:
        keys = "\n  ".join(row.key for row in found[:10])
        raise typer.BadParameter(f"several have {text!r}; give one of these keys:\n  {keys}", param_hint="ID")
    return found[0]
