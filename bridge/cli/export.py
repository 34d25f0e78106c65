"""What the commands that export share: where the file goes, and the line of audit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.acting import acting
from bridge.cli.assemble import utc_now
from bridge.cli.output import tell
from bridge.store.unit import Store
from bridge.web.console.accounts import audit
from bridge.web.console.exports import Download

Out = Annotated[
    Path | None,
    typer.Option("--out", help="File to write; it must not be there. Not given: standard output."),
]


def check_new(out: Path | None) -> None:
    """Raises BadParameter when the file is there already."""
    if out is not None and out.exists():
        raise typer.BadParameter(f"{out} is there already", param_hint="--out")


def audit_export(store: Store, action: str, lines: int) -> None:
    """Exporting a log stands in the audit log, as it does in the console."""
    store.write_sync(
        lambda tx: audit(
            tx, who=acting(), role="", way="command", action=action, at=utc_now(), lines=str(lines)
        )
    )


def give(download: Download, out: Path | None) -> None:
    """Write the file; its digest is told. Raises BadParameter when it is there by now."""
    if out is None:
        sys.stdout.buffer.write(download.body)
        sys.stdout.flush()
    else:
        try:
            handle = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError as error:
            raise typer.BadParameter(f"{out} is there already", param_hint="--out") from error
        with os.fdopen(handle, "wb") as stream:
            stream.write(download.body)
        tell(f"Written: {out}")
    tell(f"Content-Digest: {download.digest}")
