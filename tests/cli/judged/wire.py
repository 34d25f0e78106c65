"""Raw HTTP messages as somebody else writes them: by text, not by the code under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.ebms.xmlsec_side import EB, SOAP

PARTNER, OWN = "00000001112223334000", "00000004445556667000"
SIGNALS = "urn:oasis:names:tc:ebxml-msg:service"
TO_PARTY = "urn:oasis:names:tc:ebxml-msg:actor:toPartyMSH"
NEXT_MSH = "urn:oasis:names:tc:ebxml-msg:actor:nextMSH"
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"

SYNC_REPLY = f'<eb:SyncReply eb:version="2.0" soap:mustUnderstand="1" soap:actor="{NEXT}"/>'
ACK_REQUESTED = (
    f'<eb:AckRequested eb:version="2.0" soap:mustUnderstand="1" eb:signed="false" soap:actor="{TO_PARTY}"/>'
)
DUPLICATE_ELIMINATION = "<eb:DuplicateElimination/>"
ACKNOWLEDGMENT = f"""<eb:Acknowledgment eb:version="2.0" soap:mustUnderstand="1" soap:actor="{TO_PARTY}">
<eb:Timestamp>2026-11-20T10:00:00Z</eb:Timestamp><eb:RefToMessageId>m0@bridge.example.nl</eb:RefToMessageId>
<eb:From><eb:PartyId eb:type="urn:osb:oin">{PARTNER}</eb:PartyId></eb:From></eb:Acknowledgment>"""
ERROR_LIST = """<eb:ErrorList eb:version="2.0" soap:mustUnderstand="1" eb:highestSeverity="Error">
<eb:Error eb:codeContext="urn:oasis:names:tc:ebxml-msg:service:errors" eb:errorCode="Inconsistent"
 eb:severity="Error" eb:location="//Header"><eb:Description xml:lang="en">x</eb:Description></eb:Error>
</eb:ErrorList>"""
STATUS_REQUEST = (
    '<eb:StatusRequest eb:version="2.0"><eb:RefToMessageId>m0@x</eb:RefToMessageId></eb:StatusRequest>'
)
STATUS_RESPONSE = (
    '<eb:StatusResponse eb:version="2.0" eb:messageStatus="Received"><eb:RefToMessageId>m0@x'
    "</eb:RefToMessageId><eb:Timestamp>2026-11-20T10:00:00Z</eb:Timestamp></eb:StatusResponse>"
)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def envelope(
    now: datetime,
    *,
    signal: str | None = None,
    header: str = ACK_REQUESTED,
    flag: str = DUPLICATE_ELIMINATION,
    references: Sequence[str] = (),
    body: str = "",
) -> str:
    """An envelope from the partner, in force now; `signal` is the Action of one, else a business message."""
    role = ("", "") if signal else ("<eb:Role>Melder</eb:Role>", "<eb:Role>Ontvanger</eb:Role>")
    service = f">{SIGNALS}<" if signal else ' eb:type="urn:osb:services">keten:melding:1<'
    refers = signal not in (None, "Ping", "StatusRequest")
    ref = "<eb:RefToMessageId>m0@bridge.example.nl</eb:RefToMessageId>" if refers else ""
    until = f"<eb:TimeToLive>{stamp(now + timedelta(days=1))}</eb:TimeToLive>" if not signal else ""
    links = "".join(f'<eb:Reference xlink:type="simple" xlink:href="cid:{name}"/>' for name in references)
    manifest = f'<eb:Manifest eb:version="2.0">{links}</eb:Manifest>' if references else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="{SOAP}" xmlns:eb="{EB}" xmlns:xlink="http://www.w3.org/1999/xlink">
<soap:Header>
<eb:MessageHeader eb:version="2.0" soap:mustUnderstand="1">
<eb:From><eb:PartyId eb:type="urn:osb:oin">{PARTNER}</eb:PartyId>{role[0]}</eb:From>
<eb:To><eb:PartyId eb:type="urn:osb:oin">{OWN}</eb:PartyId>{role[1]}</eb:To>
<eb:CPAId>melding_1</eb:CPAId><eb:ConversationId>c1</eb:ConversationId>
<eb:Service{service}/eb:Service><eb:Action>{signal or "meld"}</eb:Action>
<eb:MessageData><eb:MessageId>m1@partner.example.nl</eb:MessageId><eb:Timestamp>{stamp(now)}</eb:Timestamp>{ref}{until}</eb:MessageData>
{"" if signal else flag}
</eb:MessageHeader>
{header}
</soap:Header>
<soap:Body>{manifest}{body}</soap:Body>
</soap:Envelope>"""


def edit(text: str, *pairs: tuple[str, str]) -> str:
    """Every pair replaces a text that must occur."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@dataclass(frozen=True, kw_only=True)
class Part:
    octets: bytes
    content_id: str = "p1@x"
    content_type: str = "application/xml"
    headers: str = "Content-Transfer-Encoding: binary\r\n"


def http(
    body: bytes,
    content_type: str = "text/xml; charset=UTF-8",
    *,
    soap_action: str | None = '"ebXML"',
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A request; a Content-Type of nothing is left out."""
    head = {"Host": "bridge.example.nl", "Content-Type": content_type, "SOAPAction": soap_action}
    head |= {"Content-Length": str(len(body))} | dict(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value is not None)
    return f"POST /ebms HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def plain(text: str, **options: str) -> bytes:
    """Body form 1."""
    return http(text.encode(), **options)  # type: ignore[arg-type]


MULTIPART = 'multipart/related; type="text/xml"; boundary="MIME_b"; start="<env@x>"'
ROOT_HEAD = "Content-Type: text/xml; charset=UTF-8\r\nContent-ID: <env@x>\r\n\r\n"


def mime_body(text: str | bytes, *parts: Part) -> bytes:
    """The body of form 2, boundary `MIME_b`, root `<env@x>`."""
    octets = text.encode() if isinstance(text, str) else text
    out = b"--MIME_b\r\n" + ROOT_HEAD.encode() + octets
    for part in parts:
        head = f"Content-Type: {part.content_type}\r\nContent-ID: <{part.content_id}>\r\n{part.headers}"
        out += b"\r\n--MIME_b\r\n" + head.encode() + b"\r\n" + part.octets
    return out + b"\r\n--MIME_b--\r\n"


def multipart(text: str | bytes, *parts: Part, content_type: str = MULTIPART) -> bytes:
    return http(mime_body(text, *parts), content_type)
