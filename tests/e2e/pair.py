"""Two bridges that are each other's partner, under an agreement of any profile, over real TLS and one clock."""

from __future__ import annotations

import json
import os
import shutil
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from bridge.cli.assemble import assemble
from bridge.cli.serve import _partner_context
from bridge.config import Settings, load_settings
from bridge.demo import BRIDGE, MAPPINGS, POLICE
from bridge.ebms.cpa_create import create_cpa
from bridge.ebms.cpa_description import ActionDescription, CpaDescription, PartyDescription
from bridge.ebms.model import Octets, Part, PartyId, Service
from bridge.ebms.profiles import find_profile
from bridge.flow.bridge import Bridge
from bridge.flow.jobs import make_worker
from bridge.flow.outgoing import keep_outgoing, make_outgoing
from bridge.flow.worker import Worker
from bridge.ids import CpaId
from bridge.pki import Organisation, Pki
from bridge.store.blobs import read_blob
from bridge.store.exchanges import open_exchange
from bridge.store.messages import MessageFilter, list_messages, payloads_of
from bridge.store.rows import Direction, Exchange, ExchangeDirection, ExchangeState, Message
from bridge.store.timeline import steps_of
from bridge.web.partner import partner_app
from bridge.web.runner import serving
from tests.conftest import Clock
from tests.stores import put_empty_store

SERVICE = Service(value="proef:berichten:1", type="urn:osb:services")
ACTIONS = {"bridge": "vraag", "politie": "antwoord"}
"""Which side sends what."""


@dataclass(slots=True, kw_only=True)
class Side:
    """One of the two."""

    organisation: Organisation
    other: Organisation
    bridge: Bridge
    worker: Worker

    async def send(
        self, *payloads: bytes, content_type: str = "text/xml", conversation_id: str | None = None
    ) -> Message:
        """Keep a message for the other side with its delivery job."""
        parts = tuple(
            Part(
                content_id=f"{self.bridge.new_uuid()}@here", content_type=content_type, content=Octets(octets)
            )
            for octets in payloads
        )
        return await self.send_parts(parts, conversation_id=conversation_id)

    async def send_parts(self, parts: tuple[Part, ...], *, conversation_id: str | None = None) -> Message:
        bridge, own = self.bridge, self.bridge.own[0]
        (terms,) = bridge.agreements.candidates(
            own=own.party_id, service=SERVICE, action=ACTIONS[self.organisation.stem], at=bridge.now()
        )
        exchange = bridge.new_key()
        outgoing = make_outgoing(
            bridge, terms, own=own, exchange=exchange, parts=parts, conversation_id=conversation_id
        )

        def work(tx):  # type: ignore[no-untyped-def]
            open_exchange(
                tx,
                Exchange(
                    key=exchange,
                    direction=ExchangeDirection.TO_PARTNER,
                    started_at=bridge.now(),
                    changed_at=bridge.now(),
                    partner=self.other.oin,
                    title="proef",
                    state=ExchangeState.RUNNING,
                ),
            )
            keep_outgoing(tx, outgoing)

        await bridge.store.write(work)
        return outgoing.row

    def messages(self, direction: Direction) -> tuple[Message, ...]:
        """Oldest first."""
        wanted = MessageFilter(direction=direction)
        return self.bridge.store.read_sync(lambda tx: list_messages(tx, wanted, limit=10_000))[::-1]

    def in_order_of(self, what: str) -> list[Message]:
        """The messages that came in, in the order in which this step was taken."""
        by_exchange = {message.exchange: message for message in self.messages(Direction.IN)}
        steps = self.bridge.store.read_sync(
            lambda tx: [step for exchange in by_exchange for step in steps_of(tx, exchange)]
        )
        return [by_exchange[s.exchange] for s in sorted(steps, key=lambda s: s.seq) if s.what == what]

    def payloads(self, message: Message) -> list[tuple[str, bytes]]:
        return self.bridge.store.read_sync(
            lambda tx: [(p.content_type, read_blob(tx, p.blob)) for p in payloads_of(tx, message.key)]
        )


@dataclass(slots=True, kw_only=True)
class Pair:
    clock: Clock
    ours: Side
    theirs: Side

    async def work(self, **span: float) -> None:
        """Move the clock, then let both do everything that is due, and what comes of it at the other."""
        self.clock.forward(**span)
        for _ in range(2):
            await self.ours.worker.run_until_idle()
            await self.theirs.worker.run_until_idle()


