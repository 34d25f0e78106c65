"""The technical answer to a message of a partner: how it fared, in the words of its own standard.

The mapping of the message says which answer goes back and when (`answers:`). It is composed and signed beforehand and
kept in the transaction that decides how the message fared, together with its delivery job: so it goes exactly once,
whatever is killed or done again. The first answer stands. What was told to the partner is not taken back when the
message is mended later: the partner may have acted on it, and two answers to one message contradict each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.config import PartnerSettings
from bridge.ebms.cpa_resolve import answering_terms
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import Octets, Part, Service
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.context import composing_context, own_named, partner_named
from bridge.flow.exchange import ANSWER_TO, live_events
from bridge.flow.outgoing import Outgoing, keep_outgoing, make_outgoing
from bridge.ids import CpaId, Key
from bridge.log import get_logger
from bridge.mapping.compose import compose_answer
from bridge.mapping.context import Answer, RefExchange, Rejected
from bridge.mapping.model import Fate
from bridge.mapping.program import Program
from bridge.store.answers import claim_answer, find_answer
from bridge.store.events import EventFilter, list_events
from bridge.store.holds import lock_exchange
from bridge.store.messages import MessageFilter, get_message, list_messages
from bridge.store.rows import Direction, Event, EventState, GivenAnswer, Message
from bridge.store.timeline import add_step

_MOST = 1000

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back for a message that fared so, ready to be kept; without `outgoing` the reason why nothing can."""

    to: Message
    fate: Fate
    outgoing: Outgoing | None = None
    reason: str = ""


async def answer_to_event(bridge: Bridge, event: Event, fate: Fate) -> Reply | None:
    """The answer to the message that an event was made of, if it fares so. None when nobody is to be told."""
    message = await bridge.store.read(lambda tx: _message_of(tx, event))
    return None if message is None else await answer_to(bridge, message, fate)


async def answer_to(
    bridge: Bridge, message: Message, fate: Fate, *, program: Program | None = None
) -> Reply | None:
    """The answer to a message, if it fares so. None when neither the mapping nor the partner asks for one.

    `program` is the mapping of the message, where that is not kept with it yet.
    """
    program = program or program_of(bridge, message)
    partner = partner_named(bridge, message.from_party)
    if program is None or partner is None or fate not in program.answers or not partner.technical_answers:
        return None
    if await bridge.store.read(lambda tx: find_answer(tx, message.key)) is not None:
        return Reply(to=message, fate=fate)
    return await asyncio.to_thread(_make, bridge, message, program, partner, fate)


def program_of(bridge: Bridge, message: Message) -> Program | None:
    """The mapping that handled a message, as it is now."""
    return None if message.mapping is None else bridge.mappings.named(message.mapping.partition("@")[0])


def keep_answer(tx: Connection, reply: Reply | None, *, at: datetime) -> bool:
    """Store the answer with its delivery job, or say on the timeline why there is none; whether one goes.

    In the transaction that decides how the message fared, before its exchange is settled.
    """
    if reply is None:
        return False
    lock_exchange(tx, reply.to.exchange)
    if reply.fate is Fate.HANDLED and not _all_ended_well(tx, reply.to.exchange):
        return False
    given = find_answer(tx, reply.to.key)
    if given is not None:
        if given.fate != reply.fate:
            _say_that_it_stands(tx, reply, given, at)
        return False
    outgoing = reply.outgoing
    if outgoing is None:
        _step(tx, reply, what="partner.not_told", outcome="info", at=at, reason=reply.reason)
        return False
    claim = GivenAnswer(message=reply.to.key, fate=reply.fate, answer=outgoing.row.key, at=at)
    claimed = claim_answer(tx, claim)
    assert claimed, "the exchange is locked, and nobody had answered"
    keep_outgoing(tx, outgoing)
    _step(
        tx,
        reply,
        what="partner.told",
        outcome="ok",
        at=at,
        message_id=outgoing.row.message_id,
        to_party=outgoing.row.to_party,
        mapping=outgoing.row.mapping or "",
    )
    return True


def log_answer(bridge: Bridge, reply: Reply | None, *, kept: bool) -> None:
    """After the commit."""
    if reply is None:
        return
    if kept and reply.outgoing is not None:
        row = reply.outgoing.row
        _log.info(
            "partner.told",
            message_id=row.message_id,
            ref_to_message_id=reply.to.message_id,
            outcome=reply.fate,
        )
        bridge.wake()
    elif reply.reason:
        _log.warning(
            "partner.not_told", message_id=reply.to.message_id, outcome=reply.fate, reason=reply.reason
        )


