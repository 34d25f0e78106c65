import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from bridge.ids import Oin
from bridge.store.resources import find_resource, put_resource, versions_of
from bridge.store.unit import Store


def put(make: Any, body: str, *, id: str = "r-1", owner: str = "1") -> Callable[[Connection], int]:
    key, at = make.key(), make.now

    def work(tx: Connection) -> int:
        return put_resource(
            tx, key=key, exchange=key, type="melding", id=id, owner=Oin(owner), body=body, at=at
        )

    return work


def test_versions_count_from_one_for_each_resource(store: Store, make: Any) -> None:
    works = [put(make, "{}"), put(make, '{"a":1}'), put(make, "{}", id="r-2")]

    assert [store.write_sync(work) for work in works] == [1, 2, 1]


def test_an_equal_body_makes_no_new_version(store: Store, make: Any) -> None:
    assert [store.write_sync(put(make, body)) for body in ("{}", "{}", "[]", "{}")] == [1, 1, 2, 3]


def test_a_new_owner_makes_a_new_version(store: Store, make: Any) -> None:
    assert [store.write_sync(put(make, "{}", owner=owner)) for owner in ("1", "2")] == [1, 2]


def test_the_latest_version_is_found_and_the_one_of_a_moment(store: Store, make: Any) -> None:
    begin = make.now
    store.write_sync(put(make, '"old"'))
    make.later(hours=2)
    store.write_sync(put(make, '"new"'))

    def body(**at: Any) -> str | None:
        found = store.read_sync(lambda tx: find_resource(tx, "melding", "r-1", **at))
        return found and found.body

    assert body() == '"new"'
    assert body(at=begin + timedelta(hours=1)) == '"old"'
    assert body(at=begin - timedelta(hours=1)) is None


async def test_versions_made_by_many_at_once_have_numbers_of_their_own(
    url: str, open_store: Callable[..., Store], make: Any
) -> None:
    stores = [open_store(url), open_store(url)]

    made = await asyncio.gather(*(stores[n % 2].write(put(make, str(n))) for n in range(8)))

    assert sorted(made) == list(range(1, 9))
    versions = await stores[0].read(lambda tx: versions_of(tx, "melding", "r-1"))
    assert [v.version for v in versions] == list(range(1, 9))
