"""`bridge serve`: the listeners and the worker in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from aiohttp import web

from bridge.cli.assemble import assemble
from bridge.config import Settings, load_settings
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge
from bridge.flow.jobs import make_worker
from bridge.flow.pull import start_pulling
from bridge.log import configure_logging, get_logger
from bridge.web.console.app import console_app
from bridge.web.console.settings import ConsoleOptions
from bridge.web.console.text import Language
from bridge.web.partner import partner_app
from bridge.web.tls import server_context

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the listeners of a running bridge are."""

    partner: str
    console: str


def serve(
    config: Annotated[Path, typer.Option("--config", envvar="BRIDGE_CONFIG", help="Settings file (TOML).")],
) -> None:
    """Run the bridge: take messages, work off what is due, show the console. Stops cleanly on SIGTERM.

    Prints one JSON line with the addresses when it is ready. Example: bridge serve --config bridge.toml
    """
    settings = load_settings(config)
    configure_logging()
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with assemble(settings) as bridge:
        worker = make_worker(bridge, name=f"{socket.gethostname()}:{os.getpid()}")
        async with listening(bridge) as addresses, asyncio.TaskGroup() as group:
            group.create_task(worker.run(), name="worker")
            await bridge.store.write(lambda tx: start_pulling(tx, bridge))
            worker.wake()
            typer.echo(json.dumps({"partner": addresses.partner, "console": addresses.console}))
            _log.info("bridge.ready", partner=addresses.partner, console=addresses.console)
            await stop.wait()
            _log.info("bridge.stopping")
            worker.stop()
    _log.info("bridge.stopped")


@asynccontextmanager
async def listening(bridge: Bridge) -> AsyncIterator[Addresses]:
    """Both listeners, bound; they close when the block ends, after the requests under way."""
    settings = bridge.settings
    partner, console = settings.partner_listener, settings.console
    context = _partner_context(settings)
    options = ConsoleOptions(
        timezone=ZoneInfo(console.timezone),
        language=Language(console.language),
        party_names=_party_names(settings),
    )
    async with AsyncExitStack() as stack:
        partner_port = await stack.enter_async_context(
            _bound(partner_app(bridge), partner.host, partner.port, context)
        )
        console_port = await stack.enter_async_context(
            _bound(
                console_app(bridge.store, now=bridge.now, settings=options), console.host, console.port, None
            )
        )
        scheme = "http" if context is None else "https"
        yield Addresses(
            partner=f"{scheme}://{_named(partner.host)}:{partner_port}/ebms",
            console=f"http://{_named(console.host)}:{console_port}/",
        )


@asynccontextmanager
async def _bound(
    app: web.Application, host: str, port: int, context: ssl.SSLContext | None
) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=10.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError([f"cannot listen on {host}:{port}: {error.strerror}"]) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _partner_context(settings: Settings) -> ssl.SSLContext | None:
    tls = settings.partner_listener.tls
    if tls is not None:
        return server_context(tls)
    if settings.production:
        raise ConfigError(["partner_listener.tls: is missing; production takes no plain HTTP (DK-30)"])
    _log.warning("partner_listener.plain", reason="test mode: the partner listener speaks plain HTTP")
    return None


def _party_names(settings: Settings) -> dict[str, str]:
    names = {own.party_id: own.name for own in settings.own_parties}
    return names | {partner.party_id: partner.name for partner in settings.partners}


def _named(host: str) -> str:
    return "localhost" if host in ("127.0.0.1", "::1") else host
