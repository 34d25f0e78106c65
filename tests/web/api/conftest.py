"""A bridge with a real store behind a real listener: two-sided TLS on loopback, a clock moved by hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.config import Settings
from bridge.demo import BRIDGE, HUB, POLICE
from bridge.ebms.cpa_resolve import Agreements
from bridge.flow.bridge import Bridge, PostAnswer
from bridge.flow.trust import Gate, Trust
from bridge.hub.client import HubClient, HubClientSettings
from bridge.hub.profile import default_profile
from bridge.ids import ConversationId, CpaId, MessageId, Oin
from bridge.mapping.load import MappingSet
from bridge.pki import Pki
from bridge.store.access import AccessFilter, list_accesses, processing_of
from bridge.store.blobs import put_blob
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import open_exchange
from bridge.store.keys import KeyMaker
from bridge.store.messages import ATTACHMENTS_FROM, add_message, add_payload
from bridge.store.resources import find_resource, put_resource
from bridge.store.rows import (
    Access,
    Direction,
    Event,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Message,
    MessageState,
    Payload,
    Processing,
)
from bridge.store.unit import Store
from bridge.web.api.app import api_app, api_tls
from bridge.web.api.runner import ApiRunner
from tests.conftest import STRANGER, Clock
from tests.stores import put_empty_store

RESOURCE = "0b7e5a3c-0c40-5cf1-9d51-3f1b2a6c7d8e"
BSN, OTHER_BSN, THIRD_BSN = "999900092", "999900109", "999900110"
BODY: Mapping[str, Any] = {
    "identificatie": "VT-2026-17",
    "geregistreerdOp": "2026-11-23T20:53:27Z",
    "incident": {
        "datum": "2026-11-20",
        "omschrijving": "Een verhaal over Testpersoon",
        "_afwezig": {"plaats": "leeg"},
    },
    "betrokkenen": [
        {"bsn": BSN, "geslachtsnaam": "Testpersoon", "rol": "JEUGDIGE"},
        {"bsn": OTHER_BSN, "geslachtsnaam": "Proefmans"},
    ],
    "melder": {"burgerservicenummer": THIRD_BSN},
}
LEVELS: Mapping[str, int] = {
    "identificatie": 0,
    "geregistreerdOp": 0,
    "incident/datum": 1,
    "incident/omschrijving": 2,
    "incident/_afwezig/plaats": 2,
    "betrokkenen": 2,
    "betrokkenen/*/rol": 1,
}
CORRELATION = "5d0a8d5e-62a3-4ee0-8e0a-0f39a7a0d2a1"


def everything_for(oin: str, **changes: Any) -> dict[str, Any]:
    """A rule that opens all melding resources to one organisation."""
    return {"name": "alles", "oins": [oin], "types": ["melding"], "level": 2, **changes}


def make_settings(folder: Path, pki: Pki | None = None, **changes: Any) -> Settings:
    """Settings of a test: `changes` are sections, laid over the defaults."""
    tls = None
    if pki is not None:
        own = pki.credentials(BRIDGE.stem)
        tls = {"certificate": own.certificate, "key": own.key, "trust": pki.trust}
    sections: dict[str, Any] = {
        "hub": {"base_url": "https://hub.example.nl"},
        "identifiers": {"namespace": "7d444840-9dc0-11d1-b245-5ffdce74fad2", "person_key_file": "person.key"},
        "own_parties": [
            {"name": BRIDGE.name, "party_id": BRIDGE.oin, "certificate": "own.pem", "key": "own.key"}
        ],
        "partners": [{"name": POLICE.name, "party_id": POLICE.oin, "system": "BVH"}],
        "inzage": {"base_url": "https://brug.example.nl/inzage", "rules": [everything_for(HUB.oin)]}
        | changes.pop("inzage", {}),
        "api_listener": {"tls": tls, "senders": [{"oin": HUB.oin, "any_source": True}, {"oin": POLICE.oin}]}
        | changes.pop("api_listener", {}),
        **changes,
    }
    return Settings.model_validate(sections, context={"folder": folder})


@asynccontextmanager
async def open_bridge(folder: Path, clock: Clock, settings: Settings) -> AsyncIterator[Bridge]:
    """A bridge without peers: what the API needs of it is real."""
    keys, uuids = KeyMaker(), random.Random(7)

    async def nobody(*_: object, **__: object) -> PostAnswer:
        raise AssertionError("nothing is posted to partners here")

    async with aiohttp.ClientSession() as session:
        put_empty_store(folder / "bridge.sqlite3")
        with Store.open(f"sqlite:///{folder / 'bridge.sqlite3'}") as store:
            used: dict[str, Any] = {
                "settings": settings,
                "store": store,
                "now": clock,
                "new_uuid": lambda: uuid.UUID(int=uuids.getrandbits(128), version=4),
                "new_key": lambda: keys(clock()),
                "jitter": lambda: 0.0,
                "random": random.Random(11).randbytes,
                "own": (),
                "sources": (),
                "gate": Gate(Trust(), now=clock, production=False),
                "agreements": Agreements(agreements=()),
                "mappings": MappingSet(programs=(), sha=""),
                "profile": default_profile(),
                "person_key": bytes(range(32)),
                "hub": HubClient(session, HubClientSettings(base_url="https://hub.example.nl"), now=clock),
                "post": nobody,
            }
            others = {f.name for f in fields(Bridge) if f.default is MISSING and f.default_factory is MISSING}
            yield Bridge(**dict.fromkeys(others - set(used)), **used)


def keep(
    bridge: Bridge,
    *,
    id: str = RESOURCE,
    type: str = "melding",
    owner: str = POLICE.oin,
    body: Mapping[str, Any] = BODY,
    levels: Mapping[str, int] = LEVELS,
) -> None:
    """A resource that stayed behind, with the exchange that it came from."""
    now, exchange = bridge.now(), bridge.new_key()

    def work(tx: Any) -> None:
        open_exchange(
            tx,
            Exchange(
                key=exchange,
                direction=ExchangeDirection.TO_HUB,
                started_at=now,
                changed_at=now,
                partner=owner,
                title="vtMelding",
                state=ExchangeState.DONE,
                correlation_id=CORRELATION,
            ),
        )
        put_resource(
            tx,
            key=bridge.new_key(),
            exchange=exchange,
            type=type,
            id=id,
            owner=Oin(owner),
            body=json.dumps({"body": dict(body), "levels": dict(levels)}),
            at=now,
        )

    bridge.store.write_sync(work)


def attach(
    bridge: Bridge,
    octets: bytes,
    *,
    id: str = RESOURCE,
    type: str = "melding",
    party: str = POLICE.oin,
    content_id: str | None = None,
    position: int = ATTACHMENTS_FROM + 1,
) -> str:
    """A file that stood in a message out of which the resource came; gives its reference."""
    now, key = bridge.now(), bridge.new_key()
    reference = f"sha256:{hashlib.sha256(octets).hexdigest()}"

    def work(tx: Any) -> None:
        resource = find_resource(tx, type, id)
        assert resource is not None
        message = Message(
            key=key,
            exchange=resource.exchange,
            direction=Direction.IN,
            kind="message",
            message_id=MessageId(f"{key}@example.nl"),
            conversation_id=ConversationId("gesprek"),
            cpa_id=CpaId("overeenkomst"),
            from_party=party,
            to_party=BRIDGE.oin,
            service="urn:dienst",
            action="vtMelding",
            state=MessageState.MAPPED,
            at=now,
            changed_at=now,
        )
        add_message(tx, message)
        blob, size = put_blob(tx, octets)
        add_payload(
            tx,
            Payload(
                message=key,
                position=position,
                content_id=content_id or reference,
                content_type="application/octet-stream",
                blob=blob,
                size=size,
            ),
        )

    bridge.store.write_sync(work)
    return reference


def accesses(bridge: Bridge) -> tuple[Access, ...]:
    """The decision log, oldest first."""
    return bridge.store.read_sync(lambda tx: list_accesses(tx, AccessFilter(), limit=1000))[::-1]


def processing(bridge: Bridge) -> tuple[Processing, ...]:
    """The processing log of every trace in the decision log."""
    traces = dict.fromkeys(access.trace_id for access in accesses(bridge))
    return bridge.store.read_sync(
        lambda tx: tuple(line for trace in traces for line in processing_of(tx, trace_id=trace))
    )


def events(bridge: Bridge) -> tuple[Event, ...]:
    """Every event, oldest first."""
    return bridge.store.read_sync(lambda tx: list_events(tx, EventFilter(), limit=1000))[::-1]


@dataclass(slots=True, kw_only=True)
class Answer:
    """What came back, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Api:
    """A running listener, and callers that come with the certificate of a party (`None`: without one)."""

    bridge: Bridge
    clock: Clock
    url: str
    pki: Pki

    async def call(
        self, method: str, path: str, *, as_: str | None = HUB.stem, encoded: bool = True, **more: Any
    ) -> Answer:
        from yarl import URL

        address = URL(self.url + path, encoded=encoded)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, address, ssl=self.client_context(as_), allow_redirects=False, **more
            ) as answer,
        ):
            return Answer(status=answer.status, headers=answer.headers, body=await answer.read())

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.call("GET", path, **more)

    def client_context(self, stem: str | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki.trust))
        if stem is not None:
            own = self.pki.credentials(stem)
            context.load_cert_chain(own.certificate, own.key)
        return context


