"""Every exception the bridge raises on purpose, sorted by who must act.

BridgeError
├── PeerError               the sender mends it
│   ├── EbmsError           answered with a MessageError (code, severity, location)
│   ├── SoapFault           answered with a SOAP 1.1 fault or a bare HTTP status: no ebMS answer is possible
│   └── EventRejected       answered with problem details that list every broken rule
├── MappingError            the integrator mends it: every diagnostic of the mapping files at once
├── ConfigError             the operator mends it, at start: every wrong key at once
├── TransportError          nobody yet: we try again
│   ├── PeerUnreachable     the partner's endpoint
│   └── HubUnavailable      the hub
├── StoreUnavailable        the operator: disk or database
│   └── ContentDamaged      one thing in it: all else goes on
└── AccessDenied            the requester: the rule's id, nothing about the data

An expected end (a duplicate, an expired message, no mapping) is not an exception but a value in a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class BridgeError(Exception):
    """Base of the tree. Its text is safe to log: ids and rules, never content of a message."""


class PeerError(BridgeError):
    """The sender did something that only the sender can mend."""


class EbmsError(PeerError):
    """An error that deserves a MessageError (ebMS 2.0 section 4.2.3).

    `location` is an XPath-like path into the envelope, or the cid URL of a payload part.
    """

    def __init__(self, code: str, text: str, *, location: str = "", severity: str = "Error") -> None:
        super().__init__(f"{code} at {location}: {text}" if location else f"{code}: {text}")
        self.code = code
        self.text = text
        self.location = location
        self.severity = severity


class SoapFault(PeerError):
    """No header could be read or trusted, so the answer is a SOAP 1.1 fault (or a bare HTTP status).

    `fault_code` is `Client`, `Server`, `VersionMismatch` or `MustUnderstand`; `status` the HTTP status.
    With `bare` the answer has no fault body, only the status (405, 413, 415).
    """

    def __init__(
        self, text: str, *, fault_code: str = "Client", status: int = 500, bare: bool = False
    ) -> None:
        super().__init__(text)
        self.text = text
        self.fault_code = fault_code
        self.status = status
        self.bare = bare


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One broken rule of an event: its id, where (a JSON pointer or a header name), and a sentence."""

    rule: str
    where: str
    text: str


class EventRejected(PeerError):
    """An event that breaks rules; `broken` lists all of them."""

    def __init__(self, broken: Sequence[Broken], *, status: int = 400) -> None:
        super().__init__("; ".join(f"{b.rule} at {b.where}: {b.text}" for b in broken))
        self.broken = tuple(broken)
        self.status = status


class MappingError(BridgeError):
    """Mapping files that do not compile; `lines` are the diagnostics as a person reads them."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


class ConfigError(BridgeError):
    """Settings, keys, agreements or certificates with which the bridge cannot start; one line per fault."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class TransportError(BridgeError):
    """A connection that failed for now. `retry_after` is what the peer asked for, when it did."""

    def __init__(self, text: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class PeerUnreachable(TransportError):
    """A partner's endpoint did not answer as HTTP."""


class HubUnavailable(TransportError):
    """The hub did not answer as HTTP, or said that it cannot now."""


class StoreUnavailable(BridgeError):
    """The disk or the database did not take or give what was asked. Nothing of the asked work is stored.

    One exception: when the connection breaks during the commit itself, the work may be stored after all.
    """


class ContentDamaged(StoreUnavailable):
    """One piece of content is not what was stored. The disk or database answers, so the rest can go on."""


class AccessDenied(BridgeError):
    """A request that may not see what it asks for. `rule` names the rule, never the data."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"refused by rule {rule}")
        self.rule = rule
