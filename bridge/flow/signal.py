"""Signals: posting our own that go by a POST of their own, and taking those of partners."""

from __future__ import annotations

from datetime import timedelta
from typing import BinaryIO

from sqlalchemy.engine import Connection

from bridge.ebms import signals as judgement
from bridge.ebms.answers import make_pong, make_status_response
from bridge.ebms.cpa_resolve import signal_terms
from bridge.ebms.mime import pack
from bridge.ebms.model import Kind, Message, Party
from bridge.ebms.read import Received, read_message
from bridge.ebms.receiving_model import Agreed, CryptoOutcome, Ignore
from bridge.ebms.sign import references_of_sent
from bridge.ebms.write import envelope_octets, write_envelope
from bridge.errors import ConfigError, PeerUnreachable
from bridge.flow.bridge import Bridge
from bridge.flow.exchange import settle_exchange
from bridge.flow.seal import HeaderBlock, Sealed, read_headers, write_headers
from bridge.ids import MessageId
from bridge.log import get_logger
from bridge.store.blobs import put_blob, read_blob
from bridge.store.jobs import finish_job, finish_jobs_about, retry_job
from bridge.store.messages import (
    add_evidence,
    evidence_of,
    find_by_message_id,
    get_message,
    set_message_state,
)
from bridge.store.rows import Direction, Evidence, EvidenceKind, Job, MessageState
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

KIND = "signal"
DELIVER = "deliver"
"""The kind of the delivery jobs, which an acknowledgment ends."""

_ATTEMPTS = 5
"""Posts of a signal. More is no use: the partner repeats its message and gets the answer again."""

_log = get_logger()


def write_unsigned(bridge: Bridge, message: Message) -> Sealed:
    """A signal as octets, without signature."""
    packed = pack(envelope_octets(write_envelope(message)), (), boundary="none", envelope_id="none")
    return Sealed(headers=packed.headers, body=b"".join(packed.chunks()))


# --- our signals, by a POST of their own


async def post_signal(bridge: Bridge, job: Job) -> None:
    """Post the stored answer to a received message; try a few times, then leave it to the partner's repeat."""
    row, answer, octets = await bridge.store.read(lambda tx: _load_answer(tx, job))
    own = next(o for o in bridge.own if o.party_id.value == row.to_party)
    try:
        url = _endpoint(bridge, row)
        posted = await bridge.post(url, read_headers(answer.headers), octets, own_party=own.party_id)
        problem = None if 200 <= posted.status < 300 else f"HTTP {posted.status}"
    except (PeerUnreachable, ConfigError) as error:
        problem = str(error)
    now = bridge.now()

    def work(tx: Connection) -> None:
        detail = {"message_id": row.message_id, "attempt": str(job.attempts)}
        give_up = problem is not None and job.attempts >= _ATTEMPTS
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what="answer.posted" if problem is None else "answer.not_posted",
            outcome="ok" if problem is None else "failed" if give_up else "waiting",
            detail=detail | ({"reason": problem} if problem else {}),
        )
        if problem is None or give_up:
            finish_job(tx, job, at=now)
        else:
            due = now + timedelta(seconds=2.0**job.attempts)
            retry_job(tx, job, due=due, reason=problem, at=now)

    await bridge.store.write(work)
    if problem:
        _log.warning("answer.not_posted", message_id=row.message_id, attempt=job.attempts, reason=problem)
    else:
        _log.info("message.acknowledged", message_id=row.message_id, attempt=job.attempts)


def _load_answer(tx: Connection, job: Job) -> tuple[MessageRow, Evidence, bytes]:
    row = get_message(tx, job.subject_key)
    answer = evidence_of(tx, row.key, kind=EvidenceKind.ANSWER)[0]
    return row, answer, read_blob(tx, answer.blob)


def _endpoint(bridge: Bridge, row: MessageRow) -> str:
    agreement = bridge.agreements.find(row.cpa_id, bridge.now())
    if agreement is None:
        raise ConfigError([f"CPA {row.cpa_id} is no longer there"])
    action = "MessageError" if row.state is MessageState.REFUSED else "Acknowledgment"
    sender = next(p for p in agreement.parties if any(i.value == row.from_party for i in p.party_ids))
    receiver = agreement.other_party(sender)
    return signal_terms(
        agreement,
        acknowledging=Party(party_ids=receiver.party_ids),
        original_sender=Party(party_ids=sender.party_ids),
        action=action,
    ).endpoint_url


# --- signals of partners


