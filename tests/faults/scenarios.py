"""What goes wrong, again and again, while messages go both ways. Each scenario ends with the trouble over; the
bridge that it leaves running, or else a new one, does the rest."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bridge.demo import BridgeDidNotStart
from bridge.store.engines import PATIENCE
from tests.faults.bounds import stop
from tests.postgres import Cluster

if TYPE_CHECKING:
    from tests.faults.harness import Stand

Scenario = Callable[["Stand"], Awaitable[None]]

DISK, PER_MESSAGE = 24 * 1024 * 1024, 160 * 1024
"""Octets of the small disk. The store of a harness run fits in it; the ballast that fills it up does not."""


async def nothing(_stand: Stand) -> None:
    """Most scenarios need no preparation."""


# --- killed


async def kill(stand: Stand) -> None:
    """kill -9 of the whole bridge, or of one of its processes and a second later of all."""
    for _ in range(stand.plan.kills):
        process = await stand.start()
        await stand.pause(0.3, 1.5)
        if stand.plan.workers == 1 or stand.chance.random() < 0.3:
            kill_all(process.pid)
        else:
            # One child of several: the others and its successor go on.
            os.kill(stand.chance.choice(_children(process.pid)), signal.SIGKILL)
            await stand.pause(0.5, 1.5)
            kill_all(process.pid)
        stand.report.kills += 1
        await process.wait()


def kill_all(pid: int) -> None:
    """The process and its children."""
    for each in (pid, *_children(pid)):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


# --- the disk


async def small_disk(stand: Stand) -> None:
    """Puts the store on a disk of its own. Raises OSError where that is not allowed."""
    folder = stand.scene.folder / "disk"
    folder.mkdir()
    size = DISK + PER_MESSAGE * stand.plan.messages
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    if done.returncode:
        raise OSError("a small disk cannot be mounted here: root is needed")
    stand.environment["BRIDGE__STORE__URL"] = f"sqlite:///{folder / 'bridge.sqlite3'}"


async def full_disk(stand: Stand) -> None:
    """The disk fills up with something else, and has room again."""
    disk = stand.scene.folder / "disk"
    await _while_serving(stand, lambda _: _fill(disk / "ballast"), lambda _: (disk / "ballast").unlink())


async def read_only_disk(stand: Stand) -> None:
    """The disk comes back for reading only after a stop, as after a fault; later it is mounted for writing again.

    (It cannot be made so under a running bridge: a mount with files open for writing stays as it is.)
    """
    disk = str(stand.scene.folder / "disk")
    for _ in range(stand.plan.kills):
        process = await stand.start()
        await stand.pause(0.5, 1.5)
        await stop(process)
        await asyncio.to_thread(_run, "mount", "-o", "remount,ro", disk)
        try:
            await stand.start()
        except BridgeDidNotStart:
            log = (stand.scene.folder / "bridge.log").read_text(encoding="utf-8", errors="replace")
            stand.report.notes.append(f"on the read-only disk it said: {log.strip().splitlines()[-1]}")
        await asyncio.to_thread(_run, "mount", "-o", "remount,rw", disk)
        stand.report.kills += 1


async def locked(stand: Stand) -> None:
    """Another process holds the write lock of the SQLite file for longer than the bridge is patient."""
    held: list[sqlite3.Connection] = []

    def hold(_bridge: Process) -> None:
        # Let go of by another thread than the one that took it, as the loop happens to have them.
        file = stand.scene.folder / "bridge.sqlite3"
        held.append(sqlite3.connect(file, isolation_level=None, timeout=30, check_same_thread=False))
        held[0].execute("BEGIN IMMEDIATE")

    def release(_bridge: Process) -> None:
        held.pop().close()

    try:
        await _while_serving(stand, hold, release, lasting=PATIENCE.total_seconds() + 2)
    finally:
        for connection in held:
            connection.close()


async def bound(stand: Stand) -> None:
    """As a full disk where none can be mounted: the process may write no file beyond some size."""
    size = 256 * 1024
    await _while_serving(
        stand, lambda bridge: _limit(bridge.pid, size), lambda bridge: _limit(bridge.pid, None)
    )


def _limit(pid: int, size: int | None) -> None:
    _run("prlimit", f"--pid={pid}", f"--fsize={size if size is not None else 'unlimited'}:unlimited")


def _fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)


# --- the database


async def own_database(stand: Stand) -> None:
    """Puts the store on a PostgreSQL server of its own. Raises OSError where there is none."""
    stand.database = await asyncio.to_thread(Cluster)
    await asyncio.to_thread(stand.database.start)
    stand.environment["BRIDGE__STORE__URL"] = stand.database.url


async def remove_database(stand: Stand) -> None:
    assert stand.database is not None, "it was made before"
    await asyncio.to_thread(stand.database.remove)


async def database_restarts(stand: Stand) -> None:
    """The PostgreSQL server is stopped without mercy, is away, and comes back."""
    database = stand.database
    assert database is not None, "it was made before"
    await _while_serving(stand, lambda _: database.crash(), lambda _: database.start())


# --- the network


GREETING = 6 * 1024
"""Octets of requests that a connection lets pass before it may be cut: in them TLS is agreed on, so that what breaks
off is the answer to something."""

REPORT = 4 * 1024
"""Half of a report, and more than an event: what a connection from a partner lets pass on top of that."""


class Line:
    """A line between two peers that can be cut in the middle of an answer. Octets pass through as they are."""

    def __init__(self, port: int, *, spare: int) -> None:
        """Each connection is let alone until so many octets of requests went over it."""
        self._to, self._spare = port, spare
        self._cut_after: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._was_cut = asyncio.Event()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        self._drop_all()

    async def cut(self, octets: int) -> None:
        """The next answer breaks off after so many octets, with every connection there is; returns when it did."""
        self._was_cut.clear()
        self._cut_after = octets
        await self._was_cut.wait()

    def _drop_all(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        asked = 0

        async def pass_requests() -> None:
            nonlocal asked
            while octets := await reader.read(16384):
                asked += len(octets)
                back.write(octets)
                await back.drain()
            back.close()

        async def pass_answers() -> None:
            while octets := await there.read(16384):
                if self._cut_after is not None and asked > self._spare:
                    writer.write(octets[: self._cut_after])
                    self._cut_after = None
                    self._drop_all()
                    self._was_cut.set()
                    return
                writer.write(octets)
                await writer.drain()
            writer.close()

        await asyncio.gather(pass_requests(), pass_answers(), return_exceptions=True)
        self._writers -= {writer, back}


async def cut_lines(stand: Stand) -> None:
    """The line from the partner and the line to the hub break off in turn, in the middle of answers."""
    to_hub = Line(int(stand.scene.hub.url.rpartition(":")[2]), spare=GREETING)
    stand.environment["BRIDGE__HUB__BASE_URL"] = f"https://localhost:{await to_hub.start()}"
    stand.stack.push_async_callback(to_hub.stop)
    await stand.start()
    host, _, port = stand.scene.partner.bridge_url.removesuffix("/ebms").rpartition(":")
    from_partner = Line(int(port), spare=GREETING + REPORT)
    stand.stack.push_async_callback(from_partner.stop)
    stand.scene.partner.bridge_url = f"{host}:{await from_partner.start()}/ebms"
    for _ in range(stand.plan.kills):
        await stand.in_traffic()
        line = (from_partner, to_hub)[stand.report.kills % 2]
        await line.cut(stand.chance.randrange(0, 200))
        stand.report.kills += 1


# --- what they share


async def _while_serving(
    stand: Stand, begin: Callable[[Process], None], end: Callable[[Process], None], *, lasting: float = 3.0
) -> None:
    """It goes wrong while reports come in, and the bridge gets well by itself before it goes wrong again."""
    bridge = await stand.start()
    for _ in range(stand.plan.kills):
        await stand.in_traffic()
        await asyncio.to_thread(begin, bridge)
        await asyncio.sleep(lasting)
        assert bridge.returncode is None, "the bridge bears it"
        stand.report.notes.append(f"while it went wrong the bridge said: {await _health(stand)}")
        await asyncio.to_thread(end, bridge)
        stand.report.kills += 1
        while not (await _health(stand)).startswith("200"):  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.2)
    log = (stand.scene.folder / "bridge.log").read_text(encoding="utf-8", errors="replace").splitlines()
    told = sum("store.unavailable" in line for line in log)
    stand.report.notes.append(f"the log told of the store {told} times; lines in all {len(log)}")


async def _health(stand: Stand) -> str:
    certs = stand.scene.folder / "certs"
    context = ssl.create_default_context(cafile=str(certs / "trust.pem"))
    context.load_cert_chain(certs / "hub.crt.pem", certs / "hub.key.pem")
    port = stand.environment["BRIDGE__API_LISTENER__PORT"]
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        session.get(f"https://localhost:{port}/health", ssl=context) as answer,
    ):
        document = await answer.json(content_type=None)
    reasons = [part["reden"] for part in document.get("componenten", ()) if "reden" in part]
    return f"{answer.status} {'; '.join(reasons) or document.get('status')}"


def _run(*command: str) -> None:
    program = shutil.which(command[0])
    assert program is not None, f"{command[0]} is not installed"
    subprocess.run([program, *command[1:]], check=True, capture_output=True)


async def unmount(stand: Stand) -> None:
    _run("umount", str(stand.scene.folder / "disk"))


SCENARIOS: Mapping[str, Scenario] = {
    "kill": kill,
    "full-disk": full_disk,
    "read-only-disk": read_only_disk,
    "bound-file": bound,
    "locked-file": locked,
    "database-restarts": database_restarts,
    "cut-lines": cut_lines,
}

PREPARE: Mapping[str, Scenario] = {
    "full-disk": small_disk,
    "read-only-disk": small_disk,
    "database-restarts": own_database,
}
AFTER: Mapping[str, Scenario] = {
    "full-disk": unmount,
    "read-only-disk": unmount,
    "database-restarts": remove_database,
}
