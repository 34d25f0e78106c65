"""The pages of the console, asked for over HTTP."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from bridge.store.rows import ExchangeState

PLACES = ("/", "/exchanges", "/attention", "/partners", "/certificates", "/jobs", "/jobs?state=ready")
VOID = {"meta", "link", "input", "path", "circle", "wbr"}


class Outline(HTMLParser):
    """Counts what a page is made of, and notices a tag that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def keys_in(page: str) -> list[str]:
    return re.findall(r'<tr role="row" data-key="([^"]+)"', page)


async def test_list_shows_both_directions_newest_first(browser: Any, seeder: Any) -> None:
    keys = [seeder.arrived().key, seeder.waiting().key, seeder.parked().key]
    page = await browser.get("/exchanges")
    assert keys_in(page) == keys[::-1]
    assert "Politie Eenheid Oost" in page
    assert "vraagt aandacht" in page


async def test_empty_list_says_what_to_expect(browser: Any) -> None:
    assert "Er zijn nog geen uitwisselingen" in await browser.get("/exchanges")


@pytest.mark.parametrize(
    "query",
    [
        "state=attention",
        "direction=to-partner",
        "partner=00000009998887776000",
        "type=other",
        "since=2026-11-23T21:56:00",
        "until=2026-11-23T21:55:00",
        "q=melding/one",
    ],
)
async def test_filter_in_the_address_leaves_one(browser: Any, seeder: Any, query: str) -> None:
    names = [query.partition("=")[0]]
    given = {
        "state": {"state": ExchangeState.ATTENTION},
        "direction": {"direction": "to-partner"},
        "partner": {"partner": "00000009998887776000"},
        "type": {"title": "other"},
        "q": {"subject": "melding/one"},
    }.get(names[0], {})
    first = seeder.exchange(**given if names[0] == "until" or given else {})
    seeder.exchange()
    third = seeder.exchange()
    expected = third if names[0] == "since" else first
    assert keys_in(await browser.get(f"/exchanges?{query}")) == [expected.key]


async def test_search_finds_an_exchange_by_any_id_in_it(browser: Any, seeder: Any) -> None:
    wanted, other = seeder.exchange(), seeder.exchange()
    message = seeder.message(wanted, message_id="wanted@politie.example")
    seeder.message(other, message_id="other@politie.example")
    for text in (message.message_id, f"  {wanted.key} ", wanted.conversation_id):
        assert keys_in(await browser.get(f"/exchanges?q={text}")) == [wanted.key]


