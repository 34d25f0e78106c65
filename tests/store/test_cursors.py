from datetime import UTC, datetime

from bridge.store.cursors import get_cursor, set_cursor
from bridge.store.unit import Store

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def test_a_cursor_that_was_never_set_is_none(store: Store) -> None:
    assert store.read_sync(lambda tx: get_cursor(tx, "hub")) is None


def test_a_cursor_holds_what_was_set_last(store: Store) -> None:
    for value in ("one", "two"):
        store.write_sync(lambda tx, v=value: set_cursor(tx, "hub", v, START))
    store.write_sync(lambda tx: set_cursor(tx, "other", "three", START))

    assert store.read_sync(lambda tx: get_cursor(tx, "hub")) == "two"
