"""How the simulated hub may fail, and what it may refuse: settable while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class FaultKind(StrEnum):
    """What happens to a request. `LOST` does the work and then breaks the connection without an answer."""

    STATUS = "status"
    GARBAGE = "garbage"
    LOST = "lost"
    OTHER_ID = "other-id"
    SLOW = "slow"


class Where(StrEnum):
    """Which of the three contracts fails."""

    EVENTS = "events"
    STATUS = "status"
    QUERIES = "queries"


@dataclass(slots=True, kw_only=True)
class Fault:
    """Hits the next `times` requests of `where`. `retry_after` is the header's text: seconds or a date."""

    kind: FaultKind
    where: Where = Where.EVENTS
    times: int = 1
    status: int = 503
    retry_after: str | None = None
    seconds: float = 0.0
    detail: str = ""
    """What the problem document says of it."""


@dataclass(slots=True, kw_only=True)
class ErrorRule:
    """Events whose type matches end in ERROR; `times` None means always."""

    type: str
    type_fout: str = "FUNCTIONEEL"
    fout: str = "Het bericht kan niet worden verwerkt"
    times: int | None = None


@dataclass(slots=True, kw_only=True)
class HubConduct:
    """All that may be changed at run time. With `never_ok` every status stays IN_PROGRESS."""

    in_progress: int
    never_ok: bool = False
    token: str | None = None
    query_in_progress: int = 0
    faults: list[Fault] = field(default_factory=list)
    rules: list[ErrorRule] = field(default_factory=list)

    def take(self, where: Where) -> Iterator[Fault]:
        """The faults that hit this request; each loses one of its times."""
        for fault in tuple(self.faults):
            if fault.where is where:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                yield fault

    def judge(self, event_type: str) -> ErrorRule | None:
        """The rule by which an event of this type ends in ERROR."""
        for rule in tuple(self.rules):
            if fnmatchcase(event_type, rule.type):
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times <= 0:
                        self.rules.remove(rule)
                return rule
        return None
