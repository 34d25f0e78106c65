"""What to do when a port is not given to a process without privilege."""

from __future__ import annotations

_BELOW = 1024


def privilege_hint(error: OSError, port: int) -> str:
    """What a person can do about a low port that the system refuses; empty for every other error."""
    if not isinstance(error, PermissionError) or port >= _BELOW:
        return ""
    return (
        "; give the process the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), "
        "or forward the port to a higher one and set that as the port"
    )
