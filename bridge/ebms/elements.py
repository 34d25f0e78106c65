"""The eb elements of an envelope as values (ebMS 2.0 sections 3 to 9).

Each `read_` function takes an element and its path and gives the value; what breaks the schema goes into
`Findings`. Text is trimmed, the tree is never changed. Tolerated are exactly the deviations that a robust
receiver accepts; each leaves a note for the operator.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lxml import etree

from bridge.ebms import model as m
from bridge.ebms.xml import (
    DS,
    EB,
    SOAP,
    WHITE_SPACE,
    XLINK,
    XML,
    XPATH_TRANSFORM,
    XSI,
    has_zone,
    is_element,
    local_name,
    namespace_of,
    parse_time,
    raw_text_of,
    text_of,
)
from bridge.errors import EbmsError
from bridge.ids import ConversationId, CpaId, MessageId

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands in for a Timestamp that could not be read; the message then has a problem that says so."""

_MAX_VALUE = 1000
_MAX_PROBLEMS = 50
_MANY = 1_000_000
_SEQUENCE_NUMBER = re.compile(r"[0-9]{1,8}")
_HEADER_CHILDREN = (
    ("From", 1, 1),
    ("To", 1, 1),
    ("CPAId", 1, 1),
    ("ConversationId", 1, 1),
    ("Service", 1, 1),
    ("Action", 1, 1),
    ("MessageData", 1, 1),
    ("DuplicateElimination", 0, 1),
    ("Description", 0, _MANY),
)
_PARTY_CHILDREN = (("PartyId", 1, _MANY), ("Role", 0, 1))
_MESSAGE_DATA_CHILDREN = (
    ("MessageId", 1, 1),
    ("Timestamp", 1, 1),
    ("RefToMessageId", 0, 1),
    ("TimeToLive", 0, 1),
)
_ACKNOWLEDGMENT_CHILDREN = (
    ("Timestamp", 1, 1),
    ("RefToMessageId", 1, 1),
    ("From", 0, 1),
    ("ds:Reference", 0, _MANY),
)
_REFERENCE_CHILDREN = (("Schema", 0, _MANY), ("Description", 0, _MANY))

Children = dict[str, list[etree._Element]]
Spec = Sequence[tuple[str, int, int]]


class Findings:
    """What reading found: breaches that the sender must mend, and deviations that were tolerated."""

    def __init__(self) -> None:
        self.problems: list[EbmsError] = []
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def note(self, text: str) -> None:
        self._notes[text] = None

    def breach(self, location: str, text: str, code: m.ErrorCode = m.ErrorCode.INCONSISTENT) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(EbmsError(code, text, location=location))


def read_header(element: etree._Element, found: Findings) -> m.MessageHeader:
    """eb:MessageHeader. What is missing becomes an empty text or EPOCH, with a problem."""
    path = "//Header/MessageHeader"
    children = _children(element, _HEADER_CHILDREN, path, found)
    data_path = f"{path}/MessageData"
    data = _first(children, "MessageData")
    parts = _children(data, _MESSAGE_DATA_CHILDREN, data_path, found) if data is not None else {}
    service = _first(children, "Service")
    for flag in children.get("DuplicateElimination", []):
        _expect_empty(flag, f"{path}/DuplicateElimination", found)
    return m.MessageHeader(
        from_party=_party(_first(children, "From"), f"{path}/From", found),
        to_party=_party(_first(children, "To"), f"{path}/To", found),
        cpa_id=CpaId(_value(children, "CPAId", path, found)),
        conversation_id=ConversationId(_value(children, "ConversationId", path, found)),
        service=m.Service(value=_value(children, "Service", path, found), type=_type(service)),
        action=_value(children, "Action", path, found),
        message_id=MessageId(_value(parts, "MessageId", data_path, found)),
        timestamp=_time(parts, "Timestamp", data_path, found) or EPOCH,
        ref_to_message_id=_message_id(parts, "RefToMessageId", data_path, found),
        time_to_live=_time(parts, "TimeToLive", data_path, found),
        duplicate_elimination="DuplicateElimination" in children,
        descriptions=_descriptions(children, found),
        version=_version(element),
        id=_id(element),
    )


