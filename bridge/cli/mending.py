"""What the commands that mend share: a running bridge, who acts, and printing what was or would be done."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bridge.cli.account import acting
from bridge.cli.assemble import assemble
from bridge.cli.output import print_documents, print_table, tell
from bridge.config import load_settings
from bridge.flow.bridge import Bridge
from bridge.flow.causes import Bulk, mend_cause, resolve_cause
from bridge.flow.mend import Actor, Mended

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it stands on the timeline and in the audit log.")]
CauseOption = Annotated[
    str | None,
    typer.Option("--cause", help="All exchanges of this cause, as `bridge exchange causes` lists it."),
]
BulkLimit = Annotated[
    int | None, typer.Option("--limit", min=1, max=5000, help="With --cause: at most so many, oldest first.")
]

T = TypeVar("T")
Do = Callable[[Bridge, Actor], Awaitable[T]]


def with_bridge(config: Path, do: Do[T]) -> T:
    """Run this with a whole bridge on the store of the settings, as the person at the command line."""

    async def run() -> T:
        async with assemble(load_settings(config)) as bridge:
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


def one_or_cause(id: str | None, cause: str | None, limit: int | None, *, dry_run: bool) -> None:
    """Either one id, or a cause with a limit. Raises BadParameter."""
    if (id is None) == (cause is None):
        raise typer.BadParameter("give one ID, or --cause with --limit", param_hint="ID")
    if cause is not None and limit is None:
        raise typer.BadParameter("say how many at most", param_hint="--limit")
    if cause is not None and dry_run:
        raise typer.BadParameter(
            "a dry run is of one ID; `bridge exchange causes` gives one of each cause", param_hint="--dry-run"
        )


def mend_by_cause(config: Path, cause: str, limit: int, reason: str, *, settle: bool, json: bool) -> None:
    """Mend or settle the exchanges of a cause. Exit code 1 when some could not be."""

    async def do(bridge: Bridge, by: Actor) -> Bulk:
        if settle:
            return await resolve_cause(bridge, cause, limit=limit, by=by, note=reason)
        return await mend_cause(bridge, cause, limit=limit, by=by, reason=reason)

    bulk = with_bridge(config, do)
    if json:
        failed = [{"exchange": key, "reason": why} for key, why in bulk.failed]
        print_documents([{"cause": cause, "done": list(bulk.done), "failed": failed}])
    else:
        print_table(("not mended", "reason"), bulk.failed, fold="reason")
        tell(f"{len(bulk.done)} done, {len(bulk.failed)} not.")
    if bulk.failed or not bulk.done:
        raise typer.Exit(1)
