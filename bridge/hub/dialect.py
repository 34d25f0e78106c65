"""The hub's contract as values: paths, names, success codes. Another hub is another value, not other code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PullNames:
    """The two-step pull. The framework has published no contract for it; every name can be set."""

    query_path: str = "/queries"
    answer_path: str = "/queries/{request_id}"
    types: str = "types"
    sources: str = "sources"
    subjects: str = "subjects"
    since: str = "vanaf"
    until: str = "tot"
    bsn: str = "burgerservicenummer"
    cursor: str = "cursor"
    limit: str = "maxAantal"
    request_id: tuple[str, ...] = ("requestId", "interactieId", "transactieId", "id")
    events: tuple[str, ...] = ("events", "resultaten", "results")
    next_cursor_header: str = "Next-Cursor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one kind of hub spells the contract. Of several names the first is expected, the rest read too."""

    name: str
    offer_path: str
    status_path: str
    """With `{id}`, which is put in as one percent-encoded path segment."""
    accepted: frozenset[int] = frozenset({202})
    """Codes by which an offer is accepted without a remark."""
    interaction_id: tuple[str, ...] = ("interactieId", "transactieId", "id")
    outcomes_path: str = "/uitkomsten-overleg/query"
    pull: PullNames = PullNames()


SOH_1: Final = Dialect(name="soh-1", offer_path="/events", status_path="/status/{id}")

CORV2_POC: Final = Dialect(
    name="corv2-poc",
    offer_path="/api/v1/events/registreer",
    status_path="/api/v1/status/{id}",
    accepted=frozenset({200, 201, 202}),
    interaction_id=("id", "transactieId", "interactieId"),
)

DIALECTS: Final = {dialect.name: dialect for dialect in (SOH_1, CORV2_POC)}


def dialect_named(name: str) -> Dialect:
    """The dialect of that name. Raises ConfigError that names those there are."""
    if name not in DIALECTS:
        raise ConfigError([f"hub.dialect: {name} is not known; choose one of {', '.join(DIALECTS)}"])
    return DIALECTS[name]
