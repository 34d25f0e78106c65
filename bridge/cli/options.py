"""The options that many commands share, spelled once."""

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bridge.ids import Key
from bridge.web.console.filters import parse_time, read_key

Config = Annotated[
    Path,
    typer.Option("--config", envvar="BRIDGE_CONFIG", help="Settings file (TOML).", show_default=True),
]
DEFAULT_CONFIG = Path("bridge.toml")

Json = Annotated[bool, typer.Option("--json", help="Print JSON: one document per line.")]

Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many, newest first.")]

Since = Annotated[
    str | None, typer.Option("--since", help="From this time on: 2026-11-23 or 2026-11-23T10:15.")
]
Until = Annotated[str | None, typer.Option("--until", help="Before this time.")]

Before = Annotated[
    str | None, typer.Option("--before", help="Only what is older than this key: the next page of a list.")
]


def read_moment(text: str | None, zone: ZoneInfo, option: str) -> datetime | None:
    """A time as the console's filters take it, in `zone` unless an offset is given. Raises BadParameter."""
    if text is None:
        return None
    try:
        return parse_time(text, zone)
    except ValueError as error:
        raise typer.BadParameter("write 2026-11-23 or 2026-11-23T10:15", param_hint=option) from error


def read_before(text: str | None) -> Key | None:
    """Where a page of a list goes on. Raises BadParameter."""
    if text is None:
        return None
    key = read_key(text)
    if key is None:
        raise typer.BadParameter("give a whole key, as the list before it ended with", param_hint="--before")
    return key
