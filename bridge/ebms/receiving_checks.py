"""The check behind each row of the receiving table: a case in, the faults out. None of them raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.ebms.cpa_model import AGREED, Agreement, PerMessage, SyncReplyMode
from bridge.ebms.cpa_resolve import find_parties, resolve
from bridge.ebms.cpa_terms import Terms, Unresolved
from bridge.ebms.keys import fingerprint_sha256
from bridge.ebms.model import (
    ACTOR_NEXT,
    ACTOR_NEXT_MSH,
    ACTOR_TO_PARTY,
    ErrorCode,
    Kind,
    Message,
    PartyId,
)
from bridge.ebms.oin import OIN_TYPE, oin_in
from bridge.ebms.read import Received, resolve_cid
from bridge.ebms.receiving_model import Agreed, CryptoOutcome, Known
from bridge.errors import EbmsError

VERSION = "2.0"

MAX_REFERENCES = 1000
"""In a Manifest: twice as many as a package has parts, so that looking each one up costs little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong. Code and location are the row's unless the check knows better."""

    text: str
    location: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderCase:
    """A message, what is known, and what the agreement says of its header."""

    received: Received
    known: Known
    resolution: Terms | Unresolved | None
    """None: there is no agreement, or a signal whose parties are the agreement's."""

    @property
    def message(self) -> Message:
        return self.received.message

    @property
    def terms(self) -> Terms | None:
        return self.resolution if isinstance(self.resolution, Terms) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentCase:
    """A message whose header is as agreed, and what decrypting and verifying gave."""

    received: Received
    agreed: Agreed
    crypto: CryptoOutcome

    @property
    def message(self) -> Message:
        return self.received.message


def header_case(received: Received, known: Known) -> HeaderCase:
    return HeaderCase(
        received=received, known=known, resolution=_resolution(received.message, known.agreement)
    )


def _resolution(message: Message, agreement: Agreement | None) -> Terms | Unresolved | None:
    header = message.header
    if agreement is None:
        return None
    if message.kind is not Kind.BUSINESS:
        found = find_parties(agreement, from_party=header.from_party, to_party=header.to_party)
        return found if isinstance(found, Unresolved) else None
    return resolve(
        agreement,
        from_party=header.from_party,
        to_party=header.to_party,
        service=header.service,
        action=header.action,
    )


# Rows 2 and 7 to 19: the agreement and the header


def soap_action(case: HeaderCase) -> Iterator[Fault]:
    """Row 17 judges what asks for an action that was never agreed, where the answer is in the response."""
    if case.known.named_action is not None and not _asks_for_the_unknown(case):
        yield Fault(text='The SOAPAction header must be "ebXML".')


def named_action(case: HeaderCase) -> Iterator[Fault]:
    if case.known.named_action is not None and _asks_for_the_unknown(case):
        yield Fault(text="Value not found. The CPA has no such action as SOAPAction names.")


def _asks_for_the_unknown(case: HeaderCase) -> bool:
    header, agreement = case.message.header, case.known.agreement
    if agreement is None or not answers_in_response(case.terms, case.message):
        return False
    asked = resolve(
        agreement,
        from_party=header.from_party,
        to_party=header.to_party,
        service=header.service,
        action=case.known.named_action or "",
    )
    return case.message.kind is Kind.BUSINESS and isinstance(asked, Unresolved)


def answers_in_response(terms: Terms | None, message: Message) -> bool:
    """Where signals about this message go: by the agreement, or by SyncReply where there are no terms."""
    return message.sync_reply is not None if terms is None else terms.synchronous


def reading(case: HeaderCase) -> Iterator[Fault]:
    for problem in case.received.problems:
        yield Fault(text=problem.text, location=problem.location, code=problem.code)


def service_offered(case: HeaderCase) -> Iterator[Fault]:
    policy = case.known.policy
    if case.message.kind is Kind.PING and not policy.answer_pings:
        yield Fault(text="The Ping service is not offered.")
    if case.message.kind is Kind.STATUS_REQUEST and not policy.answer_status_requests:
        yield Fault(text="The Message Status service is not offered.")


def agreement_known(case: HeaderCase) -> Iterator[Fault]:
    if case.known.agreement is None:
        yield Fault(text="The CPA of this message is not known here.")


def peer_authorised(case: HeaderCase) -> Iterator[Fault]:
    """The peer is the From party, acts for it by an explicit delegation, or is named by the agreement.

    The last counts only where OINs cannot tell: a certificate without OIN, or a party of another scheme.
    """
    peer, policy = case.known.peer, case.known.policy
    if case.known.in_response:
        # We called the endpoint of the agreement, and TLS proved that it answered.
        return
    if peer.plain:
        if policy.production:
            yield Fault(text="A client certificate is required.")
        return
    if peer.certificate_sha256 is None:
        yield Fault(text="A client certificate is required.")
    elif not _speaks_for(case, case.message.header.from_party.party_ids):
        yield Fault(text="The client certificate may not act for the From party.")