def read_ack_requested(element: etree._Element, found: Findings) -> m.AckRequested:
    path = "//Header/AckRequested"
    _expect_empty(element, path, found)
    signed = _attribute(element, EB, "signed")
    if signed not in ("true", "false", "1", "0"):
        found.breach(f"{path}/@signed", "The signed attribute must be true or false.")
    actor = _attribute(element, SOAP, "actor") or None
    if actor is None:
        found.note("AckRequested has no actor; it means the To party")
    return m.AckRequested(
        signed=signed in ("true", "1"), actor=actor, version=_version(element), id=_id(element)
    )


def read_sync_reply(element: etree._Element, found: Findings) -> m.SyncReply:
    _expect_empty(element, "//Header/SyncReply", found)
    actor = _attribute(element, SOAP, "actor") or None
    return m.SyncReply(actor=actor, version=_version(element), id=_id(element))


def read_message_order(element: etree._Element, found: Findings) -> m.MessageOrder | None:
    """None when the number is missing or no number; a problem says so."""
    path = "//Header/MessageOrder"
    children = _children(element, (("SequenceNumber", 1, 1),), path, found)
    number = _first(children, "SequenceNumber")
    if number is None:
        return None
    text = _value(children, "SequenceNumber", path, found)
    status = _attribute(number, EB, "status") or "Continue"
    if status not in ("Reset", "Continue"):
        found.breach(f"{path}/SequenceNumber/@status", "The status must be Reset or Continue.")
    if not _SEQUENCE_NUMBER.fullmatch(text):
        found.breach(f"{path}/SequenceNumber", "The sequence number must be 0 to 99999999.")
        return None
    return m.MessageOrder(
        sequence_number=int(text), status=status, version=_version(element), id=_id(element)
    )


def read_acknowledgment(element: etree._Element, found: Findings) -> m.Acknowledgment:
    path = "//Header/Acknowledgment"
    children = _children(element, _ACKNOWLEDGMENT_CHILDREN, path, found)
    sender = _first(children, "From")
    if sender is None:
        found.note("Acknowledgment has no From")
    references = [_digest_reference(each, found) for each in children.get("ds:Reference", [])]
    return m.Acknowledgment(
        timestamp=_time(children, "Timestamp", path, found) or EPOCH,
        ref_to_message_id=MessageId(_value(children, "RefToMessageId", path, found)),
        from_party_ids=() if sender is None else _party(sender, f"{path}/From", found).party_ids,
        references=tuple(each for each in references if each is not None),
        actor=_attribute(element, SOAP, "actor") or None,
        version=_version(element),
        id=_id(element),
    )


def read_error_list(element: etree._Element, found: Findings) -> m.ErrorList:
    """eb:ErrorList. An empty one without attributes, which the Spine has sent, reads as an unnamed error."""
    path = "//Header/ErrorList"
    highest = _attribute(element, EB, "highestSeverity")
    if len(element) == 0 and not highest:
        found.note("ErrorList is empty")
        return m.ErrorList(errors=(), version=_version(element), id=_id(element))
    children = _children(element, (("Error", 1, _MANY),), path, found)
    if highest not in tuple(m.Severity):
        found.breach(f"{path}/@highestSeverity", "The highestSeverity must be Warning or Error.")
    return m.ErrorList(
        errors=tuple(_error(each, found) for each in children.get("Error", [])),
        highest_severity=highest or m.Severity.ERROR,
        version=_version(element),
        id=_id(element),
    )


def read_manifest(element: etree._Element, found: Findings) -> m.Manifest:
    children = _children(element, (("Reference", 1, _MANY),), "//Body/Manifest", found)
    return m.Manifest(
        references=tuple(_reference(each, found) for each in children.get("Reference", [])),
        version=_version(element),
        id=_id(element),
    )


def read_status_request(element: etree._Element, found: Findings) -> m.StatusRequest:
    path = "//Body/StatusRequest"
    children = _children(element, (("RefToMessageId", 1, 1),), path, found)
    return m.StatusRequest(
        ref_to_message_id=MessageId(_value(children, "RefToMessageId", path, found)),
        version=_version(element),
        id=_id(element),
    )


