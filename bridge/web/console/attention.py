"""What needs a person, in words: each cause with what happened, whose turn it is, and what to do. No HTTP here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import Connection

from bridge.config import Condition
from bridge.flow.bridge import Bridge
from bridge.flow.causes import Cause
from bridge.flow.conditions import Holding, seen_since
from bridge.flow.exchange import POST_ANSWER
from bridge.ids import Key
from bridge.store.channels import HUB
from bridge.store.events import newest_events_of
from bridge.store.exchanges import exchanges_by_keys
from bridge.store.jobs import count_ready_for, dead_jobs_about
from bridge.store.messages import newest_messages_of
from bridge.store.rows import CauseOwner, Event, Exchange, Message
from bridge.store.runs import owners_of
from bridge.web.console.exchange_top import ids_to_name
from bridge.web.console.text import Catalogue
from bridge.web.console.turn import Turn, reason_key, whose_turn
from bridge.web.console.views import Fact, Lens, Moment
from bridge.web.console.whom import Side, Whom, side_to_call

MOST_MESSAGES = 20
"""Of the example of a cause; enough to see where it stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseView:
    """A cause as a page tells it. `key` is the end of the catalogue keys `reason.…` and `advice.…`."""

    id: str
    count: int
    partner: str
    title: str
    text: str
    key: str
    turn: Turn
    oldest: Moment
    """When its oldest exchange stopped."""
    sample: str
    owner: CauseOwner | None
    since: Moment | None
    """Since when `owner` has it."""
    untold: bool
    """Our answer to the example did not reach the partner either."""
    whom: Whom | None
    ids: tuple[Fact, ...] = ()
    """Of its exchange, when it is one."""

    @property
    def href(self) -> str:
        return f"/attention/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Example:
    """The newest exchange of a cause, with its newest messages and events first."""

    exchange: Exchange
    messages: tuple[Message, ...]
    events: tuple[Event, ...]
    untold: bool


def cause_views(tx: Connection, causes: Sequence[Cause], lens: Lens) -> list[CauseView]:
    """Each with its oldest words: the example stands for all of its cause."""
    owners = owners_of(tx, [cause.id for cause in causes])
    wanted = {key for cause in causes for key in (cause.sample, cause.keys[0])}
    exchanges = {exchange.key: exchange for exchange in exchanges_by_keys(tx, wanted)}
    examples = _examples(tx, [exchanges[cause.sample] for cause in causes])
    return [
        _view(cause, examples[cause.sample], owners.get(cause.id), exchanges[cause.keys[0]].changed_at, lens)
        for cause in causes
    ]


def _examples(tx: Connection, exchanges: Sequence[Exchange]) -> Mapping[Key, _Example]:
    """All at once: a page waits for a few answers of the store, however many causes there are."""
    keys = [exchange.key for exchange in exchanges]
    messages = newest_messages_of(tx, keys, most=MOST_MESSAGES)
    events = newest_events_of(tx, keys, most=MOST_MESSAGES)
    sent = [message.key for rows in messages.values() for message in rows]
    given_up = {job.subject_key for job in dead_jobs_about(tx, kind=POST_ANSWER, subject_keys=sent)}
    return {
        exchange.key: _Example(
            exchange=exchange,
            messages=messages.get(exchange.key, ()),
            events=events.get(exchange.key, ()),
            untold=any(message.key in given_up for message in messages.get(exchange.key, ())),
        )
        for exchange in exchanges
    }


def _view(
    cause: Cause, example: _Example, owner: CauseOwner | None, stopped: datetime, lens: Lens
) -> CauseView:
    exchange, messages, events = example.exchange, example.messages, example.events
    key, turn = reason_key(exchange, messages, events), whose_turn(exchange, messages, events)
    return CauseView(
        id=cause.id,
        count=cause.count,
        partner=lens.name(cause.partner),
        title=cause.title.rpartition(".")[2] or cause.title,
        text=(exchange.reason if cause.count == 1 else cause.text) or "–",
        key=key,
        turn=turn,
        oldest=lens.moment(stopped),
        sample=cause.keys[0],
        owner=owner,
        since=lens.moment(owner.at) if owner else None,
        untold=example.untold,
        whom=lens.whom(side_to_call(key, turn), cause.partner),
        ids=ids_to_name(exchange.subject, messages[::-1], events[::-1], lens) if cause.count == 1 else (),
    )


