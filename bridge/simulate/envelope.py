"""The simulated partner's own reading and writing of ebMS envelopes; the bridge shares only the values."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

from lxml import etree

from bridge.ebms.model import (
    Acknowledgment,
    AckRequested,
    DigestReference,
    Error,
    ErrorList,
    Manifest,
    Message,
    MessageHeader,
    MessageOrder,
    Party,
    PartyId,
    Reference,
    Service,
    SyncReply,
)
from bridge.ids import ConversationId, CpaId, MessageId

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
EB = "http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd"
XLINK = "http://www.w3.org/1999/xlink"
DS = "http://www.w3.org/2000/09/xmldsig#"

_NAMESPACES = {"soap": SOAP, "eb": EB, "xlink": XLINK, "ds": DS}
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_Element = etree._Element


class Unreadable(Exception):
    """Octets that are no ebMS envelope; only a SOAP fault can answer them."""


def write_envelope(message: Message) -> _Element:
    """The SOAP envelope of a business message or a signal, not yet signed."""
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP, "eb": EB, "xlink": XLINK})
    header = etree.SubElement(root, f"{{{SOAP}}}Header")
    body = etree.SubElement(root, f"{{{SOAP}}}Body")
    _write_header(header, message.header)
    for asked in message.ack_requested:
        element = _block(header, "AckRequested", asked.actor)
        element.set(_eb("signed"), "true" if asked.signed else "false")
    if message.sync_reply:
        _block(header, "SyncReply", message.sync_reply.actor)
    if message.message_order:
        _write_order(header, message.message_order)
    if message.acknowledgment:
        _write_acknowledgment(header, message.acknowledgment)
    if message.error_list:
        _write_errors(header, message.error_list)
    if message.manifest:
        manifest = _add(body, "Manifest")
        manifest.set(_eb("version"), "2.0")
        for reference in message.manifest.references:
            element = _add(manifest, "Reference")
            element.set(f"{{{XLINK}}}type", "simple")
            element.set(f"{{{XLINK}}}href", reference.href)
    return root


def read_envelope(octets: bytes) -> tuple[_Element, Message]:
    """The tree to verify and its values (without parts). Raises `Unreadable`."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(octets, parser)
    except etree.XMLSyntaxError as broken:
        raise Unreadable("not well-formed XML") from broken
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("a DOCTYPE is not allowed")
    headers = _all(root, "/soap:Envelope/soap:Header/eb:MessageHeader")
    if len(headers) != 1:
        raise Unreadable("not exactly one MessageHeader")
    try:
        return root, _read_message(root, headers[0])
    except (LookupError, ValueError) as broken:
        raise Unreadable("a required element is missing or malformed") from broken


def read_reference(reference: _Element) -> DigestReference:
    """A ds:Reference as a value. Raises ValueError."""
    method = reference.find(f"{{{DS}}}DigestMethod")
    digest = reference.findtext(f"{{{DS}}}DigestValue")
    if method is None or digest is None:
        raise ValueError("a ds:Reference without digest")
    return DigestReference(
        uri=str(reference.get("URI", "")),
        transforms=tuple(
            str(transform.get("Algorithm"))
            for transform in reference.findall(f"{{{DS}}}Transforms/{{{DS}}}Transform")
        ),
        digest_method=str(method.get("Algorithm")),
        digest_value=base64.b64decode("".join(digest.split()), validate=True),
        xpath=reference.findtext(f"{{{DS}}}Transforms/{{{DS}}}Transform/{{{DS}}}XPath"),
    )


def to_octets(root: _Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def fault(text: str) -> bytes:
    """A SOAP 1.1 fault of code Client."""
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP})
    held = etree.SubElement(etree.SubElement(root, f"{{{SOAP}}}Body"), f"{{{SOAP}}}Fault")
    etree.SubElement(held, "faultcode").text = "soap:Client"
    etree.SubElement(held, "faultstring").text = text
    return to_octets(root)


