"""How far long work has come, told to whoever looks. The work itself never waits for that."""

from collections.abc import Callable
from typing import TypeAlias

Told: TypeAlias = Callable[[str, int, int | None], None]
"""What is being done, how much of it is done, and of how much; None: nobody knows. May be called for every row."""


def nobody(what: str, done: int, total: int | None) -> None:
    """Nobody looks: then nothing need be counted first either."""


MEGABYTE = 1024 * 1024
"""Octets are told in these."""