_PLACES = {
    Condition.WORK_WAITS: "/jobs?state=ready",
    Condition.PARTNER_DOWN: "/partners",
    Condition.HUB_DOWN: "/partners",
    Condition.PAUSED: "/partners",
    Condition.CERTIFICATE_ENDS: "/certificates",
    Condition.JOBS_GIVEN_UP: "/jobs",
    Condition.SETTINGS_REFUSED: "/mappings",
    Condition.TURNED_AWAY: "/agreements",
}


_ENDPOINTS = frozenset({Condition.PARTNER_DOWN, Condition.HUB_DOWN, Condition.PAUSED})
MOST_BEHIND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionView:
    """A condition that holds, in words: catalogue keys `condition.<name>.…` filled in with its details."""

    name: str
    title: str
    text: str
    turn: str
    advice: str
    href: str
    urgent: bool
    """As the rule of its alert says: it comes before everything else."""
    since: Moment | None
    """None: it was seen just now."""
    said: str
    """What the other side answered last, or why a person paused it; as it was recorded."""
    behind: int
    """Jobs that wait for this endpoint, counted up to `MOST_BEHIND`."""
    behind_href: str = ""
    """The list of exactly those."""
    lines: tuple[str, ...] = ()
    """What exactly, as it was recorded."""
    whom: Whom | None = None


def condition_views(
    tx: Connection, found: Iterable[Holding], bridge: Bridge, lens: Lens
) -> list[ConditionView]:
    """The conditions of the bridge as a whole, the urgent ones first; of causes `cause_views` tells."""
    seen = seen_since(tx)
    views = [_condition(tx, one, seen, bridge, lens) for one in found]
    return sorted(views, key=lambda view: not view.urgent)


def condition_key(words: Catalogue, name: str, target: str, detail: Mapping[str, str]) -> str:
    """The middle of the catalogue keys of a condition: one of its own where what it is about, or its code, has one."""
    special = (f"{name}.{what}" for what in (target, detail.get("code", "")))
    return next((key for key in special if words.find(f"condition.{key}.title")), name)


def condition_values(words: Catalogue, target: str, detail: Mapping[str, str]) -> dict[str, str]:
    """The details as a sentence takes them: the hub with its article, and a person."""
    values = dict(detail)
    if target == HUB and "name" in values:
        values["name"] = words("stall.hub")
    if "by" in values:
        values["by"] = words.who(values["by"])
    return values


def _condition(
    tx: Connection, one: Holding, seen: Mapping[tuple[str, str], datetime], bridge: Bridge, lens: Lens
) -> ConditionView:
    words, name = lens.words, str(one.condition)
    lines = bridge.problems.get(one.target, ()) if one.condition is Condition.SETTINGS_REFUSED else ()
    key = condition_key(words, name, one.target, one.detail)
    values = condition_values(words, one.target, one.detail)
    since = one.since or seen.get((name, one.target))
    of_endpoint = one.condition in _ENDPOINTS
    return ConditionView(
        name=name,
        title=words.sentence(f"condition.{key}.title", **values),
        text=words(f"condition.{key}.text", **values),
        turn=words(f"condition.{key}.turn"),
        advice=words(f"condition.{key}.advice"),
        href="/mappings" if one.target == "mappings" else _PLACES.get(one.condition, ""),
        urgent=bool(bridge.settings.alerts.rule(one.condition).urgent),
        since=lens.moment(since) if since else None,
        said=one.said,
        behind=count_ready_for(tx, one.target, most=MOST_BEHIND) if of_endpoint else 0,
        behind_href=f"/jobs?{urlencode({'endpoint': one.target})}" if of_endpoint else "",
        lines=tuple(lines),
        whom=_whom(one, lens),
    )


def _whom(one: Holding, lens: Lens) -> Whom | None:
    """Whom the advice says to call, where the settings can know."""
    match one.condition:
        case Condition.HUB_DOWN:
            return lens.whom(Side.HUB, "")
        case Condition.PARTNER_DOWN:
            return lens.whom(Side.PARTNER, one.target)
        case Condition.TURNED_AWAY:
            oin = one.detail.get("oin", "")
            return lens.whom(Side.PARTNER, oin) if oin in lens.names else None
        case Condition.SETTINGS_REFUSED:
            return lens.whom(Side.INTEGRATOR, "") if one.target == "mappings" else None
        case _:
            return None
