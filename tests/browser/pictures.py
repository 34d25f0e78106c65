"""Pictures of every page for the docs: which page stands for which route, and what must be in the store for it."""

from __future__ import annotations

from collections.abc import Mapping

PICTURES: Mapping[str, str] = {
    "/": "now",
    "/exchanges": "exchanges",
    "/exchanges/{key}": "exchange",
    "/attention": "attention",
    "/attention/{cause}": "cause",
    "/attention/{cause}/{what}": "plan",
    "/runs/{key}": "run",
    "/mend/{action}/{key}": "mend",
    "/partners": "partners",
    "/agreements/{cpa}": "agreement",
    "/mappings": "mappings",
    "/mappings/{name}": "mapping",
    "/mappings/try": "try",
    "/mappings/compare": "compare",
    "/certificates": "certificates",
    "/alerts": "alerts",
    "/jobs": "jobs",
    "/audit": "audit",
    "/messages/{key}/explanation": "explanation",
    "/person": "person",
    "/account": "account",
    "/login": "login",
}
"""Path pattern of a route → name of its picture in docs/screenshots."""

NO_PAGE = frozenset(
    {
        "/static/{name}",
        "/login/{token}",
        "/rows",
        "/live",
        "/certificates.ics",
        "/audit.csv",
        "/audit.jsonl",
        "/api/v1/exchanges",
        "/api/v1/exchanges/{key}",
    }
)
"""Routes that give no page to look at."""
