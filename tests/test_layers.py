"""Which way things point: every import of every module against the table of docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bridge"

EVERYWHERE = {"errors", "ids", "told"}
"""Modules that belong to no room: what all rooms share."""

MAY_IMPORT: dict[str, set[str]] = {
    "ebms": set(),
    "mapping": set(),
    "hub": set(),
    "inzage": {"hub"},
    "store": set(),
    "flow": {"ebms", "mapping", "hub", "inzage", "store", "config", "log", "metrics"},
    "web": {"ebms", "mapping", "hub", "inzage", "store", "flow", "config", "log", "metrics"},
    "cli": {
        "ebms",
        "mapping",
        "hub",
        "inzage",
        "store",
        "flow",
        "web",
        "config",
        "log",
        "metrics",
        "bench",
        "pki",
    },
    "simulate": {"ebms.model"},
    "bench": {"simulate", "demo", "cli", "pki", "config", "ebms", "mapping", "store", "flow"},
    "demo": {"simulate", "cli", "pki", "store", "config", "log"},
    "incidents": {"demo", "simulate", "pki", "store", "config", "web"},
    "config": {"hub"},
    "log": {"hub.bsn"},
    "metrics": set(),
    "pki": set(),
}
"""Room → rooms and top-level modules it may import, besides itself and the shared values."""

STORE_MAY_LOG = {"log"}

PURE = ("ebms", "mapping", "hub")
IMPURE_MODULES = {"hub/client.py", "hub/token.py", "hub/tls.py", "ebms/content.py"}
"""The edges of the pure rooms: the hub client, and payload parts that wait in a temporary file."""

FORBIDDEN_WHEN_PURE = {
    "aiohttp",
    "asyncio",
    "sqlalchemy",
    "alembic",
    "random",
    "secrets",
    "socket",
    "ssl",
    "requests",
    "time",
    "os",
    "subprocess",
    "urllib.request",
    "tempfile",
    "shutil",
    "structlog",
    "logging",
}


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _allowed(room: str, name: str) -> bool:
    target = name.removeprefix("bridge.")
    first = target.split(".")[0]
    if name == "bridge" or first in EVERYWHERE or first == room or first.startswith("__"):
        return True
    allowed = MAY_IMPORT[room] | (STORE_MAY_LOG if room == "store" else set())
    return any(target == a or target.startswith(a + ".") or a.startswith(target + ".") for a in allowed)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    room = _room(path)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in _imports(path)
        if name.split(".")[0] == "bridge" and not _allowed(room, name)
    ]
    assert not wrong, f"{room} may import only {sorted(MAY_IMPORT[room])}"


@pytest.mark.parametrize(
    "path", [p for p in _modules() if _room(p) in PURE], ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_pure_rooms_have_no_clock_no_randomness_and_no_io(path: Path) -> None:
    if path.relative_to(PACKAGE).as_posix() in IMPURE_MODULES:
        return
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in _imports(path)
        if any(name == f or name.startswith(f + ".") for f in FORBIDDEN_WHEN_PURE)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "path", [p for p in _modules() if _room(p) in PURE], ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_pure_rooms_never_ask_what_time_it_is(path: Path) -> None:
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today", "uuid4", "uuid1"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date", "uuid"}
    ]
    assert not calls
