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
    "/agreements": "agreements",
    "/agreements/{cpa}": "agreement",
    "/mappings": "mappings",
    "/mappings/{name}": "mapping",
    "/mappings/try": "try",
    "/mappings/compare": "compare",
    "/certificates": "certificates",
    "/alerts": "alerts",
    "/jobs": "jobs",
    "/audit": "audit",
    "/access": "access",
    "/messages/{key}": "message",
    "/events/{key}": "event",
    "/messages/{key}/explanation": "explanation",
    "/person": "person",
    "/account": "account",
    "/login": "login",
}
"""Path pattern of a route → name of its picture in docs/screenshots."""

NO_PAGE = frozenset(
    {
        # They lead to the page of their form.
        "/agreements/check",
        "/agreements/import",
        "/mappings/check",
        "/static/{name}",
        "/login/oidc",
        "/login/oidc/callback",
        "/login/{token}",
        "/rows",
        "/live",
        "/certificates.ics",
        "/certificates.csv",
        "/audit.csv",
        "/audit.jsonl",
        "/access.csv",
        "/access.jsonl",
        "/api/v1/exchanges",
        "/api/v1/exchanges/{key}",
    }
)
"""Files, fragments and data for programs; and doors that only lead elsewhere (`test_people.py` goes through them)."""
