"""A real SQLite store with exchanges in it, and the console served on loopback."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Connection

from bridge.cli.assemble import assemble
from bridge.config import load_settings
from bridge.demo import MAPPINGS, write_settings
from bridge.errors import PeerUnreachable
from bridge.flow.bridge import Bridge
from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId
from bridge.pki import Pki
from bridge.store.accounts import change_account, find_account
from bridge.store.blobs import put_blob
from bridge.store.events import add_event
from bridge.store.exchanges import open_exchange, set_exchange
from bridge.store.keys import KeyMaker
from bridge.store.messages import add_evidence, add_message, add_payload
from bridge.store.rows import (
    AccountState,
    Direction,
    Event,
    EventState,
    Evidence,
    EvidenceKind,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Message,
    MessageState,
    Payload,
    Role,
    Side,
    StepOutcome,
)
from bridge.store.timeline import add_step
from bridge.store.unit import Store
from bridge.web.console.accounts import make_account
from bridge.web.console.app import console_app
from bridge.web.console.identity import OidcOptions, RoleRule
from bridge.web.console.passwords import hash_password_now
from bridge.web.console.settings import ConsoleOptions
from tests.web.console.identity_provider import IdentityProvider, running

START = datetime(2026, 11, 23, 20, 53, 27, 123456, tzinfo=UTC)
NOW = START + timedelta(hours=1)
POLICE, SAFE_AT_HOME = "00000001112223334000", "00000004445556667000"
WANTED_MAPPINGS = ("vt-melding.map.yaml", "vt-terugkoppeling.map.yaml")
SECRET = "Jan de Vries 999900092"
"""Stands in every payload and event body, and must never be seen."""


@dataclass
class Seeder:
    """Writes exchanges as the flows would, each a minute after the former one."""

    store: Store
    now: datetime = START
    keys: KeyMaker = field(default_factory=KeyMaker)
    made: int = 0

    def exchange(self, **given: Any) -> Exchange:
        """An exchange with nothing in it."""
        self.made += 1
        at = self.now + timedelta(minutes=self.made)
        values: dict[str, Any] = {
            "direction": ExchangeDirection.TO_HUB,
            "partner": POLICE,
            "title": "vtMeldingDi01",
            "subject": f"melding/BVH2026-{self.made:06}",
            "state": ExchangeState.RUNNING,
            "conversation_id": ConversationId(f"conversation-{self.made}@politie.example"),
        }
        exchange = Exchange(key=self.keys(at), started_at=at, changed_at=at, **(values | given))
        self.store.write_sync(lambda tx: open_exchange(tx, exchange))
        return exchange

    def step(self, exchange: Exchange, what: str, after: float = 0, **given: Any) -> int:
        values: dict[str, Any] = {"side": Side.BRIDGE, "outcome": StepOutcome.OK}
        at = exchange.started_at + timedelta(seconds=after)
        return self.store.write_sync(
            lambda tx: add_step(tx, exchange=exchange.key, at=at, what=what, **(values | given))
        )

    def state(self, exchange: Exchange, state: ExchangeState, what: str, **given: Any) -> None:
        """The exchange comes in a state by a step, two seconds after its start."""
        at = exchange.started_at + timedelta(seconds=2.102)
        reason = given.pop("reason", None)
        values: dict[str, Any] = {"side": Side.BRIDGE, "outcome": StepOutcome.OK}

        def work(tx: Connection) -> None:
            set_exchange(tx, exchange.key, state=state, reason=reason, at=at)
            add_step(tx, exchange=exchange.key, at=at, what=what, **(values | given))

        self.store.write_sync(work)

    def message(self, exchange: Exchange, **given: Any) -> Message:
        at = exchange.started_at
        content = given.pop("content", f"<melding>{SECRET}</melding>".encode() * 900)
        wire = given.pop("wire", content)
        headers = given.pop("headers", f"Content-Type: text/xml\r\nX-Secret: {SECRET}\r\n")
        values: dict[str, Any] = {
            "direction": Direction.IN,
            "message_id": MessageId(f"20261123-{self.made}@politie.example"),
            "action": "vtMeldingDi01",
            "state": MessageState.MAPPED,
            "mapping": "vt-melding@3",
            "conversation_id": exchange.conversation_id or ConversationId("none"),
        }
        values |= {"from_party": POLICE, "to_party": SAFE_AT_HOME, "cpa_id": CpaId("cpa-politie-vt")}
        message = Message(
            key=self.keys(at),
            exchange=exchange.key,
            kind="business",
            from_role="Melder",
            service="urn:stuf:jz:vtMelding",
            at=at,
            changed_at=at,
            digest="ab" * 32,
            subject=exchange.subject,
            **(values | given),
        )

        def work(tx: Connection) -> None:
            add_message(tx, message)
            blob, size = put_blob(tx, content)
            add_payload(
                tx,
                Payload(
                    message=message.key,
                    position=0,
                    content_id="melding@politie.example",
                    content_type="application/xml",
                    blob=blob,
                    size=size,
                ),
            )
            blob, _ = put_blob(tx, wire)
            for kind in (EvidenceKind.RECEIVED, EvidenceKind.ANSWER):
                add_evidence(tx, Evidence(message=message.key, kind=kind, headers=headers, blob=blob, at=at))

        self.store.write_sync(work)
        return message

    def event(self, exchange: Exchange, **given: Any) -> Event:
        number = self.made
        values: dict[str, Any] = {
            "direction": Direction.OUT,
            "id": EventId(f"6f1c8f0a-0000-4000-8000-{number:012}"),
            "type": "uitwisselen-melding.melding-geregistreerd",
            "state": EventState.OK,
            "source": "urn:nld:oin:00000001112223334000:systeem:bvh",
            "body": json.dumps({"data": {"naam": SECRET}}).encode(),
        }
        event = Event(
            key=self.keys(exchange.started_at),
            exchange=exchange.key,
            subject=exchange.subject,
            time="2026-11-23T20:53:27Z",
            level="1",
            at=exchange.started_at,
            changed_at=exchange.started_at,
            offers=1,
            interactie_id=f"6f1c8f0a-0000-4000-8000-{number:012}",
            **(values | given),
        )
        self.store.write_sync(lambda tx: add_event(tx, event))
        return event

    def arrived(self, **given: Any) -> Exchange:
        """A report from a partner that went well, from ebMS to the hub's OK."""
        exchange = self.exchange(**given)
        message, event = self.message(exchange), self.event(exchange)
        ids = {"message_id": message.message_id, "cpa_id": message.cpa_id}
        self.step(exchange, "message.received", 0, side=Side.EBMS, detail=ids)
        self.step(exchange, "answer.stored", 0.019, side=Side.EBMS, detail={"signal": "Acknowledgment"})
        self.step(exchange, "message.mapped", 0.092, detail={"mapping": "vt-melding@3", "events": "1"})
        offered = {"event_id": event.id, "interactie_id": str(event.interactie_id)}
        self.step(
            exchange, "event.accepted", 0.278, side=Side.HUB, outcome=StepOutcome.WAITING, detail=offered
        )
        self.state(exchange, ExchangeState.DONE, "event.ok", side=Side.HUB, detail={"event_id": event.id})
        return exchange

    def parked(self) -> Exchange:
        """A report that no mapping takes."""
        exchange = self.exchange()
        self.message(exchange, state=MessageState.PARKED, mapping=None, reason="M901")
        self.step(exchange, "message.received", 0, side=Side.EBMS)
        reason = "M901 at betrokkenen[1]/rol: code is not in the list"
        failed = {"outcome": StepOutcome.FAILED, "detail": {"reason": reason}}
        self.state(exchange, ExchangeState.ATTENTION, "message.parked", reason=reason, **failed)
        return exchange

    def waiting(self, **given: Any) -> Exchange:
        """An answer of which the partner's acknowledgment is outstanding."""
        exchange = self.exchange(
            **given,
            direction=ExchangeDirection.TO_PARTNER,
            title="uitwisselen-melding.melding-opgepakt",
            subject="melding/BVH2026-000001",
            conversation_id=None,
        )
        self.event(
            exchange,
            direction=Direction.IN,
            type=exchange.title,
            state=EventState.COMPOSED,
            source="urn:nld:oin:00000004445556667000:systeem:vt",
        )
        self.message(
            exchange, direction=Direction.OUT, action="vtTerugkoppelingDi01", state=MessageState.WAITING
        )
        self.step(exchange, "event.received", 0, side=Side.HUB)
        self.step(exchange, "message.composed", 0.1)
        sent = {"attempt": "2", "endpoint": "https://politie.example/ebms"}
        self.step(exchange, "message.sent", 0.3, side=Side.EBMS, outcome=StepOutcome.WAITING, detail=sent)
        return exchange


