"""Live updates over server-sent events."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from bridge.store.channels import note_failure
from bridge.store.rows import ExchangeState
from bridge.store.unit import Store
from bridge.web.console import live
from tests.web.console.conftest import NOW


async def next_event(answer: Any) -> dict[str, Any]:
    """The next event about exchanges: its id, and its data as JSON."""
    while (fields := await any_event(answer)).get("event") != "changed":
        pass
    return {"id": int(fields["id"]), **json.loads(fields["data"])}


async def any_event(answer: Any) -> dict[str, str]:
    """The next event of a stream, as its fields."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(10):
        while True:
            line = (await answer.content.readline()).decode().rstrip("\n")
            if not line and "data" in fields:
                return fields
            name, _, value = line.partition(": ")
            fields[name] = value


async def waiting(answer: Any, n: int) -> None:
    """Wait until the stream tells that so many exchanges need a person."""
    while (fields := await any_event(answer)).get("event") != "waiting" or fields["data"] != str(n):
        pass


async def test_how_many_need_a_person_is_told_as_it_changes(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange()
    async with browser.ask("GET", "/live?only=waiting") as answer:
        await waiting(answer, 0)
        seeder.state(exchange, ExchangeState.ATTENTION, "message.parked")
        await waiting(answer, 1)
        seeder.state(exchange, ExchangeState.DONE, "exchange.resolved")
        await waiting(answer, 0)


async def test_what_one_page_counts_all_pages_show(browser: Any, seeder: Any, store: Store) -> None:
    """An endpoint fails without a step in the journal: a page that shows it is not told an older number."""
    async with browser.ask("GET", "/live?only=waiting") as answer:
        await waiting(answer, 0)
        store.write_sync(lambda tx: note_failure(tx, "hub", reason="no", at=NOW))
        assert 'data-n="1"' in await browser.get("/jobs")
        await waiting(answer, 1)
    async with browser.ask("GET", "/live?only=waiting") as answer:
        assert (await any_event(answer))["data"] == "1"


@pytest.fixture
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be asked for before the console, which looks for the first time as soon as it is there."""
    monkeypatch.setattr(live, "HEARTBEAT", timedelta(milliseconds=20))


async def test_what_changes_without_a_step_is_told_to_who_looks_on(
    quick_beat: None, browser: Any, store: Store
) -> None:
    async with browser.ask("GET", "/live?only=waiting") as answer:
        await waiting(answer, 0)
        store.write_sync(lambda tx: note_failure(tx, "hub", reason="no", at=NOW))
        await waiting(answer, 1)


async def test_a_page_that_only_counts_hears_of_no_exchange_and_reads_no_history(
    browser: Any, seeder: Any
) -> None:
    exchange = seeder.exchange()
    seeder.step(exchange, "message.received")
    async with browser.ask("GET", "/live?only=waiting&after=0") as answer:
        seeder.state(exchange, ExchangeState.ATTENTION, "message.parked")
        told = [await any_event(answer)]
        while told[-1]["data"] != "1":
            told.append(await any_event(answer))
    assert {fields["event"] for fields in told} == {"waiting"}


async def test_menu_says_how_many_need_a_person_on_every_page(browser: Any, seeder: Any) -> None:
    assert 'data-n="0"' in await browser.get("/jobs")
    seeder.state(seeder.exchange(), ExchangeState.ATTENTION, "message.parked")
    text = await browser.get("/jobs?lang=nl")
    assert 'data-n="1"' in text
    assert ": 1 ding vraagt aandacht</span>" in text


async def test_menu_counts_no_further_than_a_hundred(browser: Any, seeder: Any) -> None:
    for _ in range(103):
        seeder.state(seeder.exchange(), ExchangeState.ATTENTION, "message.parked")
    text = await browser.get("/jobs?lang=nl")
    assert 'data-n="100"' in text
    assert ": 99+ dingen vragen aandacht</span>" in text


async def test_change_is_told_with_the_key_only(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange()
    async with browser.ask("GET", "/live?after=0") as answer:
        assert answer.content_type == "text/event-stream"
        seq = seeder.step(exchange, "message.received")
        event = await next_event(answer)
    assert event == {"id": seq, "changed": [exchange.key], "listed": [exchange.key]}


async def test_page_that_comes_back_misses_nothing(browser: Any, seeder: Any) -> None:
    first, second = seeder.exchange(), seeder.exchange()
    seen = seeder.step(first, "message.received")
    missed = seeder.step(second, "message.received")
    async with browser.ask("GET", "/live?after=0", **{"Last-Event-ID": str(seen)}) as answer:
        event = await next_event(answer)
    assert (event["id"], event["changed"]) == (missed, [second.key])


async def test_only_what_the_filter_lets_through_is_told(browser: Any, seeder: Any) -> None:
    other, wanted = seeder.exchange(partner="00000009998887776000"), seeder.exchange()
    async with browser.ask("GET", "/live?after=0&partner=00000001112223334000") as answer:
        seeder.step(other, "message.received")
        seeder.step(wanted, "message.received")
        assert (await next_event(answer))["changed"] == [wanted.key]


async def test_row_that_leaves_the_state_filter_still_changes_in_place(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange()
    async with browser.ask("GET", "/live?after=0&state=running") as answer:
        seeder.state(exchange, ExchangeState.DONE, "event.ok")
        event = await next_event(answer)
    assert event["changed"] == [exchange.key]
    assert event["listed"] == []


async def test_search_is_followed_too(browser: Any, seeder: Any) -> None:
    other, wanted = seeder.exchange(), seeder.exchange(subject="melding/wanted")
    async with browser.ask("GET", "/live?after=0&q=melding/wanted") as answer:
        seeder.step(other, "message.received")
        seeder.step(wanted, "message.received")
        assert (await next_event(answer))["changed"] == [wanted.key]


async def test_page_of_one_exchange_hears_of_that_one_only(browser: Any, seeder: Any) -> None:
    other, wanted = seeder.exchange(), seeder.exchange()
    async with browser.ask("GET", f"/live?after=0&exchange={wanted.key}") as answer:
        seeder.step(other, "message.received")
        seeder.step(wanted, "message.received")
        assert (await next_event(answer))["changed"] == [wanted.key]


async def test_page_starts_where_it_was_rendered(browser: Any, seeder: Any) -> None:
    seq = seeder.step(seeder.exchange(), "message.received")
    assert f'data-live="/live?after={seq}"' in await browser.get("/exchanges")


async def test_watchers_are_bounded(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_WATCHERS", 1)
    async with browser.ask("GET", "/live?after=0") as first:
        assert first.status == 200
        async with browser.ask("GET", "/live?after=0") as second:
            assert second.status == 503


async def test_stopping_the_server_lets_watching_pages_go(browser: Any, runner: Any) -> None:
    async with browser.ask("GET", "/live?after=0") as answer, asyncio.timeout(10):
        await answer.content.readline()
        await runner.shutdown()
        assert b"changed" not in await answer.content.read()