def answer_again(
    bridge: Bridge, message: Message, former: Message, parts: tuple[Part, ...], fate: Fate
) -> Reply:
    """The answer that a message got before, once more, for the repeat of it under another MessageId."""
    content = _Content(parts=parts, mapping=former.mapping or "", values=former.values)
    return _seal(bridge, message, fate, former.action, content)


def can_send(bridge: Bridge, message: Message, own: OwnIdentity, action: str) -> Terms | None:
    """The terms of the agreement of the message itself, since the answer is part of its conversation."""
    agreement = bridge.agreements.find(CpaId(message.cpa_id), bridge.now())
    if agreement is None:
        return None
    service = Service(value=message.service, type=message.service_type)
    return answering_terms(agreement, own=own.party_id, action=action, service=service, role=message.to_role)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """An answer without its envelope."""

    parts: tuple[Part, ...]
    mapping: str
    values: Mapping[str, str]


def _make(bridge: Bridge, message: Message, program: Program, partner: PartnerSettings, fate: Fate) -> Reply:
    name = program.answers[fate].text
    answering, own = bridge.mappings.named(name), own_named(bridge, message.to_party)
    number = message.values.get(program.reference.id, "") if program.reference else ""
    if answering is None or own is None:
        what = f"the mapping {name}" if own else f"the own party {message.to_party}"
        return Reply(to=message, fate=fate, reason=f"{what} is not there")
    if not number.strip():
        return Reply(to=message, fate=fate, reason="the message has no reference number to answer to")
    composed = compose_answer(
        answering,
        Answer(about=number, outcome=fate),
        ref=_ref(message),
        context=composing_context(bridge, own, partner),
    )
    if isinstance(composed, Rejected):
        return Reply(to=message, fate=fate, reason="; ".join(map(str, composed.findings)))
    part = Part(
        content_id=bridge.new_local_id(),
        content_type="text/xml",
        content=Octets(composed.payload),
    )
    content = _Content(parts=(part,), mapping=answering.label, values=composed.values)
    return _seal(bridge, message, fate, composed.action or "", content)


def _seal(bridge: Bridge, message: Message, fate: Fate, action: str, content: _Content) -> Reply:
    """Without a subject: an answer that cannot be delivered must not hold up the messages about its subject."""
    own, partner = own_named(bridge, message.to_party), partner_named(bridge, message.from_party)
    if own is None or partner is None:
        return Reply(to=message, fate=fate, reason="one of the two parties is not in the settings any more")
    terms = can_send(bridge, message, own, action)
    if terms is None:
        reason = f"agreement {message.cpa_id} lets {own.name} send no action {action}"
        return Reply(to=message, fate=fate, reason=reason)
    try:
        outgoing = make_outgoing(
            bridge,
            terms,
            own=own,
            exchange=message.exchange,
            parts=content.parts,
            conversation_id=message.conversation_id,
            ref_to_message_id=message.message_id if partner.refer_to_request else None,
            mapping=content.mapping,
            values={**content.values, ANSWER_TO: message.message_id},
        )
    except ConfigError as error:
        return Reply(to=message, fate=fate, reason=str(error))
    return Reply(to=message, fate=fate, outgoing=outgoing)


def _ref(message: Message) -> RefExchange:
    return RefExchange(
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        service=message.service,
        action=message.action,
        from_party=message.from_party,
        to_party=message.to_party,
        values=message.values,
    )


def _message_of(tx: Connection, event: Event) -> Message | None:
    """The one business message that came in and gave this event."""
    wanted = MessageFilter(exchange=event.exchange, direction=Direction.IN)
    found = [message for message in list_messages(tx, wanted, limit=2) if message.kind == "business"]
    return found[0] if len(found) == 1 else None


def _all_ended_well(tx: Connection, exchange: Key) -> bool:
    """Every event of the message, so far as it was not offered anew under another id, ended OK."""
    events = list_events(tx, EventFilter(exchange=exchange, direction=Direction.OUT), limit=_MOST)
    return all(event.state is EventState.OK for event in live_events(events))


def _say_that_it_stands(tx: Connection, reply: Reply, given: GivenAnswer, at: datetime) -> None:
    """The message fares otherwise than its sender was told; a person may have to tell it."""
    former = get_message(tx, given.answer)
    reason = f"its sender was told {given.fate} before; that answer stands, so tell it by other means"
    _step(
        tx,
        reply,
        what="partner.told_before",
        outcome="info",
        at=at,
        former_message_id=former.message_id,
        reason=reason,
    )


def _step(tx: Connection, reply: Reply, *, what: str, outcome: str, at: datetime, **detail: str) -> None:
    add_step(
        tx,
        exchange=reply.to.exchange,
        at=at,
        side="bridge",
        what=what,
        outcome=outcome,
        detail={**detail, "ref_to_message_id": reply.to.message_id, "told": reply.fate},
    )
