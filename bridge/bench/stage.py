"""What the benchmarks run on: a test PKI, an agreement, a store, signed messages, and a bridge of its own process."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from aiohttp import web

from bridge.config import load_settings
from bridge.demo import (
    BRIDGE,
    CPA_ID,
    HUB,
    POLICE,
    REFERENCE,
    SAMPLE,
    SUBJECT,
    addresses_of,
    start_bridge,
    tls_of,
    write_settings,
)
from bridge.ids import ConversationId, MessageId
from bridge.pki import Pki, make_pki
from bridge.simulate import PartnerSettings, Peer, Profile
from bridge.simulate.envelope import to_octets, write_envelope
from bridge.simulate.messages import make_business
from bridge.simulate.packing import Attachment, pack
from bridge.simulate.server import Server
from bridge.simulate.signing import sign
from bridge.simulate.tls import client_context, server_context
from bridge.store.channels import pause
from bridge.store.unit import Store

NO_HUB = "https://localhost:9"
"""Nobody listens there, and the hub is paused: receiving is measured without the publishing that follows it."""

_MORE_SETTINGS = """
[inzage]
report = false
requests_per_minute = 100000000
[[inzage.rules]]
name = "bench"
oins = ["*"]
types = ["*"]
level = 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A signed message, ready to post."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A folder with settings, and the partner that sends."""

    config: Path
    pki: Pki
    partner: PartnerSettings
    environment: Mapping[str, str]
    """What is set beside the file."""


class Running(dict[str, str]):
    """The addresses of a bridge that runs, and the number of its process."""

    def __init__(self, addresses: Mapping[str, str], *, pid: int) -> None:
        super().__init__(addresses)
        self.pid = pid


@asynccontextmanager
async def stage(folder: Path, *, sync: bool, store: str | None = None) -> AsyncIterator[Stage]:
    """An agreement with signed reliable messaging, and a partner that takes signals without looking at them.

    `store` is the URL of an empty store; without it there is a SQLite file in the folder.
    """
    environment = {} if store is None else {"BRIDGE__STORE__URL": store}
    pki = make_pki(folder / "certs", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC))
    tls = tls_of(pki, POLICE)
    app = web.Application()
    app.router.add_post("/msh", _take_signal)
    context = server_context(certificate=tls.certificate, key=tls.key, trust=tls.trust, crl=tls.crl)
    server = Server(app, host="127.0.0.1", port=0, tls=context)
    await server.start()
    try:
        url = f"https://localhost:{server.port}/msh"
        config = write_settings(
            folder, pki, partner_url=url, hub_url=NO_HUB, change=lambda terms: replace(terms, sync=sync)
        )
        config.write_text(config.read_text(encoding="utf-8") + _MORE_SETTINGS, encoding="utf-8")
        with Store.open(load_settings(config, environment).store.url, create=True) as opened:
            opened.write_sync(lambda tx: pause(tx, "hub", by="bench", reason="no hub", at=datetime.now(UTC)))
        yield Stage(config=config, pki=pki, partner=_partner(pki, sync), environment=environment)
    finally:
        await server.stop()


@asynccontextmanager
async def bridge_process(scene: Stage, *, workers: int = 1) -> AsyncIterator[Running]:
    """`bridge serve`; gives its addresses and its process."""
    process = await start_bridge(scene.config, scene.environment, workers=workers)
    try:
        yield Running(await addresses_of(process), pid=process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def client(scene: Stage) -> aiohttp.ClientSession:
    """HTTP with the certificate of the partner."""
    tls = scene.partner.tls
    context = client_context(certificate=tls.certificate, key=tls.key, trust=tls.trust, crl=tls.crl)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))


def signed_posts(partner: PartnerSettings, count: int) -> list[Post]:
    """The report of the demo, each time about another subject, under another number, in a conversation of its own."""
    sample, number = SAMPLE.read_text(encoding="utf-8"), SUBJECT.rpartition("/")[2]
    texts = (sample.replace(number, _letters()).replace(REFERENCE, _letters()) for _ in range(count))
    return [_signed(partner, text.encode()) for text in texts]


async def _take_signal(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=204)


def _partner(pki: Pki, sync: bool) -> PartnerSettings:
    return PartnerSettings(
        name=POLICE.name,
        oin=POLICE.oin,
        role="Melder",
        cpa_id=CPA_ID,
        peer=Peer(oin=BRIDGE.oin, role="Ontvanger", certificate=pki.credentials(BRIDGE.stem).certificate),
        tls=tls_of(pki, POLICE),
        profile=Profile.RELIABLE_SIGNED,
        sync=sync,
        retries=20,
        retry_interval=timedelta(minutes=1),
    )


def _signed(partner: PartnerSettings, payload: bytes) -> Post:
    part = Attachment(content_id=_new_id(), content_type="text/xml", octets=payload)
    message = make_business(
        partner,
        "vtMelding",
        hrefs=(f"cid:{part.content_id}",),
        message_id=MessageId(_new_id()),
        conversation_id=ConversationId(str(uuid.uuid4())),
        ref_to=None,
        now=datetime.now(UTC),
    )
    tree, tls = write_envelope(message), partner.tls
    envelope = (
        sign(tree, (part,), key=tls.key, certificate=tls.certificate)[0]
        if partner.profile.signed
        else to_octets(tree)
    )
    content_type, body = pack(envelope, (part,), boundary=uuid.uuid4().hex)
    return Post(content_type=content_type, body=body)


def _letters() -> str:
    """A reference without digits: nine in a row may be a BSN, and then the report is kept back (SOH-32)."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in uuid.uuid4().hex[:15])


def _new_id() -> str:
    return f"{uuid.uuid4()}@bench.partner.test"
