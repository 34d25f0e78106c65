"""How long content is kept, and what was purged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.ids import Key, Oin


class Content(StrEnum):
    """What can be purged of an exchange; each kind has its own retention."""

    PAYLOAD = "payload"
    """Payloads in the clear, and whom they are about."""
    EVIDENCE = "evidence"
    """The octets received and sent. Answers and acknowledgments stay: they hold nothing about a person."""
    EVENT = "event"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgedResource:
    """A resource that was removed when its retention ended."""

    type: str
    id: str
    owner: Oin
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: nothing of the exchange is purged while it lasts."""

    exchange: Key
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeRun:
    """One time that content was purged: by whom and why."""

    key: Key
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """One kind of content of one exchange that is gone. The rows that described it are still there."""

    exchange: Key
    content: Content
    run: Key
    at: datetime
    items: int
    octets: int
    digests: Mapping[str, str]
    """SHA-256 of each body that has no address of its own, by key."""
