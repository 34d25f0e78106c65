"""How long the pages of the console wait for a store with many messages: rendered, and read over HTTP.

Which pages there are is found as a visitor finds them: from the first page along every link.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp
from lxml import html

from bridge.bench.row import Row

MOST = 60
"""So many pages of one kind are asked."""

ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One page, as it was asked for."""

    address: str
    status: int
    milliseconds: float
    """In the best of some rounds."""


async def paging(console: str, *, stored: int) -> tuple[Row, ...]:
    """Of every kind of page the slowest one, and of all pages the slowest."""
    kinds: dict[str, list[Visit]] = defaultdict(list)
    async with aiohttp.ClientSession() as session:
        async for visit in visits(session, console):
            kinds[_kind(visit.address)].append(visit)
    part = f"pages of the console, {stored} stored messages"
    rows = [
        Row(
            part=part,
            what=f"{kind}: the slowest of {len(seen)}",
            value=max(visit.milliseconds for visit in seen),
            unit="ms",
            errors=sum(visit.status != 200 for visit in seen),
        )
        for kind, seen in sorted(kinds.items())
    ]
    slowest = max(row.value for row in rows)
    return (Row(part=part, what="the slowest page of all", value=slowest, unit="ms"), *rows)


async def visits(
    session: aiohttp.ClientSession, console: str, *, rounds: int = ROUNDS
) -> AsyncIterator[Visit]:
    """The first page and what can be reached from it. `console` is its address, with a slash at the end."""
    waiting, seen, taken = deque([console]), {console}, Counter[str]()
    while waiting:
        address = waiting.popleft()
        kind = _kind(address)
        taken[kind] += 1
        if taken[kind] > MOST:
            continue
        milliseconds, status, body = await _ask(session, address, rounds)
        yield Visit(address=address, status=status, milliseconds=milliseconds)
        for link in _links(console, address, body):
            if link not in seen:
                seen.add(link)
                waiting.append(link)


async def _ask(session: aiohttp.ClientSession, address: str, rounds: int) -> tuple[float, int, bytes]:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        async with session.get(address, allow_redirects=False) as answer:
            body = await answer.read()
        times.append(time.perf_counter() - begun)
    return min(times) * 1000, answer.status, body if answer.content_type == "text/html" else b""


def _links(console: str, page: str, body: bytes) -> Iterator[str]:
    """To other pages of the console: no files to take away, nothing that ends the visit."""
    if not body:
        return
    for anchor in html.document_fromstring(body).iter("a"):
        address = urljoin(page, anchor.get("href", "")).partition("#")[0]
        path = urlsplit(address).path
        if address.startswith(console) and not path.startswith(("/static/", "/log")) and "." not in path[-6:]:
            yield address


def _kind(address: str) -> str:
    """The path but for what comes after its first step, and whether there are filters."""
    parts = urlsplit(address)
    first, *rest = parts.path.removeprefix("/").split("/")
    return f"/{first}" + "/…" * len(rest) + (" ? …" if parts.query else "")
