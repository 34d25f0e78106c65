"""Whom an operator calls: the partner of an exchange, the hub or the integrator, as the settings have them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bridge.web.console.turn import Turn


class Contact(Protocol):
    """How somebody is reached. It is about people at work: on pages behind the login only."""

    @property
    def name(self) -> str | None: ...
    @property
    def phone(self) -> str | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def hours(self) -> str | None: ...


Contacts = Mapping[str, Contact]
"""By PartyId, and by `HUB` and `INTEGRATOR`."""
INTEGRATOR = "integrator"


class Side(StrEnum):
    """Whom the advice names."""

    PARTNER = "partner"
    HUB = "hub"
    INTEGRATOR = "integrator"


_BY_REASON: Mapping[str, Side | None] = {
    **dict.fromkeys(("error", "event_refused", "functional"), Side.HUB),
    **dict.fromkeys(("no_mapping", "code", "no_event", "profile", "parked"), Side.INTEGRATOR),
    # Another organisation than the partner, which the settings need not know; or nobody yet.
    **dict.fromkeys(("made", "source", "attachment", "quarantined", "held"), None),
}
"""Explanations whose advice names somebody else than the partner."""
_BY_TURN: Mapping[Turn, Side] = {
    Turn.PARTNER: Side.PARTNER,
    Turn.HUB: Side.HUB,
    Turn.INTEGRATOR: Side.INTEGRATOR,
}


def side_to_call(reason: str, turn: Turn) -> Side | None:
    """Of what stopped for a reason (`turn.reason_key`); None when the advice names nobody that we can know."""
    if reason == "unknown":
        return _BY_TURN.get(turn)
    return _BY_REASON.get(reason, Side.PARTNER)


def side_of_turn(turn: Turn) -> Side | None:
    """Of what still runs."""
    return _BY_TURN.get(turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom:
    """Somebody to call, as a page tells it: `organisation` in words, `contact` where the settings have one."""

    organisation: str
    contact: Contact | None

    @property
    def dialled(self) -> str:
        """The number as a telephone takes it."""
        phone = (self.contact.phone if self.contact else None) or ""
        return "".join(c for c in phone if c.isdigit() or c == "+")
