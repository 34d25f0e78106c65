"""Whether the octets that were stored are still there, and still those: what the hash chain does not read.

A line of evidence is in the chain with the address of its octets. The address is their digest, and encrypted octets
open in their place only, so reading them tells. Octets that are gone need a purge that was written down in the chain;
so does every row that says that something was purged, or one could be slipped in to hide what is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, select, tuple_

from bridge.errors import StoreUnavailable
from bridge.ids import Key
from bridge.store import tables
from bridge.store.blobs import ContentPurged, iter_blob
from bridge.store.chain import Journal, Tampering
from bridge.store.retention import WIRE
from bridge.store.rows import Content, NoSuchRow
from bridge.store.timeline import steps_of

_evidence, _message, _payload = tables.evidence.c, tables.message.c, tables.payload.c
_purged = tables.purged.c


A = TypeVar("A")
F = TypeVar("F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Generic[A, F]):
    """A part of the evidence or the payloads, read through."""

    items: int
    after: A | None
    """From where to go on; None: it was the last part."""
    faults: tuple[F, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something outside the chain that is not what the chain bears out."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def check_octets(tx: Connection, *, after: int = 0, limit: int = 100) -> Read[int, Tampering]:
    """Read the octets of the next pieces of evidence."""
    query = select(tables.evidence, _message.exchange)
    query = query.outerjoin(tables.message, _message.key == _evidence.message)
    rows = tx.execute(query.where(_evidence.seq > after).order_by(_evidence.seq).limit(limit)).all()
    faults = tuple(
        Tampering(journal=Journal.EVIDENCE, number=row.seq, text=text)
        for row in rows
        for text in _faults_of(tx, row)
    )
    return Read(items=len(rows), after=rows[-1].seq if len(rows) == limit else None, faults=faults)


def check_payloads(
    tx: Connection, *, after: tuple[str, int] = ("", -1), limit: int = 100
) -> Read[tuple[str, int], Damage]:
    """Read the octets of the next payloads, which were taken out of the evidence."""
    place = tuple_(_payload.message, _payload.position)
    query = select(tables.payload, _message.exchange).join(tables.message, _message.key == _payload.message)
    query = query.where(place > tuple_(*after)).order_by(_payload.message, _payload.position)
    rows = tx.execute(query.limit(limit)).all()
    faults = tuple(
        Damage(place=f"payload {row.position + 1} of message {row.message}", text=text)
        for row in rows
        for text in _octet_faults(tx, row, Content.PAYLOAD)
    )
    last = (rows[-1].message, rows[-1].position) if len(rows) == limit else None
    return Read(items=len(rows), after=last, faults=faults)


def check_purged(
    tx: Connection, *, after: tuple[str, str] = ("", ""), limit: int = 1000
) -> tuple[tuple[str, str] | None, tuple[Damage, ...]]:
    """From where to go on, and which of the next rows that tell of a purge no step of the timeline bears out."""
    query = select(_purged.exchange, _purged.content).where(
        tuple_(_purged.exchange, _purged.content) > tuple_(*after)
    )
    rows = tx.execute(query.order_by(_purged.exchange, _purged.content).limit(limit)).all()
    faults = tuple(
        Damage(
            place=f"exchange {row.exchange}",
            text=f"is said to be purged of its {row.content}, and was by no purge",
        )
        for row in rows
        if not _purge_is_told(tx, Key(row.exchange), row.content)
    )
    last = (rows[-1].exchange, rows[-1].content) if len(rows) == limit else None
    return last, faults


def _faults_of(tx: Connection, row: Any) -> Iterator[str]:
    if row.exchange is None:
        yield "its message was removed"
    else:
        yield from _octet_faults(tx, row, Content.EVIDENCE if row.kind in WIRE else None)


def _octet_faults(tx: Connection, row: Any, content: Content | None) -> Iterator[str]:
    """`content` is what a purge calls it; None: none removes it."""
    try:
        for _ in iter_blob(tx, row.blob):
            pass
    except ContentPurged:
        if content is None or not _purge_is_told(tx, Key(row.exchange), content):
            yield "its octets were removed, and by no purge"
    except NoSuchRow:
        yield "its octets were removed, and by no purge"
    except StoreUnavailable:
        yield "its octets were changed"


def _purge_is_told(tx: Connection, exchange: Key, content: Content) -> bool:
    """By a step, which is in the chain."""
    return any(
        step.what == "content.purged" and step.detail.get("content") == content
        for step in steps_of(tx, exchange)
    )
