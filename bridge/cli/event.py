"""`bridge event`: CloudEvents, offered to the hub or taken from it.

`app` is open: `event_check.py` adds the command that judges files.
"""

from typing import Annotated

import typer
from sqlalchemy import Connection

from bridge.cli.event_check import check
from bridge.cli.mending import DryRun, Reason, check_reason_given, tell_mended, with_bridge
from bridge.cli.opened import open_store, pick
from bridge.cli.opening import Reveal, Why, open_event_named
from bridge.cli.options import (
    DEFAULT_CONFIG,
    Before,
    Config,
    Json,
    Limit,
    Since,
    Until,
    read_before,
    read_moment,
)
from bridge.cli.output import (
    local_time,
    print_documents,
    print_facts,
    print_heading,
    print_table,
    short_keys,
    tell,
)
from bridge.cli.steps import print_steps
from bridge.flow.bridge import Bridge
from bridge.flow.mend import Actor, Mended, release, retry_event
from bridge.store.events import EventFilter, list_events
from bridge.store.rows import Direction, Event, EventState
from bridge.store.timeline import steps_of, told_at
from bridge.web.console.documents import event_document, step_document

app = typer.Typer(help="CloudEvents: list them, or show one with its attributes and steps.")


@app.command("list")
def list_(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    limit: Limit = 50,
    before: Before = None,
    state: Annotated[EventState | None, typer.Option(help="Only in this state.")] = None,
    direction: Annotated[Direction | None, typer.Option(help="From the hub (in) or to it (out).")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="The event type.")] = None,
    subject: Annotated[str | None, typer.Option(help="The subject.")] = None,
    correlation: Annotated[str | None, typer.Option(help="The correlation id.")] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List events, newest first.

    Example: bridge event list --state error --type uitwisselen-melding.melding-geregistreerd
    """
    with open_store(config) as opened:
        wanted = EventFilter(
            state=state,
            direction=direction,
            type=type_,
            subject=subject,
            correlation_id=correlation,
            since=read_moment(since, opened.zone, "--since"),
            until=read_moment(until, opened.zone, "--until"),
        )
        start = read_before(before)
        rows = opened.store.read_sync(lambda tx: list_events(tx, wanted, before=start, limit=limit))
        if json:
            print_documents(event_document(row) for row in rows)
            return
        lines = [
            (key, local_time(row.at, opened.zone), row.direction, row.state, row.type, row.subject, row.id)
            for key, row in zip(short_keys([row.key for row in rows]), rows, strict=True)
        ]
        print_table(
            ("key", "time", "way", "state", "type", "subject", "id"), lines, fold="type", zone=opened.zone
        )
        if len(rows) == limit:
            tell(f"There may be more: --before {rows[-1].key}")


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="Event id, interactieId, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show one event: its attributes and the steps of its exchange. Never its data.

    Example: bridge event show 01936a2b-7c3d
    """
    with open_store(config) as opened:
        event = opened.store.read_sync(lambda tx: _find(tx, id))
        steps, told = opened.store.read_sync(
            lambda tx: (steps_of(tx, event.exchange), told_at(tx, event.exchange))
        )
        document = event_document(event)
        if json:
            shown = [step_document(step, told=step.seq in told) for step in steps]
            print_documents([document | {"steps": shown}])
            return
        print_facts(document, zone=opened.zone)
        print_heading("Steps of its exchange")
        print_steps(steps, opened.zone, told=told)


@app.command("open")
def open_(
    id: Annotated[str, typer.Argument(help="Event id, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reveal: Reveal = False,
    reason: Why = "",
) -> None:
    """Open one event: its attributes, and its data line by line with what is about people masked.

    Example: bridge event open 01936a2b-7c3d
    """
    with open_store(config) as opened:
        event = opened.store.read_sync(lambda tx: _find(tx, id))
        open_event_named(opened, event.key, reveal=reveal, reason=reason, json=json)


@app.command("retry")
def retry_(
    id: Annotated[str, typer.Argument(help="Event id, interactieId, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Offer an event that the hub rejected again: as a new event that names the former one.

    Example: bridge event retry 01936a2b-7c3d --reason "hub was mended"
    """
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> Mended:
        event = await bridge.store.read(lambda tx: _find(tx, id))
        return await retry_event(bridge, event.key, dry_run=dry_run, by=by, reason=reason)

    tell_mended(with_bridge(config, do), dry_run=dry_run, json=json)


@app.command("release")
def release_(
    id: Annotated[str, typer.Argument(help="Event id, interactieId, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Compose messages again from an event that was set aside.

    Example: bridge event release 01936a2b-7c3d --reason "agreement is there"
    """
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> Mended:
        event = await bridge.store.read(lambda tx: _find(tx, id))
        return await release(bridge, event.key, dry_run=dry_run, by=by, reason=reason)

    tell_mended(with_bridge(config, do, maps=True), dry_run=dry_run, json=json)


def _find(tx: Connection, text: str) -> Event:
    def exact(id: str) -> tuple[Event, ...]:
        wishes = (EventFilter(id=id), EventFilter(interactie_id=id))
        found = {event.key: event for wanted in wishes for event in list_events(tx, wanted, limit=11)}
        return tuple(found.values())

    below = lambda top: list_events(tx, EventFilter(), before=top, limit=11)  # noqa: E731
    return pick("event", text, exact=exact, below=below)


app.command("check")(check)
