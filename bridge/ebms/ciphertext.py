"""Encrypted content piece by piece, so that a part of any size takes little memory.

Out: plain octets → cipher → base64 in lines. In: the XML of an EncryptedData is read twice. First it is split into its
skeleton, which the hardened parser reads as any other XML, and its long runs of base64, which are left out of it. A
run holds nothing but base64, white space and references to white space, so it cannot hide markup. When the skeleton
has told key and algorithm, the second reading takes the runs through base64 and cipher.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import (
    AEADDecryptionContext,
    BlockCipherAlgorithm,
    Cipher,
    CipherContext,
    algorithms,
    modes,
)

from bridge.ebms.content import Base64, chunks_of
from bridge.ebms.model import Content

GCM_IV = 12
GCM_TAG = 16
LINE = 76

LONG = 4096
"""A run of base64 that is longer than this is left out of the skeleton."""

MAX_RUNS = 1000
MAX_SKELETON = 1024 * 1024

_RUN = re.compile(rb"(?:[A-Za-z0-9+/=\t\r\n ]+|&#(?:13|10|9|32|x0?[dDaA9]|x20);)+")
_REFERENCE = re.compile(rb"&#[^;]*;")
_LONGEST_REFERENCE = 6
_LINE_OCTETS = LINE // 4 * 3
_LINES_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentCipher:
    """AES, or 3DES of legacy partners, in one of the two modes."""

    key_octets: int
    gcm: bool = False
    legacy: bool = False

    @property
    def block(self) -> int:
        return 8 if self.legacy else 16


class Out(Protocol):
    """Takes octets."""

    def write(self, octets: bytes) -> None: ...


# --- out


class Base64Lines:
    """Writes base64 in lines of 76, without a line end behind the last."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._held = b""
        self._begun = False

    def write(self, octets: bytes) -> None:
        held = self._held + octets
        usable = len(held) - len(held) % _LINE_OCTETS
        self._held = held[usable:]
        step = _LINE_OCTETS * _LINES_AT_ONCE
        for at in range(0, usable, step):
            self._lines(held[at : min(at + step, usable)])

    def finish(self) -> None:
        if self._held:
            self._lines(self._held)

    def _lines(self, octets: bytes) -> None:
        text = binascii.b2a_base64(octets, newline=False)
        lines = b"\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))
        self._out.write(b"\n" + lines if self._begun else lines)
        self._begun = True


def seal_content(cipher: ContentCipher, key: bytes, iv: bytes, plain: Content, out: Out) -> None:
    """IV, encrypted content, and with GCM the tag. `iv` has `iv_octets(cipher)`."""
    out.write(iv)
    if cipher.gcm:
        sealing = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
        for octets in chunks_of(plain):
            out.write(sealing.update(octets))
        out.write(sealing.finalize() + sealing.tag)
        return
    chaining = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    size = 0
    for octets in chunks_of(plain):
        size += len(octets)
        out.write(chaining.update(octets))
    missing = cipher.block - size % cipher.block
    out.write(chaining.update(bytes(missing - 1) + bytes([missing])) + chaining.finalize())


def iv_octets(cipher: ContentCipher) -> int:
    return GCM_IV if cipher.gcm else cipher.block


# --- in


class Opener(Protocol):
    """Decrypts piece by piece. What `update` gives counts only when `finish` says so."""

    def update(self, octets: bytes) -> bytes: ...

    def finish(self) -> bytes | None:
        """The last octets; None when key, tag or padding is wrong."""
        ...


def make_opener(cipher: ContentCipher, key: bytes) -> Opener:
    return _GcmOpener(key) if cipher.gcm else _CbcOpener(cipher, key)


class _GcmOpener:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self._held = b""
        self._opening: AEADDecryptionContext | None = None

    def update(self, octets: bytes) -> bytes:
        self._held += octets
        if self._opening is None:
            if len(self._held) < GCM_IV:
                return b""
            iv, self._held = self._held[:GCM_IV], self._held[GCM_IV:]
            self._opening = Cipher(algorithms.AES(self._key), modes.GCM(iv)).decryptor()
        ready = max(len(self._held) - GCM_TAG, 0)
        octets, self._held = self._held[:ready], self._held[ready:]
        return self._opening.update(octets)

    def finish(self) -> bytes | None:
        if self._opening is None or len(self._held) < GCM_TAG:
            return None
        try:
            return self._opening.finalize_with_tag(self._held)
        except InvalidTag:
            return None


