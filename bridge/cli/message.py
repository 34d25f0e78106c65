"""`bridge message`: ebMS messages, in and out."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from bridge.cli import message_keep
from bridge.cli.mending import DryRun, Reason, check_reason_given, tell_mended, with_bridge
from bridge.cli.message_keep import find_message_named
from bridge.cli.opened import open_store
from bridge.cli.opening import open_message_
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
from bridge.flow.mend import Actor, Mended, replay, resend
from bridge.flow.ping import Asked, Reached, ask_status
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Direction, MessageState
from bridge.store.timeline import steps_of, told_at
from bridge.web.console.documents import message_document, message_file_document, step_document
from bridge.web.console.dossier import read_message_file
from bridge.web.console.views import size_text

app = typer.Typer(help="ebMS messages: list and show them, replay or send one again.")

for command in (message_keep.evidence, message_keep.hold, message_keep.release):
    app.command()(command)
app.command("open")(open_message_)


@app.command("list")
def list_(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    limit: Limit = 50,
    before: Before = None,
    state: Annotated[MessageState | None, typer.Option(help="Only in this state.")] = None,
    direction: Annotated[Direction | None, typer.Option(help="Received (in) or sent (out).")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Party id of the sender.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Party id of the receiver.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="The Action.")] = None,
    subject: Annotated[str | None, typer.Option(help="The business reference.")] = None,
    conversation: Annotated[str | None, typer.Option(help="The ConversationId.")] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List messages, newest first.

    Example: bridge message list --state parked --since 2026-11-23
    """
    with open_store(config) as opened:
        wanted = MessageFilter(
            state=state,
            direction=direction,
            from_party=from_,
            to_party=to,
            action=type_,
            subject=subject,
            conversation_id=conversation,
            since=read_moment(since, opened.zone, "--since"),
            until=read_moment(until, opened.zone, "--until"),
        )
        start = read_before(before)
        rows = opened.store.read_sync(lambda tx: list_messages(tx, wanted, before=start, limit=limit))
        if json:
            print_documents(message_document(row) for row in rows)
            return
        lines = [
            (
                key,
                local_time(row.at, opened.zone),
                row.direction,
                row.state,
                row.action,
                row.subject,
                row.message_id,
            )
            for key, row in zip(short_keys([row.key for row in rows]), rows, strict=True)
        ]
        print_table(
            ("key", "time", "way", "state", "action", "subject", "MessageId"),
            lines,
            fold="MessageId",
            zone=opened.zone,
        )
        if len(rows) == limit:
            tell(f"There may be more: --before {rows[-1].key}")


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="MessageId, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show one message: header fields, parts, evidence and the steps of its exchange. Never its content.

    Example: bridge message show 01936a2b-7c3d
    """
    with open_store(config) as opened:
        message = opened.store.read_sync(lambda tx: find_message_named(tx, id))
        exchange = message.exchange
        file, steps, told = opened.store.read_sync(
            lambda tx: (read_message_file(tx, message), steps_of(tx, exchange), told_at(tx, exchange))
        )
        shown = [step_document(step, told=step.seq in told) for step in steps]
        document = message_file_document(file) | {"steps": shown}
        if json:
            print_documents([document])
            return
        flat = {
            name: value for name, value in message_document(message).items() if not isinstance(value, dict)
        }
        ends = {
            "from": f"{message.from_party} {message.from_role or ''}".strip(),
            "to": f"{message.to_party} {message.to_role or ''}".strip(),
        }
        print_facts(flat | ends, zone=opened.zone)
        print_heading("Parts")
        parts = [(p.content_id, p.content_type, size_text(p.size), p.blob) for p in file.payloads]
        print_table(("Content-ID", "type", "size", "sha256"), parts, fold="sha256")
        print_heading("Evidence")
        proofs = [
            (local_time(item.at, opened.zone), item.kind, size_text(size), item.blob)
            for item, size in file.evidence
        ]
        print_table(("time", "kind", "size", "sha256"), proofs, fold="sha256")
        print_heading("Steps of its exchange")
        print_steps(steps, opened.zone, told=told)


@app.command("replay")
def replay_(
    id: Annotated[str, typer.Argument(help="MessageId, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    offer_again: Annotated[
        bool, typer.Option("--offer-again", help="Also offer anew what the hub processed already.")
    ] = False,
) -> None:
    """Map a received message again, with the mapping of now; --dry-run shows the difference, without values.

    Example: bridge message replay 01936a2b-7c3d --dry-run
    """
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> Mended:
        message = await bridge.store.read(lambda tx: find_message_named(tx, id))
        return await replay(
            bridge, message.key, dry_run=dry_run, by=by, reason=reason, offer_again=offer_again
        )

    tell_mended(with_bridge(config, do, maps=True), dry_run=dry_run, json=json)


@app.command("status")
def status_(
    id: Annotated[str, typer.Argument(help="MessageId, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    within: Annotated[
        float, typer.Option("--within", min=0.1, max=600, help="Seconds to wait for the answer.")
    ] = 10.0,
) -> None:
    """Ask the partner what became of a message that was sent to it (StatusRequest). Exit 1 without an answer.

    Example: bridge message status 01936a2b-7c3d
    """

    async def do(bridge: Bridge, _by: Actor) -> Asked:
        message = await bridge.store.read(lambda tx: find_message_named(tx, id))
        return await ask_status(bridge, message.key, within=timedelta(seconds=within))

    asked = with_bridge(config, do)
    if json:
        print_documents([asdict(asked)])
    else:
        print_facts(asdict(asked))
    if asked.reached is not Reached.ANSWERED:
        raise typer.Exit(1)


@app.command("resend")
def resend_(
    id: Annotated[str, typer.Argument(help="MessageId, or a key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    same: Annotated[
        bool, typer.Option("--same", help="The very same message, while its TimeToLive lasts.")
    ] = False,
) -> None:
    """Send a failed or expired message again, as a new message with the same content.

    Example: bridge message resend 01936a2b-7c3d --reason "partner is back"
    """
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> Mended:
        message = await bridge.store.read(lambda tx: find_message_named(tx, id))
        return await resend(bridge, message.key, same=same, dry_run=dry_run, by=by, reason=reason)

    tell_mended(with_bridge(config, do), dry_run=dry_run, json=json)
