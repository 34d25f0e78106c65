"""Which columns are encrypted at rest, and how a row looks with and without.

`query.py` passes every row of these tables through here, so that the modules per noun know nothing of it.
"""

import base64
from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, Table, select

from bridge.errors import StoreUnavailable
from bridge.store import tables
from bridge.store.rows import Event, Resource, Told

OPTION = "bridge_sealer"
"""The execution option under which a connection carries the sealer of its Store."""

SEALED: tuple[Table, ...] = (tables.event, tables.resource, tables.told)
"""Their column `body` is encrypted, and bound to the row's key."""


class RowSealer(Protocol):
    """What is used here of `sealing.Sealer`."""

    def newest(self, tx: Connection) -> int: ...
    def seal(self, tx: Connection, number: int, octets: bytes, place: str) -> bytes: ...
    def open(self, tx: Connection, number: int, octets: bytes, place: str) -> bytes: ...


def seal_row(tx: Connection, table: Table, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values as they are stored."""
    if table not in SEALED:
        return values
    sealer = _sealer(tx)
    if sealer is None:
        check_in_the_clear(tx)
        return values
    number = sealer.newest(tx)
    body = values["body"]
    text = isinstance(body, str)
    sealed = sealer.seal(tx, number, body.encode() if text else body, place_of(table.name, values["key"]))
    return {**values, "body": base64.b64encode(sealed).decode() if text else sealed, "data_key": number}


def open_row(tx: Connection, make: type, row: dict[str, Any]) -> dict[str, Any]:
    """The stored values in the clear, without the column that says how. Raises StoreUnavailable."""
    if make not in _NAMES or "data_key" not in row:
        return row
    number = row.pop("data_key")
    if number is None:
        return row
    body = row["body"]
    text = isinstance(body, str)
    octets = required(_sealer(tx)).open(
        tx, number, base64.b64decode(body) if text else body, place_of(_NAMES[make], row["key"])
    )
    return {**row, "body": octets.decode() if text else octets}


def place_of(table: str, key: str, position: str = "") -> str:
    """What a ciphertext is bound to."""
    return f"{table} {key} {position}".strip()


def required(sealer: RowSealer | None) -> RowSealer:
    """Raises StoreUnavailable when there is none: this content cannot be read."""
    if sealer is None:
        raise StoreUnavailable("this content is encrypted; give store.encryption.key_file and restart")
    return sealer


def check_in_the_clear(tx: Connection) -> None:
    """For who has no key, before content is written. Raises StoreUnavailable when another process began to encrypt.

    Each time, not once in a while: what stands in the clear is in the next backup.
    """
    if tx.execute(_FIRST_KEY).first() is not None:
        raise StoreUnavailable("the store is encrypted now; give store.encryption.key_file and restart")


_FIRST_KEY = select(tables.data_key.c.number).where(tables.data_key.c.number == 1)
_NAMES: Mapping[type, str] = {Event: "event", Resource: "resource", Told: "told"}


def _sealer(tx: Connection) -> RowSealer | None:
    found: RowSealer | None = tx.get_execution_options().get(OPTION)
    return found
