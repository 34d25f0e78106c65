"""`bridge job`: the work queue."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from bridge.cli.mending import DryRun, Reason, check_reason_given, tell_mended, with_bridge
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
from bridge.cli.output import local_time, print_documents, print_facts, print_table, short_keys, tell
from bridge.flow.bridge import Bridge
from bridge.flow.mend import Actor, Mended, hurry, revive
from bridge.ids import Key
from bridge.store.jobs import Among, JobFilter, get_job, list_jobs
from bridge.store.rows import Job, JobState, NoSuchRow
from bridge.web.console.documents import job_document

app = typer.Typer(help="Jobs: what is due, what is tried again, what was given up.")


@app.command("list")
def list_(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    limit: Limit = 50,
    before: Before = None,
    state: Annotated[JobState, typer.Option(help="In this state.")] = JobState.READY,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    among: Annotated[
        Among | None, typer.Option(help="Of the ready ones: held by a worker, or to be tried again.")
    ] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List jobs in one state, newest first.

    Example: bridge job list --state dead
    """
    if among is not None and state is not JobState.READY:
        raise typer.BadParameter("only ready jobs are leased or retried", param_hint="--among")
    with open_store(config) as opened:
        wanted = JobFilter(
            state=state,
            kind=kind,
            since=read_moment(since, opened.zone, "--since"),
            until=read_moment(until, opened.zone, "--until"),
        )
        start = read_before(before)
        rows = opened.store.read_sync(
            lambda tx: list_jobs(tx, wanted, among=among, before=start, limit=limit)
        )
        if json:
            print_documents(job_document(row) for row in rows)
            return
        lines = [
            (
                key,
                row.kind,
                row.state,
                local_time(row.due, opened.zone),
                row.attempts,
                row.leased_by,
                row.reason,
            )
            for key, row in zip(short_keys([row.key for row in rows]), rows, strict=True)
        ]
        print_table(
            ("key", "kind", "state", "due", "attempts", "leased by", "reason"),
            lines,
            fold="reason",
            zone=opened.zone,
        )
        if len(rows) == limit:
            tell(f"There may be more: --before {rows[-1].key}")


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="A key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show one job.

    Example: bridge job show 01936a2b-7c3d
    """
    with open_store(config) as opened:
        document = job_document(opened.store.read_sync(lambda tx: _find(tx, id)))
        if json:
            print_documents([document])
        else:
            print_facts(document, zone=opened.zone)


@app.command("revive")
def revive_(
    id: Annotated[str, typer.Argument(help="A key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Try a job again that was given up.

    Example: bridge job revive 01936a2b-7c3d --reason "disk was full"
    """
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> Mended:
        job = await bridge.store.read(lambda tx: _find(tx, id))
        return await revive(bridge, job.key, dry_run=dry_run, by=by, reason=reason)

    tell_mended(with_bridge(config, do), dry_run=dry_run, json=json)


@app.command("hurry")
def hurry_(
    id: Annotated[str, typer.Argument(help="A key or its beginning.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Do a job now that waits for its time, such as the next attempt to deliver.

    Example: bridge job hurry 01936a2b-7c3d --reason "partner is back"
    """
    check_reason_given(reason, dry_run=dry_run)

    async def do(bridge: Bridge, by: Actor) -> Mended:
        job = await bridge.store.read(lambda tx: _find(tx, id))
        return await hurry(bridge, job.key, dry_run=dry_run, by=by, reason=reason)

    tell_mended(with_bridge(config, do), dry_run=dry_run, json=json)


def _find(tx: Connection, text: str) -> Job:
    def exact(id: str) -> tuple[Job, ...]:
        try:
            return (get_job(tx, Key(id)),)
        except NoSuchRow:
            return ()

    def below(top: Key) -> tuple[Job, ...]:
        lists = (list_jobs(tx, JobFilter(state=state), before=top, limit=11) for state in JobState)
        return tuple(job for jobs in lists for job in jobs)

    return pick("job", text, exact=exact, below=below)