@pytest.fixture(scope="session")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two mappings of the main job, in a folder of their own that a test may change a copy of."""
    folder = tmp_path_factory.mktemp("mappings")
    for file in (MAPPINGS / "vocabulary.yaml", *sorted((MAPPINGS / "stuf-jz").rglob("*"))):
        name = file.relative_to(MAPPINGS)
        wanted = not name.name.endswith(".map.yaml") or name.name in WANTED_MAPPINGS
        if file.is_file() and wanted and not any(part.endswith(".cases") for part in name.parts):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / name)
    return folder


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, pki: Pki, mappings: Path) -> tuple[Bridge, Path]:
    """A bridge with the demo's parties and the real mappings, and its empty store; its peers are nowhere."""
    folder = tmp_path_factory.mktemp("bridge")
    shutil.copytree(pki.directory, folder / "certs")
    config = write_settings(
        folder, pki, partner_url="https://localhost:9/ebms", hub_url="https://localhost:9"
    )
    elsewhere = {"BRIDGE__MAPPINGS__FOLDER": str(mappings)}

    async def make() -> Bridge:
        async with assemble(load_settings(config, environment=elsewhere), now=lambda: NOW) as bridge:
            return bridge

    return asyncio.run(make()), folder / "bridge.sqlite3"


async def nobody_home(*_: object, **__: object) -> Any:
    raise PeerUnreachable("connection refused")


