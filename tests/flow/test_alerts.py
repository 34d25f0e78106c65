"""Alerts go out once, to a real mail server and a real webhook on loopback, and by a clock that the test moves."""

from __future__ import annotations

import asyncio
import email
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import time, timedelta
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from bridge.config import AlertRule, AlertSettings, Condition, EmailChannel, Settings, WebhookChannel
from bridge.flow import alerts
from bridge.flow.alert_send import sign
from bridge.flow.alerts import is_quiet, start_watching
from bridge.flow.jobs import make_worker
from bridge.flow.mend import Actor, CannotMend
from bridge.incidents import UNKNOWN_CODE
from bridge.pki import Pki
from bridge.store.alerts import ended_alerts, list_deliveries, open_alerts
from bridge.store.channels import note_failure
from bridge.store.rows import DeliveryState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world

PERSON = Actor(name="anna", role="operator")
ZONE = ZoneInfo("Europe/Amsterdam")
BSN = "999990342"
"""Stands in the sample report."""


@dataclass
class MailServer:
    """Just enough of SMTP to take mails; `refusing` answers that it cannot now."""

    mails: list[Any] = field(default_factory=list)
    refusing: bool = False
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        while line := await reader.readline():
            word = line.strip().upper()
            if word.startswith(b"EHLO"):
                writer.write(b"250 mail.example\r\n")
            elif word == b"DATA":
                writer.write(b"354 go on\r\n")
                body = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(email.message_from_bytes(body[:-3]))
                writer.write(b"250 taken\r\n")
            elif word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"451 not now\r\n" if self.refusing else b"250 fine\r\n")
        writer.close()

    @property
    def subjects(self) -> list[str]:
        return [str(make_header(decode_header(mail["Subject"]))) for mail in self.mails]

    def text(self, number: int = -1) -> str:
        return str(self.mails[number].get_payload(decode=True).decode())


@dataclass
class Hook:
    """A webhook that keeps what it gets."""

    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        self.calls.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    made = MailServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_post("/alerts", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/alerts"
    yield made
    await runner.cleanup()


@pytest.fixture
async def opened(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[Callable[..., Any]]:
    """Gives a bridge that watches its conditions, with these alert settings."""
    async with AsyncExitStack() as stack:

        async def make(**given: Any) -> World:
            def change(settings: Settings) -> Settings:
                return settings.model_copy(update={"alerts": AlertSettings(**given)})

            world = await stack.enter_async_context(open_world(tmp_path, pki, clock, settings_change=change))
            await world.bridge.store.write(lambda tx: start_watching(tx, world.bridge))
            return world

        yield make


def mails_to(mail: MailServer, **given: Any) -> EmailChannel:
    return EmailChannel(
        name="wacht",
        host="127.0.0.1",
        port=mail.port,
        security="none",
        sender="brug@example.nl",
        recipients=("wacht@example.nl",),
        **given,
    )


REFUSED = AlertRule(condition=Condition.SETTINGS_REFUSED, after_minutes=0)


def break_mappings(world: World, what: str = "mappings") -> None:
    world.bridge.problems[what] = ("a.map.yaml:1:1  M101  not so",)


def deliveries(world: World) -> list[DeliveryState]:
    return [d.state for d in world.bridge.store.read_sync(list_deliveries)]


async def test_a_condition_is_told_once_until_it_ends_and_its_end_is_told_once(
    opened: Any, mail: MailServer
) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail),))
    await world.work()
    assert mail.mails == []
    break_mappings(world)
    for _ in range(5):
        await world.work(seconds=60)
    assert len(mail.mails) == 1
    assert "change was not taken up (mappings)" in mail.subjects[0]
    assert "Mend the file" in mail.text()
    world.bridge.problems.clear()
    for _ in range(12):
        await world.work(seconds=60)
    assert len(mail.mails) == 2
    assert "Over: A change was not taken up" in mail.subjects[1]
    assert world.bridge.store.read_sync(open_alerts) == ()
    assert len(world.bridge.store.read_sync(lambda tx: ended_alerts(tx))) == 1


async def test_a_condition_that_comes_and_goes_is_told_once(opened: Any, mail: MailServer) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail),))
    for number in range(20):
        if number % 2:
            world.bridge.problems.clear()
        else:
            break_mappings(world)
        await world.work(seconds=60)
    assert len(mail.mails) == 1


async def test_what_begins_together_goes_together(opened: Any, mail: MailServer) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail),))
    break_mappings(world)
    break_mappings(world, "agreements")
    await world.work()
    assert len(mail.mails) == 1
    assert mail.subjects[0].endswith("(+1)")


async def test_a_channel_gets_no_more_than_its_rate_and_then_what_piled_up_in_one(
    opened: Any, mail: MailServer
) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail, most_per_hour=2),))
    for number in range(6):
        break_mappings(world, f"file{number}")
        await world.work(seconds=60)
    assert len(mail.mails) == 2
    await world.work(seconds=3600)
    assert len(mail.mails) == 3
    assert mail.subjects[2].endswith("(+3)")


