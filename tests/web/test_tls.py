"""TLS on both sides: who gets in, with which versions and ciphers, and what a revocation list changes."""

from __future__ import annotations

import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.demo import BRIDGE, HUB, POLICE
from bridge.flow.reload import Watch
from bridge.pki import Flaw, Organisation, Pki, make_pki
from bridge.store.rows import MessageState
from bridge.web.tls import _TLS_1_2_CIPHERS
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import Answer, post, write
from tests.flow.outgoing import send_out

GOOD = {
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    *_TLS_1_2_CIPHERS.split(":"),
}


@pytest.fixture
def own_pki(tmp_path: Path) -> Pki:
    """A PKI of its own, so that revoking in one test does not reach another."""
    return make_pki(tmp_path / "own", organisations=[POLICE, BRIDGE, HUB], now=datetime.now(UTC))


def client_context(world: World, stem: str | None = None) -> ssl.SSLContext:
    folder = world.folder / "certs"
    context = ssl.create_default_context(cafile=str(folder / "trust.pem"))
    if stem:
        context.load_cert_chain(folder / f"{stem}.crt.pem", folder / f"{stem}.key.pem")
    return context


async def knock(world: World, context: ssl.SSLContext) -> Answer:
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await post(world, write(world), session=session)


async def is_shut_out(world: World, context: ssl.SSLContext) -> bool:
    """No HTTP answer at all, and nothing in the store."""
    try:
        await knock(world, context)
    except (aiohttp.ClientError, ConnectionError, ssl.SSLError):
        return world.messages() == ()
    return False


@pytest.mark.rule("DK-02", "DK-75", "DK-119", "DK-140", "DK-13")
async def test_without_a_client_certificate_the_handshake_fails_before_any_http(world: World) -> None:
    assert await is_shut_out(world, client_context(world))


@pytest.mark.rule("DK-119", "DK-137", "DK-02")
@pytest.mark.parametrize("stem", ["foreign", "expired"])
async def test_a_certificate_of_another_authority_or_an_expired_one_is_shut_out(
    world: World, stem: str
) -> None:
    assert await is_shut_out(world, client_context(world, stem))


@pytest.mark.rule("DK-142", "DK-31")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_peers_with_only_tls_1_2_or_only_1_3_connect(world: World, version: ssl.TLSVersion) -> None:
    context = client_context(world, POLICE.stem)
    context.minimum_version = context.maximum_version = version
    assert (await knock(world, context)).status == 204


@pytest.mark.rule("DK-76", "DK-141", "DK-142")
async def test_a_peer_with_only_tls_1_1_cannot_connect(world: World) -> None:
    context = client_context(world, POLICE.stem)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert await is_shut_out(world, context)


@pytest.mark.rule("DK-144")
@pytest.mark.parametrize("ciphers", ["ECDHE+AES+SHA256:!AESGCM", "kRSA", "AES256-GCM-SHA384"])
async def test_cbc_and_rsa_key_exchange_are_refused(world: World, ciphers: str) -> None:
    context = client_context(world, POLICE.stem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    assert await is_shut_out(world, context)


@pytest.mark.rule("DK-144")
async def test_both_contexts_hold_the_good_ciphers_and_no_other(world: World) -> None:
    from bridge.flow.bridge import Route

    party = world.bridge.own[0].party_id
    outgoing = world.bridge.post._context(Route(url="https://x", own_party=party))  # type: ignore[attr-defined]
    from bridge.web.tls import server_context

    assert world.bridge.settings.partner_listener.tls is not None
    for context in (outgoing, server_context(world.bridge.settings.partner_listener.tls)):
        assert {cipher["name"] for cipher in context.get_ciphers()} <= GOOD
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.rule("DK-120", "DK-137", "DK-70")
async def test_a_certificate_that_is_revoked_while_running_is_shut_out_without_a_restart(
    tmp_path: Path, own_pki: Pki, clock: Clock
) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, own_pki, clock) as world:
        watch = Watch(world.bridge)
        context = client_context(world, POLICE.stem)
        assert (await knock(world, context)).status == 204
        own_pki.revoke(POLICE.stem)
        shutil.copy(own_pki.crl, folder / "certs" / "crl.pem")
        await watch.look()
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await knock(world, context)
        assert len(world.messages()) == 1


