"""Signals: posting our own that go by a POST of their own, and taking those of partners."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO

from opentelemetry.trace import SpanKind
from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.ebms import signals as judgement
from bridge.ebms.answers import make_pong, make_status_response
from bridge.ebms.content import MemorySink, discard_content
from bridge.ebms.cpa_resolve import signal_terms
from bridge.ebms.mime import pack
from bridge.ebms.model import Content, Kind, Message, Party
from bridge.ebms.read import Received
from bridge.ebms.receiving_model import CryptoOutcome, Ignore
from bridge.ebms.write import envelope_octets, write_envelope
from bridge.errors import ConfigError, PeerUnreachable
from bridge.flow import tracing
from bridge.flow.bridge import Bridge, Route
from bridge.flow.context import partner_named
from bridge.flow.exchange import POST_ANSWER, settle_exchange
from bridge.flow.peers import note_partner_failure
from bridge.flow.route import route_to
from bridge.flow.seal import HeaderBlock, Sealed, read_headers
from bridge.flow.sent import describe_sent, find_sent, find_sent_as, spool_blob
from bridge.flow.settle import IGNORED, Effect, Verdict, keep_verdict, settle
from bridge.ids import Key, MessageId
from bridge.log import get_logger
from bridge.store.jobs import add_job, bury_job, end_given_up, finish_job, retry_job
from bridge.store.messages import evidence_of, find_by_message_id, get_message
from bridge.store.rows import Direction, Evidence, EvidenceKind, Job, MessageState
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

KIND = POST_ANSWER

_ATTEMPTS = 5
"""Posts of a signal. More is little use: the partner repeats its message and gets the answer again."""

_PRIORITY = 10
"""Before all that is not an answer somebody waits for."""

_log = get_logger()


def write_unsigned(message: Message) -> Sealed:
    """A signal as octets, without signature."""
    packed = pack(envelope_octets(write_envelope(message)), (), boundary="none", envelope_id="none")
    sink = MemorySink()
    for octets in packed.chunks():
        sink.write(octets)
    return Sealed(headers=packed.headers, content=sink.finish())


# --- our signals, by a POST of their own

ANSWERS = "answers:"
"""Begins the endpoint of these jobs. It is not that of the partner: a pause of that holds back no acknowledgment."""


def add_answer_job(tx: Connection, row: MessageRow, *, key: Key, at: datetime) -> None:
    """The stored answer to this message is due. Before all else, but with no more places than a partner may have:
    one that takes connections and does not answer must not keep the acknowledgments of others waiting."""
    endpoint = f"{ANSWERS}{row.from_party}"
    add_job(tx, key=key, kind=KIND, subject_key=row.key, endpoint=endpoint, due=at, at=at, priority=_PRIORITY)


async def post_signal(bridge: Bridge, job: Job) -> None:
    """Post the stored answer to a received message; try a few times, then leave it to the partner's repeat.

    That a refusal did not arrive asks for a person, until a repeat or somebody here gets it across.
    """
    row, answer, content = await bridge.store.read(lambda tx: _load_answer(tx, job))
    try:
        with tracing.span("answer.post", row.exchange, kind=SpanKind.CLIENT, message_id=row.message_id):
            posted = await bridge.post(_route(bridge, row), read_headers(answer.headers), content)
        problem = None if 200 <= posted.status < 300 else f"HTTP {posted.status}"
    except (PeerUnreachable, ConfigError) as error:
        problem = str(error)
    finally:
        discard_content(content)
    now = bridge.now()

    def work(tx: Connection) -> None:
        detail = {"message_id": row.message_id, "attempt": str(job.attempts)}
        give_up = problem is not None and job.attempts >= _ATTEMPTS
        # What was taken is safe whether he knows it or not, and whoever asked with a Ping sees that no Pong came.
        matters = row.kind == Kind.BUSINESS and row.state is MessageState.REFUSED
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what="answer.posted" if problem is None else "answer.not_posted",
            outcome="ok" if problem is None else "failed" if give_up else "waiting",
            detail=detail | ({"reason": problem} if problem else {}),
        )
        if problem is None or (give_up and not matters):
            finish_job(tx, job, at=now)
        elif give_up:
            bury_job(tx, job, reason=problem, at=now)
        else:
            due = now + timedelta(seconds=2.0**job.attempts)
            retry_job(tx, job, due=due, reason=problem, at=now)
        healed = problem is None and end_given_up(tx, kind=KIND, subject_key=row.key, at=now)
        if healed or (give_up and matters):
            settle_exchange(tx, row.exchange, at=now)

    await bridge.store.write(work)
    metrics.answer_posted(partner_named(bridge, row.from_party), good=problem is None)
    if problem:
        note_partner_failure(bridge, row.from_party, problem)
        _log.warning("answer.not_posted", message_id=row.message_id, attempt=job.attempts, reason=problem)
    else:
        _log.info("answer.posted", message_id=row.message_id, attempt=job.attempts)


def _load_answer(tx: Connection, job: Job) -> tuple[MessageRow, Evidence, Content]:
    row = get_message(tx, job.subject_key)
    answer = evidence_of(tx, row.key, kind=EvidenceKind.ANSWER)[0]
    return row, answer, spool_blob(tx, answer.blob, threshold=1024 * 1024)


def _route(bridge: Bridge, row: MessageRow) -> Route:
    """To the endpoint of the original sender's channel for this signal (section 6.4). Raises ConfigError."""
    agreement = bridge.agreements.find(row.cpa_id, bridge.now())
    named = agreement.parties if agreement else ()
    sender = next((p for p in named if any(i.value == row.from_party for i in p.party_ids)), None)
    if agreement is None or sender is None:
        raise ConfigError([f"CPA {row.cpa_id} is no longer there, or no longer with {row.from_party}"])
    receiver = agreement.other_party(sender)
    terms = signal_terms(
        agreement,
        acknowledging=Party(party_ids=receiver.party_ids),
        original_sender=Party(party_ids=sender.party_ids),
        action=_answering_action(row),
    )
    own = bridge.own_identity(Party(party_ids=receiver.party_ids))
    if own is None:
        raise ConfigError([f"{row.to_party} is no own party any more"])
    return route_to(
        bridge,
        bridge.partner(Party(party_ids=sender.party_ids)),
        own=own,
        url=terms.endpoint_url,
        client_certificate=terms.client_certificate,
        server_certificate=terms.server_certificate,
    )


