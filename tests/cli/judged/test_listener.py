"""The live listener gives to raw octets the answer that `bridge ebms inspect` says it would."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.cli.ebms import inspection_document
from bridge.cli.inspect_judge import Bench, inspect_file
from bridge.config import Settings
from bridge.demo import BRIDGE, POLICE
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.simulate.envelope import read_envelope
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
