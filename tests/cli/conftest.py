"""A settings file with a store, and the command run as a shell runs it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId
from bridge.store.blobs import put_blob
from bridge.store.events import add_event
from bridge.store.exchanges import open_exchange
from bridge.store.jobs import add_job
from bridge.store.keys import KeyMaker
from bridge.store.messages import add_message, add_payload
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    Message,
    MessageState,
    Payload,
)
from bridge.store.timeline import add_step
from bridge.store.unit import Store

START = datetime(2026, 11, 23, 20, 53, 27, 123456, tzinfo=UTC)
SECRET = "Jan de Vries 999900092"
"""Stands in every payload and event body, and must never be printed."""


@dataclass
class Shell:
    """What a command printed and how it ended."""

    config: Path
    capture: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def run(self, *arguments: str) -> int:
        code = main([*arguments, "--config", str(self.config)])
        self.out, self.err = self.capture.readouterr()
        return code

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file; the files that it names need not exist for reading the store."""
    file = tmp_path / "bridge.toml"
    file.write_text(
        """
        [store]
        url = "sqlite:///bridge.sqlite3"
        [hub]
        base_url = "https://hub.example"
        [identifiers]
        namespace = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
        person_key_file = "person.key"
        [[own_parties]]
        name = "De brug"
        party_id = "00000004445556667000"
        certificate = "own.pem"
        key = "own.key"
        """,
        encoding="utf-8",
    )
    return file


@pytest.fixture
def shell(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("BRIDGE_TRACEBACK", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    return Shell(config=config, capture=capsys)


@pytest.fixture
def store(tmp_path: Path, config: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'bridge.sqlite3'}", create=True) as store:
        yield store


Seed = Callable[[int], tuple[Key, Key, Key, Key]]


@pytest.fixture
def seed(store: Store) -> Seed:
    """Writes one exchange with a message, an event, a step and a job, so many minutes after the start."""
    keys = KeyMaker()

    def write(minutes: int) -> tuple[Key, Key, Key, Key]:
        at = START + timedelta(minutes=minutes)
        exchange, message, event, job = keys(at), keys(at), keys(at), keys(at)

        def work(tx: Any) -> None:
            open_exchange(
                tx,
                Exchange(
                    key=exchange,
                    direction=ExchangeDirection.TO_HUB,
                    started_at=at,
                    changed_at=at,
                    partner="00000001112223334000",
                    title="vtMeldingDi01",
                    subject=f"melding/{minutes}",
                    state=ExchangeState.ATTENTION if minutes % 2 else ExchangeState.DONE,
                ),
            )
            add_message(
                tx,
                Message(
                    key=message,
                    exchange=exchange,
                    direction=Direction.IN,
                    kind="business",
                    message_id=MessageId(f"{minutes}@politie.example"),
                    conversation_id=ConversationId("conversation"),
                    cpa_id=CpaId("cpa"),
                    from_party="00000001112223334000",
                    to_party="00000004445556667000",
                    service="urn:stuf:jz",
                    action="vtMeldingDi01",
                    state=MessageState.PARKED if minutes % 2 else MessageState.MAPPED,
                    at=at,
                    changed_at=at,
                ),
            )
            blob, size = put_blob(tx, SECRET.encode())
            payload = Payload(
                message=message, position=0, content_id="a@b", content_type="text/xml", blob=blob, size=size
            )
            add_payload(tx, payload)
            add_event(
                tx,
                Event(
                    key=event,
                    exchange=exchange,
                    direction=Direction.OUT,
                    source="urn:nld:oin:00000001112223334000:systeem:bvh",
                    id=EventId(f"event-{minutes}"),
                    type="uitwisselen-melding.melding-geregistreerd",
                    time="2026-11-23T20:53:27Z",
                    state=EventState.OK,
                    body=SECRET.encode(),
                    at=at,
                    changed_at=at,
                ),
            )
            detail = {"message_id": f"{minutes}@politie.example"}
            add_step(
                tx,
                exchange=exchange,
                at=at,
                side="ebms",
                what="message.received",
                outcome="ok",
                detail=detail,
            )
            add_job(tx, key=job, kind="map", subject_key=message, due=at, at=at)

        store.write_sync(work)
        return exchange, message, event, job

    return write
