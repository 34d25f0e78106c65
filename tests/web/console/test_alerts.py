"""The page of alerts: what holds, whom it was told, silencing and testing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.config import AlertSettings, WebhookChannel
from bridge.flow.alerts import start_watching
from bridge.flow.jobs import make_worker
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.rows import ExchangeState, MessageState, Role
from bridge.store.unit import Store
from bridge.web.console.text import Language, catalogue
from bridge.web.console.views import utc_text
from tests.web.console.conftest import NOW

DUTCH = catalogue(Language.DUTCH)
UNTOLD = DUTCH("now_page.untold")


@pytest.fixture
def bridge(bridge: Any) -> Any:
    """With a webhook that is nowhere."""
    channel = WebhookChannel(name="dienst", url="http://127.0.0.1:9/alerts", timeout_seconds=2)
    settings = bridge.settings.model_copy(update={"alerts": AlertSettings(webhooks=(channel,))})
    return replace(bridge, settings=settings)


async def look(bridge: Any, store: Store) -> None:
    """One look at the conditions."""
    await store.write(lambda tx: start_watching(tx, bridge))
    await make_worker(bridge, name="test").run_until_idle()


def actions(store: Store) -> list[tuple[str, str | None, str | None]]:
    return [
        (line.action, line.target, line.reason)
        for line in store.read_sync(lambda tx: list_audit(tx, AuditFilter()))
    ]


async def test_what_holds_is_shown_with_what_to_do(browser: Any, bridge: Any, store: Store) -> None:
    bridge.problems["mappings"] = ("a.map.yaml:1:1 M101 not so",)
    await look(bridge, store)
    page = await browser.get("/alerts")
    assert "Een gewijzigde koppeling is niet overgenomen" in page
    assert "Geef de regels aan de integrator" in page
    assert "aan niemand gemeld" in page
    assert "dienst" in page


async def test_alert_about_a_cause_has_its_name_and_says_when_it_is_solved(
    browser: Any, bridge: Any, store: Store, seeder: Any
) -> None:
    exchange = seeder.parked()
    await look(bridge, store)
    page = await browser.get("/alerts")
    assert f"{DUTCH('reason.no_mapping')} · Politie Eenheid Oost" in page
    assert "opgelost" not in page
    await browser.post(f"/mend/resolve/{exchange.key}", reason="phoned them")
    assert "opgelost; de brug sluit dit vanzelf af" in await browser.get("/alerts")


async def test_cause_keeps_its_name_when_it_is_over_and_began_when_it_stopped_on_every_page(
    browser: Any, bridge: Any, store: Store, seeder: Any
) -> None:
    exchange = seeder.exchange()
    seeder.message(exchange, state=MessageState.PARKED, mapping=None)
    seeder.state(
        exchange, ExchangeState.ATTENTION, "message.parked", reason="M903 at rol: neither Ja nor Nee"
    )
    await look(bridge, store)
    stopped = exchange.started_at + timedelta(seconds=2.102)
    name = f"{DUTCH('reason.code')} · "
    for path in ("/", "/attention", "/alerts"):
        page = await browser.get(path)
        assert f'sinds <time datetime="{utc_text(stopped)}"' in page, path
    await browser.post(f"/mend/resolve/{exchange.key}", reason="phoned them")
    page = await browser.get("/alerts")
    assert name in page.partition("opgelost; de brug")[0]


async def test_quiet_bridge_has_no_alerts(browser: Any) -> None:
    assert "Er is niets aan de hand." in await browser.get("/alerts")


async def test_a_condition_is_silenced_with_end_and_reason_and_that_can_be_ended(
    browser: Any, store: Store
) -> None:
    until = f"{NOW + timedelta(hours=3):%Y-%m-%dT%H:%M}"
    await browser.post(
        "/alerts/silence",
        page="/alerts",
        condition="partner-down",
        target="",
        until=until,
        reason="planned maintenance",
    )
    page = await browser.get("/alerts")
    assert "planned maintenance" in page
    key = page.partition("/alerts/silences/")[2].partition("/end")[0]
    await browser.post(f"/alerts/silences/{key}/end", page="/alerts", reason="it is over")
    assert "planned maintenance" not in await browser.get("/alerts")
    assert [(action, reason) for action, _, reason in actions(store)] == [
        ("alert.unsilenced", "it is over"),
        ("alert.silenced", "planned maintenance"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": "soon"},
        {"until": "2020-01-01T10:00"},
        {"reason": " "},
        {"condition": "nothing"},
        {"target": "999990342"},
    ],
)
async def test_a_silence_that_makes_no_sense_is_not_made(
    browser: Any, store: Store, wrong: dict[str, str]
) -> None:
    good = {
        "condition": "partner-down",
        "target": "",
        "until": f"{NOW + timedelta(hours=3):%Y-%m-%dT%H:%M}",
        "reason": "why",
    }
    page, _ = await browser.post("/alerts/silence", page="/alerts", status=400, **(good | wrong))
    assert "Er is niets gedaan" in page
    assert actions(store) == []


async def test_a_test_that_does_not_arrive_is_shown_as_such(browser: Any, bridge: Any, store: Store) -> None:
    _, back = await browser.post("/alerts/channels/dienst/test", page="/alerts")
    assert "Gelukt:</strong> Het testbericht staat klaar" in await browser.get(back)
    await make_worker(bridge, name="test").run_until_idle()
    page = await browser.get("/alerts")
    assert "Dit is een test" in page
    assert "wordt geprobeerd" in page
    assert "the webhook was not reached" in page


async def test_unknown_channel_is_told(browser: Any) -> None:
    await browser.post("/alerts/channels/nobody/test", page="/alerts", status=400)


async def test_a_viewer_sees_alerts_and_silences_none(enter: Any) -> None:
    browser = await enter(Role.VIEWER)
    page = await browser.get("/alerts")
    assert 'name="until"' not in page


async def test_now_says_nothing_of_channels_once_somebody_is_told(browser: Any) -> None:
    assert UNTOLD not in await browser.get("/")
