"""`bridge health`: whether the bridge of these settings runs, for a container's health check."""

from __future__ import annotations

import socket

import typer

from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts
from bridge.cli.store_keys import load_master_keys
from bridge.config import PartnerListener, StoreSettings, load_settings
from bridge.errors import BridgeError
from bridge.store.unit import Store

_PATIENCE_SECONDS = 3.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, never bound to


def health(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Exit 0 when the partner listener takes a connection and the store opens, else 1.

    Example: bridge health --config bridge.toml
    """
    settings = load_settings(config)
    listener = _listener_problem(settings.partner_listener, settings.partner_port)
    store = _store_problem(settings.store)
    healthy = listener is None and store is None
    document = {"healthy": healthy, "listener": listener or "ok", "store": store or "ok"}
    if json:
        print_documents([document])
    else:
        print_facts(document)
    if not healthy:
        raise typer.Exit(1)


def _listener_problem(listener: PartnerListener, port: int) -> str | None:
    """Why the listener does not answer; None when it takes a connection."""
    if port == 0:
        return "partner_listener.port is 0, so nobody can know where it listens; give it a port"
    host = _ANY_ADDRESS.get(listener.host, listener.host)
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()
    except OSError as error:
        return f"{host}:{port} does not answer ({error.strerror or type(error).__name__})"
    return None


def _store_problem(settings: StoreSettings) -> str | None:
    try:
        masters = load_master_keys(settings.encryption)
        with Store.open(settings.url, readers=1, writers=1, masters=masters) as store:
            store.read_sync(lambda tx: tx.exec_driver_sql("SELECT 1").scalar_one())
    except BridgeError as error:
        return str(error)
    return None
