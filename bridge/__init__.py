"""The bridge: ebMS 2.0 relay messages on one side, CloudEvents on the other.

Read `docs/architecture.md` first: the rooms, their front doors, and which way things point.
"""

__version__ = "0.1.0"
