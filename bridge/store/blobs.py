"""Content by its digest: stored once however often it is referred to, in chunks so that it streams."""

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from sqlalchemy import Connection, insert, select

from bridge.errors import StoreUnavailable
from bridge.store import tables
from bridge.store.query import add_unless_there
from bridge.store.rows import NoSuchRow

CHUNK = 256 * 1024
"""Octets per row."""


def put_blob(tx: Connection, content: bytes | BinaryIO) -> tuple[str, int]:
    """Store the octets unless they are there; their SHA-256 (hex) and size.

    A file is read twice from its start, so it must be seekable.
    """
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    digest, size = hashlib.sha256(), 0
    for octets in _chunks(stream):
        digest.update(octets)
        size += len(octets)
    sha256 = digest.hexdigest()
    if add_unless_there(tx, tables.blob, {"sha256": sha256, "size": size}, unique=("sha256",)):
        for position, octets in enumerate(_chunks(stream)):
            tx.execute(insert(tables.chunk).values(sha256=sha256, position=position, octets=octets))
    return sha256, size


def blob_size(tx: Connection, sha256: str) -> int:
    """In octets. Raises NoSuchRow."""
    size: int | None = tx.scalar(select(tables.blob.c.size).where(tables.blob.c.sha256 == sha256))
    if size is None:
        raise NoSuchRow(f"no blob {sha256}")
    return size


def read_blob(tx: Connection, sha256: str) -> bytes:
    """All octets at once. Raises NoSuchRow, and StoreUnavailable when they are damaged."""
    return b"".join(iter_blob(tx, sha256))


def iter_blob(tx: Connection, sha256: str) -> Iterator[bytes]:
    """The octets chunk by chunk, inside this transaction.

    Raises NoSuchRow at once. Raises StoreUnavailable at the end when what was given is not what was stored.
    """
    return _checked_chunks(tx, sha256, blob_size(tx, sha256))


def _checked_chunks(tx: Connection, sha256: str, size: int) -> Iterator[bytes]:
    digest = hashlib.sha256()
    row = tables.chunk.c
    for position in range(-(-size // CHUNK)):
        query = select(row.octets).where(row.sha256 == sha256, row.position == position)
        octets: bytes = tx.scalar(query) or b""
        digest.update(octets)
        yield octets
    if digest.hexdigest() != sha256:
        raise StoreUnavailable(f"blob {sha256} is damaged; restore it from a backup")


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    while octets := _read_full(stream):
        yield octets


def _read_full(stream: BinaryIO) -> bytes:
    """One whole chunk, also from a raw stream that gives less than asked; shorter only at the end."""
    octets = stream.read(CHUNK)
    while octets and len(octets) < CHUNK and (more := stream.read(CHUNK - len(octets))):
        octets += more
    return octets
