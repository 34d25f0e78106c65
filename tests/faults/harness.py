"""The fault harness: many messages both ways while something goes wrong again and again, and then the counts.

In CI it runs short, as a test. By hand it runs long:

    python -m tests.faults.harness --messages 2000 --kills 100 [--workers 4] [--store postgresql+psycopg://...]
    python -m tests.faults.harness --scenario full-disk --messages 500 --kills 10

`--kills` is how often it goes wrong; what goes wrong is in `scenarios.py`. The harness asserts nothing itself: it
gives a `Report`, and the caller says what must hold.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import tempfile
import uuid
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bridge.config import load_settings
from bridge.demo import CPA_ID, SAMPLE, Scene, addresses_of, stage, start_bridge
from bridge.simulate.partner import DeliveryFailed
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.rows import ExchangeState
from bridge.store.unit import Store
from tests.faults import scenarios
from tests.faults.bounds import LONGEST, at_most, last_lines, stop
from tests.postgres import Cluster

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
    scenario: str = "kill"
    store: str | None = None
    """URL of the store; None: SQLite in the folder."""
    seed: int = 1
    within: float = 120.0
    """Seconds, for one report to be acknowledged, and for everything to come to rest after the last kill."""
    limit: float | None = LONGEST
    """Seconds for the whole; after these it is stopped, and raises Stuck."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What the peers saw. A fact is a report: there are two about each subject, one after the other."""

    sent: int = 0
    acknowledged: int = 0
    kills: int = 0
    left: list[int] = field(default_factory=list)
    """How many reports were not acknowledged yet, each time that it went wrong (where the scenario waits for it)."""
    offers: Counter[str] = field(default_factory=Counter)
    """Event id → how often it was offered to the hub."""
    altered: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    """Subject → how many different events reported it."""
    answers: Counter[str] = field(default_factory=Counter)
    """Subject → how many different answers the partner got."""
    in_order: dict[str, bool] = field(default_factory=dict)
    """Subject → whether its events came to the hub in the order in which its reports were sent."""
    answers_in_order: dict[str, bool] = field(default_factory=dict)
    """Subject → whether its answers came to the partner in the order of their events in the hub's stream."""
    notes: list[str] = field(default_factory=list)
    """What the scenario saw of the bridge while it went wrong."""
    unfinished: int = 0
    attention: int = 0

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"reports sent {self.sent}, acknowledged {self.acknowledged}, gone wrong {self.kills} times",
            *([f"reports not yet acknowledged when it went wrong: {self.left}"] if self.left else []),
            f"events at the hub {len(self.offers)}, offered twice {sum(c > 1 for c in self.offers.values())}, "
            f"with other octets {self.altered}",
            f"subjects with two events {sum(c == 2 for c in self.facts.values())}, with another number "
            f"{sum(c != 2 for c in self.facts.values())}",
            f"subjects with two reports in their order {sum(self.in_order.values())} of {len(self.in_order)}",
            f"subjects with two answers at the partner {sum(c == 2 for c in self.answers.values())}, with another "
            f"number {sum(c != 2 for c in self.answers.values())}",
            f"subjects with two answers in their order {sum(self.answers_in_order.values())} of "
            f"{len(self.answers_in_order)}",
            *self.notes,
            f"exchanges unfinished {self.unfinished}, needing a person {self.attention}",
        ]


@dataclass(slots=True, kw_only=True)
class Stand:
    """What a scenario works with. It may change `environment`, with which the bridge is started."""

    plan: Plan
    scene: Scene
    environment: dict[str, str]
    chance: random.Random
    report: Report
    stack: AsyncExitStack
    """What a scenario leaves behind, to be taken away at the end."""
    acknowledged: list[str] = field(default_factory=list)
    """Ids of the reports whose acknowledgment the partner has."""
    database: Cluster | None = None
    """The server under the store, where the scenario has one of its own."""
    _started: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> asyncio.subprocess.Process:
        """A bridge, ready; the partner sends to it."""
        process = await start_bridge(self.scene.config, self.environment, workers=self.plan.workers)
        self._started.append(process)
        self.scene.partner.bridge_url = (await addresses_of(process))["partner"]
        return process

    @property
    def running(self) -> asyncio.subprocess.Process | None:
        """The bridge that was started last, when it still runs."""
        last = self._started[-1] if self._started else None
        return last if last is not None and last.returncode is None else None

    async def pause(self, least: float, most: float) -> None:
        """Traffic goes on for a while."""
        await asyncio.sleep(self.chance.uniform(least, most))

    async def in_traffic(self) -> None:
        """Waits until so many reports are acknowledged that the troubles are spread over all of them, and notes how
        many are still to come."""
        wanted = self.plan.messages * (self.report.kills + 1) // (self.plan.kills + 2)
        while len(self.acknowledged) < wanted:  # noqa: ASYNC110 - counted by the senders
            await asyncio.sleep(0.01)
        self.report.left.append(self.plan.messages - len(self.acknowledged))

    def standing(self) -> str:
        """How far it is, for who waits in vain."""
        scene = self.scene
        return (
            f"{len(self.acknowledged)} of {self.plan.messages} reports acknowledged, {len(scene.hub.events)} events at "
            f"the hub, {len(scene.partner.received)} answers at the partner, gone wrong {self.report.kills} of "
            f"{self.plan.kills} times; {last_lines(scene.folder)}"
        )

    async def kill_leftovers(self) -> None:
        """After a failure too no bridge goes on."""
        for process in self._started:
            if process.returncode is None:
                scenarios.kill_all(process.pid)
                await process.wait()


