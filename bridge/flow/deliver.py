"""Flow 5, deliver: send a composed message to its partner until it is acknowledged, failed or expired.

One job per message. Every attempt sends the octets that were stored when the message was composed. That an attempt
begins is on disk before the POST, so that a crash never makes one attempt too many. What an attempt means is decided
by the sending table; this module only carries it out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from bridge.ebms import sending
from bridge.ebms import signals as judgement
from bridge.ebms.cpa_resolve import resolve, sender_verification
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import Kind, Message
from bridge.ebms.read import Received, read_message
from bridge.ebms.receiving_model import Ignore
from bridge.ebms.write import read_fault
from bridge.errors import PeerUnreachable, SoapFault
from bridge.flow import signal
from bridge.flow.bridge import Bridge, PostAnswer
from bridge.flow.exchange import settle_exchange
from bridge.flow.seal import HeaderBlock, read_headers
from bridge.flow.unseal import unseal
from bridge.hub.answers import Answer, retry_after
from bridge.log import get_logger
from bridge.store.blobs import read_blob
from bridge.store.jobs import finish_job, renew_lease, retry_job
from bridge.store.messages import count_attempt, evidence_of, get_message, set_message_state
from bridge.store.rows import EvidenceKind, Job, MessageState
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

KIND = signal.DELIVER

_NO_AGREEMENT = timedelta(minutes=5)
"""How long to wait when the agreement is gone: an operator may be replacing it."""

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outgoing:
    """A message on its way out: its row, itself, its octets, and what the agreement says today."""

    row: MessageRow
    message: Message
    envelope: bytes
    headers: HeaderBlock
    octets: bytes
    terms: Terms

    def state(self, attempts: int) -> sending.Sending:
        return sending.Sending(
            attempt=attempts,
            created=self.row.at,
            reliable=bool(self.message.ack_requested),
            synchronous=self.message.sync_reply is not None,
            schedule=sending.plan(self.terms, self.row.at),
        )


async def deliver(bridge: Bridge, job: Job) -> None:
    """Take the message one step further: an attempt, more waiting, or the end."""
    row = await bridge.store.read(lambda tx: get_message(tx, job.subject_key))
    now = bridge.now()
    if row.state not in (MessageState.CREATED, MessageState.WAITING):
        await bridge.store.write(lambda tx: finish_job(tx, job, at=now))
        return
    outgoing = await _load(bridge, row)
    if outgoing is None:
        reason = f"CPA {row.cpa_id} no longer lets us send {row.action}; nothing is sent until it does"
        await _again(bridge, job, row, now + _NO_AGREEMENT, reason)
        return
    step = sending.after_time(outgoing.state(row.attempts), now=now)
    if isinstance(step, sending.Retry):
        await _attempt(bridge, job, outgoing)
    else:
        await _carry_out(bridge, job, row, step)


async def _attempt(bridge: Bridge, job: Job, outgoing: _Outgoing) -> None:
    row, number = outgoing.row, outgoing.row.attempts + 1
    now = bridge.now()

    def before(tx: Connection) -> None:
        renew_lease(tx, job, now=now, lease=bridge.settings.worker.lease)
        count_attempt(tx, row.key)
        set_message_state(tx, row.key, MessageState.WAITING, at=now, reason=f"attempt {number} is under way")
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what="message.sent",
            outcome="waiting",
            detail={"message_id": row.message_id, "attempt": str(number)},
        )

    await bridge.store.write(before)
    _log.info("message.sent", message_id=row.message_id, attempt=number)
    own = bridge.own_identity(outgoing.message.header.from_party)
    assert own is not None, "only messages of own parties are composed"
    try:
        answer = await bridge.post(
            outgoing.terms.endpoint_url, outgoing.headers, outgoing.octets, own_party=own.party_id
        )
    except PeerUnreachable as error:
        result: sending.AttemptResult = sending.Unreachable(reason=str(error))
    else:
        read = await asyncio.to_thread(_read_answer, bridge, outgoing, answer)
        if isinstance(read, _Settled):
            await signal.settle(bridge, row, read.verdict, octets=answer.body, headers=answer.headers)
            return
        result = read
    step = sending.after_attempt(outgoing.state(number), result, now=bridge.now())
    await _carry_out(bridge, job, row, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """A signal in the HTTP response that settles the message."""

    verdict: judgement.Acknowledges | judgement.FailsMessage


def _read_answer(bridge: Bridge, outgoing: _Outgoing, answer: PostAnswer) -> sending.AttemptResult | _Settled:
    """What the HTTP answer to an attempt is. ebXML content counts whatever the status is (section 6.2)."""
    if not answer.body.strip():
        if 200 <= answer.status < 300:
            return sending.NoContent(status=answer.status)
        return sending.HttpError(status=answer.status, retry_after=_asked_to_wait(answer, bridge.now()))
    fault = read_fault(answer.body)
    if fault is not None:
        return sending.Fault(status=answer.status, text=fault[1])
    try:
        received = read_message(answer.headers, answer.body)
    except SoapFault:
        received = None
    if received is None or received.message.kind is Kind.BUSINESS:
        if 200 <= answer.status < 300:
            return sending.Foreign(status=answer.status)
        return sending.HttpError(status=answer.status, retry_after=_asked_to_wait(answer, bridge.now()))
    return _judge_signal(bridge, outgoing, received)


def _judge_signal(
    bridge: Bridge, outgoing: _Outgoing, received: Received
) -> sending.AttemptResult | _Settled:
    agreement = bridge.agreements.find(outgoing.row.cpa_id, bridge.now())
    assert agreement is not None, "the terms came from it"
    verification = sender_verification(
        agreement, sender=outgoing.message.header.to_party, action=received.message.header.action
    )
    _, crypto = unseal(bridge, received, own=None, verification=verification, encryption=None)
    sent = signal.describe_sent(outgoing.row, outgoing.message, outgoing.envelope)
    verdict = judgement.judge_signal(received, sent, crypto=crypto, in_response=True)
    match verdict:
        case judgement.Acknowledges() | judgement.FailsMessage():
            return _Settled(verdict=verdict)
        case Ignore(reason=reason):
            return sending.Signal(message=received.message, receipt_faults=(reason,))
        case _:
            return sending.Foreign(status=200)


async def _carry_out(bridge: Bridge, job: Job, row: MessageRow, step: sending.Next) -> None:
    match step:
        case sending.Wait(until=until, reason=reason):
            await _again(bridge, job, row, until, reason)
        case sending.Retry(at=due, reason=reason):
            await _again(bridge, job, row, due, reason)
        case sending.Acknowledged(reason=reason):
            await _end(bridge, job, row, MessageState.ACKNOWLEDGED, reason)
        case sending.Delivered(reason=reason):
            await _end(bridge, job, row, MessageState.DELIVERED, reason)
        case sending.Failed(reason=reason):
            await _end(bridge, job, row, MessageState.FAILED, reason)
        case sending.Expired(reason=reason):
            await _end(bridge, job, row, MessageState.EXPIRED, reason)


async def _again(bridge: Bridge, job: Job, row: MessageRow, due: datetime, reason: str) -> None:
    now = bridge.now()

    def work(tx: Connection) -> None:
        # Fences first: an acknowledgment that came in meanwhile has ended the job, and its state stays.
        retry_job(tx, job, due=due, reason=reason, at=now)
        set_message_state(tx, row.key, MessageState.WAITING, at=now, reason=reason)
        if reason != row.reason:
            add_step(
                tx,
                exchange=row.exchange,
                at=now,
                side="ebms",
                what="message.waiting",
                outcome="waiting",
                detail={"message_id": row.message_id, "reason": reason},
            )

    await bridge.store.write(work)


async def _end(bridge: Bridge, job: Job, row: MessageRow, state: MessageState, reason: str) -> None:
    now = bridge.now()
    good = state in (MessageState.ACKNOWLEDGED, MessageState.DELIVERED)

    def work(tx: Connection) -> None:
        finish_job(tx, job, at=now)
        set_message_state(tx, row.key, state, at=now, reason=reason)
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what=f"message.{state.value}",
            outcome="ok" if good else "failed",
            detail={"message_id": row.message_id, "reason": reason},
        )
        settle_exchange(tx, row.exchange, at=now)

    await bridge.store.write(work)
    log = _log.info if good else _log.error
    log(f"message.{state.value}", message_id=row.message_id, reason=reason)


async def _load(bridge: Bridge, row: MessageRow) -> _Outgoing | None:
    evidence, octets = await bridge.store.read(lambda tx: _load_sent(tx, row))
    headers = read_headers(evidence)
    sent = await asyncio.to_thread(read_message, headers, octets)
    agreement = bridge.agreements.find(row.cpa_id, bridge.now())
    if agreement is None:
        return None
    header = sent.message.header
    terms = resolve(
        agreement,
        from_party=header.from_party,
        to_party=header.to_party,
        service=header.service,
        action=header.action,
    )
    if not isinstance(terms, Terms):
        return None
    return _Outgoing(
        row=row,
        message=sent.message,
        envelope=sent.envelope_octets,
        headers=headers,
        octets=octets,
        terms=terms,
    )


def _load_sent(tx: Connection, row: MessageRow) -> tuple[str, bytes]:
    evidence = evidence_of(tx, row.key, kind=EvidenceKind.SENT)[0]
    return evidence.headers, read_blob(tx, evidence.blob)


def _asked_to_wait(answer: PostAnswer, now: datetime) -> timedelta | None:
    return retry_after(Answer(status=answer.status, headers=answer.headers, body=b""), now=now)
