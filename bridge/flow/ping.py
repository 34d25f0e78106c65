"""Asking a partner's MSH whether it is there (Ping), and what became of a message (StatusRequest).

Both are kept as messages of ours, so that the answer finds them when it comes by a POST of its own, at whichever
process it comes in.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy.engine import Connection

from bridge.config import PartnerSettings
from bridge.ebms import signals as judgement
from bridge.ebms.answers import make_ping, make_status_request
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import SignalTerms, sender_verification, signal_terms
from bridge.ebms.model import Message, Party, PartyId
from bridge.ebms.read import read_message
from bridge.ebms.write import read_fault
from bridge.errors import ConfigError, PeerUnreachable, SoapFault
from bridge.flow.bridge import Bridge, OwnIdentity, PostAnswer
from bridge.flow.route import route_to
from bridge.flow.seal import Sealed, write_headers
from bridge.flow.sent import describe_sent, find_sent
from bridge.flow.settle import settle
from bridge.flow.signal import write_unsigned
from bridge.flow.unseal import unseal
from bridge.ids import ConversationId, Key, MessageId
from bridge.log import get_logger
from bridge.store.blobs import put_blob
from bridge.store.exchanges import open_exchange
from bridge.store.messages import add_evidence, add_message, get_message, set_message_state
from bridge.store.rows import (
    Direction,
    Evidence,
    EvidenceKind,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    MessageState,
)
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

PATIENCE = timedelta(seconds=10)
"""How long an answer by a POST of its own is awaited."""

_LOOK_EVERY = 0.05

_log = get_logger()


class Reached(StrEnum):
    """How far a question got."""

    ANSWERED = "answered"
    TAKEN = "taken"
    """The partner took it, and no answer came in time. Ping and Status are optional services."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of a Ping or StatusRequest. `status` is the messageStatus that the partner gave."""

    reached: Reached
    message_id: MessageId
    cpa_id: str
    reason: str = ""
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    own: OwnIdentity
    partner: PartnerSettings
    agreement: Agreement
    message: Message
    sealed: Sealed
    row: MessageRow


async def ping(bridge: Bridge, partner: PartnerSettings, *, within: timedelta = PATIENCE) -> Asked:
    """Send a Ping under an agreement with the partner, and wait for the Pong.

    Raises ConfigError when there is no agreement in force with it.
    """
    own, agreement = _agreement_with(bridge, partner)
    message = make_ping(
        _terms(own, partner, agreement, "Ping"),
        cpa_id=agreement.cpa_id,
        conversation_id=ConversationId(str(bridge.new_uuid())),
        message_id=_new_id(bridge),
        now=bridge.now(),
    )
    return await _ask(bridge, own, partner, agreement, message, within)


async def ask_status(bridge: Bridge, about: Key, *, within: timedelta = PATIENCE) -> Asked:
    """Ask a partner what became of a message of ours; `about` is its key.

    Raises ConfigError when the partner or the agreement is no longer there.
    """
    row = await bridge.store.read(lambda tx: get_message(tx, about))
    partner = next((p for p in bridge.settings.partners if p.party_id == row.to_party), None)
    if partner is None or row.direction is not Direction.OUT:
        raise ConfigError([f"message {row.message_id} did not go to a partner of the settings"])
    own, agreement = _agreement_with(bridge, partner, cpa_id=row.cpa_id)
    message = make_status_request(
        _terms(own, partner, agreement, "StatusRequest"),
        row.message_id,
        cpa_id=agreement.cpa_id,
        conversation_id=row.conversation_id,
        message_id=_new_id(bridge),
        now=bridge.now(),
    )
    return await _ask(bridge, own, partner, agreement, message, within)


async def _ask(
    bridge: Bridge,
    own: OwnIdentity,
    partner: PartnerSettings,
    agreement: Agreement,
    message: Message,
    within: timedelta,
) -> Asked:
    question = _Question(
        own=own,
        partner=partner,
        agreement=agreement,
        message=message,
        sealed=write_unsigned(message),
        row=_row(bridge, own, partner, message),
    )
    await bridge.store.write(lambda tx: _keep(tx, question))
    asked = await _post(bridge, question, within)
    _log.info(
        "request.asked", message_id=asked.message_id, action=message.header.action, outcome=asked.reached
    )
    return asked


async def _post(bridge: Bridge, question: _Question, within: timedelta) -> Asked:
    terms = _terms(question.own, question.partner, question.agreement, question.message.header.action)
    try:
        route = route_to(
            bridge,
            question.partner,
            own=question.own,
            url=terms.endpoint_url,
            client_certificate=terms.client_certificate,
            server_certificate=terms.server_certificate,
        )
        answer = await bridge.post(route, question.sealed.headers, question.sealed.content)
    except (PeerUnreachable, ConfigError) as error:
        return await _end(bridge, question, Reached.UNREACHABLE, str(error))
    fault = read_fault(answer.body) if answer.body.strip() else None
    if fault is not None or not 200 <= answer.status < 300:
        reason = f"HTTP {answer.status}" + (f": {fault[1]}" if fault else "")
        return await _end(bridge, question, Reached.REFUSED, reason)
    await _take_answer(bridge, question, answer)
    return await _await_answer(bridge, question, within)


