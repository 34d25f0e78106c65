"""Encryption at rest: nothing readable in the tables, and keys that change while the store works."""

import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from bridge.errors import ConfigError, StoreUnavailable
from bridge.ids import Key, Oin
from bridge.store import tables
from bridge.store.blobs import CHUNK, blob_size, put_blob, read_blob
from bridge.store.events import add_event, find_event, get_event
from bridge.store.persons import find_by_person, index_person
from bridge.store.rekey import begin_rotation, find_stale, reseal, stale_places
from bridge.store.resources import find_resource, put_resource, versions_of
from bridge.store.sealed_rows import SEALED
from bridge.store.sealing import MasterKeys, name_of
from bridge.store.timeline import add_step, told_of
from bridge.store.unit import Store

SECRET = b'{"bsn":"999900092","naam":"Fictief"}'
MASTERS = MasterKeys(current=b"1" * 32)
OWNER = Oin("00000000000000000101")
Open = Callable[..., Store]


@pytest.fixture
def sealed(url: str, open_store: Open) -> Store:
    return open_store(url, masters=MASTERS)


def everything_in(store: Store) -> Iterator[str]:
    """Every value of every row, as the database has it."""
    for table in tables.metadata.sorted_tables:
        for row in store.read_sync(
            lambda tx, name=table.name: tx.execute(text(f'SELECT * FROM "{name}"')).all()
        ):
            for value in row:
                yield bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


def put(store: Store, make: Any, body: str = SECRET.decode(), at: Any = None) -> int:
    return store.write_sync(
        lambda tx: put_resource(
            tx,
            key=make.key(),
            exchange=make.key(),
            type="t",
            id="1",
            owner=OWNER,
            body=body,
            at=at or make.now,
        )
    )


def say(store: Store, make: Any, exchange: Key) -> None:
    """A peer quotes the secret in words of its own."""
    store.write_sync(
        lambda tx: add_step(
            tx,
            exchange=exchange,
            at=make.now,
            side="hub",
            what="event.refused",
            outcome="failed",
            told=SECRET.decode(),
        )
    )


def rotate(store: Store, make: Any) -> None:
    assert store.sealer is not None
    sealer = store.sealer
    store.write_sync(lambda tx: begin_rotation(tx, sealer, at=make.now))
    sealer.look_again()
    for place in store.read_sync(lambda tx: list(stale_places(tx))):
        while keys := store.read_sync(lambda tx, place=place: find_stale(tx, place, limit=2)):
            for key in keys:
                store.write_sync(lambda tx, place=place, key=key: reseal(tx, place, key))


def numbers_in_use(store: Store) -> set[int | None]:
    def work(tx: Any) -> set[int | None]:
        found = (tx.scalars(select(t.c.data_key)) for t in (tables.blob, *SEALED))
        return {number for numbers in found for number in numbers}

    return store.read_sync(work)


def test_no_content_can_be_read_in_the_tables(sealed: Store, make: Any) -> None:
    event = make.event(body=SECRET)
    sealed.write_sync(lambda tx: (put_blob(tx, SECRET), add_event(tx, event)))
    put(sealed, make)
    say(sealed, make, event.exchange)

    assert not [value for value in everything_in(sealed) if "999900092" in value or "Fictief" in value]


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK + 7])
def test_sealed_content_of_any_size_comes_back(sealed: Store, size: int) -> None:
    content = os.urandom(size)

    address, told = sealed.write_sync(lambda tx: put_blob(tx, io.BytesIO(content)))

    assert told == size == sealed.read_sync(lambda tx: blob_size(tx, address))
    assert sealed.read_sync(lambda tx: read_blob(tx, address)) == content


def test_sealed_content_is_stored_once(sealed: Store) -> None:
    addresses = {sealed.write_sync(lambda tx: put_blob(tx, SECRET))[0] for _ in range(3)}

    assert len(addresses) == 1
    assert sealed.read_sync(lambda tx: tx.scalar(select(func.count()).select_from(tables.chunk))) == 1


def test_another_store_gives_the_same_content_another_address(
    sealed: Store, tmp_path: Any, open_store: Open
) -> None:
    other = open_store(f"sqlite:///{tmp_path / 'other.sqlite3'}", create=True, masters=MASTERS)

    one, two = (store.write_sync(lambda tx: put_blob(tx, SECRET))[0] for store in (sealed, other))

    assert one != two


