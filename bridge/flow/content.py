"""One message or event opened: what went over the wire and what it held, masked as `mapping/masking.py` says.

The header of an ebMS message is not about a person, so it is told field by field; free text of a peer in it is not
shown there. What a peer said in words of its own about the message or event is a place of its own, `told`. Of the parts
the first one that is XML is walked along the structure of its message standard. A part that is no XML, too large, or
not of a standard that a mapping knows, shows its size and kind only.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lxml import etree
from sqlalchemy.engine import Connection

from bridge.ebms.mime import read_package
from bridge.ebms.model import Message as EbmsMessage
from bridge.ebms.peer_text import peer_text
from bridge.ebms.read import read_envelope
from bridge.ebms.xml import parse_xml
from bridge.errors import EventRejected, PeerError
from bridge.flow.seal import read_headers
from bridge.hub.json import load_json
from bridge.ids import Key
from bridge.mapping.load import MappingSet
from bridge.mapping.masking import NOTHING, Kind, Line, form_of, mask_json, mask_xml, program_for
from bridge.store.blobs import ContentPurged, blob_size, read_blob
from bridge.store.events import get_event
from bridge.store.messages import evidence_of, get_message, payloads_of
from bridge.store.purge import left_of
from bridge.store.rows import Event, Evidence, Message, Payload
from bridge.store.timeline import steps_of, told_of
from bridge.store.unit import Store
from bridge.told import masked

MAX_OPENED = 4 * 1024 * 1024
"""What is larger is not opened on a page or in a terminal: `bridge message evidence` exports it."""
MOST_PARTS = 50

SHOWN_HEADERS = frozenset(
    {
        "content-type",
        "content-length",
        "content-encoding",
        "soapaction",
        "host",
        "date",
        "server",
        "user-agent",
        "accept",
        "connection",
        "transfer-encoding",
        "mime-version",
    }
)
"""HTTP headers that say nothing about a person; of the others the name is not shown either."""

Shown = Mapping[str, Container[int]]
"""Per place (`payload/0`, `body`, `told`) the numbers of the lines that are shown although they are masked."""
NOTHING_SHOWN: Shown = {}
TOLD = "told"
"""The place of what a peer said of it in words of its own."""


class Standing(StrEnum):
    """Why the lines of a part are there, or are not."""

    OPENED = "opened"
    UNKNOWN = "unknown"
    """XML that no mapping knows: one line, masked."""
    ATTACHMENT = "attachment"
    """No XML: nothing of it is shown."""
    LARGE = "large"
    PURGED = "purged"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPart:
    """A payload part, or the body of an event. `place` names it for whoever asks to see more."""

    place: str
    standing: Standing
    size: int
    content_id: str = ""
    content_type: str = ""
    mapping: str | None = None
    """The mapping whose structure says what is about a person."""
    lines: tuple[Line, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What went over the wire in one direction: HTTP headers, and the ebMS header when it could be read."""

    kind: str
    at: datetime
    size: int
    digest: str
    headers: tuple[tuple[str, str], ...]
    hidden: int
    """So many HTTP headers are not shown."""
    message: EbmsMessage | None = field(default=None, repr=False)
    standing: Standing = Standing.OPENED


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedMessage:
    message: Message
    wires: tuple[Wire, ...]
    parts: tuple[OpenedPart, ...]
    """The last one may hold what the partner said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEvent:
    event: Event
    parts: tuple[OpenedPart, ...]
    """Its body, and what the hub said of it when it said something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The octets of one message, of one moment; None: purged, or too large."""

    message: Message
    evidence: tuple[tuple[Evidence, int, bytes | None], ...] = field(repr=False)
    payloads: tuple[tuple[Payload, bytes | None], ...] = field(repr=False)
    told: tuple[Told, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a peer said in words of its own, and when."""

    at: datetime
    text: str = field(repr=False)


def open_message(
    store: Store, mappings: MappingSet, key: Key, *, shown: Shown = NOTHING_SHOWN
) -> OpenedMessage:
    """Waits for the store: call it from a thread. Raises NoSuchRow."""
    read = store.read_sync(lambda tx: _read(tx, key))
    parts = tuple(_part(mappings, read.message, payload, octets, shown) for payload, octets in read.payloads)
    wires = tuple(_wire(row, size, octets) for row, size, octets in read.evidence)
    return OpenedMessage(message=read.message, wires=wires, parts=(*parts, *_told_part(read.told, shown)))


def open_event(store: Store, mappings: MappingSet, key: Key, *, shown: Shown = NOTHING_SHOWN) -> OpenedEvent:
    """Waits for the store: call it from a thread. Raises NoSuchRow."""
    event, told = store.read_sync(lambda tx: _read_event(tx, key))
    body = _body(mappings, event, shown.get("body", NOTHING))
    return OpenedEvent(event=event, parts=(body, *_told_part(told, shown)))


def _read(tx: Connection, key: Key) -> _Read:
    message = get_message(tx, key)
    evidence, left = [], left_of(tx, message.exchange)
    for row in evidence_of(tx, key)[:MOST_PARTS]:
        size = blob_size(tx, row.blob)
        evidence.append((row, size, _octets(tx, row.blob, size, left.wire(row))))
    payloads = payloads_of(tx, key)[:MOST_PARTS]
    return _Read(
        message=message,
        told=_told(tx, message.exchange, "message_id", message.message_id),
        evidence=tuple(evidence),
        payloads=tuple((row, _octets(tx, row.blob, row.size, left.payloads)) for row in payloads),
    )


