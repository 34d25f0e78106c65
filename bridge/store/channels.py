"""Endpoints that are paused or in trouble: their jobs wait, so that a dead partner never slows another.

The breaker counts failures in a row. From the fifth on the endpoint is held for a while that doubles with every
further failure; then one job at a time tries again, and the first success ends the trouble.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from bridge.store import tables
from bridge.store.query import add_unless_there, fetch, values_of
from bridge.store.rows import Channel, JobState

HUB: Final = "hub"
"""The endpoint of the hub; every other is the PartyId of a partner."""

THRESHOLD: Final = 5
"""Failures in a row from which an endpoint is held."""

SHORTEST_HOLD: Final = timedelta(seconds=5)
LONGEST_HOLD: Final = timedelta(minutes=5)
LONGEST_PARTNER_HOLD: Final = timedelta(seconds=20)
"""Shorter: a message for a partner has only the time of its agreement, and must be tried when he is back."""

_channel = tables.channel.c
_job = tables.job.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the endpoints stand at one moment. One that is in neither set fares well."""

    closed: frozenset[str]
    """Paused, held, or in trouble while a job is trying: nothing goes there now."""
    troubled: frozenset[str]
    """Failed too often, and may be tried with one job at a time."""


def find_channel(tx: Connection, endpoint: str) -> Channel | None:
    """None: nothing is wrong with it."""
    query = select(tables.channel).where(_channel.endpoint == endpoint)
    return next(iter(fetch(tx, Channel, query)), None)


def list_channels(tx: Connection) -> tuple[Channel, ...]:
    """Every endpoint that is paused, in trouble, or was once."""
    return fetch(tx, Channel, select(tables.channel).order_by(_channel.endpoint))


def pause(tx: Connection, endpoint: str, *, by: str, reason: str, at: datetime) -> None:
    """Nothing goes to this endpoint until it is resumed. What is under way ends by itself."""
    _set(tx, endpoint, {"paused_by": by, "reason": reason, "changed_at": at})


def resume(tx: Connection, endpoint: str, *, at: datetime) -> None:
    """Try again at once, whether it was paused by a person or held by the breaker.

    How often it failed stays known until it is reached: nothing says yet that it fares well.
    """
    known = find_channel(tx, endpoint)
    values: dict[str, Any] = {"paused_by": None, "held_until": None, "changed_at": at}
    if known is not None and known.paused:
        values["reason"] = None
    _set(tx, endpoint, values)


def note_failure(
    tx: Connection, endpoint: str, *, reason: str, at: datetime, longest: timedelta = LONGEST_HOLD
) -> datetime | None:
    """One more failure; gives the moment until which the endpoint is held now, or None."""
    known = find_channel(tx, endpoint)
    failures = (known.failures if known else 0) + 1
    held_until = at + min(hold_after(failures), longest) if failures >= THRESHOLD else None
    values: dict[str, Any] = {"failures": failures, "held_until": held_until}
    # Since when it is paused, and why, stays as it is.
    if known is not None and known.paused:
        values["changed_at"] = known.changed_at
    else:
        values |= {"reason": reason, "changed_at": at}
    _set(tx, endpoint, values)
    return held_until


def note_success(tx: Connection, endpoint: str, *, at: datetime) -> bool:
    """The endpoint fares well; True when that ends trouble. Costs one read when there was none."""
    known = find_channel(tx, endpoint)
    if known is None or known.failures == 0:
        return False
    values: dict[str, Any] = {"failures": 0, "held_until": None}
    values["changed_at"] = known.changed_at if known.paused else at
    if not known.paused:
        values["reason"] = None
    _set(tx, endpoint, values)
    return True


def hold_after(failures: int) -> timedelta:
    """How long an endpoint rests after so many failures in a row."""
    doublings = min(max(failures - THRESHOLD, 0), 10)
    return min(SHORTEST_HOLD * (1 << doublings), LONGEST_HOLD)


def standing_of(tx: Connection, now: datetime) -> Standing:
    """Which endpoints get no job now, and which only one at a time: for the query that claims jobs."""
    closed, troubled = set(), set()
    for channel in list_channels(tx):
        if channel.paused or (channel.held_until is not None and channel.held_until > now):
            closed.add(channel.endpoint)
        elif channel.failures >= THRESHOLD:
            troubled.add(channel.endpoint)
            if _is_tried(tx, channel.endpoint, now):
                closed.add(channel.endpoint)
    return Standing(closed=frozenset(closed), troubled=frozenset(troubled))


def bring_forward(tx: Connection, *, now: datetime) -> None:
    """After the clock went back: no endpoint is held longer than the longest hold from now."""
    latest = now + LONGEST_HOLD
    tx.execute(tables.channel.update().where(_channel.held_until > latest).values(held_until=latest))


def _is_tried(tx: Connection, endpoint: str, now: datetime) -> bool:
    """Whether a job for it is under way."""
    query = select(_job.seq).where(
        _job.endpoint == endpoint, _job.state == JobState.READY, _job.lease_until > now
    )
    return tx.scalar(query.limit(1)) is not None


def _set(tx: Connection, endpoint: str, values: Mapping[str, Any]) -> None:
    fresh = Channel(endpoint=endpoint, changed_at=values["changed_at"])
    add_unless_there(tx, tables.channel, values_of(fresh), unique=("endpoint",))
    tx.execute(tables.channel.update().where(_channel.endpoint == endpoint).values(dict(values)))
