"""Flow 1, receive: from the octets of a POST to the answer, with everything on disk in between.

    read → judge_peer → judge_duplicate → judge_agreement → decrypt, verify → judge_content → store → answer

The answer is made before the transaction and stored in it, so that a repeat of the message gets the very same octets.
Only after the commit is it given. The process may die at any point: before the commit nothing was promised, after it
the message is on disk with the jobs that carry it on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from sqlalchemy.engine import Connection

from bridge.ebms import receiving
from bridge.ebms.answers import make_acknowledgment, make_message_error
from bridge.ebms.cpa_resolve import resolve
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.duplicates import StoredMessage, content_digest, judge_duplicate, repeats_are_delivered
from bridge.ebms.mime import Package
from bridge.ebms.model import Kind, Message, PartyId
from bridge.ebms.read import Received, read_envelope
from bridge.ebms.receiving_model import (
    Accepted,
    Agreed,
    AnswerError,
    AnswerFault,
    Ignore,
    Known,
    Peer,
    ReceivingPolicy,
    Refusal,
)
from bridge.ebms.write import write_fault
from bridge.errors import EbmsError, SoapFault
from bridge.flow import map as mapping_flow
from bridge.flow import signal
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.seal import HeaderBlock, Sealed, read_headers, seal, write_headers
from bridge.flow.unseal import unseal
from bridge.ids import Key, MessageId, Oin
from bridge.log import get_logger
from bridge.store.blobs import put_blob, read_blob
from bridge.store.exchanges import open_exchange
from bridge.store.jobs import add_job
from bridge.store.messages import add_evidence, add_message, add_payload, evidence_of, find_by_message_id
from bridge.store.rows import (
    Direction,
    Evidence,
    EvidenceKind,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    MessageState,
    Payload,
)
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

TEXT_XML = ("Content-Type", "text/xml; charset=UTF-8")

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What the partner listener answers."""

    status: int
    headers: HeaderBlock = ()
    body: bytes = field(default=b"", repr=False)


