"""`./dev demo`: the main job, both ways, on real messages, with everything on this machine.

Makes a test PKI and an agreement, starts the bridge as its own process with a simulated partner and a simulated hub
around it, sends a report to Veilig Thuis over ebMS and waits until its answer is back at the partner. What happened
is read from the bridge's own store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.config import load_settings
from bridge.pki import Organisation, Pki, make_pki
from bridge.simulate import (
    CpaParty,
    CpaTerms,
    Hub,
    HubSettings,
    Partner,
    PartnerSettings,
    Peer,
    Profile,
    Tls,
    VeiligThuis,
    make_cpa,
)
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from bridge.store.rows import Exchange, ExchangeDirection, ExchangeState, Step
from bridge.store.timeline import steps_of
from bridge.store.unit import Store

POLICE = Organisation(name="Politie Eenheid Voorbeeld", oin="00000001999990032000", stem="politie")
BRIDGE = Organisation(name="Veilig Thuis Voorbeeldregio", oin="00000001999990044000", stem="bridge")
HUB = Organisation(name="Ketenindex (proef)", oin="00000001999990056000", stem="hub")
CPA_ID = "melding_politie_veiligthuis_1"
SUBJECT = "melding/BVH-2026-000042"
REFERENCE = "demo-2026-11-000042"
"""The referentienummer of the sample."""
SAMPLE = Path(__file__).parent / "simulate" / "samples" / "vtMeldingDi01.xml"
MAPPINGS = Path(__file__).parents[1] / "mappings"
PATIENCE = timedelta(seconds=60)
NOTHING_MORE: Mapping[str, str] = {}

WORDS = {
    "message.received": "the police's vtMelding arrived over ebMS: signature good, stored, then acknowledged",
    "answer.stored": "the answer was stored with the message",
    "answer.posted": "the signed Acknowledgment was posted to the police",
    "message.mapped": "the message became an event and a resource that stays behind at the bridge",
    "event.accepted": "the hub accepted the event (202) and works on it",
    "event.ok": "the hub is done with it: OK",
    "event.received": "an event of Veilig Thuis was pulled from the hub",
    "message.composed": "it became a vtTerugkoppeling for the police, signed",
    "message.sent": "sent to the police over ebMS",
    "message.waiting": "the police's server took it; its Acknowledgment is awaited",
    "message.acknowledged": "the police's signed Acknowledgment is in: delivered",
}


class BridgeDidNotStart(Exception):
    """`bridge serve` ended before it was ready; its log says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A folder with everything the demo needs, and the simulated peers, running."""

    folder: Path
    config: Path
    partner: Partner
    hub: Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story."""

    at: str
    exchange: str
    side: str
    what: str
    outcome: str
    text: str
    ids: dict[str, str]


OTHER = (
    "./dev demo --incidents [--once] [--json] lets ten things go wrong instead, for the console to explain."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when both directions completed, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__, epilog=OTHER)
    parser.add_argument("--once", action="store_true", help="print the story and end")
    parser.add_argument("--json", action="store_true", help="print the story as JSON")
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(once=options.once, as_json=options.json))
    except KeyboardInterrupt:
        return 0
    except BridgeDidNotStart as end:
        sys.stderr.write(f"The bridge did not start: {end}\n")
        return 1


async def _run(*, once: bool, as_json: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="bridge-demo-") as folder:
        _say(as_json, "Making a test PKI and an agreement, starting partner, hub and bridge ...")
        async with stage(Path(folder)) as scene, running_bridge(scene.config) as addresses:
            started = datetime.now(UTC)
            scene.partner.bridge_url = addresses["partner"]
            await scene.partner.send(SAMPLE.read_bytes(), "vtMelding")
            completed = await wait_until_done(scene)
            story, exchanges = read_story(scene.config)
            took = (datetime.now(UTC) - started).total_seconds()
            if as_json:
                _print_json(completed, story, exchanges, addresses["console"])
            else:
                _print_story(completed, story, exchanges, took)
            if not once:
                await stay_open(
                    f"The console is open at {addresses['console']}exchanges - click through both; "
                    "Ctrl-C ends the demo."
                )
    return 0 if completed else 1


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    retries: int = 20,
    sends: tuple[str, ...] = ("vtMelding",),
    receives: tuple[str, ...] = ("vtTerugkoppeling",),
) -> AsyncIterator[Scene]:
    """Partner and hub running on free loopback ports, and a settings file for a bridge between them.

    Both sides repeat an unacknowledged message so many times, two seconds apart. The partner sends and receives these
    actions.
    """
    pki = make_pki(folder / "certs", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC))
    hub = Hub(
        HubSettings(
            tls=tls_of(pki, HUB),
            veilig_thuis=VeiligThuis(oin=BRIDGE.oin, name=BRIDGE.name, delay=timedelta(seconds=1)),
            journal=folder / "hub.journal",
        )
    )
    partner = Partner(
        PartnerSettings(
            name=POLICE.name,
            oin=POLICE.oin,
            role="Melder",
            cpa_id=CPA_ID,
            peer=Peer(oin=BRIDGE.oin, role="Ontvanger", certificate=pki.credentials(BRIDGE.stem).certificate),
            tls=tls_of(pki, POLICE),
            retries=retries,
            retry_interval=timedelta(seconds=2),
            receives=receives,
            journal=folder / "partner.journal",
        )
    )
    await hub.start()
    await partner.start()
    try:
        config = write_settings(
            folder,
            pki,
            partner_url=partner.url,
            hub_url=hub.url,
            change=lambda terms: replace(
                terms, retries=retries, partner_actions=sends, bridge_actions=receives
            ),
        )
        yield Scene(folder=folder, config=config, partner=partner, hub=hub)
    finally:
        await partner.stop()
        await hub.stop()


