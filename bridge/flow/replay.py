"""Replay: a stored message through the mapping of now.

What was published is a fact and stays. A replay offers what was never accepted, and what was published only when
that is asked for: as a new event, with `causationid` naming the one that it follows (SOH-04, SOH-74). An event that
the hub has is left alone. Nothing is stored unless the message and its events are still as they were looked at.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field, replace

from sqlalchemy.engine import Connection

from bridge.flow import order, references
from bridge.flow.answer import keep_answer, log_answer
from bridge.flow.bridge import Bridge
from bridge.flow.correlate import tie
from bridge.flow.exchange import live_events, settle_exchange
from bridge.flow.map import (
    Parked,
    Translated,
    event_row,
    keep_mapped,
    load_message,
    translate,
)
from bridge.flow.mend_model import (
    Actor,
    CannotMend,
    ChangedMeanwhile,
    Effect,
    EffectKind,
    Mended,
    check_reason,
    write_audit,
)
from bridge.flow.persons import persons_in_xml
from bridge.flow.references import Look, SeenMeanwhile, keep_held_back, log_held_back
from bridge.hub.event import Event as CloudEvent
from bridge.hub.reader import read_structured
from bridge.ids import EventId, Key
from bridge.log import get_logger
from bridge.mapping.differences import json_differences
from bridge.mapping.model import Fate
from bridge.store.answers import find_answer
from bridge.store.events import EventFilter, list_events
from bridge.store.messages import get_message, set_message_state
from bridge.store.resolutions import reopen_subject
from bridge.store.resources import find_resource
from bridge.store.rows import Direction, Event, EventState, Message, MessageState, Resource
from bridge.store.timeline import add_step, steps_of

_MOST = 1000
_MOST_DIFFERENCES = 50
_PUBLISHED = {EventState.OK}
_UNDER_WAY = {
    EventState.CREATED: EffectKind.QUEUED,
    EventState.OFFERED: EffectKind.UNDER_WAY,
    EventState.UNKNOWN: EffectKind.UNKNOWN,
}
_MADE_BY = {"message.mapped", "message.replayed"}

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A message, its first payload, and the newest event of each fact that was made of it."""

    message: Message
    payload: bytes | None = field(repr=False)
    events: tuple[Event, ...]

    @property
    def stamp(self) -> tuple[object, ...]:
        """Changes with everything that a plan depends on."""
        return (self.message.state, self.message.changed_at, tuple((e.key, e.state) for e in self.events))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    effects: tuple[Effect, ...]
    offers: tuple[tuple[CloudEvent, Event | None], ...] = ()
    """Events to offer, each with the one that it follows."""
    with_resource: bool = True


async def replay(
    bridge: Bridge,
    message_key: Key,
    *,
    dry_run: bool,
    by: Actor,
    reason: str,
    offer_again: bool = False,
) -> Mended:
    """Map a received message again. With `dry_run` only the difference is told.

    `offer_again` offers anew what was published already. One that waits for an earlier message of its conversation
    is let through. Raises CannotMend, NoSuchRow.
    """
    reason = reason if dry_run else check_reason(reason)
    found = await bridge.store.read(lambda tx: _find(tx, message_key))
    if found.message.state in order.WAITS_FOR_TURN:
        return await order.let_through(bridge, message_key, dry_run=dry_run, by=by, reason=reason)
    _check(found.message)
    outcome = await asyncio.to_thread(translate, bridge, found.message, found.payload)
    if isinstance(outcome, Parked):
        return await _still_parked(bridge, found, outcome, dry_run=dry_run, by=by, reason=reason)
    look = await references.look_up(bridge, found.message, outcome.mapped, outcome.content)
    if look.earlier is not None:
        return await _hold_back(bridge, found, outcome, look, dry_run=dry_run, by=by, reason=reason)
    outcome = replace(outcome, events=await tie(bridge, found.message, outcome.events))
    resource = await bridge.store.read(lambda tx: _latest(tx, outcome))
    plan = _plan(found, outcome, resource, offer_again=offer_again)
    given = await bridge.store.read(lambda tx: find_answer(tx, message_key))
    if given is not None and given.fate != Fate.HANDLED and plan.offers:
        told = Effect(kind=EffectKind.TOLD, title=given.fate, id=found.message.message_id)
        plan = replace(plan, effects=(*plan.effects, told))
    if dry_run:
        return Mended(done=False, effects=plan.effects)
    try:
        await _carry_out(bridge, found, outcome, plan, look, by=by, reason=reason)
    except SeenMeanwhile as error:
        raise ChangedMeanwhile(f"message {found.message.message_id}: {error}; look again") from error
    bridge.wake()
    return Mended(done=True, effects=plan.effects)


