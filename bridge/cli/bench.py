"""`bridge bench`: how fast this bridge is on this machine, as a table with ratios."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bridge.bench import load, speed
from bridge.bench.row import Row
from bridge.bench.stage import stage
from bridge.bench.stored import with_stored
from bridge.cli.options import Json
from bridge.cli.output import print_documents, print_table, tell
from bridge.cli.progress import progress
from bridge.log import configure_logging


class Part(StrEnum):
    """What can be measured."""

    READ = "read"
    MAP = "map"
    STORE = "store"
    RECEIVE = "receive"
    PUBLISH = "publish"
    STORED = "stored"
    LOOKUP = "lookup"
    WORKERS = "workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done in each part."""

    rounds: int
    writes: int
    messages: int
    lookups: int
    stored: int


QUICK = Size(rounds=3, writes=200, messages=60, lookups=500, stored=5_000)
FULL = Size(rounds=10, writes=2_000, messages=600, lookups=5_000, stored=100_000)


def bench(
    only: Annotated[
        list[Part] | None, typer.Option("--only", help="Only this part; may be given more than once.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small numbers: to see that it works, not to compare.")
    ] = False,
    senders: Annotated[int, typer.Option("--senders", min=1, max=256, help="Calls under way together.")] = 16,
    stored: Annotated[
        int | None,
        typer.Option("--stored", min=1001, help="Messages in the store for the part `stored`, against 1000."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            help="URL of an empty PostgreSQL database for the part `stored`; without it SQLite is used.",
        ),
    ] = None,
    lookups: Annotated[
        int | None,
        typer.Option("--lookups", min=1, help="Lookups in the part `lookup`: for ten minutes some 100 000."),
    ] = None,
    json: Json = False,
) -> None:
    """Measure this bridge on this machine. Everything it needs is made in a temporary folder and removed.

    Beside a value stands the figure that the framework asks, where it asks one. A ratio compares a line with the first
    of its part. Nothing is judged: exit code 0 says that it was measured.
    Example: bridge bench --quick --only read --only lookup
    """
    configure_logging(level=logging.CRITICAL)
    size = QUICK if quick else FULL
    size = replace(size, lookups=lookups or size.lookups)
    asyncio.run(_run(tuple(only or Part), size, senders, stored or size.stored, database, json))


async def _run(
    parts: tuple[Part, ...], size: Size, senders: int, stored: int, database: str | None, as_json: bool
) -> None:
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder,
        progress("Measuring", json=as_json) as told,
    ):
        for number, part in enumerate(parts):
            tell(f"measuring {part} ...")
            told("Parts measured", number, len(parts))
            below = Path(folder) / part
            below.mkdir()
            rows += [row async for row in _measure(part, below, size, senders, stored, database)]
    if as_json:
        print_documents(asdict(row) for row in rows)
        return
    print_table(
        ("part", "what", "value", "unit", "ratio", "asked", "errors"),
        [(r.part, r.what, _number(r.value), r.unit, _ratio(r), _asked(r), r.errors or "") for r in rows],
    )
    tell(
        f"{os.cpu_count()} processors, shared with the senders; a ratio is against the first line of its part"
    )


async def _measure(
    part: Part, folder: Path, size: Size, senders: int, stored: int, database: str | None
) -> AsyncIterator[Row]:
    found: tuple[Row, ...]
    match part:
        case Part.READ:
            async with stage(folder, sync=False) as scene:
                found = speed.reading(scene, rounds=size.rounds)
        case Part.MAP:
            found = tuple(speed.mapping(rounds=size.rounds))
        case Part.STORE:
            found = await speed.writing(folder, count=size.writes)
        case Part.RECEIVE:
            found = await load.receiving(folder, count=size.messages, senders=senders)
        case Part.PUBLISH:
            found = await load.publishing(folder, count=size.messages)
        case Part.STORED:
            found = await with_stored(
                folder, count=size.messages, senders=senders, stored=stored, database=database
            )
        case Part.LOOKUP:
            found = await load.looking_up(folder, count=size.lookups, readers=senders)
        case Part.WORKERS:
            found = await load.with_workers(folder, count=size.messages, senders=senders)
    for row in found:
        yield row


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _asked(row: Row) -> str:
    return "" if row.figure is None else f"{row.line} {_number(row.figure)}"


def _ratio(row: Row) -> str:
    return "" if row.ratio is None else f"{row.ratio:.2f} x"