async def test_pages_follow_one_another_without_gap_or_double(browser: Any, seeder: Any) -> None:
    made = [seeder.exchange().key for _ in range(120)]
    seen: list[str] = []
    path = "/exchanges"
    while path:
        page = await browser.get(path)
        seen += keys_in(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == made[::-1]


async def test_search_pages_on_and_keeps_to_the_filters(browser: Any, seeder: Any) -> None:
    def made(number: int) -> Any:
        state = ExchangeState.ATTENTION if number % 3 == 0 else ExchangeState.DONE
        return seeder.exchange(subject="melding/one", state=state)

    wanted = [e.key for e in (made(number) for number in range(180)) if e.state is ExchangeState.ATTENTION]
    seen: list[str] = []
    path = "/exchanges?q=melding/one&state=attention"
    while path:
        page = await browser.get(path)
        seen += keys_in(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == wanted[::-1]


async def test_wrong_filter_is_explained_and_kept_out_of_the_page(browser: Any, seeder: Any) -> None:
    page = await browser.get("/exchanges?state=%3Cscript%3E&since=soon", status=400)
    assert "Stand: kies uit de lijst." in page
    assert "Vanaf: schrijf een datum" in page
    assert "<script>" not in page


async def test_bsn_in_the_address_is_refused_and_not_repeated(browser: Any, seeder: Any) -> None:
    page = await browser.get("/exchanges?q=999900092", status=400)
    assert "een BSN hoort niet in een webadres" in page
    assert "999900092" not in page


async def test_exchange_shows_its_timeline_in_order(browser: Any, seeder: Any) -> None:
    exchange = seeder.arrived()
    page = await browser.get(f"/exchanges/{exchange.key}")
    steps = re.findall(r'<li class="(\w+) (\w+)"', page)
    assert steps == [("ebms", "ok"), ("ebms", "ok"), ("bridge", "ok"), ("hub", "waiting"), ("hub", "ok")]
    titles = re.findall(r"</svg>\w[^<]*</span> <strong>([^<]+)", page)
    assert titles[0] == "Bericht ontvangen"
    assert titles[4] == "Event verwerkt door de hub"
    assert "20261123-1@politie.example" in page
    assert 'datetime="2026-11-23T20:54:27.123Z"' in page
    assert ">21:54:27<" in page


async def test_exchange_that_failed_answers_the_four_questions(browser: Any, seeder: Any) -> None:
    page = await browser.get(f"/exchanges/{seeder.parked().key}")
    for question in (
        "Wat is er gebeurd?",
        "Wie is aan zet?",
        "Wat kunt u nu doen?",
        "Wat is er precies mis?",
    ):
        assert question in page
    assert "De integrator." in page
    assert "M901 at betrokkenen[1]/rol" in page


async def test_exchange_names_the_ones_about_the_same_subject(browser: Any, seeder: Any) -> None:
    first, answer = seeder.arrived(), seeder.waiting()
    assert keys_in(await browser.get(f"/exchanges/{first.key}")) == [answer.key]


@pytest.mark.parametrize("place", [*PLACES, "/exchanges/{}", "/api/v1/exchanges", "/api/v1/exchanges/{}"])
async def test_content_of_messages_and_events_is_never_shown(browser: Any, seeder: Any, place: str) -> None:
    answer = await browser.get(place.format(seeder.arrived().key))
    assert "999900092" not in answer
    assert "Jan de Vries" not in answer


@pytest.mark.parametrize("make", ["arrived", "parked", "waiting"])
@pytest.mark.parametrize("place", [*PLACES, "/exchanges/{}"])
async def test_page_has_landmarks_one_h1_and_a_skip_link(
    browser: Any, seeder: Any, make: str, place: str
) -> None:
    outline = Outline(await browser.get(place.format(getattr(seeder, make)().key)))
    assert [len(outline.all(tag)) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    assert outline.all("html")[0]["lang"] == "nl"
    assert outline.all("a")[0]["href"] == "#content"
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert all("scope" in header for header in outline.all("th"))
    labels = {label["for"] for label in outline.all("label")}
    fields = [f for f in outline.all("input") + outline.all("select") if f.get("type") != "hidden"]
    assert {field["id"] for field in fields} == labels


async def test_page_has_no_inline_script_or_style(browser: Any, seeder: Any) -> None:
    page = await browser.get(f"/exchanges/{seeder.parked().key}")
    outline = Outline(page)
    assert all("src" in script for script in outline.all("script"))
    assert outline.all("style") == []
    inline = {
        name for _, attributes in outline.tags for name in attributes if name == "style" or name[:2] == "on"
    }
    assert inline == set()


async def test_hostile_names_of_a_peer_are_only_text(browser: Any, seeder: Any) -> None:
    attack = "<img src=x onerror=alert(1)>"
    exchange = seeder.exchange(title=attack, subject=attack, reason=attack, state=ExchangeState.ATTENTION)
    seeder.message(exchange, action=attack, message_id='"><script>')
    seeder.step(exchange, attack, detail={attack: attack})
    for path in (*PLACES, f"/exchanges/{exchange.key}", f"/rows?key={exchange.key}"):
        page = await browser.get(path)
        assert "<img" not in page
        assert '"><script>' not in page


async def test_language_is_chosen_by_link_and_remembered(browser: Any, seeder: Any) -> None:
    async with browser.ask("GET", "/?lang=en") as answer:
        assert "Exchanges" in await answer.text()
        cookie = answer.headers["Set-Cookie"]
    assert "language=en" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert '<html lang="en">' in await browser.get("/", Cookie="language=en")
    assert '<html lang="nl">' in await browser.get("/?lang=nl", Cookie="language=en")


async def test_language_link_keeps_the_filters(browser: Any) -> None:
    assert 'href="/exchanges?state=running&amp;lang=en"' in await browser.get("/exchanges?state=running")


async def test_api_gives_pages_of_exchanges(browser: Any, seeder: Any) -> None:
    made = [seeder.exchange().key for _ in range(51)]
    first = json.loads(await browser.get("/api/v1/exchanges?state=running"))
    assert [e["key"] for e in first["exchanges"]] == made[:0:-1]
    second = json.loads(await browser.get(first["next"]))
    assert [e["key"] for e in second["exchanges"]] == made[:1]
    assert second["next"] is None


async def test_api_gives_one_exchange_with_its_turn(browser: Any, seeder: Any) -> None:
    document = json.loads(await browser.get(f"/api/v1/exchanges/{seeder.waiting().key}"))
    assert document["turn"] == "partner"
    assert document["messages"][0]["parts"][0]["size"] > 0
    assert [step["side"] for step in document["steps"]] == ["hub", "bridge", "ebms"]


async def test_rows_are_rendered_again_by_key(browser: Any, seeder: Any, unknown_key: str) -> None:
    exchange = seeder.arrived()
    page = await browser.get(f"/rows?key={unknown_key}&key={exchange.key}&key=nonsense")
    assert keys_in(page) == [exchange.key]
