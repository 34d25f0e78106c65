"""From bytes to a message (ebMS 2.0 sections 2 and 3).

Three outcomes. A SoapFault: nobody could be answered in ebMS, because parties, CPAId or MessageId cannot be
read or because SOAP itself is broken. A `Received` with problems: the header can be read, so each problem
deserves a MessageError. A `Received` without: the message says what it says, and `receiving.py` judges it.

Values that are read but wrong (a version, an actor, an expired TimeToLive, a cid without part) are not
judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

from lxml import etree

from bridge.ebms.elements import (
    Findings,
    note_attributes,
    read_ack_requested,
    read_acknowledgment,
    read_error_list,
    read_header,
    read_manifest,
    read_message_order,
    read_status_request,
    read_status_response,
    read_sync_reply,
)
from bridge.ebms.mime import Limits, MemorySink, Package, Sink, read_package
from bridge.ebms.model import (
    ACTOR_NEXT,
    ACTOR_NEXT_MSH,
    ACTOR_TO_PARTY,
    SIGNAL_ACTIONS,
    SIGNAL_SERVICE,
    ErrorCode,
    Kind,
    Message,
    MessageHeader,
    Part,
    Severity,
)
from bridge.ebms.xml import (
    DS,
    EB,
    SOAP,
    WHITE_SPACE,
    XENC,
    XmlLimits,
    XmlProblem,
    is_element,
    local_name,
    namespace_of,
    parse_xml,
)
from bridge.errors import EbmsError, SoapFault
from bridge.ids import CpaId

_HEADER_ELEMENTS = (
    "MessageHeader",
    "SyncReply",
    "AckRequested",
    "Acknowledgment",
    "ErrorList",
    "MessageOrder",
)
_BODY_ELEMENTS = ("Manifest", "StatusRequest", "StatusResponse")
_SIGNATURE = f"{{{DS}}}Signature"
_MUST_UNDERSTAND = f"{{{SOAP}}}mustUnderstand"
_ACTOR = f"{{{SOAP}}}actor"
_OURS = frozenset({"", ACTOR_NEXT, ACTOR_NEXT_MSH, ACTOR_TO_PARTY})
_UNSIGNED_ACTORS = frozenset({ACTOR_NEXT, ACTOR_NEXT_MSH})
_MAY_BE_UNSIGNED = frozenset({f"{{{EB}}}SyncReply", f"{{{EB}}}AckRequested"})
_NEEDED = {
    Kind.ACKNOWLEDGMENT: "//Header/Acknowledgment",
    Kind.MESSAGE_ERROR: "//Header/ErrorList",
    Kind.STATUS_REQUEST: "//Body/StatusRequest",
    Kind.STATUS_RESPONSE: "//Body/StatusResponse",
}
_REFERRING = frozenset({Kind.ACKNOWLEDGMENT, Kind.PONG, Kind.STATUS_RESPONSE})

Elements = dict[str, list[etree._Element]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it was read, with the tree that its signature covers.

    `problems` are the faults of a message whose sender can be told; a message with any is never delivered.
    `notes` are deviations that were tolerated, in words for the operator.
    """

    message: Message
    envelope: etree._Element = field(repr=False)
    """The root exactly as it was received. Never change it."""
    envelope_octets: bytes = field(repr=False)
    notes: tuple[str, ...] = ()
    problems: tuple[EbmsError, ...] = ()
    signatures: int = 0
    """Number of ds:Signature elements in soap:Header."""


def read_message(
    headers: Sequence[tuple[str, str]],
    body: bytes,
    *,
    limits: Limits | None = None,
    new_sink: Callable[[], Sink] = MemorySink,
) -> Received:
    """The message of a whole HTTP body. Raises SoapFault."""
    return read_envelope(read_package(headers, body, limits=limits, new_sink=new_sink))


def read_envelope(package: Package) -> Received:
    """The message of a package. Raises SoapFault, and then has freed the parts of the package."""
    try:
        return _read_envelope(package)
    except SoapFault:
        package.discard()
        raise


def peek_cpa_id(envelope: bytes, charset: str | None) -> CpaId | None:
    """The agreement that an envelope names, before anything of it is judged; None when none can be read."""
    try:
        header, _ = _soap_parts(_parse(Package(envelope=envelope, charset=charset)))
        text = header.findtext(f"{{{EB}}}MessageHeader/{{{EB}}}CPAId")
    except SoapFault:
        return None
    return CpaId(text.strip()) if text and text.strip() else None


def resolve_cid(href: str, parts: Sequence[Part]) -> Part | None:
    """The part that a `cid:` URL names: compared literally first, then percent-decoded (RFC 2392)."""
    scheme, colon, name = href.partition(":")
    if not colon or scheme.lower() != "cid" or not name:
        return None
    literal = next((part for part in parts if part.content_id == name), None)
    if literal is not None:
        return literal
    try:
        decoded = unquote_to_bytes(name).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return next((part for part in parts if decoded and part.content_id == decoded), None)


