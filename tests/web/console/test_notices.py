"""What an exchange and the pages around it must say at the top, true to what is stored."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from bridge.ebms.sending import NEVER_SENT
from bridge.flow.bridge import Bridge
from bridge.flow.conditions import examine_now
from bridge.flow.exchange import POST_ANSWER, RESEND_OF
from bridge.ids import MessageId
from bridge.store.channels import note_failure, pause
from bridge.store.jobs import add_job, bury_job, claim_jobs
from bridge.store.resolutions import settle_subjects
from bridge.store.rows import (
    Direction,
    EventState,
    ExchangeDirection,
    ExchangeState,
    MessageState,
    Resolution,
    Side,
    StepOutcome,
)
from bridge.store.unit import Store
from tests.web.console.conftest import NOW, SAFE_AT_HOME

LEASE = timedelta(minutes=1)


def untold(store: Store, seeder: Any, state: MessageState, reason: str) -> Any:
    """A message of which the answer was given up."""
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=reason)
    message = seeder.message(exchange, state=state)
    key = seeder.keys(NOW)

    def work(tx: Connection) -> None:
        add_job(tx, key=key, kind=POST_ANSWER, subject_key=message.key, due=NOW, at=NOW)
        (job,) = claim_jobs(tx, now=NOW, worker="w", lease=LEASE, limit=1)
        bury_job(tx, job, reason="HTTP 500", at=NOW)

    store.write_sync(work)
    return exchange, key


async def test_that_our_error_message_did_not_arrive_is_said_at_the_top_and_on_attention(
    browser: Any, store: Store, seeder: Any
) -> None:
    exchange, job = untold(store, seeder, MessageState.REFUSED, "SecurityFailure at x: digest differs")
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "Onze foutmelding kwam niet aan bij" in page
    assert f"/mend/revive/{job}" in page
    assert "ons antwoord kwam niet aan" in await browser.get("/attention")
    assert "ons antwoord kwam niet aan" in await browser.get("/")


async def test_what_was_tried_before_and_stopped_again_is_said(browser: Any, seeder: Any) -> None:
    reason = "no acknowledgment came in 2 attempts before TimeToLive"
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=reason)
    former = seeder.message(exchange, direction=Direction.OUT, state=MessageState.EXPIRED, attempts=2)
    seeder.step(exchange, "message.expired", 1, side=Side.EBMS, outcome=StepOutcome.FAILED)
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "keer geprobeerd" not in page
    seeder.message(
        exchange,
        direction=Direction.OUT,
        state=MessageState.EXPIRED,
        attempts=2,
        message_id=MessageId("anew@bridge"),
        values={RESEND_OF: former.message_id},
    )
    seeder.step(exchange, "message.resent", 2, by="anna")
    seeder.step(exchange, "message.expired", 3, side=Side.EBMS, outcome=StepOutcome.FAILED)
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "Dit is nu 2 keer geprobeerd. De laatste keer zette anna het weer in gang" in page


async def test_a_settled_exchange_says_who_settled_it_and_shows_no_red_badge(
    browser: Any, store: Store, seeder: Any
) -> None:
    exchange = seeder.exchange(state=ExchangeState.DONE)
    message = seeder.message(exchange, state=MessageState.PARKED)
    given = Resolution(subject_key=message.key, exchange=exchange.key, at=NOW, by="anna", note="gebeld")
    store.write_sync(lambda tx: settle_subjects(tx, [message.key], given))
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "Afgehandeld door anna" in page
    assert "gebeld" in page
    assert '<span class="mark failed">' not in page


async def test_of_a_rejected_event_one_way_on_is_offered_and_the_rest_is_folded(
    browser: Any, seeder: Any
) -> None:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="FUNCTIONEEL: Onbekende ontvanger")
    message = seeder.message(exchange)
    event = seeder.event(exchange, state=EventState.ERROR)
    page = await browser.get(f"/exchanges/{exchange.key}")
    box = page[page.index('class="todo"') : page.index('id="timeline-title"')]
    shown, _, folded = box.partition("Andere mogelijkheden")
    assert f"/mend/retry/{event.key}" in shown
    assert "/mend/replay" not in shown
    assert f"/mend/replay/{message.key}" in folded


async def test_a_message_about_nobody_is_not_offered_for_replay_first(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="SOH-64: nobody is named")
    message = seeder.message(exchange, state=MessageState.PARKED)
    page = await browser.get(f"/exchanges/{exchange.key}")
    box = page[page.index('class="todo"') : page.index('id="timeline-title"')]
    assert f"/mend/replay/{message.key}" not in box.partition("Andere mogelijkheden")[0]


@pytest.mark.parametrize(("minutes", "said"), [(-1, "Dit is al te laat"), (60, "Het wacht veilig.")])
async def test_what_waits_behind_a_pause_is_safe_only_while_it_is_valid(
    browser: Any, seeder: Any, store: Store, minutes: int, said: str
) -> None:
    exchange = seeder.exchange(direction=ExchangeDirection.TO_PARTNER, partner=SAFE_AT_HOME)
    seeder.message(
        exchange,
        direction=Direction.OUT,
        to_party=SAFE_AT_HOME,
        state=MessageState.CREATED,
        time_to_live=NOW + timedelta(minutes=minutes),
    )
    store.write_sync(lambda tx: pause(tx, SAFE_AT_HOME, by="anna", reason="onderhoud", at=NOW))
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert said in page
    assert ("Het wacht veilig." in page) is (minutes > 0)


async def test_what_never_left_is_not_said_to_be_there_perhaps(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange(
        direction=ExchangeDirection.TO_PARTNER, state=ExchangeState.ATTENTION, reason=NEVER_SENT
    )
    seeder.message(exchange, direction=Direction.OUT, state=MessageState.EXPIRED)
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "De partner heeft het niet." in page
    assert "Misschien heeft hij het toch" not in page


async def test_now_shows_every_condition_of_attention_the_urgent_one_first(
    browser: Any, bridge: Bridge, store: Store, seeder: Any
) -> None:
    seeder.state(seeder.exchange(), ExchangeState.ATTENTION, "message.parked", reason="M903 at x: y")
    said = "the hub has a failure of its own (status 503: Storing)"
    store.write_sync(lambda tx: note_failure(tx, "hub", reason=said, at=NOW))
    store.write_sync(lambda tx: pause(tx, SAFE_AT_HOME, by="anna", reason="onderhoud", at=NOW))
    bridge.problems["mappings"] = ("vt.map.yaml:3: mistake",)
    now, attention = await browser.get("/"), await browser.get("/attention")
    held = store.read_sync(lambda tx: examine_now(tx, bridge, now=bridge.now()))
    assert len(re.findall(r"<h3>", now)) == len(held) + 1
    assert len(re.findall(r"<h3>", attention)) == len(held) + 1
    assert now.index("Sturen naar de hub lukt niet") < now.index('href="/attention/')
    assert now.index('href="/attention/') < now.index("gepauzeerd door gebruiker anna")
    assert "status 503: Storing" in now
    assert f'data-n="{len(held) + 1}"' in now, "the badge counts all that Attention shows"


async def test_a_ping_is_between_bridge_and_partner_and_no_traffic(browser: Any, seeder: Any) -> None:
    seeder.exchange(
        direction=ExchangeDirection.TO_PARTNER,
        title="Ping",
        state=ExchangeState.DONE,
        reason="the partner could not be reached",
        partner=SAFE_AT_HOME,
    )
    page = await browser.get("/exchanges")
    assert "zonder antwoord" in page
    assert "<span>brug</span>" in page.lower()
    row = re.search(r'scope="row">[^<]*</th>(.*?)</tr>', (await browser.get("/")))
    assert row is not None
    assert set(re.findall(r">(\d+)<", row[1])) == {"0"}


async def test_an_event_tells_offers_from_questions(browser: Any, store: Store, seeder: Any) -> None:
    exchange = seeder.exchange()
    event = seeder.event(exchange, state=EventState.UNKNOWN)
    key = seeder.keys(NOW)

    def work(tx: Connection) -> None:
        add_job(tx, key=key, kind="publish", subject_key=event.key, due=NOW, at=NOW)
        for minute in range(event.offers + 2):
            claim_jobs(tx, now=NOW + LEASE * 2 * minute, worker="w", lease=LEASE, limit=1)

    store.write_sync(work)
    page = await browser.get(f"/events/{event.key}")
    assert f"{event.offers}; daarna 2 keer gevraagd of de hub het heeft" in page