def read_status_response(element: etree._Element, found: Findings) -> m.StatusResponse:
    path = "//Body/StatusResponse"
    children = _children(element, (("RefToMessageId", 1, 1), ("Timestamp", 0, 1)), path, found)
    status = _attribute(element, EB, "messageStatus")
    if not status:
        found.breach(f"{path}/@messageStatus", "The messageStatus attribute is missing.")
    return m.StatusResponse(
        ref_to_message_id=MessageId(_value(children, "RefToMessageId", path, found)),
        message_status=status,
        timestamp=_time(children, "Timestamp", path, found),
        version=_version(element),
        id=_id(element),
    )


def note_attributes(element: etree._Element, found: Findings) -> None:
    """Note attributes that mean nothing here: without namespace, or of a foreign one."""
    for name in element.attrib:
        namespace = etree.QName(name).namespace
        if not namespace:
            found.note("an attribute without namespace is ignored")
        elif namespace not in (EB, SOAP, XLINK, XML, XSI):
            found.note("a foreign attribute is ignored")


def _party(element: etree._Element | None, path: str, found: Findings) -> m.Party:
    if element is None:
        return m.Party(party_ids=())
    children = _children(element, _PARTY_CHILDREN, path, found)
    ids = (
        m.PartyId(value=_text(each, f"{path}/PartyId", found), type=_type(each))
        for each in children.get("PartyId", [])
    )
    role = _value(children, "Role", path, found) if "Role" in children else ""
    return m.Party(party_ids=tuple(each for each in ids if each.value), role=role or None)


def _digest_reference(element: etree._Element, found: Findings) -> m.DigestReference | None:
    """A ds:Reference as a signed Acknowledgment repeats it; None with a problem when it is incomplete."""
    method = element.find(f"{{{DS}}}DigestMethod")
    value = element.find(f"{{{DS}}}DigestValue")
    uri = element.get("URI")
    digest = _decode_base64(text_of(value)) if value is not None else None
    algorithm = method.get("Algorithm") if method is not None else None
    if uri is None or not algorithm or not digest:
        found.breach(
            "//Header/Acknowledgment/Reference",
            "The Reference needs a URI, a DigestMethod and a DigestValue.",
        )
        return None
    transforms = element.findall(f"{{{DS}}}Transforms/{{{DS}}}Transform")
    return m.DigestReference(
        uri=uri,
        transforms=tuple(each.get("Algorithm", "") for each in transforms),
        digest_method=algorithm,
        digest_value=digest,
        xpath=_xpath_text(transforms),
    )


def _xpath_text(transforms: Sequence[etree._Element]) -> str | None:
    for transform in transforms:
        xpath = transform.find(f"{{{DS}}}XPath")
        if transform.get("Algorithm") == XPATH_TRANSFORM and xpath is not None:
            return raw_text_of(xpath)
    return None


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _error(element: etree._Element, found: Findings) -> m.Error:
    path = "//Header/ErrorList/Error"
    children = _children(element, (("Description", 0, 1),), path, found)
    code = _attribute(element, EB, "errorCode")
    if not code:
        found.breach(f"{path}/@errorCode", "The errorCode attribute is missing.")
    severity = _attribute(element, EB, "severity")
    if severity not in tuple(m.Severity):
        found.breach(f"{path}/@severity", "The severity must be Warning or Error.")
    context = _attribute(element, EB, "codeContext")
    if not context:
        found.note("an Error has no codeContext")
    descriptions = _descriptions(children, found)
    first = descriptions[0] if descriptions else None
    return m.Error(
        code=code or m.ErrorCode.UNKNOWN,
        severity=severity or m.Severity.ERROR,
        location=_attribute(element, EB, "location") or None,
        description=first.text if first else None,
        lang=(first.lang if first else None) or "en",
        code_context=context or m.ERROR_CONTEXT,
        id=_id(element),
    )


def _reference(element: etree._Element, found: Findings) -> m.Reference:
    path = "//Body/Manifest/Reference"
    note_attributes(element, found)
    children = _children(element, _REFERENCE_CHILDREN, path, found)
    href = _attribute(element, XLINK, "href")
    if not href:
        found.breach(f"{path}/@href", "The xlink:href attribute is missing.")
    link = _attribute(element, XLINK, "type")
    if not link:
        found.note("a Reference has no xlink:type")
    elif link != "simple":
        found.breach(f"{path}/@type", "The xlink:type must be simple.")
    schemas = children.get("Schema", [])
    if schemas:
        found.note("a Reference names a Schema; it is not used")
    locations = (_attribute(each, EB, "location") for each in schemas)
    return m.Reference(
        href=href,
        role=_attribute(element, XLINK, "role") or None,
        descriptions=_descriptions(children, found),
        schema_locations=tuple(each for each in locations if each),
        id=_id(element),
    )


