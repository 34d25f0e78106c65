"""Where the octets of a part are kept, and how transfer encodings are undone."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms.content import (
    CHUNK,
    BadEncoding,
    Base64,
    Identity,
    MemorySink,
    QuotedPrintable,
    SpooledContent,
    SpoolSink,
    chunks_of,
    discard_content,
)
from bridge.ebms.model import Octets


@pytest.mark.parametrize("size", [0, 9, 10, 11, CHUNK + 5])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_a_spooled_part_is_the_same_content_as_one_in_memory(tmp_path, size, algorithm):
    octets = bytes(number % 251 for number in range(size))
    sinks = (MemorySink(), SpoolSink(10, tmp_path))
    for sink in sinks:
        sink.write(octets[:7])
        sink.write(octets[7:])
    memory, spooled = (sink.finish() for sink in sinks)
    assert (spooled.size, spooled.digest(algorithm)) == (size, memory.digest(algorithm))
    with spooled.open() as first, spooled.open() as second:
        assert first.read() == second.read() == octets
    assert isinstance(spooled, SpooledContent) is (size > 10)


def test_a_spooled_file_is_private_and_goes_when_discarded(tmp_path):
    sink = SpoolSink(0, tmp_path)
    sink.write(b"x")
    content = sink.finish()
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    content.discard()
    content.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_spooled_file_goes_when_nobody_refers_to_it(tmp_path):
    sink = SpoolSink(0, tmp_path)
    sink.write(b"x")
    content = sink.finish()
    del sink, content
    assert list(tmp_path.iterdir()) == []


def test_a_small_part_never_touches_the_disk(tmp_path):
    sink = SpoolSink(10, tmp_path)
    sink.write(b"0123456789")
    assert sink.finish() == Octets(b"0123456789")
    assert list(tmp_path.iterdir()) == []


def test_a_sink_that_is_discarded_leaves_nothing(tmp_path):
    for sink in (MemorySink(), SpoolSink(0, tmp_path), SpoolSink(10, tmp_path)):
        sink.write(b"x")
        sink.discard()
    assert list(tmp_path.iterdir()) == []


def test_discarding_content_in_memory_does_nothing():
    content = Octets(b"x")
    discard_content(content)
    assert content.octets == b"x"


def test_content_comes_in_pieces_of_bounded_size():
    sizes = [len(chunk) for chunk in chunks_of(Octets(b"x" * (CHUNK + 1)))]
    assert sizes == [CHUNK, 1]


def test_content_in_memory_can_be_opened_twice():
    content = Octets(b"x")
    assert content.open().read() == content.open().read() == b"x"


@given(text=st.lists(st.binary(max_size=20), max_size=10))
def test_identity_changes_nothing(text):
    decoder = Identity()
    assert b"".join(map(decoder.decode, text)) + decoder.finish() == b"".join(text)


def decoded(decoder, pieces):
    """The result, or None where the text is refused."""
    try:
        return b"".join([decoder.decode(piece) for piece in pieces]) + decoder.finish()
    except BadEncoding:
        return None


@pytest.mark.parametrize("decoder", [Base64, QuotedPrintable])
@given(
    text=st.text("QUFB=3D4 \t\r\n", max_size=40).map(str.encode),
    cuts=st.lists(st.integers(0, 40), max_size=8),
)
def test_a_decoder_gives_the_same_however_the_text_is_cut(decoder, text, cuts):
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert decoded(decoder(), pieces) == decoded(decoder(), [text])
