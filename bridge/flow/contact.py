"""What a job tells the circuit breaker of its endpoint."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reached:
    """It answered as it should, whatever it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """It did not answer, or said that it cannot now: `reason` says which, as it goes to the pages."""

    reason: str


Contact = Reached | Unreached
