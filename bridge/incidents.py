"""`./dev demo --incidents`: ten incidents, each made by real messages and real faults on this machine.

Starts a bridge with four simulated partners and a simulated hub, and lets go wrong what goes wrong at night: an unknown
code, a report about nobody, a wrong agreement, a forged message, a hub that rejects, a partner that keeps silent, one
that is paused, a mapping with a mistake, a certificate that ends, and a hub that is gone. Then the console explains.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from bridge.config import load_settings
from bridge.demo import (
    BRIDGE,
    CPA_ID,
    HUB,
    MAPPINGS,
    PATIENCE,
    POLICE,
    REFERENCE,
    SAMPLE,
    BridgeDidNotStart,
    cpa_party,
    running_bridge,
    stay_open,
    tls_of,
    write_settings,
)
from bridge.pki import Organisation, Pki, make_pki
from bridge.simulate import (
    CpaTerms,
    FaultKind,
    Hub,
    HubSettings,
    Partner,
    PartnerSettings,
    Peer,
    Profile,
    VeiligThuis,
    Where,
    make_cpa,
)
from bridge.store import channels
from bridge.store.accounts import change_account, find_account
from bridge.store.audit import add_audit
from bridge.store.channels import find_channel
from bridge.store.doors import turned_away_since
from bridge.store.exchanges import find_exchanges
from bridge.store.keys import KeyMaker
from bridge.store.rows import AccountState, Audit, Exchange, ExchangeDirection, ExchangeState, Role
from bridge.store.timeline import steps_of
from bridge.store.unit import Store
from bridge.web.console.accounts import make_account, make_link

SILENT = Organisation(name="Jeugdbescherming Voorbeeld", oin="00000001999990081000", stem="silent")
PAUSED = Organisation(
    name="Raad voor de Kinderbescherming (proef)", oin="00000001999990093000", stem="paused"
)
ENDING = Organisation(name="Gecertificeerde instelling Voorbeeld", oin="00000001999990107000", stem="ending")
DAYS_LEFT = 12

OPERATOR = "wacht"
"""Name of the account that the login link is for."""

BROKEN_ROW = "\n  - this row is not one\n"
SEEN = "uitwisselen-melding.melding-geregistreerd"
MAPS = ("vt-melding.map.yaml", "vt-terugkoppeling.map.yaml")


def report(number: int, *changes: tuple[str, str]) -> bytes:
    """The sample report under other numbers, with texts replaced."""
    text = SAMPLE.read_text(encoding="utf-8").replace("BVH-2026-000042", f"BVH-2026-{number:06}")
    text = text.replace(REFERENCE, f"demo-2026-11-{number:06}")
    for old, new in changes:
        assert old in text, f"the sample has no {old}"
        text = text.replace(old, new)
    return text.encode()


UNKNOWN_CODE = report(101, ("<jz:indicatieSASHIngevuld>Nee<", "<jz:indicatieSASHIngevuld>N.v.t.<"))
NO_BSN = re.sub(rb"<bg:inp.bsn>\d+</bg:inp.bsn>", b"", report(102))


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that went wrong, and the page of the console that explains it."""

    name: str
    title: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that is running, and the store of the bridge."""

    folder: Path
    hub: Hub
    police: Partner
    stranger: Partner
    """The police, by an agreement that the bridge does not have."""
    forger: Partner
    silent: Partner
    paused: Partner

    @property
    def partners(self) -> tuple[Partner, ...]:
        return (self.police, self.stranger, self.forger, self.silent, self.paused)

    @property
    def config(self) -> Path:
        return self.folder / "bridge.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all ten are there, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="./dev demo --incidents", description=__doc__)
    parser.add_argument("--incidents", action="store_true", help="what `./dev` knows this by")
    parser.add_argument("--once", action="store_true", help="print the incidents and end")
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(once=options.once, as_json=options.json))
    except KeyboardInterrupt:
        return 0
    except TimeoutError:
        sys.stderr.write("Not every incident came about in time; is the machine very busy?\n")
        return 1
    except BridgeDidNotStart as end:
        sys.stderr.write(f"The bridge did not start: {end}\n")
        return 1


async def _run(*, once: bool, as_json: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="bridge-incidents-") as folder:
        sys.stderr.write("Starting bridge, hub and partners, and letting ten things go wrong ...\n")
        async with incidents(Path(folder)) as (found, link):
            print_incidents(found, link, as_json=as_json)
            if not once:
                await stay_open(f"Log in at {link} (works once, within ten minutes). Ctrl-C ends the demo.")
    return 0 if len(found) == 10 else 1


def print_incidents(found: Sequence[Incident], link: str, *, as_json: bool) -> None:
    base = link.partition("/login/")[0]
    if as_json:
        rows = [{"name": one.name, "title": one.title, "page": base + one.page} for one in found]
        sys.stdout.write(json.dumps({"login": link, "incidents": rows}, indent=1) + "\n")
        return
    for number, one in enumerate(found, 1):
        sys.stdout.write(f"{number:>2}. {one.title}\n    {base}{one.page}\n")
    sys.stdout.flush()


@asynccontextmanager
async def incidents(folder: Path) -> AsyncIterator[tuple[list[Incident], str]]:
    """The ten incidents in a running bridge, and a link that logs in as operator."""
    async with _staged(folder) as scene, running_bridge(scene.config) as addresses:
        for partner in scene.partners:
            partner.bridge_url = addresses["partner"]
        with Store.open(load_settings(scene.config).store.url) as store:
            found = await _produce(scene, store)
            link = _login_link(store, addresses["console"])
        yield found, link


@asynccontextmanager
async def _staged(folder: Path) -> AsyncIterator[Scene]:
    """Hub and partners running on free loopback ports, and a settings file for a bridge between them."""
    now = datetime.now(UTC)
    pki = make_pki(folder / "certs", organisations=[POLICE, BRIDGE, HUB, SILENT, PAUSED], now=now)
    replace(pki, validity=timedelta(days=DAYS_LEFT)).issue(ENDING)
    hub = Hub(
        HubSettings(
            tls=tls_of(pki, HUB),
            veilig_thuis=VeiligThuis(oin=BRIDGE.oin, name=BRIDGE.name, delay=timedelta(milliseconds=300)),
        )
    )

    def partner(who: Organisation, cpa_id: str, retries: int = 3) -> Partner:
        peer = Peer(oin=BRIDGE.oin, role="Ontvanger", certificate=pki.credentials(BRIDGE.stem).certificate)
        return Partner(
            PartnerSettings(
                name=who.name,
                oin=who.oin,
                role="Melder",
                cpa_id=cpa_id,
                peer=peer,
                tls=tls_of(pki, who),
                retries=retries,
            )
        )

    scene = Scene(
        folder=folder,
        hub=hub,
        police=partner(POLICE, CPA_ID),
        stranger=partner(POLICE, "melding_politie_oud_7", retries=0),
        forger=partner(POLICE, CPA_ID, retries=0),
        silent=partner(SILENT, _cpa_of(SILENT)),
        paused=partner(PAUSED, _cpa_of(PAUSED)),
    )
    async with AsyncExitStack() as stack:
        await hub.start()
        stack.push_async_callback(hub.stop)
        for peer in scene.partners:
            await peer.start()
            stack.push_async_callback(peer.stop)
        _write_config(scene, pki)
        yield scene


def _cpa_of(who: Organisation) -> str:
    return f"melding_{who.stem}_veiligthuis_1"


def _write_config(scene: Scene, pki: Pki) -> None:
    """The settings of the demo, with more partners, mappings of its own, and people that log in."""
    folder, now = scene.folder, datetime.now(UTC)
    config = write_settings(folder, pki, partner_url=scene.police.url, hub_url=scene.hub.url)
    urls = {SILENT: scene.silent.url, PAUSED: scene.paused.url, ENDING: "https://localhost:9/msh"}
    for who, url in urls.items():
        # What is paused waits for long, what is silent is given up soon.
        interval = timedelta(minutes=20) if who is PAUSED else timedelta(seconds=1)
        terms = CpaTerms(
            cpa_id=_cpa_of(who),
            profile=Profile.RELIABLE_SIGNED,
            start=now - timedelta(days=1),
            end=now + timedelta(days=300),
            retries=1,
            retry_interval=interval,
            persist_duration=interval * 3,
        )
        cpa = make_cpa(
            terms,
            partner=cpa_party(pki, who, "Melder", url),
            bridge=cpa_party(pki, BRIDGE, "Ontvanger", "https://localhost:8443/ebms"),
        )
        (folder / "cpa" / f"{terms.cpa_id}.xml").write_bytes(cpa)
    copy_mappings(folder / "mappings")
    text = config.read_text(encoding="utf-8").replace(json.dumps(str(MAPPINGS)), '"mappings"')
    text += _contact("partners", "Servicedesk politie", 9)
    text = text.replace('language = "en"', 'language = "nl"\nlogin = "local"')
    text += "[agreements]\nreload_seconds = 1\n" + "".join(
        f'[[partners]]\nname = "{who.name}"\nparty_id = "{who.oin}"\nsystem = "Dossier"\n'
        'events = ["uitwisselen-melding.*"]\n' + _contact("partners", "Meldpunt berichtenverkeer", number)
        for number, who in enumerate(urls, start=2)
    )
    text = text.replace("[hub.pull]", _contact("hub", "Beheer hub", 1) + "[hub.pull]")
    text = text.replace("[hub]", _contact("console", "Team koppelingen", 0, "integrator") + "[hub]")
    config.write_text(text, encoding="utf-8")


def _contact(of: str, desk: str, number: int, key: str = "contact") -> str:
    """Somebody to call, on a number that belongs to nobody."""
    return (
        f'[{of}.{key}]\nname = "{desk}"\nphone = "+31 85 000 00 0{number}"\n'
        f'email = "beheer{number}@example.nl"\nhours = "dag en nacht"\n'
    )


def copy_mappings(target: Path) -> None:
    """The two mappings of the main job with what they need: a mistake in these spoils nobody's files."""
    for file in (MAPPINGS / "vocabulary.yaml", *sorted((MAPPINGS / "stuf-jz").rglob("*"))):
        name = file.relative_to(MAPPINGS)
        wanted = not name.name.endswith(".map.yaml") or name.name in MAPS
        if file.is_file() and wanted and not any(part.endswith(".cases") for part in name.parts):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / name)


