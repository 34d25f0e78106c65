"""A person refuses a message for good, and its sender is told in a technical answer of its own standard."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sqlalchemy.engine import Connection

from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.errors import PeerError
from bridge.flow.answer import Reply, answer_to, keep_answer, log_answer
from bridge.flow.bridge import Bridge
from bridge.flow.context import mapping_context
from bridge.flow.exchange import live_events
from bridge.flow.map import load_message
from bridge.flow.mend import resolve
from bridge.flow.mend_model import (
    Actor,
    CannotMend,
    ChangedMeanwhile,
    Effect,
    EffectKind,
    Mended,
    write_audit,
)
from bridge.ids import Key
from bridge.mapping.model import Fate
from bridge.mapping.run import Reading
from bridge.store.events import EventFilter, list_events
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Direction, EventState, Message, MessageState

_MOST = 1000
_REFUSED = {EventState.ERROR, EventState.REFUSED}


async def refuse(bridge: Bridge, exchange: Key, *, note: str, dry_run: bool, by: Actor) -> Mended:
    """Tell the sender that its message is not handled, and settle the exchange.

    Raises CannotMend when something of it was published, when nothing stopped, or when nobody can be told.
    """
    message, payload = await bridge.store.read(lambda tx: _stopped_message(tx, exchange))
    reply = await _reply(bridge, message, payload)
    assert reply.outgoing is not None
    row = reply.outgoing.row
    tell = Effect(kind=EffectKind.TELL, title=row.action, id=message.message_id)

    def within(tx: Connection) -> None:
        _stopped_message(tx, exchange)
        if not keep_answer(tx, reply, at=bridge.now()):
            raise ChangedMeanwhile(f"message {message.message_id} was answered meanwhile; look again")
        write_audit(tx, bridge, by, "message.rejected", message.key, note, answer=row.message_id)

    settled = await resolve(bridge, exchange, note=note, dry_run=dry_run, by=by, within=within)
    log_answer(bridge, reply, kept=settled.done)
    return Mended(done=settled.done, effects=(tell, *settled.effects))


async def may_refuse(bridge: Bridge, exchange: Key, *, by: Actor) -> bool:
    """Whether refusing would work now: somebody can be told."""
    try:
        await refuse(bridge, exchange, note="", dry_run=True, by=by)
    except CannotMend:
        return False
    return True


def _stopped_message(tx: Connection, exchange: Key) -> tuple[Message, bytes | None]:
    """The message that came in and of which nothing went on, with its payload."""
    wanted = MessageFilter(exchange=exchange, direction=Direction.IN)
    found = [m for m in list_messages(tx, wanted, limit=2) if m.kind == "business"]
    if len(found) != 1 or found[0].state is MessageState.REFUSED:
        raise CannotMend(f"exchange {exchange} holds no message of a partner that could be refused")
    events = list_events(tx, EventFilter(exchange=exchange, direction=Direction.OUT), limit=_MOST)
    if any(event.state not in _REFUSED for event in live_events(events)):
        raise CannotMend(f"message {found[0].message_id} was sent on to the hub, at least in part")
    if not events and found[0].state is not MessageState.PARKED:
        raise CannotMend(f"message {found[0].message_id} is {found[0].state}: there is nothing to refuse")
    return load_message(tx, found[0].key)


async def _reply(bridge: Bridge, message: Message, payload: bytes | None) -> Reply:
    """Raises CannotMend when there is no answer to give."""
    known = message if message.values else await asyncio.to_thread(_read_anyway, bridge, message, payload)
    reply = await answer_to(bridge, known, Fate.REJECTED)
    if reply is None:
        raise CannotMend(
            f"nobody is told: no mapping gives message {message.message_id} a technical answer when it is rejected, or "
            "the partner wants none; settle it, and tell its sender by other means"
        )
    if reply.outgoing is None:
        raise CannotMend(f"its sender cannot be told: {reply.reason or 'it was told how it fared before'}")
    return reply


def _read_anyway(bridge: Bridge, message: Message, payload: bytes | None) -> Message:
    """The message with what its mapping finds in it, although that rejects the whole."""
    try:
        root = parse_xml(payload or b"", limits=PAYLOAD_LIMITS)
    except PeerError:
        return message
    program = bridge.mappings.for_xml(
        str(root.tag), service=message.service, action=message.action, cpa_id=message.cpa_id
    )
    if program is None:
        return message
    reading = Reading(program, mapping_context(bridge, message))
    reading.run(root)
    return replace(message, mapping=program.label, values=reading.remembered())
