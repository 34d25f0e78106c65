"""An event that somebody offers to the bridge: `POST /events`, by webhook from a hub or by a migrated party itself.

It goes the same way as a pulled one: stored once on (source, id), then composed. So pull and webhook together give no
doubles. One transaction: the event, the job, and the interaction by which the offering party may follow it; 202 is
told after its commit. What became of it is worked out when it is asked for, from the states of what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy.engine import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.correlate import Request, find_answers, is_request
from bridge.flow.pull import keep_event
from bridge.hub.event import Absent, to_members
from bridge.hub.event import Event as CloudEvent
from bridge.hub.identity import OIN_PREFIX
from bridge.hub.json import Json, write_json
from bridge.hub.profile import Mode, accept_http
from bridge.hub.reader import Headers, read_structured
from bridge.hub.syntax import parse_timestamp
from bridge.ids import Key, Oin
from bridge.log import get_logger
from bridge.store.access import add_interaction, find_interaction, resources_of_exchange
from bridge.store.events import find_event, get_event
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Direction, Event, EventState, Interaction, Message, MessageState
from bridge.store.timeline import steps_of

_MOST = 1000

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The event is stored, now or before; it can be followed under this id."""

    interactie_id: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Another event has this source and id, or the sender used this id for another event."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYours:
    """The source belongs to another organisation than the one that offers."""


Offered: TypeAlias = Taken | Conflict | NotYours


class Fault(StrEnum):
    """Why an event came to nothing."""

    FUNCTIONAL = "FUNCTIONEEL"
    TECHNICAL = "TECHNISCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class InProgress:
    """Still under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """Everything that it asks for was delivered. `result` may say where the answer is."""

    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It came to nothing; a person at the bridge sees why. The text holds no internals."""

    fault: Fault
    text: str


Status: TypeAlias = InProgress | Succeeded | Failed


async def offer(bridge: Bridge, *, oin: Oin, any_source: bool, headers: Headers, body: bytes) -> Offered:
    """Take an event from this organisation. Raises EventRejected with every broken rule."""
    event, _ = accept_http(headers, body, Mode.RECEIVE, profile=bridge.profile)
    if not any_source and oin_of_source(event.source) != oin:
        return NotYours()
    now = bridge.now()

    def work(tx: Connection) -> Offered:
        is_new = keep_event(tx, bridge, event, now)
        row = find_event(tx, event.source, event.id)
        assert row is not None
        # Of an event whose body was purged only the id can be compared.
        if not is_new and row.body and not is_same(read_structured(row.body), event):
            return Conflict(text="an event with this source and id, and other content, was offered before")
        add_interaction(tx, Interaction(oin=oin, id=event.id, event=row.key, at=now))
        mine = find_interaction(tx, oin, event.id)
        if mine is None or mine.event != row.key:
            raise _IdTaken
        return Taken(interactie_id=event.id, is_new=is_new)

    try:
        outcome = await bridge.store.write(work)
    except _IdTaken:
        return Conflict(text="this id was used before for an event of another source")
    if isinstance(outcome, Taken):
        _log.info(
            "event.offered", event_id=event.id, oin=oin, outcome="new" if outcome.is_new else "duplicate"
        )
        bridge.wake()
    return outcome


def oin_of_source(source: str) -> str | None:
    """The OIN in a `source` of the form `urn:nld:oin:<oin>:…`."""
    rest = source.removeprefix(OIN_PREFIX)
    return None if rest == source else rest.partition(":")[0]


def is_same(one: CloudEvent, other: CloudEvent) -> bool:
    """Whether two events say the same, whatever the mode and the order they were written in."""
    return _canonical(one) == _canonical(other)


async def follow(bridge: Bridge, *, oin: Oin, interactie_id: str) -> Status | None:
    """What became of an event that this organisation offered; None: it offered none with this id (SOH-97)."""
    return await bridge.store.read(lambda tx: _follow(tx, bridge, oin, interactie_id))


class _IdTaken(Exception):
    """Rolls back: one sender, one interactieId, two events."""