async def _produce(scene: Scene, store: Store) -> list[Incident]:
    """One after the other, the hub's own fault last: it would hold the others up."""
    made = [
        await _parked(
            scene, store, "unknown-code", "A report has a code that the mapping does not know", UNKNOWN_CODE
        ),
        await _parked(scene, store, "nobody", "A report names nobody with a BSN", NO_BSN),
        await _unknown_agreement(scene, store),
        await _forged(scene, store),
        await _rejected(scene, store),
        await _silent(scene, store),
        await _paused(scene, store),
        await _mapping_refused(scene),
        Incident(name="certificate", title="A certificate ends in eleven days", page="/attention"),
    ]
    return [*made, await _hub_down(scene, store)]


async def _parked(scene: Scene, store: Store, name: str, title: str, payload: bytes) -> Incident:
    sent = await scene.police.send(payload, "vtMelding")
    found = await _exchange(store, sent.message_id, ExchangeState.ATTENTION)
    return Incident(name=name, title=title, page=f"/exchanges/{found.key}")


async def _unknown_agreement(scene: Scene, store: Store) -> Incident:
    """Nothing of it is kept, only that somebody knocked."""
    await scene.stranger.send(report(103), "vtMelding")
    since = datetime.now(UTC) - timedelta(hours=1)
    await _until(lambda: bool(store.read_sync(lambda tx: turned_away_since(tx, since))))
    title = "A partner sends under an agreement that we do not have"
    return Incident(name="agreement", title=title, page="/attention")


