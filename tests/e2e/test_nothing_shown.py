"""One full report through the whole bridge, and nothing about a person where it may not be seen.

Every text of a personal class in the report is a marker of its own. It goes well once, the hub refuses it once with
words that quote it, and it is parked in several ways. Then every page that an operator may open, every command with
`--json`, the log, the metrics, the traces and the alerts are searched for the markers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from lxml import etree
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from bridge.cli.main import main
from bridge.config import Condition
from bridge.demo import HUB, MAPPINGS
from bridge.flow.alerts import Line as AlertLine
from bridge.flow.alerts import content_of, note_holding
from bridge.flow.conditions import examine_process, examine_store
from bridge.flow.lookup import Shown, Wanted, decide_by_rules, lookup
from bridge.hub.bsn import is_bsn
from bridge.ids import Oin
from bridge.inzage.access import Requester
from bridge.inzage.record import Trace
from bridge.log import mask_bsn
from bridge.mapping.masking import EVERYTHING, mask_xml
from bridge.pki import Pki
from bridge.simulate.hub_faults import ErrorRule
from bridge.store.access import resources_of_exchange
from bridge.store.alerts import open_alerts
from bridge.store.rows import ExchangeState, MessageState
from bridge.web.console.app import console_app
from bridge.web.console.routes import ROUTES
from bridge.web.console.settings import ConsoleOptions
from bridge.web.metrics import metrics_app
from tests.conftest import Clock
from tests.flow.conftest import World, compiled_mappings, open_world
from tests.flow.letters import adder, part, post, write

RICH = MAPPINGS / "stuf-jz" / "vt-melding.cases" / "rich.xml"
WORDS = ("naam", "vrije-tekst", "contact", "medewerker")
"""Classes of which every text can be another one without the mapping minding."""
QUOTED = "Merkteken-van-de-hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    octets: bytes = field(repr=False)
    markers: frozenset[str] = field(repr=False)
    bsns: frozenset[str] = field(repr=False)


def make_report(number: str, **texts: str) -> Report:
    """The richest report there is with a marker for each text about a person; `texts` are set at elements by name."""
    root = etree.fromstring(RICH.read_bytes())
    program = compiled_mappings().for_xml(str(root.tag), service="", action="vtMeldingDi01", cpa_id="")
    assert program is not None
    personal = {
        line.value.strip(): line.privacy
        for line in mask_xml(root, program, EVERYTHING)
        if line.value and line.revealed
    }
    markers, bsns = set(), set()
    for element in root.iter(etree.Element):
        text = (element.text or "").strip()
        if text and not len(element) and personal.get(text) in WORDS and len(text) > 3:
            marker = f"Merkteken{len(markers):03}"
            element.text = marker
            markers.add(marker)
        name = etree.QName(element).localname
        if name == "referentienummer":
            element.text = number
        if name == "identificatieVtMelding":
            element.text = number
        if name in texts:
            element.text = texts[name]
        if is_bsn(text):
            bsns.add(text)
    root.append(etree.Comment("Merkteken in een opmerking"))
    assert len(markers) > 20 and len(bsns) > 1
    return Report(octets=etree.tostring(root), markers=frozenset(markers), bsns=frozenset(bsns))


def found_in(text: str, report: Report) -> list[str]:
    """What of the report stands there."""
    named = sorted(set(re.findall(r"Merkteken[\w-]*", text)) - {QUOTED})
    return named + [bsn for bsn in sorted(report.bsns) if re.search(rf"(?<!\d){bsn}(?!\d)", text)]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    return exporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A bridge that went through it all, and what it logged meanwhile."""

    world: World
    report: Report
    logs: list[Any] = field(repr=False)


