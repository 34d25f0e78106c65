"""What is encrypted at rest, looked for in every file that a running bridge leaves: nothing about a person is found.

A report goes to the hub and its answer back, the hub refuses one with words that quote it, and the process is killed.
Then the files of the database with its write-ahead log, the log of the server with every statement and with errors that
quote rows, the backup, the log, the metrics, the traces and what lies in the temporary folder are searched, octet by
octet, in every way of writing that a program may have used.
"""

from __future__ import annotations

import base64
import mmap
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import psycopg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from lxml import etree
from sqlalchemy import make_url

from bridge.demo import Scene, stage
from bridge.errors import BridgeError
from bridge.mapping.masking import EVERYTHING, mask_xml
from bridge.simulate.hub_faults import ErrorRule
from bridge.store import tables
from bridge.store.persons import find_by_person
from bridge.store.query import add, fetch
from bridge.store.rows import Resource
from bridge.store.unit import upgrade
from tests.e2e.operator import Operator, free_port
from tests.e2e.test_nothing_shown import make_report
from tests.e2e.test_traces import Collector
from tests.faults.bounds import LONGEST, at_most, last_lines, serving
from tests.faults.harness import PATIENT
from tests.flow.conftest import compiled_mappings
from tests.postgres import Cluster, NoPostgres

MARKER = "Merkteken"
"""Begins every name, address and other text about a person in the report; numbers and dates are as they were."""

BSN = "999980014"
"""Stands nowhere else."""

LEAST = 8
"""Shorter texts stand everywhere by chance."""


def about_people(report: bytes) -> frozenset[str]:
    """Every text of the report that a mapping masks."""
    root = etree.fromstring(report)
    program = compiled_mappings().for_xml(str(root.tag), service="", action="vtMeldingDi01", cpa_id="")
    assert program is not None
    masked = {(line.value or "").strip() for line in mask_xml(root, program, EVERYTHING) if line.revealed}
    found = {MARKER if text.startswith(MARKER) else text for text in masked if len(text) >= LEAST}
    dates = [text for text in found if len(text) == LEAST and text.isdigit()]
    assert MARKER in found and BSN in found and dates
    return frozenset(found)


