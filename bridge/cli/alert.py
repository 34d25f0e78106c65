"""`bridge alert`: what holds now, who is told of it, and silencing it for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from bridge.cli.assemble import utc_now
from bridge.cli.mending import Reason, check_reason_given, with_bridge
from bridge.cli.opened import open_store
from bridge.cli.options import DEFAULT_CONFIG, Config, Json, read_moment
from bridge.cli.output import local_time, print_documents, print_heading, print_table, tell
from bridge.config import Condition, load_settings
from bridge.flow import alerts
from bridge.flow.alert_send import CannotSend, send
from bridge.flow.bridge import Bridge
from bridge.flow.mend_model import Actor, write_audit
from bridge.ids import Key
from bridge.store.alerts import add_delivery, list_deliveries, open_alerts, silences_at
from bridge.store.rows import Alert, AlertDelivery, DeliveryState, Silence
from bridge.web.console.views import utc_text

app = typer.Typer(
    help="Alerts to people outside the console: list, test, and silence them.", no_args_is_help=True
)

Target = Annotated[
    str | None, typer.Option("--target", help="Only about this, as `bridge alert list` shows it.")
]


@app.command("list")
def list_(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """List what holds now, what is silenced, and what was sent last.

    Example: bridge alert list
    """
    with open_store(config) as opened:
        held, silences, sent = opened.store.read_sync(_found)
        if json:
            print_documents(
                [
                    *(alert_document(alert) for alert in held),
                    *(silence_document(one) for one in silences),
                    *(delivery_document(one) for one in sent),
                ]
            )
            return
        print_heading("Holds now")
        rows = [
            (a.condition, a.target, "urgent" if a.urgent else "", local_time(a.at, opened.zone), _said(a))
            for a in held
        ]
        print_table(("condition", "about", "", "since", "detail"), rows, fold="detail", zone=opened.zone)
        print_heading("Silenced")
        quiet = [
            (s.key, s.condition, s.target or "all", local_time(s.until, opened.zone), s.by, s.reason)
            for s in silences
        ]
        print_table(
            ("key", "condition", "about", "until", "by", "reason"), quiet, fold="reason", zone=opened.zone
        )
        print_heading("Sent")
        told = [
            (local_time(d.at, opened.zone), d.channel, d.state, str(d.attempts), d.reason or "") for d in sent
        ]
        print_table(("time", "channel", "state", "attempts", "reason"), told, fold="reason", zone=opened.zone)


def _found(tx: Connection) -> tuple[tuple[Alert, ...], tuple[Silence, ...], tuple[AlertDelivery, ...]]:
    return open_alerts(tx), silences_at(tx, utc_now()), list_deliveries(tx, limit=20)


def _said(alert: Alert) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(alert.detail.items()))


@app.command()
def test(
    channel: Annotated[
        str | None, typer.Argument(help="Name of the channel. Not given: every channel.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Send a test to a channel now, and tell whether it was taken. Exit code 1 when it was not.

    It stands among what was sent, as a test of the console does, but is tried once only.
    Example: bridge alert test wacht
    """
    channels = load_settings(config).alerts.channels
    wanted = [one for one in channels if channel in (None, one.name)]
    if not wanted:
        names = ", ".join(one.name for one in channels) or "none"
        raise typer.BadParameter(f"there is no such channel; there are: {names}", param_hint="CHANNEL")

    async def do(bridge: Bridge, by: Actor) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        for one in wanted:
            now = bridge.now()
            line = alerts.test_line(bridge, now)
            delivery = AlertDelivery(
                key=bridge.new_key(), at=now, channel=one.name, content=alerts.content_of([line])
            )
            await bridge.store.write(
                partial(write_audit, bridge=bridge, by=by, action="alert.tested", target=one.name, reason="")
            )
            reason = await _try(bridge, one, delivery)
            sent = replace(
                delivery,
                state=DeliveryState.FAILED if reason else DeliveryState.DELIVERED,
                attempts=1,
                reason=reason,
                ended_at=bridge.now(),
            )
            await bridge.store.write(partial(add_delivery, delivery=sent))
            found.append((one.name, reason))
        return found

    results = with_bridge(config, do)
    print_table(("channel", "outcome"), [(name, why or "taken") for name, why in results], fold="outcome")
    if any(why for _, why in results):
        raise typer.Exit(1)


async def _try(bridge: Bridge, channel: alerts.Channel, delivery: AlertDelivery) -> str | None:
    """Why it was not taken; None when it was."""
    try:
        await send(bridge, channel, delivery)
    except CannotSend as error:
        return str(error)
    return None


@app.command()
def silence(
    condition: Annotated[Condition, typer.Argument(help="What to silence.")],
    until: Annotated[str, typer.Option("--until", help="2026-11-23T10:15, in the zone of the settings.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    target: Target = None,
) -> None:
    """Tell nobody of a condition until a moment; in the console it stays visible.

    Example: bridge alert silence partner-down --until 2026-11-24T08:00 --reason "planned maintenance"
    """
    check_reason_given(reason, dry_run=False)
    with open_store(config) as opened:
        moment = read_moment(until, opened.zone, "--until")
    assert moment is not None, "an option that must be given"
    end: datetime = moment

    async def do(bridge: Bridge, by: Actor) -> Silence:
        return await alerts.silence(bridge, condition, target, until=end, by=by, reason=reason)

    made = with_bridge(config, do)
    if json:
        print_documents([silence_document(made)])
    else:
        until = f"{local_time(made.until, opened.zone)} ({opened.zone})"
        tell(f"Silent until {until}; end it with: bridge alert unsilence {made.key} --reason …")


@app.command()
def unsilence(
    key: Annotated[str, typer.Argument(help="Key of the silence, as `bridge alert list` shows it.")],
    config: Config = DEFAULT_CONFIG,
    reason: Reason = "",
) -> None:
    """End a silence now.

    Example: bridge alert unsilence 01936a2b-7c3d-7000-8000-000000000000 --reason "it is over"
    """
    check_reason_given(reason, dry_run=False)

    async def do(bridge: Bridge, by: Actor) -> None:
        await alerts.unsilence(bridge, Key(key), by=by, reason=reason)

    with_bridge(config, do)
    tell("Ended.")


def alert_document(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.key,
        "condition": alert.condition,
        "target": alert.target,
        "urgent": bool(alert.urgent),
        "since": utc_text(alert.at),
        "detail": dict(alert.detail),
    }


def silence_document(one: Silence) -> dict[str, Any]:
    return {
        "silence": one.key,
        "condition": one.condition,
        "target": one.target,
        "until": utc_text(one.until),
        "by": one.by,
        "reason": one.reason,
    }


def delivery_document(one: AlertDelivery) -> dict[str, Any]:
    return {
        "delivery": one.key,
        "at": utc_text(one.at),
        "channel": one.channel,
        "state": one.state,
        "attempts": one.attempts,
        "reason": one.reason,
    }