NOTHING = HttpAnswer(status=204)
"""Taken, and nothing to say in this response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST as it came in: who sent it, its headers, its raw octets, and the package made of them."""

    peer: Peer
    headers: HeaderBlock
    raw: BinaryIO
    package: Package


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One message under judgement, with what every step needs to know of it."""

    request: Request
    received: Received
    known: Known
    terms: Terms | None
    digest: str
    at: datetime

    @property
    def message(self) -> Message:
        return self.received.message


async def receive(bridge: Bridge, request: Request) -> HttpAnswer:
    """Take one ebMS message. Raises SoapFault where no ebMS answer is possible, StoreUnavailable when it is."""
    received = await asyncio.to_thread(read_envelope, request.package)
    now = bridge.now()
    known = _known(bridge, received.message, request.peer, now)
    stranger = receiving.judge_peer(received, known=known)
    if stranger is not None:
        return await _turn_away(bridge, received, stranger)
    if received.message.kind is not Kind.BUSINESS:
        return await _receive_signal(bridge, request, received, known)
    terms = _terms(received.message, known)
    digest = await asyncio.to_thread(
        content_digest, received, encrypted=terms is not None and terms.encryption is not None
    )
    case = _Case(request=request, received=received, known=known, terms=terms, digest=digest, at=now)
    return await _receive_business(bridge, case)


def answer_fault(fault: SoapFault) -> HttpAnswer:
    """A SOAP fault, or the bare status that the transport prescribes (405, 413, 415)."""
    if fault.bare:
        return HttpAnswer(status=fault.status)
    return HttpAnswer(status=fault.status, headers=(TEXT_XML,), body=write_fault(fault))


# --- business messages


async def _receive_business(bridge: Bridge, case: _Case) -> HttpAnswer:
    again = await _answer_again(bridge, case)
    if again is not None:
        return again
    agreed = receiving.judge_agreement(case.received, known=case.known)
    if not isinstance(agreed, Agreed):
        return await _refuse(bridge, case, agreed)
    own = bridge.own_identity(case.message.header.to_party)
    opened, crypto = await asyncio.to_thread(
        unseal,
        bridge,
        case.received,
        own=own,
        verification=agreed.verification,
        encryption=agreed.encryption,
    )
    accepted = receiving.judge_content(opened, agreed, crypto)
    if not isinstance(accepted, Accepted):
        return await _refuse(bridge, case, accepted)
    assert own is not None, "row 15 lets only messages to an own party through"
    return await _accept(bridge, case, opened, agreed, accepted, own)


async def _accept(
    bridge: Bridge, case: _Case, opened: Received, agreed: Agreed, accepted: Accepted, own: OwnIdentity
) -> HttpAnswer:
    answer = await asyncio.to_thread(_acknowledge, bridge, case, agreed, accepted, own)
    row = _row(case, key=bridge.new_key(), exchange=bridge.new_key(), state=MessageState.RECEIVED)
    map_job, answer_job = bridge.new_key(), bridge.new_key()

    def work(tx: Connection) -> None:
        _open(tx, row, ExchangeState.RUNNING, None)
        if not add_message(tx, row):
            raise _AlreadyThere
        _keep_payloads(tx, row.key, opened, accepted)
        _keep_received(tx, case, row.key)
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.received",
            outcome="ok",
            detail=_ids(case) | _notes(agreed.flags + accepted.flags),
        )
        if answer is not None:
            _keep_answer(tx, case, row, answer, "Acknowledgment", None if agreed.synchronous else answer_job)
        add_job(tx, key=map_job, kind=mapping_flow.KIND, subject_key=row.key, due=case.at, at=case.at)

    try:
        await bridge.store.write(work)
    except _AlreadyThere:
        # Another copy of this message was stored while this one was being judged.
        return await _answer_again(bridge, case) or NOTHING
    _log.info("message.received", **_ids(case), outcome="accepted")
    bridge.wake()
    return _in_response(answer) if answer is not None and agreed.synchronous else NOTHING


async def _refuse(bridge: Bridge, case: _Case, refusal: Refusal) -> HttpAnswer:
    """Keep the message with its evidence, tell the operator, and give the answer that the refusal says.

    It does not claim its MessageId: a good message under the same id is judged on its own.
    """
    errors = refusal.errors
    reason = "; ".join(str(error) for error in errors) or "refused"
    answer = _error_answer(bridge, case, refusal)
    synchronous = not isinstance(refusal, AnswerError) or refusal.synchronous
    row = _row(
        case, key=bridge.new_key(), exchange=bridge.new_key(), state=MessageState.REFUSED, reason=reason
    )
    answer_job = bridge.new_key()

    def work(tx: Connection) -> None:
        _open(tx, row, ExchangeState.ATTENTION, reason)
        add_message(tx, row)
        _keep_received(tx, case, row.key)
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.refused",
            outcome="failed",
            detail=_ids(case) | {"reason": reason, "error_code": errors[0].code if errors else ""},
        )
        if answer is not None:
            _keep_answer(tx, case, row, answer, "MessageError", None if synchronous else answer_job)

    await bridge.store.write(work)
    bridge.wake()
    codes = [error.code for error in errors]
    _log.warning("message.refused", **_ids(case), error_code=codes, row=refusal.row, reason=reason)
    match refusal:
        case AnswerFault(fault=fault):
            raise fault
        case Ignore():
            return NOTHING
        case AnswerError():
            return _in_response(answer) if answer is not None and synchronous else NOTHING


async def _turn_away(bridge: Bridge, received: Received, refusal: Refusal) -> HttpAnswer:
    """A peer that may not speak for the From party: answered, logged, and nothing is kept."""
    header = received.message.header
    _log.warning(
        "message.turned_away",
        message_id=header.message_id,
        cpa_id=header.cpa_id,
        reason="; ".join(str(error) for error in refusal.errors),
    )
    match refusal:
        case AnswerFault(fault=fault):
            raise fault
        case AnswerError(errors=errors):
            signal_message = make_message_error(
                header, errors, message_id=new_message_id(bridge), now=bridge.now()
            )
            return _in_response(signal.write_unsigned(bridge, signal_message))
        case Ignore():
            return NOTHING


# --- duplicates


async def _answer_again(bridge: Bridge, case: _Case) -> HttpAnswer | None:
    """The first answer again when this message was received before; None when it is new."""
    earlier = await bridge.store.read(lambda tx: _find_earlier(tx, case))
    if earlier is None:
        return None
    row, answer = earlier
    stored = StoredMessage(digest=row.digest or "", cpa_id=row.cpa_id, has_answer=answer is not None)
    repeats = repeats_are_delivered(case.terms, case.message, case.known.policy)
    verdict = judge_duplicate(stored, case.digest, cpa_id=case.message.header.cpa_id, deliver_repeats=repeats)
    match verdict:
        case receiving.OtherAgreement(fault=fault):
            raise fault
        case receiving.OtherContent(error=error):
            return await _alarm(bridge, case, row, error)
        case receiving.SameAgain():
            return await _repeat_answer(bridge, case, row, answer)
        case _:
            return None


def _find_earlier(tx: Connection, case: _Case) -> tuple[MessageRow, Evidence | None] | None:
    """The message that claimed this id, else a refused one with the very same content."""
    rows = find_by_message_id(tx, case.message.header.message_id, direction=Direction.IN)
    claimed = [row for row in rows if row.state is not MessageState.REFUSED]
    same = [row for row in rows if row.digest == case.digest]
    row = next(iter(claimed or same), None)
    if row is None:
        return None
    return row, next(iter(evidence_of(tx, row.key, kind=EvidenceKind.ANSWER)), None)


async def _repeat_answer(bridge: Bridge, case: _Case, row: MessageRow, answer: Evidence | None) -> HttpAnswer:
    synchronous = receiving.answer_place(case.terms, case.message) is receiving.Place.SYNC
    job = bridge.new_key()

    def work(tx: Connection) -> bytes:
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.repeated",
            outcome="info",
            detail=_ids(case) | {"answer": "given again" if answer else "none was stored"},
        )
        if answer is None:
            return b""
        if not synchronous:
            add_job(tx, key=job, kind=signal.KIND, subject_key=row.key, due=case.at, at=case.at, priority=10)
        return read_blob(tx, answer.blob)

    octets = await bridge.store.write(work)
    bridge.wake()
    _log.info("message.received", **_ids(case), outcome="duplicate")
    if answer is None or not synchronous:
        return NOTHING
    return HttpAnswer(status=200, headers=read_headers(answer.headers), body=octets)


async def _alarm(bridge: Bridge, case: _Case, row: MessageRow, error: EbmsError) -> HttpAnswer:
    """The id of a stored message with other content: never delivered, and somebody must look."""

    def work(tx: Connection) -> None:
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.id_reused",
            outcome="failed",
            detail=_ids(case) | {"reason": error.text},
        )

    await bridge.store.write(work)
    _log.error("message.id_reused", **_ids(case))
    refusal = receiving.judge_agreement(case.received, known=case.known)
    if not isinstance(refusal, Agreed):
        return await _refuse(bridge, case, refusal)
    return await _refuse(
        bridge,
        case,
        AnswerError(row=10, errors=(error,), synchronous=refusal.synchronous, signal_terms=refusal.error),
    )


# --- signals


async def _receive_signal(bridge: Bridge, request: Request, received: Received, known: Known) -> HttpAnswer:
    agreed = receiving.judge_agreement(received, known=known)
    if not isinstance(agreed, Agreed):
        return await _turn_away(bridge, received, agreed)
    opened, crypto = await asyncio.to_thread(
        unseal, bridge, received, own=None, verification=agreed.verification, encryption=None
    )
    accepted = receiving.judge_content(opened, agreed, crypto)
    if not isinstance(accepted, Accepted):
        return await _turn_away(bridge, received, accepted)
    answer = await signal.take_signal(
        bridge, received, crypto, agreed, raw=request.raw, headers=request.headers
    )
    return NOTHING if answer is None else _in_response(answer)


# --- what is made of a case


def _known(bridge: Bridge, message: Message, peer: Peer, now: datetime) -> Known:
    delegations = {
        (Oin(oin), PartyId(value=partner.party_id, type=partner.party_id_type))
        for partner in bridge.settings.partners
        for oin in partner.delivered_by
    }
    return Known(
        agreement=bridge.agreements.find(message.header.cpa_id, now),
        own_parties=bridge.own_party_ids,
        peer=peer,
        now=now,
        delegations=frozenset(delegations),
        policy=ReceivingPolicy(production=bridge.settings.production),
    )


def _terms(message: Message, known: Known) -> Terms | None:
    if known.agreement is None:
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


def _acknowledge(
    bridge: Bridge, case: _Case, agreed: Agreed, accepted: Accepted, own: OwnIdentity
) -> Sealed | None:
    """The acknowledgment that was asked for, signed when that was asked for too."""
    if not case.message.ack_requested:
        return None
    signed = any(asked.signed for asked in case.message.ack_requested)
    message = make_acknowledgment(
        case.message,
        message_id=new_message_id(bridge),
        now=case.at,
        actor=agreed.acknowledgment.actor,
        references=accepted.references if signed else (),
    )
    return seal(bridge, message, own=own, signing=agreed.acknowledgment.signing if signed else None)


def _error_answer(bridge: Bridge, case: _Case, refusal: Refusal) -> Sealed | None:
    if not isinstance(refusal, AnswerError):
        return None
    message = make_message_error(
        case.message.header, refusal.errors, message_id=new_message_id(bridge), now=case.at
    )
    return signal.write_unsigned(bridge, message)


def new_message_id(bridge: Bridge) -> MessageId:
    """Globally unique, in the form local@domain (DK-47, DK-146)."""
    return MessageId(f"{bridge.new_uuid()}@{bridge.message_id_domain}")


def _in_response(answer: Sealed) -> HttpAnswer:
    return HttpAnswer(status=200, headers=answer.headers, body=answer.body)


# --- what is kept of a case


class _AlreadyThere(Exception):
    """Rolls the transaction back: another copy of the message was stored first."""


def _row(
    case: _Case, *, key: Key, exchange: Key, state: MessageState, reason: str | None = None
) -> MessageRow:
    header = case.message.header
    return MessageRow(
        key=key,
        exchange=exchange,
        direction=Direction.IN,
        kind=case.message.kind,
        message_id=header.message_id,
        ref_to_message_id=header.ref_to_message_id,
        conversation_id=header.conversation_id,
        cpa_id=header.cpa_id,
        from_party=header.from_party.party_ids[0].value,
        from_role=header.from_party.role,
        to_party=header.to_party.party_ids[0].value,
        to_role=header.to_party.role,
        service=header.service.value,
        service_type=header.service.type,
        action=header.action,
        state=state,
        reason=reason,
        at=case.at,
        changed_at=case.at,
        time_to_live=header.time_to_live,
        digest=case.digest,
    )


def _open(tx: Connection, row: MessageRow, state: ExchangeState, reason: str | None) -> None:
    open_exchange(
        tx,
        Exchange(
            key=row.exchange,
            direction=ExchangeDirection.TO_HUB,
            started_at=row.at,
            changed_at=row.at,
            partner=row.from_party,
            title=row.action,
            state=state,
            reason=reason,
            conversation_id=row.conversation_id,
        ),
    )


def _keep_payloads(tx: Connection, key: Key, opened: Received, accepted: Accepted) -> None:
    by_id = {part.content_id: part for part in opened.message.parts}
    for position, content_id in enumerate(accepted.content_ids):
        part = by_id[content_id]
        with part.content.open() as octets:
            blob, size = put_blob(tx, octets)
        add_payload(
            tx,
            Payload(
                message=key,
                position=position,
                content_id=content_id,
                content_type=part.content_type,
                filename=part.filename,
                blob=blob,
                size=size,
            ),
        )


def _keep_received(tx: Connection, case: _Case, key: Key) -> None:
    """Exactly what came over the wire."""
    case.request.raw.seek(0)
    blob, _ = put_blob(tx, case.request.raw)
    add_evidence(
        tx,
        Evidence(
            message=key,
            kind=EvidenceKind.RECEIVED,
            headers=write_headers(case.request.headers),
            blob=blob,
            at=case.at,
        ),
    )


def _keep_answer(
    tx: Connection, case: _Case, row: MessageRow, answer: Sealed, what: str, job: Key | None
) -> None:
    """The answer for now and for every repeat; with a job to post it when it goes by a POST of its own."""
    blob, _ = put_blob(tx, answer.body)
    add_evidence(
        tx,
        Evidence(
            message=row.key,
            kind=EvidenceKind.ANSWER,
            headers=write_headers(answer.headers),
            blob=blob,
            at=case.at,
        ),
    )
    if job is not None:
        add_job(tx, key=job, kind=signal.KIND, subject_key=row.key, due=case.at, at=case.at, priority=10)
    add_step(
        tx,
        exchange=row.exchange,
        at=case.at,
        side="ebms",
        what="answer.stored",
        outcome="ok",
        detail={"signal": what, "way": "in the HTTP response" if job is None else "by a POST of its own"},
    )


def _ids(case: _Case) -> dict[str, str]:
    header = case.message.header
    return {
        "message_id": header.message_id,
        "conversation_id": header.conversation_id,
        "cpa_id": header.cpa_id,
        "from_party": str(header.from_party),
        "action": header.action,
    }


def _notes(flags: tuple[str, ...]) -> dict[str, str]:
    return {"notes": "; ".join(flags)} if flags else {}
