"""A raw HTTP message in a file: start line or not, headers, an empty line, the body as it stood on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bridge.errors import BridgeError

MAX_HEAD = 64 * 1024
_PIECE = 64 * 1024
_MAX_CHUNK_LINE = 4096

_REQUEST_LINE = re.compile(r"([A-Za-z]+) \S+(?: HTTP/[0-9.]+)?")
_STATUS_LINE = re.compile(r"HTTP/[0-9.]+ ([0-9]{3})(?: .*)?")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class NotHttp(BridgeError):
    """The file is no raw HTTP message, or its body cannot be taken apart."""


@dataclass(slots=True, kw_only=True)
class RawHttp:
    """One message of a file. `chunks` may be asked for once."""

    method: str | None
    """None: the file has no request line."""
    status: int | None
    """Of a response; None for a request."""
    headers: tuple[tuple[str, str], ...]
    notes: list[str] = field(default_factory=list)
    """What is odd about the file. The last ones come when the body has been read."""
    _stream: BinaryIO = field(repr=False)

    def header(self, name: str) -> str | None:
        """The value of the first header of this name, however its name is written."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def chunks(self) -> Iterator[bytes]:
        """The body without the chunked transfer coding. Raises NotHttp when that coding is broken."""
        coding = (self.header("Transfer-Encoding") or "").rpartition(",")[2].strip().lower()
        total = 0
        for piece in self._dechunked() if coding == "chunked" else self._plain():
            total += len(piece)
            yield piece
        declared = (self.header("Content-Length") or "").strip()
        if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) != total:
            self.notes.append(f"Content-Length says {declared} octets, the file has {total}")

    def _plain(self) -> Iterator[bytes]:
        while piece := self._stream.read(_PIECE):
            yield piece

    def _dechunked(self) -> Iterator[bytes]:
        start = self._stream.tell()
        line = self._stream.readline(_MAX_CHUNK_LINE)
        if not _CHUNK_SIZE.fullmatch(line):
            self.notes.append("Transfer-Encoding is chunked, but the file holds the body without the chunks")
            self._stream.seek(start)
            yield from self._plain()
            return
        while (size := _chunk_size(line)) > 0:
            while size:
                piece = self._stream.read(min(size, _PIECE))
                if not piece:
                    raise NotHttp("the chunked body ends in the middle of a chunk")
                size -= len(piece)
                yield piece
            if self._stream.readline(_MAX_CHUNK_LINE).strip():
                raise NotHttp("a chunk of the body is longer than its size says")
            line = self._stream.readline(_MAX_CHUNK_LINE)


@contextmanager
def open_http(path: Path) -> Iterator[RawHttp]:
    """The message of the file, its body still to be read. Raises NotHttp."""
    try:
        with path.open("rb") as stream:
            yield _read_head(stream)
    except OSError as error:
        raise NotHttp(f"{path.name} cannot be read ({error.strerror})") from error


def _read_head(stream: BinaryIO) -> RawHttp:
    lines, bare = _head_lines(stream)
    method, status = None, None
    if found := _STATUS_LINE.fullmatch(lines[0]):
        status = int(found[1])
    elif found := _REQUEST_LINE.fullmatch(lines[0]):
        method = found[1]
    headers: list[tuple[str, str]] = []
    for line in lines if method is None and status is None else lines[1:]:
        if line[:1] in " \t" and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
        elif found := _HEADER.fullmatch(line):
            headers.append((found[1], found[2].strip()))
        else:
            raise NotHttp("the file does not begin with HTTP headers and an empty line")
    if not headers:
        raise NotHttp("the file has no HTTP headers")
    raw = RawHttp(method=method, status=status, headers=tuple(headers), _stream=stream)
    if bare:
        raw.notes.append("the lines of the head end in LF alone")
    return raw


def _head_lines(stream: BinaryIO) -> tuple[list[str], bool]:
    """The lines up to the empty one, and whether any of them ends in a bare LF."""
    lines: list[str] = []
    total, bare = 0, False
    while True:
        line = stream.readline(MAX_HEAD)
        total += len(line)
        if not line.endswith(b"\n") or total > MAX_HEAD:
            raise NotHttp("the file holds no empty line that ends the HTTP headers")
        bare = bare or not line.endswith(b"\r\n")
        text = line.rstrip(b"\r\n").decode("latin-1")
        if text:
            lines.append(text)
        elif lines:
            return lines, bare


def _chunk_size(line: bytes) -> int:
    found = _CHUNK_SIZE.fullmatch(line)
    if not found:
        raise NotHttp("the chunked body has no readable chunk size where one must stand")
    return int(found[1], 16)
