"""The same world as for the flows."""

from tests.flow.conftest import world

__all__ = ["world"]