def tls_of(pki: Pki, organisation: Organisation) -> Tls:
    """The files with which an organisation proves itself and checks others."""
    credentials = pki.credentials(organisation.stem)
    return Tls(certificate=credentials.certificate, key=credentials.key, trust=pki.trust, crl=pki.crl)


def write_settings(
    folder: Path,
    pki: Pki,
    *,
    partner_url: str,
    hub_url: str,
    change: Callable[[CpaTerms], CpaTerms] = lambda terms: terms,
) -> Path:
    """The agreement with the partner and the settings file of a bridge; gives the settings file."""
    (folder / "cpa").mkdir(exist_ok=True)
    now = datetime.now(UTC)
    cpa = make_cpa(
        change(
            CpaTerms(
                cpa_id=CPA_ID,
                profile=Profile.RELIABLE_SIGNED,
                start=now - timedelta(days=1),
                end=now + timedelta(days=300),
                retries=20,
                retry_interval=timedelta(seconds=2),
            )
        ),
        partner=cpa_party(pki, POLICE, "Melder", partner_url),
        bridge=cpa_party(pki, BRIDGE, "Ontvanger", "https://localhost:8443/ebms"),
    )
    (folder / "cpa" / f"{CPA_ID}.xml").write_bytes(cpa)
    key = folder / "person.key"
    if not key.exists():
        key.write_bytes(os.urandom(32))
    config = folder / "bridge.toml"
    config.write_text(_settings(hub_url, uuid.uuid4()), encoding="utf-8")
    return config


def cpa_party(pki: Pki, organisation: Organisation, role: str, endpoint: str) -> CpaParty:
    """One side of an agreement, with the certificate of the test PKI."""
    return CpaParty(
        name=organisation.name,
        oin=organisation.oin,
        role=role,
        endpoint=endpoint,
        certificate=pki.credentials(organisation.stem).certificate.read_bytes(),
    )


def _settings(hub_url: str, namespace: uuid.UUID) -> str:
    tls = (
        'certificate = "certs/bridge.crt.pem"\nkey = "certs/bridge.key.pem"\n'
        'trust = "certs/trust.pem"\ncrl = "certs/crl.pem"'
    )
    return f"""
[store]
url = "sqlite:///bridge.sqlite3"
[partner_listener]
port = 0
[partner_listener.tls]
{tls}
[api_listener]
port = 0
[api_listener.tls]
{tls}
[console]
port = 0
language = "en"
[hub]
base_url = "{hub_url}"
[hub.tls]
{tls}
[hub.pull]
types = ["uitwisselen-melding.melding-opgepakt"]
interval_seconds = 1
[worker]
tick_seconds = 0.2
lease_seconds = 5
[identifiers]
namespace = "{namespace}"
person_key_file = "person.key"
[mappings]
folder = {json.dumps(str(MAPPINGS))}
[[own_parties]]
name = "{BRIDGE.name}"
party_id = "{BRIDGE.oin}"
system = "VT-postbus"
certificate = "certs/bridge.crt.pem"
key = "certs/bridge.key.pem"
[[partners]]
name = "{POLICE.name}"
party_id = "{POLICE.oin}"
system = "Bureau-app"
events = ["uitwisselen-melding.*"]
"""