async def test_what_lasts_is_told_again_after_its_interval(opened: Any, mail: MailServer) -> None:
    rule = REFUSED.model_copy(update={"remind_hours": 2.0})
    world = await opened(rules=(rule,), emails=(mails_to(mail),))
    break_mappings(world)
    for _ in range(5):
        await world.work(seconds=1800)
    assert ["Still:" in subject for subject in mail.subjects] == [False, True]


async def test_what_does_not_last_long_enough_is_never_told(opened: Any, mail: MailServer) -> None:
    rule = REFUSED.model_copy(update={"after_minutes": 10.0})
    world = await opened(rules=(rule,), emails=(mails_to(mail),))
    break_mappings(world)
    await world.work(seconds=60)
    world.bridge.problems.clear()
    for _ in range(20):
        await world.work(seconds=60)
    assert mail.mails == []


async def test_in_quiet_hours_only_what_is_urgent_passes_and_the_rest_comes_after(
    opened: Any, mail: MailServer, clock: Clock
) -> None:
    local = clock.now.astimezone(ZONE).time()
    until = (clock.now + timedelta(hours=2)).astimezone(ZONE).time()
    quiet = {"quiet_from": local.replace(microsecond=0), "quiet_until": until.replace(microsecond=0)}
    hub = AlertRule(condition=Condition.HUB_DOWN, after_minutes=0)
    world = await opened(rules=(REFUSED, hub), emails=(mails_to(mail, **quiet),))
    break_mappings(world)
    await world.work(seconds=60)
    assert mail.mails == []
    await world.bridge.store.write(lambda tx: note_failure(tx, "hub", reason="no answer", at=clock.now))
    await world.work(seconds=60)
    assert ["Sending to the hub fails" in subject for subject in mail.subjects] == [True]
    assert mail.mails[0]["Importance"] == "high"
    await world.work(seconds=2 * 3600)
    assert "was not taken up" in mail.subjects[1]


@pytest.mark.parametrize(
    ("at", "quiet"),
    [(time(21, 59), False), (time(22), True), (time(3), True), (time(6, 59), True), (time(7), False)],
)
def test_quiet_hours_may_pass_midnight(at: time, quiet: bool) -> None:
    channel = WebhookChannel(name="a", url="https://a.example", quiet_from=time(22), quiet_until=time(7))
    assert is_quiet(channel, at) is quiet


async def test_a_mail_server_that_is_away_is_tried_again_until_it_takes_the_mail_once(
    opened: Any, mail: MailServer
) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail),))
    mail.refusing = True
    break_mappings(world)
    await world.work()
    assert deliveries(world) == [DeliveryState.WAITING]
    mail.refusing = False
    await world.work(seconds=60)
    assert deliveries(world) == [DeliveryState.DELIVERED]
    await world.work(seconds=60)
    assert len(mail.mails) == 1


async def test_a_channel_that_never_answers_is_given_up_and_shown(opened: Any, mail: MailServer) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail),))
    mail.refusing = True
    break_mappings(world)
    for _ in range(13):
        await world.work(seconds=1800)
    assert DeliveryState.FAILED in deliveries(world)
    (failed,) = [d for d in world.bridge.store.read_sync(list_deliveries) if d.state is DeliveryState.FAILED]
    assert failed.reason == "the mail server answered 451"


async def test_two_nodes_on_one_store_tell_once(opened: Any, mail: MailServer) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail),))
    other = make_worker(world.bridge, name="other")
    break_mappings(world)
    await asyncio.gather(world.worker.run_until_idle(), other.run_until_idle())
    await asyncio.gather(world.worker.run_until_idle(), other.run_until_idle())
    assert len(mail.mails) == 1


