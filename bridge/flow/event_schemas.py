"""Fetching the schemas of event data that events name, from the registry of the settings (SOH-87).

No event waits for it: what names a schema that is not here is judged without it and leaves its address behind
(`hub/registry.py`). Each process fetches for itself, and keeps what it got in memory and, if the settings say so, in
a folder, from which it is there again after a restart. After a while it is asked whether the schema changed; a
change is told and followed. Who wants to stay with what was has an offline copy, which always wins.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from bridge.hub.json import Json
from bridge.hub.registry import (
    MAX_SCHEMAS,
    FetchedSchema,
    MakeCheck,
    NoSchema,
    Schema,
    SchemaAnswer,
    SchemaRegistry,
    Unchanged,
)
from bridge.log import get_logger

_SECONDS: Final = 5.0
"""Between two looks at what is wanted."""

_AGAIN: Final = timedelta(minutes=5)
"""After a failure."""

_log = get_logger()


class GetSchema(Protocol):
    """Asks the registry; every failure is an answer."""

    async def __call__(self, uri: str, *, etag: str | None = None) -> SchemaAnswer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """When an address is asked again, and what was held of it, if anything."""

    due: datetime
    held: Schema | None = None


class SchemaKeeper:
    """Fetches what the registry wants, and hands it in."""

    def __init__(
        self,
        schemas: SchemaRegistry,
        get: GetSchema,
        *,
        make_check: MakeCheck,
        now: Callable[[], datetime],
        max_age: timedelta,
        folder: Path | None = None,
    ) -> None:
        """`make_check` raises ValueError for what is no schema. What the folder holds counts at once."""
        self._schemas, self._get, self._make_check = schemas, get, make_check
        self._now, self._max_age, self._folder = now, max_age, folder
        self._tried: dict[str, _Tried] = {}
        for schema in _read(folder) if folder else ():
            if self._take(schema):
                self._tried[schema.uri] = _Tried(due=now(), held=schema)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_SECONDS)

    async def look(self) -> None:
        """Fetch what is wanted and ask after what is old, one after the other. Raises nothing of the registry's."""
        wanted = self._schemas.wanted
        self._tried = {uri: one for uri, one in self._tried.items() if one.held or uri in wanted}
        for uri in dict.fromkeys((*wanted, *self._tried)):
            tried = self._tried.get(uri)
            if tried is None or tried.due <= self._now():
                self._tried[uri] = await self._ask(uri, tried.held if tried else None)

    async def _ask(self, uri: str, held: Schema | None) -> _Tried:
        answer = await self._get(uri, etag=held.etag if held else None)
        match answer:
            case FetchedSchema(document=document, etag=etag):
                return self._fetched(Schema(uri=uri, document=document, etag=etag), held)
            case Unchanged() if held:
                return _Tried(due=self._now() + self._max_age, held=held)
            case NoSchema(reason=reason):
                return self._failed(uri, held, reason)
            case _:
                return self._failed(uri, held, "it says that nothing changed, to a first question")

    def _fetched(self, schema: Schema, held: Schema | None) -> _Tried:
        if held is None or held.document != schema.document:
            if not self._take(schema):
                return self._failed(
                    schema.uri, held, f"it is no JSON Schema, or there are {MAX_SCHEMAS} already"
                )
            _log.info("schema.fetched" if held is None else "schema.changed", schema=schema.uri)
        if self._folder:
            _write(self._folder, schema)
        return _Tried(due=self._now() + self._max_age, held=schema)

    def _failed(self, uri: str, held: Schema | None, reason: str) -> _Tried:
        outcome = "the data is judged by what was fetched before" if held else "the data is not judged by it"
        _log.warning("schema.not_fetched", schema=uri, reason=reason, outcome=outcome)
        return _Tried(due=self._now() + _AGAIN, held=held)

    def _take(self, schema: Schema) -> bool:
        try:
            return self._schemas.learn(schema.uri, self._make_check(schema.document))
        except ValueError:
            return False


def _read(folder: Path) -> tuple[Schema, ...]:
    """What was kept; a file that cannot be read counts as not there and is fetched again."""
    found = []
    for path in sorted(folder.glob("*.json"))[:MAX_SCHEMAS]:
        try:
            found.append(_schema_in(json.loads(path.read_bytes())))
        except (OSError, ValueError, TypeError, KeyError):
            _log.warning("schema.copy_not_read", file=path.name, outcome="it is fetched again")
    return tuple(found)


def _schema_in(kept: Mapping[str, Any]) -> Schema:
    document: Mapping[str, Json] = kept["document"]
    if not isinstance(document, dict):
        raise TypeError("a schema is an object here")
    return Schema(uri=str(kept["uri"]), document=document, etag=kept["etag"])


def _write(folder: Path, schema: Schema) -> None:
    """As a whole or not at all: several processes may keep the same schema."""
    path = folder / f"{hashlib.sha256(schema.uri.encode()).hexdigest()}.json"
    part = path.with_suffix(f".{os.getpid()}.part")
    kept = {"uri": schema.uri, "etag": schema.etag, "document": schema.document}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        _log.warning("schema.copy_not_kept", schema=schema.uri, reason=error.strerror or type(error).__name__)