def write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """No zone means UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- writing


def _eb(name: str) -> str:
    return f"{{{EB}}}{name}"


def _add(parent: _Element, name: str, text: str | None = None) -> _Element:
    element = etree.SubElement(parent, _eb(name))
    element.text = text
    return element


def _write_order(header: _Element, order: MessageOrder) -> None:
    number = _add(_block(header, "MessageOrder"), "SequenceNumber", str(order.sequence_number))
    number.set(_eb("status"), order.status)


def _block(header: _Element, name: str, actor: str | None = None) -> _Element:
    element = _add(header, name)
    element.set(_eb("version"), "2.0")
    element.set(f"{{{SOAP}}}mustUnderstand", "1")
    if actor:
        element.set(f"{{{SOAP}}}actor", actor)
    return element


def _write_header(parent: _Element, header: MessageHeader) -> None:
    block = _block(parent, "MessageHeader")
    for name, party in (("From", header.from_party), ("To", header.to_party)):
        element = _add(block, name)
        _write_party_ids(element, party.party_ids)
        if party.role:
            _add(element, "Role", party.role)
    _add(block, "CPAId", header.cpa_id)
    _add(block, "ConversationId", header.conversation_id)
    service = _add(block, "Service", header.service.value)
    if header.service.type:
        service.set(_eb("type"), header.service.type)
    _add(block, "Action", header.action)
    data = _add(block, "MessageData")
    _add(data, "MessageId", header.message_id)
    _add(data, "Timestamp", write_time(header.timestamp))
    if header.ref_to_message_id:
        _add(data, "RefToMessageId", header.ref_to_message_id)
    if header.time_to_live:
        _add(data, "TimeToLive", write_time(header.time_to_live))
    if header.duplicate_elimination:
        _add(block, "DuplicateElimination")


def _write_party_ids(parent: _Element, party_ids: tuple[PartyId, ...]) -> None:
    for party_id in party_ids:
        element = _add(parent, "PartyId", party_id.value)
        if party_id.type:
            element.set(_eb("type"), party_id.type)


def _write_acknowledgment(header: _Element, acknowledgment: Acknowledgment) -> None:
    block = _block(header, "Acknowledgment", acknowledgment.actor)
    _add(block, "Timestamp", write_time(acknowledgment.timestamp))
    _add(block, "RefToMessageId", acknowledgment.ref_to_message_id)
    _write_party_ids(_add(block, "From"), acknowledgment.from_party_ids)
    for known in acknowledgment.references:
        reference = etree.SubElement(block, f"{{{DS}}}Reference", URI=known.uri, nsmap={"ds": DS})
        if known.transforms:
            transforms = etree.SubElement(reference, f"{{{DS}}}Transforms")
        for algorithm in known.transforms:
            transform = etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm=algorithm)
            if known.xpath and algorithm.endswith("REC-xpath-19991116"):
                etree.SubElement(transform, f"{{{DS}}}XPath").text = known.xpath
        etree.SubElement(reference, f"{{{DS}}}DigestMethod", Algorithm=known.digest_method)
        value = etree.SubElement(reference, f"{{{DS}}}DigestValue")
        value.text = base64.b64encode(known.digest_value).decode("ascii")


def _write_errors(header: _Element, errors: ErrorList) -> None:
    block = _block(header, "ErrorList")
    block.set(_eb("highestSeverity"), errors.highest_severity)
    for error in errors.errors:
        element = _add(block, "Error")
        element.set(_eb("codeContext"), error.code_context)
        element.set(_eb("errorCode"), error.code)
        element.set(_eb("severity"), error.severity)
        if error.location:
            element.set(_eb("location"), error.location)
        if error.description:
            _add(element, "Description", error.description).set(_LANG, error.lang)


# --- reading


def _all(node: _Element, path: str) -> list[_Element]:
    found = node.xpath(path, namespaces=_NAMESPACES)
    return [item for item in found if isinstance(item, etree._Element)] if isinstance(found, list) else []


def _text(node: _Element, path: str) -> str:
    """Raises LookupError when the element is missing or empty."""
    found = _optional(node, path)
    if not found:
        raise LookupError(path)
    return found


def _optional(node: _Element, path: str) -> str | None:
    found = _all(node, path)
    return "".join(str(piece) for piece in found[0].itertext()).strip() if found else None


def _attribute(node: _Element, namespace: str, name: str) -> str | None:
    value = node.get(f"{{{namespace}}}{name}")
    return str(value) if value is not None else None


def _party_ids(node: _Element) -> tuple[PartyId, ...]:
    return tuple(
        PartyId(value=(element.text or "").strip(), type=_attribute(element, EB, "type"))
        for element in _all(node, "eb:PartyId")
    )


def _read_message(root: _Element, block: _Element) -> Message:
    header = _read_header(block)
    acknowledgments = _all(root, "soap:Header/eb:Acknowledgment")
    errors = _all(root, "soap:Header/eb:ErrorList")
    synchronous = _all(root, "soap:Header/eb:SyncReply")
    hrefs = tuple(_hrefs(root))
    return Message(
        header=header,
        ack_requested=tuple(
            AckRequested(
                signed=_attribute(element, EB, "signed") in ("true", "1"),
                actor=_attribute(element, SOAP, "actor"),
            )
            for element in _all(root, "soap:Header/eb:AckRequested")
        ),
        sync_reply=SyncReply(actor=_attribute(synchronous[0], SOAP, "actor")) if synchronous else None,
        acknowledgment=_read_acknowledgment(acknowledgments[0]) if acknowledgments else None,
        error_list=_read_errors(errors[0]) if errors else None,
        manifest=Manifest(references=tuple(Reference(href=href) for href in hrefs)) if hrefs else None,
    )


def _hrefs(root: _Element) -> Iterator[str]:
    for element in _all(root, "soap:Body/eb:Manifest/eb:Reference"):
        yield _attribute(element, XLINK, "href") or ""


def _read_header(block: _Element) -> MessageHeader:
    ref_to = _optional(block, "eb:MessageData/eb:RefToMessageId")
    lives = _optional(block, "eb:MessageData/eb:TimeToLive")
    service = _all(block, "eb:Service")
    return MessageHeader(
        from_party=_read_party(block, "eb:From"),
        to_party=_read_party(block, "eb:To"),
        cpa_id=CpaId(_text(block, "eb:CPAId")),
        conversation_id=ConversationId(_text(block, "eb:ConversationId")),
        service=Service(value=_text(block, "eb:Service"), type=_attribute(service[0], EB, "type")),
        action=_text(block, "eb:Action"),
        message_id=MessageId(_text(block, "eb:MessageData/eb:MessageId")),
        timestamp=read_time(_text(block, "eb:MessageData/eb:Timestamp")),
        ref_to_message_id=MessageId(ref_to) if ref_to else None,
        time_to_live=read_time(lives) if lives else None,
        duplicate_elimination=bool(_all(block, "eb:DuplicateElimination")),
    )


def _read_party(block: _Element, path: str) -> Party:
    element = _all(block, path)[0]
    return Party(party_ids=_party_ids(element), role=_optional(element, "eb:Role"))


def _read_acknowledgment(block: _Element) -> Acknowledgment:
    sender = _all(block, "eb:From")
    return Acknowledgment(
        timestamp=read_time(_text(block, "eb:Timestamp")),
        ref_to_message_id=MessageId(_text(block, "eb:RefToMessageId")),
        from_party_ids=_party_ids(sender[0]) if sender else (),
        references=tuple(read_reference(element) for element in _all(block, "ds:Reference")),
        actor=_attribute(block, SOAP, "actor"),
    )


def _read_errors(block: _Element) -> ErrorList:
    errors = tuple(
        Error(
            code=_attribute(element, EB, "errorCode") or "",
            severity=_attribute(element, EB, "severity") or "",
            location=_attribute(element, EB, "location"),
            description=_optional(element, "eb:Description"),
        )
        for element in _all(block, "eb:Error")
    )
    return ErrorList(errors=errors, highest_severity=_attribute(block, EB, "highestSeverity") or "Error")