async def test_a_webhook_gets_a_cloudevent_with_its_secret_and_a_signature(
    opened: Any, hook: Hook, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("Bearer of-a-secret\n")
    (tmp_path / "signing").write_text("k" * 40)
    channel = WebhookChannel(
        name="dienst",
        url=hook.url,
        secret_file=tmp_path / "secret",
        signing_key_file=tmp_path / "signing",
    )
    world = await opened(rules=(REFUSED,), webhooks=(channel,))
    break_mappings(world)
    await world.work()
    ((headers, body),) = hook.calls
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    assert headers["Authorization"] == "Bearer of-a-secret"
    assert headers["Bridge-Signature"] == sign(b"k" * 40, body)
    event = json.loads(body)
    assert (event["specversion"], event["type"]) == ("1.0", "bridge.alert")
    (alert,) = event["data"]["alerts"]
    assert (alert["change"], alert["condition"], alert["target"]) == ("began", "settings-refused", "mappings")


async def test_a_webhook_that_fails_is_called_again_with_the_same_id_and_never_follows_a_redirect(
    opened: Any, hook: Hook
) -> None:
    world = await opened(rules=(REFUSED,), webhooks=(WebhookChannel(name="dienst", url=hook.url),))
    hook.status = 302
    break_mappings(world)
    await world.work()
    hook.status = 200
    await world.work(seconds=60)
    ids = [json.loads(body)["id"] for _, body in hook.calls]
    assert len(ids) == 2
    assert ids[0] == ids[1]
    assert deliveries(world) == [DeliveryState.DELIVERED]


async def test_a_silence_keeps_an_alert_in_and_ends_by_itself(
    opened: Any, mail: MailServer, clock: Clock
) -> None:
    world = await opened(rules=(REFUSED,), emails=(mails_to(mail),))
    until = clock.now + timedelta(hours=1)
    await alerts.silence(
        world.bridge, "settings-refused", "mappings", until=until, by=PERSON, reason="being mended"
    )
    break_mappings(world)
    await world.work(seconds=60)
    assert mail.mails == []
    break_mappings(world, "agreements")
    await world.work(seconds=60)
    assert len(mail.mails) == 1
    await world.work(seconds=3600)
    assert len(mail.mails) == 2


async def test_a_silence_needs_a_reason_a_known_condition_and_an_end_that_is_near(
    opened: Any, clock: Clock
) -> None:
    world = await opened()
    soon = clock.now + timedelta(hours=1)
    for condition, until, reason in (
        ("settings-refused", soon, " "),
        ("nothing", soon, "why"),
        ("settings-refused", clock.now, "why"),
        ("settings-refused", clock.now + timedelta(days=32), "why"),
    ):
        with pytest.raises(CannotMend):
            await alerts.silence(world.bridge, condition, None, until=until, by=PERSON, reason=reason)


async def test_a_rule_that_is_off_tells_nobody(opened: Any, mail: MailServer) -> None:
    rule = REFUSED.model_copy(update={"on": False})
    world = await opened(rules=(rule,), emails=(mails_to(mail),))
    break_mappings(world)
    await world.work(seconds=600)
    assert mail.mails == []


async def test_a_rule_may_name_who_is_told(opened: Any, mail: MailServer, hook: Hook) -> None:
    rule = REFUSED.model_copy(update={"channels": ("dienst",)})
    webhook = WebhookChannel(name="dienst", url=hook.url)
    world = await opened(rules=(rule,), emails=(mails_to(mail),), webhooks=(webhook,))
    break_mappings(world)
    await world.work()
    assert (len(mail.mails), len(hook.calls)) == (0, 1)


async def test_a_cause_is_told_without_anything_about_a_person(
    opened: Any, mail: MailServer, hook: Hook
) -> None:
    """A real message that is parked, with a BSN, names and an address in it."""
    webhook = WebhookChannel(name="dienst", url=hook.url)
    world = await opened(emails=(mails_to(mail),), webhooks=(webhook,))
    await world.partner.send(UNKNOWN_CODE, "vtMelding")
    for _ in range(3):
        await world.work(seconds=600)
    assert "attention needed" in mail.subjects[0]
    said = mail.text() + mail.subjects[0] + hook.calls[0][1].decode()
    assert BSN not in said
    assert "N.v.t." not in said
    for word in ("Voorbeeldkind", "Noor"):
        assert word not in said


async def test_a_test_goes_by_the_way_that_alerts_go(opened: Any, mail: MailServer) -> None:
    world = await opened(emails=(mails_to(mail),))
    await alerts.test_channel(world.bridge, "wacht", by=PERSON)
    await world.work()
    assert "This is a test" in mail.subjects[0]
    with pytest.raises(CannotMend):
        await alerts.test_channel(world.bridge, "nobody", by=PERSON)


@pytest.mark.parametrize(
    "wrong",
    [
        {
            "emails": (
                {
                    "name": "a",
                    "host": "mail.example",
                    "security": "none",
                    "sender": "a@b",
                    "recipients": ["a@b"],
                },
            )
        },
        {"emails": ({"name": "a", "host": "mail.example", "sender": "a@b", "recipients": ["a@b, c@d"]},)},
        {"emails": ({"name": "a", "host": "m", "sender": "a@b", "recipients": ["a@b"], "user": "x"},)},
        {"webhooks": ({"name": "a", "url": "ftp://a"},)},
        {"webhooks": ({"name": "a", "url": "https://a", "quiet_from": "22:00"},)},
        {"webhooks": ({"name": "a", "url": "https://a"}, {"name": "a", "url": "https://b"})},
        {"rules": ({"condition": "disk-low", "channels": ["nobody"]},)},
        {"rules": ({"condition": "disk-low"}, {"condition": "disk-low"})},
        {"rules": ({"condition": "no-such"},)},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        AlertSettings.model_validate(wrong)
