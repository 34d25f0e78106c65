"""`bridge exchange`: what the console shows as one line, with everything that came of it."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from bridge.cli.assemble import utc_now
from bridge.cli.mending import (
    BulkLimit,
    CauseOption,
    DryRun,
    Reason,
    check_reason_given,
    mend_by_cause,
    one_or_cause,
    tell_mended,
    with_bridge,
)
from bridge.cli.opened import open_store, pick
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
from bridge.flow.causes import list_causes, mend_exchange
from bridge.flow.mend import Actor, Mended, resolve
from bridge.flow.refuse import refuse
from bridge.flow.runs import put_down, take_up
from bridge.ids import Key
from bridge.store.exchanges import ExchangeFilter, find_exchanges, list_exchanges
from bridge.store.rows import Exchange, ExchangeDirection, ExchangeState
from bridge.web.console.attention import cause_views
from bridge.web.console.documents import cause_document, dossier_document, exchange_document
from bridge.web.console.dossier import find_dossier
from bridge.web.console.filters import may_be_bsn, search
from bridge.web.console.text import Language, catalogue
from bridge.web.console.views import Lens

CauseArgument = Annotated[str, typer.Argument(help="A cause, as `bridge exchange causes` lists it.")]

app = typer.Typer(help="Exchanges over both protocols: list them, or show the timeline of one.")


@app.command("list")
def list_(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    limit: Limit = 50,
    before: Before = None,
    q: Annotated[str | None, typer.Option("--q", help="A whole id or subject, wherever it occurs.")] = None,
    state: Annotated[ExchangeState | None, typer.Option(help="Only in this state.")] = None,
    direction: Annotated[ExchangeDirection | None, typer.Option(help="Which way it goes.")] = None,
    partner: Annotated[str | None, typer.Option(help="OIN or party id of the partner.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Message action or event type.")] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List exchanges, newest first, with the filters of the console.

    Example: bridge exchange list --state attention
    """
    if q is not None and may_be_bsn(q):
        raise typer.BadParameter("that may be a BSN; search by an id or a subject", param_hint="--q")
    with open_store(config) as opened:
        wanted = ExchangeFilter(
            state=state,
            direction=direction,
            partner=partner,
            title=type_,
            since=read_moment(since, opened.zone, "--since"),
            until=read_moment(until, opened.zone, "--until"),
        )
        start = read_before(before)
        rows = opened.store.read_sync(lambda tx: _list(tx, q, wanted, before=start, limit=limit))
        if json:
            print_documents(exchange_document(row) for row in rows)
            return
        lines = [
            (
                key,
                local_time(row.started_at, opened.zone),
                row.direction,
                row.state,
                row.partner,
                row.title,
                row.subject,
            )
            for key, row in zip(short_keys([row.key for row in rows]), rows, strict=True)
        ]
        print_table(
            ("key", "time", "way", "state", "partner", "what", "subject"),
            lines,
            fold="what",
            zone=opened.zone,
        )
        if len(rows) == limit:
            tell(f"There may be more: --before {rows[-1].key}")


