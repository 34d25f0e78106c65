"""The event types that may be published: what data they carry and what their subject looks like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Payload(StrEnum):
    """What stands in `data`."""

    PROV = "prov"
    """A PROV-JSONLD graph and nothing beside it."""
    MELDING = "melding"
    """A graph, with members of the Melding profile beside it (that profile is under revision)."""
    PLAIN = "plain"
    """Any JSON object; for events about the framework itself, which hold nothing about a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One type of the list."""

    type: str
    payload: Payload = Payload.PROV
    subject_prefix: str | None = None
    """With what the subject begins; None: it is the Entity `@id`; empty: nothing is asked of it."""
    members: tuple[str, ...] = ()
    """Members that may stand in `data` beside the graph."""
    is_lookup: bool = False
    """An `…-ingezien` fact, which always names the organisation that looked (SOH-55)."""

    @property
    def function(self) -> str:
        """The samenwerkfunctie."""
        return self.type.partition(".")[0]


def _types(function: str, prefix: str | None, *names: str) -> tuple[EventType, ...]:
    lookup = "ingezien"
    return tuple(
        EventType(type=f"{function}.{name}", subject_prefix=prefix, is_lookup=name.endswith(lookup))
        for name in names
    )


_UUO: Final = "uitwisselen-uitkomst-overleg"
_MELDING: Final = "uitwisselen-melding"
_VERRIJKING: Final = "bepalen-bekendheid-en-verrijking"
_ANALYSE: Final = "opstellen-analyse-en-advies"
_BEHEER: Final = (
    "verstoring-gemeld",
    "verstoring-opgelost",
    "onderhoud-aangekondigd",
    "wijziging-aangekondigd",
    "contactpunt-gewijzigd",
    "gezondheid-gemeld",
)


def _melding(name: str, *members: str, is_lookup: bool = False) -> EventType:
    return EventType(
        type=f"{_MELDING}.{name}",
        payload=Payload.MELDING,
        subject_prefix="melding/",
        members=members,
        is_lookup=is_lookup,
    )


DEFAULT_TYPES: Final[tuple[EventType, ...]] = (
    *_types(_UUO, None, "uitkomst-beschikbaar-gesteld", "uitkomst-ingezien"),
    _melding("melding-geregistreerd", "bsn", "leeftijd", "registratiedatum", "categorie", "prioriteit"),
    _melding("melding-ingezien", "raadpleger", "referentie", is_lookup=True),
    _melding("melding-opgepakt", "opgepaktDoor", "opgepaktOp", "referentie"),
    _melding("melding-afgewezen", "referentie"),
    _melding("uitkomst-melding-beschikbaar-gesteld", "referentie"),
    *_types(
        _VERRIJKING, "bekendheid/", "bekendheid-gevraagd", "bekendheid-vastgesteld", "bekendheid-ingezien"
    ),
    *_types(
        _VERRIJKING,
        "casusinformatie/",
        "casusinformatie-gevraagd",
        "casusinformatie-beschikbaar-gesteld",
        "casusinformatie-ingezien",
    ),
    *_types(
        _ANALYSE,
        "onderzoek/",
        "onderzoek-verzocht",
        "onderzoek-voortgang-gemeld",
        "onderzoek-uitkomst-beschikbaar-gesteld",
        "onderzoek-ingezien",
    ),
    *_types(
        "uitvoeren-actie",
        "jeugdreclassering/",
        "jeugdreclassering-gestart",
        "jeugdreclassering-ingezien",
    ),
    # Proposed beside these for requests and answers; nothing is settled about their subjects.
    *_types(_MELDING, "", "terugmelding-beschikbaar-gesteld"),
    *_types(
        _VERRIJKING,
        "",
        "bekendheid-beantwoord",
        "verrijking-gevraagd",
        "verrijking-geleverd",
        "verzoek-geweigerd",
    ),
    *_types(_ANALYSE, "", "onderzoek-gevraagd", "rapport-beschikbaar-gesteld"),
    *_types("uitvoeren-actie", "", "actie-uitgezet", "actie-aanvaard", "actie-geweigerd", "actie-uitgevoerd"),
    *(EventType(type=f"beheer.{name}", payload=Payload.PLAIN, subject_prefix="") for name in _BEHEER),
)

DEFAULT_LOOKUPS: Final[tuple[tuple[str, str], ...]] = (
    ("uitkomst-overleg", f"{_UUO}.uitkomst-ingezien"),
    ("melding", f"{_MELDING}.melding-ingezien"),
    ("uitkomst-melding", f"{_MELDING}.melding-ingezien"),
    ("bekendheid", f"{_VERRIJKING}.bekendheid-ingezien"),
    ("casusinformatie", f"{_VERRIJKING}.casusinformatie-ingezien"),
    ("onderzoek", f"{_ANALYSE}.onderzoek-ingezien"),
    ("jeugdreclassering", "uitvoeren-actie.jeugdreclassering-ingezien"),
)
"""Per resource type the event type that says that one was looked at (SOH-125)."""
