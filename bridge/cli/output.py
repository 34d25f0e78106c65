"""Printing: data to standard output, as a table or as JSON; talk to standard error."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.hub.bsn import mask_bsn_beside_ids
from bridge.told import without_told

PIPE_WIDTH = 200
"""Columns of a table that does not go to a terminal."""

TIMES = ("time", "due", "at", "since", "until", "from", "oldest", "oldest that runs", "last login", "begun")
"""Columns with times; the first of a table names the zone."""

_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
"""A time as a document for scripts has it."""

SHORT = frozenset({"time", "due", "way", "side", "state", "outcome"})
"""Columns that are never broken over lines."""

TONES = {
    "attention": "bold red",
    "parked": "bold red",
    "refused": "bold red",
    "failed": "bold red",
    "expired": "bold red",
    "error": "bold red",
    "quarantined": "bold red",
    "dead": "bold red",
    "waiting": "yellow",
    "running": "yellow",
    "unknown": "yellow",
    "offered": "yellow",
    "ready": "yellow",
}
"""Colours of states; every other state has none. Rich leaves them out for NO_COLOR and in a pipe."""


def print_documents(documents: Iterable[Mapping[str, Any]]) -> None:
    """One JSON document per line."""
    for document in documents:
        sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    fold: str | None = None,
    zone: ZoneInfo | None = None,
) -> None:
    """A table that fits the terminal: the column `fold` gives way first, by folding; nothing is cut off.

    With a `zone` its times are local, also those that come as UTC, and the first column of times names it.
    """
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True, header_style="bold"
    )
    named = next((name for name in columns if name in TIMES), None) if zone else None
    for name in columns:
        title = f"{name} ({zone})" if name == named else name
        table.add_column(title, overflow="fold", no_wrap=name in SHORT, ratio=1 if name == fold else None)
    for row in rows:
        table.add_row(*(cell(local_text(value, zone)) for value in row))
    stdout().print(table)


def print_facts(facts: Mapping[str, object], *, zone: ZoneInfo | None = None) -> None:
    """Names and values under each other; what is None or empty is left out. With a `zone` times are local."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, ""):
            table.add_row(Text(name), cell(local_text(value, zone)))
    if zone:
        table.add_row(Text("times are of"), cell(zone))
    stdout().print(table)


def local_text(value: object, zone: ZoneInfo | None) -> object:
    """A time of a document in this zone; anything else as it is."""
    if zone is None or not isinstance(value, str) or not _UTC.fullmatch(value):
        return value
    return local_time(datetime.fromisoformat(value), zone)


def print_heading(text: str) -> None:
    stdout().print(Text(f"\n{text}", style="bold"))


def print_line(text: str) -> None:
    """A line of prose, as long as it is."""
    stdout().print(Text(clean(text)), soft_wrap=True)


def tell(text: str) -> None:
    """Say something that is no data."""
    sys.stderr.write(clean(text) + "\n")


def cell(value: object) -> Text:
    """Never markup: ids come from outside. Neither a number of a person, after whom a partner may name its messages;
    what may show one comes as Text."""
    if isinstance(value, Text):
        return value
    text = clean("" if value is None else mask_bsn_beside_ids(without_told(str(value))))
    return Text(text, style=TONES.get(text, ""))


def clean(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def local_time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def short_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """Keys cut to the shortest beginning that tells them apart, at least as long as their time part."""
    length = next((n for n in range(13, 36) if len({key[:n] for key in keys}) == len(set(keys))), 36)
    return tuple(key[:length].rstrip("-") for key in keys)


def stdout() -> Console:
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