def test_events_and_resources_come_back(sealed: Store, make: Any) -> None:
    event = make.event(body=SECRET)
    sealed.write_sync(lambda tx: add_event(tx, event))
    put(sealed, make)

    assert sealed.read_sync(lambda tx: get_event(tx, event.key)) == event
    assert sealed.read_sync(lambda tx: find_event(tx, event.source, event.id)) == event
    found = sealed.read_sync(lambda tx: find_resource(tx, "t", "1"))
    assert found is not None and found.body == SECRET.decode()
    assert sealed.read_sync(lambda tx: versions_of(tx, "t", "1")) == (found,)


def test_a_sealed_resource_that_says_the_same_makes_no_version(sealed: Store, make: Any) -> None:
    assert [put(sealed, make), put(sealed, make), put(sealed, make, "{}")] == [1, 1, 2]


def test_exchanged_bodies_do_not_open(sealed: Store, make: Any) -> None:
    one, two = make.event(body=b"one"), make.event(body=b"two")
    sealed.write_sync(lambda tx: (add_event(tx, one), add_event(tx, two)))
    row = tables.event.c

    def exchange(tx: Any) -> None:
        stolen = tx.scalar(select(row.body).where(row.key == two.key))
        tx.execute(update(tables.event).where(row.key == one.key).values(body=stolen))

    sealed.write_sync(exchange)

    with pytest.raises(StoreUnavailable, match="event is damaged"):
        sealed.read_sync(lambda tx: get_event(tx, one.key))


def test_exchanged_chunks_do_not_open(sealed: Store) -> None:
    content = bytes(CHUNK) + b"1" * CHUNK
    address, _ = sealed.write_sync(lambda tx: put_blob(tx, content))
    row = tables.chunk.c

    def exchange(tx: Any) -> None:
        stolen = tx.scalar(select(row.octets).where(row.position == 1))
        tx.execute(update(tables.chunk).where(row.position == 0).values(octets=stolen))

    sealed.write_sync(exchange)

    with pytest.raises(StoreUnavailable, match="blob is damaged"):
        sealed.read_sync(lambda tx: read_blob(tx, address))


def test_an_encrypted_store_does_not_open_without_its_key(url: str, sealed: Store, open_store: Open) -> None:
    with pytest.raises(ConfigError, match=r"store\.encryption"):
        open_store(url)


def test_an_encrypted_store_does_not_open_with_another_key(url: str, sealed: Store, open_store: Open) -> None:
    with pytest.raises(ConfigError, match=name_of(MASTERS.current)):
        open_store(url, masters=MasterKeys(current=b"2" * 32))


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="31 bytes"):
        MasterKeys(current=b"1" * 31)


def test_keys_are_not_shown() -> None:
    assert "1111" not in repr(MASTERS)


def test_two_processes_that_begin_to_encrypt_use_the_same_keys(url: str, open_store: Open) -> None:
    one, two = open_store(url, masters=MASTERS), open_store(url, masters=MASTERS)
    address, _ = one.write_sync(lambda tx: put_blob(tx, SECRET))

    assert two.write_sync(lambda tx: put_blob(tx, SECRET))[0] == address
    assert two.read_sync(lambda tx: read_blob(tx, address)) == SECRET


def test_content_from_before_the_encryption_stays_readable_and_is_encrypted_by_a_rotation(
    url: str, open_store: Open, make: Any
) -> None:
    plain = open_store(url)
    event = make.event(body=SECRET)
    address, _ = plain.write_sync(lambda tx: put_blob(tx, SECRET))
    plain.write_sync(lambda tx: add_event(tx, event))
    put(plain, make)
    say(plain, make, event.exchange)
    plain.close()
    store = open_store(url, masters=MASTERS)
    assert store.read_sync(lambda tx: read_blob(tx, address)) == SECRET

    rotate(store, make)

    assert store.read_sync(lambda tx: read_blob(tx, address)) == SECRET
    assert store.read_sync(lambda tx: get_event(tx, event.key)) == event
    told = store.read_sync(lambda tx: told_of(tx, event.exchange))
    assert list(told.values()) == [SECRET.decode()]
    assert numbers_in_use(store) == {3}
    assert not [value for value in everything_in(store) if "999900092" in value]


