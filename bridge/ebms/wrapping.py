"""Where the elements of a signed envelope may stand, so that nothing unsigned passes for something signed.

The defence against signature wrapping (section 9.6 of the ebMS notes): one ds:Signature, one of each element
that carries meaning, each in its own place, and outside the signature nothing that carries any.
"""

from __future__ import annotations

from collections import Counter

from lxml import etree

from bridge.ebms.model import ACTOR_NEXT, ACTOR_NEXT_MSH
from bridge.ebms.signed_info import children_of, refused
from bridge.ebms.xml import DS, EB, SOAP, namespace_of

SIGNATURE = f"{{{DS}}}Signature"
ACTOR = f"{{{SOAP}}}actor"
UNSIGNED_ACTORS = (ACTOR_NEXT_MSH, ACTOR_NEXT)
"""Header blocks for these are outside every signature, by the XPath transform."""

_HEADER = f"{{{SOAP}}}Header"
_BODY = f"{{{SOAP}}}Body"
_SYNC_REPLY = f"{{{EB}}}SyncReply"
_ACK_REQUESTED = f"{{{EB}}}AckRequested"
_ACKNOWLEDGMENT = f"{{{EB}}}Acknowledgment"
_MAX_UNSIGNED_BLOCKS = 20
_HOLDER_OF = {
    f"{{{EB}}}MessageHeader": _HEADER,
    f"{{{EB}}}ErrorList": _HEADER,
    f"{{{EB}}}Manifest": _BODY,
    f"{{{EB}}}StatusRequest": _BODY,
    f"{{{EB}}}StatusResponse": _BODY,
}
"""Elements that a message has at most once, and where."""


def header_of(envelope: etree._Element) -> etree._Element:
    """The one soap:Header. All functions here raise EbmsError SecurityFailure."""
    headers = [child for child in children_of(envelope) if child.tag == _HEADER]
    if envelope.tag != f"{{{SOAP}}}Envelope" or len(headers) != 1:
        raise refused("The envelope must be a SOAP 1.1 Envelope with exactly one Header.")
    return headers[0]


def only_signature(envelope: etree._Element) -> etree._Element:
    """The one ds:Signature, child of soap:Header."""
    header = header_of(envelope)
    found = list(envelope.iter(SIGNATURE))
    if not found:
        raise refused("The message is not signed: soap:Header holds no ds:Signature.")
    if len(found) > 1:
        raise refused("The message holds more than one ds:Signature; exactly one is allowed.")
    if found[0].getparent() is not header:
        raise refused("ds:Signature must be a child of soap:Header.")
    return found[0]


def check_wrapping(envelope: etree._Element) -> None:
    """Refuse an envelope in which an unsigned or second element could pass for a signed one (section 9.6)."""
    header = header_of(envelope)
    seen: Counter[str] = Counter()
    unsigned_blocks = 0
    for element in envelope.iter(etree.Element):
        name = str(element.tag)
        holder = element.getparent()
        if namespace_of(element) == SOAP:
            _check_soap_element(element, envelope)
        if name in _HOLDER_OF and (
            holder is None or holder.tag != _HOLDER_OF[name] or holder.getparent() is not envelope
        ):
            raise refused(f"eb:{etree.QName(element).localname} stands where it does not belong.")
        if name in _HOLDER_OF or name in (_HEADER, _BODY):
            seen[name] += 1
            if seen[name] > 1:
                raise refused(f"There is more than one {etree.QName(element).localname} in the envelope.")
        if element.get(ACTOR) in UNSIGNED_ACTORS:
            _check_unsigned_block(element, header)
            unsigned_blocks += 1
    if unsigned_blocks > _MAX_UNSIGNED_BLOCKS:
        raise refused(f"There are more than {_MAX_UNSIGNED_BLOCKS} header blocks for the next MSH.")
    _check_inside_signature(header)


def _check_soap_element(element: etree._Element, envelope: etree._Element) -> None:
    holder = element.getparent()
    if element.tag == envelope.tag:
        right = element is envelope
    elif element.tag in (_HEADER, _BODY):
        right = holder is envelope
    else:
        right = holder is not None and holder.tag == _BODY
    if not right:
        raise refused(f"soap:{etree.QName(element).localname} stands where it does not belong.")


def _check_unsigned_block(element: etree._Element, header: etree._Element) -> None:
    """Blocks for the next MSH are outside the signature: only such as carry nothing of the message."""
    may_be_unsigned = (
        element.tag == _SYNC_REPLY
        or (element.tag in (_ACK_REQUESTED, _ACKNOWLEDGMENT) and element.get(ACTOR) == ACTOR_NEXT_MSH)
        or namespace_of(element) not in (EB, SOAP, DS)
    )
    if element.getparent() is not header or not may_be_unsigned:
        name = etree.QName(element).localname[:80]
        raise refused(f"{name} has the actor of the next MSH, which would keep it outside the signature.")
    if element.tag == _ACKNOWLEDGMENT:
        return
    if any(namespace_of(inner) in (EB, SOAP, DS) for inner in element.iterdescendants(etree.Element)):
        raise refused("A block for the next MSH, which is not signed, holds elements of the message.")


def _check_inside_signature(header: etree._Element) -> None:
    for signature in header.iterchildren(SIGNATURE):
        if any(namespace_of(inner) in (EB, SOAP) for inner in signature.iterdescendants(etree.Element)):
            raise refused("ds:Signature, which does not sign itself, holds elements of the message.")
