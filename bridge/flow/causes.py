"""What needs a person, grouped by cause: the same reason, at the same partner, for the same kind of exchange.

Ids and numbers in a reason differ from message to message; they do not make another cause.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.exchange import RESEND_OF
from bridge.flow.mend import Actor, Mended, release, replay, resend, retry_event
from bridge.ids import Key
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import EventState, Exchange, ExchangeState, MessageState

MOST = 3000
"""So many exchanges are looked at, the newest; more than that need attention of another kind."""

_BATCH = 500
_VARYING = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{4,}|\S+@\S+|\b\d{3,}\b|\[\d+\]|\b\d{4}-\d\d-\d\d\S*"
)
_CODE = re.compile(r"^(M\d{3}|SOH-\d+|DK-\d+|[A-Z][A-Za-z]{3,}(?=[: ])|FUNCTIONEEL|TECHNISCH)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`id` stays the same for the same cause; `text` is the reason without what varies."""

    id: str
    partner: str
    title: str
    text: str
    code: str
    count: int
    oldest: datetime
    newest: datetime
    sample: Key
    more: bool = False
    """There are more exchanges than were looked at."""


def cause_of(exchange: Exchange) -> tuple[str, str]:
    """The id of the cause of one exchange, and its reason without what varies."""
    text = _VARYING.sub("…", exchange.reason or "")[:300]
    parts = "|".join((exchange.partner, exchange.title, text))
    return hashlib.sha256(parts.encode()).hexdigest()[:10], text


def list_causes(tx: Connection) -> tuple[Cause, ...]:
    """Every cause, the one with the most exchanges first."""
    found: dict[str, Cause] = {}
    seen = 0
    for exchange in _attention(tx):
        seen += 1
        id, text = cause_of(exchange)
        known = found.get(id)
        if known is None:
            code = _CODE.match(text)
            found[id] = Cause(
                id=id,
                partner=exchange.partner,
                title=exchange.title,
                text=text,
                code=code[0] if code else "",
                count=1,
                oldest=exchange.started_at,
                newest=exchange.started_at,
                sample=exchange.key,
            )
        else:
            found[id] = replace(known, count=known.count + 1, oldest=exchange.started_at)
    causes = sorted(found.values(), key=lambda cause: (-cause.count, cause.oldest))
    return tuple(replace(cause, more=seen >= MOST) for cause in causes)


def exchanges_of(tx: Connection, cause: str, *, limit: int) -> tuple[Exchange, ...]:
    """The exchanges of one cause, oldest first: so that mending keeps the order in which they came."""
    found = [exchange for exchange in _attention(tx) if cause_of(exchange)[0] == cause]
    return tuple(found[::-1][:limit])


def _attention(tx: Connection) -> Iterable[Exchange]:
    """Newest first, up to the bound."""
    before: Key | None = None
    for _ in range(MOST // _BATCH):
        rows = list_exchanges(tx, ExchangeFilter(state=ExchangeState.ATTENTION), before=before, limit=_BATCH)
        yield from rows
        if len(rows) < _BATCH:
            return
        before = rows[-1].key


async def mend_exchange(bridge: Bridge, exchange: Key, *, dry_run: bool, by: Actor, reason: str) -> Mended:
    """Whatever brings the exchange further: replay what is parked, send, offer or compose again what stopped.

    What was refused on the way in cannot be mended here; then nothing is done and the effects are empty.
    """
    messages, events = await bridge.store.read(
        lambda tx: (
            list_messages(tx, MessageFilter(exchange=exchange), limit=100),
            list_events(tx, EventFilter(exchange=exchange), limit=100),
        )
    )
    replaced = {event.causation_id for event in events}
    resent = {message.values.get(RESEND_OF) for message in messages}
    steps: list[Callable[[], Awaitable[Mended]]] = []
    for message in messages:
        if message.state in (MessageState.PARKED, MessageState.OVERDUE):
            steps.append(partial(replay, bridge, message.key, dry_run=dry_run, by=by, reason=reason))
        elif (
            message.state in (MessageState.FAILED, MessageState.EXPIRED) and message.message_id not in resent
        ):
            steps.append(partial(resend, bridge, message.key, dry_run=dry_run, by=by, reason=reason))
    for event in events:
        if event.id in replaced:
            continue
        if event.state in (EventState.ERROR, EventState.REFUSED):
            steps.append(partial(retry_event, bridge, event.key, dry_run=dry_run, by=by, reason=reason))
        elif event.state is EventState.QUARANTINED:
            steps.append(partial(release, bridge, event.key, dry_run=dry_run, by=by, reason=reason))
    ends = [await step() for step in steps]
    done = bool(ends) and all(end.done for end in ends)
    return Mended(done=done, effects=tuple(effect for end in ends for effect in end.effects))
