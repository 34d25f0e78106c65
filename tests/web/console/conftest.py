"""A real SQLite store with exchanges in it, and the console served on loopback."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Connection

from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId
from bridge.store.blobs import put_blob
from bridge.store.events import add_event
from bridge.store.exchanges import open_exchange, set_exchange
from bridge.store.keys import KeyMaker
from bridge.store.messages import add_evidence, add_message, add_payload
from bridge.store.rows import (
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
    Side,
    StepOutcome,
)
from bridge.store.timeline import add_step
from bridge.store.unit import Store
from bridge.web.console.app import console_app
from bridge.web.console.settings import ConsoleOptions

START = datetime(2026, 11, 23, 20, 53, 27, 123456, tzinfo=UTC)
POLICE, SAFE_AT_HOME = "00000001112223334000", "00000004445556667000"
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
        values: dict[str, Any] = {
            "direction": Direction.IN,
            "message_id": MessageId(f"20261123-{self.made}@politie.example"),
            "action": "vtMeldingDi01",
            "state": MessageState.MAPPED,
            "mapping": "vt-melding@3",
            "conversation_id": exchange.conversation_id or ConversationId("none"),
        }
        message = Message(
            key=self.keys(at),
            exchange=exchange.key,
            kind="business",
            cpa_id=CpaId("cpa-politie-vt"),
            from_party=POLICE,
            from_role="Melder",
            to_party=SAFE_AT_HOME,
            service="urn:stuf:jz:vtMelding",
            at=at,
            changed_at=at,
            digest="ab" * 32,
            subject=exchange.subject,
            **(values | given),
        )

        def work(tx: Connection) -> None:
            add_message(tx, message)
            blob, size = put_blob(tx, f"<melding>{SECRET}</melding>".encode() * 900)
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
            for kind in (EvidenceKind.RECEIVED, EvidenceKind.ANSWER):
                headers = f"Content-Type: text/xml\r\nX-Secret: {SECRET}\r\n"
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
        }
        event = Event(
            key=self.keys(exchange.started_at),
            exchange=exchange.key,
            subject=exchange.subject,
            time="2026-11-23T20:53:27Z",
            level="1",
            body=json.dumps({"data": {"naam": SECRET}}).encode(),
            at=exchange.started_at,
            changed_at=exchange.started_at,
            offers=1,
            interactie_id=f"6f1c8f0a-0000-4000-8000-{number:012}",
            **(values | given),
        )
        self.store.write_sync(lambda tx: add_event(tx, event))
        return event

    def arrived(self) -> Exchange:
        """A report from a partner that went well, from ebMS to the hub's OK."""
        exchange = self.exchange()
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

    def waiting(self) -> Exchange:
        """An answer of which the partner's acknowledgment is outstanding."""
        exchange = self.exchange(
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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'bridge.sqlite3'}", create=True) as store:
        yield store


@pytest.fixture
def seeder(store: Store) -> Seeder:
    return Seeder(store)


@dataclass
class Browser:
    """A client that asks for pages as a browser does, without following redirects."""

    session: aiohttp.ClientSession
    base: str

    async def get(self, path: str, *, status: int = 200, **headers: str) -> str:
        async with self.session.get(self.base + path, headers=headers, allow_redirects=False) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            return text

    def ask(self, method: str, path: str, **headers: str) -> Any:
        return self.session.request(method, self.base + path, headers=headers, allow_redirects=False)


@pytest.fixture
def options() -> ConsoleOptions:
    return ConsoleOptions(
        public_names=("brug.gemeente.example",),
        party_names={POLICE: "Politie Eenheid Oost", SAFE_AT_HOME: "Veilig Thuis Oost"},
        poll=timedelta(milliseconds=20),
    )


@pytest.fixture
async def runner(store: Store, options: ConsoleOptions) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(console_app(store, now=lambda: START + timedelta(hours=1), settings=options))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


@pytest.fixture
async def browser(runner: web.AppRunner) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(session, f"http://127.0.0.1:{runner.addresses[0][1]}")


@pytest.fixture
def unknown_key() -> Key:
    return KeyMaker()(START)
