"""MIME as the simulated partner does it: written by hand, read with the standard library's email package."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import Message as MimeMessage
from email.parser import BytesParser
from email.policy import HTTP

from bridge.simulate.envelope import Unreadable

XML_TYPE = "text/xml; charset=UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A payload part: the octets as they are, and its Content-ID without angle brackets."""

    content_id: str
    content_type: str
    octets: bytes = field(repr=False)


def pack(envelope: bytes, attachments: tuple[Attachment, ...], *, boundary: str) -> tuple[str, bytes]:
    """The Content-Type of the HTTP head, and the body; without attachments that is the envelope itself."""
    if not attachments:
        return XML_TYPE, envelope
    start = f"envelope-{boundary}@partner.test"
    pieces = [_part(boundary, start, XML_TYPE, envelope)]
    pieces += [_part(boundary, a.content_id, a.content_type, a.octets) for a in attachments]
    pieces.append(f"--{boundary}--\r\n".encode("ascii"))
    content_type = f'multipart/related; type="text/xml"; boundary="{boundary}"; start="<{start}>"'
    return content_type, b"".join(pieces)


def unpack(content_type: str, body: bytes) -> tuple[bytes, tuple[Attachment, ...]]:
    """The envelope's octets and the payload parts. Raises `Unreadable`."""
    if not content_type.lower().startswith("multipart/"):
        return body, ()
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    whole: MimeMessage = BytesParser(policy=HTTP).parsebytes(head + body)
    parts = whole.get_payload()
    if not isinstance(parts, list) or not parts or whole.defects:
        raise Unreadable("not a readable multipart message")
    first, *others = (part for part in parts if isinstance(part, MimeMessage))
    return _octets(first), tuple(
        Attachment(
            content_id=str(part.get("Content-ID", "")).strip().strip("<>"),
            content_type=str(part.get("Content-Type", "application/octet-stream")),
            octets=_octets(part),
        )
        for part in others
    )


def _part(boundary: str, content_id: str, content_type: str, octets: bytes) -> bytes:
    head = (
        f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-ID: <{content_id}>\r\n"
        "Content-Transfer-Encoding: binary\r\n\r\n"
    )
    return head.encode("ascii") + octets + b"\r\n"


def _octets(part: MimeMessage) -> bytes:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        raise Unreadable("a part holds parts of its own")
    return octets
