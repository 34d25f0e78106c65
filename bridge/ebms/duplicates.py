"""Row 10: has this message been received before, and is it the same one? (ebMS notes 5 and 6.3)

| the store has this MessageId | content | judgement |
| --- | --- | --- |
| no | - | None: it is new |
| yes, of another agreement | - | `OtherAgreement`: a SOAP fault, as nobody can say whose it is |
| yes | other | `OtherContent`: Inconsistent and an alarm; never delivered, never acknowledged |
| yes | same | `SameAgain`: the first answer again, octet for octet; never delivered |
| yes | same, best effort, and the operator wants repeats | `DeliverAgain` |

A repeat is the same envelope and the same clear parts. The MIME boundary, and with encryption the content
key, may be drawn anew for every attempt, so the raw body says nothing.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass

from lxml import etree

from bridge.ebms.cpa_model import PerMessage
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import ErrorCode, Message
from bridge.ebms.read import Received
from bridge.ebms.receiving_model import ReceivingPolicy
from bridge.ebms.xml import DS
from bridge.errors import EbmsError, SoapFault
from bridge.ids import CpaId


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """What the store has under the MessageId."""

    digest: str
    """`content_digest` of the message as it came first."""
    cpa_id: CpaId
    has_answer: bool
    """Whether a first answer (acknowledgment or error) was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SameAgain:
    """A true repeat. Record that it came; give the stored answer again, if there is one, else 204."""

    has_answer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherContent:
    """The same MessageId with other content: an alarm, since either a sender is broken or someone forges."""

    error: EbmsError


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherAgreement:
    """The MessageId was used under another agreement."""

    fault: SoapFault


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverAgain:
    """A best-effort repeat that the operator wants delivered as often as it comes (DK-20)."""


Duplicate = SameAgain | OtherContent | OtherAgreement | DeliverAgain


def judge_duplicate(
    stored: StoredMessage | None, digest: str, *, cpa_id: CpaId, deliver_repeats: bool = False
) -> Duplicate | None:
    """None: the MessageId is new. `deliver_repeats` is the answer of `repeats_are_delivered`."""
    if stored is None:
        return None
    if stored.cpa_id != cpa_id:
        return OtherAgreement(fault=SoapFault("A message with this MessageId came under another CPA."))
    if stored.digest != digest:
        return OtherContent(
            error=EbmsError(
                ErrorCode.INCONSISTENT,
                "A message with this MessageId and other content was received before.",
                location="//Header/MessageHeader/MessageData/MessageId",
            )
        )
    return DeliverAgain() if deliver_repeats else SameAgain(has_answer=stored.has_answer)


def repeats_are_delivered(terms: Terms | None, message: Message, policy: ReceivingPolicy) -> bool:
    """Best effort only, where neither agreement nor message asks to filter, and the operator chose so."""
    return (
        policy.deliver_best_effort_repeats
        and terms is not None
        and terms.duplicate_elimination is PerMessage.NEVER
        and not message.header.duplicate_elimination
        and not message.ack_requested
    )


def content_digest(received: Received, *, encrypted: bool) -> str:
    """SHA-256, in hex, over what a repeat shares with the first: canonical envelope and clear parts.

    With `encrypted` (payload encryption is agreed) the parts count by their ids only; the signature in the
    envelope covers their plain octets. The value of a signature is left out: ECDSA draws it anew.
    """
    total = hashlib.sha256(hashlib.sha256(_canonical_envelope(received.envelope)).digest())
    for part in received.message.parts:
        total.update(hashlib.sha256(part.content_id.encode()).digest())
        if not encrypted:
            total.update(part.content.digest("sha256"))
    return total.hexdigest()


def _canonical_envelope(envelope: etree._Element) -> bytes:
    tree = copy.deepcopy(envelope)
    for name in ("SignatureValue", "KeyInfo"):
        for element in tuple(tree.iter(f"{{{DS}}}{name}")):
            parent = element.getparent()
            if parent is not None and parent.tag == f"{{{DS}}}Signature":
                parent.remove(element)
    try:
        octets: bytes = etree.tostring(tree, method="c14n", with_comments=False)
    except etree.C14NError:
        # A namespace that is no absolute URI has no canonical form; a repeat is written the same all the same.
        octets = etree.tostring(tree, encoding="utf-8")
    return octets
