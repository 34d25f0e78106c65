"""`bridge serve`: the listeners and the worker in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from aiohttp import web

from bridge.cli.assemble import assemble
from bridge.cli.console import console_tls, make_console
from bridge.cli.options import DEFAULT_CONFIG, Config
from bridge.cli.ports import privilege_hint
from bridge.cli.store_keys import load_master_keys
from bridge.cli.temporary import own_temporary_folder
from bridge.cli.traces import exporting_traces
from bridge.cli.workers import run_workers
from bridge.config import Settings, load_settings
from bridge.errors import BridgeError, ConfigError
from bridge.flow.alerts import start_watching
from bridge.flow.bridge import Bridge
from bridge.flow.expire import start_expiring
from bridge.flow.health import start_telling
from bridge.flow.jobs import make_worker
from bridge.flow.pull import start_pulling
from bridge.flow.purge import start_purging
from bridge.flow.reload import Watch
from bridge.flow.revocation import start_fetching
from bridge.flow.seal_journal import start_sealing
from bridge.flow.verify_journal import start_verifying
from bridge.log import configure_logging, get_logger
from bridge.store.unit import Store
from bridge.web.api.app import api_app, api_tls
from bridge.web.api.runner import ApiRunner
from bridge.web.metrics import metrics_app
from bridge.web.partner import partner_app
from bridge.web.runner import serving
from bridge.web.tls import server_context

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the listeners of a running bridge are."""

    partner: str
    api: str
    console: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """The listening sockets, bound before anything is started, so that several processes can share them."""

    partner: socket.socket
    api: socket.socket
    console: socket.socket
    metrics: socket.socket | None
    """None: no metrics are asked for."""

    def addresses(self, settings: Settings) -> Addresses:
        """Where they are reached; a port of 0 in the settings has become a real one."""
        partner, api, console = settings.partner_listener, settings.api_listener, settings.console
        return Addresses(
            partner=_address(self.partner, partner.host, encrypted=partner.tls is not None) + "ebms",
            api=_address(self.api, api.host, encrypted=api.tls is not None),
            console=_address(self.console, console.host, encrypted=console.tls is not None),
        )


def serve(
    config: Config = DEFAULT_CONFIG,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that share the ports and the work.")
    ] = 1,
) -> None:
    """Run the bridge: take messages, work off what is due, show the console. Stops cleanly on SIGTERM.

    Prints one JSON line with the addresses when it is ready. Example: bridge serve --config bridge.toml
    """
    settings = load_settings(config)
    configure_logging()
    masters = load_master_keys(settings.store.encryption)
    Store.open(settings.store.url, create=True, masters=masters).close()
    sockets = bind(settings)

    def tell_ready() -> None:
        addresses = sockets.addresses(settings)
        typer.echo(json.dumps(asdict(addresses)))
        _log.info("bridge.ready", **asdict(addresses), workers=workers)

    if workers == 1:
        asyncio.run(_serve(settings, sockets, tell_ready))
        return
    code = run_workers(
        workers, lambda ready: _serve_in_child(settings, sockets, ready), when_ready=tell_ready
    )
    raise typer.Exit(code)


def _serve_in_child(settings: Settings, sockets: Sockets, ready: Callable[[], None]) -> int:
    try:
        asyncio.run(_serve(settings, sockets, ready))
    except BridgeError as error:
        _log.error("bridge.not_started", reason=str(error))
        return 1
    return 0


async def _serve(settings: Settings, sockets: Sockets, ready: Callable[[], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with own_temporary_folder(), exporting_traces(settings.traces):
        await _run(settings, sockets, ready, stop)
    _log.info("bridge.stopped")


async def _run(settings: Settings, sockets: Sockets, ready: Callable[[], None], stop: asyncio.Event) -> None:
    async with assemble(settings) as bridge:
        worker = make_worker(bridge, name=f"{socket.gethostname()}:{os.getpid()}")
        async with listening(bridge, sockets), asyncio.TaskGroup() as group:
            group.create_task(worker.run(), name="worker")
            watching = [group.create_task(Watch(bridge).run(), name="watch")]
            if bridge.shared_clock is not None:
                watching.append(group.create_task(bridge.shared_clock.run(bridge.store), name="clock"))
            if bridge.schema_keeper is not None:
                watching.append(group.create_task(bridge.schema_keeper.run(), name="schemas"))
            await bridge.store.write(lambda tx: start_pulling(tx, bridge))
            await bridge.store.write(lambda tx: start_expiring(tx, bridge))
            await bridge.store.write(lambda tx: start_sealing(tx, bridge))
            await bridge.store.write(lambda tx: start_purging(tx, bridge))
            await bridge.store.write(lambda tx: start_telling(tx, bridge))
            await bridge.store.write(lambda tx: start_fetching(tx, bridge))
            await bridge.store.write(lambda tx: start_verifying(tx, bridge))
            await bridge.store.write(lambda tx: start_watching(tx, bridge))
            worker.wake()
            ready()
            await stop.wait()
            _log.info("bridge.stopping")
            for task in watching:
                task.cancel()
            worker.stop()


def bind(settings: Settings) -> Sockets:
    """Bind every listener. Raises ConfigError when an address is taken or not ours."""
    return Sockets(
        partner=_listen(settings.partner_listener.host, settings.partner_port),
        api=_listen(settings.api_listener.host, settings.api_listener.port),
        console=_listen(settings.console.host, settings.console.port),
        metrics=(
            None if settings.metrics.port is None else _listen(settings.metrics.host, settings.metrics.port)
        ),
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        hint = privilege_hint(error, port)
        raise ConfigError([f"cannot listen on {host}:{port}: {error.strerror}{hint}"]) from error


@asynccontextmanager
async def listening(bridge: Bridge, sockets: Sockets) -> AsyncIterator[None]:
    """Serve on the sockets until the block ends, and then finish the requests under way."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            serving(partner_app(bridge), sockets.partner, _partner_context(bridge))
        )
        api_context = api_tls(bridge.settings, check=bridge.gate.why_refused)
        await stack.enter_async_context(_serving(ApiRunner, api_app(bridge), sockets.api, api_context))
        console = make_console(bridge)
        await stack.enter_async_context(
            _serving(web.AppRunner, console, sockets.console, console_tls(bridge.settings))
        )
        if sockets.metrics is not None:
            await stack.enter_async_context(
                _serving(web.AppRunner, metrics_app(bridge), sockets.metrics, None)
            )
        yield


@asynccontextmanager
async def _serving(
    make_runner: type[web.AppRunner],
    app: web.Application,
    listener: socket.socket,
    context: ssl.SSLContext | None,
) -> AsyncIterator[None]:
    runner = make_runner(app, access_log=None, shutdown_timeout=10.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=context).start()
        yield
    finally:
        await runner.cleanup()


def _partner_context(bridge: Bridge) -> ssl.SSLContext | None:
    settings, tls = bridge.settings, bridge.settings.partner_listener.tls
    if tls is not None:
        return server_context(tls, check=bridge.gate.why_refused)
    if settings.production:
        raise ConfigError(["partner_listener.tls: is missing; production takes no plain HTTP (DK-30)"])
    _log.warning("partner_listener.plain", reason="test mode: the partner listener speaks plain HTTP")
    return None


def _address(listener: socket.socket, host: str, *, encrypted: bool) -> str:
    name = "localhost" if host in ("127.0.0.1", "::1") else host
    return f"{'https' if encrypted else 'http'}://{name}:{listener.getsockname()[1]}/"
