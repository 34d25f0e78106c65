"""Receiving beside few and beside many stored messages, and how long the lists and the pages of the console wait.

Both stores are there at once, each with a bridge of its own, and get the same load in turns: so what else the machine
does falls on both.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from sqlalchemy import create_engine, make_url
from sqlalchemy.schema import CreateSchema

from bridge.bench.fill import fill
from bridge.bench.lists import listing
from bridge.bench.load import send_all, throughputs
from bridge.bench.pages import paging
from bridge.bench.row import Row
from bridge.bench.stage import Running, Stage, bridge_process, client, signed_posts, stage
from bridge.config import load_settings
from bridge.store.unit import Store

FEW = 1000

ROUNDS = 6
"""Of sending to one store and to the other, each time the other one first."""


@dataclass(slots=True, kw_only=True)
class _Side:
    """A store with its bridge, and how it fared so far."""

    name: str
    scene: Stage
    addresses: Running
    session: aiohttp.ClientSession
    lists: tuple[Row, ...]
    times: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0

    async def receive(self, count: int, *, senders: int) -> None:
        posts = signed_posts(self.scene.partner, count)
        times, errors, seconds = await send_all(
            self.session, self.addresses["partner"], posts, senders=senders
        )
        self.times += times
        self.errors += errors
        self.seconds += seconds

    def forget(self) -> None:
        self.times, self.errors, self.seconds = [], 0, 0.0


async def with_stored(
    folder: Path, *, count: int, senders: int, stored: int, database: str | None
) -> tuple[Row, ...]:
    """The same load with few and with many messages in the store; then every list and page with many."""
    each = max(1, count // ROUNDS)
    async with AsyncExitStack() as stack:
        sides = [await stack.enter_async_context(_side(folder, number, database)) for number in (FEW, stored)]
        for side in sides:
            await side.receive(senders, senders=senders)
            side.forget()
        for turn in range(ROUNDS):
            for side in sides if turn % 2 == 0 else reversed(sides):
                await side.receive(each, senders=senders)
        many = sides[-1]
        pages = await paging(many.addresses["console"], stored=stored)
    found = [(side.name, (len(side.times) / side.seconds, sorted(side.times), side.errors)) for side in sides]
    return (
        *throughputs(f"receive beside stored messages, {senders} senders", found),
        *many.lists,
        *pages,
    )


@asynccontextmanager
async def _side(folder: Path, number: int, database: str | None) -> AsyncIterator[_Side]:
    below = folder / f"stored{number}"
    below.mkdir()
    url = None if database is None else _own_schema(database, f"stored{number}")
    async with stage(below, sync=True, store=url) as scene:
        with Store.open(load_settings(scene.config, scene.environment).store.url, create=True) as store:
            now = datetime.now(UTC)
            fill(store, number, now=now)
            lists = listing(store, stored=number, now=now)
        async with bridge_process(scene) as addresses, client(scene) as session:
            name = f"{number} stored messages"
            yield _Side(name=name, scene=scene, addresses=addresses, session=session, lists=lists)


def _own_schema(database: str, name: str) -> str:
    """A place of its own for a store in this PostgreSQL database. It stays; the database is for measuring."""
    url = make_url(database)
    schema = f"{name}_{os.getpid()}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(CreateSchema(schema))
    engine.dispose()
    own = url.update_query_dict({"options": f"-csearch_path={schema}"})
    return own.render_as_string(hide_password=False)
