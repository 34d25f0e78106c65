"""`bridge audit`: who did and saw what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bridge.cli.export import Out, audit_export, check_new, give
from bridge.cli.opened import Opened, open_store
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
from bridge.cli.output import local_time, print_documents, print_table, tell
from bridge.store.audit import AuditFilter, list_audit
from bridge.web.console.documents import audit_document
from bridge.web.console.exports import AUDIT_EXPORTED, MOST_EXPORTED, Form, audit_file

app = typer.Typer(help="The audit log: what people did and saw.", no_args_is_help=True)


Who = Annotated[str | None, typer.Option(help="Only of this account.")]
Action = Annotated[str | None, typer.Option(help="Only this action, as `message.replayed`.")]
Target = Annotated[str | None, typer.Option(help="Only about this key or name.")]


@app.command("list")
def list_(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    limit: Limit = 50,
    before: Before = None,
    who: Who = None,
    action: Action = None,
    target: Target = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List lines of the audit log, newest first.

    Example: bridge audit list --action field.shown --since 2026-11-01 --json
    """
    with open_store(config) as opened:
        wanted = _filter(opened, who, action, target, since, until)
        start = read_before(before)
        lines = opened.store.read_sync(lambda tx: list_audit(tx, wanted, before=start, limit=limit))
        if json:
            print_documents(audit_document(line) for line in lines)
            return
        rows: list[tuple[Any, ...]] = [
            (local_time(line.at, opened.zone), line.who, line.action, line.target, line.reason)
            for line in lines
        ]
        print_table(("time", "who", "action", "about", "reason"), rows, fold="reason", zone=opened.zone)
        if len(lines) == limit:
            tell(f"There may be more: --before {lines[-1].key}")


@app.command()
def export(
    config: Config = DEFAULT_CONFIG,
    form: Annotated[Form, typer.Option("--format", help="Table, or one JSON document per line.")] = Form.CSV,
    out: Out = None,
    who: Who = None,
    action: Action = None,
    target: Target = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Export the audit log as the console does, newest first, at most 100,000 lines. It is a line of audit itself.

    Example: bridge audit export --since 2026-11-01 --out audit.csv
    """
    check_new(out)
    with open_store(config) as opened:
        wanted = _filter(opened, who, action, target, since, until)
        lines = opened.store.read_sync(lambda tx: list_audit(tx, wanted, limit=MOST_EXPORTED))
        audit_export(opened.store, AUDIT_EXPORTED, len(lines))
    give(audit_file(lines, form), out)


def _filter(
    opened: Opened,
    who: str | None,
    action: str | None,
    target: str | None,
    since: str | None,
    until: str | None,
) -> AuditFilter:
    return AuditFilter(
        who=who,
        action=action,
        target=target,
        since=read_moment(since, opened.zone, "--since"),
        until=read_moment(until, opened.zone, "--until"),
    )
