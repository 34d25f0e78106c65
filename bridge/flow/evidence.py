"""The evidence of one message as an archive that a third party verifies without the bridge.

It holds the exact octets of everything that went over the wire for the message, the parts as they were signed,
the agreement, the certificates, the timeline with its place in the hash chain, a manifest with digests, and a
README with the commands.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from sqlalchemy.engine import Connection

from bridge.ebms.keys import fingerprint_sha256, subject_text
from bridge.ebms.mime import Package, read_package
from bridge.ebms.xml import parse_xml
from bridge.errors import PeerError
from bridge.flow.evidence_readme import write_readme
from bridge.flow.seal import read_headers
from bridge.ids import Key
from bridge.store.blobs import ContentPurged, read_blob
from bridge.store.chain import Journal, line_digest, seals_of
from bridge.store.messages import evidence_of, get_message, payloads_of
from bridge.store.purge import left_of, purged_of
from bridge.store.query import values_of
from bridge.store.rows import Evidence, EvidenceKind, Message, Payload, Purged, Step
from bridge.store.timeline import steps_of, told_of

DS = "{http://www.w3.org/2000/09/xmldsig#}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What the store has of one message. Octets are None when they were purged."""

    message: Message
    evidence: tuple[tuple[Evidence, bytes | None], ...] = field(repr=False)
    payloads: tuple[tuple[Payload, bytes | None], ...] = field(repr=False)
    steps: tuple[Step, ...]
    told: Mapping[int, str] = field(repr=False)
    """Per number of a step what a peer said there in words of its own."""
    seals: Mapping[int, tuple[int, str]]
    """Per number of a step: its seal and its digest there."""
    purged: tuple[Purged, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing in the archive."""

    path: str
    octets: bytes = field(repr=False)
    about: Mapping[str, Any]


def gather_evidence(tx: Connection, key: Key) -> Dossier:
    """Everything of one message, of one moment. Raises NoSuchRow."""
    message = get_message(tx, key)
    steps, left = steps_of(tx, message.exchange), left_of(tx, message.exchange)
    return Dossier(
        message=message,
        evidence=tuple((row, _octets(tx, row.blob, left.wire(row))) for row in evidence_of(tx, key)),
        payloads=tuple((row, _octets(tx, row.blob, left.payloads)) for row in payloads_of(tx, key)),
        steps=steps,
        told=told_of(tx, message.exchange),
        seals=seals_of(tx, Journal.STEP, [step.seq for step in steps]),
        purged=purged_of(tx, message.exchange),
    )


def changed_steps(dossier: Dossier) -> tuple[int, ...]:
    """The numbers of the steps that are not what was sealed: somebody changed them afterwards."""
    return tuple(
        step.seq
        for step in dossier.steps
        if step.seq in dossier.seals
        and dossier.seals[step.seq][1] != line_digest(Journal.STEP, values_of(step)).hex()
    )


def write_archive(stream: BinaryIO, dossier: Dossier, *, agreements: Iterable[bytes], at: datetime) -> None:
    """Write the archive. `agreements` are the CPA documents; `at` is the time of the export."""
    items = [*_wire_items(dossier), *_payload_items(dossier)]
    items += [
        Item(path=f"agreement/cpa-{n}.xml", octets=cpa, about={"what": "agreement"})
        for n, cpa in enumerate(agreements, 1)
    ]
    items += _certificates(items)
    items.append(Item(path="timeline.json", octets=_json(_timeline(dossier)), about={"what": "timeline"}))
    manifest = _manifest(dossier, items, at)
    items.append(Item(path="manifest.json", octets=_json(manifest), about={}))
    items.append(Item(path="README.txt", octets=write_readme(manifest).encode(), about={}))
    sums = "".join(f"{hashlib.sha256(item.octets).hexdigest()}  {item.path}\n" for item in items)
    items.append(Item(path="SHA256SUMS", octets=sums.encode(), about={}))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in items:
            entry = zipfile.ZipInfo(item.path, date_time=at.timetuple()[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(entry, item.octets)


# --- what went over the wire ---


def _wire_items(dossier: Dossier) -> list[Item]:
    items = []
    for number, (row, octets) in enumerate(dossier.evidence, 1):
        folder = f"wire/{number:02}-{row.kind}"
        about = {"kind": str(row.kind), "at": row.at.isoformat()}
        items.append(
            Item(
                path=f"{folder}/headers.txt", octets=row.headers.encode(), about={**about, "what": "headers"}
            )
        )
        if octets is not None:
            items.append(Item(path=f"{folder}/body", octets=octets, about={**about, "what": "body"}))
            envelope = _envelope(row, octets)
            if envelope is not None:
                signed = _references(envelope)
                told = {**about, "what": "envelope", "signed": signed}
                items.append(Item(path=f"{folder}/envelope.xml", octets=envelope, about=told))
    return items


def _payload_items(dossier: Dossier) -> list[Item]:
    """The parts as they were signed: in the clear, without transfer encoding."""
    parts = [
        (row.content_id, row.content_type, octets) for row, octets in dossier.payloads if octets is not None
    ]
    if not dossier.payloads:
        parts = [part for row, octets in dossier.evidence for part in _parts_on_the_wire(row, octets)]
    return [
        Item(
            path=f"payload/{number:02}",
            octets=octets,
            about={"what": "payload", "uri": f"cid:{content_id}", "contentType": content_type},
        )
        for number, (content_id, content_type, octets) in enumerate(parts, 1)
    ]


def _parts_on_the_wire(row: Evidence, octets: bytes | None) -> list[tuple[str, str, bytes]]:
    """Of a message that was refused, whose parts were never taken out."""
    if octets is None or row.kind not in (EvidenceKind.RECEIVED, EvidenceKind.SENT):
        return []
    package = _package(row, octets)
    found = []
    for part in package.parts if package else ():
        with part.content.open() as content:
            found.append((part.content_id, part.content_type, content.read()))
    return found


def _package(row: Evidence, octets: bytes) -> Package | None:
    try:
        return read_package(read_headers(row.headers), octets)
    except PeerError:
        return None


def _envelope(row: Evidence, octets: bytes) -> bytes | None:
    """The SOAP envelope as it came: the first part, or the whole body. None when it cannot be read."""
    package = _package(row, octets)
    return package.envelope if package else None


def _references(envelope: bytes) -> list[str]:
    """The URIs that its signature covers, in order; empty: it is not signed."""
    try:
        root = parse_xml(envelope)
    except PeerError:
        return []
    return [reference.get("URI", "") for reference in root.iterfind(f".//{DS}SignedInfo/{DS}Reference")]


def _octets(tx: Connection, blob: str, left: bool) -> bytes | None:
    try:
        return read_blob(tx, blob) if left else None
    except ContentPurged:
        return None


# --- certificates ---


def _certificates(items: Iterable[Item]) -> list[Item]:
    """Each certificate that stands in an envelope or agreement, once, with where it stands."""
    found: dict[str, tuple[x509.Certificate, list[str]]] = {}
    for item in items:
        if item.about.get("what") in ("envelope", "agreement"):
            for certificate in _certificates_in(item.octets):
                name = fingerprint_sha256(certificate)
                places = found.setdefault(name, (certificate, []))[1]
                if item.path not in places:
                    places.append(item.path)
    return [
        Item(
            path=f"certificate/{name.replace(':', '').lower()[:16]}.pem",
            octets=certificate.public_bytes(Encoding.PEM),
            about={"what": "certificate", "subject": subject_text(certificate), "in": places},
        )
        for name, (certificate, places) in found.items()
    ]


def _certificates_in(xml: bytes) -> list[x509.Certificate]:
    try:
        root: etree._Element = parse_xml(xml)
    except PeerError:
        return []
    found = []
    for element in root.iter(f"{DS}X509Certificate"):
        try:
            found.append(x509.load_der_x509_certificate(base64.b64decode(element.text or "")))
        except ValueError:
            continue
    return found


# --- what is told of it ---


def _manifest(dossier: Dossier, items: Iterable[Item], at: datetime) -> dict[str, Any]:
    message = dossier.message
    return {
        "format": "bridge evidence 1",
        "exportedAt": at.isoformat(),
        "message": {
            "messageId": message.message_id,
            "conversationId": message.conversation_id,
            "refToMessageId": message.ref_to_message_id,
            "cpaId": message.cpa_id,
            "direction": message.direction,
            "from": message.from_party,
            "to": message.to_party,
            "service": message.service,
            "action": message.action,
            "state": message.state,
            "reason": message.reason,
            "at": message.at.isoformat(),
            "key": message.key,
        },
        "files": [
            {
                "path": item.path,
                "size": len(item.octets),
                "sha256": hashlib.sha256(item.octets).hexdigest(),
                **item.about,
            }
            for item in items
        ],
        "purged": [
            {"content": purged.content, "at": purged.at.isoformat(), "run": purged.run}
            for purged in dossier.purged
        ],
        "changedSteps": list(changed_steps(dossier)),
    }


def _timeline(dossier: Dossier) -> list[dict[str, Any]]:
    return [
        {
            "number": step.seq,
            "at": step.at.isoformat(),
            "side": step.side,
            "what": step.what,
            "outcome": step.outcome,
            "detail": dict(step.detail),
            "by": step.by,
            "told": dossier.told.get(step.seq),
            "seal": dossier.seals[step.seq][0] if step.seq in dossier.seals else None,
            "digest": dossier.seals[step.seq][1] if step.seq in dossier.seals else None,
        }
        for step in dossier.steps
    ]


def _json(document: Any) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
