"""The live listener gives to raw octets the answer that `bridge ebms inspect` says it would."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bridge.cli.ebms import inspection_document
from bridge.cli.inspect_judge import Bench, inspect_file
from bridge.config import Settings
from bridge.demo import BRIDGE, POLICE
from bridge.ebms.keys import load_p12
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.simulate.envelope import read_envelope
from bridge.store.rows import MessageState
from tests.cli.judged import test_header, test_packaging
from tests.cli.judged.conftest import in_one_line
from tests.cli.judged.wire import (
    ACK_REQUESTED,
    MULTIPART,
    OWN,
    PARTNER,
    SYNC_REPLY,
    Part,
    edit,
    envelope,
    http,
    mime_body,
    multipart,
    plain,
)
from tests.conftest import Clock
from tests.flow.conftest import World, open_world

NOT_OVER_HTTP = {"no Content-Length", "no request line", "head in bare LF", "HTTP/1.0"}
"""What only a file can be, or where the connection is the server's business."""


def localised(world: World, octets: bytes) -> bytes:
    """The message between the parties of the world, and the Content-Length that is true again."""
    terms = world.partner.settings
    swaps = {
        PARTNER: POLICE.oin,
        OWN: BRIDGE.oin,
        "melding_1": terms.cpa_id,
        "keten:melding:1": terms.service,
        "urn:osb:services": terms.service_type or "",
        ">meld<": ">vtMelding<",
    }
    for old, new in swaps.items():
        octets = octets.replace(old.encode(), new.encode())
    head, _, body = octets.partition(b"\r\n\r\n")
    return re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head) + b"\r\n\r\n" + body


async def post(world: World, octets: bytes) -> tuple[int, bytes]:
    """Over a connection of its own; status and body."""
    url = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    octets = re.sub(rb"\APOST \S+", b"POST /ebms", octets)
    writer.write(octets.replace(b"Host:", b"Connection: close\r\nHost:", 1))
    await writer.drain()
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split(b" ")[1]), body


def told(status: int, body: bytes) -> str:
    """The answer in the words of a verdict; a fault does not say which error stands behind it."""
    if status != 200:
        return "fault"
    answer = read_envelope(body)[1]
    if answer.error_list is None:
        return "ok"
    return f"{answer.error_list.errors[0].code} {answer.error_list.errors[0].location}"


def expected(world: World, octets: bytes, cpa: Path, folder: Path) -> str:
    from bridge.ebms.cpa import read_cpa
    from bridge.ebms.cpa_resolve import Agreements

    file = folder / "message.http"
    file.write_bytes(octets)
    bench = Bench(now=world.clock(), agreements=Agreements(agreements=(read_cpa(cpa.read_bytes()),)))
    line = in_one_line(inspection_document(file.name, inspect_file(file, bench)))
    return "fault" if line.startswith("fault") else line


def messages(now: Any) -> dict[str, bytes]:
    header = SYNC_REPLY + ACK_REQUESTED
    text = envelope(now, header=header)
    edits = dict(test_header.TOLERATED)
    edits |= {name: edits for name, (edits, _) in test_header.REFUSED.items()}
    found = {f"header: {name}": plain(edit(text, *pairs)) for name, pairs in edits.items()}
    with_part = envelope(now, header=header, references=("p1@x",))
    body = mime_body(with_part, Part(octets=b"<melding>\r\n</melding>"))
    found |= {f"type: {n}": http(body, kind) for n, (kind, _) in test_packaging.CONTENT_TYPES.items()}
    found |= {
        f"frame: {n}": http(change(body), MULTIPART) for n, (change, _) in test_packaging.FRAMES.items()
    }
    found |= {
        f"manifest: {n}": multipart(edit(with_part, *pairs), Part(octets=b"<a/>"))
        for n, (pairs, _) in test_packaging.MANIFESTS.items()
    }
    found |= {
        f"document: {n}": http(encode(text), kind)
        for n, (encode, kind, _) in test_packaging.DOCUMENTS.items()
    }
    found |= {f"request: {n}": change(plain(text)) for n, (change, _) in test_packaging.REQUESTS.items()}
    return {name: octets for name, octets in found.items() if name.partition(": ")[2] not in NOT_OVER_HTTP}


def without_tls(settings: Settings) -> Settings:
    listener = settings.partner_listener.model_copy(update={"tls": None})
    return settings.model_copy(update={"partner_listener": listener, "production": False})


