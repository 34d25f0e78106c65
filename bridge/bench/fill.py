"""A store with many messages, done long ago: whole exchanges as the flows leave them, written past the flows.

Indexes that can be taken away are made again when all rows are there, so that a million messages take minutes.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.engine.interfaces import Dialect

from bridge.demo import BRIDGE, POLICE
from bridge.store import tables
from bridge.store.chain import add_seal, next_seal
from bridge.store.keys import KeyMaker
from bridge.store.unit import Store

PARTNERS = (POLICE.oin, *(f"0000000199999{number:07d}" for number in range(100, 140)))
TITLES = ("vtMelding", "zorgmelding", "notificatie", "uci", "vci", "vto", "bv01", "fo01")
ATTENTION_EVERY, RUNNING_EVERY = 400, 2000
"""One exchange in so many needs a person; one in so many is under way."""

SPAN = timedelta(days=365)
"""The messages came evenly in this time before now."""

_AT_ONCE = 10_000
_FILLED = (
    tables.exchange,
    tables.message,
    tables.blob,
    tables.chunk,
    tables.payload,
    tables.evidence,
    tables.event,
    tables.step,
    tables.job,
    tables.person_index,
)


def fill(store: Store, count: int, *, now: datetime) -> None:
    """So many messages with payload, evidence, event, timeline and finished jobs, made in the year before now."""
    maker = _Maker(count, now)

    def work(tx: Connection) -> None:
        indexes = [index for table in _FILLED for index in table.indexes]
        for index in indexes:
            index.drop(tx)
        if tx.dialect.name == "sqlite":
            tx.execute(text("PRAGMA cache_size = -1000000"))
            tx.execute(text("PRAGMA temp_store = MEMORY"))
        for first in range(0, count, _AT_ONCE):
            rows: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in _FILLED}
            for number in range(first, min(first + _AT_ONCE, count)):
                for table, values in maker.rows(number):
                    rows[table.name].append(tuple(values.get(column.name) for column in table.columns))
            for table in _FILLED:
                _write(tx, table, rows[table.name])
        for index in indexes:
            index.create(tx)
        _set_sequences(tx)
        tx.execute(text("ANALYZE"))

    store.write_sync(work)
    _seal(store, now)


def _seal(store: Store, now: datetime) -> None:
    """As a bridge that ran all the time left it: else the first thing that it does is to seal the journal."""
    while (seal := store.read_sync(lambda tx: next_seal(tx, at=now))) is not None:
        store.write_sync(partial(add_seal, seal=seal))


class _Maker:
    def __init__(self, count: int, now: datetime) -> None:
        self._begin, self._step = now - SPAN, SPAN / (count + 1)
        self._keys = KeyMaker()
        self._chance = random.Random(count)  # noqa: S311 - rows to measure with, nothing secret
        self._seq = 0

    def rows(self, number: int) -> Iterator[tuple[Table, dict[str, Any]]]:
        """All rows of one exchange, of parents first. Numbers go up from 1."""
        at = self._begin + self._step * (number + 1)
        exchange, message, event = self._keys(at), self._keys(at), self._keys(at)
        partner = PARTNERS[min(int(self._chance.expovariate(0.25)), len(PARTNERS) - 1)]
        title, subject = TITLES[self._chance.randrange(len(TITLES))], f"melding/case-{number // 3}"
        state = (
            "attention"
            if number % ATTENTION_EVERY == 7
            else "running"
            if number % RUNNING_EVERY == 9
            else "done"
        )
        conversation, message_id = str(uuid.UUID(int=self._chance.getrandbits(128))), f"{message}@old.test"
        shared = {"exchange": exchange, "at": at, "changed_at": at, "subject": subject}
        yield (
            tables.exchange,
            {
                "key": exchange,
                "direction": "to-partner" if number % 3 == 2 else "to-hub",
                "started_at": at,
                "changed_at": at,
                "partner": partner,
                "title": title,
                "subject": subject,
                "state": state,
                "reason": f"M{number % 40:03d} something is missing" if state == "attention" else None,
                "correlation_id": conversation,
                "conversation_id": conversation,
            },
        )
        yield (
            tables.message,
            shared
            | {
                "key": message,
                "direction": "in",
                "kind": "business",
                "message_id": message_id,
                "conversation_id": conversation,
                "cpa_id": "old",
                "from_party": partner,
                "to_party": BRIDGE.oin,
                "service": "old",
                "action": title,
                "state": "parked" if state == "attention" else "mapped",
                "attempts": 0,
                "values": {},
            },
        )
        for kind in ("received", "answer"):
            octets = f"{kind} {message_id} ".encode() * 8
            sha256 = hashlib.sha256(octets).hexdigest()
            self._seq += 1
            yield tables.blob, {"sha256": sha256, "size": len(octets)}
            yield tables.chunk, {"sha256": sha256, "position": 0, "octets": octets}
            if kind == "received":
                yield (
                    tables.payload,
                    {
                        "message": message,
                        "position": 0,
                        "content_id": f"{message}@content",
                        "content_type": "text/xml",
                        "blob": sha256,
                        "size": len(octets),
                    },
                )
            yield (
                tables.evidence,
                {"seq": self._seq, "message": message, "kind": kind, "headers": "", "blob": sha256, "at": at},
            )
        yield (
            tables.event,
            shared
            | {
                "key": event,
                "direction": "out",
                "source": "urn:nld:oin:old",
                "id": str(uuid.UUID(int=self._chance.getrandbits(128))),
                "type": "uitwisselen-melding.melding-geregistreerd",
                "time": at.isoformat(),
                "state": "ok",
                "correlation_id": conversation,
                "body": json.dumps({"specversion": "1.0", "subject": subject}).encode(),
                "offers": 1,
            },
        )
        for position, what in enumerate(("message.received", "message.mapped", "event.accepted", "event.ok")):
            yield (
                tables.step,
                {
                    "seq": number * 4 + position + 1,
                    "exchange": exchange,
                    "at": at,
                    "side": "bridge",
                    "what": what,
                    "outcome": "ok",
                    "detail": {"message_id": message_id},
                    "by": "bridge",
                },
            )
        for position, kind in enumerate(("map", "publish")):
            yield (
                tables.job,
                {
                    "seq": number * 2 + position + 1,
                    "key": self._keys(at),
                    "kind": kind,
                    "subject_key": message,
                    "endpoint": "hub" if kind == "publish" else None,
                    "priority": 50,
                    "due": at,
                    "attempts": 1,
                    "claims": 1,
                    "surprises": 0,
                    "state": "done",
                    "at": at,
                    "ended_at": at,
                },
            )
        yield (
            tables.person_index,
            {"person": hashlib.sha256(f"person {number // 5}".encode()).hexdigest(), "exchange": exchange},
        )


def _write(tx: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows in the order of the columns, as fast as the driver takes them."""
    convert = [_processor(column, tx.dialect) for column in table.columns]
    ready = [tuple(to(value) for to, value in zip(convert, row, strict=True)) for row in rows]
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    driver = tx.connection.dbapi_connection
    assert driver is not None, "it is in a transaction"
    if tx.dialect.name == "sqlite":
        places = ", ".join("?" for _ in table.columns)
        driver.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({places})', ready)  # noqa: S608 - our own names
        return
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:  # type: ignore[attr-defined]
        for row in ready:
            copy.write_row(row)


def _processor(column: Any, dialect: Dialect) -> Any:
    found = column.type.dialect_impl(dialect).bind_processor(dialect)
    if found is None:
        return lambda value: value
    # The rows of an exchange have the same few times and states.
    repeats = isinstance(column.type, tables.Moment | tables.Choice)
    return lru_cache(maxsize=1024)(found) if repeats else found


def _set_sequences(tx: Connection) -> None:
    """PostgreSQL must go on counting after what was written past its sequences."""
    if tx.dialect.name == "sqlite":
        return
    for table in (tables.evidence, tables.step, tables.job):
        name = table.name
        tx.execute(
            text(f"SELECT setval(pg_get_serial_sequence('{name}', 'seq'), (SELECT max(seq) FROM {name}))")  # noqa: S608
        )
