"""The fault harness: many messages both ways while processes are killed at random, and then the counts.

In CI it runs short, as a test. By hand it runs long:

    python -m tests.faults.harness --messages 2000 --kills 100 [--workers 4] [--store postgresql+psycopg://...]

It asserts nothing itself: it gives a `Report`, and the caller says what must hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bridge.config import load_settings
from bridge.demo import SAMPLE, Scene, addresses_of, stage, start_bridge
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.rows import ExchangeState
from bridge.store.unit import Store

SENDERS = 8
"""Reports under way at the same time."""

PATIENT = 5000
"""Retries that both sides agree on: the bridge is away for longer than a usual agreement bears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do to the bridge. Everything that is drawn is drawn from `seed`."""

    messages: int
    kills: int
    workers: int = 1
    store: str | None = None
    """URL of the store; None: SQLite in the folder."""
    seed: int = 1
    within: float = 120.0
    """Seconds, for everything to come to rest after the last kill."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What the peers saw. A fact is a subject: one report and its answer."""

    sent: int = 0
    acknowledged: int = 0
    kills: int = 0
    offers: Counter[str] = field(default_factory=Counter)
    """Event id → how often it was offered to the hub."""
    altered: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    """Subject → how many different events reported it."""
    answers: Counter[str] = field(default_factory=Counter)
    """Subject → how many different answers the partner got."""
    unfinished: int = 0
    attention: int = 0

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"reports sent {self.sent}, acknowledged {self.acknowledged}, kill -9 {self.kills} times",
            f"events at the hub {len(self.offers)}, offered twice {sum(c > 1 for c in self.offers.values())}, "
            f"with other octets {self.altered}",
            f"subjects with one event {sum(c == 1 for c in self.facts.values())}, with more "
            f"{sum(c > 1 for c in self.facts.values())}",
            f"subjects with one answer at the partner {sum(c == 1 for c in self.answers.values())}, with more "
            f"{sum(c > 1 for c in self.answers.values())}",
            f"exchanges unfinished {self.unfinished}, needing a person {self.attention}",
        ]


async def run(plan: Plan, folder: Path) -> Report:
    """Send, kill, restart, wait for rest, count."""
    chance = random.Random(plan.seed)
    report = Report(sent=plan.messages)
    environment = {"BRIDGE__PARTNER_LISTENER__PORT": str(_free_port())}
    if plan.store:
        environment["BRIDGE__STORE__URL"] = plan.store
    async with stage(folder, retries=PATIENT) as scene:
        sending = asyncio.create_task(_send_all(plan, scene), name="send all")
        await _keep_killing(plan, scene, environment, chance, report)
        process = await start_bridge(scene.config, environment, workers=plan.workers)
        try:
            await addresses_of(process)
            report.acknowledged = await _count_acknowledged(scene, await sending, plan.within)
            await _come_to_rest(plan, scene, environment, report)
        finally:
            process.terminate()
            await process.wait()
        _count(scene, report)
    return report


def subject(number: int) -> str:
    return f"H-{number:06d}"


async def _keep_killing(
    plan: Plan, scene: Scene, environment: dict[str, str], chance: random.Random, report: Report
) -> None:
    for _ in range(plan.kills):
        process = await start_bridge(scene.config, environment, workers=plan.workers)
        scene.partner.bridge_url = (await addresses_of(process))["partner"]
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        if plan.workers == 1 or chance.random() < 0.3:
            for pid in (*_children(process.pid), process.pid):
                os.kill(pid, signal.SIGKILL)
        else:
            # One child of several: the others and its successor go on.
            os.kill(chance.choice(_children(process.pid)), signal.SIGKILL)
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            for pid in (process.pid, *_children(process.pid)):
                os.kill(pid, signal.SIGKILL)
        report.kills += 1
        await process.wait()


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


async def _send_all(plan: Plan, scene: Scene) -> list[str]:
    """Every report once; the partner itself repeats what was not acknowledged."""
    while not scene.partner.bridge_url:  # noqa: ASYNC110 - the first bridge to come up sets it
        await asyncio.sleep(0.02)
    sample, free, ids = SAMPLE.read_bytes(), asyncio.Semaphore(SENDERS), []

    async def send(number: int) -> None:
        async with free:
            name = subject(number).encode()
            payload = sample.replace(b"BVH-2026-000042", name).replace(b"demo-2026-11-000042", b"ref-" + name)
            sent = await scene.partner.send(payload, "vtMelding")
            ids.append(sent.message_id)
            await scene.partner.acknowledged(sent.message_id, plan.within)

    async with asyncio.TaskGroup() as group:
        for number in range(plan.messages):
            group.create_task(send(number), name=f"send {number}")
    return ids


async def _count_acknowledged(scene: Scene, ids: list[str], within: float) -> int:
    async def one(message_id: str) -> bool:
        await scene.partner.acknowledged(message_id, within)
        return True

    results = await asyncio.gather(*(one(message_id) for message_id in ids), return_exceptions=True)
    return sum(result is True for result in results)


async def _come_to_rest(plan: Plan, scene: Scene, environment: dict[str, str], report: Report) -> None:
    url = environment.get("BRIDGE__STORE__URL") or load_settings(scene.config, {}).store.url
    with Store.open(url) as store:

        async def unfinished() -> int:
            wanted = ExchangeFilter(state=ExchangeState.RUNNING)
            return len(await store.read(lambda tx: list_exchanges(tx, wanted, limit=1000)))

        try:
            async with asyncio.timeout(plan.within):
                while len(scene.partner.received) < plan.messages or await unfinished():  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pass
        report.unfinished = await unfinished()
        wanted = ExchangeFilter(state=ExchangeState.ATTENTION)
        report.attention = len(await store.read(lambda tx: list_exchanges(tx, wanted, limit=1000)))


def _count(scene: Scene, report: Report) -> None:
    for offer in scene.hub.events:
        report.offers[offer.id] += offer.count
        report.altered += offer.altered
        report.facts[offer.event["subject"]] += 1
    for message in scene.partner.received:
        text = message.payload.decode()
        found = next(part.split("<")[0] for part in text.split(":identificatieVtMelding>")[1:])
        report.answers[f"melding/{found}"] += 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Run from the command line and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--store")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plan = Plan(within=1800.0, **vars(options))
    with tempfile.TemporaryDirectory(prefix="bridge-faults-") as folder:
        report = asyncio.run(run(plan, Path(folder)))
    print("\n".join(report.lines()))


if __name__ == "__main__":
    main()