def _speaks_for(case: HeaderCase, party_ids: tuple[PartyId, ...]) -> bool:
    peer, known = case.known.peer, case.known
    oins = {oin_in(party_id) for party_id in party_ids} - {None}
    if peer.oin is not None and (
        peer.oin in oins or any((peer.oin, p) in known.delegations for p in party_ids)
    ):
        return True
    told_by_oin = peer.oin is not None and any(p.type == OIN_TYPE for p in party_ids)
    return not told_by_oin and peer.certificate_sha256 in _named_certificates(case)


def _named_certificates(case: HeaderCase) -> set[str]:
    """Fingerprints of the client certificates that the agreement gives the From party."""
    agreement = case.known.agreement
    party = agreement.find_party(case.message.header.from_party.party_ids) if agreement else None
    if party is None:
        return set()
    named = [channel.transport.client_certificate for channel in party.channels]
    return {fingerprint_sha256(n.certificate) for n in named if n is not None}


def agreement_active(case: HeaderCase) -> Iterator[Fault]:
    agreement, skew = case.known.agreement, case.known.policy.clock_skew
    if agreement is None:
        return
    if agreement.status != AGREED:
        yield Fault(text="Invalid CPA. The status of the CPA is not agreed.")
    if not agreement.is_dated(case.message.header.timestamp, skew=skew):
        yield Fault(text="Invalid CPA. The CPA is not in force at the time of the message.")
    if not case.known.succeeded and not agreement.is_dated(case.known.now, skew=skew):
        yield Fault(text="Invalid CPA. The CPA is not in force now.")


def header_version(case: HeaderCase) -> Iterator[Fault]:
    if case.message.header.version != VERSION:
        yield Fault(text="Invalid value. The version is 2.0.")


def element_versions(case: HeaderCase) -> Iterator[Fault]:
    """Of the elements that rows 20 and 23 do not look at. An ErrorList without anything is one of the Spine."""
    message = case.message
    elements = {
        "//Header/MessageOrder": message.message_order,
        "//Header/Acknowledgment": message.acknowledgment,
        "//Header/ErrorList": message.error_list
        if message.error_list and message.error_list.errors
        else None,
        "//Body/StatusRequest": message.status_request,
        "//Body/StatusResponse": message.status_response,
    }
    for path, element in elements.items():
        if element is not None and element.version != VERSION:
            yield Fault(text="Invalid value. The version is 2.0.", location=f"{path}/@version")


def from_party(case: HeaderCase) -> Iterator[Fault]:
    yield from _unresolved(case, 14)


def to_party(case: HeaderCase) -> Iterator[Fault]:
    yield from _unresolved(case, 15)
    if not case.known.own_parties.intersection(case.message.header.to_party.party_ids):
        yield Fault(text="Value not found. The To party is not served here, and nothing is forwarded.")


def service_and_action(case: HeaderCase) -> Iterator[Fault]:
    yield from _unresolved(case, 16)


def may_send_and_receive(case: HeaderCase) -> Iterator[Fault]:
    yield from _unresolved(case, 17)


def _unresolved(case: HeaderCase, row: int) -> Iterator[Fault]:
    found = case.resolution
    if isinstance(found, Unresolved) and found.row == row:
        yield Fault(text=found.text, location=found.location, code=found.code)


def reference_known(case: HeaderCase) -> Iterator[Fault]:
    if case.known.policy.strict_ref_to_message_id and case.known.knows_ref is False:
        yield Fault(text="Value not found. No message with this id is known here.")


def not_expired(case: HeaderCase) -> Iterator[Fault]:
    until = case.message.header.time_to_live
    if until is not None and case.known.now >= until:
        yield Fault(text="The TimeToLive of the message has passed; it was not delivered.")


# Rows 20 and 21: what the sender's channel demands and forbids


def duplicate_elimination(case: HeaderCase) -> Iterator[Fault]:
    terms = case.terms
    if terms and not _as_agreed(terms.duplicate_elimination, case.message.header.duplicate_elimination):
        yield Fault(text=_wrong("DuplicateElimination", terms.duplicate_elimination))


def ack_requested(case: HeaderCase) -> Iterator[Fault]:
    terms, asked = case.terms, case.message.ack_requested
    if terms is None:
        return
    for element in asked:
        if element.actor == ACTOR_NEXT_MSH:
            yield Fault(
                text="NextMSH not supported.",
                location="//Header/AckRequested/@actor",
                code=ErrorCode.NOT_SUPPORTED,
            )
            return
    if not _as_agreed(terms.ack_requested, bool(asked)):
        yield Fault(text=_wrong("AckRequested", terms.ack_requested))
    for element in asked:
        if element.version != VERSION:
            yield Fault(text="Invalid value. The version is 2.0.", location="//Header/AckRequested/@version")
        if (element.actor or ACTOR_TO_PARTY) != terms.actor:
            yield Fault(
                text="Wrong value. The CPA names another actor.", location="//Header/AckRequested/@actor"
            )
        if not _as_agreed(terms.ack_signature_requested, element.signed):
            text = _wrong("a signed acknowledgment", terms.ack_signature_requested)
            yield Fault(text=text, location="//Header/AckRequested/@signed")


