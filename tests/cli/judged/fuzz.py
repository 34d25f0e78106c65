# ruff: noqa: E501
"""Messages with bytes and structure changed at random, through the reader, the tables and the writing of the answer.

`test_fuzz.py` runs some hundreds. For a long run, with other seeds and the samples of a folder beside the own ones:

    python -m tests.cli.judged.fuzz --minutes 15 [--seed N] [--samples FOLDER --cpa FOLDER]

Every message must end in an answer: it prints what did not, with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import copy
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from lxml import etree

from bridge.cli.ebms import inspection_document
from bridge.cli.inspect_http import NotHttp, open_http
from bridge.cli.inspect_judge import Bench, inspect_file
from bridge.ebms.answers import make_acknowledgment, make_message_error
from bridge.ebms.content import SpoolSink
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_resolve import Agreements
from bridge.ebms.keys import KeyPair
from bridge.ebms.mime import Limits, PackageReader
from bridge.ebms.read import Received, read_envelope
from bridge.ebms.receiving import (
    Agreed,
    AnswerError,
    AnswerFault,
    Known,
    Peer,
    ReceivingPolicy,
    content_digest,
    judge_agreement,
    judge_peer,
)
from bridge.ebms.write import envelope_octets, write_envelope, write_fault
from bridge.errors import SoapFault
from bridge.ids import MessageId
from tests.cli.judged.wire import ACKNOWLEDGMENT, ERROR_LIST, STATUS_REQUEST, Part, envelope, multipart, plain

PATIENCE = 10.0
"""Seconds that one message may take, on a busy machine."""
MEMORY = 1 << 30
"""Octets by which the process may grow."""

TOKENS = (
    b"", b"\x00", b"\r\n", b"\n", b"\r\n\r\n", b"--", b"--MIME_b", b"--MIME_b--", b"<", b">", b"&", b"&#0;", b"&#x1F4A3;",
    b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x ?>", b"<!DOCTYPE a>", b'"', b"'", b"=", b";", b"\xff\xfe", b"\xef\xbb\xbf",
    b"charset=utf-16", b"cid:", b"mid:", b"%", b"%40", b"2.0", b"1.0", b"true", b"-1", b"99999999999999999999",
    b"9999-12-31T24:00:00+14:00", b"0001-01-01T00:00:00-14:00", b"http://schemas.xmlsoap.org/soap/actor/next",
    b"urn:oasis:names:tc:ebxml-msg:actor:nextMSH", b"urn:oasis:names:tc:ebxml-msg:service", b"base64", b"quoted-printable",
    b"xmlns:eb=''", b"multipart/related", b"text/xml", b"A" * 5000, "é\u2028\ud7ff".encode(),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bed:
    """What is mutated, and what it is judged with."""

    seeds: tuple[bytes, ...]
    agreements: Agreements
    keys: tuple[KeyPair, ...]
    now: datetime


def own_seeds(office: Any) -> tuple[bytes, ...]:
    """Messages of every kind, made here."""
    from tests.cli.judged.test_security import Signed, sealed, sign

    now, two = office.now, (Part(octets=b"<a/>"), Part(octets=bytes(range(256)), content_id="p2@x"))
    return (
        plain(envelope(now)),
        multipart(envelope(now, references=("p1@x", "p2@x")), *two),
        plain(envelope(now, signal="Ping", header="")),
        plain(envelope(now, signal="StatusRequest", header="", body=STATUS_REQUEST)),
        plain(envelope(now, signal="Acknowledgment", header=ACKNOWLEDGMENT)),
        plain(envelope(now, signal="MessageError", header=ERROR_LIST)),
        sign(office, Signed()),
        sealed(office),
    )


def mutate(random: Random, seeds: Sequence[bytes]) -> bytes:
    octets = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        octets = random.choice(_MUTATIONS)(random, octets, seeds)
    return octets


def _flip(random: Random, octets: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(octets or b"x")
    for _n in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _token(random: Random, octets: bytes, _: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(octets))
    return octets[:at] + random.choice(TOKENS) + octets[at + random.choice((0, 0, 1, 5, 30)) :]


def _cut(random: Random, octets: bytes, _: Sequence[bytes]) -> bytes:
    begin, end = sorted((random.randint(0, len(octets)), random.randint(0, len(octets))))
    return octets[:begin] + octets[end:] if random.random() < 0.7 else octets[:end]


def _repeat(random: Random, octets: bytes, _: Sequence[bytes]) -> bytes:
    begin = random.randint(0, len(octets))
    piece = octets[begin : begin + random.choice((3, 40, 400))]
    return octets[:begin] + piece * random.choice((2, 3, 200)) + octets[begin:]


def _splice(random: Random, octets: bytes, seeds: Sequence[bytes]) -> bytes:
    other = random.choice(seeds)
    begin = random.randint(0, len(other))
    at = random.randint(0, len(octets))
    return octets[:at] + other[begin : begin + random.choice((20, 200, 2000))] + octets[at:]


def _lines(random: Random, octets: bytes, _: Sequence[bytes]) -> bytes:
    lines = octets.split(b"\n")
    one, two = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def _tree(random: Random, octets: bytes, _: Sequence[bytes]) -> bytes:
    """The XML of the envelope: an element or attribute taken out, doubled, moved, renamed or given another value."""
    begin, end = octets.find(b"<soap:Envelope"), octets.find(b"</soap:Envelope>")
    if begin < 0 or end < 0:
        return octets
    try:
        root = etree.fromstring(octets[begin : end + 16])
    except etree.XMLSyntaxError:
        return octets
    for _n in range(random.randint(1, 3)):
        _change(random, root)
    return octets[:begin] + etree.tostring(root) + octets[end + 16 :]


def _change(random: Random, root: etree._Element) -> None:
    elements = list(root.iter(etree.Element))
    one, two = random.choice(elements), random.choice(elements)
    holder = one.getparent()
    text = random.choice(TOKENS).decode("utf-8", "replace").translate(dict.fromkeys(range(32)))
    match random.randrange(7):
        case 0 if holder is not None:
            holder.remove(one)
        case 1 if holder is not None:
            holder.append(copy.deepcopy(one))
        case 2 if two not in list(one.iter()):
            two.append(one)
        case 3:
            one.text = text
        case 4 if one.attrib:
            one.set(random.choice(list(one.attrib)), text)
        case 5 if one.attrib:
            del one.attrib[random.choice(list(one.attrib))]
        case _:
            one.tag = two.tag


_MUTATIONS: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip, _token, _token, _cut, _repeat, _splice, _lines, _tree, _tree, _tree,
)  # fmt: skip


def answer(octets: bytes, bed: Bed, folder: Path, random: Random) -> str:
    """What comes of a message, both as the listener and as `inspect` judge it. Raises only for a bug."""
    file = folder / "message.http"
    file.write_bytes(octets)
    document = inspection_document(file.name, inspect_file(file, _bench(bed)))
    assert document["answer"] and document["kind"] in ("message", "signal", "none")
    try:
        received = _receive(file, random)
    except (SoapFault, NotHttp) as fault:
        assert document["fault"], "inspect reads what the listener does not"
        if isinstance(fault, SoapFault) and not fault.bare:
            write_fault(fault)
        return "fault"
    try:
        return _decide(received, bed)
    finally:
        for part in received.message.parts:
            with part.content.open() as stream:
                stream.read(1)


def _bench(bed: Bed) -> Bench:
    return Bench(now=bed.now, agreements=bed.agreements, keys=bed.keys)


def _receive(file: Path, random: Random) -> Received:
    with open_http(file) as raw:
        limits = Limits(max_total=1 << 24, max_part=1 << 24)
        reader = PackageReader(raw.headers, limits=limits, new_sink=lambda: SpoolSink(4096, file.parent))
        for piece in raw.chunks():
            step = random.choice((1, 7, 4096, len(piece))) if len(piece) < 20_000 else len(piece)
            for at in range(0, len(piece), step):
                reader.feed(piece[at : at + step])
        return read_envelope(reader.close())


def _decide(received: Received, bed: Bed) -> str:
    message = received.message
    agreement = bed.agreements.find(message.header.cpa_id, bed.now)
    own = {p for party in agreement.parties for p in party.party_ids} if agreement else set()
    known = Known(
        agreement=agreement,
        own_parties=frozenset(own),
        peer=Peer(plain=True),
        now=bed.now,
        policy=ReceivingPolicy(production=False),
    )
    content_digest(received, encrypted=False)
    refusal = judge_peer(received, known=known) or judge_agreement(received, known=known)
    ids = {"message_id": MessageId("a@bridge.test"), "now": bed.now}
    match refusal:
        case AnswerFault(fault=fault):
            write_fault(fault)
        case AnswerError(errors=errors):
            envelope_octets(write_envelope(make_message_error(message.header, errors, **ids)))
        case Agreed():
            envelope_octets(write_envelope(make_acknowledgment(message, **ids)))
    return type(refusal).__name__


def run(
    bed: Bed, folder: Path, *, seed: int, count: int | None = None, until: float | None = None
) -> Counter[str]:
    """Judge mutated messages one by one; each has a seed of its own. Raises AssertionError naming the seed."""
    outcomes: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    while (count is None or outcomes.total() < count) and (until is None or time.monotonic() < until):
        number = seed + outcomes.total()
        random = Random(number)
        octets = mutate(random, bed.seeds)
        begun = time.monotonic()
        try:
            outcomes[answer(octets, bed, folder, random)] += 1
        except Exception as error:
            raise AssertionError(f"seed {number}: {type(error).__name__}: {error}") from error
        assert time.monotonic() - begun < PATIENCE, f"seed {number} takes too long"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        assert grown < MEMORY, f"seed {number}: {grown} octets more"
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--cpa", type=Path)
    given = parser.parse_args()
    from tests.cli.conftest import Office

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        office = Office(folder)
        cpas = [
            office.cpa("osb-rm"),
            *(file.read_bytes() for file in sorted((given.cpa or folder).glob("*.xml"))),
        ]
        files = sorted(given.samples.rglob("*.http")) if given.samples else []
        bed = Bed(
            seeds=(*own_seeds(office), *(file.read_bytes() for file in files)),
            agreements=Agreements(agreements=tuple(read_cpa(cpa) for cpa in cpas)),
            keys=(office.pair("own"),),
            now=office.now,
        )
        outcomes = run(bed, folder, seed=given.seed, until=time.monotonic() + given.minutes * 60)
    print(
        dict(outcomes),
        "peak MiB",
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
