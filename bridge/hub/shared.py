"""The two outcomes that every question to the hub can have: it refuses who asks, or the channel is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_CHANNEL_FAULTS: Final = frozenset({404, 405, 406, 407, 410, 421, 426, 451})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused:
    """401 or 403: renew the token once, then hold the channel."""

    reason: str
    status: int = 401
    told: str = field(default="", repr=False)
    """Here and below: what the hub says in words of its own, which is content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFault:
    """The address or the settings are wrong: hold the channel and tell the operator."""

    reason: str
    told: str = field(default="", repr=False)


def is_channel_fault(status: int) -> bool:
    """Codes that speak of the address or the protocol, not of what was sent. Redirects are never followed."""
    return 300 <= status < 400 or status in _CHANNEL_FAULTS
