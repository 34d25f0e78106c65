"""The timeline of an exchange in a terminal."""

from collections.abc import Collection, Iterable
from zoneinfo import ZoneInfo

from bridge.cli.output import print_table
from bridge.store.rows import Step
from bridge.told import without_told

KEPT_APART = "told=(opened with the message or event)"


def print_steps(steps: Iterable[Step], zone: ZoneInfo, *, told: Collection[int]) -> None:
    """`told`: the numbers of the steps beside which words of a peer are kept."""
    rows = [
        (
            f"{step.at.astimezone(zone):%Y-%m-%d %H:%M:%S.%f}"[:-3],
            step.side,
            step.what,
            step.outcome,
            _ids(step, step.seq in told),
        )
        for step in steps
    ]
    print_table(("time", "side", "step", "outcome", "ids"), rows, fold="ids")


def _ids(step: Step, told: bool) -> str:
    texts = [f"{name}={without_told(text)}" for name, text in step.detail.items()]
    return " ".join([*texts, KEPT_APART] if told else texts)
