"""Messages with their payloads and evidence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select, text

from bridge.ids import Key, MessageId
from bridge.store import tables
from bridge.store.query import add, add_unless_there, change, fetch, get, newest_of_each, page, values_of
from bridge.store.rows import Direction, Evidence, EvidenceKind, Message, MessageState, Payload

ATTACHMENTS_FROM = 1000
"""Payload positions from here on are attachments that stood inside the XML, not parts of the message."""

_UNIQUE = ("direction", "from_party", "to_party", "message_id")
_CLAIMED = text("state <> 'refused'")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """What is not None must be equal; `since` and `until` bound the time of making (of the key)."""

    exchange: Key | None = None
    direction: Direction | None = None
    state: MessageState | None = None
    message_id: str | None = None
    ref_to_message_id: str | None = None
    conversation_id: str | None = None
    from_party: str | None = None
    to_party: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptContent:
    """Where octets are, and which party sent the message that they came with."""

    blob: str
    from_party: str


def add_message(tx: Connection, message: Message) -> bool:
    """False when this MessageId is claimed for the direction and party pair; nothing changes then.

    A refused message claims nothing.
    """
    return add_unless_there(tx, tables.message, values_of(message), unique=_UNIQUE, among=_CLAIMED)


def get_message(tx: Connection, key: Key) -> Message:
    """Raises NoSuchRow."""
    return get(tx, Message, tables.message, key)


def find_message(
    tx: Connection, *, direction: Direction, from_party: str, to_party: str, message_id: str
) -> Message | None:
    """The one message that a duplicate would be a duplicate of; never a refused one."""
    row = tables.message.c
    query = select(tables.message).where(
        row.direction == direction,
        row.from_party == from_party,
        row.to_party == to_party,
        row.message_id == message_id,
        _CLAIMED,
    )
    return next(iter(fetch(tx, Message, query)), None)


def find_by_message_id(
    tx: Connection, message_id: MessageId | str, *, direction: Direction | None = None
) -> tuple[Message, ...]:
    """All messages with this MessageId, of any party pair, oldest first."""
    row = tables.message.c
    query = select(tables.message).where(row.message_id == message_id).order_by(row.key)
    if direction is not None:
        query = query.where(row.direction == direction)
    return fetch(tx, Message, query)


def received_ids(tx: Connection, ids: Collection[MessageId]) -> frozenset[str]:
    """Of these ids the ones under which a message was taken in, of any partner."""
    row = tables.message.c
    query = select(row.message_id).where(row.message_id.in_(ids), row.direction == Direction.IN, _CLAIMED)
    return frozenset(tx.scalars(query))


def set_message_state(
    tx: Connection,
    key: Key,
    state: MessageState,
    *,
    at: datetime,
    reason: str | None = None,
    mapping: str | None = None,
    subject: str | None = None,
) -> None:
    """The reason goes with the state, also None; `mapping` and `subject` stay when None. Raises NoSuchRow."""
    values = {"state": state, "reason": reason, "changed_at": at}
    kept = {"mapping": mapping, "subject": subject}
    change(tx, tables.message, key, values | {k: v for k, v in kept.items() if v is not None})


def set_message_values(tx: Connection, key: Key, values: Mapping[str, str]) -> None:
    """Keep what later answers must repeat. Raises NoSuchRow."""
    change(tx, tables.message, key, {"values": values})


def count_attempt(tx: Connection, key: Key) -> None:
    """One more attempt to send it. Raises NoSuchRow."""
    change(tx, tables.message, key, {"attempts": tables.message.c.attempts + 1})


def restart_attempts(tx: Connection, key: Key) -> None:
    """Count the attempts to send it from the start again. Raises NoSuchRow."""
    change(tx, tables.message, key, {"attempts": 0})


def list_messages(
    tx: Connection, wanted: MessageFilter, *, before: Key | None = None, limit: int = 50
) -> tuple[Message, ...]:
    """Newest first; the key of the last one is the next page's `before`."""
    return fetch(tx, Message, page_of_messages(wanted, before=before, limit=limit))


def newest_messages_of(
    tx: Connection, exchanges: Collection[Key], *, most: int
) -> Mapping[Key, tuple[Message, ...]]:
    """Of each of these exchanges, which are few, its newest messages, newest first."""
    return newest_of_each(tx, Message, tables.message, exchanges, most=most)


def senders_of(tx: Connection, keys: Collection[Key]) -> Mapping[Key, tuple[Key, str]]:
    """Of each of these messages its exchange, and the party that sent it; what is no message is not there."""
    row = tables.message.c
    query = select(row.key, row.exchange, row.from_party).where(row.key.in_(keys))
    return {key: (exchange, party) for key, exchange, party in tx.execute(query)}


def page_of_messages(wanted: MessageFilter, *, before: Key | None, limit: int) -> Select[Any]:
    """The query of `list_messages`."""
    equal = values_of(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    return page(tables.message, equal, since=since, until=until, before=before, limit=limit)


def add_payload(tx: Connection, payload: Payload) -> None:
    """The message and the blob must be there."""
    add(tx, tables.payload, payload)


def payloads_of(tx: Connection, key: Key) -> tuple[Payload, ...]:
    """In the order on the wire."""
    row = tables.payload.c
    return fetch(tx, Payload, select(tables.payload).where(row.message == key).order_by(row.position))


def list_kept(
    tx: Connection, content_id: str, *, exchanges: Sequence[Key], above: int
) -> tuple[KeptContent, ...]:
    """Payloads with this content id and a position above `above`, of messages received in these exchanges."""
    row, message = tables.payload.c, tables.message.c
    query = (
        select(row.blob, message.from_party)
        .join(tables.message, message.key == row.message)
        .where(
            row.content_id == content_id,
            row.position > above,
            message.exchange.in_(exchanges),
            message.direction == Direction.IN,
        )
        .order_by(row.message)
    )
    return fetch(tx, KeptContent, query)


def add_evidence(tx: Connection, evidence: Evidence) -> None:
    """The message and the blob must be there."""
    add(tx, tables.evidence, evidence)


def evidence_of(tx: Connection, key: Key, *, kind: EvidenceKind | str | None = None) -> tuple[Evidence, ...]:
    """In the order of adding."""
    row = tables.evidence.c
    columns = [column for column in row if column.name != "seq"]
    query = select(*columns).where(row.message == key).order_by(row.seq)
    if kind is not None:
        query = query.where(row.kind == kind)
    return fetch(tx, Evidence, query)
