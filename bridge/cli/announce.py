"""`bridge announce`: tell the other participants about maintenance, a change, or where to reach the operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection

from bridge.cli.mending import with_bridge
from bridge.cli.options import DEFAULT_CONFIG, Config, Json, read_moment
from bridge.cli.output import print_documents, print_facts
from bridge.config import Announcements, load_settings
from bridge.flow.announce import announce
from bridge.flow.bridge import Bridge
from bridge.flow.mend_model import Actor, write_audit
from bridge.hub.bsn import holds_bsn
from bridge.hub.event import write_time
from bridge.hub.json import Json as JsonValue
from bridge.store.rows import Event

app = typer.Typer(help="Publish an event about the bridge itself; every participant of the hub can read it.")

Text = Annotated[
    str,
    typer.Option("--text", help="What others must know, in one or two sentences. Nothing about a person."),
]


@app.command()
def maintenance(
    text: Text,
    begins: Annotated[str, typer.Option("--from", help="When it begins, such as 2026-11-23T22:00.")],
    ends: Annotated[str, typer.Option("--until", help="When it is over.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Announce maintenance.

    Example: bridge announce maintenance --from 2026-11-23T22:00 --until 2026-11-24T02:00 --text "Nieuwe versie"
    """
    start, end = _moment(config, begins, "--from"), _moment(config, ends, "--until")
    if end <= start:
        raise typer.BadParameter("must be after --from", param_hint="--until")
    data = {"omschrijving": text, "begin": write_time(start), "einde": write_time(end)}
    _publish(config, lambda types: types.maintenance_type, data, json=json)


@app.command()
def change(
    text: Text,
    begins: Annotated[str, typer.Option("--from", help="When it takes effect, such as 2026-12-01.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Announce a change that others will notice.

    Example: bridge announce change --from 2026-12-01 --text "De API wordt versie 1.1"
    """
    data = {"omschrijving": text, "ingangsmoment": write_time(_moment(config, begins, "--from"))}
    _publish(config, lambda types: types.change_type, data, json=json)


@app.command()
def contact(
    mail: Annotated[str, typer.Option("--mail", help="Management mail address.")],
    phone: Annotated[str | None, typer.Option("--phone", help="Telephone number of the desk.")] = None,
    page: Annotated[str | None, typer.Option("--page", help="Address of a page with more.")] = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Tell where the operators of the bridge can be reached.

    Example: bridge announce contact --mail beheer@example.nl --phone 070-1234567
    """
    given = {"mail": mail, "telefoon": phone, "pagina": page}
    data = {name: value for name, value in given.items() if value is not None}
    _publish(config, lambda types: types.contact_type, data, json=json)


def _publish(
    config: Path, pick: Callable[[Announcements], str], data: Mapping[str, JsonValue], *, json: bool
) -> None:
    if any(isinstance(value, str) and holds_bsn(value) for value in data.values()):
        raise typer.BadParameter("it holds what looks like a BSN; every participant can read it")

    async def do(bridge: Bridge, by: Actor) -> Event:
        kind, now = pick(bridge.settings.announcements), bridge.now()

        def work(tx: Connection) -> Event:
            row = announce(tx, bridge, kind, data, at=now, what="fact.announced", detail={"by": by.name})
            write_audit(tx, bridge, by, "fact.announced", row.id, "", type=kind)
            return row

        return await bridge.store.write(work)

    event = with_bridge(config, do)
    document = {"id": event.id, "type": event.type, "state": str(event.state), "reason": event.reason or ""}
    if json:
        print_documents([document])
    else:
        print_facts(document)
    if event.reason:
        raise typer.Exit(1)


def _moment(config: Path, text: str, option: str) -> datetime:
    zone = ZoneInfo(load_settings(config).console.timezone)
    moment = read_moment(text, zone, option)
    assert moment is not None
    return moment