@asynccontextmanager
async def open_pair(
    folder: Path,
    pki: Pki,
    clock: Clock,
    *,
    profile: str,
    sync: bool = False,
    ordered: bool = False,
    retries: int = 3,
    retry_interval: float = 30.0,
    change: Callable[[Settings], Settings] = lambda settings: settings,
) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        configs = {o.stem: _config(folder, pki, o, other) for o, other in _both()}
        settings = {stem: change(load_settings(config, environment={})) for stem, config in configs.items()}
        sockets = {stem: socket.create_server(("127.0.0.1", 0)) for stem in settings}
        urls = {stem: f"https://localhost:{s.getsockname()[1]}/ebms" for stem, s in sockets.items()}
        cpa = _cpa(pki, clock, urls, profile, sync, ordered, retries, retry_interval)
        sides = {}
        for organisation, other in _both():
            stem = organisation.stem
            (folder / stem / "cpa" / "proef.xml").write_bytes(cpa)
            put_empty_store(folder / stem / "bridge.sqlite3")
            bridge = await stack.enter_async_context(assemble(settings[stem], now=clock))
            context = _partner_context(bridge)
            await stack.enter_async_context(serving(partner_app(bridge), sockets[stem], context))
            sides[stem] = Side(
                organisation=organisation, other=other, bridge=bridge, worker=make_worker(bridge, name=stem)
            )
        yield Pair(clock=clock, ours=sides[BRIDGE.stem], theirs=sides[POLICE.stem])


def _both() -> tuple[tuple[Organisation, Organisation], ...]:
    return (BRIDGE, POLICE), (POLICE, BRIDGE)


def _cpa(
    pki: Pki,
    clock: Clock,
    urls: dict[str, str],
    profile: str,
    sync: bool,
    ordered: bool,
    retries: int,
    retry_interval: float,
) -> bytes:
    found = find_profile(profile)
    assert found is not None
    interval = timedelta(seconds=retry_interval)
    return create_cpa(
        CpaDescription(
            cpa_id=CpaId("proef_1"),
            profile=found,
            start=clock.now - timedelta(days=1),
            end=clock.now + timedelta(days=300),
            parties=(_party(pki, BRIDGE, urls), _party(pki, POLICE, urls)),
            actions=tuple(
                ActionDescription(service=SERVICE, action=action, from_role=stem)
                for stem, action in ACTIONS.items()
            ),
            retries=retries,
            retry_interval=interval,
            persist_duration=interval * (retries + 2),
            sync=sync,
            ordered=ordered,
        )
    )


def _party(pki: Pki, organisation: Organisation, urls: dict[str, str]) -> PartyDescription:
    certificate = x509.load_pem_x509_certificate(pki.credentials(organisation.stem).certificate.read_bytes())
    return PartyDescription(
        name=organisation.name,
        party_id=PartyId(value=organisation.oin, type="urn:osb:oin"),
        role=organisation.stem,
        endpoint=urls[organisation.stem],
        client_certificate=certificate,
        server_certificate=certificate,
        signing_certificate=certificate,
        encryption_certificate=certificate,
    )


def _config(folder: Path, pki: Pki, own: Organisation, other: Organisation) -> Path:
    here = folder / own.stem
    (here / "cpa").mkdir(parents=True)
    (here / "mappings").mkdir()
    shutil.copy(MAPPINGS / "vocabulary.yaml", here / "mappings")
    (here / "person.key").write_bytes(os.urandom(32))
    held = pki.credentials(own.stem)
    own_files = f"certificate = {json.dumps(str(held.certificate))}\nkey = {json.dumps(str(held.key))}"
    config = here / "bridge.toml"
    config.write_text(
        f"""
[store]
url = "sqlite:///bridge.sqlite3"
[partner_listener]
port = 0
[partner_listener.tls]
{own_files}
trust = {json.dumps(str(pki.trust))}
crl = {json.dumps(str(pki.crl))}
[console]
port = 0
[hub]
base_url = "https://localhost:9"
[identifiers]
namespace = "{uuid.uuid4()}"
person_key_file = "person.key"
[[own_parties]]
name = "{own.name}"
party_id = "{own.oin}"
{own_files}
[[partners]]
name = "{other.name}"
party_id = "{other.oin}"
system = "proef"
""",
        encoding="utf-8",
    )
    return config