def _answering_action(row: MessageRow) -> Kind:
    if row.state is MessageState.REFUSED:
        return Kind.MESSAGE_ERROR
    answers = {Kind.PING: Kind.PONG, Kind.STATUS_REQUEST: Kind.STATUS_RESPONSE}
    return answers.get(Kind(row.kind), Kind.ACKNOWLEDGMENT)


# --- signals of partners


async def take_signal(
    bridge: Bridge, received: Received, crypto: CryptoOutcome, *, raw: BinaryIO, headers: HeaderBlock
) -> Sealed | None:
    """Do what a signal means that came by POST. Gives the answer that a Ping or StatusRequest deserves.

    Raises SoapFault for a signal about a message that was never sent.
    """
    found = await bridge.store.read(lambda tx: find_sent(tx, received.message))
    facts = None if found is None else describe_sent(*found)
    verdict = judgement.judge_signal(received, facts, crypto=crypto)
    match verdict:
        case judgement.UnknownReference(fault=fault):
            raise fault
        case judgement.AnswerPing():
            return write_unsigned(
                make_pong(received.message, message_id=MessageId(bridge.new_local_id()), now=bridge.now())
            )
        case judgement.AnswerStatus(about=about):
            return await _answer_status(bridge, received.message, about)
        case _:
            assert found is not None, "every other judgement is about a message of ours"
            raw.seek(0)
            octets = raw.read()
            if isinstance(verdict, Ignore) and not _is_between(received.message, facts):
                _log_ignored(received.message, verdict.reason)
            else:
                await settle(bridge, found[0], verdict, octets=octets, headers=headers)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rider:
    """What the Acknowledgment says that rides on a business message, of which message of ours."""

    row: MessageRow
    verdict: Verdict
    octets: bytes = field(repr=False)


async def judge_rider(bridge: Bridge, received: Received, crypto: CryptoOutcome) -> Rider | None:
    """What rides on a business message that is going to be accepted; None when nothing does that counts.

    It never refuses that message, and counts only in the transaction that accepts it (`keep_rider`): so neither is
    there without the other, and a repeat of the message does not bring it again.
    """
    acknowledgment = received.message.acknowledgment
    if acknowledgment is None:
        return None
    about = acknowledgment.ref_to_message_id
    found = await bridge.store.read(lambda tx: find_sent_as(tx, about))
    facts = None if found is None else describe_sent(*found)
    verdict = judgement.judge_rider(received, facts, crypto=crypto)
    if isinstance(verdict, judgement.UnknownReference):
        _log_ignored(received.message, verdict.fault.text)
        return None
    if isinstance(verdict, Ignore) and not _is_between(received.message, facts):
        _log_ignored(received.message, verdict.reason)
        return None
    assert found is not None, "every other judgement is about a message of ours"
    return Rider(row=found[0], verdict=verdict, octets=received.envelope_octets)


def keep_rider(tx: Connection, rider: Rider, *, at: datetime) -> Effect:
    """Settle our message, in the transaction that keeps the message on which the rider came."""
    return keep_verdict(tx, rider.row.key, rider.verdict, octets=rider.octets, headers=_ENVELOPE_ALONE, at=at)


def _log_ignored(message: Message, reason: str) -> None:
    _log.warning(IGNORED, message_id=message.header.message_id, reason=reason)


_ENVELOPE_ALONE = (("Content-Type", "text/xml"),)
"""Evidence of a receipt that rides along; the whole message is evidence of itself."""


def _is_between(message: Message, sent: judgement.SentMessage | None) -> bool:
    """Whether the signal comes from the party that the message went to: no other may leave traces at it."""
    header = message.header
    return (
        sent is not None
        and header.cpa_id == sent.cpa_id
        and set(header.from_party.party_ids) <= set(sent.to_party_ids)
    )


async def _answer_status(bridge: Bridge, request: Message, about: MessageId) -> Sealed:
    rows = await bridge.store.read(lambda tx: find_by_message_id(tx, about, direction=Direction.IN))
    known = next((row for row in rows if row.state is not MessageState.REFUSED), None)
    partner = bridge.partner(request.header.from_party)
    asker = {party_id.value for party_id in request.header.from_party.party_ids}
    asker |= {partner.party_id} if partner else set()
    if known is None:
        status, received_at = "NotRecognized", None
    elif known.cpa_id != request.header.cpa_id or known.from_party not in asker:
        status, received_at = "UnAuthorized", None
    else:
        status = "Processed" if known.state in (MessageState.MAPPED, MessageState.REPEATED) else "Received"
        received_at = known.at
    return write_unsigned(
        make_status_response(
            request,
            message_status=status,
            message_id=MessageId(bridge.new_local_id()),
            now=bridge.now(),
            received_at=received_at,
        )
    )