@pytest.fixture
async def lived(
    tmp_path: Path, pki: Pki, clock: Clock, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Lived]:
    caplog.set_level(logging.WARNING)
    report = make_report("N-1")
    bsn = sorted(report.bsns)[0]
    with capture_logs(processors=[mask_bsn]) as logs:
        async with open_world(tmp_path, pki, clock) as world:
            await send(world, report.octets)
            world.hub.conduct.rules.append(
                ErrorRule(type="*", fout=f"Afgekeurd: {QUOTED}, burgerservicenummer {bsn}", times=1)
            )
            await send(world, make_report("N-2").octets)
            await send(
                world, make_report("N-3", jeugzorgrol="Merkteken als code", datumIncident="Merkteken").octets
            )
            await send(world, make_report("N-4", **{"inp.bsn": "Merkteken", "geboortedatum": bsn}).octets)
            await send(world, report.octets.replace(b"<geslachtsnaam", b"<Merkteken/><geslachtsnaam", 1))
            await send(world, report.octets[: len(report.octets) // 2])
            await send(world, b"<Onbekend>Merkteken " + bsn.encode() + b"</Onbekend>")
            await send_named(world, bsn)
            now = clock()
            held = examine_process(world.bridge, now=now)
            await world.bridge.store.write(
                lambda tx: note_holding(
                    tx, world.bridge, [*held, *examine_store(tx, world.bridge, now=now)], now
                )
            )
            yield Lived(world=world, report=report, logs=logs)


async def send(world: World, payload: bytes) -> None:
    assert (await world.partner.send(payload, "vtMelding")).status == 204
    await world.work()
    await world.work(minutes=5)
    await world.settled()


async def send_named(world: World, bsn: str) -> None:
    """A system may name its messages and parts after the person, and describe them."""
    letter = write(
        world,
        part(world.sample, content_id=f"{bsn}@partner.test"),
        message_id=f"{bsn}@partner.test",
        conversation_id=f"dossier {bsn}",
        in_tree=adder(".//eb:MessageHeader", '<eb:Description xml:lang="nl">Merkteken</eb:Description>'),
    )
    assert (await post(world, letter)).status == 204
    await world.work()
    await world.settled()


async def test_the_report_went_every_way_that_this_file_says(lived: Lived) -> None:
    states = [message.state for message in lived.world.messages()]
    assert states[:2] == [MessageState.MAPPED, MessageState.MAPPED]
    assert MessageState.PARKED in states[2:] and len(states) == 8
    exchanges = lived.world.exchanges()
    assert (exchanges[0].state, exchanges[1].state) == (ExchangeState.DONE, ExchangeState.ATTENTION)
    assert QUOTED not in (exchanges[1].reason or "")


async def test_log_metrics_and_traces_hold_nothing_about_a_person(
    lived: Lived, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    assert lived.logs and spans.get_finished_spans()
    logged = repr(lived.logs) + caplog.text
    assert found_in(logged, lived.report) == []
    assert QUOTED not in logged
    traced = "".join(span.to_json() for span in spans.get_finished_spans())
    assert found_in(traced, lived.report) == [] and QUOTED not in traced
    async with TestClient(TestServer(metrics_app(lived.world.bridge))) as client:
        metrics = await (await client.get("/metrics")).text()
    assert found_in(metrics, lived.report) == [] and QUOTED not in metrics


async def test_events_and_what_stands_beside_them_hold_nothing_about_a_person(lived: Lived) -> None:
    for event in lived.world.events():
        members = json.loads(event.body)
        data = members.pop("data", {})
        assert found_in(json.dumps(members), lived.report) == []
        assert not set(re.findall(r"Merkteken\w*", json.dumps(data)))
    for message in lived.world.messages():
        assert found_in(f"{message.subject} {message.reason}", lived.report) == []


async def test_alerts_hold_nothing_about_a_person(lived: Lived) -> None:
    alerts = lived.world.bridge.store.read_sync(open_alerts)
    assert Condition.NEEDS_PERSON in {alert.condition for alert in alerts}
    told = content_of([AlertLine(change="began", alert=alert) for alert in alerts])
    assert found_in(told, lived.report) == [] and QUOTED not in told


async def test_a_lookup_below_level_2_shows_nothing_about_a_person(lived: Lived) -> None:
    assert found_in(await look_up(lived, 0), lived.report) == []
    assert found_in(await look_up(lived, 1), lived.report) == []
    assert len(found_in(await look_up(lived, 2), lived.report)) > 20, (
        "else this file searches for what is nowhere"
    )


async def look_up(lived: Lived, level: int) -> str:
    bridge, key = lived.world.bridge, lived.world.messages()[0].exchange
    rule = {"name": "alles", "oins": [HUB.oin], "types": ["*"], "level": 2}
    inzage = type(bridge.settings.inzage).model_validate(
        {"base_url": bridge.settings.inzage.base_url, "rules": [rule]}
    )
    bridge.settings = bridge.settings.model_copy(update={"inzage": inzage})
    kind, id = bridge.store.read_sync(lambda tx: resources_of_exchange(tx, key))[0]
    outcome = await lookup(
        bridge,
        Wanted(
            type=kind,
            id=id,
            level=level,
            as_of=None,
            requester=Requester(oin=Oin(HUB.oin), via=Oin(HUB.oin)),
            trace=Trace(trace_id="a" * 32, span_id="b" * 16),
        ),
        ask=decide_by_rules(inzage),
    )
    assert isinstance(outcome, Shown)
    return json.dumps(outcome.view)


def paths(world: World) -> list[str]:
    """Every page of the console with everything that there is to show on it."""
    keys = {
        "/exchanges/{key}": [one.key for one in world.exchanges()],
        "/api/v1/exchanges/{key}": [one.key for one in world.exchanges()],
        "/messages/{key}": [one.key for one in world.messages()],
        "/messages/{key}/explanation": [one.key for one in world.messages()],
        "/events/{key}": [one.key for one in world.events()],
        "/mappings/{name}": [one.name for one in world.bridge.mappings.programs][:3],
    }
    found = []
    for route in ROUTES:
        if route.method != "GET" or route.path == "/live":
            continue
        if "{" not in route.path:
            found.append(route.path)
        for key in keys.get(route.path, ()):
            found.append(re.sub(r"{\w+}", key, route.path))
    found += [f"/mend/replay/{one.key}" for one in world.messages()]
    return found


async def test_no_page_that_an_operator_opens_shows_anything_about_a_person(lived: Lived) -> None:
    world, leaks, seen = lived.world, {}, 0
    runner = web.AppRunner(console_app(world.bridge, settings=ConsoleOptions()))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            for path in paths(world):
                async with session.get(base + path, allow_redirects=False) as answer:
                    text = await answer.text() + repr(dict(answer.headers))
                    seen += answer.status == 200
                    assert answer.status < 500, path
                if bad := found_in(text, lived.report):
                    leaks[path] = bad
    finally:
        await runner.cleanup()
    assert leaks == {}
    assert seen > 40


async def test_no_command_prints_anything_about_a_person(
    lived: Lived, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world = lived.world
    commands: list[list[str]] = [
        ["exchange", "list"],
        ["message", "list"],
        *(["message", "show", one.key] for one in world.messages()),
        *(["message", "open", one.key] for one in world.messages()),
        ["exchange", "list", "--json"],
        ["exchange", "causes", "--json"],
        ["message", "list", "--json"],
        ["event", "list", "--json"],
        ["job", "list", "--json"],
        ["alert", "list", "--json"],
        *(["exchange", "show", one.key, "--json"] for one in world.exchanges()),
        *(["message", "open", one.key, "--json"] for one in world.messages()),
        *(["event", "open", one.key, "--json"] for one in world.events()),
        *(["message", "replay", one.key, "--dry-run", "--json"] for one in world.messages()[:3]),
    ]

    def run(arguments: list[str]) -> int:
        return main([*arguments, "--config", str(tmp_path / "bridge.toml")])

    capsys.readouterr()
    for arguments in commands:
        code = await asyncio.to_thread(run, arguments)
        shown = capsys.readouterr()
        assert code in (0, 1), (arguments, shown.err)
        assert found_in(shown.out + shown.err, lived.report) == [], arguments