@asynccontextmanager
async def open_api(folder: Path, clock: Clock, pki: Pki, **changes: Any) -> AsyncIterator[Api]:
    """A listener on loopback."""
    settings = make_settings(folder, pki, **changes)
    async with open_bridge(folder, clock, settings) as bridge:
        runner = ApiRunner(api_app(bridge), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=api_tls(settings))
            await site.start()
            yield Api(bridge=bridge, clock=clock, url=f"https://localhost:{runner.addresses[0][1]}", pki=pki)
        finally:
            await runner.cleanup()


OpenApi = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path, clock: Clock, pki: Pki) -> OpenApi:
    """Starts a listener with these settings."""

    def begin(**changes: Any) -> Any:
        return open_api(tmp_path, clock, pki, **changes)

    return begin


@pytest.fixture
async def api(start: OpenApi) -> AsyncIterator[Api]:
    async with start() as running:
        keep(running.bridge)
        yield running


@dataclass(slots=True)
class Pdp:
    """A decision point that answers as it is told, and keeps what it was asked."""

    url: str = ""
    status: int = 200
    answers: list[Any] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, asyncio.Event):
            await told.wait()
        if isinstance(told, bytes):
            return web.Response(status=self.status, body=told, content_type="application/json")
        return web.json_response(told, status=self.status)


@pytest.fixture
async def pdp() -> AsyncIterator[Pdp]:
    point = Pdp()
    app = web.Application()
    app.router.add_post("/access/v1/evaluation", point.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    point.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield point
    await runner.cleanup()


__all__ = ["HUB", "POLICE", "STRANGER"]
