"""One ebMS message of a file, judged as the service would: the same reader, the same tables, in the same order.

What a file cannot show is taken for granted and said in a note: who is at the other end of the line, whether
the message came before, and whether the issuer of a certificate is trusted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from bridge.cli.inspect_answer import (
    NO_ANSWER,
    READING_ONLY,
    accepted_in_words,
    fault_in_words,
    refusal_in_words,
    signal_in_words,
)
from bridge.cli.inspect_http import NotHttp, RawHttp, open_http
from bridge.cli.inspect_open import looks_encrypted, open_message
from bridge.cli.inspect_signature import Signing, read_signing
from bridge.ebms.content import SpoolSink
from bridge.ebms.cpa_resolve import Agreements, resolve, sender_verification
from bridge.ebms.cpa_terms import EncryptionTerms, SigningTerms, Terms
from bridge.ebms.keys import KeyPair
from bridge.ebms.mime import Limits, PackageReader
from bridge.ebms.model import ErrorCode, Kind, Message, PartyId
from bridge.ebms.peer_text import named_errors
from bridge.ebms.read import Received, read_envelope
from bridge.ebms.receiving import (
    Accepted,
    Acknowledges,
    Agreed,
    AnswerFault,
    CryptoOutcome,
    Ignore,
    Known,
    Peer,
    ReceivingPolicy,
    Refusal,
    SentMessage,
    UnknownReference,
    judge_agreement,
    judge_content,
    judge_signal,
    reference_of,
)
from bridge.ebms.sign import references_of_sent
from bridge.ebms.soap_action import named_action
from bridge.errors import ConfigError, EbmsError, SoapFault

_IN_MEMORY = 1024 * 1024
_SOAP_ACTION_ROW = 2
_UNVERIFIED_ROW = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What messages are judged with."""

    now: datetime
    agreements: Agreements | None = None
    """None: only the reading is judged."""
    keys: tuple[KeyPair, ...] = field(default=(), repr=False)
    own: frozenset[str] = frozenset()
    """PartyIds that the bridge plays; empty: whatever party the message is for."""
    sent: tuple[SentMessage, ...] = ()
    """Messages that the bridge sent before, for signals about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found about one file."""

    message: Message | None = None
    """With its parts in the clear where they could be opened; None when it cannot be read."""
    signature: str = "unchecked"
    signing: Signing | None = None
    """What the signature says of itself; None without one."""
    errors: tuple[EbmsError, ...] = ()
    """What the first row that fails lists; for a SOAP fault what it would have listed."""
    row: int | None = None
    fault: SoapFault | None = None
    receipt: tuple[bool, str] | None = None
    """For a signal about a message that was given: whether it counts, and what it means."""
    terms: Terms | None = None
    answer: str
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.errors and self.fault is None and (self.receipt is None or self.receipt[0])


def inspect_file(path: Path, bench: Bench) -> Inspection:
    """Judge the message in the file. Raises nothing: what cannot be read deserves a fault."""
    raw: RawHttp | None = None
    try:
        with open_http(path) as raw:
            received = _read(raw)
    except SoapFault as fault:
        return _faulted(fault, raw.notes if raw else ())
    except NotHttp as problem:
        return _faulted(SoapFault(f"{problem}.", status=400, bare=True), raw.notes if raw else ())
    found = _judge(received, raw, bench)
    notes = dict.fromkeys((*raw.notes, *received.notes, *found.notes))
    return replace(found, notes=tuple(notes))


def read_sent(path: Path) -> SentMessage:
    """An earlier message as what the bridge knows of one that it sent. Raises ConfigError."""
    try:
        with open_http(path) as raw:
            received = _read(raw)
        references = references_of_sent(received.envelope_octets)
    except (SoapFault, EbmsError, NotHttp) as error:
        raise ConfigError([f"--sent {path.name}: {error}"]) from error
    message = received.message
    return SentMessage(
        message_id=message.header.message_id,
        kind=message.kind,
        cpa_id=message.header.cpa_id,
        from_party_ids=message.header.from_party.party_ids,
        to_party_ids=message.header.to_party.party_ids,
        ack_requested=bool(message.ack_requested),
        ack_signed=any(asked.signed for asked in message.ack_requested),
        references=references,
        synchronous=message.sync_reply is not None,
        settled=False,
    )


