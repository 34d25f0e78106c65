"""The time of the nodes that share a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

from structlog.testing import capture_logs

from bridge.flow.clock import SharedClock
from bridge.store.unit import Store

WRONG = timedelta(minutes=30)
"""By so much the clock of the machine is ahead."""


class Machine:
    """A wall clock that somebody sets, and a counter."""

    def __init__(self) -> None:
        self.wall, self.counted = datetime.now(UTC) + WRONG, 100.0

    def clock(self) -> SharedClock:
        return SharedClock(wall=lambda: self.wall, steady=lambda: self.counted)


async def test_a_node_with_a_wrong_clock_takes_the_time_of_the_database(url: str, store: Store) -> None:
    """Otherwise it would take the jobs that other nodes are doing, as if their leases were over."""
    machine = Machine()
    clock = machine.clock()
    assert clock.now() == machine.wall
    with capture_logs() as logs:
        await clock.compare(store)
        await clock.compare(store)

    if url.startswith("sqlite"):
        assert clock.now() == machine.wall and not logs
    else:
        assert machine.wall - clock.now() > WRONG - timedelta(minutes=2)
        assert [log["event"] for log in logs] == ["clock.differs"], "it is told once"


async def test_between_two_looks_the_counter_goes_on_whatever_becomes_of_the_clock(
    url: str, store: Store
) -> None:
    machine: Any = Machine()
    clock = machine.clock()
    await clock.compare(store)
    before = clock.now()
    machine.counted += 5
    if not url.startswith("sqlite"):
        machine.wall += timedelta(days=1)
        assert clock.now() == before + timedelta(seconds=5)
