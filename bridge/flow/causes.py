"""What needs a person, grouped by cause: the same reason, at the same partner, for the same kind of exchange.

Ids and numbers in a reason differ from message to message; they do not make another cause.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.exchange import live_events, live_messages
from bridge.flow.mend import Actor, Mended, release, replay, resend, retry_event
from bridge.ids import Key
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import Reason, reasons_for_attention
from bridge.store.keys import made_at
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import EventState, MessageState

MOST = 3000
"""So many exchanges are looked at, the newest; more than that need attention of another kind."""

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
    keys: tuple[Key, ...] = field(repr=False)
    """Of its exchanges, oldest first: so that mending keeps the order in which they came."""
    more: bool = False
    """There are more exchanges than were looked at."""

    @property
    def count(self) -> int:
        return len(self.keys)

    @property
    def oldest(self) -> datetime:
        return made_at(self.keys[0])

    @property
    def newest(self) -> datetime:
        return made_at(self.keys[-1])

    @property
    def sample(self) -> Key:
        return self.keys[-1]


def list_causes(tx: Connection) -> tuple[Cause, ...]:
    """Every cause, the one with the most exchanges first."""
    found: defaultdict[str, list[Reason]] = defaultdict(list)
    for reason in reasons_for_attention(tx, most=MOST):
        found[_id_of(reason)].append(reason)
    more = sum(len(reason.keys) for reasons in found.values() for reason in reasons) >= MOST
    causes = (_cause(id, reasons, more=more) for id, reasons in found.items())
    return tuple(sorted(causes, key=lambda cause: (-cause.count, cause.oldest)))


def keys_of(tx: Connection, cause: str, *, limit: int) -> tuple[Key, ...]:
    """Of the oldest exchanges of one cause; none when there is no such cause."""
    return next((one.keys[:limit] for one in list_causes(tx) if one.id == cause), ())


def _cause(id: str, reasons: Sequence[Reason], *, more: bool) -> Cause:
    text = _without_what_varies(reasons[0])
    code = _CODE.match(text)
    return Cause(
        id=id,
        partner=reasons[0].partner,
        title=reasons[0].title,
        text=text,
        code=code[0] if code else "",
        keys=tuple(sorted(key for reason in reasons for key in reason.keys)),
        more=more,
    )


def _id_of(reason: Reason) -> str:
    parts = "|".join((reason.partner, reason.title, _without_what_varies(reason)))
    return hashlib.sha256(parts.encode()).hexdigest()[:10]


def _without_what_varies(reason: Reason) -> str:
    return _VARYING.sub("…", reason.text)[:300]


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
    steps: list[Callable[[], Awaitable[Mended]]] = []
    for message in live_messages(messages):
        if message.state in (MessageState.PARKED, MessageState.OVERDUE):
            steps.append(partial(replay, bridge, message.key, dry_run=dry_run, by=by, reason=reason))
        elif message.state in (MessageState.FAILED, MessageState.EXPIRED):
            steps.append(partial(resend, bridge, message.key, dry_run=dry_run, by=by, reason=reason))
    for event in live_events(events):
        if event.state in (EventState.ERROR, EventState.REFUSED):
            steps.append(partial(retry_event, bridge, event.key, dry_run=dry_run, by=by, reason=reason))
        elif event.state is EventState.QUARANTINED:
            steps.append(partial(release, bridge, event.key, dry_run=dry_run, by=by, reason=reason))
    ends = [await step() for step in steps]
    done = bool(ends) and all(end.done for end in ends)
    return Mended(done=done, effects=tuple(effect for end in ends for effect in end.effects))