@pytest.fixture
def bridge(whole: tuple[Bridge, Path], tmp_path: Path) -> Iterator[Bridge]:
    """With a store of its own."""
    template, empty = whole
    shutil.copy(empty, tmp_path / "bridge.sqlite3")
    with Store.open(f"sqlite:///{tmp_path / 'bridge.sqlite3'}") as store:
        yield replace(template, store=store, post=nobody_home, problems={})


@pytest.fixture
def in_force(bridge: Bridge) -> None:
    """The agreements began before the moment of the tests, whatever the day on which they were made."""
    began = NOW - timedelta(days=30)
    found = tuple(replace(agreement, start=began) for agreement in bridge.agreements.agreements)
    bridge.agreements = replace(bridge.agreements, agreements=found)


@pytest.fixture
def store(bridge: Bridge) -> Store:
    return bridge.store


@pytest.fixture
def seeder(store: Store) -> Seeder:
    return Seeder(store)


@dataclass
class Browser:
    """A client that asks for pages as a browser does, without following redirects."""

    session: aiohttp.ClientSession
    base: str

    async def get(self, path: str, *, status: int = 200, **headers: str) -> str:
        """The page, without the places in ids where a line may end: these are no part of what is copied."""
        async with self.session.get(self.base + path, headers=headers, allow_redirects=False) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            return text.replace("<wbr>", "")

    def ask(self, method: str, path: str, **headers: str) -> Any:
        return self.session.request(method, self.base + path, headers=headers, allow_redirects=False)

    async def token(self, path: str) -> str:
        """The form token on a page."""
        found = re.search(r'name="csrf" value="(\w+)"', await self.get(path))
        assert found, f"no form on {path}"
        return found[1]

    async def post(
        self, path: str, *, page: str | None = None, status: int = 303, files: Any = None, **fields: str
    ) -> tuple[str, str]:
        """Post the form of a page (by default the page at `path`); gives the body and where it leads."""
        fields["csrf"] = await self.token(page or path)
        return await self.send(path, status=status, files=files, **fields)

    async def send(
        self, path: str, *, status: int = 303, files: Any = None, **fields: str
    ) -> tuple[str, str]:
        """Post these fields as they are."""
        body: Any = fields
        if files is not None:
            body = aiohttp.FormData(fields)
            for name, content in files.items():
                body.add_field(name, content, filename=f"{name}.xml")
        async with self.session.post(self.base + path, data=body, allow_redirects=False) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            return text, answer.headers.get("Location", "")

    async def log_in(self, name: str, password: str) -> None:
        """As a person does; the session's cookie is kept."""
        assert (await self.post("/login", name=name, password=password))[1] == "/"


