"""Encrypted content in pieces: whatever the size and however the XML is written, the octets come back."""

from __future__ import annotations

import base64
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.ebms.ciphertext import LONG, MAX_RUNS, Base64Lines, Splitter, decoded, split, stand_in
from bridge.ebms.content import MemorySink, SpooledContent, SpoolSink
from bridge.ebms.encrypt import AES128_CBC, AES256_GCM, RSA_OAEP, decrypt_part, encrypt_part
from bridge.ebms.keys import KeyPair
from bridge.ebms.model import Octets, Part
from bridge.ebms.xml import XENC
from bridge.errors import EbmsError
from tests.ebms.test_encrypt import certify, is_the_one_failure, octets_of

MARK = "0123456789abcdef"
LARGE = random.Random(5).randbytes(300_000)


@pytest.fixture(scope="module")
def receiver() -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return certify(rsa.generate_private_key(public_exponent=65537, key_size=2048), "receiver")


def sealed(receiver: KeyPair, algorithm: str = AES256_GCM, octets: bytes = LARGE) -> bytes:
    part = Part(content_id="payload-1@example.nl", content_type="application/pdf", content=Octets(octets))
    return octets_of(
        encrypt_part(
            part,
            certificate=receiver.certificate,
            algorithm=algorithm,
            random=os.urandom,
            key_transport=RSA_OAEP,
        )
    )


def opened(receiver: KeyPair, xml: bytes, **change: Any) -> bytes:
    part = Part(content_id="payload-1@example.nl", content_type="application/xml", content=Octets(xml))
    return octets_of(decrypt_part(part, keys=[receiver], random=os.urandom, **change))


def last_value(xml: bytes) -> tuple[bytes, bytes, bytes]:
    """The document around the base64 of its content."""
    found = re.fullmatch(rb"(.*<xenc:CipherValue>)([^<]*)(</xenc:CipherValue>.*?)", xml, re.DOTALL)
    assert found is not None
    return found[1], found[2], found[3]


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 200), max_size=20))
def test_base64_is_written_in_lines_however_it_comes(sizes: list[int]) -> None:
    sink = MemorySink()
    lines, octets = Base64Lines(sink), b"".join(os.urandom(size) for size in sizes)
    at = 0
    for size in sizes:
        lines.write(octets[at : at + size])
        at += size
    lines.finish()
    written = octets_of(Part(content_id="x", content_type="x", content=sink.finish()))
    assert base64.b64decode(written) == octets
    assert all(len(line) == 76 for line in written.split(b"\n")[:-1])


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(1, 9000), min_size=1, max_size=40), seed=st.integers(0, 9))
def test_the_skeleton_is_the_same_however_the_octets_come(cuts: list[int], seed: int) -> None:
    text = base64.b64encode(random.Random(seed).randbytes(9000)).replace(b"A", b"A&#13;\n")
    xml = b"<a b='c'><!-- x -->" + text + b"<d/>" + text[:100] + b"</a>"
    whole, pieces = Splitter(MARK), Splitter(MARK)
    whole.feed(xml)
    whole.finish()
    at = 0
    for cut in cuts:
        pieces.feed(xml[at : at + cut])
        at += cut
    pieces.feed(xml[at:])
    pieces.finish()
    assert pieces.skeleton == whole.skeleton
    expected = b"<a b='c'><!-- x -->" + stand_in(MARK, 1).encode() + b"<d/>" + text[:100] + b"</a>"
    assert bytes(whole.skeleton) == expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.sampled_from([0, 1, 15, 16, 17, LONG - 1, LONG, 65_535, 65_536, 65_537, 200_001]),
    algorithm=st.sampled_from([AES128_CBC, AES256_GCM]),
)
def test_content_around_the_bounds_comes_back(receiver: KeyPair, size: int, algorithm: str) -> None:
    octets = LARGE[:size]
    assert opened(receiver, sealed(receiver, algorithm, octets)) == octets


@pytest.mark.parametrize(
    "line_end", [b"\n", b"\r\n", b"&#13;\n", b"&#xD;\n", b"&#xd;&#xA;", b"&#10;", b"", b" ", b"\n<!-- x -->"]
)
def test_large_content_is_read_with_any_white_space_that_peers_write(
    receiver: KeyPair, line_end: bytes
) -> None:
    before, text, after = last_value(sealed(receiver))
    lines = text.split(b"\n")
    written = (
        line_end.join(lines)
        if not line_end.startswith(b"\n<")
        else line_end.join(b"".join(lines[at : at + 200]) for at in range(0, len(lines), 200))
    )
    assert opened(receiver, before + written + after) == LARGE


