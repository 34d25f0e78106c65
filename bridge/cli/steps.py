"""The timeline of an exchange in a terminal."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from bridge.cli.output import print_table
from bridge.store.rows import Step


def print_steps(steps: Iterable[Step], zone: ZoneInfo) -> None:
    rows = [
        (
            f"{step.at.astimezone(zone):%Y-%m-%d %H:%M:%S.%f}"[:-3],
            step.side,
            step.what,
            step.outcome,
            " ".join(f"{name}={text}" for name, text in step.detail.items()),
        )
        for step in steps
    ]
    print_table(("time", "side", "step", "outcome", "ids"), rows, fold="ids")