@pytest.fixture
def options() -> ConsoleOptions:
    return ConsoleOptions(
        public_names=("brug.gemeente.example",),
        party_names={POLICE: "Politie Eenheid Oost", SAFE_AT_HOME: "Veilig Thuis Oost"},
        poll=timedelta(milliseconds=20),
    )


@asynccontextmanager
async def serving(bridge: Bridge, options: ConsoleOptions) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(console_app(bridge, settings=options))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


@asynccontextmanager
async def browsing(runner: web.AppRunner) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Browser(session, f"http://127.0.0.1:{runner.addresses[0][1]}")


@pytest.fixture
async def runner(bridge: Bridge, options: ConsoleOptions) -> AsyncIterator[web.AppRunner]:
    """Nobody has to log in: whoever comes is an operator."""
    async with serving(bridge, options) as runner:
        yield runner


@pytest.fixture
async def browser(runner: web.AppRunner) -> AsyncIterator[Browser]:
    async with browsing(runner) as browser:
        yield browser


@pytest.fixture
async def closed(bridge: Bridge, options: ConsoleOptions) -> AsyncIterator[web.AppRunner]:
    """The console with login."""
    async with serving(bridge, replace(options, login=True)) as runner:
        yield runner


@pytest.fixture
async def stranger(closed: web.AppRunner) -> AsyncIterator[Browser]:
    """A browser that is not logged in."""
    async with browsing(closed) as browser:
        yield browser


PASSWORD = "a long sentence with words"


@pytest.fixture
def person(store: Store) -> Callable[[str, Role], None]:
    """Adds an account that chose its own password."""

    def add(name: str, role: Role) -> None:
        make_account(store, name, role, now=NOW, by="test")

        def work(tx: Connection) -> None:
            account = find_account(tx, name)
            assert account is not None
            change_account(
                tx,
                account.key,
                password=hash_password_now(PASSWORD),
                state=AccountState.ACTIVE,
                password_until=None,
            )

        store.write_sync(work)

    return add


@pytest.fixture
async def enter(
    closed: web.AppRunner, person: Callable[[str, Role], None]
) -> AsyncIterator[Callable[[Role], Any]]:
    """Gives a browser that is logged in with a role."""
    async with AsyncExitStack() as stack:

        async def come_in(role: Role) -> Browser:
            browser = await stack.enter_async_context(browsing(closed))
            person(f"{role} person", role)
            await browser.log_in(f"{role} person", PASSWORD)
            return browser

        yield come_in


@pytest.fixture
def unknown_key() -> Key:
    return KeyMaker()(START)


@pytest.fixture
async def idp() -> AsyncIterator[IdentityProvider]:
    async with running(IdentityProvider(now=NOW)) as provider:
        yield provider


@pytest.fixture
def oidc(idp: IdentityProvider) -> OidcOptions:
    return OidcOptions(
        issuer=idp.base,
        client_id="console",
        client_secret="s3cret",
        roles=(
            RoleRule(claim="groups", value="bridge-operators", role=Role.OPERATOR),
            RoleRule(claim="realm.roles", value="privacy", role=Role.PRIVACY),
        ),
    )


@pytest.fixture
async def site(bridge: Any, options: Any, oidc: OidcOptions) -> AsyncIterator[Any]:
    """The console with the identity provider and no accounts of its own; gives a browser."""
    async with (
        serving(bridge, replace(options, login=True, local=False, oidc=oidc)) as runner,
        browsing(runner) as browser,
    ):
        yield browser
