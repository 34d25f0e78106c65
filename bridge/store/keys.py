"""Primary keys: UUIDv7 texts, which sort by the time of making (RFC 9562 section 5.7)."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bridge.ids import Key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS_PER_MS = 4096
"""The 12 bits after the milliseconds hold their fraction (RFC 9562 section 6.2, method 3)."""
_LAST_TICK = (1 << 60) - 1
_RANDOM_BITS = 62


def new_key(now: datetime, random: bytes) -> Key:
    """The key for `now` (aware) and at least 8 random octets; the same arguments give the same key."""
    return _key(_tick(now), random)


def first_key(at: datetime) -> Key:
    """The lowest key that can be made at `at`: the bound that turns a time range into a key range."""
    return _key(_tick(at), bytes(8))


def made_at(key: Key) -> datetime:
    """The time for which a key was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=UUID(key).int >> 80)


class KeyMaker:
    """Makes keys that rise strictly within this process, also when the clock stands still or steps back."""

    def __init__(self, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._last = -1
        self._lock = threading.Lock()

    def __call__(self, now: datetime) -> Key:
        """The next key; `now` is aware."""
        with self._lock:
            self._last = max(_tick(now), self._last + 1)
            return _key(self._last, self._random(8))


def _tick(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("a key needs an aware datetime")
    tick = (at - _EPOCH) // timedelta(microseconds=1) * _TICKS_PER_MS // 1000
    if not 0 <= tick <= _LAST_TICK:
        raise ValueError("a key needs a time after 1970")
    return tick


def _key(tick: int, random: bytes) -> Key:
    if len(random) < 8:
        raise ValueError("a key needs at least 8 random octets")
    milliseconds, fraction = divmod(tick, _TICKS_PER_MS)
    noise = int.from_bytes(random[:8]) & ((1 << _RANDOM_BITS) - 1)
    return Key(str(UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | noise)))
