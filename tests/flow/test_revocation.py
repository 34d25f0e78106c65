"""Revocation lists that are fetched from where certificates say that they are, over real HTTP on loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from bridge.cli.main import make_app
from bridge.config import Settings
from bridge.demo import BRIDGE, HUB, POLICE, write_settings
from bridge.flow.reload import REVOCATION, Watch
from bridge.flow.revocation import fetch_due, start_fetching, wanted_lists
from bridge.pki import Pki, make_pki
from bridge.store.revocation import fetched_lists
from bridge.store.rows import RevocationList
from tests.conftest import STRANGER, Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import post, write
from tests.flow.outgoing import send_out

pytestmark = pytest.mark.rule("DK-120", "DK-138", "DK-70", "DK-137")


@dataclass
class Lists:
    """A server that gives what stands in a folder, unless a test has it misbehave."""

    folder: Path
    asked: list[str] = field(default_factory=list)
    answer: Callable[[], web.Response] | None = None
    url: str = ""

    async def give(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.answer is not None:
            return self.answer()
        return web.Response(body=(self.folder / request.path.removeprefix("/")).read_bytes())


@pytest.fixture
async def lists(tmp_path: Path) -> AsyncIterator[Lists]:
    found = Lists(folder=tmp_path / "pki")
    app = web.Application()
    app.router.add_get("/{name}", found.give)
    async with TestServer(app) as server:
        found.url = f"http://localhost:{server.port}"
        yield found


@pytest.fixture
def own_pki(lists: Lists) -> Pki:
    """A PKI whose certificates name the lists of the server."""
    return make_pki(
        lists.folder, organisations=[POLICE, BRIDGE, HUB, STRANGER], now=datetime.now(UTC), lists_at=lists.url
    )


@asynccontextmanager
async def fetching_world(
    folder: Path, pki: Pki, clock: Clock, lists: Lists, **trust: object
) -> AsyncIterator[World]:
    """A bridge that has no list of its own."""

    def change(settings: Settings) -> Settings:
        tls = settings.partner_listener.tls
        assert tls is not None
        listener = settings.partner_listener.model_copy(update={"tls": tls.model_copy(update={"crl": None})})
        hosts = {"crl_hosts": (lists.url.removeprefix("http://"),)}
        return settings.model_copy(
            update={
                "partner_listener": listener,
                "trust": settings.trust.model_copy(update=hosts | trust),
            }
        )

    here = folder / "world"
    here.mkdir()
    async with open_world(here, pki, clock, settings_change=change, delivered_by=(STRANGER.oin,)) as world:
        await world.bridge.store.write(lambda tx: start_fetching(tx, world.bridge))
        yield world


def rows(world: World) -> dict[str, RevocationList]:
    found = world.bridge.store.read_sync(fetched_lists)
    return {row.url.rsplit("/", 1)[-1]: row for row in found}


async def test_the_lists_that_the_certificates_name_are_fetched_and_kept(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists) as world:
        await world.work()
        assert set(rows(world)) == {"0.crl", "1.crl", "2.crl"}
        assert len(world.bridge.trust.crls) == 3
        await world.work(minutes=30)
        assert len(lists.asked) == 3
        await world.work(minutes=31)
        assert len(lists.asked) == 6


async def test_a_client_whose_certificate_was_revoked_is_shut_out_once_the_list_is_fetched(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists) as world:
        await world.work()
        async with world.client(POLICE.stem) as before:
            assert (await post(world, write(world), session=before)).status == 204
        own_pki.revoke(POLICE.stem)
        await world.work(minutes=61)
        async with world.client(POLICE.stem) as after:
            with pytest.raises((aiohttp.ClientError, OSError)):
                await post(world, write(world), session=after)


async def test_a_message_signed_with_a_revoked_certificate_is_refused_though_a_good_gateway_delivers_it(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists) as world:
        await world.work()
        async with world.stranger() as session:
            assert (await post(world, write(world), session=session)).status == 204
            own_pki.revoke(POLICE.stem)
            await world.work(minutes=61)
            letter = write(world)
            await post(world, letter, session=session)
        refused = world.messages(message_id=letter.message_id)[0]
        assert refused.state == "refused"
        assert "SecurityFailure" in (refused.reason or ""), refused.reason


async def test_nothing_is_sent_to_a_server_whose_certificate_was_revoked(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists) as world:
        own_pki.revoke(POLICE.stem)
        await world.work()
        await send_out(world)
        await world.work()
        assert "revoked" in (world.messages()[-1].reason or "")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda: web.Response(status=404), "HTTP 404"),
        (lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}), "HTTP 302"),
        (lambda: web.Response(body=b"<html/>"), "it is no revocation list"),
        (lambda: web.Response(body=bytes(17 * 1024 * 1024)), "it is larger than"),
    ],
)
async def test_a_failure_is_told_and_the_former_list_stays(
    tmp_path: Path,
    own_pki: Pki,
    clock: Clock,
    lists: Lists,
    answer: Callable[[], web.Response],
    problem: str,
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists) as world:
        await world.work()
        before = rows(world)["2.crl"]
        lists.answer = answer
        await world.work(minutes=61)
        after = rows(world)["2.crl"]
        assert problem in (after.problem or "")
        assert (after.octets, after.fetched_at) == (before.octets, before.fetched_at)
        watch = Watch(world.bridge)
        await watch.look()
        assert any(problem in line for line in world.bridge.problems[REVOCATION])
        async with world.client(POLICE.stem) as session:
            assert (await post(world, write(world), session=session)).status == 204
        lists.answer = None
        await world.work(minutes=6)
        await watch.look()
        assert REVOCATION not in world.bridge.problems


async def test_a_list_of_a_stranger_is_refused(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    other = make_pki(tmp_path / "other", organisations=[POLICE], now=datetime.now(UTC))
    other.revoke(POLICE.stem)
    octets = (other.directory / "2.crl").read_bytes()
    lists.answer = lambda: web.Response(body=octets)
    async with fetching_world(tmp_path, own_pki, clock, lists) as world:
        await world.work()
        assert world.bridge.trust.crls == ()
        assert "not signed by a trusted authority" in (rows(world)["2.crl"].problem or "")


async def test_a_host_that_the_settings_do_not_name_is_never_asked_and_the_operator_is_told(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists, crl_hosts=("pkioverheid.nl",)) as world:
        await world.work()
        await Watch(world.bridge).look()
        assert lists.asked == []
        assert "add its host to trust.crl_hosts" in world.bridge.problems[REVOCATION][0]


async def test_an_address_of_the_settings_is_fetched_too(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    url = f"{lists.url}/2.crl"
    async with fetching_world(tmp_path, own_pki, clock, lists, crl_hosts=(), crl_urls=(url,)) as world:
        assert wanted_lists(world.bridge) == (url,)
        await fetch_due(world.bridge, all_of_them=True)
        assert len(world.bridge.trust.crls) == 1


async def test_switched_off_nothing_is_fetched(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists, fetch_crls=False) as world:
        await world.work()
        assert lists.asked == []


async def test_another_process_takes_up_what_was_fetched(
    tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists
) -> None:
    async with fetching_world(tmp_path, own_pki, clock, lists) as world:
        watch = Watch(world.bridge)
        await world.work()
        nothing = world.bridge.gate.trust.__class__(
            anchors=world.bridge.trust.anchors, intermediates=world.bridge.trust.intermediates
        )
        world.bridge.gate.trust = nothing
        await watch.look()
        assert len(world.bridge.trust.crls) == 3


async def test_through_a_proxy(tmp_path: Path, own_pki: Pki, clock: Clock, lists: Lists) -> None:
    """A proxy gets the whole address as its target."""
    asked: list[str] = []

    async def relay(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(str(request.rel_url))
        return web.Response(body=(lists.folder / request.path.rsplit("/", 1)[-1]).read_bytes())

    runner = web.ServerRunner(web.Server(relay))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with fetching_world(tmp_path, own_pki, clock, lists, crl_proxy=f"http://127.0.0.1:{port}") as world:
        await world.work()
        assert len(world.bridge.trust.crls) == 3
    await runner.cleanup()
    assert (len(asked), lists.asked) == (3, [])


def test_the_command_fetches_and_shows_the_lists(
    tmp_path: Path, pki: Pki, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_settings(
        tmp_path, _beside(tmp_path, pki), partner_url="https://h/m", hub_url="https://h/hub"
    )
    url = "http://localhost:9/none.crl"
    text = config.read_text(encoding="utf-8")
    config.write_text(f'{text}\n[trust]\ncrl_urls = ["{url}"]\n', encoding="utf-8")
    ended = CliRunner().invoke(make_app(), ["certs", "lists", "--config", str(config), "--fetch", "--json"])
    assert ended.exit_code == 1
    assert json.loads(ended.stdout.splitlines()[-1])["url"] == url
    assert f"{url}: it could not be fetched" in ended.stderr


def _beside(folder: Path, pki: Pki) -> Pki:
    shutil.copytree(pki.directory, folder / "certs")
    return pki