def _canonical(event: CloudEvent) -> bytes:
    members: dict[str, Json] = dict(to_members(event))
    if "datacontenttype" not in members and not isinstance(event.data, Absent):
        members["datacontenttype"] = "application/json"
    for name in event.attributes:
        value = event.attributes[name]
        members[name] = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return write_json(_sorted(members))


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _follow(tx: Connection, bridge: Bridge, oin: Oin, interactie_id: str) -> Status | None:
    interaction = find_interaction(tx, oin, interactie_id)
    if interaction is None:
        return None
    event = get_event(tx, interaction.event)
    wanted = MessageFilter(exchange=event.exchange, direction=Direction.OUT)
    messages = list_messages(tx, wanted, limit=_MOST) if event.state is EventState.COMPOSED else ()
    status = judge(event, messages)
    if not isinstance(status, Succeeded) or not messages:
        return status
    asked = [Request(message=message, event=event) for message in messages]
    answers = {request.message.key: find_answers(tx, bridge, request) for request in asked}
    owed = [request for request in asked if is_request(bridge, request)]
    if owed:
        return _judge_requests(tx, bridge, event, owed, answers)
    return _answered(tx, bridge, answers)


def _judge_requests(
    tx: Connection,
    bridge: Bridge,
    event: Event,
    owed: Sequence[Request],
    answers: Mapping[Key, Sequence[Message]],
) -> Status:
    """A request is done when each partner that owes an answer gave one, whatever it says."""
    noted = [step for step in steps_of(tx, event.exchange) if step.what == "message.answered"]
    if any(step.outcome == "failed" for step in noted):
        return Failed(
            fault=Fault.FUNCTIONAL, text="Het systeem van de ontvanger heeft het verzoek niet aangenomen."
        )
    technical = {step.detail.get("answered_by") for step in noted}
    mapped = {
        key: [m for m in found if m.state is MessageState.MAPPED and m.message_id not in technical]
        for key, found in answers.items()
    }
    if all(mapped[request.message.key] for request in owed):
        return _answered(tx, bridge, mapped)
    expiry = read_structured(event.body).attributes.get("expirytime") if event.body else None
    moment = parse_timestamp(expiry) if isinstance(expiry, str) else None
    if moment is not None and moment <= bridge.now():
        return Failed(fault=Fault.TECHNICAL, text="De ontvanger heeft niet op tijd geantwoord.")
    return InProgress()


def judge(event: Event, messages: Sequence[Message]) -> Status:
    """The status that the states of an event and of the messages made from it come down to.

    An event that concerns no partner of this bridge is OK: it was taken, and nothing is left to do.
    """
    if event.state is EventState.QUARANTINED:
        return Failed(
            fault=Fault.FUNCTIONAL,
            text="De gebeurtenis kan niet worden verwerkt zoals zij is; een beheerder beoordeelt haar.",
        )
    if event.state is EventState.EXPIRED:
        return Failed(
            fault=Fault.TECHNICAL, text="De gebeurtenis is verlopen voordat zij kon worden afgeleverd."
        )
    if event.state is EventState.RECEIVED:
        return InProgress()
    states = {message.state for message in messages}
    if states & {MessageState.FAILED, MessageState.EXPIRED}:
        return Failed(
            fault=Fault.TECHNICAL, text="De gebeurtenis kon niet bij elke ontvanger worden afgeleverd."
        )
    if states <= {MessageState.ACKNOWLEDGED, MessageState.DELIVERED}:
        return Succeeded()
    return InProgress()


def _answered(tx: Connection, bridge: Bridge, answers: Mapping[Key, Sequence[Message]]) -> Succeeded:
    """With where the answers of the partners can be looked up, as far as they came and were mapped."""
    base = bridge.settings.inzage.base_url.rstrip("/")
    came = [answer for found in answers.values() for answer in found if answer.state is MessageState.MAPPED]
    urls = [
        f"{base}/{kind}/{id}" for answer in came for kind, id in resources_of_exchange(tx, answer.exchange)
    ]
    found = list(dict.fromkeys(urls))
    if not found:
        return Succeeded()
    return Succeeded(result={"inzageUrl": found[0]} if len(found) == 1 else {"inzageUrls": found})
