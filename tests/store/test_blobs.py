import asyncio
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bridge.errors import StoreUnavailable
from bridge.store import tables
from bridge.store.blobs import CHUNK, blob_size, iter_blob, put_blob, read_blob
from bridge.store.rows import NoSuchRow
from bridge.store.unit import Store


class Trickle(io.RawIOBase):
    """A stream that never gives more than a thousand octets at once."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, 1000))

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._inner.seek(offset, whence)


def chunks(store: Store) -> int:
    return store.read_sync(lambda tx: tx.scalar(select(func.count()).select_from(tables.chunk)) or 0)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_content_of_any_size_comes_back(store: Store, size: int) -> None:
    content = bytes(n % 251 for n in range(size))

    sha, told = store.write_sync(lambda tx: put_blob(tx, content))

    assert (sha, told) == (hashlib.sha256(content).hexdigest(), size)
    assert store.read_sync(lambda tx: read_blob(tx, sha)) == content
    assert store.read_sync(lambda tx: blob_size(tx, sha)) == size
    assert chunks(store) == -(-size // CHUNK)


def test_content_is_read_from_a_stream_from_its_start(store: Store) -> None:
    stream = io.BytesIO(b"from the start")
    stream.read(4)

    sha, _ = store.write_sync(lambda tx: put_blob(tx, stream))

    assert store.read_sync(lambda tx: read_blob(tx, sha)) == b"from the start"


def test_a_stream_that_trickles_is_stored_in_full_chunks(store: Store) -> None:
    content = bytes(2 * CHUNK)

    store.write_sync(lambda tx: put_blob(tx, Trickle(content)))  # type: ignore[arg-type]

    assert chunks(store) == 2


def test_content_is_given_back_in_chunks(store: Store) -> None:
    sha, _ = store.write_sync(lambda tx: put_blob(tx, bytes(CHUNK + 5)))

    assert store.read_sync(lambda tx: [len(c) for c in iter_blob(tx, sha)]) == [CHUNK, 5]


def test_equal_content_is_stored_once(store: Store) -> None:
    one = store.write_sync(lambda tx: put_blob(tx, b"same"))
    two = store.write_sync(lambda tx: put_blob(tx, io.BytesIO(b"same")))

    assert (one, chunks(store)) == (two, 1)


async def test_equal_content_put_by_many_at_once_is_stored_once(
    url: str, open_store: Callable[..., Store]
) -> None:
    stores, content = [open_store(url), open_store(url)], bytes(CHUNK + 1)

    put = await asyncio.gather(*(stores[n % 2].write(lambda tx: put_blob(tx, content)) for n in range(8)))

    assert len(set(put)) == 1
    assert stores[0].read_sync(lambda tx: read_blob(tx, put[0][0])) == content


def test_content_that_is_not_stored_is_an_error(store: Store) -> None:
    with pytest.raises(NoSuchRow):
        store.read_sync(lambda tx: iter_blob(tx, "00"))


def test_content_that_was_changed_in_the_store_is_not_given_out(store: Store) -> None:
    sha, _ = store.write_sync(lambda tx: put_blob(tx, b"original"))

    def tamper(tx: Any) -> None:
        tx.execute(update(tables.chunk).values(octets=b"tampered"))

    store.write_sync(tamper)

    with pytest.raises(StoreUnavailable, match="damaged"):
        store.read_sync(lambda tx: read_blob(tx, sha))
