"""Content by its address: stored once however often it is referred to, in chunks so that it streams.

The address is the SHA-256 of the octets, in hex. In a store that encrypts it is the same digest under a key of
the store (HMAC): equal content still has one address, but nobody with a copy of the database can see from an
address whether content that he guesses is there. Content from before the encryption keeps its address.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import Connection, delete, insert, select, update

from bridge.errors import BridgeError, ContentDamaged, StoreUnavailable
from bridge.store import tables
from bridge.store.query import add_unless_there
from bridge.store.rows import NoSuchRow
from bridge.store.sealed_rows import check_in_the_clear, place_of
from bridge.store.sealing import Sealer, sealer_of

CHUNK = 256 * 1024
"""Octets per row."""

_blob = tables.blob.c
_ADD_CHUNK = insert(tables.chunk)


class ContentPurged(BridgeError):
    """The octets were removed when their retention ended; that they were there is still known."""


def put_blob(tx: Connection, content: bytes | BinaryIO) -> tuple[str, int]:
    """Store the octets unless they are there; their address (hex) and size.

    A file is read twice from its start, so it must be seekable.
    """
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    sealer = sealer_of(tx)
    if sealer is None:
        check_in_the_clear(tx)
    digest: Any = sealer.address() if sealer else hashlib.sha256()
    size = 0
    for octets in _chunks(stream):
        digest.update(octets)
        size += len(octets)
    address: str = digest.hexdigest()
    number = sealer.newest(tx) if sealer else None
    values = {"sha256": address, "size": size, "data_key": number}
    if add_unless_there(tx, tables.blob, values, unique=("sha256",)) or _restored(tx, address, number):
        for position, octets in enumerate(_chunks(stream)):
            stored = _sealed(tx, sealer, number, octets, address, size, position)
            tx.execute(_ADD_CHUNK, {"sha256": address, "position": position, "octets": stored})
    return address, size


def blob_size(tx: Connection, sha256: str) -> int:
    """In octets. Raises NoSuchRow."""
    size: int | None = tx.scalar(select(tables.blob.c.size).where(tables.blob.c.sha256 == sha256))
    if size is None:
        raise NoSuchRow(f"no blob {sha256}")
    return size


def read_blob(tx: Connection, sha256: str) -> bytes:
    """All octets at once. Raises NoSuchRow, and ContentDamaged."""
    return b"".join(iter_blob(tx, sha256))


def iter_blob(tx: Connection, sha256: str) -> Iterator[bytes]:
    """The octets chunk by chunk, inside this transaction.

    Raises NoSuchRow and ContentPurged at once. Raises ContentDamaged at the end when what was given is not
    what was stored; of encrypted content, before the first chunk that is not.
    """
    row = tx.execute(select(tables.blob).where(_blob.sha256 == sha256)).first()
    if row is None:
        raise NoSuchRow(f"no blob {sha256}")
    if row.purged_at is not None:
        raise ContentPurged(f"the content of blob {sha256} was purged when its retention ended")
    if row.data_key is None:
        return _checked_chunks(tx, sha256, row.size)
    return _opened_chunks(tx, sha256, row.size, row.data_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A blob whose octets were removed."""

    sha256: str
    size: int


def drop_blob(tx: Connection, sha256: str, *, at: datetime) -> Dropped | None:
    """Remove the octets and keep the address; None when they are gone already.

    Lock it with `lock_blob` first, and look then whether anything still refers to it.
    """
    gone = update(tables.blob).where(_blob.sha256 == sha256, _blob.purged_at.is_(None))
    size = tx.scalar(gone.values(purged_at=at, data_key=None).returning(_blob.size))
    if size is None:
        return None
    tx.execute(delete(tables.chunk).where(tables.chunk.c.sha256 == sha256))
    return Dropped(sha256=sha256, size=size)


def lock_blob(tx: Connection, sha256: str) -> None:
    """Nobody else refers to it anew, drops it or encrypts it anew until this transaction ends."""
    tx.execute(select(_blob.sha256).where(_blob.sha256 == sha256).with_for_update())


def reseal_blob(tx: Connection, sha256: str) -> None:
    """Encrypt the octets under the newest data key. Its address stays."""
    sealer = sealer_of(tx)
    assert sealer is not None, "only an encrypting store rotates keys"
    lock_blob(tx, sha256)
    row = tx.execute(select(tables.blob).where(_blob.sha256 == sha256)).one()
    number = sealer.newest(tx)
    if row.purged_at is not None or row.data_key == number:
        return
    for position, octets in enumerate(iter_blob(tx, sha256)):
        stored = _sealed(tx, sealer, number, octets, sha256, row.size, position)
        place = (tables.chunk.c.sha256 == sha256) & (tables.chunk.c.position == position)
        tx.execute(update(tables.chunk).where(place).values(octets=stored))
    tx.execute(update(tables.blob).where(_blob.sha256 == sha256).values(data_key=number))


def _restored(tx: Connection, address: str, number: int | None) -> bool:
    """The blob is there. Whether its octets were purged, so that they must be stored again.

    The lock makes a purge that is under way wait, and then see the new reference.
    """
    query = select(_blob.purged_at).where(_blob.sha256 == address).with_for_update()
    if tx.scalar(query) is None:
        return False
    back = update(tables.blob).where(_blob.sha256 == address)
    tx.execute(back.values(purged_at=None, data_key=number))
    return True


def _sealed(
    tx: Connection,
    sealer: Sealer | None,
    number: int | None,
    octets: bytes,
    address: str,
    size: int,
    position: int,
) -> bytes:
    if sealer is None or number is None:
        return octets
    return sealer.seal(tx, number, octets, _place(address, size, position))


def _place(address: str, size: int, position: int) -> str:
    """The size tells how many chunks there are, so that none can be left out at the end."""
    return place_of("blob", address, f"{position} of {size}")


def _opened_chunks(tx: Connection, sha256: str, size: int, number: int) -> Iterator[bytes]:
    """No digest is needed: each chunk is authentic, in its place, or it does not open."""
    sealer = sealer_of(tx)
    if sealer is None:
        raise StoreUnavailable("this content is encrypted; give store.encryption.key_file and restart")
    for position in range(-(-size // CHUNK)):
        octets = sealer.open(tx, number, _chunk(tx, sha256, position), _place(sha256, size, position))
        yield octets


def _checked_chunks(tx: Connection, sha256: str, size: int) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for position in range(-(-size // CHUNK)):
        octets = _chunk(tx, sha256, position)
        digest.update(octets)
        yield octets
    if digest.hexdigest() != sha256:
        raise ContentDamaged(f"blob {sha256} is damaged; restore it from a backup")


def _chunk(tx: Connection, sha256: str, position: int) -> bytes:
    row = tables.chunk.c
    octets: bytes | None = tx.scalar(select(row.octets).where(row.sha256 == sha256, row.position == position))
    return octets or b""


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
