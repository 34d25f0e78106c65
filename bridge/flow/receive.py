"""Flow 1, receive: from the octets of a POST to the answer, with everything on disk in between.

    read → judge_peer → judge_duplicate → judge_agreement → decrypt, verify → judge_content → store → answer

The answer is made before the transaction and stored in it, so that a repeat of the message gets the very same octets.
Only after the commit is it given. The process may die at any point: before the commit nothing was promised, after it
the message is on disk with the jobs that carry it on.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.config import PartnerSettings
from bridge.ebms import ordering, receiving
from bridge.ebms.answers import make_acknowledgment, make_message_error
from bridge.ebms.cpa_resolve import resolve
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.duplicates import StoredMessage, content_digest, judge_duplicate, repeats_are_delivered
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
from bridge.flow import order, signal, tracing
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.case import (
    Case,
    HttpAnswer,
    Request,
    ids_of,
    keep_answer,
    keep_payloads,
    keep_received,
    notes_of,
    open_case,
    row_of,
)
from bridge.flow.doors import note_knock
from bridge.flow.seal import Sealed, read_headers, seal
from bridge.flow.settle import Effect, log_effect
from bridge.flow.unseal import unseal
from bridge.ids import MessageId, Oin
from bridge.log import get_logger
from bridge.store.blobs import read_blob
from bridge.store.jobs import add_job
from bridge.store.messages import add_message, evidence_of, find_by_message_id
from bridge.store.rows import Direction, Evidence, EvidenceKind, ExchangeState, MessageState
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

TEXT_XML = ("Content-Type", "text/xml; charset=UTF-8")

_log = get_logger()


class _OutOfOrder(Exception):
    """Rolls the transaction back: the conversation cannot have a message with this number."""

    def __init__(self, error: EbmsError) -> None:
        self.error = error


class _AlreadyThere(Exception):
    """Rolls the transaction back: another copy of the message was stored first."""


async def receive(bridge: Bridge, request: Request) -> HttpAnswer:
    """Take one ebMS message. Raises SoapFault where no ebMS answer is possible, StoreUnavailable when it is."""
    received = await asyncio.to_thread(read_envelope, request.package)
    now = bridge.now()
    known = replace(_known(bridge, received.message, request, now), in_response=request.in_response)
    stranger = receiving.judge_peer(received, known=known)
    if stranger is not None:
        return await _turn_away(bridge, received, stranger, request.peer)
    known = await _with_reference(bridge, received.message, known)
    terms = _terms(received.message, known)
    digest = await asyncio.to_thread(
        content_digest, received, encrypted=terms is not None and terms.encryption is not None
    )
    case = Case(request=request, received=received, known=known, terms=terms, digest=digest, at=now)
    if received.message.kind is Kind.BUSINESS:
        return await _receive_business(bridge, case)
    return await _receive_signal(bridge, case)


def answer_fault(fault: SoapFault) -> HttpAnswer:
    """A SOAP fault, or the bare status that the transport prescribes (405, 413, 415)."""
    if fault.bare:
        return HttpAnswer(status=fault.status)
    return HttpAnswer(status=fault.status, headers=(TEXT_XML,), body=write_fault(fault))


# --- business messages


async def _receive_business(bridge: Bridge, case: Case) -> HttpAnswer:
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
    rider = await signal.judge_rider(bridge, opened, crypto)
    return await _accept(bridge, case, opened, agreed, accepted, own, rider)


async def _accept(
    bridge: Bridge,
    case: Case,
    opened: Received,
    agreed: Agreed,
    accepted: Accepted,
    own: OwnIdentity,
    rider: signal.Rider | None,
) -> HttpAnswer:
    answer = await asyncio.to_thread(_acknowledge, bridge, case, agreed, accepted, own)
    row = _row(bridge, case, MessageState.RECEIVED)
    map_job, answer_job = bridge.new_key(), bridge.new_key()
    asked_order = case.message.message_order
    map_order = await _mapping_order(bridge, row, opened, accepted) if asked_order is None else None

    def work(tx: Connection) -> Effect | None:
        open_case(tx, row, ExchangeState.RUNNING, None)
        if not add_message(tx, row):
            raise _AlreadyThere
        keep_payloads(tx, row.key, opened, accepted)
        keep_received(tx, case, row.key)
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.received",
            outcome="ok",
            detail=ids_of(case) | notes_of(agreed.flags + accepted.flags),
        )
        if answer is not None:
            keep_answer(tx, case, row, answer, "Acknowledgment", None if agreed.synchronous else answer_job)
        if asked_order is None:
            add_job(
                tx,
                key=map_job,
                kind=mapping_flow.KIND,
                subject_key=row.key,
                ordering_key=map_order,
                due=case.at,
                at=case.at,
            )
        else:
            try:
                order.take_place(tx, bridge, row, ordering.line_name(case.message, "in"), asked_order)
            except EbmsError as error:
                raise _OutOfOrder(error) from error
        return None if rider is None else signal.keep_rider(tx, rider, at=case.at)

    try:
        settled = await bridge.store.write(work)
    except _AlreadyThere:
        # Another copy of this message was stored while this one was being judged.
        return await _answer_again(bridge, case) or _nothing(bridge, case.message)
    except _OutOfOrder as refused:
        return await _refuse(bridge, case, _about_order(agreed, refused.error))
    _log.info("message.received", **ids_of(case), exchange=row.exchange, outcome="accepted")
    metrics.message_received(_partner(bridge, case), row.action, acknowledged=answer is not None)
    if rider is not None and settled is not None:
        log_effect(bridge, rider.row, settled)
    _note_span(bridge, "message.receive", case, row)
    bridge.wake()
    return (
        _in_response(answer) if answer is not None and agreed.synchronous else _nothing(bridge, case.message)
    )


async def _mapping_order(bridge: Bridge, row: MessageRow, opened: Received, accepted: Accepted) -> str | None:
    by_id = {part.content_id: part for part in opened.message.parts}
    first = next((by_id[content_id] for content_id in accepted.content_ids), None)
    return None if first is None else await mapping_flow.mapping_order(bridge, row, first.content)


def _about_order(agreed: Agreed, error: EbmsError) -> AnswerError:
    return AnswerError(row=21, errors=(error,), synchronous=agreed.synchronous, signal_terms=agreed.error)


async def _refuse(bridge: Bridge, case: Case, refusal: Refusal) -> HttpAnswer:
    """Keep the message with its evidence, tell the operator, and give the answer that the refusal says.

    It does not claim its MessageId: a good message under the same id is judged on its own.
    """
    refused_before = await bridge.store.read(lambda tx: _find_refused(tx, case))
    if refused_before is not None and not isinstance(refusal, AnswerFault):
        # Judged anew, since what was wrong may have been mended here; it was not, so the first answer stands.
        return await _repeat_answer(bridge, case, *refused_before)
    errors = refusal.errors
    reason = "; ".join(str(error) for error in errors) or "refused"
    answer = _error_answer(bridge, case, refusal)
    synchronous = not isinstance(refusal, AnswerError) or refusal.synchronous
    row = _row(bridge, case, MessageState.REFUSED, reason)
    answer_job = bridge.new_key()

    def work(tx: Connection) -> None:
        open_case(tx, row, ExchangeState.ATTENTION, reason)
        add_message(tx, row)
        keep_received(tx, case, row.key)
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.refused",
            outcome="failed",
            detail=ids_of(case) | {"reason": reason, "error_code": errors[0].code if errors else ""},
        )
        if answer is not None:
            keep_answer(tx, case, row, answer, "MessageError", None if synchronous else answer_job)

    await bridge.store.write(work)
    bridge.wake()
    codes = [error.code for error in errors]
    _log.warning(
        "message.refused",
        **ids_of(case),
        exchange=row.exchange,
        error_code=codes,
        row=refusal.row,
        reason=reason,
    )
    agreed_action = row.action if case.terms else None
    metrics.message_refused(_partner(bridge, case), agreed_action, codes[0] if codes else None)
    _note_span(bridge, "message.refuse", case, row)
    match refusal:
        case AnswerFault(fault=fault):
            raise fault
        case Ignore():
            return _nothing(bridge, case.message)
        case AnswerError():
            return (
                _in_response(answer) if answer is not None and synchronous else _nothing(bridge, case.message)
            )


async def _turn_away(bridge: Bridge, received: Received, refusal: Refusal, peer: Peer) -> HttpAnswer:
    """A peer that may not speak for the From party: answered and logged; only that it knocked is kept."""
    header = received.message.header
    metrics.message_turned_away()
    _log.warning(
        "message.turned_away",
        message_id=header.message_id,
        cpa_id=header.cpa_id,
        reason="; ".join(str(error) for error in refusal.errors),
    )
    code = str(refusal.errors[0].code) if refusal.errors else "other"
    await note_knock(bridge, oin=peer.oin, code=code, cpa_id=header.cpa_id, message_id=header.message_id)
    match refusal:
        case AnswerFault(fault=fault):
            raise fault
        case AnswerError(errors=errors):
            signal_message = make_message_error(
                header, errors, message_id=MessageId(bridge.new_local_id()), now=bridge.now()
            )
            return _in_response(signal.write_unsigned(signal_message))
        case Ignore():
            return _nothing(bridge, received.message)


# --- duplicates


async def _answer_again(bridge: Bridge, case: Case) -> HttpAnswer | None:
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
        case receiving.DeliverAgain():
            return await _deliver_again(bridge, case, row)
        case _:
            return None


def _find_earlier(tx: Connection, case: Case) -> tuple[MessageRow, Evidence | None] | None:
    """The message that claimed this id."""
    rows = find_by_message_id(tx, case.message.header.message_id, direction=Direction.IN)
    claimed = (row for row in rows if row.state is not MessageState.REFUSED)
    return _with_answer(tx, next(claimed, None))


def _find_refused(tx: Connection, case: Case) -> tuple[MessageRow, Evidence | None] | None:
    """A message with this id and the very same content that was refused before."""
    rows = find_by_message_id(tx, case.message.header.message_id, direction=Direction.IN)
    same = (row for row in rows if row.state is MessageState.REFUSED and row.digest == case.digest)
    return _with_answer(tx, next(same, None))


def _with_answer(tx: Connection, row: MessageRow | None) -> tuple[MessageRow, Evidence | None] | None:
    if row is None:
        return None
    return row, next(iter(evidence_of(tx, row.key, kind=EvidenceKind.ANSWER)), None)


async def _repeat_answer(bridge: Bridge, case: Case, row: MessageRow, answer: Evidence | None) -> HttpAnswer:
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
            detail=ids_of(case) | {"answer": "given again" if answer else "none was stored"},
        )
        if answer is None:
            return b""
        if not synchronous:
            signal.add_answer_job(tx, row, key=job, at=case.at)
        return read_blob(tx, answer.blob)

    octets = await bridge.store.write(work)
    bridge.wake()
    _log.info("message.received", **ids_of(case), exchange=row.exchange, outcome="duplicate")
    metrics.message_repeated(_partner(bridge, case), row.action)
    if answer is None or not synchronous:
        return _nothing(bridge, case.message)
    return HttpAnswer(status=200, headers=read_headers(answer.headers), body=octets)


async def _deliver_again(bridge: Bridge, case: Case, row: MessageRow) -> HttpAnswer:
    """A best-effort repeat that the settings of the partner want delivered as often as it comes (DK-20)."""
    job = bridge.new_key()

    def work(tx: Connection) -> None:
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.repeated",
            outcome="info",
            detail=ids_of(case) | {"note": "delivered again, as the settings of the partner say"},
        )
        add_job(tx, key=job, kind=mapping_flow.KIND, subject_key=row.key, due=case.at, at=case.at)

    await bridge.store.write(work)
    bridge.wake()
    _log.info("message.received", **ids_of(case), exchange=row.exchange, outcome="delivered again")
    metrics.message_repeated(_partner(bridge, case), row.action)
    return _nothing(bridge, case.message)


async def _alarm(bridge: Bridge, case: Case, row: MessageRow, error: EbmsError) -> HttpAnswer:
    """The id of a stored message with other content: never delivered, and somebody must look."""

    def work(tx: Connection) -> None:
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="message.id_reused",
            outcome="failed",
            detail=ids_of(case) | {"reason": error.text},
        )

    await bridge.store.write(work)
    _log.error("message.id_reused", **ids_of(case))
    refusal = receiving.judge_agreement(case.received, known=case.known)
    if not isinstance(refusal, Agreed):
        return await _refuse(bridge, case, refusal)
    return await _refuse(
        bridge,
        case,
        AnswerError(row=10, errors=(error,), synchronous=refusal.synchronous, signal_terms=refusal.error),
    )


# --- signals


async def _receive_signal(bridge: Bridge, case: Case) -> HttpAnswer:
    """Acknowledgments and errors end here; a Ping or StatusRequest is answered as the agreement says."""
    asks = case.message.kind in (Kind.PING, Kind.STATUS_REQUEST)
    agreed = receiving.judge_agreement(case.received, known=case.known)
    if not isinstance(agreed, Agreed):
        return await (_refuse if asks else _drop)(bridge, case, agreed)
    opened, crypto = await asyncio.to_thread(
        unseal, bridge, case.received, own=None, verification=agreed.verification, encryption=None
    )
    accepted = receiving.judge_content(opened, agreed, crypto)
    if not isinstance(accepted, Accepted):
        return await (_refuse if asks else _drop)(bridge, case, accepted)
    answer = await signal.take_signal(
        bridge, case.received, crypto, raw=case.request.raw, headers=case.request.headers
    )
    if answer is None or agreed.synchronous:
        return _nothing(bridge, case.message) if answer is None else _in_response(answer)
    return await _answer_by_post(bridge, case, answer)


async def _drop(bridge: Bridge, case: Case, refusal: Refusal) -> HttpAnswer:
    """A signal that is not what it should be: it does nothing, and is never answered with an error."""
    return await _turn_away(bridge, case.received, refusal, case.request.peer)


async def _answer_by_post(bridge: Bridge, case: Case, answer: Sealed) -> HttpAnswer:
    """Keep a Ping or StatusRequest with its answer, which a job posts (section 3.10)."""
    row = _row(bridge, case, MessageState.RECEIVED)
    job = bridge.new_key()

    def work(tx: Connection) -> None:
        open_case(tx, row, ExchangeState.DONE, None)
        if not add_message(tx, row):
            raise _AlreadyThere
        keep_received(tx, case, row.key)
        add_step(
            tx,
            exchange=row.exchange,
            at=case.at,
            side="ebms",
            what="signal.received",
            outcome="ok",
            detail=ids_of(case),
        )
        keep_answer(tx, case, row, answer, answer_name(case.message), job)

    try:
        await bridge.store.write(work)
    except _AlreadyThere:
        return await _answer_again(bridge, case) or _nothing(bridge, case.message)
    _log.info("signal.received", **ids_of(case))
    bridge.wake()
    return _nothing(bridge, case.message)


def answer_name(message: Message) -> str:
    """What the answer to a Ping or StatusRequest is called."""
    return Kind.PONG if message.kind is Kind.PING else Kind.STATUS_RESPONSE


# --- what is made of a case


def _row(bridge: Bridge, case: Case, state: MessageState, reason: str | None = None) -> MessageRow:
    """Under the names that the settings have for the two parties: a header may put another PartyId of them first,
    and all that comes after (whom it concerns, who is told) goes by the one of the settings."""
    row = row_of(case, key=bridge.new_key(), exchange=bridge.new_key(), state=state, reason=reason)
    header = case.message.header
    partner, own = bridge.partner(header.from_party), bridge.own_identity(header.to_party)
    return replace(
        row,
        from_party=partner.party_id if partner else row.from_party,
        to_party=own.party_id.value if own else row.to_party,
    )


def _known(bridge: Bridge, message: Message, request: Request, now: datetime) -> Known:
    delegations = {
        (Oin(oin), PartyId(value=partner.party_id, type=partner.party_id_type))
        for partner in bridge.settings.partners
        for oin in partner.delivered_by
    }
    header = message.header
    agreement = bridge.agreements.find_for(header.cpa_id, header.timestamp, now)
    return Known(
        agreement=agreement,
        succeeded=agreement is not bridge.agreements.find(header.cpa_id, now),
        own_parties=bridge.own_party_ids,
        peer=request.peer,
        named_action=request.named_action,
        now=now,
        delegations=frozenset(delegations),
        policy=_policy(bridge, message),
    )


def _policy(bridge: Bridge, message: Message) -> ReceivingPolicy:
    """As the settings of the partner say that the message names; nothing looser than these for a stranger."""
    production, partner = bridge.settings.production, bridge.partner(message.header.from_party)
    if partner is None:
        return ReceivingPolicy(production=production)
    return ReceivingPolicy(
        production=production,
        refuse_unreferenced_parts=not partner.ignore_unreferenced_parts,
        strict_ref_to_message_id=partner.refuse_unknown_references,
        answer_pings=partner.answer_pings,
        answer_status_requests=partner.answer_status_requests,
        deliver_best_effort_repeats=partner.deliver_repeats,
    )


async def _with_reference(bridge: Bridge, message: Message, known: Known) -> Known:
    """Whether RefToMessageId names a message of the same agreement."""
    reference = message.header.ref_to_message_id
    if reference is None or message.kind is not Kind.BUSINESS:
        return known
    rows = await bridge.store.read(lambda tx: find_by_message_id(tx, reference))
    return replace(known, knows_ref=any(row.cpa_id == message.header.cpa_id for row in rows))


def _nothing(bridge: Bridge, message: Message) -> HttpAnswer:
    """Taken, and nothing to say in this response. Some adapters know only 202 as success (section 4)."""
    partner = bridge.partner(message.header.from_party)
    return HttpAnswer(status=partner.empty_answer if partner else 204)


def _partner(bridge: Bridge, case: Case) -> PartnerSettings | None:
    return bridge.partner(case.message.header.from_party)


def _note_span(bridge: Bridge, name: str, case: Case, row: MessageRow) -> None:
    sent = (value for header, value in case.request.headers if header.lower() == "traceparent")
    tracing.note_span(
        name,
        row.exchange,
        begun=case.at,
        ended=bridge.now(),
        caused_by=next(sent, None),
        message_id=row.message_id,
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
    bridge: Bridge, case: Case, agreed: Agreed, accepted: Accepted, own: OwnIdentity
) -> Sealed | None:
    """The acknowledgment that was asked for, signed when that was asked for too."""
    if not case.message.ack_requested:
        return None
    signed = any(asked.signed for asked in case.message.ack_requested)
    message = make_acknowledgment(
        case.message,
        message_id=MessageId(bridge.new_local_id()),
        now=case.at,
        actor=agreed.acknowledgment.actor,
        references=accepted.references if signed else (),
    )
    return seal(bridge, message, own=own, signing=agreed.acknowledgment.signing if signed else None)


def _error_answer(bridge: Bridge, case: Case, refusal: Refusal) -> Sealed | None:
    if not isinstance(refusal, AnswerError):
        return None
    message = make_message_error(
        case.message.header, refusal.errors, message_id=MessageId(bridge.new_local_id()), now=case.at
    )
    return signal.write_unsigned(message)


def _in_response(answer: Sealed) -> HttpAnswer:
    return HttpAnswer(status=200, headers=answer.headers, body=answer.body)
