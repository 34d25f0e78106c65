"""What a running bridge bears: `bridge serve` in processes of its own, senders and readers in this one."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from sqlalchemy import Connection

from bridge.bench.row import Row, compared, percentile
from bridge.bench.stage import Post, Stage, bridge_process, client, signed_posts, stage
from bridge.cli.assemble import assemble
from bridge.config import load_settings
from bridge.demo import BRIDGE, HUB, POLICE, tls_of
from bridge.flow.jobs import make_worker
from bridge.ids import Key, Oin
from bridge.simulate import Hub, HubSettings
from bridge.store.channels import resume
from bridge.store.exchanges import open_exchange
from bridge.store.keys import KeyMaker
from bridge.store.resources import put_resource
from bridge.store.rows import (
    Exchange,
    ExchangeDirection,
    ExchangeState,
)
from bridge.store.unit import Store

RESOURCE_TYPE = "melding"
_REST_SECONDS = 300.0
_RESTING = 0.05
"""Processor seconds in a second: a bridge at rest looks at its queue now and then."""
_PUBLISHING_SECONDS = 30.0
"""What was not offered by then is not counted; the row says how many were."""


async def receiving(folder: Path, *, count: int, senders: int) -> tuple[Row, ...]:
    """Synchronous against asynchronous acknowledgment (DK-153): one process, the same messages a second.

    The processor time of the bridge until all is done, posted acknowledgments included, tells the two apart on a busy
    machine too.
    """
    found, spent = [], []
    for name, sync in (
        ("acknowledgment by a POST of its own", False),
        ("acknowledgment in the answer", True),
    ):
        async with stage(_below(folder, name), sync=sync) as scene:
            processor: list[float] = []
            speed = await _throughput(scene, count=count, senders=senders, processor=processor)
            found.append((name, speed))
            spent.append((f"{name}: processor time of a message", processor[0] / count * 1000))
    part = f"receive end to end, {senders} senders"
    return (*throughputs(part, found), *compared(part, "ms", spent))


async def with_workers(folder: Path, *, count: int, senders: int) -> tuple[Row, ...]:
    """One process against two that share the ports and the store (SOH-170)."""
    found = []
    for workers in (1, 2):
        async with stage(_below(folder, f"workers{workers}"), sync=True) as scene:
            speed = await _throughput(scene, count=count, senders=senders, workers=workers)
            found.append((f"--workers {workers}", speed))
    return throughputs(f"receive with workers, {senders} senders", found)


async def publishing(folder: Path, *, count: int) -> tuple[Row, ...]:
    """From stored messages to events that a simulated hub took, in one process with that hub."""
    async with stage(_below(folder, "publish"), sync=True) as scene:
        async with bridge_process(scene) as addresses, client(scene) as session:
            await send_all(session, addresses["partner"], signed_posts(scene.partner, count), senders=8)
        hub = Hub(HubSettings(tls=tls_of(scene.pki, HUB), in_progress=0))
        await hub.start()
        try:
            settings = load_settings(scene.config, environment={"BRIDGE__HUB__BASE_URL": hub.url})
            async with assemble(settings) as bridge:
                await bridge.store.write(lambda tx: resume(tx, "hub", at=bridge.now()))
                worker = make_worker(bridge, name="bench")
                begun = time.perf_counter()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PUBLISHING_SECONDS):
                        while len(hub.events) < count:
                            await worker.run_until_idle()
                            await asyncio.sleep(0.01)
                spent = time.perf_counter() - begun
        finally:
            await hub.stop()
    what = f"map and offer {len(hub.events)} messages"
    return (Row(part="publish", what=what, value=len(hub.events) / spent, unit="messages/s"),)


async def looking_up(folder: Path, *, count: int, readers: int) -> tuple[Row, ...]:
    """GET of a resource with its level 2 view, decision and processing log (SOH-166 to SOH-169)."""
    identifier = str(uuid.uuid4())
    async with stage(_below(folder, "lookup"), sync=True) as scene:
        _keep_resource(scene, identifier)
        async with bridge_process(scene) as addresses, client(scene) as session:
            url = f"{addresses['api'].rstrip('/')}/v1/inzage/{RESOURCE_TYPE}/{identifier}"

            async def get() -> bool:
                async with session.get(url, headers={"Accept": "application/json"}) as answer:
                    await answer.read()
                    return answer.status == 200

            await get()
            alone = await _run([get] * max(1, count // 5), places=1)
            together = await _run([get] * count, places=readers)
    return (*_lookup_rows("one reader", alone), *_lookup_rows(f"{readers} readers at once", together))


def _lookup_rows(load: str, found: tuple[list[float], int, float]) -> tuple[Row, ...]:
    """Beside the figures that the framework asks: one reader is a normal load, many at once are the peak."""
    times, errors, spent = found
    part, is_peak = f"look up a resource, {load}", load != "one reader"
    shares = (("median", 0.5), ("99th percentile", 0.99), ("99.9th percentile", 0.999))
    mean = Row(
        part=part,
        what="mean",
        value=sum(times) / len(times) * 1000,
        unit="ms",
        line="SOH-168" if is_peak else "SOH-167",
        figure=3000.0 if is_peak else 2000.0,
    )
    return (
        Row(
            part=part,
            what="throughput",
            value=len(times) / spent,
            unit="requests/s",
            errors=errors,
            line="SOH-169" if is_peak else None,
            figure=100.0 if is_peak else None,
        ),
        mean,
        *(
            Row(part=part, what=name, value=percentile(times, share) * 1000, unit="ms")
            for name, share in shares
        ),
        Row(
            part=part,
            what="maximum",
            value=times[-1] * 1000,
            unit="ms",
            line="SOH-168" if is_peak else "SOH-166",
            figure=3000.0 if is_peak else 200.0,
        ),
    )


async def _throughput(
    scene: Stage, *, count: int, senders: int, workers: int = 1, processor: list[float] | None = None
) -> tuple[float, list[float], int]:
    """Messages a second that were answered well, the times, and how many were not.

    With `processor` the seconds that the bridge worked for them are put there, once it has come to rest.
    """
    posts = signed_posts(scene.partner, count)
    async with bridge_process(scene, workers=workers) as addresses, client(scene) as session:
        await send_all(session, addresses["partner"], signed_posts(scene.partner, senders), senders=senders)
        before = await _at_rest(addresses.pid) if processor is not None else 0.0
        times, errors, spent = await send_all(session, addresses["partner"], posts, senders=senders)
        if processor is not None:
            processor.append(await _at_rest(addresses.pid) - before)
    return (count - errors) / spent, times, errors


async def _at_rest(pid: int) -> float:
    """The processor seconds of a process so far, as soon as it has nearly nothing to do any more."""
    async with asyncio.timeout(_REST_SECONDS):
        used = _processor_seconds(pid)
        while True:
            await asyncio.sleep(1.0)
            former, used = used, _processor_seconds(pid)
            if used - former < _RESTING:
                return used


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def send_all(
    session: aiohttp.ClientSession, url: str, posts: list[Post], *, senders: int
) -> tuple[list[float], int, float]:
    """Times in seconds, sorted, how many were not answered well, and how long all took together."""

    def sending(post: Post) -> Callable[[], Awaitable[bool]]:
        async def send() -> bool:
            head = {"Content-Type": post.content_type, "SOAPAction": '"ebXML"'}
            async with session.post(url, data=post.body, headers=head) as answer:
                await answer.read()
                return answer.status in (200, 202, 204)

        return send

    return await _run([sending(post) for post in posts], places=senders)


async def _run(
    calls: Iterable[Callable[[], Awaitable[bool]]], *, places: int
) -> tuple[list[float], int, float]:
    """Times in seconds, sorted, the number of calls that did not succeed, and how long all took together."""
    waiting, times, errors = iter(calls), [], 0

    async def one_place() -> None:
        nonlocal errors
        for call in waiting:
            begun = time.perf_counter()
            good = await call()
            times.append(time.perf_counter() - begun)
            errors += not good

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(places):
            group.create_task(one_place(), name=f"place {number}")
    return sorted(times), errors, time.perf_counter() - begun


def throughputs(part: str, found: list[tuple[str, tuple[float, list[float], int]]]) -> tuple[Row, ...]:
    """Of loads by name: messages a second with the ratio to the first, and how long the slowest hundredth waited."""
    speeds = compared(part, "messages/s", [(name, speed) for name, (speed, _, _) in found])
    waits = (
        Row(
            part=part,
            what=f"{name}: 99th percentile",
            value=percentile(times, 0.99) * 1000,
            unit="ms",
            errors=errors,
        )
        for name, (_, times, errors) in found
    )
    return (*speeds, *waits)


def _exchange(tx: Connection, key: Key, now: datetime) -> Key:
    open_exchange(
        tx,
        Exchange(
            key=key,
            direction=ExchangeDirection.TO_HUB,
            started_at=now,
            changed_at=now,
            partner=POLICE.oin,
            title="vtMelding",
            state=ExchangeState.DONE,
        ),
    )
    return key


def _keep_resource(scene: Stage, identifier: str) -> None:
    now, keys = datetime.now(UTC), KeyMaker()
    body = json.dumps({"body": {"omschrijving": "x" * 2000}, "levels": {"omschrijving": 2}})

    def work(tx: Connection) -> None:
        put_resource(
            tx,
            key=keys(now),
            exchange=_exchange(tx, keys(now), now),
            type=RESOURCE_TYPE,
            id=identifier,
            owner=Oin(BRIDGE.oin),
            body=body,
            at=now,
        )

    with Store.open(load_settings(scene.config).store.url, create=True) as store:
        store.write_sync(work)


def _below(folder: Path, name: str) -> Path:
    made = folder / name.replace(" ", "-")
    made.mkdir()
    return made
