"""A whole bridge inside the test: real store and TLS on loopback, simulated peers, a clock moved by hand."""

from __future__ import annotations

import asyncio
import functools
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.cli.assemble import assemble, load_mapping_folder
from bridge.cli.serve import _partner_context
from bridge.config import Settings, load_settings
from bridge.demo import BRIDGE, CPA_ID, HUB, MAPPINGS, POLICE, SAMPLE, tls_of, write_settings
from bridge.flow.bridge import Bridge
from bridge.flow.jobs import make_worker
from bridge.flow.worker import Worker
from bridge.mapping.load import MappingSet
from bridge.pki import Pki
from bridge.simulate import Hub, HubSettings, Partner, PartnerSettings, Peer, Profile
from bridge.simulate.tls import client_context
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.rows import Event, Exchange, Message, Step
from bridge.store.timeline import steps_of
from bridge.web.partner import partner_app
from bridge.web.runner import serving
from tests.conftest import Clock
from tests.stores import put_empty_store


@functools.cache
def compiled_mappings() -> MappingSet:
    """The mappings of the project: compiling them takes longer than most tests."""
    return load_mapping_folder(MAPPINGS)


@dataclass(slots=True, kw_only=True)
class World:
    """Everything that a test of a flow talks to."""

    clock: Clock
    bridge: Bridge
    worker: Worker
    partner: Partner
    hub: Hub
    url: str
    folder: Path
    sample: bytes = field(default_factory=SAMPLE.read_bytes)

    async def work(self, **span: float) -> None:
        """Move the clock, then run everything that is due."""
        self.clock.forward(**span)
        await self.worker.run_until_idle()

    def messages(self, **wanted: object) -> tuple[Message, ...]:
        """Oldest first."""
        return self.bridge.store.read_sync(
            lambda tx: list_messages(tx, MessageFilter(**wanted), limit=1000)  # type: ignore[arg-type]
        )[::-1]

    def events(self) -> tuple[Event, ...]:
        return self.bridge.store.read_sync(lambda tx: list_events(tx, EventFilter(), limit=1000))[::-1]

    def exchanges(self) -> tuple[Exchange, ...]:
        return self.bridge.store.read_sync(lambda tx: list_exchanges(tx, ExchangeFilter(), limit=1000))[::-1]

    def steps(self) -> tuple[Step, ...]:
        """Of all exchanges, in order."""
        found = self.bridge.store.read_sync(
            lambda tx: [
                s for e in list_exchanges(tx, ExchangeFilter(), limit=1000) for s in steps_of(tx, e.key)
            ]
        )
        return tuple(sorted(found, key=lambda step: step.seq))

    async def settled(self) -> None:
        """Until no signal of the partner is under way any more."""
        while self.partner._tasks and any(t.get_name() == "signal" for t in self.partner._tasks):
            await asyncio.gather(*(t for t in self.partner._tasks if t.get_name() == "signal"))

    def client(self, stem: str) -> aiohttp.ClientSession:
        """An HTTP client with another certificate of the test PKI."""
        folder = self.folder / "certs"
        context = client_context(
            certificate=folder / f"{stem}.crt.pem", key=folder / f"{stem}.key.pem", trust=folder / "trust.pem"
        )
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    def stranger(self) -> aiohttp.ClientSession:
        """An HTTP client with a good certificate of an organisation without agreement."""
        return self.client("stranger")

    def what_happened(self) -> list[str]:
        return [step.what for step in self.steps()]


@asynccontextmanager
async def open_world(
    folder: Path,
    pki: Pki,
    clock: Clock,
    *,
    profile: Profile = Profile.RELIABLE_SIGNED,
    sync: bool = False,
    retries: int = 3,
    retry_interval: float = 30.0,
    settings_change: Callable[[Settings], Settings] = lambda settings: settings,
    head_seconds: float = 15.0,
    sends: tuple[str, ...] = ("vtMelding",),
    receives: tuple[str, ...] = ("vtTerugkoppeling",),
    **partner_change: Any,
) -> AsyncIterator[World]:
    """The hub and the partner's retries go by the real clock, everything else by the one that the test moves.

    `sends` and `receives` are the actions of the partner in the agreement. `partner_change` changes the settings of
    the bridge about the partner. Most tests send one sample many times, so its numbers are not unique unless it says.
    """
    shutil.copytree(pki.directory, folder / "certs")
    async with AsyncExitStack() as stack:
        hub = Hub(HubSettings(tls=tls_of(pki, HUB)))
        partner = Partner(
            PartnerSettings(
                name=POLICE.name,
                oin=POLICE.oin,
                role="Melder",
                cpa_id=CPA_ID,
                peer=Peer(
                    oin=BRIDGE.oin, role="Ontvanger", certificate=pki.credentials(BRIDGE.stem).certificate
                ),
                tls=tls_of(pki, POLICE),
                profile=profile,
                sync=sync,
                retries=retries,
                retry_interval=timedelta(seconds=retry_interval),
                receives=receives,
            ),
            clock=clock,
        )
        await hub.start()
        stack.push_async_callback(hub.stop)
        await partner.start()
        stack.push_async_callback(partner.stop)
        config = write_settings(
            folder,
            pki,
            partner_url=partner.url,
            hub_url=hub.url,
            change=lambda terms: replace(
                terms,
                profile=profile,
                sync=sync,
                retries=retries,
                retry_interval=timedelta(seconds=retry_interval),
                partner_actions=sends,
                bridge_actions=receives,
            ),
        )
        partner_change = {"unique_references": False, **partner_change}
        settings = settings_change(with_partner(_settings(config), **partner_change))
        put_empty_store(folder / "bridge.sqlite3")
        bridge = await stack.enter_async_context(assemble(settings, now=clock, mappings=compiled_mappings()))
        listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if settings.partner_listener.tls else "http"
        url = f"{scheme}://localhost:{listener.getsockname()[1]}/ebms"
        await stack.enter_async_context(
            serving(partner_app(bridge), listener, _partner_context(bridge), head_seconds=head_seconds)
        )
        partner.bridge_url = url
        yield World(
            clock=clock,
            bridge=bridge,
            worker=make_worker(bridge, name="test"),
            partner=partner,
            hub=hub,
            url=url,
            folder=folder,
        )


def _settings(config: Path) -> Settings:
    return load_settings(config, environment={})


def with_partner(settings: Settings, **changes: Any) -> Settings:
    """The settings with other values for the one partner."""
    partner = settings.partners[0].model_copy(update=changes)
    return settings.model_copy(update={"partners": (partner,)})


def with_listener(settings: Settings, **changes: Any) -> Settings:
    """The settings with other values for the partner listener."""
    listener = settings.partner_listener.model_copy(update=changes)
    return settings.model_copy(update={"partner_listener": listener})


@pytest.fixture
async def world(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    """Reliable and signed, acknowledgments by a POST of their own: osb-rm-s, the usual profile."""
    async with open_world(tmp_path, pki, clock) as opened:
        yield opened