def _read_envelope(package: Package) -> Received:
    root = _parse(package)
    header, body = _soap_parts(root)
    _check_must_understand(header)
    found = Findings()
    in_header = _by_name(header, _HEADER_ELEMENTS, found)
    in_body = _by_name(body, _BODY_ELEMENTS, found)
    message = _message(root, in_header, in_body, package, found)
    _check_counts(in_header, in_body, found)
    _check_header_attributes(in_header, in_body, found)
    _check_actors(root, header, found)
    _check_encryption(root, found)
    _check_kind(message, found)
    return Received(
        message=message,
        envelope=root,
        envelope_octets=package.envelope,
        notes=package.notes + found.notes,
        problems=(*found.problems, *package.problems),
        signatures=sum(1 for child in header if child.tag == _SIGNATURE),
    )


def _parse(package: Package) -> etree._Element:
    limits = XmlLimits(max_octets=max(len(package.envelope), 1))
    try:
        return parse_xml(package.envelope, limits=limits, charset=package.charset)
    except XmlProblem as error:
        raise SoapFault(f"The envelope cannot be read: {error.text}.") from error


def _soap_parts(root: etree._Element) -> tuple[etree._Element, etree._Element]:
    """soap:Header and soap:Body: exactly one of each, in this order."""
    if root.tag != f"{{{SOAP}}}Envelope":
        if local_name(root) == "Envelope":
            raise SoapFault("The envelope is not of SOAP 1.1.", fault_code="VersionMismatch")
        raise SoapFault("The root element is not a SOAP envelope.")
    soap = [child for child in root if is_element(child) and namespace_of(child) == SOAP]
    names = [local_name(child) for child in soap]
    if names == ["Body"]:
        raise SoapFault("The envelope has no soap:Header, so no eb:MessageHeader.")
    if names != ["Header", "Body"]:
        raise SoapFault("The envelope must hold one soap:Header and one soap:Body, in this order.")
    first = next(child for child in root if is_element(child))
    if first is not soap[0]:
        raise SoapFault("The envelope must begin with soap:Header.")
    return soap[0], soap[1]


def _check_must_understand(header: etree._Element) -> None:
    """An unknown header element that we must understand is a fault of SOAP (SOAP 1.1 section 4.2.3)."""
    for child in header:
        if not is_element(child) or child.tag == _SIGNATURE:
            continue
        if namespace_of(child) == EB and local_name(child) in _HEADER_ELEMENTS:
            continue
        demanded = child.get(_MUST_UNDERSTAND, "").strip(WHITE_SPACE) in ("1", "true")
        if demanded and child.get(_ACTOR, "").strip(WHITE_SPACE) in _OURS:
            raise SoapFault(
                f"The header element {local_name(child)} is not understood.", fault_code="MustUnderstand"
            )


def _by_name(parent: etree._Element, known: Sequence[str], found: Findings) -> Elements:
    """The eb elements of soap:Header or soap:Body by name; foreign ones are ignored with a note."""
    elements: Elements = {}
    for child in parent:
        if not is_element(child) or child.tag == _SIGNATURE:
            continue
        name = local_name(child)
        if namespace_of(child) != EB:
            found.note(f"a foreign element in soap:{local_name(parent)} is ignored")
        elif name in known:
            elements.setdefault(name, []).append(child)
        else:
            found.breach(f"//{local_name(parent)}/{name}", "The element does not belong here.")
    return elements


def _message(
    root: etree._Element, in_header: Elements, in_body: Elements, package: Package, found: Findings
) -> Message:
    if len(in_header.get("MessageHeader", [])) != 1 or len(list(root.iter(f"{{{EB}}}MessageHeader"))) != 1:
        raise SoapFault("The soap:Header must hold exactly one eb:MessageHeader.")
    header = read_header(in_header["MessageHeader"][0], found)
    _check_addressable(header)
    message = Message(
        header=header,
        ack_requested=tuple(read_ack_requested(each, found) for each in in_header.get("AckRequested", [])),
        parts=package.parts,
    )
    if each := in_header.get("SyncReply"):
        message = replace(message, sync_reply=read_sync_reply(each[0], found))
    if each := in_header.get("MessageOrder"):
        message = replace(message, message_order=read_message_order(each[0], found))
    if each := in_header.get("Acknowledgment"):
        message = replace(message, acknowledgment=read_acknowledgment(each[0], found))
    if each := in_header.get("ErrorList"):
        message = replace(message, error_list=read_error_list(each[0], found))
    if each := in_body.get("Manifest"):
        message = replace(message, manifest=read_manifest(each[0], found))
    if each := in_body.get("StatusRequest"):
        message = replace(message, status_request=read_status_request(each[0], found))
    if each := in_body.get("StatusResponse"):
        message = replace(message, status_response=read_status_response(each[0], found))
    return message


