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
from bridge.ebms.answers import make_ping, make_status_request
from bridge.ebms.cpa_resolve import SignalTerms, signal_terms
from bridge.ebms.model import Message, Party, PartyId
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge
from bridge.flow.once import Line, NotReached, NotTaken, post_once
from bridge.flow.seal import Sealed, write_headers
from bridge.flow.signal import write_unsigned
from bridge.ids import ConversationId, Key, MessageId
from bridge.log import get_logger
from bridge.store.blobs import put_blob
from bridge.store.exchanges import open_exchange, set_exchange
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

QUESTIONS = frozenset({"Ping", "StatusRequest"})
"""Actions of messages between the two MSHs themselves: the hub has no part in them."""

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
    line: Line
    terms: SignalTerms
    sealed: Sealed
    row: MessageRow


async def ping(bridge: Bridge, partner: PartnerSettings, *, within: timedelta = PATIENCE) -> Asked:
    """Send a Ping under an agreement with the partner, and wait for the Pong.

    Raises ConfigError when there is no agreement in force with it.
    """
    line = _line_to(bridge, partner)
    terms = _terms(line, "Ping")
    message = make_ping(
        terms,
        cpa_id=line.agreement.cpa_id,
        conversation_id=ConversationId(str(bridge.new_uuid())),
        message_id=MessageId(bridge.new_local_id()),
        now=bridge.now(),
    )
    return await _ask(bridge, line, terms, message, within)


async def ask_status(bridge: Bridge, about: Key, *, within: timedelta = PATIENCE) -> Asked:
    """Ask a partner what became of a message of ours; `about` is its key.

    Raises ConfigError when the partner or the agreement is no longer there.
    """
    row = await bridge.store.read(lambda tx: get_message(tx, about))
    partner = next((p for p in bridge.settings.partners if p.party_id == row.to_party), None)
    if partner is None or row.direction is not Direction.OUT:
        raise ConfigError([f"message {row.message_id} did not go to a partner of the settings"])
    line = _line_to(bridge, partner, cpa_id=row.cpa_id)
    terms = _terms(line, "StatusRequest")
    message = make_status_request(
        terms,
        row.message_id,
        cpa_id=line.agreement.cpa_id,
        conversation_id=row.conversation_id,
        message_id=MessageId(bridge.new_local_id()),
        now=bridge.now(),
    )
    return await _ask(bridge, line, terms, message, within)


async def _ask(bridge: Bridge, line: Line, terms: SignalTerms, message: Message, within: timedelta) -> Asked:
    row = _row(bridge, line, message)
    question = _Question(line=line, terms=terms, sealed=write_unsigned(message), row=row)
    await bridge.store.write(lambda tx: _keep(tx, question))
    asked = await _post(bridge, question, within)
    _log.info(
        "request.asked", message_id=asked.message_id, action=message.header.action, outcome=asked.reached
    )
    return asked


async def _post(bridge: Bridge, question: _Question, within: timedelta) -> Asked:
    match await post_once(bridge, question.line, question.terms, question.row, question.sealed):
        case NotReached(reason=reason):
            return await _end(bridge, question, Reached.UNREACHABLE, reason)
        case NotTaken(reason=reason):
            return await _end(bridge, question, Reached.REFUSED, reason)
        case None:
            return await _await_answer(bridge, question, within)


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
        # Whoever asked sees it: it asks for nobody's attention, and it did not go well either.
        set_exchange(tx, row.exchange, state=ExchangeState.DONE, reason=reason, at=now)
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
        cpa_id=question.line.agreement.cpa_id,
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


def _row(bridge: Bridge, line: Line, message: Message) -> MessageRow:
    header, now = message.header, bridge.now()
    return MessageRow(
        key=bridge.new_key(),
        exchange=bridge.new_key(),
        direction=Direction.OUT,
        kind=message.kind,
        message_id=header.message_id,
        conversation_id=header.conversation_id,
        cpa_id=header.cpa_id,
        from_party=line.own.party_id.value,
        to_party=line.partner.party_id,
        service=header.service.value,
        action=header.action,
        state=MessageState.WAITING,
        at=now,
        changed_at=now,
    )


def _line_to(bridge: Bridge, partner: PartnerSettings, *, cpa_id: str | None = None) -> Line:
    """Under an agreement in force between one of the own parties and the partner. Raises ConfigError."""
    now = bridge.now()
    theirs = PartyId(value=partner.party_id, type=partner.party_id_type)
    for agreement in bridge.agreements.agreements:
        party = agreement.find_party((theirs,))
        if party is None or not agreement.is_active(now) or cpa_id not in (None, agreement.cpa_id):
            continue
        own = bridge.own_identity(Party(party_ids=agreement.other_party(party).party_ids))
        if own is not None:
            return Line(own=own, partner=partner, agreement=agreement)
    raise ConfigError([f"there is no agreement in force with {partner.name}"])


def _terms(line: Line, action: str) -> SignalTerms:
    theirs = PartyId(value=line.partner.party_id, type=line.partner.party_id_type)
    return signal_terms(
        line.agreement,
        acknowledging=Party(party_ids=(line.own.party_id,)),
        original_sender=Party(party_ids=(theirs,)),
        action=action,
    )
