"""SOAP with Attachments, in and out (ebMS 2.0 section 2.1, RFC 2045, 2046, 2387, 2392).

`PackageReader` takes the body in pieces of any size and holds no more than a piece and a boundary of it;
the parts go to sinks. `pack` gives the body as an iterator. Neither touches a socket.

Every refusal is a SoapFault, because without a package no header can be read. What a robust receiver
tolerates is accepted with a note. A payload part whose transfer encoding is broken is left out and becomes
a problem of the package, since the header can still be read and answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

from bridge.ebms.content import (
    BadEncoding,
    Base64,
    Decoder,
    Identity,
    MemorySink,
    QuotedPrintable,
    Sink,
    SpoolSink,
    chunks_of,
    discard_content,
)
from bridge.ebms.fields import (
    MAX_WRITTEN_LINE,
    MediaType,
    PartHead,
    bad_mime,
    is_bracketed,
    is_writable_type,
    parse_media_type,
    read_part_head,
    unfold,
    without_brackets,
    write_filename,
    write_words,
)
from bridge.ebms.model import Content, ErrorCode, Part
from bridge.errors import EbmsError, SoapFault

__all__ = [
    "Limits",
    "MediaType",
    "MemorySink",
    "Package",
    "PackageReader",
    "Packed",
    "Sink",
    "SpoolSink",
    "pack",
    "parse_media_type",
    "read_package",
]

_MAX_BOUNDARY = 200
_MAX_PADDING = 200
_DECODERS: dict[str, Callable[[], Decoder]] = {
    "7bit": Identity,
    "8bit": Identity,
    "binary": Identity,
    "base64": Base64,
    "quoted-printable": QuotedPrintable,
}
_BOUNDARY = re.compile(r"[\x20-\x7e]*[\x21-\x7e]")
_WRITTEN_BOUNDARY = re.compile(r"[A-Za-z0-9]{1,70}")
_WRITTEN_ID = re.compile(r"[A-Za-z0-9._~=+!$*'@-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one package may cost. Sizes in octets; `max_part` is after undoing the transfer encoding."""

    max_total: int = 2 * 1024 * 1024 * 1024
    max_part: int = 2 * 1024 * 1024 * 1024
    max_envelope: int = 4 * 1024 * 1024
    max_parts: int = 500
    max_header_bytes: int = 16 * 1024
    whose: str = ""
    """Whose limits these are, for whoever is told that something is too large."""


