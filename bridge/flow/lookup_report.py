"""The `…-ingezien` event of one lookup: made by the serving side, naming the organisation that looked (SOH-125, 126).

It is an exchange of its own, tied to the one that the resource came from by subject and correlation, so that a
resource that is often looked up does not make its own exchange grow without bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.flow import publish
from bridge.flow.bridge import Bridge
from bridge.flow.context import oin_of_party, partner_named
from bridge.hub.event import make_event, write_structured, write_time
from bridge.hub.eventtypes import EventType, Payload
from bridge.hub.profile import Mode, check_event, source_of
from bridge.hub.prov import make_lookup_graph
from bridge.ids import EventId, Key, Oin
from bridge.inzage.record import Trace
from bridge.store.channels import HUB
from bridge.store.events import add_event
from bridge.store.exchanges import open_exchange
from bridge.store.jobs import add_job
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Resource,
)
from bridge.store.timeline import add_step

_READER = "raadpleger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is told of one lookup. Without `event` only the timeline of the resource is told."""

    reader: Oin
    at: datetime
    event: Event | None = None
    job: Key | None = None
    """None: the event breaks a rule of the hub and waits for a person."""


def make_report(
    bridge: Bridge,
    resource: Resource,
    *,
    reader: Oin,
    trace: Trace,
    correlation_id: str | None,
    at: datetime,
) -> Report:
    """The event, judged by the profile, and the key of its job."""
    name = bridge.profile.lookup_type(resource.type)
    kind = bridge.profile.find_type(name) if name else None
    if kind is None or not bridge.settings.inzage.report:
        return Report(reader=reader, at=at)
    entity = f"urn:{resource.type}:{resource.id}"
    event = make_event(
        id=str(bridge.new_uuid()),
        source=source_of(bridge.profile, oin=resource.owner, system=_system_of(bridge, resource.owner)),
        type=kind.type,
        subject=_subject(kind, entity, resource.id),
        time=at,
        data=_data(bridge, kind, resource, entity, reader, at),
        extensions={"recordedtime": write_time(at), "traceparent": trace.traceparent}
        | ({"correlationid": correlation_id} if correlation_id else {})
        | ({"sequence": bridge.new_key()} if bridge.settings.hub.sequence else {}),
    )
    broken = [f for f in check_event(event, Mode.PUBLISH, profile=bridge.profile) if f.level == "error"]
    row = Event(
        key=bridge.new_key(),
        exchange=bridge.new_key(),
        direction=Direction.OUT,
        source=event.source,
        id=EventId(event.id),
        type=event.type,
        subject=event.subject,
        time=write_time(at),
        state=EventState.REFUSED if broken else EventState.CREATED,
        reason="; ".join(f"{f.rule} {f.text}" for f in broken) or None,
        correlation_id=correlation_id,
        body=write_structured(event),
        at=at,
        changed_at=at,
    )
    return Report(reader=reader, at=at, event=row, job=None if broken else bridge.new_key())


def store_report(
    tx: Connection, report: Report, *, resource: Resource, level: int, attachment: str | None = None
) -> None:
    """Store the event with its exchange and its job, and tell the timeline of the resource's own exchange."""
    event, at = report.event, report.at
    detail = {"reader": str(report.reader), "level": str(level), "version": str(resource.version)}
    if attachment is not None:
        detail["attachment"] = attachment
    if event is not None:
        _store_event(tx, report, event, resource)
        detail["event_id"] = event.id
    add_step(
        tx,
        exchange=resource.exchange,
        at=at,
        side="bridge",
        what="resource.looked_up",
        outcome="info",
        detail=detail,
    )


def _store_event(tx: Connection, report: Report, event: Event, resource: Resource) -> None:
    at = report.at
    open_exchange(
        tx,
        Exchange(
            key=event.exchange,
            direction=ExchangeDirection.TO_HUB,
            started_at=at,
            changed_at=at,
            partner=report.reader,
            title=event.type,
            subject=event.subject,
            state=ExchangeState.RUNNING if report.job else ExchangeState.ATTENTION,
            reason=event.reason,
            correlation_id=event.correlation_id,
        ),
    )
    add_event(tx, event)
    add_step(
        tx,
        exchange=event.exchange,
        at=at,
        side="bridge",
        what="resource.looked_up",
        outcome="ok" if report.job else "failed",
        detail={"event_id": event.id, "reader": str(report.reader), "type": resource.type},
    )
    if report.job is not None:
        add_job(
            tx,
            key=report.job,
            kind=publish.KIND,
            subject_key=event.key,
            ordering_key=event.subject,
            endpoint=HUB,
            due=at,
            at=at,
        )


def _data(
    bridge: Bridge, kind: EventType, resource: Resource, entity: str, reader: Oin, at: datetime
) -> dict[str, object]:
    partner = partner_named(bridge, reader)
    graph: dict[str, object] = make_lookup_graph(
        entity_id=entity,
        entity_type=f"soh:{''.join(part.capitalize() for part in resource.type.split('-'))}",
        activity_id=bridge.new_uuid().urn,
        agent_oin=reader,
        agent_name=partner.name if partner else None,
        at=at,
        vocabulary=bridge.profile.vocabulary,
    )
    if kind.payload is Payload.MELDING and _READER in kind.members:
        graph[_READER] = reader
    return graph


def _subject(kind: EventType, entity: str, resource_id: str) -> str | None:
    if kind.subject_prefix is None:
        return entity
    return f"{kind.subject_prefix}{resource_id}" if kind.subject_prefix else None


def _system_of(bridge: Bridge, owner: Oin) -> str:
    partners = bridge.settings.partners
    return next((p.system for p in partners if oin_of_party(p.party_id) == owner), "onbekend")