async def run(plan: Plan, folder: Path) -> Report:
    """Send, kill, restart, wait for rest, count. Raises Stuck when that takes longer than the plan allows."""
    report = Report(sent=plan.messages)
    environment = {
        "BRIDGE__PARTNER_LISTENER__PORT": str(_free_port()),
        "BRIDGE__API_LISTENER__PORT": str(_free_port()),
    }
    if plan.store:
        environment["BRIDGE__STORE__URL"] = plan.store
    async with stage(folder, retries=PATIENT) as scene, AsyncExitStack() as stack:
        chance = random.Random(plan.seed)
        stand = Stand(
            plan=plan, scene=scene, environment=environment, chance=chance, report=report, stack=stack
        )
        await scenarios.PREPARE.get(plan.scenario, scenarios.nothing)(stand)
        stack.push_async_callback(scenarios.AFTER.get(plan.scenario, scenarios.nothing), stand)
        stack.push_async_callback(stand.kill_leftovers)
        sending = asyncio.create_task(_send_all(plan, stand), name="send all")
        stack.callback(sending.cancel)
        async with at_most(plan.limit, stand.standing):
            await scenarios.SCENARIOS[plan.scenario](stand)
            process = stand.running or await stand.start()
            await sending
            await _come_to_rest(plan, scene, environment, report)
            await stop(process)
        report.acknowledged = len(stand.acknowledged)
        _count(scene, report)
    return report


def subject(number: int) -> str:
    """Two reports one after the other are about the same."""
    return f"H-{number // 2:06d}"


def conversation(number: int) -> str:
    return f"conversation-{number:06d}"


async def _send_all(plan: Plan, stand: Stand) -> None:
    """Every report once; the partner itself repeats what was not acknowledged."""
    partner = stand.scene.partner
    while not partner.bridge_url:  # noqa: ASYNC110 - the first bridge to come up sets it
        await asyncio.sleep(0.02)
    sample, free = SAMPLE.read_bytes(), asyncio.Semaphore(SENDERS)

    async def send(number: int) -> None:
        async with free:
            name, reference = subject(number).encode(), f"ref-{number}".encode()
            payload = sample.replace(b"BVH-2026-000042", name).replace(b"demo-2026-11-000042", reference)
            sent = await partner.send(
                payload, "vtMelding", conversation_id=conversation(number), message_id=f"{number}@harness"
            )
            # What is not acknowledged in the end is seen by who counts.
            with suppress(DeliveryFailed, TimeoutError):
                await partner.acknowledged(sent.message_id, plan.within)
                stand.acknowledged.append(sent.message_id)

    async def send_pair(number: int) -> None:
        await send(number)
        await send(number + 1)

    async with asyncio.TaskGroup() as group:
        for number in range(0, plan.messages, 2):
            group.create_task(send_pair(number), name=f"send {number}")


async def _come_to_rest(plan: Plan, scene: Scene, environment: dict[str, str], report: Report) -> None:
    url = store_url(scene, environment)
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


def store_url(scene: Scene, environment: dict[str, str]) -> str:
    return environment.get("BRIDGE__STORE__URL") or load_settings(scene.config, {}).store.url


def _count(scene: Scene, report: Report) -> None:
    namespace = load_settings(scene.config, {}).identifiers.namespace
    named = {
        str(uuid.uuid5(namespace, f"conversation|{CPA_ID}|{conversation(number)}")): conversation(number)
        for number in range(report.sent)
    }
    reports: dict[str, list[str]] = defaultdict(list)
    answers: dict[str, list[str]] = defaultdict(list)
    received: dict[str, list[str]] = defaultdict(list)
    for offer in scene.hub.events:
        reports[offer.event["subject"]].append(named[offer.event["correlationid"]])
        report.offers[offer.id] += offer.count
        report.altered += offer.altered
        report.facts[offer.event["subject"]] += 1
    for stored in scene.hub.stream:
        if "causationid" in stored.event:
            answers[stored.event["subject"]].append(named[stored.event["correlationid"]])
    for message in scene.partner.received:
        text = message.payload.decode()
        found = next(part.split("<")[0] for part in text.split(":identificatieVtMelding>")[1:])
        report.answers[f"melding/{found}"] += 1
        received[f"melding/{found}"].append(message.conversation_id)
    report.in_order = {name: came == sorted(came) for name, came in reports.items()}
    report.answers_in_order = {name: received[name] == asked for name, asked in answers.items()}


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
    parser.add_argument("--scenario", choices=sorted(scenarios.SCENARIOS), default="kill")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--store")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plan = Plan(within=1800.0, limit=None, **vars(options))
    with tempfile.TemporaryDirectory(prefix="bridge-faults-") as folder:
        report = asyncio.run(run(plan, Path(folder)))
    print("\n".join(report.lines()))


if __name__ == "__main__":
    main()