async def _forged(scene: Scene, store: Store) -> Incident:
    """A message that somebody changed after it was signed."""
    bridge_url, scene.forger.bridge_url = scene.forger.bridge_url, "https://localhost:9/ebms"
    made = await scene.forger.send(report(104), "vtMelding")
    scene.forger.bridge_url = bridge_url
    sent = scene.forger.sent(made.message_id)
    await scene.forger.post(sent.content_type, sent.body.replace(b"BVH-2026-000104", b"BVH-2026-000666"))
    found = await _exchange(store, sent.message_id, ExchangeState.ATTENTION)
    title = "A message was changed after it was signed"
    return Incident(name="signature", title=title, page=f"/exchanges/{found.key}")


async def _rejected(scene: Scene, store: Store) -> Incident:
    scene.hub.reject(SEEN, type_fout="FUNCTIONEEL", fout="Onbekende ontvanger", times=1)
    sent = await scene.police.send(report(105), "vtMelding")
    found = await _exchange(store, sent.message_id, ExchangeState.ATTENTION)
    title = "The hub rejects an event: functional error"
    return Incident(name="rejected", title=title, page=f"/exchanges/{found.key}")


async def _silent(scene: Scene, store: Store) -> Incident:
    """A partner takes its answer and never acknowledges it."""
    scene.silent.misconduct.dropped = 1000
    await scene.silent.send(report(106), "vtMelding")
    found = await _back(store, "melding/BVH-2026-000106", ExchangeState.ATTENTION)
    title = "A partner does not acknowledge, and the time for it is over"
    return Incident(name="silent", title=title, page=f"/exchanges/{found.key}")