async def test_the_listener_answers_as_the_inspection_says(tmp_path: Path, pki: Pki, clock: Clock) -> None:
    differing = {}
    change = {"profile": Profile.RELIABLE, "sync": True, "settings_change": without_tls}
    async with open_world(tmp_path, pki, clock, **change) as world:
        (cpa,) = (tmp_path / "cpa").glob("*.xml")
        for number, (name, octets) in enumerate(messages(clock()).items()):
            octets = localised(world, octets.replace(b"m1@partner", b"m%d@partner" % number))
            wanted = expected(world, octets, cpa, tmp_path)
            found = told(*await post(world, octets))
            if found != wanted:
                differing[name] = (found, wanted)
        assert differing == {}


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x00" * 5000, b"POST /ebms HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 40_000],
    ids=["nothing", "zeros", "no host", "version", "lines"],
)
async def test_what_is_no_request_leaves_no_stack_trace_and_does_not_stop_the_listener(
    tmp_path: Path, pki: Pki, clock: Clock, caplog: pytest.LogCaptureFixture, octets: bytes
) -> None:
    change = {"profile": Profile.RELIABLE, "sync": True, "settings_change": without_tls, "head_seconds": 0.5}
    async with open_world(tmp_path, pki, clock, **change) as world:
        url = urlsplit(world.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(octets)
        writer.write_eof()
        await reader.read()
        writer.close()
        good = localised(world, plain(envelope(clock(), header=SYNC_REPLY + ACK_REQUESTED)))
        assert told(*await post(world, good)) == "ok"
    assert [record for record in caplog.records if record.exc_info] == []


# --- messages of other implementations, over a socket

DIGIPOORT, OVERHEID = "00000000000000000000", "00000000000000000001"


def as_party(folder: Path, shared: Path, party: str) -> Any:
    """The settings of a bridge that plays this party of the real agreements, with their public test key."""
    pair = load_p12((shared / "ebms-samples" / "keys" / "localhost.p12").read_bytes(), b"password")
    certificate = pair.certificate.public_bytes(serialization.Encoding.PEM)
    kind = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "localhost.crt").write_bytes(certificate)
    (folder / "localhost.key").write_bytes(pair.private_key.private_bytes(*kind))
    (folder / "agreements").mkdir()
    for file in (shared / "cpas").glob("*.xml"):
        (folder / "agreements" / file.name).write_bytes(file.read_bytes())

    def change(settings: Settings) -> Settings:
        own = settings.own_parties[0].model_copy(
            update={
                "party_id": party,
                "certificate": folder / "localhost.crt",
                "key": folder / "localhost.key",
            }
        )
        files = settings.agreements.model_copy(update={"folder": folder / "agreements"})
        trusted = settings.partner_listener.model_copy(update={"tls": None})
        return settings.model_copy(
            update={
                "production": False,
                "own_parties": (own,),
                "agreements": files,
                "partner_listener": trusted,
            }
        )

    return change


@pytest.mark.shared
async def test_the_samples_get_from_the_listener_what_their_table_says(
    tmp_path: Path, pki: Pki, clock: Clock, shared: Path
) -> None:
    change = as_party(tmp_path, shared, OVERHEID)
    clock.now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    rows = [r for r in json.loads((shared / "ebms-samples" / "index.json").read_text()) if r["cpa"]]
    rows.sort(key=lambda row: "01-rm-sha256" in row["file"])  # 11 has its id, and is refused
    wrong: dict[str, Any] = {}
    answers: dict[str, bytes] = {}
    async with open_world(tmp_path, pki, clock, settings_change=change) as world:
        world.bridge.gate.trust = dataclasses.replace(
            world.bridge.gate.trust,
            anchors=(
                *world.bridge.gate.trust.anchors,
                x509.load_pem_x509_certificate((tmp_path / "localhost.crt").read_bytes()),
            ),
            crls=(),
        )
        for row in rows:
            octets = (shared / "ebms-samples" / row["file"]).read_bytes()
            status, body = await post(world, octets)
            name, synchronous = row["file"], row["cpa"].endswith("sync")
            answers[name] = body
            wanted = row["error"] or "ok"
            if "08-signed-acknowledgment" in name:
                found, wanted = str(status), "204"  # for the other party: it changes nothing here
            elif synchronous:
                found = told(status, body).partition(" ")[0]
                location = row.get("peer_location")
                if location and location not in told(status, body):
                    wrong[name] = told(status, body)
            else:
                (message,) = [m for m in world.messages() if m.message_id.encode() in octets][-1:]
                found = (
                    "ok"
                    if message.state is not MessageState.REFUSED
                    else (message.reason or "").split(" ")[0]
                )
                if status != 204:
                    wrong[name] = status
            if found != wanted:
                wrong[name] = (found, wanted)
    assert wrong == {}
    assert answers["ebms-core/05-duplicate.http"] == answers["ebms-core/03-message.http"]
    assert b'messageStatus="Received"' in answers["ebms-core/04-status-request.http"]
    assert b">Pong<" in answers["ebms-core/01-ping.http"]
