"""`bridge run`: mending of many that is under way or was done, as the console shows it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from bridge.cli.mending import Reason, check_reason_given, with_bridge
from bridge.cli.opened import open_store, pick
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts, print_heading, print_table, tell
from bridge.flow.bridge import Bridge
from bridge.flow.mend import Actor
from bridge.flow.runs import stop_run
from bridge.ids import Key
from bridge.store.rows import ItemOutcome, MendRun, NoSuchRow
from bridge.store.runs import count_items, get_run, items_of, list_runs
from bridge.web.console.views import utc_text

app = typer.Typer(help="Runs that mend or settle many exchanges: list, show, stop.", no_args_is_help=True)

MOST_SHOWN = 200
Id = Annotated[str, typer.Argument(help="A key or its beginning.")]


@app.command("list")
def list_(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """List the newest runs: what, by whom, and how far each is.

    Example: bridge run list
    """
    with open_store(config) as opened:
        found = opened.store.read_sync(lambda tx: [_document(tx, run) for run in list_runs(tx)])
        if json:
            print_documents(found)
            return
        rows = [
            (d["key"], d["at"], d["what"], d["state"], d["by"], d["done"], d["failed"], d["waiting"])
            for d in found
        ]
        print_table(
            ("key", "begun", "what", "state", "by", "done", "not done", "to do"),
            rows,
            fold="by",
            zone=opened.zone,
        )


@app.command("show")
def show(id: Id, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show one run: how far it is, and what was not done and why.

    Example: bridge run show 01936a2b-7c3d
    """
    with open_store(config) as opened:

        def read(tx: Connection) -> tuple[dict[str, Any], list[dict[str, str]]]:
            run = _find(tx, id)
            items = items_of(tx, run.key, ItemOutcome.FAILED, limit=MOST_SHOWN)
            return _document(tx, run), [{"exchange": i.exchange, "why": i.why or ""} for i in items]

        document, failed = opened.store.read_sync(read)
        if json:
            print_documents([document | {"notDone": failed}])
            return
        print_facts(document, zone=opened.zone)
        print_heading("Not done")
        print_table(("exchange", "why"), [(one["exchange"], one["why"]) for one in failed], fold="why")


@app.command("stop")
def stop(id: Id, config: Config = DEFAULT_CONFIG, json: Json = False, reason: Reason = "") -> None:
    """Stop a run. What it did stays done; what it did not come to stays as it is.

    Example: bridge run stop 01936a2b-7c3d --reason "the mapping is wrong after all"
    """
    check_reason_given(reason, dry_run=False)

    async def do(bridge: Bridge, by: Actor) -> dict[str, Any]:
        run = await bridge.store.read(lambda tx: _find(tx, id))
        await stop_run(bridge, run.key, by=by, reason=reason)
        return await bridge.store.read(lambda tx: _document(tx, get_run(tx, run.key)))

    document = with_bridge(config, do)
    if json:
        print_documents([document])
    else:
        tell("It is stopped.")


def _document(tx: Connection, run: MendRun) -> dict[str, Any]:
    counts = count_items(tx, run.key)
    return {
        "key": run.key,
        "at": utc_text(run.at),
        "endedAt": utc_text(run.ended_at) if run.ended_at else None,
        "what": run.what,
        "cause": run.cause,
        "state": run.state,
        "by": run.by,
        "reason": run.reason,
        **{str(outcome): counts[outcome] for outcome in ItemOutcome},
    }


def _find(tx: Connection, text: str) -> MendRun:
    def exact(id: str) -> tuple[MendRun, ...]:
        try:
            return (get_run(tx, Key(id)),)
        except NoSuchRow:
            return ()

    return pick("run", text, exact=exact, below=lambda top: list_runs(tx, before=top, limit=11))
