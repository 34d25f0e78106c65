"""What goes wrong, again and again, while messages go both ways. Each scenario ends with the trouble over and no
bridge running."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bridge.demo import BridgeDidNotStart

if TYPE_CHECKING:
    from tests.faults.harness import Stand

Scenario = Callable[["Stand"], Awaitable[None]]

DISK = 24 * 1024 * 1024
"""Of the small disk. The store of a harness run fits in it; the ballast that fills it up does not."""


async def nothing(_stand: Stand) -> None:
    """Most scenarios need no preparation."""


# --- killed


async def kill(stand: Stand) -> None:
    """kill -9 of the whole bridge, or of one of its processes and a second later of all."""
    for _ in range(stand.plan.kills):
        process = await stand.start()
        await stand.pause(0.3, 1.5)
        if stand.plan.workers == 1 or stand.chance.random() < 0.3:
            _kill_all(process.pid)
        else:
            # One child of several: the others and its successor go on.
            os.kill(stand.chance.choice(_children(process.pid)), signal.SIGKILL)
            await stand.pause(0.5, 1.5)
            _kill_all(process.pid)
        stand.report.kills += 1
        await process.wait()


def _kill_all(pid: int) -> None:
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
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    if done.returncode:
        raise OSError("a small disk cannot be mounted here: root is needed")
    stand.environment["BRIDGE__STORE__URL"] = f"sqlite:///{folder / 'bridge.sqlite3'}"


async def full_disk(stand: Stand) -> None:
    """The disk fills up with something else, and has room again."""
    disk = stand.scene.folder / "disk"
    await _while_serving(stand, lambda: _fill(disk / "ballast"), lambda: (disk / "ballast").unlink())


async def read_only_disk(stand: Stand) -> None:
    """The disk comes back for reading only after a stop, as after a fault; later it is mounted for writing again.

    (It cannot be made so under a running bridge: a mount with files open for writing stays as it is.)
    """
    disk = str(stand.scene.folder / "disk")
    for _ in range(stand.plan.kills):
        process = await stand.start()
        await stand.pause(0.5, 1.5)
        process.terminate()
        await process.wait()
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

    def hold() -> None:
        file = stand.scene.folder / "bridge.sqlite3"
        held.append(sqlite3.connect(file, isolation_level=None, timeout=30))
        held[0].execute("BEGIN IMMEDIATE")

    def release() -> None:
        held.pop().close()

    await _while_serving(stand, hold, release, lasting=12.0)


async def bound(stand: Stand) -> None:
    """As a full disk where none can be mounted: the process may write no file beyond some size."""
    size = 256 * 1024
    for _ in range(stand.plan.kills):
        process = await stand.start()
        await stand.pause(0.5, 1.5)
        _limit(process.pid, size)
        await stand.pause(2.0, 3.0)
        await _look(stand, process)
        _limit(process.pid, None)
        stand.report.kills += 1
        await stand.pause(1.0, 2.0)
        process.terminate()
        await process.wait()


def _limit(pid: int, size: int | None) -> None:
    _run("prlimit", f"--pid={pid}", f"--fsize={size if size is not None else 'unlimited'}:unlimited")


def _fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)


# --- the database


async def database_restarts(stand: Stand) -> None:
    """The PostgreSQL server is stopped without mercy, is away, and comes back (`BRIDGE_TEST_PG_CTL`)."""
    command = os.environ["BRIDGE_TEST_PG_CTL"]
    await _while_serving(
        stand, lambda: _run("sh", "-c", f"{command} stop"), lambda: _run("sh", "-c", f"{command} start")
    )


# --- the network


class Line:
    """A line between two peers that can be cut in the middle of an answer. Octets pass through as they are."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._cut_after: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        self._drop_all()

    def cut(self, octets: int) -> None:
        """The next answer breaks off after so many octets, with every connection there is."""
        self._cut_after = octets

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
        with suppress(OSError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back, answers=False), name="request")
                group.create_task(self._pump(there, writer, answers=True), name="answer")
        self._writers -= {writer, back}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while octets := await reader.read(16384):
                if answers and self._cut_after is not None:
                    writer.write(octets[: self._cut_after])
                    self._cut_after = None
                    self.cuts += 1
                    self._drop_all()
                    return
                writer.write(octets)
                await writer.drain()
        with suppress(OSError):
            writer.close()


async def cut_lines(stand: Stand) -> None:
    """The lines from the partner and to the hub break off in the middle of answers."""
    process = await stand.start()
    host, _, port = stand.scene.partner.bridge_url.removesuffix("/ebms").rpartition(":")
    line = Line(int(port))
    stand.scene.partner.bridge_url = f"{host}:{await line.start()}/ebms"
    try:
        while stand.report.kills < stand.plan.kills:
            line.cut(stand.chance.randrange(0, 200))
            await stand.pause(0.2, 0.6)
            stand.report.kills = line.cuts
    finally:
        await line.stop()
        process.terminate()
        await process.wait()


# --- what they share


async def _while_serving(
    stand: Stand, begin: Callable[[], None], end: Callable[[], None], *, lasting: float = 3.0
) -> None:
    process = await stand.start()
    try:
        for _ in range(stand.plan.kills):
            await stand.pause(0.5, 1.5)
            await asyncio.to_thread(begin)
            await asyncio.sleep(lasting)
            await _look(stand, process)
            await asyncio.to_thread(end)
            stand.report.kills += 1
    finally:
        process.terminate()
        await process.wait()
    log = (stand.scene.folder / "bridge.log").read_text(encoding="utf-8", errors="replace").splitlines()
    told = sum("store.unavailable" in line for line in log)
    stand.report.notes.append(f"the log told of the store {told} times; lines in all {len(log)}")


async def _look(stand: Stand, process: asyncio.subprocess.Process) -> None:
    """What a poller with a certificate is told of the bridge in trouble."""
    assert process.returncode is None, "the bridge bears it"
    stand.report.notes.append(f"while it went wrong the bridge said: {await _health(stand)}")


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

PREPARE: Mapping[str, Scenario] = {"full-disk": small_disk, "read-only-disk": small_disk}
AFTER: Mapping[str, Scenario] = {"full-disk": unmount, "read-only-disk": unmount}
