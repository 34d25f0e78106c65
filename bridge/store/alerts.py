"""Alerts: conditions that hold or held, which channel was told, what was sent, and what people silenced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from bridge.ids import Key
from bridge.store import tables
from bridge.store.keys import first_key
from bridge.store.query import add, change, fetch, get, page
from bridge.store.rows import Alert, AlertDelivery, AlertTold, DeliveryState, NoSuchRow, Silence

_alert = tables.alert.c
_told = tables.alert_told.c
_delivery = tables.alert_delivery.c
_silence = tables.silence.c


def open_alerts(tx: Connection) -> tuple[Alert, ...]:
    """Every condition that holds, the oldest first."""
    query = select(tables.alert).where(_alert.ended_at.is_(None)).order_by(_alert.key)
    return fetch(tx, Alert, query)


def ended_alerts(tx: Connection, *, limit: int = 50) -> tuple[Alert, ...]:
    """The ones that ended last come first."""
    query = select(tables.alert).where(_alert.ended_at.is_not(None))
    return fetch(tx, Alert, query.order_by(_alert.ended_at.desc(), _alert.key.desc()).limit(limit))


def add_alert(tx: Connection, alert: Alert) -> None:
    add(tx, tables.alert, alert)


def keep_alert(tx: Connection, key: Key, *, detail: Mapping[str, str], urgent: int, at: datetime) -> None:
    """It still holds."""
    change(tx, tables.alert, key, {"seen_at": at, "detail": detail, "urgent": urgent})


def end_alert(tx: Connection, key: Key, *, at: datetime) -> None:
    change(tx, tables.alert, key, {"ended_at": at})


def told_of(tx: Connection, channel: str) -> tuple[tuple[Alert, AlertTold], ...]:
    """The alerts of which this channel was told that they began and not that they ended."""
    query = (
        select(tables.alert, _told.at.label("told_at"))
        .join(tables.alert_told, _told.alert == _alert.key)
        .where(_told.channel == channel, _told.ended == 0)
        .order_by(_alert.key)
    )
    found = []
    for row in tx.execute(query).mappings():
        values = dict(row)
        told = AlertTold(alert=values["key"], channel=channel, at=values.pop("told_at"))
        found.append((Alert(**values), told))
    return tuple(found)


def note_told(tx: Connection, told: AlertTold) -> None:
    """The channel is told of it now."""
    this = (_told.alert == told.alert, _told.channel == told.channel)
    values = {"at": told.at, "ended": told.ended}
    if tx.execute(update(tables.alert_told).where(*this).values(values)).rowcount == 0:
        add(tx, tables.alert_told, told)


def add_delivery(tx: Connection, delivery: AlertDelivery) -> None:
    add(tx, tables.alert_delivery, delivery)


def get_delivery(tx: Connection, key: Key) -> AlertDelivery:
    """Raises NoSuchRow."""
    return get(tx, AlertDelivery, tables.alert_delivery, key)


def list_deliveries(tx: Connection, *, limit: int = 50) -> tuple[AlertDelivery, ...]:
    """Newest first."""
    query = page(tables.alert_delivery, {}, since=None, until=None, before=None, limit=limit)
    return fetch(tx, AlertDelivery, query)


def count_deliveries(tx: Connection, channel: str, *, since: datetime) -> int:
    """How many messages a channel was given since then."""
    query = select(func.count()).where(_delivery.channel == channel, _delivery.key >= first_key(since))
    return tx.scalar(query) or 0


def note_attempt(
    tx: Connection, key: Key, *, state: DeliveryState, attempts: int, reason: str | None, at: datetime
) -> None:
    """What came of an attempt. Raises NoSuchRow."""
    values: dict[str, Any] = {"state": state, "attempts": attempts, "reason": reason}
    if state is not DeliveryState.WAITING:
        values["ended_at"] = at
    change(tx, tables.alert_delivery, key, values)


def add_silence(tx: Connection, silence: Silence) -> None:
    add(tx, tables.silence, silence)


def end_silence(tx: Connection, key: Key, *, at: datetime) -> None:
    """Raises NoSuchRow when there is none that lasts."""
    lasts: tuple[ColumnElement[bool], ...] = (_silence.key == key, _silence.until > at)
    if tx.execute(update(tables.silence).where(*lasts).values(until=at)).rowcount != 1:
        raise NoSuchRow(f"no silence with key {key} lasts")


def silences_at(tx: Connection, at: datetime) -> tuple[Silence, ...]:
    """The silences that last, the first to end on top."""
    query = select(tables.silence).where(_silence.until > at).order_by(_silence.until)
    return fetch(tx, Silence, query)


def forget_alerts(tx: Connection, *, before: datetime) -> None:
    """Drop what ended before then, and what was sent."""
    gone = select(_alert.key).where(_alert.ended_at < before)
    tx.execute(delete(tables.alert_told).where(_told.alert.in_(gone)))
    tx.execute(delete(tables.alert).where(_alert.ended_at < before))
    tx.execute(delete(tables.alert_delivery).where(_delivery.key < first_key(before)))
    tx.execute(delete(tables.silence).where(_silence.until < before))
