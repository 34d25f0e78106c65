"""`bridge message evidence|hold|release`: what can be shown of a message, and what must be kept of it."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from bridge.cli.acting import acting
from bridge.cli.assemble import utc_now
from bridge.cli.opened import open_store, pick
from bridge.cli.options import DEFAULT_CONFIG, Config
from bridge.cli.output import tell
from bridge.flow.agreement_folder import find_versions
from bridge.flow.evidence import changed_steps, gather_evidence, write_archive
from bridge.flow.mend_model import CannotMend, check_reason
from bridge.store.holds import hold_exchange, release_exchange
from bridge.store.messages import MessageFilter, find_by_message_id, list_messages
from bridge.store.rows import Message
from bridge.web.console.accounts import audit
from bridge.web.console.filters import may_be_bsn
from bridge.web.console.reveals import EXPORTED

Id = Annotated[str, typer.Argument(help="MessageId, or a key or its beginning.")]
Reason = Annotated[
    str, typer.Option("--reason", help="Why: it stands on the timeline. No names, no numbers.")
]
ContentReason = Annotated[
    str, typer.Option("--reason", help="Why: it stands in the audit log. Nothing about people.")
]


def check_content_reason(reason: str) -> str:
    """Why somebody gets to see what a message holds, as the console demands it. Raises BadParameter."""
    try:
        text = check_reason(reason)
    except CannotMend:
        text = ""
    if not text or may_be_bsn(text):
        raise typer.BadParameter("say why, without anything about people", param_hint="--reason")
    return text


def evidence(
    id: Id,
    out: Annotated[Path, typer.Option("--out", help="The ZIP file to write; it must not be there.")],
    reason: ContentReason,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Export everything that proves a message, with a README for a third party. It holds the content.

    That it was exported, by whom and why, is a line of audit, as in the console.
    Example: bridge message evidence 01936a2b-7c3d --out evidence.zip --reason "request of the court"
    """
    why = check_content_reason(reason)
    if out.exists():
        raise typer.BadParameter(f"{out} is there already", param_hint="--out")
    with open_store(config) as opened:
        message = opened.store.read_sync(lambda tx: find_message_named(tx, id))
        dossier = opened.store.read_sync(lambda tx: gather_evidence(tx, message.key))
        versions = find_versions(opened.settings.agreements.folder, message.cpa_id)
        opened.store.write_sync(
            lambda tx: audit(
                tx,
                who=acting(),
                role="",
                way="command",
                action=EXPORTED,
                target=message.key,
                reason=why,
                at=utc_now(),
            )
        )
    if not versions:
        tell(f"CPA {message.cpa_id} is not in the agreements folder; the archive has no agreement")
    for number in changed_steps(dossier):
        tell(f"step {number} is not what was sealed: somebody changed it; the README of the archive says so")
    try:
        handle = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise typer.BadParameter(f"{out} is there already", param_hint="--out") from error
    with os.fdopen(handle, "wb") as stream:
        write_archive(stream, dossier, agreements=[v.octets for v in versions], at=utc_now())
    tell(f"Written: {out}")


def hold(id: Id, reason: Reason, config: Config = DEFAULT_CONFIG) -> None:
    """Keep a message and all that came of it, whatever the retention says, until it is released.

    Example: bridge message hold 01936a2b-7c3d --reason "klacht 2026-12"
    """
    by, at = getpass.getuser(), utc_now()
    with open_store(config) as opened:
        message = opened.store.read_sync(lambda tx: find_message_named(tx, id))
        new = opened.store.write_sync(
            lambda tx: hold_exchange(tx, message.exchange, at=at, by=by, reason=reason)
        )
    tell(f"Held: exchange {message.exchange}" if new else f"It was held already: exchange {message.exchange}")


def release(id: Id, reason: Reason, config: Config = DEFAULT_CONFIG) -> None:
    """End the hold on a message; what is past its retention is removed by the next purge.

    Example: bridge message release 01936a2b-7c3d --reason "klacht 2026-12 is afgehandeld"
    """
    by, at = getpass.getuser(), utc_now()
    with open_store(config) as opened:
        message = opened.store.read_sync(lambda tx: find_message_named(tx, id))
        was = opened.store.write_sync(
            lambda tx: release_exchange(tx, message.exchange, at=at, by=by, reason=reason)
        )
    tell(f"Released: exchange {message.exchange}" if was else f"It was not held: exchange {message.exchange}")


def find_message_named(tx: Connection, text: str) -> Message:
    """The one message that a person means. Raises NotFound."""
    return pick(
        "message",
        text,
        exact=lambda id: find_by_message_id(tx, id),
        below=lambda top: list_messages(tx, MessageFilter(), before=top, limit=11),
    )
