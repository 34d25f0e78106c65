"""Reads the guide for integrators as a reader would: writes its files, types its commands, compares what is shown.

`python -m tests.cli.guide` writes what the commands show now into the guide; look at the difference before you commit.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.cli.main import main

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "integrator.md"
_BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


@dataclass
class Shown:
    """A command of the guide: what the guide shows, and what it printed now."""

    command: str
    wanted: str
    got: str
    code: int


def walk(text: str, folder: Path) -> Iterator[Shown]:
    """Does everything that the guide says, in an empty folder."""
    for block in _BLOCK.finditer(text):
        if block["file"]:
            path = folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "console":
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, _, wanted = part.partition("\n")
                got, code = _type(command, folder)
                yield Shown(command=command, wanted=wanted, got=got, code=code)


def matches(wanted: str, got: str) -> bool:
    """A line of three dots stands for anything that follows, at the end of a line for its rest."""
    lines = got.splitlines()
    for at, line in enumerate(wanted.splitlines()):
        if line == "…":
            return True
        if at >= len(lines) or not (
            lines[at] == line or (line.endswith("…") and lines[at].startswith(line[:-1]))
        ):
            return False
    return len(wanted.splitlines()) == len(lines)


def _type(command: str, folder: Path) -> tuple[str, int]:
    words = shlex.split(command.partition(" > ")[0])
    target = command.partition(" > ")[2].strip()
    if words[0] == "cp":
        (folder / words[2]).write_text((folder / words[1]).read_text(encoding="utf-8"), encoding="utf-8")
        return "", 0
    assert words[0] == "bridge", command
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words[1:])
    finally:
        os.chdir(before)
    if target:
        (folder / target).write_text(out.getvalue(), encoding="utf-8")
        out = io.StringIO()
    said = out.getvalue() + err.getvalue()
    return "\n".join(line.rstrip() for line in said.splitlines()) + ("\n" if said else ""), code


def _shortened(shown: Shown) -> str:
    """What is shown now, with the dots of the guide where it had them."""
    lines = shown.got.splitlines()
    if "…" in shown.wanted.splitlines():
        lines = [*lines[: shown.wanted.splitlines().index("…")], "…"]
    cut = {
        at: len(line) - 1
        for at, line in enumerate(shown.wanted.splitlines())
        if len(line) > 1 and line[-1] == "…"
    }
    return "".join(f"{line[: cut[at]]}…\n" if at in cut else f"{line}\n" for at, line in enumerate(lines))


if __name__ == "__main__":
    page = GUIDE.read_text(encoding="utf-8")
    os.environ |= {"NO_COLOR": "1", "COLUMNS": "110"}
    made, rest = "", page
    with tempfile.TemporaryDirectory() as place:
        for found in walk(page, Path(place)):
            before, _, rest = rest.partition(f"$ {found.command}\n{found.wanted}")
            made += f"{before}$ {found.command}\n{_shortened(found)}"
    page = made + rest
    GUIDE.write_text(page, encoding="utf-8")
