"""A PostgreSQL server of our own on loopback, for tests and for the fault harness."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from pwd import getpwnam
from typing import Any


class NoPostgres(OSError):
    """It is not installed here, or may not be run."""


class Cluster:
    """Started, it can be crashed and started again: what was committed is still there, under the same URL."""

    def __init__(self) -> None:
        """Makes the files. Raises NoPostgres."""
        self._binaries, self._someone = _binaries(), _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="bridge-pg-"))
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        if self._someone:
            os.chown(self._folder, self._someone["user"], self._someone["group"])
        init = [self._binaries / "initdb", "-D", self._folder / "cluster", "-U", "bridge", "-A", "trust"]
        self._run(*init, "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        """The database that is always there."""
        return f"postgresql+psycopg://bridge@127.0.0.1:{self._port}/postgres"

    @property
    def folder(self) -> Path:
        """Where all its files are, and its log."""
        return self._folder

    def start(self) -> None:
        """Returns when it takes connections."""
        settings = ["-k", self._folder, "-p", str(self._port), "-h", "127.0.0.1", "-F"]
        command = [self._binaries / "postgres", "-D", self._folder / "cluster", *settings]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*command, "-c", "max_connections=60"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **self._someone,
            )
        ready = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port), "-t", "1"]
        if not any(subprocess.run(ready, check=False).returncode == 0 for _ in range(600)):
            raise AssertionError((self._folder / "log").read_text())

    def crash(self) -> None:
        """Stop at once: connections break, and the next start recovers from the write-ahead log."""
        self._stop(signal.SIGQUIT)

    def remove(self) -> None:
        """Stop, and take the files away."""
        try:
            self._stop(signal.SIGINT)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _stop(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(how)
            server.wait(30)

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True, **self._someone)


def _binaries() -> Path:
    """The newest folder that holds both programs: a packaged one before what is in PATH. Raises NoPostgres."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    in_path = [Path(found).parent for found in [shutil.which("initdb")] if found]
    for folder in (*reversed(packaged), *in_path):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("no PostgreSQL: install the server")


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; then it runs as someone with less rights. Raises NoPostgres."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}
    raise NoPostgres("PostgreSQL does not run as root, and there is no user to run it as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