def _read(raw: RawHttp) -> Received:
    """The message. Raises SoapFault, NotHttp."""
    if raw.method not in (None, "POST"):
        raise SoapFault("Only POST is taken.", status=405, bare=True)
    if (raw.header("Content-Encoding") or "identity").lower() != "identity":
        raise SoapFault("Encoded bodies are not taken.", status=415, bare=True)
    folder = Path(tempfile.gettempdir())
    reader = PackageReader(raw.headers, limits=Limits(), new_sink=lambda: SpoolSink(_IN_MEMORY, folder))
    try:
        for piece in raw.chunks():
            reader.feed(piece)
    except NotHttp:
        reader.discard()
        raise
    return read_envelope(reader.close())


def _faulted(fault: SoapFault, notes: Iterable[str]) -> Inspection:
    return Inspection(fault=fault, answer=fault_in_words(fault), notes=tuple(notes))


def _judge(received: Received, raw: RawHttp, bench: Bench) -> Inspection:
    in_response = raw.status is not None
    try:
        action = None if in_response else named_action(raw.header("SOAPAction"))
    except SoapFault as fault:
        return _judge_without_action(received, bench, fault)
    if bench.agreements is None:
        notes = () if action is None else (_OTHER_ACTION,)
        return replace(_judge_reading(received), notes=notes)
    return _judge_by_agreement(received, bench, in_response=in_response, action=action)


_OTHER_ACTION = (
    'SOAPAction is not "ebXML": the listener refuses that, unless the partner\'s setting allows it'
)


def _judge_without_action(received: Received, bench: Bench, fault: SoapFault) -> Inspection:
    """The listener refuses such a request before it reads on; what it holds is told all the same."""
    if bench.agreements is None:
        return replace(_judge_reading(received), notes=(_OTHER_ACTION,))
    found = _judge_by_agreement(received, bench, in_response=False, action=None)
    error = EbmsError(ErrorCode.VALUE_NOT_RECOGNIZED, fault.text, location="SOAPAction")
    return replace(
        found,
        errors=(error, *found.errors),
        row=_SOAP_ACTION_ROW,
        fault=fault,
        answer=fault_in_words(fault),
    )


def _judge_reading(received: Received) -> Inspection:
    return Inspection(
        message=received.message,
        signature="unchecked" if received.signatures else "absent",
        signing=read_signing(received, "unchecked", CryptoOutcome()),
        errors=received.problems,
        row=7 if received.problems else None,
        answer=READING_ONLY,
    )


def _judge_by_agreement(
    received: Received, bench: Bench, *, in_response: bool, action: str | None
) -> Inspection:
    known = replace(_known(received.message, bench), named_action=action)
    terms = _terms(received.message, known)
    verification, encryption = _security(received.message, known, terms)
    work = open_message(received, verification, encryption, keys=bench.keys, now=bench.now)
    judged: Agreed | Refusal = judge_agreement(received, known=known)
    refusal: Refusal | None = None
    content: Accepted | None = None
    if isinstance(judged, Agreed):
        outcome = judge_content(work.received, judged, work.crypto)
        if isinstance(outcome, Accepted):
            content = outcome
        elif not (work.sealed and outcome.row == _UNVERIFIED_ROW):
            refusal = outcome
    else:
        refusal = judged
    notes = (
        _TAKEN_FOR_GRANTED,
        *(judged.flags if isinstance(judged, Agreed) else ()),
        *work.notes,
        *(content.flags if content else ()),
        *_profile_notes(terms),
    )
    inspection = Inspection(
        message=work.received.message,
        signature=work.signature,
        signing=read_signing(received, work.signature, work.crypto),
        terms=terms,
        answer=NO_ANSWER,
        notes=notes,
    )
    if refusal is not None:
        return _refused(inspection, refusal)
    assert isinstance(judged, Agreed)
    if received.message.kind is Kind.BUSINESS:
        return replace(inspection, answer=accepted_in_words(received.message, judged))
    inspection = replace(inspection, answer=signal_in_words(received.message, judged))
    return _judge_signal(inspection, received, work.crypto, bench, in_response)


