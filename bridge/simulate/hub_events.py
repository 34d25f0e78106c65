"""What the simulated hub accepts as an event, and how it finds events again; no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_QUERY_MEMBERS = {
    "types": list,
    "sources": list,
    "subjects": list,
    "vanaf": str,
    "tot": str,
    "burgerservicenummer": str,
    "cursor": str,
    "maxAantal": int,
}

Event = Mapping[str, Any]


class Refused(Exception):
    """A request that the contract does not allow; `problems` are all of them, without any value."""

    def __init__(self, status: int, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.status = status
        self.problems = problems


@dataclass(slots=True, kw_only=True)
class Offer:
    """An event that was offered: how often, by whom, and what its status is going to say."""

    event: Event
    octets: bytes = field(repr=False)
    offered_by: str | None
    error: Mapping[str, Any] | None = None
    """The `resultaat` of status ERROR; None ends in OK."""
    count: int = 1
    altered: int = 0
    """How many of the repeated offers had other octets."""
    polls: int = 0

    @property
    def id(self) -> str:
        return str(self.event["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An event in the stream that all may pull."""

    position: int
    stored_at: datetime
    event: Event


@dataclass(slots=True, kw_only=True)
class Query:
    """A query as it was asked, with the number of times that it was fetched."""

    asked: Mapping[str, Any]
    fetched: int = 0


def read_event(octets: bytes) -> dict[str, Any]:
    """An event with every required member. Raises `Refused` with 400 and all problems."""
    event = _read_json(octets)
    problems = [] if event.get("specversion") == "1.0" else ["specversion must be 1.0"]
    for name in ("id", "source", "type", "time"):
        if not isinstance(event.get(name), str) or not event[name]:
            problems.append(f"{name} must be a non-empty text")
    if not isinstance(event.get("data"), dict):
        problems.append("data must be an object")
    if isinstance(event.get("time"), str) and not _is_moment(event["time"]):
        problems.append("time must be a date-time with an offset")
    if "subject" in event and (not isinstance(event["subject"], str) or not event["subject"]):
        problems.append("subject must be a non-empty text")
    if problems:
        raise Refused(400, *problems)
    return event


def read_query(octets: bytes) -> dict[str, Any]:
    """Raises `Refused` with 400."""
    asked = _read_json(octets)
    problems = [f"{name} is unknown" for name in asked if name not in _QUERY_MEMBERS]
    problems += [
        f"{name} is not of the right kind"
        for name, kind in _QUERY_MEMBERS.items()
        if name in asked and (not isinstance(asked[name], kind) or isinstance(asked[name], bool))
    ]
    problems += [
        f"{name} must hold texts only"
        for name in ("types", "sources", "subjects")
        if isinstance(asked.get(name), list) and not all(isinstance(item, str) for item in asked[name])
    ]
    problems += [
        f"{name} must be a date-time with an offset"
        for name in ("vanaf", "tot")
        if isinstance(asked.get(name), str) and not _is_moment(asked[name])
    ]
    if not str(asked.get("cursor", "0")).isdecimal():
        problems.append("cursor is not one of ours")
    if problems:
        raise Refused(400, *problems)
    return asked


def select(stream: list[Stored], asked: Mapping[str, Any], *, limit: int) -> tuple[list[Stored], int, bool]:
    """The events a query finds, the cursor after them, and whether there are more."""
    cursor = int(asked.get("cursor", "0"))
    limit = max(1, min(limit, asked.get("maxAantal", limit)))
    found: list[Stored] = []
    for stored in stream[cursor:]:
        if _fits(stored, asked):
            if len(found) == limit:
                return found, found[-1].position, True
            found.append(stored)
    return found, len(stream), False


def _fits(stored: Stored, asked: Mapping[str, Any]) -> bool:
    event = stored.event
    bsn = asked.get("burgerservicenummer")
    return (
        ("types" not in asked or any(_type_fits(event["type"], wanted) for wanted in asked["types"]))
        and ("sources" not in asked or event["source"] in asked["sources"])
        and ("subjects" not in asked or event.get("subject") in asked["subjects"])
        and ("vanaf" not in asked or stored.stored_at >= datetime.fromisoformat(asked["vanaf"]))
        and ("tot" not in asked or stored.stored_at < datetime.fromisoformat(asked["tot"]))
        and (bsn is None or bsn in _persons(event["data"]))
    )


def _type_fits(event_type: str, wanted: str) -> bool:
    return event_type.startswith(wanted[:-1]) if wanted.endswith("*") else event_type == wanted


def _persons(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in ("bsn", "burgerservicenummer", "soh:burgerservicenummer"):
                yield str(value)
            else:
                yield from _persons(value)
    elif isinstance(node, list):
        for item in node:
            yield from _persons(item)


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _read_json(octets: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a member occurs twice")
        return dict(pairs)

    def refuse(_: str) -> None:
        raise ValueError("not a JSON number")

    try:
        read = json.loads(octets.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as broken:
        raise Refused(400, "the body is not valid JSON") from broken
    if not isinstance(read, dict):
        raise Refused(400, "the body is not a JSON object")
    return read