async def take_signal(
    bridge: Bridge,
    received: Received,
    crypto: CryptoOutcome,
    agreed: Agreed,
    *,
    raw: BinaryIO,
    headers: HeaderBlock,
) -> Sealed | None:
    """Do what a signal that came by POST means. Gives the answer for the HTTP response, if there is one.

    Raises SoapFault for a signal about a message that was never sent.
    """
    sent = await bridge.store.read(lambda tx: find_sent(tx, received.message))
    facts = None if sent is None else describe_sent(*sent)
    verdict = judgement.judge_signal(received, facts, crypto=crypto)
    match verdict:
        case judgement.UnknownReference(fault=fault):
            raise fault
        case judgement.AnswerPing():
            return _answer(bridge, make_pong(received.message, message_id=_new_id(bridge), now=bridge.now()))
        case judgement.AnswerStatus(about=about):
            return await _answer_status(bridge, received.message, about)
        case Ignore(reason=reason):
            _log.warning("signal.ignored", message_id=received.message.header.message_id, reason=reason)
        case _:
            assert sent is not None
            raw.seek(0)
            await settle(bridge, sent[0], verdict, octets=raw.read(), headers=headers)
    return None


Settling = judgement.Acknowledges | judgement.FailsMessage | judgement.LateSignal | judgement.AnswersRequest


async def settle(
    bridge: Bridge, row: MessageRow, verdict: Settling, *, octets: bytes, headers: HeaderBlock
) -> None:
    """Store what a signal means for a message of ours: its state, the evidence, the end of its delivery job."""
    now = bridge.now()
    state, what, outcome, reason = _meaning(verdict)
    if isinstance(verdict, judgement.AnswersRequest):
        return
    kind = EvidenceKind.ERROR if state is MessageState.FAILED else EvidenceKind.ACKNOWLEDGMENT

    def work(tx: Connection) -> None:
        blob, _ = put_blob(tx, octets)
        add_evidence(
            tx, Evidence(message=row.key, kind=kind, headers=write_headers(headers), blob=blob, at=now)
        )
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what=what,
            outcome=outcome,
            detail={"message_id": row.message_id} | ({"reason": reason} if reason else {}),
        )
        if state is not None:
            set_message_state(tx, row.key, state, at=now, reason=reason)
            finish_jobs_about(tx, kind=DELIVER, subject_key=row.key, at=now)
            settle_exchange(tx, row.exchange, at=now)

    await bridge.store.write(work)
    _log.info(what, message_id=row.message_id, outcome=outcome, reason=reason)


def _meaning(verdict: Settling) -> tuple[MessageState | None, str, str, str | None]:
    match verdict:
        case judgement.Acknowledges(flags=flags):
            return MessageState.ACKNOWLEDGED, "message.acknowledged", "ok", "; ".join(flags) or None
        case judgement.FailsMessage(reason=reason):
            return MessageState.FAILED, "message.refused_by_partner", "failed", reason
        case judgement.LateSignal(acknowledges=True):
            return MessageState.ACKNOWLEDGED, "message.acknowledged_late", "ok", "acknowledged late"
        case judgement.LateSignal():
            return None, "signal.late", "info", None
        case judgement.AnswersRequest(message_status=status):
            return None, "request.answered", "info", status


def find_sent(tx: Connection, message: Message) -> tuple[MessageRow, Message, bytes] | None:
    """The message of ours that a signal refers to: its row, and itself as it was sent."""
    reference = judgement.reference_of(message)
    if reference is None:
        return None
    rows = find_by_message_id(tx, reference, direction=Direction.OUT)
    if not rows:
        return None
    evidence = evidence_of(tx, rows[0].key, kind=EvidenceKind.SENT)[0]
    octets = read_blob(tx, evidence.blob)
    sent = read_message(read_headers(evidence.headers), octets)
    return rows[0], sent.message, sent.envelope_octets


def describe_sent(row: MessageRow, message: Message, envelope: bytes) -> judgement.SentMessage:
    """What the judgement of a signal needs to know of the message it refers to."""
    asked = message.ack_requested
    return judgement.SentMessage(
        message_id=row.message_id,
        kind=Kind(row.kind),
        cpa_id=row.cpa_id,
        from_party_ids=message.header.from_party.party_ids,
        to_party_ids=message.header.to_party.party_ids,
        ack_requested=bool(asked),
        ack_signed=any(element.signed for element in asked),
        references=references_of_sent(envelope),
        synchronous=message.sync_reply is not None,
        settled=row.state not in (MessageState.CREATED, MessageState.WAITING),
    )


async def _answer_status(bridge: Bridge, request: Message, about: MessageId) -> Sealed:
    rows = await bridge.store.read(lambda tx: find_by_message_id(tx, about, direction=Direction.IN))
    known = next((row for row in rows if row.state is not MessageState.REFUSED), None)
    asker = {party_id.value for party_id in request.header.from_party.party_ids}
    if known is None:
        status, received_at = "NotRecognized", None
    elif known.cpa_id != request.header.cpa_id or known.from_party not in asker:
        status, received_at = "UnAuthorized", None
    else:
        status = "Processed" if known.state is MessageState.MAPPED else "Received"
        received_at = known.at
    return _answer(
        bridge,
        make_status_response(
            request,
            message_status=status,
            message_id=_new_id(bridge),
            now=bridge.now(),
            received_at=received_at,
        ),
    )


def _answer(bridge: Bridge, message: Message) -> Sealed:
    return write_unsigned(bridge, message)


def _new_id(bridge: Bridge) -> MessageId:
    return MessageId(f"{bridge.new_uuid()}@{bridge.message_id_domain}")