_TAKEN_FOR_GRANTED = (
    "a file shows no TLS: the peer is taken as authorised, the message as new,"
    " and certificates are judged by the CPA and their dates alone"
)


def _refused(inspection: Inspection, refusal: Refusal) -> Inspection:
    fault = refusal.fault if isinstance(refusal, AnswerFault) else None
    return replace(
        inspection,
        errors=refusal.errors,
        row=refusal.row,
        fault=fault,
        answer=refusal_in_words(refusal),
    )


def _judge_signal(
    inspection: Inspection, received: Received, crypto: CryptoOutcome, bench: Bench, in_response: bool
) -> Inspection:
    message = received.message
    told = tuple(
        f"the peer reports {text}"
        for text in named_errors(message.error_list.errors if message.error_list else ())
    )
    inspection = replace(inspection, notes=(*inspection.notes, *told))
    if message.kind in (Kind.PING, Kind.STATUS_REQUEST) or not bench.sent:
        return inspection
    about = reference_of(message)
    sent = next((one for one in bench.sent if one.message_id == about), None)
    match judge_signal(received, sent, crypto=crypto, in_response=in_response):
        case UnknownReference(fault=fault):
            return replace(inspection, fault=fault, answer=fault_in_words(fault))
        case Ignore(reason=reason):
            return replace(inspection, receipt=(False, reason))
        case Acknowledges(signed_receipt=signed, flags=flags):
            proof = "acknowledges it, with a signed receipt" if signed else "acknowledges it"
            return replace(inspection, receipt=(True, "; ".join((proof, *flags))))
        case verdict:
            return replace(inspection, receipt=(True, _meaning(type(verdict).__name__)))


def _meaning(verdict: str) -> str:
    return "says that it failed" if verdict == "FailsMessage" else "answers it"


def _known(message: Message, bench: Bench) -> Known:
    assert bench.agreements is not None
    agreement = bench.agreements.find(message.header.cpa_id, bench.now)
    ids = {party_id for party in agreement.parties for party_id in party.party_ids} if agreement else set()
    own = ids if not bench.own else {party_id for party_id in ids if party_id.value in bench.own}
    return Known(
        agreement=agreement,
        own_parties=frozenset[PartyId](own),
        peer=Peer(plain=True),
        now=bench.now,
        policy=ReceivingPolicy(production=False),
    )


def _terms(message: Message, known: Known) -> Terms | None:
    if known.agreement is None or message.kind is not Kind.BUSINESS:
        return None
    header = message.header
    found = resolve(
        known.agreement,
        from_party=header.from_party,
        to_party=header.to_party,
        service=header.service,
        action=header.action,
    )
    return found if isinstance(found, Terms) else None


def _security(
    message: Message, known: Known, terms: Terms | None
) -> tuple[SigningTerms | None, EncryptionTerms | None]:
    """How to verify and decrypt, also for a message whose header is refused: its reader wants to know."""
    if terms is not None:
        return terms.verification, terms.encryption
    if known.agreement is None:
        return None, None
    if any(looks_encrypted(part) for part in message.parts):
        return None, None  # the signature is over what is inside, and nothing says whose key opens it
    header = message.header
    return sender_verification(known.agreement, sender=header.from_party, action=header.action), None


def _profile_notes(terms: Terms | None) -> tuple[str, ...]:
    if terms is None or not terms.deviations:
        return ()
    said = "; ".join(terms.deviations)
    return (f"the agreement follows no Digikoppeling profile; nearest is {terms.nearest_profile}: {said}",)
