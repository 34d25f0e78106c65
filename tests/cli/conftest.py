"""A settings file with a store, and the command run as a shell runs it."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_create import create_cpa, read_description
from bridge.ebms.cpa_resolve import outgoing_terms
from bridge.ebms.encrypt import encrypt_part
from bridge.ebms.keys import KeyPair, load_key_pair
from bridge.ebms.mime import pack
from bridge.ebms.model import Message as WireMessage
from bridge.ebms.model import Octets, Part, PartyId, Service
from bridge.ebms.outgoing import outgoing_message
from bridge.ebms.sign import sign_envelope
from bridge.ebms.write import envelope_octets, write_envelope
from bridge.ids import ConversationId, CpaId, EventId, Key, MessageId
from bridge.pki import Organisation, Pki, make_pki
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
from tests.stores import put_empty_store

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
    put_empty_store(tmp_path / "bridge.sqlite3")
    with Store.open(f"sqlite:///{tmp_path / 'bridge.sqlite3'}") as store:
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


# --- agreements and raw messages, for the commands that read files

PARTNER, OWN = "00000001112223334000", "00000004445556667000"
SERVICE = Service(value="keten:melding:1", type="urn:osb:services")
CONTENT = b"<melding/>"


class Office:
    """Two organisations with certificates, agreements between them, and messages as the partner writes them."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.pki: Pki = make_pki(
            folder,
            organisations=(
                Organisation(name="Partner", oin=PARTNER, stem="partner", hosts=("partner.example.nl",)),
                Organisation(name="Brug", oin=OWN, stem="own", hosts=("bridge.example.nl",)),
            ),
            now=self.now,
        )

    def pair(self, stem: str) -> KeyPair:
        files = self.pki.credentials(stem)
        return load_key_pair(files.key.read_bytes() + files.certificate.read_bytes())

    def description(self, profile: str = "osb-rm", **changes: Any) -> dict[str, Any]:
        def party(name: str, oin: str, role: str, stem: str, host: str) -> dict[str, Any]:
            pem = self.pki.credentials(stem).certificate.read_text().partition("-----END CERTIFICATE-----")
            endpoint = f"https://{host}/ebms"
            return {
                "name": name,
                "oin": oin,
                "role": role,
                "endpoint": endpoint,
                "certificate": pem[0] + pem[1],
            }

        return {
            "cpa_id": "melding_1",
            "profile": profile,
            "start": self.now - timedelta(days=2),
            "end": self.now + timedelta(days=300),
            "party": [
                party("Partner", PARTNER, "Melder", "partner", "partner.example.nl"),
                party("Brug", OWN, "Ontvanger", "own", "bridge.example.nl"),
            ],
            "action": [
                {"service": SERVICE.value, "action": "meld", "from": "Melder"},
                {"service": SERVICE.value, "action": "bevestig", "from": "Ontvanger"},
            ],
        } | changes

    def cpa(self, profile: str = "osb-rm", *edits: tuple[str, str], **changes: Any) -> bytes:
        """A CPA of a profile; every edit replaces a text that must occur."""
        text = create_cpa(read_description(self.description(profile, **changes))).decode()
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        return text.encode()

    def message(self, cpa: bytes, **header: Any) -> WireMessage:
        terms = outgoing_terms(
            read_cpa(cpa), own=PartyId(value=PARTNER, type="urn:osb:oin"), service=SERVICE, action="meld"
        )
        message = outgoing_message(
            terms,
            message_id=MessageId("m1@partner.example.nl"),
            conversation_id=ConversationId("c1"),
            timestamp=self.now,
            time_to_live=self.now + timedelta(days=1),
            parts=(Part(content_id="p1@x", content_type="application/xml", content=Octets(CONTENT)),),
        )
        return replace(message, header=replace(message.header, **header))

    def raw(
        self, message: WireMessage, *, signed_by: str | None = None, encrypted: bool = False, head: str = ""
    ) -> bytes:
        """The HTTP request of a message, as it goes over the wire."""
        envelope, parts = write_envelope(message), message.parts
        if signed_by:
            sign_envelope(
                envelope,
                parts,
                key=self.pair(signed_by),
                digest_method="http://www.w3.org/2001/04/xmlenc#sha256",
                signature_method="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            )
        if encrypted:
            gcm = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
            own = self.pair("own").certificate
            parts = tuple(
                encrypt_part(part, certificate=own, algorithm=gcm, random=os.urandom) for part in parts
            )
        packed = pack(envelope_octets(envelope), parts, boundary="b0undary", envelope_id="envelope@x")
        lines = ["POST /ebms HTTP/1.1", "Host: bridge.example.nl", *(f"{n}: {v}" for n, v in packed.headers)]
        lines += [head or f"Content-Length: {packed.content_length}", "", ""]
        return "\r\n".join(lines).encode() + b"".join(packed.chunks())


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("pki"))


class Judge(Shell):
    """The command run without a settings file."""

    def run(self, *arguments: str) -> int:
        code = main(list(arguments))
        self.out, self.err = self.capture.readouterr()
        return code


@pytest.fixture(autouse=True)
def _as_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test runner may set the width of a terminal; what a pipe sees is what is tested."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def judge(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Judge:
    monkeypatch.delenv("BRIDGE_TRACEBACK", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    return Judge(config=Path(), capture=capsys)
