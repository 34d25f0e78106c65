"""How a partner and the hub fare: nothing is called well that was not tried."""

from datetime import timedelta
from typing import Any

import pytest

from bridge.config import Condition
from bridge.flow.exchange import POST_ANSWER
from bridge.store.alerts import add_alert
from bridge.store.channels import find_channel, note_failure, note_success, pause, resume
from bridge.store.jobs import add_job, bury_job, claim_jobs
from bridge.store.rows import Alert, Direction, EventState, ExchangeDirection, ExchangeState, MessageState
from bridge.store.unit import Store
from bridge.web.console.fares import hub_fares, partner_fares, read_known
from bridge.web.console.text import Language, catalogue
from bridge.web.console.views import Lens
from tests.web.console.conftest import NOW, SAFE_AT_HOME

ZONE = NOW.tzinfo


@pytest.fixture
def lens() -> Lens:
    assert ZONE is not None
    return Lens(words=catalogue(Language.ENGLISH), zone=ZONE, now=NOW, names={})


def words(store: Store, lens: Lens, party: str = SAFE_AT_HOME) -> list[str]:
    fares = store.read_sync(
        lambda tx: partner_fares(tx, party, find_channel(tx, party), read_known(tx, lens), lens)
    )
    return [mark.word for mark in fares.marks]


def sent(seeder: Any, became: MessageState, **given: Any) -> Any:
    given |= {"direction": ExchangeDirection.TO_PARTNER, "partner": SAFE_AT_HOME}
    exchange = seeder.exchange(**given)
    return seeder.message(exchange, direction=Direction.OUT, to_party=SAFE_AT_HOME, state=became, attempts=1)


def test_a_partner_that_was_never_tried_is_not_called_well(store: Store, lens: Lens) -> None:
    assert words(store, lens) == ["took no message of ours yet"]


def test_a_partner_that_took_the_last_message_is_well(store: Store, seeder: Any, lens: Lens) -> None:
    sent(seeder, MessageState.ACKNOWLEDGED)
    assert words(store, lens) == ["fine"]


def test_a_partner_that_acknowledged_nothing_last_is_not_well(store: Store, seeder: Any, lens: Lens) -> None:
    sent(seeder, MessageState.ACKNOWLEDGED)
    exchange = seeder.exchange(
        direction=ExchangeDirection.TO_PARTNER, partner=SAFE_AT_HOME, state=ExchangeState.ATTENTION
    )
    seeder.message(exchange, direction=Direction.OUT, state=MessageState.EXPIRED, attempts=2)
    assert words(store, lens) == ["the last message was not acknowledged", "1 exchange needs attention"]


def pinged(seeder: Any, state: MessageState) -> Any:
    exchange = seeder.exchange(
        direction=ExchangeDirection.TO_PARTNER, partner=SAFE_AT_HOME, title="Ping", subject=None
    )
    values = {"direction": Direction.OUT, "to_party": SAFE_AT_HOME, "action": "Ping", "state": state}
    return seeder.message(exchange, **values)


def fares_of(store: Store, lens: Lens) -> Any:
    return store.read_sync(lambda tx: partner_fares(tx, SAFE_AT_HOME, None, read_known(tx, lens), lens))


def test_a_ping_makes_up_for_no_message_that_was_not_acknowledged(
    store: Store, seeder: Any, lens: Lens
) -> None:
    sent(seeder, MessageState.EXPIRED, state=ExchangeState.DONE)
    pinged(seeder, MessageState.ACKNOWLEDGED)
    assert words(store, lens) == ["the last message was not acknowledged"]
    assert fares_of(store, lens).taken is None


def test_a_partner_that_answered_only_a_ping_took_no_message(store: Store, seeder: Any, lens: Lens) -> None:
    pinged(seeder, MessageState.ACKNOWLEDGED)
    assert words(store, lens) == ["took no message of ours yet"]


