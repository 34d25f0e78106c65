"""Whether the octets that the evidence names are still there, and still those: what the hash chain does not read.

A line of evidence is in the chain with the address of its octets. The address is their digest, and encrypted octets
open in their place only, so reading them tells. Octets that are gone need a purge that was written down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from bridge.errors import StoreUnavailable
from bridge.ids import Key
from bridge.store import tables
from bridge.store.blobs import ContentPurged, iter_blob
from bridge.store.chain import Journal, Tampering
from bridge.store.retention import WIRE
from bridge.store.rows import Content, NoSuchRow
from bridge.store.timeline import steps_of

_evidence, _message = tables.evidence.c, tables.message.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A part of the evidence, read through."""

    items: int
    after: int | None
    """From where to go on; None: it was the last part."""
    faults: tuple[Tampering, ...]


def check_octets(tx: Connection, *, after: int = 0, limit: int = 100) -> Read:
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


def _faults_of(tx: Connection, row: Any) -> Iterator[str]:
    if row.exchange is None:
        yield "its message was removed"
        return
    try:
        for _ in iter_blob(tx, row.blob):
            pass
    except ContentPurged:
        if row.kind not in WIRE or not _purge_is_told(tx, Key(row.exchange)):
            yield "its octets were removed, and by no purge"
    except NoSuchRow:
        yield "its octets were removed, and by no purge"
    except StoreUnavailable:
        yield "its octets were changed"


def _purge_is_told(tx: Connection, exchange: Key) -> bool:
    """By a step, which is in the chain."""
    return any(
        step.what == "content.purged" and step.detail.get("content") == Content.EVIDENCE
        for step in steps_of(tx, exchange)
    )
