"""CPAs and revocation lists that change while the bridge runs, production mode, and keys that roll over."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bridge.cli.assemble import load_own_identities
from bridge.cli.serve import _partner_context
from bridge.config import Settings, load_settings
from bridge.demo import BRIDGE, CPA_ID, HUB, POLICE, write_settings
from bridge.ebms.cpa_terms import EncryptionTerms
from bridge.ebms.model import Message as EbmsMessage
from bridge.ebms.model import Party
from bridge.errors import ConfigError, StoreUnavailable
from bridge.flow.agreement_import import import_agreement, side_of
from bridge.flow.agreements import load_agreements, usable_agreements
from bridge.flow.reload import AGREEMENTS, Watch
from bridge.flow.seal import _receiver_certificate
from bridge.flow.trust import Gate, load_trust
from bridge.pki import Flaw, Organisation, Pki, make_pki
from bridge.store.rows import MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import post, write
from tests.flow.outgoing import send_out


def cpa_file(world: World) -> Path:
    return world.folder / "cpa" / f"{CPA_ID}.xml"


@pytest.mark.rule("DK-121", "DK-43")
async def test_a_new_agreement_is_taken_up_without_a_restart_and_a_removed_one_is_gone(world: World) -> None:
    watch, octets = Watch(world.bridge), cpa_file(world).read_bytes()
    cpa_file(world).unlink()
    await watch.look()
    assert (await post(world, write(world))).status == 500
    cpa_file(world).write_bytes(octets)
    await watch.look()
    assert (await post(world, write(world))).status == 204


@pytest.mark.rule("DK-123")
async def test_with_a_faulty_agreement_the_old_set_stays_and_the_fault_is_visible(world: World) -> None:
    watch, octets = Watch(world.bridge), cpa_file(world).read_bytes()
    broken = octets.replace(b'defaultMshChannelId="BRIDGE_Channel"', b'defaultMshChannelId="nergens"')
    broken = broken.replace(b'tns:defaultMshChannelId="BRIDGE_Channel"', b'tns:defaultMshChannelId="nergens"')
    assert broken != octets
    cpa_file(world).write_bytes(broken)
    await watch.look()
    assert world.bridge.problems[AGREEMENTS]
    assert (await post(world, write(world))).status == 204
    cpa_file(world).write_bytes(octets)
    await watch.look()
    assert AGREEMENTS not in world.bridge.problems


@pytest.mark.rule("DK-121", "DK-148")
async def test_of_several_versions_the_one_in_force_counts(world: World) -> None:
    """The old one ends, the new one begins, both under one CPAId."""
    old = world.bridge.agreements.agreements[0]
    now = world.clock()
    assert old.start is not None
    first = replace(old, end=now + timedelta(days=10))
    second = replace(old, start=now + timedelta(days=10, seconds=1))
    world.bridge.agreements = replace(world.bridge.agreements, agreements=(first, second))
    for days in (0, 9, 3):
        world.clock.forward(days=days)
        assert (await post(world, write(world))).status == 204
        found = world.bridge.agreements.find(first.cpa_id, world.clock())
        assert found is (second if days == 3 else first)
    await world.work()
    assert MessageState.REFUSED not in [m.state for m in world.messages()]


def import_version(world: World, choice: str, **replacing: str) -> None:
    """As `bridge cpa import` and the console do; the running bridge takes it up at its next look."""
    folder = world.bridge.settings.agreements.folder
    (file,) = [path for path in folder.glob("*.xml") if path.stem == CPA_ID]
    text = former = file.read_text(encoding="utf-8")
    for element, value in replacing.items():
        text, count = re.subn(rf"(<(?:\w+:)?{element}>)[^<]*<", rf"\g<1>{value}<", text)
        assert count, element
    import_agreement(
        text.encode(),
        folder,
        side_of(world.bridge.own, production=False),
        choice=choice,
        expected=hashlib.sha256(former.encode()).hexdigest(),
        now=world.clock(),
    )


def moment(world: World, **after: float) -> str:
    return f"{world.clock() + timedelta(**after):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.rule("DK-121")
async def test_messages_under_way_keep_the_version_under_which_they_were_written(world: World) -> None:
    """The operator ends the old version and puts the new one beside it; both sides have messages under way then."""
    watch = Watch(world.bridge)
    world.partner.misconduct.dropped = 1
    ours = await send_out(world)
    await world.work()
    long_ago = world.clock() - timedelta(hours=1)
    theirs = write(world, change=dated(long_ago))
    import_version(world, "replace", End=moment(world, seconds=5))
    import_version(world, "beside", Start=moment(world, seconds=6), End=moment(world, days=90), Retries="0")
    await watch.look()
    assert watch_problems(world) == ()
    world.clock.forward(seconds=30)
    assert (await post(world, theirs)).status == 204
    assert (await post(world, write(world))).status == 204
    await world.work()
    await world.settled()
    states = {m.message_id: m.state for m in world.messages()}
    assert states.pop(ours.message_id) is MessageState.ACKNOWLEDGED, "its second attempt came, as was agreed"
    assert set(states.values()) == {MessageState.MAPPED}
    world.clock.forward(days=6)
    await post(world, write(world, change=dated(long_ago)))
    assert world.messages()[-1].state is MessageState.REFUSED, "nobody chooses a version that ended long ago"


def watch_problems(world: World) -> tuple[str, ...]:
    return tuple(world.bridge.problems.get(AGREEMENTS, ()))


def dated(timestamp: datetime) -> Callable[[EbmsMessage], EbmsMessage]:
    return lambda message: replace(message, header=replace(message.header, timestamp=timestamp))


@pytest.mark.rule("DK-121")
async def test_a_replaced_agreement_changes_where_a_message_goes_but_not_how_long_it_lives(
    world: World,
) -> None:
    watch = Watch(world.bridge)
    world.partner.misconduct.dropped = 99
    ours = await send_out(world)
    await world.work()
    import_version(world, "replace", Retries="99")
    await watch.look()
    assert watch_problems(world) == ()
    for _ in range(6):
        await world.work(seconds=31)
    (row,) = world.messages()
    assert (row.message_id, row.state) == (ours.message_id, MessageState.EXPIRED)
    assert row.time_to_live == ours.time_to_live


# --- several keys and parties


@pytest.mark.rule("DK-63", "DK-72")
async def test_during_a_roll_over_the_certificate_that_the_agreement_names_signs_and_connects(
    tmp_path: Path, clock: Clock
) -> None:
    """The agreement still names the previous certificate; the new one is installed already."""
    pki = make_pki(tmp_path / "own", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC))
    renewed = pki.issue(Organisation(name=BRIDGE.name, oin=BRIDGE.oin, stem="renewed"))
    previous = pki.credentials(BRIDGE.stem)

    def change(settings: Settings) -> Settings:
        own = settings.own_parties[0].model_copy(
            update={
                "certificate": renewed.certificate,
                "key": renewed.key,
                "previous_certificate": previous.certificate,
                "previous_key": previous.key,
            }
        )
        return settings.model_copy(update={"own_parties": (own,)})

    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, pki, clock, settings_change=change) as world:
        assert len(world.bridge.own[0].keys) == 2
        await send_out(world)
        result = await world.partner.send(world.sample, "vtMelding")
        await world.work()
        await world.settled()
        assert world.partner.refused == []
        await world.partner.acknowledged(result.message_id, 5)
        assert {m.state for m in world.messages(direction="out")} == {MessageState.ACKNOWLEDGED}


@pytest.mark.rule("DK-14", "DK-70")
@pytest.mark.parametrize("told", [True, False])
async def test_a_partner_signs_with_its_new_key_before_the_agreement_names_it_once_the_settings_do(
    tmp_path: Path, clock: Clock, told: bool
) -> None:
    pki = make_pki(tmp_path / "own", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC))
    renewed = pki.issue(Organisation(name=POLICE.name, oin=POLICE.oin, stem="renewed"))
    folder = tmp_path / "world"
    folder.mkdir()
    change = {"renewed_certificates": renewed.certificate} if told else {}
    async with open_world(folder, pki, clock, **change) as world:
        old = write(world)
        tls = replace(world.partner.settings.tls, certificate=renewed.certificate, key=renewed.key)
        world.partner.settings = replace(world.partner.settings, tls=tls)
        new = write(world)
        for letter in (old, new):
            await post(world, letter)
        states = [m.state for m in world.messages()]
        assert states == [MessageState.RECEIVED, MessageState.RECEIVED if told else MessageState.REFUSED]


async def test_an_authority_among_the_renewed_certificates_signs_nothing(
    tmp_path: Path, clock: Clock
) -> None:
    pki = make_pki(tmp_path / "own", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC))
    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, pki, clock, renewed_certificates=pki.trust) as world:
        assert world.bridge.renewed == {POLICE.oin: ()}


@pytest.mark.rule("DK-78")
async def test_parts_are_encrypted_for_the_renewed_certificate_once_the_agreed_one_has_expired(
    tmp_path: Path, clock: Clock
) -> None:
    pki = make_pki(
        tmp_path / "own", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC), valid_days=30
    )
    longer = make_pki(tmp_path / "longer", organisations=[POLICE], now=datetime.now(UTC), valid_days=90)
    renewed = longer.credentials(POLICE.stem).certificate
    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, pki, clock, renewed_certificates=renewed) as world:
        (police,) = (p for p in world.bridge.agreements.agreements[0].parties if p.name == POLICE.name)
        agreed = police.certificates[0].certificate
        party = Party(party_ids=police.party_ids)
        terms = EncryptionTerms(certificate=agreed, algorithm="")
        new = x509.load_pem_x509_certificate(renewed.read_bytes())
        assert _receiver_certificate(world.bridge, party, terms) == agreed
        clock.forward(days=31)
        assert _receiver_certificate(world.bridge, party, terms) == new
        clock.forward(days=90)
        assert _receiver_certificate(world.bridge, party, terms) == agreed


@pytest.mark.rule("DK-102")
async def test_the_bridge_acts_for_several_parties_each_with_its_own_keys(
    tmp_path: Path, clock: Clock
) -> None:
    second = Organisation(name="Tweede", oin="00000001999990080000", stem="second")
    pki = make_pki(tmp_path / "own", organisations=[POLICE, BRIDGE, HUB, second], now=datetime.now(UTC))
    held = pki.credentials("second")

    def change(settings: Settings) -> Settings:
        own = settings.own_parties[0]
        other = own.model_copy(
            update={
                "name": second.name,
                "party_id": second.oin,
                "certificate": held.certificate,
                "key": held.key,
            }
        )
        return settings.model_copy(update={"own_parties": (other, own)})

    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, pki, clock, settings_change=change) as world:
        result = await world.partner.send(world.sample, "vtMelding")
        await world.work()
        await world.partner.acknowledged(result.message_id, 5)
        assert {str(i.party_id) for i in world.bridge.own} == {BRIDGE.oin, second.oin}


# --- production


@pytest.fixture
def settings(tmp_path: Path, pki: Pki) -> Callable[..., Settings]:
    """The settings of the demo in production mode, changed."""
    shutil.copytree(pki.directory, tmp_path / "certs")
    config = write_settings(
        tmp_path, pki, partner_url="https://localhost/msh", hub_url="https://localhost/hub"
    )

    def make(**changes: Any) -> Settings:
        found = load_settings(config, environment={})
        return found.model_copy(update={"production": True, **changes})

    return make


@pytest.mark.rule("DK-30")
def test_production_starts_no_plain_listener(settings: Callable[..., Settings]) -> None:
    from types import SimpleNamespace

    plain = settings()
    plain = plain.model_copy(
        update={"partner_listener": plain.partner_listener.model_copy(update={"tls": None})}
    )
    with pytest.raises(ConfigError, match="DK-30"):
        _partner_context(SimpleNamespace(settings=plain))  # type: ignore[arg-type]


@pytest.mark.rule("DK-139", "DK-117", "DK-118", "DK-119")
def test_production_trusts_no_hierarchy_but_the_one_of_the_settings(
    settings: Callable[..., Settings],
) -> None:
    with pytest.raises(ConfigError, match="DK-139"):
        load_trust(settings())
    allowed = settings()
    roots = allowed.trust.model_copy(update={"production_roots": ("Test, geen echte PKIoverheid",)})
    assert load_trust(allowed.model_copy(update={"trust": roots})).anchors


@pytest.mark.rule("DK-120", "DK-138")
def test_production_does_not_start_without_revocation_lists(settings: Callable[..., Settings]) -> None:
    found = settings()
    assert found.partner_listener.tls is not None
    tls = found.partner_listener.tls.model_copy(update={"crl": None})
    listener = found.partner_listener.model_copy(update={"tls": tls})
    trust = found.trust.model_copy(update={"fetch_crls": False})
    with pytest.raises(ConfigError, match="DK-120"):
        load_trust(found.model_copy(update={"partner_listener": listener, "trust": trust}))


@pytest.mark.rule("DK-120", "DK-138")
def test_production_lets_nobody_in_before_the_first_list_is_fetched(
    settings: Callable[..., Settings], pki: Pki
) -> None:
    found = settings()
    assert found.partner_listener.tls is not None
    tls = found.partner_listener.tls.model_copy(update={"crl": None})
    listener = found.partner_listener.model_copy(update={"tls": tls})
    roots = found.trust.model_copy(update={"production_roots": ("Test, geen echte PKIoverheid",)})
    trust = load_trust(found.model_copy(update={"partner_listener": listener, "trust": roots}))
    gate = Gate(trust, now=lambda: datetime.now(UTC), production=True)
    certificate = x509.load_pem_x509_certificate(pki.credentials(POLICE.stem).certificate.read_bytes())
    assert "there is no revocation list of its issuer" in (gate.why_refused(certificate) or "")


@pytest.mark.rule("DK-35", "DK-151")
def test_production_has_no_own_party_with_a_suffix(settings: Callable[..., Settings]) -> None:
    found = settings()
    own = found.own_parties[0].model_copy(update={"party_id": BRIDGE.oin + "_T"})
    with pytest.raises(ConfigError, match="suffix"):
        load_own_identities(found.model_copy(update={"own_parties": (own,)}))
    load_own_identities(found.model_copy(update={"own_parties": (own,), "production": False}))


@pytest.mark.rule("DK-33")
@pytest.mark.parametrize("value", ["12345", "0000000199999004400", "veilig thuis"])
def test_an_own_party_of_the_oin_scheme_has_an_oin(settings: Callable[..., Settings], value: str) -> None:
    found = settings()
    own = found.own_parties[0].model_copy(update={"party_id": value})
    with pytest.raises(ConfigError, match="OIN"):
        load_own_identities(found.model_copy(update={"own_parties": (own,)}))


@pytest.mark.rule("DK-69", "DK-68", "DK-128", "DK-136")
@pytest.mark.parametrize("flaw", ["self-signed", "no-oin", "sha1"])
def test_production_leaves_an_agreement_with_test_material_out_and_says_why(
    tmp_path: Path, clock: Clock, flaw: str
) -> None:
    pki = make_pki(tmp_path / "certs", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC))
    if flaw != "sha1":
        pki.make_wrong(POLICE, Flaw(flaw))
    config = write_settings(
        tmp_path, pki, partner_url="https://localhost/msh", hub_url="https://localhost/hub"
    )
    path = tmp_path / "cpa" / f"{CPA_ID}.xml"
    if flaw == "sha1":
        text = path.read_text().replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1")
        path.write_text(text)
    found = load_settings(config, environment={})
    own = load_own_identities(found)
    agreements = load_agreements(path.parent)
    kept, refused = usable_agreements(agreements, own, now=clock(), production=True)
    assert (kept.agreements, bool(refused)) == ((), True)
    kept, refused = usable_agreements(agreements, own, now=clock(), production=False)
    assert (len(kept.agreements), refused) == (1, ())


async def test_a_changed_trust_that_came_while_the_store_was_away_is_taken_up_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority that was taken out must not stay trusted, and the watch goes on."""
    watch, trust = Watch(world.bridge), world.bridge.settings.partner_listener.tls
    assert trust is not None
    await watch.look()
    trust.trust.write_bytes(trust.trust.read_bytes() + b"\n")
    before, store = world.bridge.gate.trust, world.bridge.store

    def away(*_: object) -> None:
        raise StoreUnavailable("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "read_sync", away)
        await watch.look()
    assert world.bridge.gate.trust is before
    await watch.look()
    assert world.bridge.gate.trust is not before


async def test_a_surprise_while_something_is_taken_up_is_told_and_the_watch_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(world.bridge)
    cpa_file(world).write_bytes(cpa_file(world).read_bytes() + b"\n")

    def breaks(*_: object) -> None:
        raise RecursionError("quotes a file")

    monkeypatch.setattr("bridge.flow.reload.take_agreements", breaks)
    await watch.look()
    (problem,) = world.bridge.problems[AGREEMENTS]
    assert "RecursionError" in problem and "quotes" not in problem
