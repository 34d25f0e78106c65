"""`bridge store backup|restore|move`: the whole store, to another place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli.assemble import utc_now
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts
from bridge.cli.progress import progress
from bridge.config import load_settings
from bridge.store.backup import Backup, make_backup, restore_backup
from bridge.store.engines import read_url
from bridge.store.move import move_store


def backup(
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must not be there.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Write a checked copy of the store while the bridge runs, with its SHA-256 beside it.

    Keys are not in it: keep the master key and the person key elsewhere.
    Example: bridge store backup --out /backup/bridge-2026-11-23
    """
    url = load_settings(config).store.url
    with progress("Copying the store", json=json) as told:
        made = make_backup(url, out, told=told)
    _tell(_facts(made), json)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `bridge store backup` wrote.")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Set a SQLite store that is there aside, under another name.")
    ] = False,
) -> None:
    """Put a backup in place as the store of the settings. Stop the bridge first.

    Afterwards: bridge store upgrade, bridge store verify. A PostgreSQL database must be empty.
    Example: bridge store restore /backup/bridge-2026-11-23
    """
    url = load_settings(config).store.url
    with progress("Putting the backup in place", json=json) as told:
        made = restore_backup(url, file, replace=replace, at=utc_now(), told=told)
    _tell(_facts(made), json)


def move(
    to: Annotated[
        str, typer.Option("--to", help="postgresql+psycopg://USER@HOST/DATABASE, an empty database.")
    ],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Move the store from SQLite to PostgreSQL, compare every row, and set the SQLite file aside.

    Stop the bridge first; then write the new url in the settings and start it.
    Example: bridge store move --to postgresql+psycopg://bridge@db.example.nl/bridge
    """
    url = load_settings(config).store.url
    with progress("Moving the store and comparing every row", json=json) as told:
        moved = move_store(url, to, at=utc_now(), told=told)
    shown = read_url(to).render_as_string(hide_password=True)
    facts = {"store": shown, "setAside": moved.set_aside, "rows": sum(moved.rows.values())}
    _tell(facts | ({"tables": dict(moved.rows)} if json else {}), json)


def _facts(made: Backup) -> dict[str, Any]:
    return {"file": str(made.file), "size": made.size, "sha256": made.sha256, "version": made.version}


def _tell(facts: dict[str, Any], json: bool) -> None:
    if json:
        print_documents([facts])
    else:
        print_facts(facts)