def _check_addressable(header: MessageHeader) -> None:
    """Without these four no MessageError can be made and routed."""
    vital = {
        "From/PartyId": bool(header.from_party.party_ids),
        "To/PartyId": bool(header.to_party.party_ids),
        "CPAId": bool(header.cpa_id),
        "MessageData/MessageId": bool(header.message_id),
    }
    missing = [name for name, present in vital.items() if not present]
    if missing:
        raise SoapFault(f"The MessageHeader has no usable {', '.join(missing)}.")


def _check_counts(in_header: Elements, in_body: Elements, found: Findings) -> None:
    for place, elements in (("Header", in_header), ("Body", in_body)):
        for name, each in elements.items():
            if len(each) > 1 and name != "AckRequested":
                found.breach(f"//{place}/{name}", "The element may come only once.")
    requests = in_header.get("AckRequested", [])
    actors = [each.get(_ACTOR, "").strip(WHITE_SPACE) or ACTOR_TO_PARTY for each in requests]
    if len(set(actors)) != len(actors) or len(actors) > 2:
        found.breach("//Header/AckRequested", "The element may come once for each of two actors.")


def _check_header_attributes(in_header: Elements, in_body: Elements, found: Findings) -> None:
    """soap:mustUnderstand belongs on every eb header element and on no body element."""
    for name, elements in in_header.items():
        for element in elements:
            value = element.get(_MUST_UNDERSTAND)
            if value is None:
                found.note(f"{name} has no mustUnderstand")
            elif value.strip(WHITE_SPACE) not in ("0", "1"):
                found.breach(f"//Header/{name}/@mustUnderstand", "The value must be 1.")
    for name, elements in in_body.items():
        for element in elements:
            note_attributes(element, found)
            if _MUST_UNDERSTAND in element.attrib:
                found.note(f"{name} has a mustUnderstand")


def _check_actors(root: etree._Element, header: etree._Element, found: Findings) -> None:
    """Elements for `next` and `nextMSH` are outside the signature: they must not carry what we act on."""
    for element in root.iter(etree.Element):
        if element.get(_ACTOR, "").strip(WHITE_SPACE) not in _UNSIGNED_ACTORS:
            continue
        if not _is_harmless(element, header):
            text = "The element must not carry the actor next or nextMSH."
            found.breach(_path(element), text, ErrorCode.SECURITY_FAILURE)


def _is_harmless(element: etree._Element, header: etree._Element) -> bool:
    """Whether it is, or stands in, a header element that may be left unsigned or is ignored altogether."""
    block = _block_of(element, header)
    if block is None:
        return False
    return block.tag in _MAY_BE_UNSIGNED or namespace_of(block) not in (EB, DS, SOAP)


def _block_of(element: etree._Element, header: etree._Element) -> etree._Element | None:
    current: etree._Element | None = element
    while current is not None and current.getparent() is not header:
        current = current.getparent()
    return current


def _check_encryption(root: etree._Element, found: Findings) -> None:
    """Only parts are encrypted, never the envelope (Digikoppeling profile)."""
    for element in root.iter(f"{{{XENC}}}EncryptedData", f"{{{XENC}}}EncryptedKey"):
        text = "The envelope must not be encrypted."
        found.breach(_path(element), text, ErrorCode.SECURITY_FAILURE)


def _check_kind(message: Message, found: Findings) -> None:
    """A signal must hold what its Action promises."""
    header = message.header
    if header.service.value == SIGNAL_SERVICE and header.action and header.action not in SIGNAL_ACTIONS:
        found.breach(
            "//Header/MessageHeader/Action", "The signal is not known.", code=ErrorCode.NOT_SUPPORTED
        )
    present = {
        Kind.ACKNOWLEDGMENT: message.acknowledgment,
        Kind.MESSAGE_ERROR: message.error_list,
        Kind.STATUS_REQUEST: message.status_request,
        Kind.STATUS_RESPONSE: message.status_response,
    }
    if message.kind in _NEEDED and present[message.kind] is None:
        found.breach(_NEEDED[message.kind], "The element is missing.")
    if message.kind is Kind.BUSINESS and _reports_failure(message):
        found.breach("//Header/ErrorList", "A business message may carry warnings, but no errors.")
    if message.kind is Kind.ACKNOWLEDGMENT and header.duplicate_elimination:
        found.note("an Acknowledgment asks for DuplicateElimination")
    if "@" not in header.message_id:
        found.note("the MessageId has no @")
    if message.kind in _REFERRING and header.ref_to_message_id is None:
        found.breach("//Header/MessageHeader/MessageData/RefToMessageId", "The element is missing.")


def _reports_failure(message: Message) -> bool:
    listed = message.error_list
    return listed is not None and any(error.severity != Severity.WARNING for error in listed.errors)


def _path(element: etree._Element) -> str:
    """The pseudo path that peers use: local names below the envelope."""
    names = [local_name(each) for each in _line_of(element)]
    return "//" + "/".join(reversed(names[:-1] or names))


def _line_of(element: etree._Element) -> Iterator[etree._Element]:
    yield element
    yield from element.iterancestors()
