"""Schemas of event data, by the address that `dataschema` gives: offline copies, and those of a registry.

Which validator judges a schema is handed in, so that this room needs none. The one schema that is published
is checked by a function of our own: a PROV payload may never claim it.
"""

from __future__ import annotations

import re
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

MAX_SCHEMAS: Final = 200
"""So many addresses of the registry are known, and so many asked for, at most: an event of anybody can name one."""

_BELOW: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""Plain segments: nothing that a server or a proxy may read as another place."""

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
    """The schemas that the bridge knows; data under any other address is not judged.

    It asks nobody. An address below `base` that an event names and that is not known is kept in `wanted`, for
    whoever fetches; what was fetched is handed in by `learn`. An offline copy always wins.
    """

    def __init__(self, checks: Mapping[str, Check], *, base: str | None = None) -> None:
        """`base` is the address of a registry, below which schemas may be fetched."""
        self._own = {FLAT_OUTCOME: check_flat_outcome, **checks}
        self._fetched: dict[str, Check] = {}
        self._wanted: dict[str, None] = {}
        self._base = base

    @classmethod
    def from_schemas(
        cls, schemas: tuple[Schema, ...], make_check: MakeCheck, *, base: str | None = None
    ) -> SchemaRegistry:
        """The offline copies, each with the validator that `make_check` makes of it."""
        return cls({schema.uri: make_check(schema.document) for schema in schemas}, base=base)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Addresses that events named and that could be fetched, the longest waiting first."""
        return tuple(self._wanted)

    def knows(self, uri: str) -> bool:
        return uri in self._own or uri in self._fetched

    def learn(self, uri: str, check: Check) -> bool:
        """Judge by a schema that was fetched from now on. False: it is not taken.

        Not taken is what an offline copy stands for, what is not below the registry, and what is too many.
        """
        full = uri not in self._fetched and len(self._fetched) >= MAX_SCHEMAS
        if full or uri in self._own or not is_below(self._base, uri):
            return False
        self._fetched[uri] = check
        self._wanted.pop(uri, None)
        return True

    def misses(self, event: Event) -> bool:
        """Whether the event names a schema of the registry that is not here, so that its data is not judged.

        The address is remembered as wanted; of too many the one that waits longest is given up.
        """
        uri = event.dataschema
        if uri is None or self.knows(uri) or not is_below(self._base, uri):
            return False
        self._wanted[uri] = None
        if len(self._wanted) > MAX_SCHEMAS:
            self._wanted.pop(next(iter(self._wanted)), None)
        return True

    def check(self, event: Event) -> tuple[str, ...]:
        """Pointers into the event where the data breaks the schema that it names; empty when not known."""
        uri = event.dataschema or ""
        check = self._own.get(uri) or self._fetched.get(uri)
        if check is None or not event.holds_json or isinstance(event.data, Absent):
            return ()
        return tuple(f"/data{where}" for where in check(event.data))


def is_below(base: str | None, uri: str) -> bool:
    """Whether the address stands below the base: the same text, then plain segments and nothing else.

    No dots that climb, no escapes, no query and no fragment, so that nobody who names a schema can make the bridge
    ask another server or another path.
    """
    return base is not None and uri.startswith(base) and _BELOW.fullmatch(uri[len(base) :]) is not None


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