def written(value: str) -> Iterator[bytes]:
    """In the clear, in other encodings, and inside base64 or hexadecimal of something longer."""
    plain = value.encode()
    yield from (plain, value.encode("utf-16-le"), value.encode("utf-16-be"))
    yield from (plain.hex().encode(), plain.hex().upper().encode())
    for before, others in ((0, 0), (1, 2), (2, 3)):
        octets = b"\0" * before + plain
        # What stands at both ends depends on what is beside it.
        yield base64.b64encode(octets)[others : len(octets) * 8 // 6]


def found_in(paths: Iterable[Path], values: Iterable[str]) -> set[str]:
    """Which value stands in which file."""
    wanted = [(form, value) for value in values for form in written(value)]
    found = set()
    for path in paths:
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
                found |= {f"{value} in {path.name}" for form, value in wanted if octets.find(form) >= 0}
    return found


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of its own, that logs every statement with its values."""
    try:
        server = Cluster()
    except NoPostgres as error:
        pytest.skip(str(error))
    try:
        server.start()
        for statement in ("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"):
            on_server(server, statement)
        upgrade(server.url)
        yield server
    finally:
        server.remove()


def on_server(server: Cluster, statement: str) -> None:
    url = make_url(server.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.mark.rule("SOH-39")
async def test_no_file_of_an_encrypted_sqlite_store_holds_anything_about_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = await _live(tmp_path, capsys, url=None)
    files = _files(tmp_path)
    left = {path.name for path in files}
    assert {
        "bridge.sqlite3",
        "bridge.sqlite3-wal",
        "bridge.sqlite3-shm",
        "backup",
        "bridge.log",
        "metrics",
    } <= left
    assert found_in(files, values) == set()


@pytest.mark.rule("SOH-39")
async def test_no_file_of_postgresql_under_an_encrypted_store_holds_anything_about_a_person(
    tmp_path: Path, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    values = await _live(tmp_path, capsys, url=cluster.url)
    _unpack(tmp_path / "backup")
    on_server(cluster, "CHECKPOINT")
    server = (cluster.folder / "log").read_text(encoding="utf-8", errors="replace")
    assert "Failing row contains" in server and "violates unique constraint" in server
    assert found_in([*_files(tmp_path), *_files(cluster.folder)], values) == set()
    # Else this file would search for what is nowhere.
    for statement in ("CREATE TABLE seen (a text)", f"INSERT INTO seen VALUES ('{MARKER}')", "CHECKPOINT"):
        on_server(cluster, statement)
    cluster.crash()
    places = {path.parent.parent.name for path in _files(cluster.folder) if found_in([path], [MARKER])}
    assert {"base", "cluster", cluster.folder.parent.name} <= places, "in the table, the WAL and the log"


async def _live(folder: Path, capsys: pytest.CaptureFixture[str], *, url: str | None) -> frozenset[str]:
    """A bridge through which a report and its answer went, killed. What to look for."""
    octets, again = (_own_numbers(make_report(number).octets) for number in ("N-1", "N-2"))
    values, bsn = about_people(octets), BSN
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with (
        at_most(LONGEST, lambda: last_lines(folder)),
        TestServer(app) as traces,
        stage(folder, retries=PATIENT) as scene,
    ):
        operator = Operator(scene=scene, capture=capsys)
        _encrypt(scene)
        if url is not None:
            operator.use_store(url)
        (folder / "temporary").mkdir()
        operator.environment |= {
            "BRIDGE__TRACES__ENDPOINT": str(traces.make_url("/v1/traces")),
            "BRIDGE__PARTNER_LISTENER__SPOOL_ABOVE_BYTES": "1000",
            "BRIDGE__METRICS__PORT": str(port := free_port()),
            "TMPDIR": str(folder / "temporary"),
        }
        async with serving(scene.config, operator.environment) as (process, addresses):
            scene.partner.bridge_url = addresses["partner"]
            await operator.send("case-a", 0, octets)
            await scene.partner.wait_received(1, LONGEST)
            scene.hub.conduct.rules.append(ErrorRule(type="*", fout=f"Afgekeurd: {MARKER}, {bsn}", times=1))
            await operator.send("case-b", 0, again)
            await operator.until(lambda: operator.count("event", state="error") == 1)
            async with aiohttp.request("GET", f"http://127.0.0.1:{port}/metrics") as answer:
                (folder / "metrics").write_bytes(await answer.read())
            await operator.types("store", "backup", "--out", str(folder / "backup"))
            _provoke(operator, bsn)
            assert _parts(folder / "temporary") == ["lock"], (
                "the bridge holds a folder, and nothing waits in it"
            )
            process.kill()
            await process.wait()
    (folder / "traces").write_bytes(collector.octets)
    assert collector.octets
    return values


def _parts(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def _own_numbers(report: bytes) -> bytes:
    """The digits of a BSN in it are also in the OIN of its sender, which is no secret."""
    return report.replace(b">999990019<", f">{BSN}<".encode())


def _unpack(backup: Path) -> None:
    """A dump is compressed: beside it what stands in it."""
    command = ["pg_restore", "--file", str(backup.with_name("backup.sql")), str(backup)]
    subprocess.run(command, check=True)


def _encrypt(scene: Scene) -> None:
    (scene.folder / "store.key").write_bytes(os.urandom(32))
    with scene.config.open("a", encoding="utf-8") as settings:
        settings.write('[store.encryption]\nkey_file = "store.key"\n')


def _provoke(operator: Operator, bsn: str) -> None:
    """Errors of the database that quote the row, and a search for the person."""
    with operator.store() as store:
        resource = store.read_sync(lambda tx: fetch(tx, Resource, tables.resource.select().limit(1)))[0]
        assert MARKER in resource.body
        for wrong in (resource, replace(resource, key="other", owner=None)):  # type: ignore[arg-type]
            with pytest.raises(BridgeError):
                store.write_sync(lambda tx, row=wrong: add(tx, tables.resource, row))  # type: ignore[misc]
        key = (operator.scene.folder / "person.key").read_bytes()
        assert store.read_sync(lambda tx: find_by_person(tx, key, bsn))


def _files(folder: Path) -> list[Path]:
    """Not what the peers keep for themselves."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix != ".journal"]
