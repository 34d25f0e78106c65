"""Files to take away: tables as CSV, lines of JSON, the calendar of certificates. Pure.

The console and the commands give the same octets.
"""

import csv
import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.store.rows import Access, Audit
from bridge.web.console.documents import Document, access_document, audit_document
from bridge.web.console.overview import Ending
from bridge.web.console.views import utc_text

MOST_EXPORTED = 100_000
AUDIT_EXPORTED, ACCESS_EXPORTED = "audit.exported", "access.exported"
"""Actions in the audit log: exporting is a line too."""

_AUDIT = ("at", "who", "role", "way", "action", "target", "reason", "detail", "key")
_ACCESS = ("at", "outcome", "reader", "via", "type", "id", "level", "policy", "reason", "traceId", "key")
_CERTIFICATES = ("use", "subject", "ends", "days", "sha256")


class Form(StrEnum):
    """How the lines of a log are written."""

    CSV = "csv"
    JSONL = "jsonl"


class CertificateForm(StrEnum):
    """How the certificates in use are written: a calendar (RFC 5545) or a table."""

    ICS = "ics"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file with its name and kind."""

    name: str
    content_type: str
    body: bytes

    @property
    def digest(self) -> str:
        """So that whoever keeps it can show that it is the same (RFC 9530)."""
        return f"sha-256=:{b64encode(hashlib.sha256(self.body).digest()).decode()}:"


def audit_file(lines: Iterable[Audit], form: Form) -> Download:
    documents = [audit_document(line) for line in lines]
    if form is Form.JSONL:
        return _json_lines("audit", documents)
    return _csv("audit", (one | {"detail": json.dumps(one["detail"])} for one in documents), _AUDIT)


def access_file(lines: Iterable[Access], form: Form) -> Download:
    documents = [access_document(line) for line in lines]
    return _json_lines("access", documents) if form is Form.JSONL else _csv("access", documents, _ACCESS)


def certificates_file(endings: Iterable[Ending], form: CertificateForm, *, now: datetime) -> Download:
    if form is CertificateForm.ICS:
        return _file("certificates.ics", "text/calendar", _calendar(endings, now))
    documents = (
        {
            "use": ending.use,
            "subject": ending.subject,
            "ends": utc_text(ending.ends),
            "days": ending.days,
            "sha256": ending.id,
        }
        for ending in endings
    )
    return _csv("certificates", documents, _CERTIFICATES)


def _file(name: str, content_type: str, text: str) -> Download:
    return Download(name=name, content_type=content_type, body=text.encode())


def _json_lines(name: str, documents: Iterable[Document]) -> Download:
    text = "".join(f"{json.dumps(document)}\n" for document in documents)
    return _file(f"{name}.jsonl", "application/x-ndjson", text)


def _csv(name: str, documents: Iterable[Document], columns: Sequence[str]) -> Download:
    """A spreadsheet must not take what people typed for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for document in documents:
        cells = ["" if document[column] is None else str(document[column]) for column in columns]
        writer.writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells])
    return _file(f"{name}.csv", "text/csv", out.getvalue())


def _calendar(endings: Iterable[Ending], now: datetime) -> str:
    """The ends of certificates, each with an alarm a month before."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bridge//certificates//EN"]
    for ending in endings:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{ending.id[:32]}@bridge",
            f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{ending.ends:%Y%m%dT%H%M%SZ}",
            f"SUMMARY:{_ics(f'Certificate ends: {ending.use}')}",
            f"DESCRIPTION:{_ics(ending.subject)}",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"DESCRIPTION:{_ics(ending.use)}",
            f"TRIGGER:-P{timedelta(days=30).days}D",
            "END:VALARM",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _ics(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "".join(c if c.isprintable() else " " for c in escaped)


def _folded(line: str) -> str:
    """At most 75 octets a line (RFC 5545 section 3.1)."""
    parts, current = [], ""
    for character in line:
        if len((current + character).encode()) > 74:
            parts.append(current)
            current = ""
        current += character
    return "\r\n ".join([*parts, current])