class _CbcOpener:
    def __init__(self, cipher: ContentCipher, key: bytes) -> None:
        self._block = cipher.block
        self._algorithm: BlockCipherAlgorithm = TripleDES(key) if cipher.legacy else algorithms.AES(key)
        self._held = b""
        self._opening: CipherContext | None = None
        self._last = b""

    def update(self, octets: bytes) -> bytes:
        """All but the last block, which may be padding."""
        self._held += octets
        if self._opening is None:
            if len(self._held) < self._block:
                return b""
            iv, self._held = self._held[: self._block], self._held[self._block :]
            self._opening = Cipher(self._algorithm, modes.CBC(iv)).decryptor()
        whole = len(self._held) - len(self._held) % self._block
        octets, self._held = self._held[:whole], self._held[whole:]
        plain = self._last + self._opening.update(octets)
        ready = max(len(plain) - self._block, 0)
        self._last = plain[ready:]
        return bytes(plain[:ready])

    def finish(self) -> bytes | None:
        if self._held or len(self._last) != self._block:
            return None
        surplus = self._last[-1]
        return self._last[:-surplus] if 1 <= surplus <= self._block else None


class Splitter:
    """Splits XML into its skeleton and its long runs of base64.

    In the skeleton run number n is `stand_in(n)`. `take_run` gets the runs, in pieces, with their number. Raises
    ValueError when there are more runs, or more skeleton, than a sane document has.
    """

    def __init__(
        self, mark: str, *, take_run: Callable[[int, bytes], None] = lambda number, octets: None
    ) -> None:
        """`mark` is hexadecimal and cannot be guessed, so that the document cannot hold a stand-in by itself."""
        self.skeleton = bytearray()
        self._mark = mark
        self._take = take_run
        self._carry = b""
        self._pending = bytearray()
        self._runs = 0
        self._in_long_run = False

    def feed(self, octets: bytes) -> None:
        buffer = self._carry + octets
        cut = buffer.rfind(b"&", max(len(buffer) - _LONGEST_REFERENCE, 0))
        if cut >= 0 and b";" not in buffer[cut:]:
            buffer, self._carry = buffer[:cut], buffer[cut:]
        else:
            self._carry = b""
        position = 0
        for found in _RUN.finditer(buffer):
            if found.start() > position:
                self._outside(buffer[position : found.start()])
            self._inside(found[0])
            position = found.end()
        if position < len(buffer):
            self._outside(buffer[position:])

    def finish(self) -> None:
        if self._carry:
            self._outside(self._carry)
        self._end_run()

    def _outside(self, octets: bytes) -> None:
        self._end_run()
        self._keep(octets)

    def _inside(self, octets: bytes) -> None:
        if self._in_long_run:
            self._take(self._runs, octets)
            return
        self._pending += octets
        if len(self._pending) > LONG:
            self._runs += 1
            if self._runs > MAX_RUNS:
                raise ValueError("too many runs")
            self._keep(stand_in(self._mark, self._runs).encode("ascii"))
            self._take(self._runs, bytes(self._pending))
            self._pending.clear()
            self._in_long_run = True

    def _end_run(self) -> None:
        self._keep(bytes(self._pending))
        self._pending.clear()
        self._in_long_run = False

    def _keep(self, octets: bytes) -> None:
        self.skeleton += octets
        if len(self.skeleton) > MAX_SKELETON:
            raise ValueError("too much besides the content")


def stand_in(mark: str, number: int) -> str:
    return f"{mark}.{number}."


def split(content: Content, mark: str) -> bytes:
    """The skeleton of the XML. Raises ValueError."""
    splitter = Splitter(mark)
    for octets in chunks_of(content):
        splitter.feed(octets)
    splitter.finish()
    return bytes(splitter.skeleton)


def decoded(content: Content, text: str, mark: str) -> Iterator[bytes]:
    """The octets of a base64 `text` of the skeleton, its runs read from the content again.

    Raises ValueError and BadEncoding.
    """
    pieces = re.split(rf"{mark}\.(\d+)\.", text)
    between, place = pieces[0::2], {int(number): at for at, number in enumerate(pieces[1::2])}
    decoder, begun = Base64(), 0
    yield decoder.decode(between[0].encode("ascii"))
    for number, octets in _runs(content, mark) if place else ():
        if number not in place:
            continue
        if place[number] == begun:
            if begun:
                yield decoder.decode(between[begun].encode("ascii"))
            begun += 1
        yield decoder.decode(_REFERENCE.sub(b"", octets))
    if begun != len(place):
        raise ValueError("a run is not there")
    if begun:
        yield decoder.decode(between[begun].encode("ascii"))
    yield decoder.finish()


def _runs(content: Content, mark: str) -> Iterator[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    splitter = Splitter(mark, take_run=lambda number, octets: found.append((number, octets)))
    for octets in chunks_of(content):
        splitter.feed(octets)
        yield from found
        found.clear()
    splitter.finish()
    yield from found