async def _paused(scene: Scene, store: Store) -> Incident:
    """Paused by a person, and what is for it waits."""
    reason, now = "Onderhoud bij de partner tot 06:00", datetime.now(UTC)

    def work(tx: Connection) -> None:
        channels.pause(tx, PAUSED.oin, by=OPERATOR, reason=reason, at=now)
        add_audit(
            tx,
            Audit(
                key=KeyMaker()(now),
                at=now,
                who=OPERATOR,
                role=Role.OPERATOR,
                way="console",
                action="partner.paused",
                target=PAUSED.oin,
                reason=reason,
            ),
        )

    store.write_sync(work)
    await scene.paused.send(report(107), "vtMelding")
    found = await _back(store, "melding/BVH-2026-000107", ExchangeState.RUNNING, "message.composed")
    return Incident(
        name="paused", title="A partner is paused, and a message for it waits", page=f"/exchanges/{found.key}"
    )


async def _mapping_refused(scene: Scene) -> Incident:
    """Somebody saves a mapping with a mistake; the former one goes on."""
    (file,) = (scene.folder / "mappings").rglob(MAPS[0])
    file.write_text(file.read_text(encoding="utf-8") + BROKEN_ROW, encoding="utf-8")
    log = scene.folder / "bridge.log"
    await _until(lambda: "mappings.not_taken_up" in log.read_text(encoding="utf-8"))
    return Incident(
        name="mapping", title="A changed mapping has a mistake and is not taken up", page="/attention"
    )


async def _hub_down(scene: Scene, store: Store) -> Incident:
    for where in Where:
        scene.hub.fail(FaultKind.STATUS, where=where, status=503, times=1_000_000)
    sent = await scene.police.send(report(110), "vtMelding")
    await _until(lambda: _failures(store, "hub") >= channels.THRESHOLD)
    found = await _exchange(store, sent.message_id, ExchangeState.RUNNING)
    return Incident(
        name="hub", title="The hub is gone, and events for it wait", page=f"/exchanges/{found.key}"
    )


def _failures(store: Store, endpoint: str) -> int:
    channel = store.read_sync(lambda tx: find_channel(tx, endpoint))
    return channel.failures if channel else 0


async def _exchange(store: Store, id: str, state: ExchangeState) -> Exchange:
    """The exchange of a message, as soon as it is in this state."""
    found: list[Exchange] = []

    def look() -> bool:
        found[:] = [e for e in store.read_sync(lambda tx: find_exchanges(tx, id)) if e.state is state]
        return bool(found)

    await _until(look)
    return found[0]


async def _back(store: Store, subject: str, state: ExchangeState, step: str = "") -> Exchange:
    """The exchange that brings the answer about a subject to its partner."""
    found: list[Exchange] = []

    def work(tx: Connection) -> list[Exchange]:
        return [
            e
            for e in find_exchanges(tx, subject)
            if e.direction is ExchangeDirection.TO_PARTNER
            and e.state is state
            and (not step or any(s.what == step for s in steps_of(tx, e.key)))
        ]

    def look() -> bool:
        found[:] = store.read_sync(work)
        return bool(found)

    await _until(look)
    return found[0]


async def _until(true: Callable[[], bool]) -> None:
    """Until something is so in the store or log of another process. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while not true():  # noqa: ASYNC110 - another process has no event for it
            await asyncio.sleep(0.1)


def _login_link(store: Store, console: str) -> str:
    """For an operator that need not choose a password first: the demo ends with its folder."""
    now, by = datetime.now(UTC), "demo"
    make_account(store, OPERATOR, Role.OPERATOR, now=now, by=by)

    def activate(tx: Connection) -> None:
        account = find_account(tx, OPERATOR)
        assert account is not None, "it was made just now"
        change_account(tx, account.key, state=AccountState.ACTIVE, password=None, password_until=None)

    store.write_sync(activate)
    return f"{console}login/{make_link(store, OPERATOR, now=now, by=by)}"


if __name__ == "__main__":
    sys.exit(main())