async def _take_answer(bridge: Bridge, question: _Question, answer: PostAnswer) -> None:
    """An answer in the HTTP response does what it would do by a POST of its own."""
    if not answer.body.strip():
        return
    try:
        received = read_message(answer.headers, answer.body)
    except SoapFault:
        return
    verification = sender_verification(
        question.agreement,
        sender=question.message.header.to_party,
        action=received.message.header.action,
    )
    _, crypto = unseal(bridge, received, own=None, verification=verification, encryption=None)
    found = await bridge.store.read(lambda tx: find_sent(tx, received.message))
    facts = describe_sent(*found) if found else None
    verdict = judgement.judge_signal(received, facts, crypto=crypto, in_response=True)
    if isinstance(verdict, judgement.AnswersRequest) and crypto.signature_error is None:
        await settle(bridge, question.row, verdict, octets=answer.body, headers=answer.headers)


async def _await_answer(bridge: Bridge, question: _Question, within: timedelta) -> Asked:
    loop = asyncio.get_running_loop()
    until = loop.time() + within.total_seconds()
    while True:
        row = await bridge.store.read(lambda tx: get_message(tx, question.row.key))
        if row.state is MessageState.ACKNOWLEDGED:
            return _asked(question, Reached.ANSWERED, status=row.reason)
        if loop.time() >= until:
            return await _end(bridge, question, Reached.TAKEN, "the partner took it, and no answer came")
        await asyncio.sleep(_LOOK_EVERY)


async def _end(bridge: Bridge, question: _Question, reached: Reached, reason: str) -> Asked:
    now, row = bridge.now(), question.row
    state = MessageState.EXPIRED if reached is Reached.TAKEN else MessageState.FAILED

    def work(tx: Connection) -> None:
        set_message_state(tx, row.key, state, at=now, reason=reason)
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what="request.not_answered",
            outcome="failed",
            detail={"message_id": row.message_id, "reason": reason},
        )

    await bridge.store.write(work)
    return _asked(question, reached, reason=reason)


def _asked(question: _Question, reached: Reached, *, reason: str = "", status: str | None = None) -> Asked:
    return Asked(
        reached=reached,
        message_id=question.row.message_id,
        cpa_id=question.agreement.cpa_id,
        reason=reason,
        status=status,
    )


def _keep(tx: Connection, question: _Question) -> None:
    row = question.row
    open_exchange(
        tx,
        Exchange(
            key=row.exchange,
            direction=ExchangeDirection.TO_PARTNER,
            started_at=row.at,
            changed_at=row.at,
            partner=row.to_party,
            title=row.action,
            state=ExchangeState.DONE,
            conversation_id=row.conversation_id,
        ),
    )
    add_message(tx, row)
    with question.sealed.content.open() as stream:
        blob, _ = put_blob(tx, stream)
    add_evidence(
        tx,
        Evidence(
            message=row.key,
            kind=EvidenceKind.SENT,
            headers=write_headers(question.sealed.headers),
            blob=blob,
            at=row.at,
        ),
    )
    add_step(
        tx,
        exchange=row.exchange,
        at=row.at,
        side="ebms",
        what="request.sent",
        outcome="waiting",
        detail={"message_id": row.message_id, "action": row.action},
    )


def _row(bridge: Bridge, own: OwnIdentity, partner: PartnerSettings, message: Message) -> MessageRow:
    header, now = message.header, bridge.now()
    return MessageRow(
        key=bridge.new_key(),
        exchange=bridge.new_key(),
        direction=Direction.OUT,
        kind=message.kind,
        message_id=header.message_id,
        conversation_id=header.conversation_id,
        cpa_id=header.cpa_id,
        from_party=own.party_id.value,
        to_party=partner.party_id,
        service=header.service.value,
        action=header.action,
        state=MessageState.WAITING,
        at=now,
        changed_at=now,
    )


def _agreement_with(
    bridge: Bridge, partner: PartnerSettings, *, cpa_id: str | None = None
) -> tuple[OwnIdentity, Agreement]:
    """An agreement in force between one of the own parties and the partner. Raises ConfigError."""
    now = bridge.now()
    theirs = PartyId(value=partner.party_id, type=partner.party_id_type)
    for agreement in bridge.agreements.agreements:
        party = agreement.find_party((theirs,))
        if party is None or not agreement.is_active(now) or cpa_id not in (None, agreement.cpa_id):
            continue
        own = bridge.own_identity(Party(party_ids=agreement.other_party(party).party_ids))
        if own is not None:
            return own, agreement
    raise ConfigError([f"there is no agreement in force with {partner.name}"])


def _terms(own: OwnIdentity, partner: PartnerSettings, agreement: Agreement, action: str) -> SignalTerms:
    return signal_terms(
        agreement,
        acknowledging=Party(party_ids=(own.party_id,)),
        original_sender=Party(party_ids=(PartyId(value=partner.party_id, type=partner.party_id_type),)),
        action=action,
    )


def _new_id(bridge: Bridge) -> MessageId:
    return MessageId(f"{bridge.new_uuid()}@{bridge.message_id_domain}")
