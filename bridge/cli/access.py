"""`bridge access`: who looked up what at the source, and what was decided."""

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
from bridge.store.access import AccessFilter, list_accesses
from bridge.store.rows import AccessOutcome
from bridge.web.console.documents import access_document
from bridge.web.console.exports import ACCESS_EXPORTED, MOST_EXPORTED, Form, access_file

app = typer.Typer(help="The access log: decisions about lookups at the source.", no_args_is_help=True)


@app.callback()
def log() -> None:
    """Decisions only: never what was looked up."""


Outcome = Annotated[AccessOutcome | None, typer.Option(help="Only this decision.")]
Reader = Annotated[str | None, typer.Option(help="OIN of the organisation that asked.")]
Type = Annotated[str | None, typer.Option("--type", help="Type of the data.")]
Id = Annotated[str | None, typer.Option("--id", help="Id of the data.")]


@app.command("list")
def list_(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    limit: Limit = 50,
    before: Before = None,
    outcome: Outcome = None,
    reader: Reader = None,
    type_: Type = None,
    id: Id = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List decisions about lookups, newest first.

    Example: bridge access list --outcome denied --since 2026-11-01 --json
    """
    with open_store(config) as opened:
        wanted = _filter(opened, outcome, reader, type_, id, since, until)
        start = read_before(before)
        lines = opened.store.read_sync(lambda tx: list_accesses(tx, wanted, before=start, limit=limit))
        if json:
            print_documents(access_document(line) for line in lines)
            return
        rows: list[tuple[Any, ...]] = [
            (
                local_time(line.at, opened.zone),
                line.outcome,
                line.reader,
                line.type,
                line.id,
                line.level,
                line.policy,
            )
            for line in lines
        ]
        print_table(
            ("time", "decision", "organisation", "type", "id", "level", "by"),
            rows,
            fold="id",
            zone=opened.zone,
        )
        if len(lines) == limit:
            tell(f"There may be more: --before {lines[-1].key}")


@app.command()
def export(
    config: Config = DEFAULT_CONFIG,
    form: Annotated[Form, typer.Option("--format", help="Table, or one JSON document per line.")] = Form.CSV,
    out: Out = None,
    outcome: Outcome = None,
    reader: Reader = None,
    type_: Type = None,
    id: Id = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Export decisions about lookups as the console does, newest first, at most 100,000. It is a line of audit.

    Example: bridge access export --outcome denied --format jsonl --out denied.jsonl
    """
    check_new(out)
    with open_store(config) as opened:
        wanted = _filter(opened, outcome, reader, type_, id, since, until)
        lines = opened.store.read_sync(lambda tx: list_accesses(tx, wanted, limit=MOST_EXPORTED))
        audit_export(opened.store, ACCESS_EXPORTED, len(lines))
    give(access_file(lines, form), out)


def _filter(
    opened: Opened,
    outcome: AccessOutcome | None,
    reader: str | None,
    type_: str | None,
    id: str | None,
    since: str | None,
    until: str | None,
) -> AccessFilter:
    return AccessFilter(
        outcome=outcome,
        reader=reader,
        type=type_,
        id=id,
        since=read_moment(since, opened.zone, "--since"),
        until=read_moment(until, opened.zone, "--until"),
    )
