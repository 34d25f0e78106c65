"""Flow 5, deliver: send a composed message to its partner until it is acknowledged, failed or expired.

One job per message. Every attempt sends the octets that were stored when the message was composed. That an attempt
begins is on disk before the POST, so that a crash never makes one attempt too many. What an attempt means is decided
by the sending table; this module only carries it out.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opentelemetry.trace import SpanKind
from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.ebms import sending
from bridge.ebms import signals as judgement
from bridge.ebms.content import discard_content
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import resolve, sender_verification
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.mime import read_package
from bridge.ebms.model import Content, Kind, Message
from bridge.ebms.read import Received, read_message
from bridge.ebms.receiving_model import Ignore, Peer
from bridge.ebms.write import read_fault
from bridge.errors import ConfigError, PeerUnreachable, SoapFault
from bridge.flow import tracing
from bridge.flow.bridge import Bridge, PostAnswer
from bridge.flow.case import Request
from bridge.flow.contact import Contact, Reached, Unreached
from bridge.flow.context import partner_named
from bridge.flow.exchange import settle_exchange
from bridge.flow.failure import keep_failure, log_failure
from bridge.flow.outgoing import DELIVER
from bridge.flow.peers import note_partner_failure
from bridge.flow.receive import receive
from bridge.flow.route import route_to
from bridge.flow.seal import HeaderBlock
from bridge.flow.sent import SENT_STEP, describe_sent, is_settled, load_sent, read_sent_content, was_sent
from bridge.flow.settle import settle
from bridge.flow.unseal import unseal
from bridge.hub.answers import Answer, retry_after
from bridge.log import get_logger
from bridge.store.jobs import finish_job, renew_lease, retry_job
from bridge.store.messages import count_attempt, find_by_message_id, get_message, set_message_state
from bridge.store.rows import Direction, Job, MessageState
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

KIND = DELIVER

_NO_AGREEMENT = timedelta(minutes=5)
"""How long to wait when the agreement is gone: an operator may be replacing it."""

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outgoing:
    """A message on its way out: its row, itself, its octets, and what the agreement says."""

    row: MessageRow
    sent: Received
    headers: HeaderBlock
    content: Content
    terms: Terms
    """Of the version of the agreement under which it was made."""
    way: Terms
    """Of the version in force now: where the partner is, and with which certificates."""
    best_effort_retries: int
    sent_before: bool
    """Only looked up when the time for it is over."""

    @property
    def message(self) -> Message:
        return self.sent.message

    def state(self, attempts: int) -> sending.Sending:
        schedule = sending.plan(self.terms, self.row.at, best_effort_retries=self.best_effort_retries)
        return sending.Sending(
            attempt=attempts,
            created=self.row.at,
            reliable=bool(self.message.ack_requested),
            synchronous=self.message.sync_reply is not None,
            # As it stands in the octets, also when the agreement was replaced since.
            schedule=replace(schedule, time_to_live=self.row.time_to_live),
            sent_before=self.sent_before,
        )


async def deliver(bridge: Bridge, job: Job) -> Contact | None:
    """Take the message one step further: an attempt, more waiting, or the end."""
    row = await bridge.store.read(lambda tx: get_message(tx, job.subject_key))
    now = bridge.now()
    if is_settled(row):
        await bridge.store.write(lambda tx: finish_job(tx, job, at=now))
        return None
    threshold = bridge.settings.partner_listener.spool_above_bytes
    headers, content = await bridge.store.read(lambda tx: load_sent(tx, row, threshold=threshold))
    try:
        with tracing.span("message.deliver", row.exchange, kind=SpanKind.CLIENT, message_id=row.message_id):
            return await _go_on(bridge, job, row, headers, content)
    finally:
        discard_content(content)


async def _go_on(
    bridge: Bridge, job: Job, row: MessageRow, headers: HeaderBlock, content: Content
) -> Contact | None:
    now = bridge.now()
    sent = await asyncio.to_thread(read_sent_content, headers, content)
    found = _terms(bridge, row, sent.message)
    if found is None:
        await _without_agreement(bridge, job, row)
        return None
    partner = bridge.partner(sent.message.header.to_party)
    late = row.time_to_live is not None and now >= row.time_to_live
    outgoing = _Outgoing(
        row=row,
        sent=sent,
        headers=headers,
        content=content,
        terms=found[0],
        way=found[1],
        best_effort_retries=partner.best_effort_retries if partner else 0,
        sent_before=late and await bridge.store.read(lambda tx: was_sent(tx, row)),
    )
    step = sending.after_time(outgoing.state(row.attempts), now=now)
    if isinstance(step, sending.Retry):
        return await _attempt(bridge, job, outgoing)
    await _carry_out(bridge, job, row, step)
    return None


async def _without_agreement(bridge: Bridge, job: Job, row: MessageRow) -> None:
    """Nothing is sent without an active CPA (DK-121), but TimeToLive goes on."""
    now = bridge.now()
    reason = f"CPA {row.cpa_id} no longer lets us send {row.action}; nothing is sent until it does"
    if row.time_to_live is not None and now >= row.time_to_live:
        await _end(bridge, job, row, MessageState.EXPIRED, reason)
    else:
        await _again(bridge, job, row, now + _NO_AGREEMENT, reason)


async def _attempt(bridge: Bridge, job: Job, outgoing: _Outgoing) -> Contact | None:
    row, number = outgoing.row, outgoing.row.attempts + 1
    now, under_way = bridge.now(), f"attempt {number} is under way"

    def before(tx: Connection) -> None:
        renew_lease(tx, job, now=now, lease=bridge.settings.worker.lease)
        count_attempt(tx, row.key)
        set_message_state(tx, row.key, MessageState.WAITING, at=now, reason=under_way)
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what=SENT_STEP,
            outcome="waiting",
            detail={"message_id": row.message_id, "attempt": str(number)},
        )

    await bridge.store.write(before)
    _log.info("message.sent", message_id=row.message_id, attempt=number)
    metrics.delivery_attempted(partner_named(bridge, row.to_party), row.action)
    contact: Contact | None = Reached()
    try:
        answer = await _post(bridge, outgoing)
    except (PeerUnreachable, ConfigError) as error:
        # Settings of ours that are wrong say nothing about the endpoint.
        contact = Unreached(reason=str(error)) if isinstance(error, PeerUnreachable) else None
        result: sending.AttemptResult = sending.Unreachable(reason=str(error))
        note_partner_failure(bridge, row.to_party, str(error))
    else:
        if answer.status >= 500:
            note_partner_failure(bridge, row.to_party, f"HTTP {answer.status}")
        read = await asyncio.to_thread(_read_answer, bridge, outgoing, answer)
        if isinstance(read, _Response):
            taken = await _take_response(bridge, outgoing, read.received, answer)
            if taken is None:
                return Reached()
            read = taken
        if isinstance(read, _Settled):
            await settle(bridge, row, read.verdict, octets=answer.body, headers=answer.headers)
            return Reached()
        if isinstance(read, sending.HttpError) and answer.status >= 500:
            contact = Unreached(reason=f"HTTP {answer.status}")
        result = read
    step = sending.after_attempt(outgoing.state(number), result, now=bridge.now())
    # As it is stored by now: what came of this attempt is told, also when the former one ended alike.
    await _carry_out(bridge, job, replace(row, reason=under_way), step, told=sending.told_by(result))
    return contact


async def _post(bridge: Bridge, outgoing: _Outgoing) -> PostAnswer:
    """Raises PeerUnreachable, and ConfigError for an endpoint that may not be used."""
    header = outgoing.message.header
    own = bridge.own_identity(header.from_party)
    assert own is not None, "only messages of own parties are composed"
    route = route_to(
        bridge,
        bridge.partner(header.to_party),
        own=own,
        url=outgoing.way.endpoint_url,
        client_certificate=outgoing.way.client_certificate,
        server_certificate=outgoing.way.server_certificate,
    )
    return await bridge.post(route, outgoing.headers, outgoing.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """A signal in the HTTP response that settles the message."""

    verdict: judgement.Acknowledges | judgement.FailsMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Response:
    """The business response in the HTTP response, where the agreement lets it come there."""

    received: Received


def _read_answer(
    bridge: Bridge, outgoing: _Outgoing, answer: PostAnswer
) -> sending.AttemptResult | _Settled | _Response:
    """What the HTTP answer to an attempt is. ebXML content counts whatever the status is (section 6.2)."""
    if not answer.body.strip():
        return _without_signal(bridge, answer, sending.NoContent(status=answer.status))
    fault = read_fault(answer.body)
    if fault is not None:
        return sending.Fault(status=answer.status, text=fault[1])
    try:
        received = read_message(answer.headers, answer.body)
    except SoapFault:
        received = None
    facts = describe_sent(outgoing.row, outgoing.sent)
    mode = outgoing.terms.sync_reply_mode
    if received is not None and judgement.answers_in_response(received.message, facts, mode):
        return _Response(received=received)
    if received is None or received.message.kind is Kind.BUSINESS:
        return _without_signal(bridge, answer, sending.Foreign(status=answer.status))
    return _judge_signal(bridge, outgoing, received)


async def _take_response(
    bridge: Bridge, outgoing: _Outgoing, received: Received, answer: PostAnswer
) -> sending.AttemptResult | _Settled | None:
    """Take the business response in like any received message, with the Acknowledgment that may ride on it; then see
    what it says of the request. None when that is settled already.

    Nobody waits for an answer to it: what it asks for by a POST of its own is posted, the rest is dropped.
    """
    foreign = sending.Foreign(status=answer.status)
    request = Request(
        peer=Peer(),
        headers=answer.headers,
        raw=io.BytesIO(answer.body),
        package=read_package(answer.headers, answer.body),
        in_response=True,
    )
    try:
        await receive(bridge, request)
    except SoapFault:
        return foreign
    now, accepted = await bridge.store.read(lambda tx: _after_response(tx, outgoing.row, received.message))
    if not accepted:
        return foreign
    verdict = judgement.judge_response(describe_sent(now, outgoing.sent))
    match verdict:
        case judgement.Acknowledges():
            return _Settled(verdict=verdict)
        case judgement.LateSignal():
            return None
        case Ignore(reason=reason):
            return sending.Signal(message=received.message, receipt_faults=(reason,))


def _after_response(tx: Connection, ours: MessageRow, response: Message) -> tuple[MessageRow, bool]:
    """Our message as it is now, and whether the response to it was accepted, in this attempt or before."""
    header = response.header
    stored = find_by_message_id(tx, header.message_id, direction=Direction.IN)
    accepted = any(
        row.state is not MessageState.REFUSED
        and row.cpa_id == header.cpa_id
        and row.ref_to_message_id == ours.message_id
        for row in stored
    )
    return get_message(tx, ours.key), accepted


def _without_signal(
    bridge: Bridge, answer: PostAnswer, success: sending.NoContent | sending.Foreign
) -> sending.AttemptResult:
    if 200 <= answer.status < 300:
        return success
    asked = retry_after(Answer(status=answer.status, headers=answer.headers, body=b""), now=bridge.now())
    return sending.HttpError(status=answer.status, retry_after=asked)


def _judge_signal(
    bridge: Bridge, outgoing: _Outgoing, received: Received
) -> sending.AttemptResult | _Settled:
    agreement = bridge.agreements.find(outgoing.row.cpa_id, bridge.now())
    assert agreement is not None, "the terms came from it"
    verification = sender_verification(
        agreement, sender=outgoing.message.header.to_party, action=received.message.header.action
    )
    _, crypto = unseal(bridge, received, own=None, verification=verification, encryption=None)
    facts = describe_sent(outgoing.row, outgoing.sent)
    verdict = judgement.judge_signal(received, facts, crypto=crypto, in_response=True)
    match verdict:
        case judgement.Acknowledges() | judgement.FailsMessage():
            return _Settled(verdict=verdict)
        case Ignore(reason=reason):
            return sending.Signal(message=received.message, receipt_faults=(reason,))
        case _:
            return sending.Foreign(status=200)


async def _carry_out(
    bridge: Bridge, job: Job, row: MessageRow, step: sending.Next, *, told: str = ""
) -> None:
    """`told` is what the partner said in words of its own in this attempt: content."""
    match step:
        case sending.Wait(until=until, reason=reason):
            await _again(bridge, job, row, until, reason, told)
        case sending.Retry(at=due, reason=reason):
            await _again(bridge, job, row, due, reason, told)
        case sending.Acknowledged(reason=reason):
            await _end(bridge, job, row, MessageState.ACKNOWLEDGED, reason)
        case sending.Delivered(reason=reason):
            await _end(bridge, job, row, MessageState.DELIVERED, reason)
        case sending.Failed(reason=reason):
            await _end(bridge, job, row, MessageState.FAILED, reason, told)
        case sending.Expired(reason=reason):
            await _end(bridge, job, row, MessageState.EXPIRED, reason, told)


async def _again(
    bridge: Bridge, job: Job, row: MessageRow, due: datetime, reason: str, told: str = ""
) -> None:
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
                told=told,
            )

    await bridge.store.write(work)


async def _end(
    bridge: Bridge, job: Job, row: MessageRow, state: MessageState, reason: str, told: str = ""
) -> None:
    now = bridge.now()
    good = state in (MessageState.ACKNOWLEDGED, MessageState.DELIVERED)

    def work(tx: Connection) -> None:
        finish_job(tx, job, at=now)
        if not good:
            keep_failure(tx, row, state, what=f"message.{state.value}", reason=reason, told=told, at=now)
            return
        set_message_state(tx, row.key, state, at=now, reason=reason)
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what=f"message.{state.value}",
            outcome="ok",
            detail={"message_id": row.message_id, "reason": reason},
        )
        settle_exchange(tx, row.exchange, at=now)

    await bridge.store.write(work)
    metrics.delivery_ended(partner_named(bridge, row.to_party), row.action, state.value)
    if good:
        _log.info(f"message.{state.value}", message_id=row.message_id, reason=reason)
    else:
        log_failure(row, state, reason=reason)


def _terms(bridge: Bridge, row: MessageRow, message: Message) -> tuple[Terms, Terms] | None:
    """The terms under which a message was made, and those of now for the way to the partner.

    None when no version in force lets us send under this agreement any more. A later version that leaves the action
    out does not hold up what was made before it.
    """
    cpa_id, now = message.header.cpa_id, bridge.now()
    current = bridge.agreements.find(cpa_id, now)
    if current is None or not current.is_active(now):
        return None
    former = bridge.agreements.find(cpa_id, row.at)
    of_now, made = _resolved(current, message), _resolved(former or current, message)
    terms, way = made or of_now, of_now or made
    return None if terms is None or way is None else (terms, way)


def _resolved(agreement: Agreement, message: Message) -> Terms | None:
    header = message.header
    terms = resolve(
        agreement,
        from_party=header.from_party,
        to_party=header.to_party,
        service=header.service,
        action=header.action,
    )
    return terms if isinstance(terms, Terms) else None