def _read_event(tx: Connection, key: Key) -> tuple[Event, tuple[Told, ...]]:
    event = get_event(tx, key)
    return event, _told(tx, event.exchange, "event_id", event.id)


def _told(tx: Connection, exchange: Key, name: str, id: str) -> tuple[Told, ...]:
    """What peers said at the steps that are about this message or event."""
    told = told_of(tx, exchange)
    steps = (step for step in steps_of(tx, exchange) if step.seq in told and step.detail.get(name) == id)
    return tuple(Told(at=step.at, text=told[step.seq]) for step in steps)[:MOST_PARTS]


def _octets(tx: Connection, blob: str, size: int, left: bool) -> bytes | None:
    if size > MAX_OPENED or not left:
        return None
    try:
        return read_blob(tx, blob)
    except ContentPurged:
        return None


def _part(
    mappings: MappingSet, message: Message, row: Payload, octets: bytes | None, shown: Shown
) -> OpenedPart:
    place = f"payload/{row.position}"
    mapping: str | None = None
    lines: tuple[Line, ...] = ()
    if octets is None:
        standing = Standing.LARGE if row.size > MAX_OPENED else Standing.PURGED
    else:
        standing, mapping, lines = _lines(mappings, message, octets, shown.get(place, NOTHING))
    return OpenedPart(
        place=place,
        standing=standing,
        size=row.size,
        content_id=row.content_id,
        content_type=row.content_type,
        mapping=mapping,
        lines=lines,
    )


def _told_part(told: tuple[Told, ...], shown: Shown) -> tuple[OpenedPart, ...]:
    """Per text a line with its moment and the words that are no content, and a line with all of it, masked."""
    if not told:
        return ()
    lines: list[Line] = []
    for number, one in enumerate(told):
        revealed = 2 * number + 1 in shown.get(TOLD, NOTHING)
        at = f"{one.at:%Y-%m-%dT%H:%M:%SZ}"
        lines += [
            Line(number=2 * number, depth=0, kind=Kind.MEMBER, name=at, value=masked(one.text)),
            Line(
                number=2 * number + 1,
                depth=1,
                kind=Kind.TEXT,
                name="",
                privacy="",
                form=None if revealed else form_of(one.text),
                value=one.text if revealed else None,
                revealed=revealed,
            ),
        ]
    size = sum(len(one.text.encode()) for one in told)
    return (OpenedPart(place=TOLD, standing=Standing.OPENED, size=size, lines=tuple(lines)),)


def _lines(
    mappings: MappingSet, message: Message, octets: bytes, shown: Container[int]
) -> tuple[Standing, str | None, tuple[Line, ...]]:
    try:
        root = parse_xml(octets)
    except PeerError:
        return Standing.ATTACHMENT, None, ()
    program = program_for(mappings.programs, etree.QName(root).text, message.mapping)
    standing = Standing.UNKNOWN if program is None else Standing.OPENED
    return standing, program.label if program else None, mask_xml(root, program, shown)


def _wire(row: Evidence, size: int, octets: bytes | None) -> Wire:
    headers = read_headers(row.headers)
    told = tuple((name, peer_text(value)) for name, value in headers if name.lower() in SHOWN_HEADERS)
    message = None if octets is None else _message(headers, octets)
    standing = Standing.OPENED
    if octets is None:
        standing = Standing.LARGE if size > MAX_OPENED else Standing.PURGED
    return Wire(
        kind=str(row.kind),
        at=row.at,
        size=size,
        digest=row.blob,
        headers=told,
        hidden=len(headers) - len(told),
        message=message,
        standing=standing,
    )


def _message(headers: tuple[tuple[str, str], ...], octets: bytes) -> EbmsMessage | None:
    """None for what is no ebMS message: a fault, an empty answer, or octets that nobody can read."""
    try:
        return read_envelope(read_package(headers, octets)).message
    except PeerError:
        return None


def _body(mappings: MappingSet, event: Event, shown: Container[int]) -> OpenedPart:
    lines: tuple[Line, ...] = ()
    standing = Standing.OPENED if event.body else Standing.PURGED
    if len(event.body) > MAX_OPENED:
        standing = Standing.LARGE
    elif event.body:
        try:
            document = load_json(event.body)
        except EventRejected:
            standing = Standing.ATTACHMENT
        else:
            vocabulary = mappings.programs[0].vocabulary if mappings.programs else None
            lines = mask_json(document, vocabulary, _open_attributes(event, document), shown)
    return OpenedPart(place="body", standing=standing, size=len(event.body), lines=lines)


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_MEDIA = re.compile(r"application/(ld\+|cloudevents\+)?json")


def _open_attributes(event: Event, document: object) -> dict[str, str]:
    """The context attributes that the bridge knows, with what may stand there; of others nothing is shown."""
    kept = {
        "id": str(event.id),
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "interactieid": event.interactie_id,
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
        "specversion": "1.0",
    }
    found = {name: text for name, text in kept.items() if text is not None}
    shapes = {
        "recordedtime": _MOMENT,
        "expirytime": _MOMENT,
        "traceparent": _TRACE,
        "datacontenttype": _MEDIA,
    }
    members = document if isinstance(document, dict) else {}
    for name, shape in shapes.items():
        text = members.get(name)
        if isinstance(text, str) and shape.fullmatch(text):
            found[name] = text
    return found
