"""Flow, alerts: look at the conditions, and tell each channel once what began and once that it ended.

One job for all processes. What a channel is told is stored in the transaction that notes that it was told, and sent by
a job of its own. A condition that comes and goes is one alert; in quiet hours only what is urgent passes, the rest goes
together afterwards; and above its rate a channel gets what piled up in one message later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.config import Condition, EmailChannel, WebhookChannel
from bridge.flow.alert_send import CannotSend, send
from bridge.flow.bridge import Bridge
from bridge.flow.conditions import Holding, examine_process, examine_store
from bridge.flow.mend_model import Actor, CannotMend, check_reason, write_audit
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.alerts import (
    add_alert,
    add_delivery,
    add_silence,
    count_deliveries,
    end_alert,
    end_silence,
    forget_alerts,
    get_delivery,
    keep_alert,
    note_attempt,
    note_told,
    open_alerts,
    silences_at,
    told_of,
)
from bridge.store.jobs import add_job, add_standing_job, finish_job, retry_job
from bridge.store.rows import Alert, AlertDelivery, AlertTold, DeliveryState, Job, NoSuchRow, Silence

KIND = "alerts"
DELIVERY = "alert-delivery"

_KEY = Key("alerts")
_KEPT = timedelta(days=90)
_HOUR = timedelta(hours=1)
_MOST_ATTEMPTS = 12
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=30)
_PRIORITY = 20
LONGEST_SILENCE = timedelta(days=31)

Channel = EmailChannel | WebhookChannel

_log = get_logger()


def start_watching(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there. Doing it twice is harmless."""
    add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


async def watch(bridge: Bridge, job: Job) -> None:
    """Look at every condition, store what changed, tell what is due, and come back."""
    now, settings = bridge.now(), bridge.settings.alerts
    held = [*examine_process(bridge, now=now)]
    held += await bridge.store.read(lambda tx: examine_store(tx, bridge, now=now))

    def work(tx: Connection) -> int:
        note_holding(tx, bridge, held, now)
        made = sum(tell_channel(tx, bridge, channel, now) for channel in settings.channels)
        forget_alerts(tx, before=now - _KEPT)
        due = now + timedelta(seconds=settings.interval_seconds)
        retry_job(tx, job, due=due, reason="comes back", at=now)
        return made

    if await bridge.store.write(work):
        bridge.wake()


def note_holding(tx: Connection, bridge: Bridge, held: Iterable[Holding], now: datetime) -> None:
    """Begin, keep and end alerts by what holds now."""
    settings = bridge.settings.alerts
    known = {(alert.condition, alert.target): alert for alert in open_alerts(tx)}
    for one in held:
        rule = settings.rule(one.condition)
        if not rule.on:
            continue
        alert = known.pop((one.condition, one.target), None)
        if alert is None:
            add_alert(tx, _begun(bridge, one, urgent=bool(rule.urgent), now=now))
            _log.warning("alert.began", condition=str(one.condition), target=one.target)
        else:
            keep_alert(tx, alert.key, detail=one.detail, urgent=int(bool(rule.urgent)), at=now)
    for alert in known.values():
        if now - alert.seen_at >= settings.clear_after:
            end_alert(tx, alert.key, at=now)
            _log.info("alert.ended", condition=alert.condition, target=alert.target)