def _list(
    tx: Connection, q: str | None, wanted: ExchangeFilter, *, before: Key | None, limit: int
) -> tuple[Exchange, ...]:
    if q is None:
        return list_exchanges(tx, wanted, before=before, limit=limit)
    return search(tx, q.strip(), wanted, before=before, limit=limit)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="A key or its beginning, or any id that occurs in it.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show one exchange: its timeline, messages and events. Never their content.

    Example: bridge exchange show 01936a2b-7c3d
    """
    with open_store(config) as opened:
        exchange = opened.store.read_sync(lambda tx: _find(tx, id))
        dossier = opened.store.read_sync(lambda tx: find_dossier(tx, exchange.key))
        assert dossier is not None
        document = dossier_document(dossier)
        if json:
            print_documents([document])
            return
        print_facts(
            exchange_document(exchange) | {"turn": document["turn"], "page": f"/exchanges/{exchange.key}"},
            zone=opened.zone,
        )
        print_heading("Timeline")
        print_steps(dossier.steps, opened.zone, told=dossier.told)
        print_heading("Messages")
        messages = [
            (m.key, m.direction, m.state, m.action, m.message_id)
            for m in (f.message for f in dossier.messages)
        ]
        print_table(("key", "way", "state", "action", "MessageId"), messages, fold="MessageId")
        print_heading("Events")
        events = [(e.key, e.direction, e.state, e.type, e.id) for e in dossier.events]
        print_table(("key", "way", "state", "type", "id"), events, fold="type")
        print_heading("Related")
        related = [(e.key, e.state, e.title, e.subject) for e in dossier.related]
        print_table(("key", "state", "what", "subject"), related, fold="what")


@app.command()
def causes(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """List why exchanges need a person: one line per cause, with whose turn it is and who has taken it up.

    Example: bridge exchange causes
    """
    with open_store(config) as opened:
        lens = Lens(words=catalogue(Language.ENGLISH), zone=opened.zone, now=utc_now(), names={})
        found = opened.store.read_sync(list_causes)
        views = opened.store.read_sync(lambda tx: cause_views(tx, found, lens))
        if json:
            print_documents(
                cause_document(cause) | {"turn": view.turn, "owner": view.owner.owner if view.owner else None}
                for cause, view in zip(found, views, strict=True)
            )
            return
        rows = [
            (
                c.id,
                c.count,
                local_time(c.oldest, opened.zone),
                c.partner,
                c.title,
                view.turn,
                view.owner.owner if view.owner else "",
                c.text,
                c.sample,
            )
            for c, view in zip(found, views, strict=True)
        ]
        columns = ("cause", "count", "oldest", "partner", "what", "turn", "owner", "reason", "example")
        print_table(columns, rows, fold="reason", zone=opened.zone)


@app.command()
def take(
    cause: CauseArgument,
    config: Config = DEFAULT_CONFIG,
    reason: Reason = "",
    drop: Annotated[bool, typer.Option("--drop", help="Let it go again instead.")] = False,
) -> None:
    """Take a cause up, so that others see who is at it; or with --drop let it go.

    Example: bridge exchange take 4f1d09aa3c --reason "called the partner, they mend it today"
    """
    check_reason_given(reason, dry_run=False)

    async def do(bridge: Bridge, by: Actor) -> None:
        await (put_down if drop else take_up)(bridge, cause, by=by, note=reason)

    with_bridge(config, do)
    tell("Nobody has it now." if drop else "You have it now.")


@app.command()
def mend(
    id: Annotated[
        str | None, typer.Argument(help="A key or its beginning, or any id that occurs in it.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    cause: CauseOption = None,
    limit: BulkLimit = None,
) -> None:
    """Do what brings an exchange further: replay what is parked, send or offer again what stopped.

    Example: bridge exchange mend --cause 4f1d09aa3c --limit 50 --reason "mapping mended"
    """
    one_or_cause(id, cause, limit)
    check_reason_given(reason, dry_run=dry_run)
    if cause is not None and limit is not None:
        mend_by_cause(config, cause, limit, reason, settle=False, dry_run=dry_run, json=json)
        return

    async def do(bridge: Bridge, by: Actor) -> Mended:
        exchange = await bridge.store.read(lambda tx: _find(tx, id or ""))
        return await mend_exchange(bridge, exchange.key, dry_run=dry_run, by=by, reason=reason)

    tell_mended(with_bridge(config, do, maps=True), dry_run=dry_run, json=json)


@app.command("resolve")
def resolve_(
    id: Annotated[
        str | None, typer.Argument(help="A key or its beginning, or any id that occurs in it.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    cause: CauseOption = None,
    limit: BulkLimit = None,
) -> None:
    """Settle what stopped in an exchange and was put right elsewhere: it asks for attention no longer.

    Example: bridge exchange resolve 01936a2b-7c3d --reason "sent by phone"
    """
    one_or_cause(id, cause, limit)
    check_reason_given(reason, dry_run=dry_run)
    if cause is not None and limit is not None:
        mend_by_cause(config, cause, limit, reason, settle=True, dry_run=dry_run, json=json)
        return

    async def do(bridge: Bridge, by: Actor) -> Mended:
        exchange = await bridge.store.read(lambda tx: _find(tx, id or ""))
        return await resolve(bridge, exchange.key, note=reason, dry_run=dry_run, by=by)

    tell_mended(with_bridge(config, do), dry_run=dry_run, json=json)


@app.command("refuse")
def refuse_(
    id: Annotated[str, typer.Argument(help="A key or its beginning, or any id that occurs in it.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Refuse a message that stopped: its sender gets the fault message of its standard, and the exchange is settled.

    Only where the mapping says so (`answers: rejected`), and while nothing of the message was sent on. The reason is
    for the timeline; the sender reads the words of the mapping.
    Example: bridge exchange refuse 01936a2b-7c3d --reason "asked them to send it anew"
    """
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> Mended:
        exchange = await bridge.store.read(lambda tx: _find(tx, id))
        return await refuse(bridge, exchange.key, note=reason, dry_run=dry_run, by=by)

    tell_mended(with_bridge(config, do, maps=True), dry_run=dry_run, json=json)


def _find(tx: Connection, text: str) -> Exchange:
    return pick(
        "exchange",
        text,
        exact=lambda id: find_exchanges(tx, id, limit=11),
        below=lambda top: list_exchanges(tx, ExchangeFilter(), before=top, limit=11),
    )