@pytest.mark.rule("DK-120", "DK-13")
async def test_nothing_is_sent_to_a_server_whose_certificate_was_revoked(
    tmp_path: Path, own_pki: Pki, clock: Clock
) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, own_pki, clock) as world:
        watch = Watch(world.bridge)
        own_pki.revoke(POLICE.stem)
        shutil.copy(own_pki.crl, folder / "certs" / "crl.pem")
        await watch.look()
        await send_out(world)
        await world.work()
        assert world.partner.received == []
        assert [m.state for m in world.messages()] == [MessageState.WAITING]
        assert any("revoked" in step.detail.get("reason", "") for step in world.steps())


@pytest.mark.rule("DK-70", "DK-137")
async def test_a_revoked_signing_certificate_is_a_security_failure(
    tmp_path: Path, own_pki: Pki, clock: Clock
) -> None:
    """The gateway connects with a good certificate; the signature is of a revoked one."""
    gateway = Organisation(name="Gateway", oin="00000001999990068000", stem="stranger")
    own_pki.issue(gateway)
    folder = tmp_path / "world"
    folder.mkdir()
    async with (
        open_world(folder, own_pki, clock, sync=True, delivered_by=(gateway.oin,)) as world,
        world.stranger() as session,
    ):
        watch = Watch(world.bridge)
        own_pki.revoke(POLICE.stem)
        shutil.copy(own_pki.crl, folder / "certs" / "crl.pem")
        await watch.look()
        answer = await post(world, write(world), session=session)
        assert answer.message.error_list is not None
        assert answer.message.error_list.errors[0].code == "SecurityFailure"


@pytest.mark.rule("DK-70", "DK-120", "DK-138")
@pytest.mark.parametrize(("hours", "let_in"), [(0.0, False), (48.0, True)])
async def test_a_list_that_ran_out_shuts_out_unless_the_settings_give_it_some_time(
    tmp_path: Path, own_pki: Pki, clock: Clock, hours: float, let_in: bool
) -> None:
    folder = tmp_path / "world"
    folder.mkdir()

    def change(settings: Any) -> Any:
        return settings.model_copy(
            update={"trust": settings.trust.model_copy(update={"stale_crl_hours": hours})}
        )

    async with open_world(folder, own_pki, clock, settings_change=change) as world:
        end = world.bridge.trust.lists_end
        assert end is not None
        certificate_of = world.bridge.gate
        clock.now = end + timedelta(hours=1)
        assert certificate_of.lists_are_stale
        held = world.bridge.own[0].keys[0].certificate
        codes = {finding.code for finding in world.bridge.gate.check(held, at=end - timedelta(days=1))}
        assert codes == set()
        stale = {finding.code for finding in world.bridge.gate.check(held, at=end + timedelta(seconds=1))}
        assert ("crl-out-of-date" in stale) is not let_in


@pytest.mark.rule("DK-13", "DK-117", "DK-149")
@pytest.mark.parametrize("what", ["unknown authority", "another host name"])
async def test_a_server_of_an_unknown_authority_or_another_host_name_gets_nothing(
    tmp_path: Path, own_pki: Pki, clock: Clock, what: str
) -> None:
    wrong = Organisation(
        name="Fout",
        oin=POLICE.oin,
        stem="wrong",
        hosts=("elders.example",) if what == "another host name" else ("localhost", "127.0.0.1"),
    )
    if what == "another host name":
        own_pki.issue(wrong)
    else:
        own_pki.make_wrong(wrong, Flaw.OTHER_CA)
    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, own_pki, clock) as world:
        made = own_pki.credentials("wrong")
        context = world.partner._server._tls
        assert context is not None
        context.load_cert_chain(made.certificate, made.key)
        await send_out(world)
        await world.work()
        assert world.partner.received == []
        assert any("certificate" in step.detail.get("reason", "") for step in world.steps())


@pytest.mark.rule("DK-02")
async def test_a_pinned_server_certificate_lets_no_other_pass(
    tmp_path: Path, own_pki: Pki, clock: Clock
) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    async with open_world(folder, own_pki, clock, pin_server_certificate=True) as world:
        await send_out(world)
        await world.work()
        assert len(world.partner.received) == 1
        other = own_pki.issue(Organisation(name="Nieuw", oin=POLICE.oin, stem="other"))
        context = world.partner._server._tls
        assert context is not None
        context.load_cert_chain(other.certificate, other.key)
        await world.bridge.post._session.connector.close()  # type: ignore[attr-defined]
        world.bridge.post._session._connector = aiohttp.TCPConnector()  # type: ignore[attr-defined]
        await send_out(world)
        await world.work()
        assert len(world.partner.received) == 1
