"""Live updates over server-sent events."""

import asyncio
import json
from typing import Any

import pytest

from bridge.store.rows import ExchangeState
from bridge.web.console import live


async def next_event(answer: Any) -> dict[str, Any]:
    """The next event of a stream: its id, and its data as JSON."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(10):
        while True:
            line = (await answer.content.readline()).decode().rstrip("\n")
            if not line and "data" in fields:
                return {"id": int(fields["id"]), **json.loads(fields["data"])}
            name, _, value = line.partition(": ")
            fields[name] = value


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
