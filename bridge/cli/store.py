"""`bridge store`: the database of the bridge."""

from __future__ import annotations

from typing import Any

import typer

from bridge.cli import store_copy, store_keep
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts
from bridge.cli.progress import progress
from bridge.cli.store_keys import load_master_keys
from bridge.config import StoreSettings, load_settings
from bridge.errors import BridgeError
from bridge.store.engines import file_of, read_url
from bridge.store.sealing import name_of
from bridge.store.unit import Store, current_version, head_version
from bridge.store.unit import upgrade as upgrade_store

app = typer.Typer(help="The store: its version, copies, retention and keys.", no_args_is_help=True)

for command in (
    store_copy.backup,
    store_copy.restore,
    store_copy.move,
    store_keep.verify,
    store_keep.purge,
    store_keep.purged,
    store_keep.holds,
    store_keep.rekey,
):
    app.command()(command)


@app.command()
def upgrade(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Bring the store to the version of this program; makes a SQLite file that is not there.

    Keep a copy of the store. On SQLite stop the bridge first; the nodes on one PostgreSQL may run meanwhile.
    Doing it twice is harmless.
    Example: bridge store upgrade --config bridge.toml
    """
    url = load_settings(config).store.url
    before = current_version(url)
    with progress("Bringing the store to the version of this program", json=json):
        upgrade_store(url)
    document = {
        "store": _shown(url),
        "before": before,
        "version": head_version(),
        "changed": before != head_version(),
    }
    if json:
        print_documents([document])
    else:
        print_facts(document)


@app.command()
def status(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Say whether the store can be reached and has the version that this program needs.

    Exit code 1 when it has not. Example: bridge store status --config bridge.toml
    """
    document = store_status(load_settings(config).store)
    if json:
        print_documents([document])
    else:
        print_facts(document)
    if not document["ready"]:
        raise typer.Exit(1)


def store_status(settings: StoreSettings) -> dict[str, Any]:
    """What is known of the store, and in `problem` what to do about it. Raises nothing of the store's."""
    url = settings.url
    found: dict[str, Any] = {
        "store": _shown(url),
        "needed": head_version(),
        "version": None,
        "masterKey": None,
    }
    try:
        found["version"] = current_version(url)
        masters = load_master_keys(settings.encryption)
        found["masterKey"] = name_of(masters.current) if masters else None
        with Store.open(url, readers=1, writers=1, masters=masters):
            return found | {"size": _size(url), "ready": True, "problem": None}
    except BridgeError as error:
        return found | {"size": None, "ready": False, "problem": str(error)}


def _shown(url: str) -> str:
    return read_url(url).render_as_string(hide_password=True)


def _size(url: str) -> int | None:
    """Octets of the SQLite file; a server keeps its own books."""
    file = file_of(read_url(url))
    return file.stat().st_size if file else None
