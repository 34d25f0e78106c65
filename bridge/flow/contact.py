"""What a job tells the circuit breaker of its endpoint."""

from enum import Enum, auto


class Contact(Enum):
    """What a job learned about its endpoint."""

    REACHED = auto()
    """It answered as it should, whatever it said."""
    UNREACHED = auto()
    """It did not answer, or said that it cannot now."""