def _descriptions(children: Children, found: Findings) -> tuple[m.Description, ...]:
    described = []
    for element in children.get("Description", []):
        text, lang = text_of(element), _attribute(element, XML, "lang") or None
        if lang is None:
            found.note("a Description has no xml:lang")
        if not text:
            found.note("a Description is empty")
        described.append(m.Description(text=text, lang=lang))
    return tuple(described)


def _children(element: etree._Element, spec: Spec, path: str, found: Findings) -> Children:
    """Child elements by name, checked for order and number; foreign ones are ignored with a note."""
    children: Children = {}
    names = [name for name, _, _ in spec]
    furthest = 0
    for child in element:
        if not is_element(child):
            continue
        name = _spec_name(child)
        if name not in names:
            _unexpected(child, path, found)
            continue
        if names.index(name) < furthest:
            found.breach(f"{path}/{_plain(name)}", "The element stands in the wrong place.")
        furthest = max(furthest, names.index(name))
        children.setdefault(name, []).append(child)
    for name, least, most in spec:
        if len(children.get(name, [])) > most:
            found.breach(f"{path}/{_plain(name)}", "The element may come only once.")
        if len(children.get(name, [])) < least:
            found.breach(f"{path}/{_plain(name)}", "The element is missing.")
    if text_of(element):
        found.breach(path, "There is text between the elements.")
    note_attributes(element, found)
    return children


def _unexpected(child: etree._Element, path: str, found: Findings) -> None:
    if namespace_of(child) == EB:
        found.breach(f"{path}/{local_name(child)}", "The element does not belong here.")
    else:
        found.note("a foreign element is ignored")


def _spec_name(child: etree._Element) -> str:
    namespace, name = namespace_of(child), local_name(child)
    return name if namespace == EB else f"ds:{name}" if namespace == DS else ""


def _plain(name: str) -> str:
    return name.removeprefix("ds:")


def _first(children: Children, name: str) -> etree._Element | None:
    return children[name][0] if name in children else None


def _value(children: Children, name: str, path: str, found: Findings) -> str:
    """Text of the first child of that name; a missing one was already a breach."""
    element = _first(children, name)
    return "" if element is None else _text(element, f"{path}/{name}", found)


def _text(element: etree._Element, path: str, found: Findings) -> str:
    text = text_of(element)
    note_attributes(element, found)
    if any(is_element(child) for child in element):
        found.breach(path, "The element may hold text only.")
    elif not text:
        found.breach(path, "The element is empty.")
    elif len(text) > _MAX_VALUE:
        found.breach(path, f"The value is longer than {_MAX_VALUE} characters.")
        return ""
    return text


def _message_id(children: Children, name: str, path: str, found: Findings) -> MessageId | None:
    return MessageId(_value(children, name, path, found)) or None if name in children else None


def _time(children: Children, name: str, path: str, found: Findings) -> datetime | None:
    if name not in children:
        return None
    text = _value(children, name, path, found)
    if not text:
        return None
    try:
        moment = parse_time(text)
    except ValueError:
        found.breach(f"{path}/{name}", "The value is not an xs:dateTime.")
        return None
    if not has_zone(text):
        found.note("a time has no zone; it is read as UTC")
    return moment


def _expect_empty(element: etree._Element, path: str, found: Findings) -> None:
    _children(element, (), path, found)


def _attribute(element: etree._Element, namespace: str, name: str) -> str:
    return element.get(f"{{{namespace}}}{name}", "").strip(WHITE_SPACE)


def _version(element: etree._Element) -> str:
    """The eb:version as written; empty when missing, which the receiving table refuses."""
    return _attribute(element, EB, "version")[:80]


def _type(element: etree._Element | None) -> str | None:
    return None if element is None else _attribute(element, EB, "type") or None


def _id(element: etree._Element) -> str | None:
    """An xs:ID in the schema, but peers begin it with a digit and nothing refers to it: not checked."""
    return _attribute(element, EB, "id")[:_MAX_VALUE] or None
