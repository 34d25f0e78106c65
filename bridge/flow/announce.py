"""Tell the hub a fact about the bridge itself: how it fares, maintenance, a change, where to reach its people.

Such an event has an exchange of its own and goes the way of every other: stored with its job, offered, followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.flow import publish
from bridge.flow.bridge import Bridge
from bridge.flow.context import oin_of_party
from bridge.hub.event import make_event, write_structured, write_time
from bridge.hub.json import Json
from bridge.hub.profile import Mode, check_event, source_of
from bridge.ids import EventId, Oin
from bridge.store.channels import HUB
from bridge.store.events import add_event
from bridge.store.exchanges import open_exchange
from bridge.store.jobs import add_job
from bridge.store.rows import Direction, Event, EventState, Exchange, ExchangeDirection, ExchangeState
from bridge.store.timeline import add_step


def announce(
    tx: Connection,
    bridge: Bridge,
    type: str,
    data: Mapping[str, Json],
    *,
    at: datetime,
    what: str,
    detail: Mapping[str, str],
) -> Event:
    """Store the event and plan its offer; one that breaks a rule of the hub waits for a person instead."""
    row = _row(bridge, type, data, at)
    good = row.state is EventState.CREATED
    open_exchange(
        tx,
        Exchange(
            key=row.exchange,
            direction=ExchangeDirection.TO_HUB,
            started_at=at,
            changed_at=at,
            partner=bridge.own[0].party_id.value,
            title=type,
            state=ExchangeState.RUNNING if good else ExchangeState.ATTENTION,
            reason=row.reason,
        ),
    )
    add_event(tx, row)
    add_step(
        tx,
        exchange=row.exchange,
        at=at,
        side="bridge",
        what=what,
        outcome="ok" if good else "failed",
        detail={"event_id": row.id, **detail} | ({"reason": row.reason} if row.reason else {}),
    )
    if good:
        add_job(
            tx,
            key=bridge.new_key(),
            kind=publish.KIND,
            subject_key=row.key,
            ordering_key=f"about the bridge {type}",
            endpoint=HUB,
            due=at,
            at=at,
        )
    return row


def _row(bridge: Bridge, type: str, data: Mapping[str, Json], at: datetime) -> Event:
    own = bridge.own[0]
    event = make_event(
        id=str(bridge.new_uuid()),
        source=source_of(bridge.profile, oin=Oin(oin_of_party(own.party_id.value)), system=own.system),
        type=type,
        subject=None,
        time=at,
        data=data,
        extensions={"recordedtime": write_time(at)},
        datacontenttype="application/json",
    )
    broken = [f for f in check_event(event, Mode.PUBLISH, profile=bridge.profile) if f.level == "error"]
    return Event(
        key=bridge.new_key(),
        exchange=bridge.new_key(),
        direction=Direction.OUT,
        source=event.source,
        id=EventId(event.id),
        type=type,
        time=write_time(at),
        state=EventState.REFUSED if broken else EventState.CREATED,
        reason="; ".join(f"{f.rule} {f.text}" for f in broken) or None,
        body=write_structured(event),
        at=at,
        changed_at=at,
    )
