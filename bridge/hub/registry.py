"""Schemas of event data, by the address that `dataschema` gives: offline copies, and answers of a registry.

Which validator judges a schema is handed in, so that this room needs none. The one schema that is published
is checked by a function of our own: a PROV payload may never claim it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bridge.hub import syntax
from bridge.hub.answers import Answer, NoAnswer, find_object
from bridge.hub.event import Absent, Event
from bridge.hub.json import Json

FLAT_OUTCOME: Final = (
    "https://samen-onder-handbereik.github.io/specificaties/jsonschema/cloudevents/"
    "uitkomst-overleg.json#uitkomst-beschikbaar-gesteld"
)

Check: TypeAlias = Callable[[Json], tuple[str, ...]]
"""JSON pointers, within the data, of what does not satisfy the schema; empty is good."""
MakeCheck: TypeAlias = Callable[[Mapping[str, Json]], Check]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One version of a schema as it was fetched or configured."""

    uri: str
    document: Mapping[str, Json] = field(repr=False)
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The registry has nothing newer than what we hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSchema:
    """The registry gave none; that stops nothing (SOH-87)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedSchema:
    document: Mapping[str, Json] = field(repr=False)
    etag: str | None = None


SchemaAnswer: TypeAlias = FetchedSchema | Unchanged | NoSchema


class SchemaRegistry:
    """The schemas that the bridge knows; data under any other address is not judged."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = {FLAT_OUTCOME: check_flat_outcome, **checks}

    @classmethod
    def from_schemas(cls, schemas: tuple[Schema, ...], make_check: MakeCheck) -> SchemaRegistry:
        """The offline copies, each with the validator that `make_check` makes of it."""
        return cls({schema.uri: make_check(schema.document) for schema in schemas})

    def knows(self, uri: str) -> bool:
        return uri in self._checks

    def check(self, event: Event) -> tuple[str, ...]:
        """Pointers into the event where the data breaks the schema that it names; empty when not known."""
        check = self._checks.get(event.dataschema or "")
        if check is None or not event.holds_json or isinstance(event.data, Absent):
            return ()
        return tuple(f"/data{where}" for where in check(event.data))


def check_flat_outcome(data: Json) -> tuple[str, ...]:
    """The older flat data of an outcome: exactly a moment, a version and an address (hub.md, section 4.1)."""
    if not isinstance(data, dict):
        return ("",)
    rules: dict[str, Callable[[str], bool]] = {
        "datumPublicatie": lambda text: syntax.parse_timestamp(text) is not None,
        "versie": bool,
        "url": syntax.is_absolute_uri,
    }
    wrong = [f"/{name}" for name, good in rules.items() if not _is_good(data.get(name), good)]
    return tuple(wrong + [f"/{name}" for name in data if name not in rules])


def after_schema(answer: Answer | NoAnswer) -> SchemaAnswer:
    """What the registry gave."""
    if isinstance(answer, NoAnswer):
        return NoSchema(reason=answer.reason)
    if answer.status == 304:
        return Unchanged()
    document = find_object(answer) if answer.status == 200 else None
    if document is None:
        return NoSchema(reason=f"the schema registry answered status {answer.status} without a schema")
    return FetchedSchema(document=document, etag=answer.header("ETag"))


def _is_good(value: Json, good: Callable[[str], bool]) -> bool:
    return isinstance(value, str) and good(value)
