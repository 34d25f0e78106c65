"""What one thing costs: reading and verifying, mapping, writing to the store. In this process, without a network."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import yaml
from cryptography import x509
from lxml import etree
from sqlalchemy import Connection

from bridge.bench.row import Row, compared, milliseconds
from bridge.bench.stage import Stage, signed_posts
from bridge.cli.assemble import load_mapping_folder
from bridge.demo import MAPPINGS
from bridge.ebms.read import read_message
from bridge.ebms.sign import verify_signature
from bridge.ebms.xml import parse_xml
from bridge.ids import Key
from bridge.mapping.context import Context, Mapped
from bridge.mapping.load import MappingSet
from bridge.mapping.run import run_mapping
from bridge.store.exchanges import open_exchange
from bridge.store.keys import KeyMaker
from bridge.store.rows import Exchange, ExchangeDirection, ExchangeState
from bridge.store.timeline import add_step
from bridge.store.unit import Store


def reading(scene: Stage, *, rounds: int) -> tuple[Row, ...]:
    """A signed message, against only parsing the XML in it."""
    (post,) = signed_posts(scene.partner, 1)
    headers = (("Content-Type", post.content_type), ("SOAPAction", '"ebXML"'))
    received = read_message(headers, post.body)
    envelope = etree.tostring(received.envelope)
    payloads = [_octets(part.content.open()) for part in received.message.parts]
    certificate = x509.load_pem_x509_certificate(scene.partner.tls.certificate.read_bytes())

    def parse() -> None:
        for octets in (envelope, *payloads):
            etree.fromstring(octets)

    def read_and_verify() -> None:
        message = read_message(headers, post.body)
        verify_signature(
            message.envelope,
            message.message.parts,
            certificates=(certificate,),
            digest_method=None,
            signature_method=None,
        )

    values = [
        ("parse the XML only (lxml)", milliseconds(parse, rounds=rounds)),
        ("read the message", milliseconds(lambda: read_message(headers, post.body), rounds=rounds)),
        ("read and verify the signature", milliseconds(read_and_verify, rounds=rounds)),
    ]
    return compared(f"read a signed message of {len(post.body)} octets", "ms", values)


def mapping(*, rounds: int) -> Iterator[Row]:
    """Every message type with a case: its mapping, compiled, on the first message of its cases that it takes."""
    mappings = load_mapping_folder(MAPPINGS)
    for program in mappings.programs:
        found = _first_message(mappings, program.name) if program.direction.reads else None
        if found is None:
            continue
        root, context = found
        spent = milliseconds(lambda p=program, r=root, c=context: run_mapping(p, r, context=c), rounds=rounds)  # type: ignore[misc]
        yield Row(part="map a message", what=program.name, value=spent, unit="ms")


async def writing(folder: Path, *, count: int) -> tuple[Row, ...]:
    """The same writes, each waiting for the one before it, and all offered together."""
    keys = KeyMaker()
    with Store.open(f"sqlite:///{folder / 'writes.sqlite3'}", create=True) as store:
        begun = time.perf_counter()
        for _ in range(count):
            await store.write(lambda tx: _write_one(tx, keys(datetime.now(UTC))))
        alone = count / (time.perf_counter() - begun)
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(
                    store.write(lambda tx: _write_one(tx, keys(datetime.now(UTC)))), name=f"write {number}"
                )
        together = count / (time.perf_counter() - begun)
    values = [("one commit for each", alone), ("group commit", together)]
    return compared(f"{count} durable writes", "writes/s", values)


def _write_one(tx: Connection, key: Key) -> None:
    now = datetime.now(UTC)
    open_exchange(
        tx,
        Exchange(
            key=key,
            direction=ExchangeDirection.TO_HUB,
            started_at=now,
            changed_at=now,
            partner="bench",
            title="bench",
            state=ExchangeState.DONE,
        ),
    )
    add_step(tx, exchange=key, at=now, side="bridge", what="bench", outcome="ok")


def _first_message(mappings: MappingSet, name: str) -> tuple[etree._Element, Context] | None:
    program = mappings.named(name)
    assert program is not None, "it is one of them"
    for case in sorted(MAPPINGS.glob(f"*/{name}.cases/*.yaml")):
        given = yaml.safe_load(case.read_text(encoding="utf-8")).get("in", {})
        if "xml" not in given:
            continue
        root, context = parse_xml((case.parent / given["xml"]).read_bytes()), _context(given)
        if isinstance(run_mapping(program, root, context=context), Mapped):
            return root, context
    return None


def _context(given: dict[str, dict[str, str]]) -> Context:
    header, now = given.get("header", {}), datetime.now(UTC)
    return Context(
        from_oin=header.get("from", "0" * 20),
        to_oin=header.get("to", "0" * 20),
        namespace=uuid.uuid4(),
        person_key=bytes(32),
        inzage_base="https://localhost/inzage",
        received_at=now,
        new_id=lambda: str(uuid.uuid4()),
        message_id="bench@localhost",
        conversation_id="bench",
        service=header.get("service", ""),
        action=header.get("action", ""),
        timestamp=now,
        own={"oin": header.get("to", "0" * 20), **given.get("self", {})},
        partner={"oin": header.get("from", "0" * 20), **given.get("partner", {})},
    )


def _octets(stream: object) -> bytes:
    with stream:  # type: ignore[attr-defined]
        found: bytes = stream.read()  # type: ignore[attr-defined]
        return found