def _check(message: Message) -> None:
    if message.direction is not Direction.IN:
        raise CannotMend(f"message {message.message_id} went out; send it again instead of replaying it")
    if message.state is MessageState.REFUSED:
        raise CannotMend(f"message {message.message_id} was refused: its sender must send a good one")
    if message.state is MessageState.REPEATED:
        raise CannotMend(f"message {message.message_id} was {message.reason}: replay that one")
    if message.state is MessageState.RECEIVED:
        raise CannotMend(f"message {message.message_id} is not mapped yet; its job does that")


def _find(tx: Connection, key: Key) -> _Found:
    message, payload = load_message(tx, key)
    return _Found(message=message, payload=payload, events=_facts(tx, message))


def _facts(tx: Connection, message: Message) -> tuple[Event, ...]:
    """Of every event that was made of the message, and of what was offered instead of it, the newest; oldest first."""
    wanted = EventFilter(exchange=message.exchange, direction=Direction.OUT)
    events = list_events(tx, wanted, limit=_MOST)[::-1]
    made = {
        EventId(id)
        for step in steps_of(tx, message.exchange)
        if step.what in _MADE_BY
        for id in step.detail.get("events", "").split(", ")
    }
    for event in events:
        if event.causation_id in made:
            made.add(event.id)
    return tuple(event for event in live_events(events) if event.id in made)


def _latest(tx: Connection, outcome: Translated) -> Resource | None:
    draft = outcome.mapped.resource
    return find_resource(tx, draft.type, draft.id) if draft else None


def _plan(found: _Found, outcome: Translated, resource: Resource | None, *, offer_again: bool) -> _Plan:
    """Former and new events are paired by type, in their order."""
    former: dict[str, list[Event]] = defaultdict(list)
    for event in found.events:
        former[event.type].append(event)
    published = any(event.state in _PUBLISHED | _UNDER_WAY.keys() for event in found.events)
    effects: list[Effect] = []
    offers: list[tuple[CloudEvent, Event | None]] = []
    for made in outcome.events:
        old = former[made.type].pop(0) if former[made.type] else None
        kind = _kind(old, made, offer_again=offer_again, published=published)
        if kind in (EffectKind.OFFER, EffectKind.OFFER_AGAIN):
            offers.append((_following(made, old), old))
        effects.append(
            Effect(kind=kind, title=made.type, id=old.id if old else "", differences=_differences(old, made))
        )
    effects += [
        Effect(kind=EffectKind.GONE, title=old.type, id=old.id) for left in former.values() for old in left
    ]
    with_resource = True
    if outcome.mapped.resource is not None:
        about = _resource_effect(found.message, outcome, resource)
        with_resource = about.kind is not EffectKind.RESOURCE_NEWER
        effects.append(about)
    return _Plan(effects=tuple(effects), offers=tuple(offers), with_resource=with_resource)


def _kind(old: Event | None, made: CloudEvent, *, offer_again: bool, published: bool) -> EffectKind:
    if old is None:
        return EffectKind.OFFER if offer_again or not published else EffectKind.STAYS_CHANGED
    if old.state in _UNDER_WAY:
        return _UNDER_WAY[old.state]
    if old.state not in _PUBLISHED or offer_again:
        return EffectKind.OFFER_AGAIN
    return EffectKind.STAYS_CHANGED if _differences(old, made) else EffectKind.STAYS


def _following(made: CloudEvent, old: Event | None) -> CloudEvent:
    return made if old is None else replace(made, attributes={**made.attributes, "causationid": old.id})


def _differences(old: Event | None, made: CloudEvent) -> tuple[str, ...]:
    """Without the values, and without what differs between any two offers."""
    if old is None:
        return ()
    before = read_structured(old.body)
    names = ("type", "subject", "time")
    sides = [
        {**{name: str(event.attributes.get(name)) for name in names}, "data": event.data}
        for event in (before, made)
    ]
    return _masked(sides[0], sides[1])


def _resource_effect(message: Message, outcome: Translated, resource: Resource | None) -> Effect:
    draft = outcome.mapped.resource
    assert draft is not None
    if resource is None:
        return Effect(kind=EffectKind.RESOURCE, title=draft.type, id=draft.id)
    if resource.exchange > message.exchange:
        return Effect(kind=EffectKind.RESOURCE_NEWER, title=draft.type, id=draft.id)
    # Sorted and through JSON, as it was stored.
    made = json.loads(json.dumps({"body": draft.body, "levels": dict(draft.levels)}, sort_keys=True))
    differences = _masked(json.loads(resource.body), made)
    kind = EffectKind.RESOURCE if differences else EffectKind.RESOURCE_SAME
    return Effect(kind=kind, title=draft.type, id=draft.id, differences=differences)


