"""What we sent before, read back from the store: its envelope for judging signals, all of it for another attempt."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.engine import Connection

from bridge.ebms import signals as judgement
from bridge.ebms.content import SpoolSink, chunks_of
from bridge.ebms.model import Content, Kind, Message
from bridge.ebms.read import Received, read_message
from bridge.ebms.sign import references_of_sent
from bridge.flow.seal import HeaderBlock, read_headers
from bridge.ids import MessageId
from bridge.store.blobs import ContentPurged, iter_blob
from bridge.store.messages import evidence_of, find_by_message_id
from bridge.store.rows import Direction, EvidenceKind, MessageState
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import steps_of

SENT_STEP = "message.sent"
"""Stands on the timeline before every attempt."""

_BOUNDARY = re.compile(r'boundary="([A-Za-z0-9]+)"')


def find_sent(tx: Connection, message: Message) -> tuple[MessageRow, Received] | None:
    """The message of ours that a signal refers to: its row, and its envelope as it was sent."""
    return find_sent_as(tx, judgement.reference_of(message))


def find_sent_as(tx: Connection, reference: MessageId | None) -> tuple[MessageRow, Received] | None:
    """The message of ours with this id."""
    if reference is None:
        return None
    rows = find_by_message_id(tx, reference, direction=Direction.OUT)
    if not rows:
        return None
    evidence = evidence_of(tx, rows[0].key, kind=EvidenceKind.SENT)[0]
    try:
        return rows[0], read_sent(read_headers(evidence.headers), iter_blob(tx, evidence.blob))
    except ContentPurged:
        # A signal that comes after the retention finds nothing that it could settle.
        return None


def read_sent(headers: HeaderBlock, chunks: Iterable[bytes]) -> Received:
    """The envelope of a message that we wrote, without reading the payload parts behind it."""
    found = _BOUNDARY.search(next(value for name, value in headers if name.lower() == "content-type"))
    if found is None:
        return read_message(headers, b"".join(chunks))
    delimiter = f"\r\n--{found[1]}".encode("ascii")
    head = bytearray()
    for octets in chunks:
        head += octets
        end = head.find(delimiter)
        if end >= 0:
            return read_message(headers, bytes(head[:end]) + delimiter + b"--\r\n")
    return read_message(headers, bytes(head))


def load_sent(tx: Connection, row: MessageRow, *, threshold: int) -> tuple[HeaderBlock, Content]:
    """The exact octets of a message of ours; above `threshold` in a temporary file."""
    evidence = evidence_of(tx, row.key, kind=EvidenceKind.SENT)[0]
    return read_headers(evidence.headers), spool_blob(tx, evidence.blob, threshold=threshold)


def spool_blob(tx: Connection, blob: str, *, threshold: int) -> Content:
    """A blob outside its transaction; above `threshold` in a temporary file."""
    sink = SpoolSink(threshold, Path(tempfile.gettempdir()))
    try:
        for octets in iter_blob(tx, blob):
            sink.write(octets)
        return sink.finish()
    except BaseException:
        sink.discard()
        raise


def read_sent_content(headers: HeaderBlock, content: Content) -> Received:
    """As `read_sent`, from loaded content."""
    return read_sent(headers, chunks_of(content))


def describe_sent(row: MessageRow, sent: Received) -> judgement.SentMessage:
    """What the judgement of a signal needs to know of the message it refers to."""
    asked = sent.message.ack_requested
    return judgement.SentMessage(
        message_id=row.message_id,
        kind=Kind(row.kind),
        cpa_id=row.cpa_id,
        from_party_ids=sent.message.header.from_party.party_ids,
        to_party_ids=sent.message.header.to_party.party_ids,
        ack_requested=bool(asked),
        ack_signed=any(element.signed for element in asked),
        references=references_of_sent(sent.envelope_octets),
        synchronous=sent.message.sync_reply is not None,
        settled=is_settled(row),
    )


def was_sent(tx: Connection, row: MessageRow) -> bool:
    """Whether an attempt to send it ever began, also before its attempts were counted anew."""
    return row.attempts > 0 or any(
        step.what == SENT_STEP and step.detail.get("message_id") == row.message_id
        for step in steps_of(tx, row.exchange)
    )


def is_settled(row: MessageRow) -> bool:
    """Nothing more is due for it: acknowledged, delivered, failed or expired."""
    return row.state not in (MessageState.CREATED, MessageState.WAITING)
