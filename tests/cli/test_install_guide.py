"""The guide for the first day is true: whoever types what it says has a bridge that takes a report and answers it."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "install.md"
_BLOCK = re.compile(r"(?:<!-- (?P<way>own terminal|not run) -->\n)?```sh\n(?P<text>.*?)```", re.DOTALL)
_PORTS = ("8443", "8444", "8080", "9443", "9444", "9453", "9454")
_PATIENCE = 120.0


@dataclass(kw_only=True)
class Terminals:
    """One shell after the other in a folder, and the programs that stay open beside them."""

    folder: Path
    environment: dict[str, str]
    ports: dict[str, str]
    """Ports of the guide, and the free ones that stand for them."""
    open: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, commands: str) -> str:
        done = subprocess.run(
            self._shell(commands),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            timeout=_PATIENCE,
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, f"{commands}\n{said}"
        return said

    def keep_open(self, commands: str) -> None:
        """Until it prints its first line, by which it says that it is ready."""
        with (self.folder / f"terminal-{len(self.open)}.log").open("wb") as log:
            process = subprocess.Popen(
                self._shell(f"exec {commands}"),
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.open.append(process)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
        assert ready and process.stdout.readline(), f"{commands}\n{Path(log.name).read_text()[-2000:]}"

    def _shell(self, commands: str) -> list[str]:
        text = re.sub("|".join(self.ports), lambda port: self.ports[port[0]], commands)
        return ["bash", "-euo", "pipefail", "-c", text]


@contextmanager
def terminals(folder: Path) -> Iterator[Terminals]:
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BRIDGE")},
        "SRC": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BRIDGE__PARTNER_LISTENER__PORT": ports["8443"],
        "BRIDGE__PARTNER_LISTENER__HOST": "127.0.0.1",
        "BRIDGE__API_LISTENER__PORT": ports["8444"],
        "BRIDGE__CONSOLE__PORT": ports["8080"],
        "BRIDGE__HUB__PULL__INTERVAL_SECONDS": "1",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    found = Terminals(folder=folder, environment=environment, ports=ports)
    try:
        yield found
    finally:
        for process in found.open:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=_PATIENCE)


def _free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands of each block printed, typed in an empty folder; one that fails ends the test."""
    said = {}
    with terminals(tmp_path_factory.mktemp("brug")) as terminal:
        for block in _BLOCK.finditer(GUIDE.read_text(encoding="utf-8")):
            if block["way"] == "own terminal":
                terminal.keep_open(block["text"])
            elif block["way"] is None:
                said[block["text"]] = terminal.run(block["text"])
    return said


def printed_by(typed: dict[str, str], command: str) -> str:
    (found,) = [said for commands, said in typed.items() if command in commands]
    return found


def test_report_of_the_guide_travels_and_its_answer_comes_back(typed: dict[str, str]) -> None:
    said = printed_by(typed, "bridge exchange list")
    assert '"action": "vtTerugkoppeling"' in said
    assert re.findall(r"to-\w+ +(\w+)", said) == ["done", "done", "done"]


def test_check_of_the_guide_finds_no_error(typed: dict[str, str]) -> None:
    assert "The bridge can start" in printed_by(typed, "bridge check")


def test_agreement_of_the_guide_stands_out_by_its_ports_alone(typed: dict[str, str]) -> None:
    said = printed_by(typed, "bridge cpa import")
    assert set(re.findall(r"^warning +(\S+)", said, re.MULTILINE)) == {"port"}


def test_first_account_of_the_guide_gets_a_password(typed: dict[str, str]) -> None:
    assert re.search(r"password +\S{10}", printed_by(typed, "bridge account add beheer --role"))
