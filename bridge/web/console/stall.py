"""Why an exchange that runs does not go on: the endpoint that its next step goes to is paused or fails."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from bridge.config import Condition
from bridge.flow.conditions import seen_since
from bridge.store.channels import HUB, find_channel
from bridge.store.rows import Channel, Direction, EventState, ExchangeState, MessageState
from bridge.web.console.dossier import Dossier
from bridge.web.console.turn import Turn
from bridge.web.console.views import Lens, Moment

_TO_HUB = {EventState.CREATED, EventState.UNKNOWN, EventState.OFFERED}
_TO_PARTNER = {MessageState.CREATED, MessageState.WAITING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """`kind` is `paused` or `down`: the end of catalogue keys; `values` fill them in."""

    kind: str
    turn: Turn
    values: Mapping[str, object]
    reason: str
    until: Moment | None = None
    """Until when what waits for a partner is valid, where it is: after that waiting is no longer harmless."""
    endpoint: str = ""
    """A PartyId, or `HUB`."""
    since: Moment | None = None
    """Since when an alert knows that it fails."""
    late: bool = False
    """That moment is past: it is not sent any more as it is."""


def find_stall(tx: Connection, dossier: Dossier, lens: Lens) -> Stall | None:
    """None when the exchange does not wait for an endpoint in trouble."""
    if dossier.exchange.state is not ExchangeState.RUNNING:
        return None
    for endpoint in _endpoints(dossier):
        channel = find_channel(tx, endpoint)
        if channel is not None and (channel.paused or channel.failures):
            until = _valid_until(dossier, channel)
            return replace(
                _stall(channel, lens),
                until=lens.moment(until) if until else None,
                since=_seen_since(tx, channel, lens),
                late=until is not None and until <= lens.now,
                endpoint=channel.endpoint,
            )
    return None


def _seen_since(tx: Connection, channel: Channel, lens: Lens) -> Moment | None:
    condition = Condition.HUB_DOWN if channel.endpoint == HUB else Condition.PARTNER_DOWN
    at = None if channel.paused else seen_since(tx).get((condition, channel.endpoint))
    return lens.moment(at) if at else None


def _valid_until(dossier: Dossier, channel: Channel) -> datetime | None:
    """The earliest end of what waits for this partner."""
    waiting = (file.message for file in dossier.messages if file.message.direction is Direction.OUT)
    ends = [
        message.time_to_live
        for message in waiting
        if message.state in _TO_PARTNER and message.to_party == channel.endpoint and message.time_to_live
    ]
    return min(ends, default=None)


def _endpoints(dossier: Dossier) -> list[str]:
    """Where its next steps go."""
    sent = [file.message for file in dossier.messages if file.message.direction is Direction.OUT]
    partners = [message.to_party for message in sent if message.state in _TO_PARTNER]
    offered = any(e.direction is Direction.OUT and e.state in _TO_HUB for e in dossier.events)
    return [*partners, *([HUB] if offered else [])]


def _stall(channel: Channel, lens: Lens) -> Stall:
    is_hub = channel.endpoint == HUB
    name = lens.words("stall.hub") if is_hub else lens.name(channel.endpoint)
    if channel.paused:
        at = lens.moment(channel.changed_at)
        values = {"name": name, "who": lens.words.who(channel.paused_by or ""), "at": f"{at.day} {at.clock}"}
        return Stall(
            kind="paused",
            turn=Turn.OPERATOR,
            values=values,
            reason=channel.reason or "",
            endpoint=channel.endpoint,
        )
    turn = Turn.HUB if is_hub else Turn.PARTNER
    counted: dict[str, object] = {"name": name, "n": channel.failures}
    return Stall(
        kind="down", turn=turn, values=counted, reason=channel.reason or "", endpoint=channel.endpoint
    )