def test_a_rotation_replaces_the_master_key_while_others_read_and_write(
    url: str, open_store: Open, make: Any
) -> None:
    first = open_store(url, masters=MASTERS)
    before, _ = first.write_sync(lambda tx: put_blob(tx, b"before"))
    both = MasterKeys(current=b"2" * 32, previous=MASTERS.current)
    worker, rotating = open_store(url, masters=both), open_store(url, masters=both)

    rotate(rotating, make)
    meanwhile, _ = worker.write_sync(lambda tx: put_blob(tx, b"meanwhile"))

    assert worker.read_sync(lambda tx: read_blob(tx, before)) == b"before"
    after = open_store(url, masters=MasterKeys(current=b"2" * 32))
    found = [after.read_sync(lambda tx, a=a: read_blob(tx, a)) for a in (before, meanwhile)]
    assert found == [b"before", b"meanwhile"]
    assert after.write_sync(lambda tx: put_blob(tx, b"before"))[0] == before


def test_the_former_master_key_opens_nothing_after_a_rotation(url: str, open_store: Open, make: Any) -> None:
    rotate(open_store(url, masters=MasterKeys(current=b"2" * 32, previous=MASTERS.current)), make)

    with pytest.raises(ConfigError, match=name_of(b"2" * 32)):
        open_store(url, masters=MASTERS)


async def test_a_process_that_missed_the_new_master_key_is_out_of_order_until_it_restarts(
    url: str, sealed: Store, open_store: Open, make: Any
) -> None:
    """Not a fault of each message and job: those would be refused, or given up after ten times."""
    newer = open_store(url, masters=MasterKeys(current=b"2" * 32, previous=MASTERS.current))
    rotate(newer, make)
    assert sealed.sealer is not None
    sealed.sealer.look_again()
    with pytest.raises(StoreUnavailable, match=r"give that key .* restart"):
        await sealed.write(lambda tx: put_blob(tx, SECRET))
    assert not await sealed.probe(make.now)
    assert sealed.trouble is not None
    assert await newer.probe(make.now)


async def test_a_process_without_a_key_writes_nothing_in_the_clear_once_another_one_encrypts(
    url: str, open_store: Open, make: Any
) -> None:
    plain = open_store(url)
    plain.write_sync(lambda tx: (put_blob(tx, b"before"), plain.check_key(tx)))
    open_store(url, masters=MASTERS)
    event = make.event(body=SECRET)

    for work in (
        lambda tx: put_blob(tx, SECRET),
        lambda tx: add_event(tx, event),
        lambda tx: put_resource(
            tx,
            key=make.key(),
            exchange=make.key(),
            type="t",
            id="1",
            owner=OWNER,
            body=SECRET.decode(),
            at=make.now,
        ),
    ):
        with pytest.raises(StoreUnavailable, match="encrypted now; give"):
            await plain.write(work)

    assert not [value for value in everything_in(plain) if "999900092" in value]
    assert not await plain.probe(make.now), "it does not recover by itself"
    assert "restart" in (plain.trouble or "")


def test_a_person_is_found_without_the_number_being_stored(store: Store, make: Any) -> None:
    key, rows = os.urandom(32), [make.exchange() for _ in range(3)]

    def work(tx: Any) -> None:
        for row, bsn in zip(rows, ("999900092", "999900109", "999900092"), strict=True):
            tx.execute(tables.exchange.insert().values(**{n: getattr(row, n) for n in row.__slots__}))
            index_person(tx, key, bsn, row.key)
            index_person(tx, key, bsn, row.key)

    store.write_sync(work)

    found = store.read_sync(lambda tx: find_by_person(tx, key, "999900092"))
    assert [row.key for row in found] == [rows[2].key, rows[0].key]
    assert store.read_sync(lambda tx: find_by_person(tx, key, "999900092", before=rows[2].key)) == (rows[0],)
    assert store.read_sync(lambda tx: find_by_person(tx, os.urandom(32), "999900092")) == ()
    assert not [value for value in everything_in(store) if "9999" in value]