def test_content_in_a_cdata_section_is_read(receiver: KeyPair) -> None:
    before, text, after = last_value(sealed(receiver))
    assert opened(receiver, before + b"<![CDATA[" + text + b"]]>" + after) == LARGE


@pytest.mark.rule("DK-135")
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-200],
        lambda text: text[:5000] + b"AAAA" + text[5004:],
        lambda text: text[:5001] + text[5000:],
        lambda text: text[:5000] + b"*" + text[5000:],
        lambda text: text[:5000] + b"&#65;" + text[5005:],
        lambda text: text + b"=" * 400,
        lambda text: text[:20_000] + b"<x/>" + text[20_000:],
        lambda text: text.replace(b"\n", b"<!---->", MAX_RUNS * 3),
    ],
    ids=["cut", "changed", "one more", "foreign", "reference", "padding", "element", "shredded"],
)
@pytest.mark.parametrize("algorithm", [AES256_GCM, AES128_CBC])
def test_damaged_large_content_gives_the_one_failure_or_other_octets_and_leaves_no_file(
    receiver: KeyPair, tmp_path: Path, algorithm: str, damage: Any
) -> None:
    """CBC cannot tell a changed block; the signature does."""
    before, text, after = last_value(sealed(receiver, algorithm))
    try:
        found = opened(receiver, before + damage(text) + after, new_sink=lambda: SpoolSink(1000, tmp_path))
    except EbmsError as error:
        assert is_the_one_failure(error)
    else:
        assert algorithm == AES128_CBC or found == LARGE
    assert list(tmp_path.iterdir()) == []


def test_gcm_content_counts_only_when_its_tag_is_right(receiver: KeyPair, tmp_path: Path) -> None:
    before, text, after = last_value(sealed(receiver))
    other = b"B" if text[9000:9001] != b"B" else b"C"
    with pytest.raises(EbmsError) as caught:
        opened(
            receiver,
            before + text[:9000] + other + text[9001:] + after,
            new_sink=lambda: SpoolSink(1000, tmp_path),
        )
    assert is_the_one_failure(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_stand_in_that_the_document_holds_itself_is_no_content() -> None:
    """The mark is drawn for each part, so a sender cannot write one; and if he could, nothing is there."""
    xml = f"<a>{stand_in(MARK, 1)}</a>".encode()
    text = etree.fromstring(split(Octets(xml), MARK)).text
    assert text is not None
    with pytest.raises(ValueError, match="not there"):
        list(decoded(Octets(xml), text, MARK))


def test_a_long_run_elsewhere_is_not_taken_for_content(receiver: KeyPair) -> None:
    before, text, after = last_value(sealed(receiver, octets=b"small"))
    junk = b"<!--" + b"A" * (LONG * 3) + b"-->"
    assert (
        opened(receiver, before.replace(b"<ds:KeyInfo", junk + b"<ds:KeyInfo", 1) + text + after) == b"small"
    )


@pytest.mark.parametrize(
    "xml",
    [
        b"<!DOCTYPE a [<!ENTITY x 'y'>]>" + b"<a/>",
        b"<x " + b"a" * 10_000_000,
        b"<" * 9_000_000,
        b"<a>" + b"<b>&amp;</b>" * 900_000 + b"</a>",
        b"A" * 9_000_000,
    ],
    ids=["doctype", "endless name", "only markup", "much markup", "only base64"],
)
def test_hostile_xml_is_the_one_failure_too(receiver: KeyPair, xml: bytes) -> None:
    with pytest.raises(EbmsError) as caught:
        opened(receiver, xml)
    assert is_the_one_failure(caught.value)


def test_large_parts_are_kept_on_disk_on_both_ways(receiver: KeyPair, tmp_path: Path) -> None:
    part = Part(content_id="p@x", content_type="application/pdf", content=Octets(LARGE))

    def new_sink() -> SpoolSink:
        return SpoolSink(1000, tmp_path)

    there = encrypt_part(
        part, certificate=receiver.certificate, algorithm=AES256_GCM, random=os.urandom, new_sink=new_sink
    )
    back = decrypt_part(there, keys=[receiver], random=os.urandom, new_sink=new_sink)
    assert isinstance(there.content, SpooledContent)
    assert isinstance(back.content, SpooledContent)
    assert octets_of(back) == LARGE
    assert back.content_type == "application/pdf"
    assert octets_of(there).startswith(f'<xenc:EncryptedData xmlns:xenc="{XENC}"'.encode())
