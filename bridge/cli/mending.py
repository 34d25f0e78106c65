"""What the commands that mend share: a running bridge, who acts, and printing what was or would be done."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bridge.cli.acting import acting
from bridge.cli.assemble import assemble, mappings_at_hand
from bridge.cli.output import print_documents, print_table, tell
from bridge.cli.progress import progress
from bridge.config import load_settings
from bridge.flow.bridge import Bridge
from bridge.flow.jobs import tell_operator
from bridge.flow.mend import Actor, Mended
from bridge.flow.runs import KIND, MOST_AT_ONCE, Plan, carry_out, plan_run, start_run
from bridge.flow.worker import Worker
from bridge.store.progress import Told, nobody
from bridge.store.rows import ItemOutcome, MendItem, MendRun, RunState, RunWhat
from bridge.store.runs import count_items, get_run, items_of

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it stands on the timeline and in the audit log.")]
CauseOption = Annotated[
    str | None,
    typer.Option("--cause", help="All exchanges of this cause, as `bridge exchange causes` lists it."),
]
BulkLimit = Annotated[
    int | None,
    typer.Option("--limit", min=1, max=MOST_AT_ONCE, help="With --cause: at most so many, oldest first."),
]

_LOOK_AGAIN = 0.2
"""Seconds, while another process carries the run out."""

T = TypeVar("T")
Do = Callable[[Bridge, Actor], Awaitable[T]]


def with_bridge(config: Path, do: Do[T], *, maps: bool = False) -> T:
    """Run this with a whole bridge on the store of the settings, as the person at the command line.

    What `maps` needs the mappings, and raises MappingError when they are refused; the rest goes on without.
    """

    async def run() -> T:
        settings = load_settings(config)
        mappings = None if maps else mappings_at_hand(settings.mappings.folder)
        # What stands out in the agreements is for `bridge check` and `bridge cpa lint`, not for every answer.
        async with assemble(settings, mappings=mappings, tell_findings=False) as bridge:
            return await do(bridge, Actor(name=acting(), way="command"))

    # Standard output is for data; what is logged on the way is talk.
    with redirect_stdout(sys.stderr):
        return asyncio.run(run())


def check_reason_given(reason: str, *, dry_run: bool) -> None:
    """Changing anything takes a reason. Raises BadParameter."""
    if not reason.strip() and not dry_run:
        raise typer.BadParameter("say why; it is written down", param_hint="--reason")


def tell_mended(mended: Mended, *, dry_run: bool, json: bool) -> None:
    """Print the effects. Exit code 1 when it was to be done and was not."""
    if json:
        print_documents([mended_document(mended, dry_run=dry_run)])
    else:
        rows = [
            (e.kind, e.title, e.id, "\n".join((*e.differences, e.reason)).strip()) for e in mended.effects
        ]
        print_table(("effect", "what", "id", "difference"), rows, fold="difference")
        tell(
            "Nothing was changed: this was a dry run."
            if dry_run
            else "Done."
            if mended.done
            else "Not mended."
        )
    if not dry_run and not mended.done:
        raise typer.Exit(1)


def mended_document(mended: Mended, *, dry_run: bool) -> dict[str, Any]:
    """For scripts; keys are only ever added."""
    return {
        "dryRun": dry_run,
        "done": mended.done,
        "effects": [
            {
                "kind": e.kind,
                "title": e.title,
                "id": e.id,
                "differences": list(e.differences),
                "reason": e.reason or None,
            }
            for e in mended.effects
        ],
    }


def one_or_cause(id: str | None, cause: str | None, limit: int | None) -> None:
    """Either one id, or a cause with a limit. Raises BadParameter."""
    if (id is None) == (cause is None):
        raise typer.BadParameter("give one ID, or --cause with --limit", param_hint="ID")
    if cause is not None and limit is None:
        raise typer.BadParameter("say how many at most", param_hint="--limit")


def mend_by_cause(
    config: Path, cause: str, limit: int, reason: str, *, settle: bool, dry_run: bool, json: bool
) -> None:
    """Mend or settle the exchanges of a cause, or tell the plan. Exit code 1 when some could not be."""
    what = RunWhat.SETTLE if settle else RunWhat.MEND
    if dry_run:
        plan = with_bridge(
            config, lambda b, by: plan_run(b, cause, what, limit=limit, by=by), maps=not settle
        )
        tell_plan(plan, json=json)
        return
    with progress("Mending", json=json) as told:
        run, done, failed = with_bridge(
            config, lambda b, by: _follow(b, by, cause, what, limit, reason, told), maps=not settle
        )
    if json:
        print_documents([run_document(run, done, failed)])
    else:
        print_table(("not mended", "reason"), [(i.exchange, i.why or "") for i in failed], fold="reason")
        tell(f"{len(done)} done, {len(failed)} not.")
    if failed or not done:
        raise typer.Exit(1)


async def _follow(
    bridge: Bridge, by: Actor, cause: str, what: RunWhat, limit: int, reason: str, told: Told
) -> tuple[MendRun, tuple[MendItem, ...], tuple[MendItem, ...]]:
    """Start the run and carry it out here, unless a bridge that runs on this store is at it already."""
    run = await start_run(bridge, cause, what, limit=limit, by=by, reason=reason)
    name = f"{socket.gethostname()}:{os.getpid()} command"
    worker = Worker(bridge, {KIND: carry_out}, name=name, on_buried=tell_operator)
    async with _telling(bridge, run, told):
        await worker.run_until_idle()
        while (run := await bridge.store.read(lambda tx: get_run(tx, run.key))).state is RunState.RUNNING:
            await asyncio.sleep(_LOOK_AGAIN)
            await worker.run_until_idle()
    done, failed = await bridge.store.read(
        lambda tx: (
            items_of(tx, run.key, ItemOutcome.DONE, limit=MOST_AT_ONCE),
            items_of(tx, run.key, ItemOutcome.FAILED, limit=MOST_AT_ONCE),
        )
    )
    return run, done, failed


@asynccontextmanager
async def _telling(bridge: Bridge, run: MendRun, told: Told) -> AsyncIterator[None]:
    """Tell meanwhile how far the run is, whoever carries it out."""

    async def watch() -> None:
        while True:
            counts = await bridge.store.read(lambda tx: count_items(tx, run.key))
            total = sum(counts.values())
            told("Mending exchanges", total - counts[ItemOutcome.WAITING], total)
            await asyncio.sleep(_LOOK_AGAIN)

    if told is nobody:
        yield
        return
    watching = asyncio.create_task(watch(), name="command.progress")
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def run_document(run: MendRun, done: Sequence[MendItem], failed: Sequence[MendItem]) -> dict[str, Any]:
    """For scripts; keys are only ever added."""
    return {
        "run": run.key,
        "cause": run.cause,
        "what": run.what,
        "state": run.state,
        "done": [item.exchange for item in done],
        "failed": [{"exchange": item.exchange, "reason": item.why} for item in failed],
    }


def tell_plan(plan: Plan, *, json: bool) -> None:
    """Print what a run would do."""
    if json:
        impossible = [{"exchange": key, "reason": why} for key, why in plan.impossible]
        effects = {str(kind): count for kind, count in plan.effects.items()}
        print_documents(
            [
                {
                    "dryRun": True,
                    "total": plan.total,
                    "lookedAt": plan.looked_at,
                    "effects": effects,
                    "impossible": impossible,
                }
            ]
        )
        return
    print_table(("effect", "times"), [(kind, count) for kind, count in plan.effects.items()], fold="effect")
    print_table(("not mended", "reason"), plan.impossible, fold="reason")
    tell(f"{plan.total} exchanges; the first {plan.looked_at} were looked at. Nothing was changed.")