def test_a_test_that_failed_after_a_message_that_was_taken_is_told(
    store: Store, seeder: Any, lens: Lens
) -> None:
    message = sent(seeder, MessageState.ACKNOWLEDGED)
    pinged(seeder, MessageState.FAILED)
    assert words(store, lens) == ["not reached at the last test"]
    assert fares_of(store, lens).taken == lens.moment(message.changed_at)


def test_what_never_left_says_nothing_of_the_partner(store: Store, seeder: Any, lens: Lens) -> None:
    exchange = seeder.exchange(direction=ExchangeDirection.TO_PARTNER, partner=SAFE_AT_HOME)
    seeder.message(exchange, direction=Direction.OUT, state=MessageState.EXPIRED, attempts=0)
    assert words(store, lens) == ["took no message of ours yet"]


def test_our_answers_that_did_not_arrive_are_counted_at_the_partner(
    store: Store, seeder: Any, lens: Lens
) -> None:
    message = seeder.message(seeder.exchange(), from_party=SAFE_AT_HOME)

    def work(tx: Any) -> None:
        add_job(tx, key=seeder.keys(NOW), kind=POST_ANSWER, subject_key=message.key, due=NOW, at=NOW)
        (job,) = claim_jobs(tx, now=NOW, worker="w", lease=timedelta(minutes=1), limit=1)
        bury_job(tx, job, reason="HTTP 500", at=NOW)

    store.write_sync(work)
    assert words(store, lens) == ["1 answer of ours did not arrive"]


def test_who_paused_at_the_command_line_is_told_in_the_language_of_the_reader(
    store: Store, lens: Lens
) -> None:
    store.write_sync(lambda tx: pause(tx, SAFE_AT_HOME, by="root (command)", reason="test", at=NOW))
    assert words(store, lens) == ["paused by user root (command line)"]


def test_a_resume_does_not_make_a_failing_partner_well(store: Store, lens: Lens) -> None:
    for _ in range(7):
        store.write_sync(lambda tx: note_failure(tx, SAFE_AT_HOME, reason="HTTP 500", at=NOW))
    store.write_sync(lambda tx: resume(tx, SAFE_AT_HOME, at=NOW))
    assert "attempts in a row failed" in words(store, lens)[0]
    store.write_sync(lambda tx: note_success(tx, SAFE_AT_HOME, at=NOW))
    assert words(store, lens) == ["took no message of ours yet"]


def test_a_pause_keeps_its_own_moment_whatever_fails_meanwhile(store: Store, lens: Lens) -> None:
    store.write_sync(lambda tx: pause(tx, SAFE_AT_HOME, by="anna", reason="maintenance", at=NOW))
    later = NOW + timedelta(hours=1)
    store.write_sync(lambda tx: note_failure(tx, SAFE_AT_HOME, reason="HTTP 500", at=later))
    channel = store.read_sync(lambda tx: find_channel(tx, SAFE_AT_HOME))
    assert channel is not None
    assert (channel.changed_at, channel.reason) == (NOW, "maintenance")


def test_the_hub_says_what_it_answered_last_and_since_when(store: Store, seeder: Any, lens: Lens) -> None:
    said = "the hub has a failure of its own (status 503: Storing)"
    store.write_sync(lambda tx: note_failure(tx, "hub", reason=said, at=NOW))
    alert = Alert(
        key=seeder.keys(NOW),
        condition=Condition.HUB_DOWN,
        target="hub",
        urgent=1,
        detail={},
        at=NOW,
        seen_at=NOW,
    )
    store.write_sync(lambda tx: add_alert(tx, alert))
    fares = store.read_sync(lambda tx: hub_fares(tx, find_channel(tx, "hub"), read_known(tx, lens), lens))
    assert fares.said == said
    assert fares.since == lens.moment(NOW)


def test_a_hub_that_took_an_event_is_well(store: Store, seeder: Any, lens: Lens) -> None:
    seeder.event(seeder.exchange(), state=EventState.OK)
    fares = store.read_sync(lambda tx: hub_fares(tx, None, read_known(tx, lens), lens))
    assert [mark.word for mark in fares.marks] == ["fine"]
