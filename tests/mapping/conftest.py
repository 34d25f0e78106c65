"""The mappings of the repository, compiled once, and a context to run them in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

from bridge.mapping.context import Context
from bridge.mapping.load import MappingSet, read_mapping_set

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
SHARED = Path(__file__).resolve().parents[2].parent / "shared"
POLICE = "00000001999990019000"
SAFE_AT_HOME = "00000001999990020000"


def read_files() -> dict[str, str]:
    return {
        str(path.relative_to(MAPPINGS)): path.read_text(encoding="utf-8")
        for path in sorted(MAPPINGS.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def all_files() -> dict[str, str]:
    """The whole mappings folder of the repository."""
    return read_files()


@pytest.fixture(scope="session")
def files(all_files: dict[str, str]) -> dict[str, str]:
    """The two mappings that these tests are about, with all that they share; tests that change it copy it."""
    ours = ("vt-melding", "vt-terugkoppeling")
    return {
        name: text
        for name, text in all_files.items()
        if not re.search(r"\.map\.yaml$|\.cases/", name) or name.split("/")[1].split(".")[0] in ours
    }


@pytest.fixture(scope="session")
def mappings(files: dict[str, str]) -> MappingSet:
    return read_mapping_set(files)


@pytest.fixture
def context() -> Context:
    numbers = iter(range(1, 10_000))
    return Context(
        from_oin=POLICE,
        to_oin=SAFE_AT_HOME,
        namespace=UUID("0d5a6c1e-1111-4222-8333-444455556666"),
        person_key=b"a key for tests",
        inzage_base="https://bridge.example/inzage/",
        received_at=datetime(2026, 1, 15, 12, 30, tzinfo=UTC),
        new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
        message_id="m-1@police.example",
        conversation_id="c-1",
        timestamp=datetime(2026, 1, 15, 12, 0, tzinfo=UTC),
        own={"oin": POLICE, "naam": "Police", "systeem": "meldkamer"},
        partner={"oin": SAFE_AT_HOME, "naam": "Safe at Home", "systeem": "vt-registratie"},
    )


@pytest.fixture
def report(files: dict[str, str]) -> Callable[..., etree._Element]:
    """The typical report, with texts replaced: `report(("old", "new"), …)`."""

    def make(*changes: tuple[str, str], case: str = "typical") -> etree._Element:
        text = files[f"stuf-jz/vt-melding.cases/{case}.xml"]
        for old, new in changes:
            assert old in text, f"the fixture has no {old}"
            text = text.replace(old, new)
        return etree.fromstring(text.encode())

    return make


@pytest.fixture
def feedback(files: dict[str, str]) -> Callable[..., etree._Element]:
    def make(*changes: tuple[str, str], case: str = "decided") -> etree._Element:
        text = files[f"stuf-jz/vt-terugkoppeling.cases/{case}.xml"]
        for old, new in changes:
            assert old in text, f"the fixture has no {old}"
            text = text.replace(old, new)
        return etree.fromstring(text.encode())

    return make


@pytest.fixture
def back(context: Context) -> Context:
    """The context of an answer: the parties change places."""
    return replace(context, from_oin=SAFE_AT_HOME, to_oin=POLICE, own=context.partner, partner=context.own)


@pytest.fixture
def edited(files: dict[str, str]) -> Callable[..., dict[str, str]]:
    """The mappings folder with one file changed: `edited("vt-melding", (old, new), …)`."""

    def make(mapping: str, *changes: tuple[str, str]) -> dict[str, str]:
        name = f"stuf-jz/{mapping}.map.yaml"
        text = files[name]
        for old, new in changes:
            assert re.search(re.escape(old), text), f"{name} has no {old}"
            text = text.replace(old, new, 1)
        return {**files, name: text}

    return make
