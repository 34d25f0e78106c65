"""A bench on which raw messages are judged, and the verdict in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.ebms import inspection_document
from bridge.cli.inspect_judge import Bench, inspect_file
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_resolve import Agreements


@pytest.fixture
def judge_raw(office: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The document about these octets, by the agreement `cpa` (none: only reading), with our own key."""

    def run(octets: bytes, cpa: bytes | None = None, **bench: Any) -> dict[str, Any]:
        file = tmp_path / "message.http"
        file.write_bytes(octets)
        agreements = None if cpa is None else Agreements(agreements=(read_cpa(cpa),))
        options = {"now": office.now, "agreements": agreements, "keys": (office.pair("own"),)} | bench
        return inspection_document("message.http", inspect_file(file, Bench(**options)))

    return run


@pytest.fixture
def verdict(judge_raw: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    """`ok`; or the code and location of the first error; or `fault`, its code, and the error behind it."""

    def run(octets: bytes, cpa: bytes | None = None, **bench: Any) -> str:
        return in_one_line(judge_raw(octets, cpa, **bench))

    return run


def in_one_line(document: dict[str, Any]) -> str:
    error = document["error"]
    words = ["fault", document["faultCode"]] if document["fault"] else []
    words += [error["code"], error["location"]] if error else []
    return " ".join(word for word in words if word) or "ok"
