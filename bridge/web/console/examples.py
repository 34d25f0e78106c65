"""Of a cause with several exchanges the first few by name, each a link: so that a card says which ones it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bridge.flow.causes import Cause
from bridge.flow.exchange import live_messages
from bridge.ids import Key
from bridge.store.exchanges import exchanges_by_keys
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Exchange

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An exchange, by what a person would pass on: its subject, else the id of its message."""

    key: Key
    name: str

    @property
    def href(self) -> str:
        return f"/exchanges/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The oldest of a cause; `more` is how many it has besides."""

    shown: tuple[Example, ...]
    more: int


def examples_of(tx: Connection, causes: Sequence[Cause]) -> Mapping[str, Examples]:
    """Per cause that has more than one exchange; of a single one its card names the ids already."""
    several = [cause for cause in causes if cause.count > 1]
    keys = [key for cause in several for key in cause.keys[:SHOWN]]
    found = {exchange.key: exchange for exchange in exchanges_by_keys(tx, keys)} if keys else {}
    return {
        cause.id: Examples(
            shown=tuple(
                Example(key=key, name=_name(tx, found[key])) for key in cause.keys[:SHOWN] if key in found
            ),
            more=cause.count - len(cause.keys[:SHOWN]),
        )
        for cause in several
    }


def _name(tx: Connection, exchange: Exchange) -> str:
    if exchange.subject:
        return exchange.subject
    newest = live_messages(list_messages(tx, MessageFilter(exchange=exchange.key), limit=SHOWN))
    return newest[-1].message_id if newest else str(exchange.key)
