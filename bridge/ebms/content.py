"""Octets of a part on their way in: where they are kept, and how the transfer encodings are undone.

Nothing here ever holds a whole part in memory, except `MemorySink`, which says so by its name.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import re
import tempfile
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, Protocol

from bridge.ebms.model import Content, Octets

CHUNK = 64 * 1024

_QP_HOLD_LIMIT = 4096
_QP_TOKEN = re.compile(rb"=([0-9A-Fa-f]{2})|=[ \t]*\r?\n|(=)|[ \t]+(\r?\n)?")
_BASE64_WHITE_SPACE = b" \t\r\n"


class BadEncoding(Exception):
    """The octets do not follow the transfer encoding that their header names. Never leaves `mime.py`."""


class Sink(Protocol):
    """Takes the octets of one part. After `finish` or `discard` nothing else is called."""

    def write(self, octets: bytes) -> None: ...

    def finish(self) -> Content: ...

    def discard(self) -> None:
        """Forget what was written: the message was refused."""
        ...


class MemorySink:
    """Keeps the octets in memory."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def write(self, octets: bytes) -> None:
        self._octets += octets

    def finish(self) -> Content:
        return Octets(bytes(self._octets))

    def discard(self) -> None:
        self._octets.clear()


class SpooledContent:
    """Content in a temporary file, removed by `discard`, or when nothing refers to it any more."""

    def __init__(self, path: Path, size: int, sha256: bytes) -> None:
        self._path = path
        self._size = size
        self._sha256 = sha256
        self._remove = weakref.finalize(self, _unlink, path)

    @property
    def size(self) -> int:
        return self._size

    def open(self) -> BinaryIO:
        return self._path.open("rb")

    def digest(self, algorithm: str) -> bytes:
        if algorithm == "sha256":
            return self._sha256
        with self._path.open("rb") as stream:
            return hashlib.file_digest(stream, algorithm).digest()

    def discard(self) -> None:
        self._remove()


class SpoolSink:
    """In memory up to `threshold` octets, above it in a temporary file in `directory` (private to us).

    The SHA-256 is taken while writing, so that a signature check need not read the file again.
    """

    def __init__(self, threshold: int, directory: Path) -> None:
        self._threshold = threshold
        self._directory = directory
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._size = 0
        self._sha256 = hashlib.sha256()

    def write(self, octets: bytes) -> None:
        self._size += len(octets)
        self._sha256.update(octets)
        if self._file is None and self._size > self._threshold:
            self._move_to_file()
        if self._file is None:
            self._memory += octets
        else:
            self._file.write(octets)

    def finish(self) -> Content:
        if self._file is None or self._path is None:
            return Octets(bytes(self._memory))
        self._file.close()
        return SpooledContent(self._path, self._size, self._sha256.digest())

    def discard(self) -> None:
        self._memory.clear()
        if self._file is not None and self._path is not None:
            self._file.close()
            _unlink(self._path)

    def _move_to_file(self) -> None:
        handle, name = tempfile.mkstemp(prefix="part-", dir=self._directory)
        self._path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._file.write(self._memory)
        self._memory = bytearray()


def discard_content(content: Content) -> None:
    """Free what the content holds outside memory, if anything."""
    if isinstance(content, SpooledContent):
        content.discard()


def chunks_of(content: Content) -> Generator[bytes, None, None]:
    """The octets in pieces of at most `CHUNK`."""
    with content.open() as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


class Decoder(Protocol):
    """Undoes a transfer encoding piece by piece; both methods raise BadEncoding."""

    def decode(self, octets: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Identity:
    """7bit, 8bit and binary: the octets as they are."""

    def decode(self, octets: bytes) -> bytes:
        return octets

    def finish(self) -> bytes:
        return b""


class Base64:
    """RFC 2045 base64; line ends and blanks are skipped, any other foreign character is refused."""

    def __init__(self) -> None:
        self._rest = b""
        self._padded = False

    def decode(self, octets: bytes) -> bytes:
        text = self._rest + octets.translate(None, _BASE64_WHITE_SPACE)
        if self._padded and text:
            raise BadEncoding("base64 goes on after its padding")
        usable = len(text) - len(text) % 4
        self._rest = text[usable:]
        self._padded = text[:usable].endswith(b"=")
        try:
            return binascii.a2b_base64(text[:usable], strict_mode=True)
        except binascii.Error as error:
            raise BadEncoding("not base64") from error

    def finish(self) -> bytes:
        if self._rest:
            raise BadEncoding("base64 ends in the middle")
        return b""


class QuotedPrintable:
    """RFC 2045 quoted-printable; line ends stay as they came, blanks before them are transport padding."""

    def __init__(self) -> None:
        self._held = b""

    def decode(self, octets: bytes) -> bytes:
        text = self._held + octets
        safe = len(text) - _undecided(text)
        self._held = text[safe:]
        if len(self._held) > _QP_HOLD_LIMIT:
            raise BadEncoding("quoted-printable with an endless run of blanks")
        return _QP_TOKEN.sub(_decode_token, text[:safe])

    def finish(self) -> bytes:
        rest = self._held.rstrip(b" \t")
        if rest in (b"", b"=", b"=\r"):
            return b""
        if rest.startswith(b"="):
            raise BadEncoding("quoted-printable ends in the middle")
        return rest


def _undecided(text: bytes) -> int:
    """How many octets at the end may still belong to a token that goes on in the next piece."""
    solid = text.rstrip(b" \t\r")
    if solid.endswith(b"="):
        return len(text) - len(solid) + 1
    if len(solid) == len(text) and solid[-2:-1] == b"=":
        return 2
    return len(text) - len(solid)


def _decode_token(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes.fromhex(found[1].decode("ascii"))
    if found[2]:
        raise BadEncoding("not quoted-printable")
    if found[0].startswith(b"="):
        return b""
    return found[3] or found[0]


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