@asynccontextmanager
async def running_bridge(config: Path) -> AsyncIterator[dict[str, str]]:
    """`bridge serve` as its own process; gives the addresses that it prints when it is ready."""
    process = await start_bridge(config)
    try:
        yield await addresses_of(process)
    except BridgeDidNotStart as end:
        log = (config.parent / "bridge.log").read_text(encoding="utf-8", errors="replace")
        raise BridgeDidNotStart(f"exit code {end}\n{log[-2000:]}") from end
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def start_bridge(
    config: Path, environment: Mapping[str, str] = NOTHING_MORE, *, workers: int = 1
) -> asyncio.subprocess.Process:
    """Start `bridge serve`; its log goes to `bridge.log` beside the settings."""
    with (config.parent / "bridge.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bridge.cli.main",
            "serve",
            "--config",
            str(config),
            "--workers",
            str(workers),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment},
        )


async def addresses_of(process: asyncio.subprocess.Process) -> dict[str, str]:
    """What `bridge serve` printed when it was ready. Raises BridgeDidNotStart when it ended instead."""
    assert process.stdout is not None, "it was started with a pipe"
    line = await process.stdout.readline()
    if not line:
        raise BridgeDidNotStart(await process.wait())
    addresses: dict[str, str] = json.loads(line)
    return addresses


async def wait_until_done(scene: Scene) -> bool:
    """Until the answer to the report is back at the partner; False when it did not come."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await scene.partner.wait_received(1, PATIENCE.total_seconds())
            while not both_done(scene.config):  # noqa: ASYNC110 - the store of another process has no event
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True


def both_done(config: Path) -> bool:
    """Whether one exchange in each direction is there, and every exchange is done."""
    exchanges = read_story(config)[1]
    directions = {exchange.direction for exchange in exchanges}
    return directions == set(ExchangeDirection) and all(e.state is ExchangeState.DONE for e in exchanges)


def read_story(config: Path) -> tuple[list[Line], list[Exchange]]:
    """Every step of every exchange, oldest first, from the bridge's store."""
    with Store.open(load_settings(config).store.url) as store:
        exchanges = store.read_sync(lambda tx: list_exchanges(tx, ExchangeFilter(), limit=100))
        steps = store.read_sync(lambda tx: [s for e in exchanges for s in steps_of(tx, e.key)])
    return [_line(step) for step in sorted(steps, key=lambda s: s.seq)], list(reversed(exchanges))


def _line(step: Step) -> Line:
    return Line(
        at=step.at.isoformat(timespec="milliseconds"),
        exchange=step.exchange,
        side=step.side,
        what=step.what,
        outcome=step.outcome,
        text=WORDS.get(step.what, step.detail.get("reason", step.what)),
        ids=dict(step.detail),
    )


def _print_json(completed: bool, story: list[Line], exchanges: list[Exchange], console: str) -> None:
    document = {
        "completed": completed,
        "console": console,
        "exchanges": [
            {"key": e.key, "direction": e.direction, "state": e.state, "subject": e.subject, "title": e.title}
            for e in exchanges
        ],
        "steps": [asdict(line) for line in story],
    }
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _print_story(completed: bool, story: list[Line], exchanges: list[Exchange], took: float) -> None:
    titles = {
        ExchangeDirection.TO_HUB: "1. A report travels from ebMS to the hub",
        ExchangeDirection.TO_PARTNER: "2. And the answer comes back",
    }
    for exchange in exchanges:
        sys.stdout.write(f"\n{titles[exchange.direction]}  ({exchange.subject}, {exchange.state})\n")
        for line in story:
            if line.exchange == exchange.key:
                mark = {"ok": "+", "waiting": ".", "failed": "!", "info": "-"}[line.outcome]
                sys.stdout.write(f"  {line.at[11:23]} {mark} {line.side:<6} {line.text}\n")
                shown = {n: v for n, v in line.ids.items() if n in _SHOWN and v}
                if shown:
                    sys.stdout.write(" " * 24 + "  ".join(f"{n} {v}" for n, v in shown.items()) + "\n")
    verdict = "Both directions completed" if completed else "NOT completed"
    sys.stdout.write(f"\n{verdict} in {took:.1f} s.\n")


_SHOWN = ("message_id", "event_id", "events", "interactie_id", "attempt", "mapping", "reason")


async def stay_open(text: str) -> None:
    """Say where to look, and wait for Ctrl-C."""
    sys.stderr.write(f"\n{text}\n")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _say(as_json: bool, text: str) -> None:
    (sys.stderr if as_json else sys.stdout).write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