def _begun(bridge: Bridge, one: Holding, *, urgent: bool, now: datetime) -> Alert:
    return Alert(
        key=bridge.new_key(),
        condition=one.condition,
        target=one.target,
        urgent=int(urgent),
        detail=one.detail,
        at=now,
        seen_at=now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a channel is told of one alert: that it `began`, `goes-on`, `ended`, or that this is a `test`."""

    change: str
    alert: Alert


def tell_channel(tx: Connection, bridge: Bridge, channel: Channel, now: datetime) -> int:
    """Put what is due for a channel in one message; how many messages that makes: none or one."""
    if count_deliveries(tx, channel.name, since=now - _HOUR) >= channel.most_per_hour:
        return 0
    lines = list(_due(tx, bridge, channel, now))
    if not lines:
        return 0
    for line in lines:
        ended = int(line.change == "ended")
        note_told(tx, AlertTold(alert=line.alert.key, channel=channel.name, at=now, ended=ended))
    put_delivery(tx, bridge, channel, lines, now)
    return 1


def _due(tx: Connection, bridge: Bridge, channel: Channel, now: datetime) -> Iterator[Line]:
    settings, silences = bridge.settings.alerts, silences_at(tx, now)
    quiet = is_quiet(channel, now.astimezone(ZoneInfo(bridge.settings.console.timezone)).time())
    told = {alert.key: (alert, note) for alert, note in told_of(tx, channel.name)}
    for alert in open_alerts(tx):
        rule = settings.rule(Condition(alert.condition))
        if (rule.channels and channel.name not in rule.channels) or (quiet and not alert.urgent):
            continue
        if is_silenced(alert, silences):
            continue
        if alert.key not in told:
            if now - alert.at >= timedelta(minutes=rule.after_minutes or 0):
                yield Line(change="began", alert=alert)
        elif rule.remind_hours and now - told[alert.key][1].at >= timedelta(hours=rule.remind_hours):
            yield Line(change="goes-on", alert=alert)
    for alert, _ in told.values():
        if alert.ended_at is not None and not (quiet and not alert.urgent):
            yield Line(change="ended", alert=alert)


def is_quiet(channel: Channel, at: time) -> bool:
    """Whether this local time is in the quiet hours of a channel, also when they pass midnight."""
    start, end = channel.quiet_from, channel.quiet_until
    if start is None or end is None:
        return False
    return start <= at < end if start < end else at >= start or at < end


def is_silenced(alert: Alert, silences: Sequence[Silence]) -> bool:
    return any(s.condition == alert.condition and s.target in (None, alert.target) for s in silences)


def put_delivery(
    tx: Connection, bridge: Bridge, channel: Channel, lines: Sequence[Line], now: datetime
) -> Key:
    """Store a message for a channel with the job that sends it."""
    delivery = AlertDelivery(key=bridge.new_key(), at=now, channel=channel.name, content=content_of(lines))
    add_delivery(tx, delivery)
    add_job(
        tx,
        key=bridge.new_key(),
        kind=DELIVERY,
        subject_key=delivery.key,
        ordering_key=f"alert {channel.name}",
        due=now,
        at=now,
        priority=_PRIORITY,
    )
    return delivery.key


def content_of(lines: Sequence[Line]) -> str:
    """As it is kept and sent: conditions, numbers and names of parties, nothing about people."""
    return json.dumps(
        [
            {
                "change": line.change,
                "condition": line.alert.condition,
                "target": line.alert.target,
                "urgent": bool(line.alert.urgent),
                "since": line.alert.at.isoformat(),
                "detail": dict(line.alert.detail),
            }
            for line in lines
        ],
        ensure_ascii=False,
        sort_keys=True,
    )


async def deliver_alert(bridge: Bridge, job: Job) -> None:
    """Send one message; a channel that fails is tried again ever more slowly, and given up in the end."""
    delivery = await bridge.store.read(lambda tx: get_delivery(tx, job.subject_key))
    channel = next((c for c in bridge.settings.alerts.channels if c.name == delivery.channel), None)
    attempts, reason = delivery.attempts + 1, None
    if channel is None:
        reason = "the channel is in the settings no longer"
    else:
        try:
            await send(bridge, channel, delivery)
        except CannotSend as error:
            reason = str(error)
    given_up = channel is None or attempts >= _MOST_ATTEMPTS

    def work(tx: Connection) -> None:
        now = bridge.now()
        state = (
            DeliveryState.DELIVERED
            if reason is None
            else DeliveryState.FAILED
            if given_up
            else DeliveryState.WAITING
        )
        note_attempt(tx, delivery.key, state=state, attempts=attempts, reason=reason, at=now)
        if state is DeliveryState.WAITING:
            wait = min(_FIRST_WAIT * 2 ** (attempts - 1), _LONGEST_WAIT)
            retry_job(tx, job, due=now + wait, reason=reason or "", at=now)
        else:
            finish_job(tx, job, at=now)

    await bridge.store.write(work)
    if reason is None:
        _log.info("alert.told", channel=delivery.channel, attempt=attempts)
    else:
        _log.error("alert.not_told", channel=delivery.channel, attempt=attempts, reason=reason)


def test_line(bridge: Bridge, now: datetime) -> Line:
    """A line that is about nothing."""
    alert = Alert(key=bridge.new_key(), condition="test", target="", urgent=0, detail={}, at=now, seen_at=now)
    return Line(change="test", alert=alert)


async def test_channel(bridge: Bridge, name: str, *, by: Actor) -> Key:
    """Send a test to a channel, by the way that alerts go. Raises CannotMend."""
    channel = next((c for c in bridge.settings.alerts.channels if c.name == name), None)
    if channel is None:
        raise CannotMend(f"there is no channel {name} in the settings")

    def work(tx: Connection) -> Key:
        now = bridge.now()
        write_audit(tx, bridge, by, "alert.tested", name, "")
        return put_delivery(tx, bridge, channel, [test_line(bridge, now)], now)

    key = await bridge.store.write(work)
    bridge.wake()
    return key


async def silence(
    bridge: Bridge, condition: str, target: str | None, *, until: datetime, by: Actor, reason: str
) -> Silence:
    """Tell nobody of a condition until then. Raises CannotMend."""
    reason, now = check_reason(reason), bridge.now()
    if condition not in set(Condition):
        raise CannotMend(f"there is no condition {condition[:40]}; there are: {', '.join(Condition)}")
    if not now < until <= now + LONGEST_SILENCE:
        raise CannotMend(f"a silence ends within {LONGEST_SILENCE.days} days from now")
    made = Silence(
        key=bridge.new_key(),
        condition=condition,
        target=target or None,
        until=until,
        at=now,
        by=by.name,
        reason=reason,
    )

    def work(tx: Connection) -> None:
        add_silence(tx, made)
        write_audit(
            tx, bridge, by, "alert.silenced", condition, reason, until=until.isoformat(), about=target or ""
        )

    await bridge.store.write(work)
    return made


async def unsilence(bridge: Bridge, key: Key, *, by: Actor, reason: str) -> None:
    """End a silence now. Raises CannotMend."""
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        end_silence(tx, key, at=bridge.now())
        write_audit(tx, bridge, by, "alert.unsilenced", key, reason)

    try:
        await bridge.store.write(work)
    except NoSuchRow as error:
        raise CannotMend("this silence has ended already") from error