Narrow = Callable[[bytes, str | None], Limits]
"""The limits of a message, told by its header container and its charset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A body taken apart: the octets of the header container, and the payload parts in wire order."""

    envelope: bytes = field(repr=False)
    charset: str | None = None
    envelope_content_id: str | None = None
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[EbmsError, ...] = ()
    """Parts that could not be decoded. They are not among `parts`."""

    def discard(self) -> None:
        """Free temporary files of parts that nobody will read."""
        for part in self.parts:
            discard_content(part.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A body to send: its headers, its exact length, and its octets, which may be asked for again."""

    headers: tuple[tuple[str, str], ...]
    content_length: int
    chunks: Callable[[], Iterator[bytes]]


def read_package(
    headers: Sequence[tuple[str, str]],
    body: bytes,
    *,
    limits: Limits | None = None,
    new_sink: Callable[[], Sink] = MemorySink,
) -> Package:
    """The package of a whole body. Raises SoapFault."""
    reader = PackageReader(headers, limits=limits or Limits(), new_sink=new_sink)
    reader.feed(body)
    return reader.close()


class PackageReader:
    """Takes a body apart while it arrives. Every method raises SoapFault and then has freed its sinks.

    Of the HTTP headers only Content-Type and Content-Encoding count. SOAPAction is the listener's to judge.
    """

    def __init__(
        self,
        headers: Sequence[tuple[str, str]],
        *,
        limits: Limits,
        new_sink: Callable[[], Sink] = MemorySink,
        narrow: Narrow | None = None,
    ) -> None:
        """`narrow` is asked as soon as the header container is in: what it says holds from then on."""
        self._total = 0
        self._assembly = _Assembly(limits, new_sink, narrow)
        if any(name.strip().lower() == "soapaction" and value.strip() == "ebXML" for name, value in headers):
            self._assembly.note("SOAPAction is not quoted")
        media_type = _http_media_type(headers)
        self._body: _SingleBody | _MultipartBody
        if media_type.essence == "text/xml":
            self._body = _SingleBody(media_type, self._assembly)
        else:
            self._body = _multipart_body(media_type, self._assembly, limits)

    def feed(self, chunk: bytes) -> None:
        """Take the next octets; an empty chunk is fine."""
        self._total += len(chunk)
        with self._freeing():
            self._measure()
            self._body.feed(chunk)
            self._measure()

    def close(self) -> Package:
        """The body is complete."""
        with self._freeing():
            self._body.close()
            package = self._assembly.package()
            self._measure()
            return package

    def _measure(self) -> None:
        """By the limits that hold now. Raises SoapFault."""
        limits = self._assembly.limits
        if self._total > limits.max_total:
            raise _too_large(f"the body is larger than {limits.max_total} octets", limits)

    def discard(self) -> None:
        """Stop: the sender went away. Frees the sinks."""
        self._assembly.discard()

    @contextmanager
    def _freeing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.discard()
            raise


def pack(envelope: bytes, parts: Sequence[Part], *, boundary: str, envelope_id: str) -> Packed:
    """The HTTP headers and body of a message; `envelope_id` and Content-IDs come without angle brackets.

    Without parts the body is the envelope itself, else multipart/related with the parts in the order given.
    `boundary` is letters and digits that occur in no part: draw it at random, anew for each attempt.
    Raises ValueError for an id, type or boundary that must not be written.
    """
    soap_action = ("SOAPAction", '"ebXML"')
    if not parts:
        headers = (("Content-Type", "text/xml; charset=UTF-8"), soap_action)
        return Packed(headers=headers, content_length=len(envelope), chunks=lambda: iter((envelope,)))
    _check_written(parts, boundary, envelope_id)
    head = f"--{boundary}\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-ID: <{envelope_id}>\r\n\r\n"
    pieces: list[bytes | Content] = [head.encode("ascii"), envelope]
    for part in parts:
        pieces += [f"\r\n--{boundary}\r\n{_part_head(part)}\r\n".encode("ascii"), part.content]
    pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    content_type = f'multipart/related; type="text/xml"; boundary="{boundary}"; start="<{envelope_id}>"'
    length = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces)
    return Packed(
        headers=(("Content-Type", content_type), soap_action),
        content_length=length,
        chunks=lambda: _chunks(pieces),
    )


def _chunks(pieces: Sequence[bytes | Content]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from chunks_of(piece)


def _check_written(parts: Sequence[Part], boundary: str, envelope_id: str) -> None:
    if not _WRITTEN_BOUNDARY.fullmatch(boundary):
        raise ValueError("a boundary is 1 to 70 letters and digits")
    ids = [envelope_id, *(part.content_id for part in parts)]
    if not all(_WRITTEN_ID.fullmatch(content_id) for content_id in ids):
        raise ValueError("a Content-ID holds a character that would need encoding, or is empty or too long")
    if len(set(ids)) != len(ids):
        raise ValueError("two parts have the same Content-ID")
    if not all(is_writable_type(part.content_type) for part in parts):
        raise ValueError("a Content-Type is no media type")


def _part_head(part: Part) -> str:
    """Header lines of a payload part; a file name or description too long for core's reader is left out."""
    lines = [
        f"Content-Type: {part.content_type}",
        f"Content-ID: <{part.content_id}>",
        "Content-Transfer-Encoding: binary",
    ]
    if part.filename is not None:
        lines.append(f"Content-Disposition: attachment; {write_filename(part.filename)}")
    if part.description is not None:
        lines.append(f"Content-Description: {write_words(part.description)}")
    return "".join(f"{line}\r\n" for line in lines if len(line) <= MAX_WRITTEN_LINE)


# --- reading: one body after the other -------------------------------------------------------------


class _Assembly:
    """Collects what the body readers find, whatever the form of the body."""

    def __init__(self, limits: Limits, new_sink: Callable[[], Sink], narrow: Narrow | None) -> None:
        self.limits = limits
        self.new_sink = new_sink
        self._narrow = narrow
        self.start: str | None = None
        self.notes: dict[str, None] = {}
        self.finished: list[_FinishedPart] = []
        self.open_part: _OpenPart | None = None

    def note(self, text: str) -> None:
        self.notes[text] = None

    def begin(self, head: PartHead) -> None:
        ids = {part.head.content_id for part in self.finished} - {""}
        if head.content_id in ids:
            raise bad_mime("two parts have the same Content-ID")
        if len(self.finished) > self.limits.max_parts:
            raise bad_mime(f"more than {self.limits.max_parts} payload parts")
        self.open_part = _OpenPart(head, self._is_envelope(head), self)

    def write(self, octets: bytes) -> None:
        if self.open_part is not None:
            self.open_part.write(octets)

    def end(self) -> None:
        if self.open_part is not None:
            part = self.open_part.finish()
            self.finished.append(part)
            self.open_part = None
            if part.is_envelope and part.content is not None:
                self._read_limits(part.head, part.content)

    def _read_limits(self, head: PartHead, content: Content) -> None:
        """The header container is in: from now on the limits hold that it names, also for the parts before it."""
        if self._narrow is None or content.size > self.limits.max_envelope:
            return
        with content.open() as stream:
            self.limits = self._narrow(stream.read(), head.charset)
        self._narrow = None
        for part in self.finished:
            if not part.is_envelope and part.content is not None and part.content is not content:
                self.measure_part(part.content.size)

    def measure_part(self, size: int) -> None:
        if size > self.limits.max_part:
            raise _too_large(f"a payload part is larger than {self.limits.max_part} octets", self.limits)

    def discard(self) -> None:
        if self.open_part is not None:
            self.open_part.discard()
            self.open_part = None
        for part in self.finished:
            if part.content is not None:
                discard_content(part.content)
        self.finished.clear()

    def package(self) -> Package:
        if not self.finished:
            raise bad_mime("the body has no part")
        index = self._envelope_index()
        root = self.finished[index]
        payload = [part for part in self.finished if part is not root]
        package = Package(
            envelope=self._envelope_octets(root),
            charset=root.head.charset,
            envelope_content_id=root.head.content_id or None,
            parts=tuple(part.to_part() for part in payload if part.content is not None),
            notes=tuple(self.notes),
            problems=tuple(part.problem for part in payload if part.problem is not None),
        )
        self.finished.clear()
        return package

    def _is_envelope(self, head: PartHead) -> bool:
        """Whether the part that begins is known to be the header container, so that no sink is needed."""
        if self.start is None:
            return not self.finished
        return head.content_id == self.start

    def _envelope_index(self) -> int:
        for index, part in enumerate(self.finished):
            if part.is_envelope:
                if index:
                    self.note("start names a part that is not the first")
                return index
        self.note("start names no part of the message; the first part is taken")
        return 0

    def _envelope_octets(self, root: _FinishedPart) -> bytes:
        if root.problem is not None or root.content is None:
            raise bad_mime("the transfer encoding of the header container is broken")
        if root.head.essence != "text/xml":
            raise bad_mime("the header container is not text/xml")
        if root.content.size > self.limits.max_envelope:
            raise _too_large(f"the envelope is larger than {self.limits.max_envelope} octets", self.limits)
        self._read_limits(root.head, root.content)
        if root.head.charset is None:
            self.note("text/xml without charset")
        with root.content.open() as stream:
            octets = stream.read()
        discard_content(root.content)
        return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class _FinishedPart:
    head: PartHead
    is_envelope: bool
    content: Content | None
    problem: EbmsError | None

    def to_part(self) -> Part:
        assert self.content is not None
        return Part(
            content_id=self.head.content_id,
            content_type=self.head.content_type,
            content=self.content,
            filename=self.head.filename,
            description=self.head.description,
        )


class _OpenPart:
    """The part that is arriving: its octets decoded, measured and handed to its sink."""

    def __init__(self, head: PartHead, is_envelope: bool, assembly: _Assembly) -> None:
        self._head = head
        self._is_envelope = is_envelope
        self._assembly = assembly
        self._sink: Sink | None = MemorySink() if is_envelope else assembly.new_sink()
        self._size = 0
        self._problem: EbmsError | None = None
        decoder = _DECODERS.get(head.encoding)
        self._decoder: Decoder = decoder() if decoder else Identity()
        if decoder is None:
            self._break("an unknown Content-Transfer-Encoding")
        elif head.encoding in ("base64", "quoted-printable"):
            assembly.note(f"a part comes as {head.encoding}")

    def write(self, octets: bytes) -> None:
        if self._sink is None:
            return
        try:
            self._store(self._decoder.decode(octets))
        except BadEncoding as error:
            self._break(str(error))

    def finish(self) -> _FinishedPart:
        if self._sink is not None:
            try:
                self._store(self._decoder.finish())
            except BadEncoding as error:
                self._break(str(error))
        content = self._sink.finish() if self._sink is not None else None
        return _FinishedPart(
            head=self._head, is_envelope=self._is_envelope, content=content, problem=self._problem
        )

    def discard(self) -> None:
        if self._sink is not None:
            self._sink.discard()
            self._sink = None

    def _store(self, octets: bytes) -> None:
        self._size += len(octets)
        limits = self._assembly.limits
        if not self._is_envelope:
            self._assembly.measure_part(self._size)
        elif self._size > limits.max_envelope:
            raise _too_large(f"the envelope is larger than {limits.max_envelope} octets", limits)
        if octets and self._sink is not None:
            self._sink.write(octets)

    def _break(self, reason: str) -> None:
        location = f"cid:{self._head.content_id}" if self._head.content_id else ""
        self._problem = EbmsError(
            ErrorCode.MIME_PROBLEM, f"The MIME part cannot be decoded: {reason}.", location=location
        )
        self.discard()


class _SingleBody:
    """Body form 1: the envelope and nothing else."""

    def __init__(self, media_type: MediaType, assembly: _Assembly) -> None:
        self._assembly = assembly
        charset = media_type.parameters.get("charset") or None
        assembly.begin(PartHead(content_type="text/xml", essence="text/xml", charset=charset))

    def feed(self, chunk: bytes) -> None:
        self._assembly.write(chunk)

    def close(self) -> None:
        self._assembly.end()


class _At(Enum):
    PREAMBLE = auto()
    HEAD = auto()
    CONTENT = auto()
    EPILOGUE = auto()


class _MultipartBody:
    """Body form 2. A delimiter is a whole line: line end, `--`, boundary, `--` at the end, blanks, line end.

    The line end before a delimiter belongs to it. Where content begins, the line end that closed the lines
    before stays in the buffer, so that a delimiter right there is found as any other; `_skip` drops it later.
    """

    def __init__(self, boundary: bytes, assembly: _Assembly, max_header_bytes: int) -> None:
        self._delimiter = b"\n--" + boundary
        self._keep = len(self._delimiter) + 1
        self._assembly = assembly
        self._max_header_bytes = max_header_bytes
        self._buffer = bytearray(b"\n")
        self._skip = 1
        self._at = _At.PREAMBLE
        self._lines: list[bytes] = []
        self._head_size = 0
        self._searched = 0

    def feed(self, chunk: bytes) -> None:
        if self._at is _At.EPILOGUE:
            return
        self._buffer += chunk
        self._advance(last=False)

    def close(self) -> None:
        self._advance(last=True)
        if self._at is not _At.EPILOGUE:
            raise bad_mime("the closing boundary is missing: the message is cut off")

    def _advance(self, *, last: bool) -> None:
        going = True
        while going:
            if self._at is _At.HEAD:
                going = self._read_head()
            elif self._at is _At.EPILOGUE:
                self._buffer.clear()
                going = False
            else:
                going = self._read_content(last=last)

    def _read_content(self, *, last: bool) -> bool:
        """Pass on content up to a delimiter or as far as is sure; True when the state changed."""
        searched = 0
        while (found := self._buffer.find(self._delimiter, searched)) >= 0:
            line = self._delimiter_line(found, last=last)
            if line is None:
                self._pass_on(max(found - 1, 0))
                return False
            closing, end = line
            if end:
                self._finish_content(found, end, closing=closing)
                return True
            searched = found + 1
        self._pass_on(max(len(self._buffer) - self._keep, 0))
        return False

    def _delimiter_line(self, found: int, *, last: bool) -> tuple[bool, int] | None:
        """Judge the line at `found`: (closing, index after it), index 0 for no delimiter, None to wait."""
        at = found + len(self._delimiter)
        newline = self._buffer.find(b"\n", at, at + _MAX_PADDING)
        rest = bytes(self._buffer[at : newline if newline >= 0 else at + _MAX_PADDING])
        closing = rest.startswith(b"--")
        tail = rest[2:] if closing else rest
        if newline >= 0:
            is_delimiter = not tail.removesuffix(b"\r").strip(b" \t")
            return closing, newline + 1 if is_delimiter else 0
        if tail.strip(b" \t\r") not in (b"", b"-") or len(rest) >= _MAX_PADDING:
            return closing, 0
        if last:
            return closing, len(self._buffer) if closing and not tail.strip(b" \t\r") else 0
        return None

    def _finish_content(self, found: int, end: int, *, closing: bool) -> None:
        if not (found and self._buffer[found - 1] == 0x0D) and found >= self._skip:
            self._assembly.note("lines end with a bare LF")
        before = found - 1 if found and self._buffer[found - 1] == 0x0D else found
        self._pass_on(before)
        del self._buffer[: end - before]
        self._skip = 0
        self._assembly.end()
        self._at = _At.EPILOGUE if closing else _At.HEAD
        self._lines, self._head_size, self._searched = [], 0, 0

    def _pass_on(self, count: int) -> None:
        if count <= 0:
            return
        dropped = min(self._skip, count)
        self._skip -= dropped
        if count > dropped and self._at is _At.CONTENT:
            self._assembly.write(bytes(memoryview(self._buffer)[dropped:count]))
        del self._buffer[:count]

    def _read_head(self) -> bool:
        """Take header lines up to the empty one; True when it was seen."""
        while (newline := self._buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(self._buffer[:newline])
            self._head_size += len(line) + 1
            self._check_head_size()
            self._searched = 0
            if line.removesuffix(b"\r"):
                del self._buffer[: newline + 1]
                self._lines.append(line.removesuffix(b"\r"))
                continue
            del self._buffer[:newline]
            self._skip = 1
            self._assembly.begin(read_part_head(self._lines, self._assembly.note))
            self._at = _At.CONTENT
            return True
        self._searched = len(self._buffer)
        self._check_head_size(pending=self._searched)
        return False

    def _check_head_size(self, pending: int = 0) -> None:
        if self._head_size + pending > self._max_header_bytes:
            raise bad_mime(f"the headers of a part are larger than {self._max_header_bytes} octets")


def _http_media_type(headers: Sequence[tuple[str, str]]) -> MediaType:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.strip().lower(), []).append(value.strip())
    encodings = [
        value for value in values.get("content-encoding", []) if value.lower() not in ("", "identity")
    ]
    if encodings:
        raise SoapFault("A Content-Encoding is not accepted; send the body as it is.", status=415, bare=True)
    content_types = values.get("content-type", [])
    if len(content_types) != 1:
        raise bad_mime("the request has no Content-Type" if not content_types else "two Content-Types")
    try:
        media_type = parse_media_type(unfold(content_types[0]))
    except ValueError as error:
        raise bad_mime("the Content-Type of the request is no media type") from error
    if media_type.essence not in ("text/xml", "multipart/related"):
        raise SoapFault(
            "The Content-Type must be text/xml or multipart/related; ebMS 2.0 is SOAP 1.1.",
            status=415,
            bare=True,
        )
    return media_type


def _multipart_body(media_type: MediaType, assembly: _Assembly, limits: Limits) -> _MultipartBody:
    parameters = media_type.parameters
    boundary = parameters.get("boundary", "")
    if len(boundary) > _MAX_BOUNDARY or not _BOUNDARY.fullmatch(boundary):
        raise bad_mime("the boundary parameter is missing or is no boundary")
    root_type = parameters.get("type")
    if root_type is None:
        assembly.note("the multipart Content-Type has no type parameter")
    elif root_type.strip().lower() != "text/xml":
        raise bad_mime("the type parameter of the Content-Type is not text/xml")
    if "type" in media_type.bare:
        assembly.note("the type parameter is not quoted")
    if "charset" in parameters:
        assembly.note("the multipart Content-Type has a charset")
    if start := parameters.get("start", "").strip():
        if not is_bracketed(start):
            assembly.note("the start parameter has no angle brackets")
        assembly.start = without_brackets(start)
    return _MultipartBody(boundary.encode("ascii"), assembly, limits.max_header_bytes)


def _too_large(reason: str, limits: Limits) -> SoapFault:
    whose = f" ({limits.whose})" if limits.whose else ""
    return SoapFault(f"Too large: {reason}{whose}.", status=413, bare=True)