def sync_reply(case: HeaderCase) -> Iterator[Fault]:
    """Also for signals: a SyncReply is a good one. `responseOnly` leaves it open (section 6.1)."""
    element = case.message.sync_reply
    if case.terms is not None:
        mode = case.terms.sync_reply_mode
        demanded = mode not in (SyncReplyMode.NONE, SyncReplyMode.RESPONSE_ONLY)
        if element is None and demanded and not case.known.in_response:
            yield Fault(text="Wrong value. The CPA demands SyncReply.")
        if element is not None and mode is SyncReplyMode.NONE:
            yield Fault(text="Wrong value. The CPA does not allow SyncReply.")
    if element is not None and element.version != VERSION:
        yield Fault(text="Invalid value. The version is 2.0.", location="//Header/SyncReply/@version")
    if element is not None and element.actor != ACTOR_NEXT:
        yield Fault(
            text="Invalid value. The actor of SyncReply is fixed.", location="//Header/SyncReply/@actor"
        )


def message_order(case: HeaderCase) -> Iterator[Fault]:
    message = case.message
    if message.message_order is None:
        return
    if case.terms is None or not case.terms.ordered:
        yield Fault(text="MessageOrder not supported.")
    elif message.sync_reply or not message.ack_requested or not message.header.duplicate_elimination:
        yield Fault(
            text="MessageOrder goes with AckRequested and DuplicateElimination, and never with SyncReply.",
            code=ErrorCode.INCONSISTENT,
        )


def _as_agreed(said: PerMessage, present: bool) -> bool:
    """`always` demands, `never` forbids, `perMessage` allows both."""
    return said is PerMessage.PER_MESSAGE or present == (said is PerMessage.ALWAYS)


def _wrong(what: str, said: PerMessage) -> str:
    return f"Wrong value. The CPA says of {what}: {said}."


# Rows 22 to 25: content and signature


def signature_present(case: ContentCase) -> Iterator[Fault]:
    count = case.received.signatures
    if count == 0 and case.agreed.signature_required:
        yield Fault(text="Signature not found. The CPA demands one.")
    elif count > 1:
        yield Fault(text="A message has one Signature.")
    elif count == 1 and case.agreed.verification is None:
        yield Fault(text="The CPA names no certificate with which this Signature could be verified.")


def manifest(case: ContentCase) -> Iterator[Fault]:
    """Every Reference names a part of this message, and every part is named."""
    message = case.message
    references = message.manifest.references if message.manifest else ()
    if len(references) > MAX_REFERENCES:
        yield Fault(text=f"The Manifest has more than {MAX_REFERENCES} References.")
        return
    if message.manifest and message.manifest.version != VERSION:
        yield Fault(
            text="Invalid value. The version is 2.0.",
            location="//Body/Manifest/@version",
            code=ErrorCode.INCONSISTENT,
        )
    for reference in references:
        if not reference.href.lower().startswith("cid:"):
            text = "URI cannot be resolved. Only parts of the message itself may be referred to."
            yield Fault(text=text, location=reference.href)
        elif resolve_cid(reference.href, message.parts) is None:
            yield Fault(text="MIME part not found.", location=reference.href)
    if case.agreed.policy.refuse_unreferenced_parts:
        for content_id in unreferenced(message):
            yield Fault(text="No Reference of the Manifest names this part.", location=f"cid:{content_id}")


def referenced(message: Message) -> tuple[str, ...]:
    """Content ids of the parts that the Manifest names, in its order, each once."""
    references = message.manifest.references if message.manifest else ()
    found = (resolve_cid(reference.href, message.parts) for reference in references)
    return tuple(dict.fromkeys(part.content_id for part in found if part is not None))


def unreferenced(message: Message) -> tuple[str, ...]:
    named = set(referenced(message))
    return tuple(part.content_id for part in message.parts if part.content_id not in named)


def decrypted(case: ContentCase) -> Iterator[Fault]:
    for error in case.crypto.decryption_errors:
        yield Fault(text=error.text, location=error.location, code=error.code)
    if case.agreed.encryption is None or case.crypto.decryption_errors:
        return
    for part in case.message.parts:
        if part.content_id not in case.crypto.decrypted:
            yield Fault(
                text="The CPA demands that this part is encrypted.", location=f"cid:{part.content_id}"
            )


def signature_valid(case: ContentCase) -> Iterator[Fault]:
    """A signature that is there is verified, whether the agreement asks for it or not."""
    error: EbmsError | None = case.crypto.signature_error
    if error is not None:
        yield Fault(text=error.text, location=error.location, code=error.code)
    elif case.received.signatures and case.crypto.verified is None:
        yield Fault(text="The Signature was not verified.")