def _masked(old: object, new: object) -> tuple[str, ...]:
    return tuple(d.masked() for d in json_differences(old, new))[:_MOST_DIFFERENCES]


async def _carry_out(
    bridge: Bridge, found: _Found, outcome: Translated, plan: _Plan, look: Look, *, by: Actor, reason: str
) -> None:
    now, message = bridge.now(), found.message
    persons = await asyncio.to_thread(persons_in_xml, found.payload)
    rows = [
        replace(event_row(bridge, message, event), causation_id=old.id if old else None)
        for event, old in plan.offers
    ]

    def work(tx: Connection) -> None:
        _check_unchanged(tx, found)
        references.claim(tx, look)
        reopen_subject(tx, message.key)
        keep_mapped(
            tx,
            bridge,
            message,
            outcome,
            rows,
            persons=persons,
            at=now,
            with_resource=plan.with_resource,
        )
        ids = ", ".join(row.id for row in rows)
        add_step(
            tx,
            exchange=message.exchange,
            at=now,
            side="bridge",
            what="message.replayed",
            outcome="ok",
            detail={"mapping": outcome.mapping, "events": ids, "reason": reason},
            by=by.name,
        )
        write_audit(
            tx, bridge, by, "message.replayed", message.key, reason, mapping=outcome.mapping, events=ids
        )
        settle_exchange(tx, message.exchange, at=now)

    await bridge.store.write(work)
    _log.info("message.replayed", message_id=message.message_id, mapping=outcome.mapping, events=len(rows))


async def _hold_back(
    bridge: Bridge, found: _Found, outcome: Translated, look: Look, *, dry_run: bool, by: Actor, reason: str
) -> Mended:
    """It can be mapped now, and turns out to have a number that was used meanwhile.

    Only a message that waits can be so: one that was mapped has claimed its number.
    """
    message, now = found.message, bridge.now()
    kind = EffectKind.PASSED_OVER if look.same else EffectKind.STOPS
    effect = Effect(kind=kind, title=message.action, id=message.message_id, reason=look.reason)
    if dry_run or message.state is not MessageState.PARKED:
        return Mended(done=False, effects=(effect,))
    reply = await references.reply_to(bridge, message, outcome.mapped, outcome.mapping, look)

    def work(tx: Connection) -> bool:
        _check_unchanged(tx, found)
        keep_held_back(
            tx,
            message,
            look,
            mapped=outcome.mapped,
            mapping=outcome.mapping,
            subject=outcome.subject,
            at=now,
            by=by.name,
        )
        told = keep_answer(tx, reply, at=now)
        write_audit(tx, bridge, by, "message.held_back", message.key, reason)
        settle_exchange(tx, message.exchange, at=now)
        return told

    log_answer(bridge, reply, kept=await bridge.store.write(work))
    log_held_back(bridge, message, look)
    return Mended(done=look.same, effects=(effect,))


async def _still_parked(
    bridge: Bridge, found: _Found, outcome: Parked, *, dry_run: bool, by: Actor, reason: str
) -> Mended:
    """The mapping of now does not take it either. What was published of it stays as it is."""
    message, now = found.message, bridge.now()
    effect = Effect(kind=EffectKind.STOPS, title=message.action, id=message.message_id, reason=outcome.reason)

    def work(tx: Connection) -> None:
        _check_unchanged(tx, found)
        set_message_state(tx, message.key, MessageState.PARKED, at=now, reason=outcome.reason)
        add_step(
            tx,
            exchange=message.exchange,
            at=now,
            side="bridge",
            what="message.parked",
            outcome="failed",
            detail={"message_id": message.message_id, "reason": outcome.reason},
            by=by.name,
        )
        write_audit(tx, bridge, by, "message.replay_failed", message.key, reason)
        settle_exchange(tx, message.exchange, at=now)

    if not dry_run and message.state is MessageState.PARKED:
        await bridge.store.write(work)
    return Mended(done=False, effects=(effect,))


def _check_unchanged(tx: Connection, found: _Found) -> None:
    message = get_message(tx, found.message.key)
    now = _Found(message=message, payload=None, events=_facts(tx, message))
    if now.stamp != found.stamp:
        raise ChangedMeanwhile(f"message {message.message_id} changed meanwhile; look again")
