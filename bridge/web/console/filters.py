"""The filters of a list, as they stand in the address of the page: read strictly, written back the same.

The command line takes the same filters by the same names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import Connection

from bridge.hub.bsn import is_bsn
from bridge.ids import Key
from bridge.store.exchanges import ExchangeFilter, find_exchanges
from bridge.store.rows import Exchange, ExchangeDirection, ExchangeState

NAMES = ("q", "state", "direction", "partner", "type", "since", "until")
"""Every filter, in the order in which an address has them."""

LONGEST = 200
_MOST_LOOKS = 10

_MAYBE_BSN = re.compile(
    r"(?<![\w@])(?:\d{9}|\d{3}[ .-]\d{3}[ .-]\d{3}|\d{4}[ .-]\d{2}[ .-]\d{3})(?![\w@])", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A filter that cannot be used: the end of its catalogue key `filter.bad_…`, and which filter."""

    what: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list must show. `text` is an id or subject as a whole; `values` what was typed, for the form."""

    text: str | None = None
    exchanges: ExchangeFilter = field(default_factory=ExchangeFilter)
    values: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def href(self, path: str = "/exchanges", **changes: str | None) -> str:
        """The address of the list with these filters, some of them changed (None: without it)."""
        merged: dict[str, str | None] = {**self.values, **changes}
        query = urlencode({name: text for name, text in merged.items() if text})
        return f"{path}?{query}" if query else path


def read_filters(query: Mapping[str, str], *, zone: tzinfo) -> Wanted:
    """Read the filters from the parameters of an address; every one that is wrong is a problem.

    Local times without an offset are in `zone`. What may be a BSN is refused and is in no value.
    """
    values = {name: query.get(name, "").strip() for name in NAMES}
    problems = [Problem(what="long", name=name) for name, text in values.items() if len(text) > LONGEST]
    problems += [Problem(what="signs", name=name) for name, text in values.items() if not text.isprintable()]
    problems += [Problem(what="bsn", name=name) for name, text in values.items() if may_be_bsn(text)]
    values = {name: text for name, text in values.items() if name not in {p.name for p in problems}}
    moments = {name: _time(values.get(name), zone) for name in ("since", "until")}
    problems += [
        Problem(what="time", name=name) for name, at in moments.items() if values.get(name) and at is None
    ]
    if values.get("state") and values["state"] not in set(ExchangeState):
        problems.append(Problem(what="state", name="state"))
    if values.get("direction") and values["direction"] not in set(ExchangeDirection):
        problems.append(Problem(what="direction", name="direction"))
    values = {name: text for name, text in values.items() if text and name not in {p.name for p in problems}}
    return Wanted(
        text=values.get("q"),
        exchanges=ExchangeFilter(
            state=ExchangeState(values["state"]) if "state" in values else None,
            direction=ExchangeDirection(values["direction"]) if "direction" in values else None,
            partner=values.get("partner"),
            title=values.get("type"),
            since=moments["since"],
            until=moments["until"],
        ),
        values=values,
        problems=tuple(problems),
    )


def matches(exchange: Exchange, wanted: ExchangeFilter) -> bool:
    """Whether `list_exchanges` would show this exchange; for one that just changed."""
    return (
        wanted.state in (None, exchange.state)
        and wanted.direction in (None, exchange.direction)
        and wanted.partner in (None, exchange.partner)
        and wanted.title in (None, exchange.title)
        and (wanted.since is None or exchange.started_at >= wanted.since)
        and (wanted.until is None or exchange.started_at < wanted.until)
    )


def search(
    tx: Connection, text: str, wanted: ExchangeFilter, *, before: Key | None = None, limit: int
) -> tuple[Exchange, ...]:
    """The exchanges in which an id or subject occurs and that the filter lets through, newest first.

    The key of the last one is the next page's `before`. What the filter holds back costs a look, at most ten pages.
    """
    found: list[Exchange] = []
    for _ in range(_MOST_LOOKS):
        hits = find_exchanges(tx, text, before=before, limit=limit)
        found += (exchange for exchange in hits if matches(exchange, wanted))
        if len(hits) < limit or len(found) >= limit:
            break
        before = hits[-1].key
    return tuple(found[:limit])


def may_be_bsn(text: str) -> bool:
    """Whether the text holds a number that could be a BSN: it may not be in an address or a log."""
    found = (re.sub(r"\D", "", match) for match in _MAYBE_BSN.findall(text))
    return any(is_bsn(digits) for digits in found)


_STANDING = re.compile("[a-z]{1,20}(?:-[a-z]{1,20}){0,3}")


def read_key(text: str) -> Key | None:
    """A whole key in its one spelling, or None."""
    try:
        return Key(text) if str(UUID(text)) == text else None
    except ValueError:
        return None


def read_job_key(text: str) -> Key | None:
    """A key as `read_key`, or the name of a job that is there once for ever, such as `purge`."""
    return Key(text) if _STANDING.fullmatch(text) else read_key(text)


def parse_time(text: str, zone: tzinfo) -> datetime:
    """`2026-11-23` or `2026-11-23T10:15`, in `zone` unless an offset is given. Raises ValueError."""
    at = datetime.fromisoformat(text)
    aware = at if at.tzinfo else at.replace(tzinfo=zone)
    if not 1970 < aware.year < 2200:
        raise ValueError("a time between 1971 and 2200 is needed")
    return aware.astimezone(UTC)


def _time(text: str | None, zone: tzinfo) -> datetime | None:
    try:
        return parse_time(text, zone) if text else None
    except ValueError:
        return None
