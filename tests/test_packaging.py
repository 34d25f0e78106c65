"""What is shipped: the container's commands exist, the example settings load, the README names what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.config import load_settings

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def _command(instruction: str) -> list[str]:
    found = re.findall(rf"^{instruction}.*?(\[.*\])\s*$", DOCKERFILE, re.MULTILINE)
    command: list[str] = json.loads(found[-1])
    return command


@pytest.mark.parametrize("instruction", ["CMD", "HEALTHCHECK"])
def test_the_commands_of_the_container_are_commands_of_the_bridge(instruction: str) -> None:
    entry = _command("ENTRYPOINT")
    assert entry == ["bridge"]
    words = _command(instruction)
    verb = words[1] if words[0] == "bridge" else words[0]
    done = subprocess.run(
        [sys.executable, "-m", "bridge.cli.main", verb, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--config" in done.stdout


def test_the_container_does_not_run_as_root_and_keeps_config_and_data_as_volumes() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1] != "root"
    assert set(_command("VOLUME")) == {"/config", "/data"}


def test_what_the_container_copies_is_there() -> None:
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source


def test_the_example_settings_load() -> None:
    settings = load_settings(ROOT / "bridge.example.toml", environment={})
    assert settings.own_parties


def test_every_file_that_the_readme_names_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert linked
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_the_readme_says_on_its_first_screen_what_this_is_for_whom_and_the_two_commands() -> None:
    screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:30])
    for word in ("ebMS", "CloudEvents", "partner", "integrator", "operator", "./dev demo", "./dev test"):
        assert word in screen
