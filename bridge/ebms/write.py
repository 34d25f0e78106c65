"""From a message to bytes, the same each time (ebMS 2.0 sections 2 to 9).

Written as strictly as the strictest peer reads: qualified attributes, mustUnderstand 1, the elements in the
order of the schema, an actor wherever one belongs, times in UTC with milliseconds, no white space between
elements. A message that the standard does not allow is a ValueError: a broken assumption of ours.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from lxml import etree

from bridge.ebms.model import (
    ACTOR_NEXT,
    ACTOR_TO_PARTY,
    Acknowledgment,
    AckRequested,
    Description,
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
    StatusRequest,
    StatusResponse,
    SyncReply,
)
from bridge.ebms.xml import (
    DS,
    EB,
    SOAP,
    XLINK,
    XML,
    XPATH_TRANSFORM,
    XmlProblem,
    format_time,
    parse_xml,
    text_of,
)
from bridge.errors import SoapFault

_NAMESPACES = {"soap": SOAP, "xlink": XLINK, "eb": EB}
_LANG = "en"
_PREFIX_OF_ACTOR = re.compile(r"@([A-Za-z_][A-Za-z0-9_.-]*):actor")
_MAX_FAULT_TEXT = 500
_FAULT_CODES = frozenset({"Client", "Server", "VersionMismatch", "MustUnderstand"})


def write_envelope(message: Message) -> etree._Element:
    """The soap:Envelope, unsigned. Raises ValueError for what the standard does not allow."""
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap=_NAMESPACES)
    header = etree.SubElement(root, f"{{{SOAP}}}Header")
    body = etree.SubElement(root, f"{{{SOAP}}}Body")
    _add_message_header(header, message.header)
    if message.sync_reply is not None:
        _add_sync_reply(header, message.sync_reply)
    if message.message_order is not None:
        _add_message_order(header, message.message_order)
    for request in message.ack_requested:
        _add_ack_requested(header, request)
    if message.acknowledgment is not None:
        _add_acknowledgment(header, message.acknowledgment)
    if message.error_list is not None:
        _add_error_list(header, message.error_list)
    if message.manifest is not None:
        _add_manifest(body, message.manifest)
    if message.status_request is not None:
        _add_status_request(body, message.status_request)
    if message.status_response is not None:
        _add_status_response(body, message.status_response)
    return root


def envelope_octets(root: etree._Element) -> bytes:
    """UTF-8 with XML declaration. Keep these octets for every retry; never serialise a second time."""
    octets: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return octets


def add_reference(parent: etree._Element, reference: DigestReference) -> etree._Element:
    """Append a ds:Reference, as SignedInfo holds it and a signed Acknowledgment repeats it."""
    element = etree.SubElement(parent, f"{{{DS}}}Reference", URI=reference.uri, nsmap={"ds": DS})
    if reference.transforms:
        transforms = etree.SubElement(element, f"{{{DS}}}Transforms")
        for algorithm in reference.transforms:
            transform = etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm=algorithm)
            if algorithm == XPATH_TRANSFORM and reference.xpath is not None:
                _add_xpath(transform, reference.xpath)
    etree.SubElement(element, f"{{{DS}}}DigestMethod", Algorithm=reference.digest_method)
    value = etree.SubElement(element, f"{{{DS}}}DigestValue")
    value.text = base64.b64encode(reference.digest_value).decode("ascii")
    return element


def write_fault(fault: SoapFault) -> bytes:
    """A SOAP 1.1 fault as body of an HTTP 500."""
    code = fault.fault_code if fault.fault_code in _FAULT_CODES else "Server"
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP})
    body = etree.SubElement(root, f"{{{SOAP}}}Body")
    element = etree.SubElement(body, f"{{{SOAP}}}Fault")
    etree.SubElement(element, "faultcode").text = f"soap:{code}"
    etree.SubElement(element, "faultstring").text = fault.text
    return envelope_octets(root)


def read_fault(octets: bytes) -> tuple[str, str] | None:
    """Code without prefix and text of a SOAP 1.1 fault; None for anything else. Never raises.

    The text is the peer's: cut to a line, but not vouched for.
    """
    try:
        root = parse_xml(octets)
    except XmlProblem:
        return None
    element = root.find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")
    if root.tag != f"{{{SOAP}}}Envelope" or element is None:
        return None
    code, text = element.find("faultcode"), element.find("faultstring")
    code_text = text_of(code).rpartition(":")[2] if code is not None else ""
    fault_text = " ".join(text_of(text).split()) if text is not None else ""
    return code_text[:_MAX_FAULT_TEXT], fault_text[:_MAX_FAULT_TEXT]


def _add_message_header(parent: etree._Element, header: MessageHeader) -> None:
    element = _add_block(parent, "MessageHeader", header.version, header.id)
    _add_party(element, "From", header.from_party)
    _add_party(element, "To", header.to_party)
    _add_text(element, "CPAId", header.cpa_id)
    _add_text(element, "ConversationId", header.conversation_id)
    service = _add_text(element, "Service", header.service.value)
    _set(service, EB, "type", header.service.type)
    _add_text(element, "Action", header.action)
    data = _add(element, "MessageData")
    _add_text(data, "MessageId", header.message_id)
    _add_text(data, "Timestamp", format_time(header.timestamp))
    if header.ref_to_message_id is not None:
        _add_text(data, "RefToMessageId", header.ref_to_message_id)
    if header.time_to_live is not None:
        _add_text(data, "TimeToLive", format_time(header.time_to_live))
    if header.duplicate_elimination:
        _add(element, "DuplicateElimination")
    _add_descriptions(element, header.descriptions)


def _add_party(parent: etree._Element, name: str, party: Party) -> None:
    element = _add(parent, name)
    _add_party_ids(element, party.party_ids)
    if party.role is not None:
        _add_text(element, "Role", party.role)


def _add_party_ids(parent: etree._Element, party_ids: Sequence[PartyId]) -> None:
    if not party_ids:
        raise ValueError("a party without PartyId cannot be written")
    for party_id in party_ids:
        _set(_add_text(parent, "PartyId", party_id.value), EB, "type", party_id.type)


def _add_sync_reply(parent: etree._Element, sync_reply: SyncReply) -> None:
    element = _add_block(parent, "SyncReply", sync_reply.version, sync_reply.id)
    _set(element, SOAP, "actor", sync_reply.actor or ACTOR_NEXT)


def _add_message_order(parent: etree._Element, order: MessageOrder) -> None:
    if not 0 <= order.sequence_number <= 99_999_999:
        raise ValueError("a sequence number is 0 to 99999999")
    element = _add_block(parent, "MessageOrder", order.version, order.id)
    number = _add_text(element, "SequenceNumber", str(order.sequence_number))
    _set(number, EB, "status", order.status)


def _add_ack_requested(parent: etree._Element, request: AckRequested) -> None:
    element = _add_block(parent, "AckRequested", request.version, request.id)
    _set(element, EB, "signed", "true" if request.signed else "false")
    _set(element, SOAP, "actor", request.actor or ACTOR_TO_PARTY)


def _add_acknowledgment(parent: etree._Element, acknowledgment: Acknowledgment) -> None:
    element = _add_block(parent, "Acknowledgment", acknowledgment.version, acknowledgment.id)
    _set(element, SOAP, "actor", acknowledgment.actor or ACTOR_TO_PARTY)
    _add_text(element, "Timestamp", format_time(acknowledgment.timestamp))
    _add_text(element, "RefToMessageId", acknowledgment.ref_to_message_id)
    if acknowledgment.from_party_ids:
        _add_party_ids(_add(element, "From"), acknowledgment.from_party_ids)
    for reference in acknowledgment.references:
        add_reference(element, reference)


def _add_error_list(parent: etree._Element, error_list: ErrorList) -> None:
    if not error_list.errors:
        raise ValueError("an ErrorList without Error cannot be written")
    element = _add_block(parent, "ErrorList", error_list.version, error_list.id)
    _set(element, EB, "highestSeverity", error_list.highest_severity)
    for error in error_list.errors:
        _add_error(element, error)


def _add_error(parent: etree._Element, error: Error) -> None:
    element = _add(parent, "Error", identifier=error.id)
    _set(element, EB, "codeContext", error.code_context)
    _set(element, EB, "errorCode", error.code)
    _set(element, EB, "severity", error.severity)
    _set(element, EB, "location", error.location)
    if error.description is not None:
        description = _add(element, "Description")
        _set(description, XML, "lang", error.lang)
        description.text = error.description


def _add_manifest(parent: etree._Element, manifest: Manifest) -> None:
    if not manifest.references:
        raise ValueError("a Manifest without Reference cannot be written")
    element = _add_versioned(parent, "Manifest", manifest.version, manifest.id)
    for reference in manifest.references:
        _add_manifest_reference(element, reference)


def _add_manifest_reference(parent: etree._Element, reference: Reference) -> None:
    element = _add(parent, "Reference", identifier=reference.id)
    _set(element, XLINK, "type", "simple")
    _set(element, XLINK, "href", reference.href)
    _set(element, XLINK, "role", reference.role)
    for location in reference.schema_locations:
        _set(_add(element, "Schema"), EB, "location", location)
    _add_descriptions(element, reference.descriptions)


def _add_status_request(parent: etree._Element, request: StatusRequest) -> None:
    element = _add_versioned(parent, "StatusRequest", request.version, request.id)
    _add_text(element, "RefToMessageId", request.ref_to_message_id)


def _add_status_response(parent: etree._Element, response: StatusResponse) -> None:
    element = _add_versioned(parent, "StatusResponse", response.version, response.id)
    _set(element, EB, "messageStatus", response.message_status)
    _add_text(element, "RefToMessageId", response.ref_to_message_id)
    if response.timestamp is not None:
        _add_text(element, "Timestamp", format_time(response.timestamp))


def _add_descriptions(parent: etree._Element, descriptions: Sequence[Description]) -> None:
    for description in descriptions:
        element = _add(parent, "Description")
        _set(element, XML, "lang", description.lang or _LANG)
        element.text = description.text


def _add_xpath(parent: etree._Element, text: str) -> None:
    """The prefixes that the expression uses must mean SOAP here too; ours is declared by the envelope."""
    prefixes = set(_PREFIX_OF_ACTOR.findall(text)) - {"soap", "xml", "xmlns"}
    xpath = etree.SubElement(parent, f"{{{DS}}}XPath", nsmap=dict.fromkeys(sorted(prefixes), SOAP))
    xpath.text = text


def _add(parent: etree._Element, name: str, *, identifier: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{EB}}}{name}")
    _set(element, EB, "id", identifier)
    return element


def _add_versioned(parent: etree._Element, name: str, version: str, identifier: str | None) -> etree._Element:
    element = _add(parent, name)
    _set(element, EB, "version", version)
    _set(element, EB, "id", identifier)
    return element


def _add_block(parent: etree._Element, name: str, version: str, identifier: str | None) -> etree._Element:
    """A header element: versioned, and to be understood."""
    element = _add_versioned(parent, name, version, identifier)
    _set(element, SOAP, "mustUnderstand", "1")
    return element


def _add_text(parent: etree._Element, name: str, text: str) -> etree._Element:
    if not text:
        raise ValueError(f"an empty {name} cannot be written")
    element = _add(parent, name)
    element.text = text
    return element


def _set(element: etree._Element, namespace: str, name: str, value: str | None) -> None:
    if value is not None:
        element.set(f"{{{namespace}}}{name}", value)
