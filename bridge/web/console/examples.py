"""Of a cause with several exchanges the first few by name, each a link: so that a card says which ones it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bridge.flow.causes import Cause
from bridge.flow.exchange import live_messages
from bridge.ids import Key
from bridge.store.exchanges import exchanges_by_keys
from bridge.store.messages import newest_messages_of

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
    found = exchanges_by_keys(tx, [key for cause in several for key in cause.keys[:SHOWN]]) if several else ()
    bare = [exchange.key for exchange in found if not exchange.subject]
    ids = _ids_of(tx, bare) if bare else {}
    names = {one.key: one.subject or ids.get(one.key) or str(one.key) for one in found}
    return {
        cause.id: Examples(
            shown=tuple(Example(key=key, name=names[key]) for key in cause.keys[:SHOWN] if key in names),
            more=cause.count - len(cause.keys[:SHOWN]),
        )
        for cause in several
    }


def _ids_of(tx: Connection, exchanges: Sequence[Key]) -> Mapping[Key, str]:
    """Of each exchange the id of its first message; of one that was sent anew, the newest."""
    found = {key: live_messages(rows) for key, rows in newest_messages_of(tx, exchanges, most=SHOWN).items()}
    return {key: rows[-1].message_id for key, rows in found.items() if rows}
