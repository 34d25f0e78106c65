"""What stands before every route."""

import json
from typing import Any

import pytest

from bridge.store.rows import Role
from bridge.store.unit import Store
from bridge.web.console.guard import HEADERS, is_known_host

PAGES = [
    "/",
    "/exchanges/nothing",
    "/nowhere",
    "/static/console.css",
    "/api/v1/exchanges",
    "/exchanges?state=x",
]


@pytest.mark.parametrize("path", PAGES)
async def test_every_answer_carries_the_security_headers(browser: Any, path: str) -> None:
    async with browser.ask("GET", path) as answer:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert "aiohttp" not in answer.headers["Server"]
        if "static" not in path:
            assert answer.headers["Cache-Control"] == "no-store"


def test_policy_allows_nothing_inline_and_no_frames() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.1.4", ""]
)
async def test_name_of_somebody_else_is_refused(browser: Any, seeder: Any, host: str) -> None:
    seeder.arrived()
    page = await browser.get("/", status=421, Host=host)
    assert "melding/" not in page


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "[::1]", "LOCALHOST", "brug.gemeente.example"]
)
def test_own_names_are_known(host: str) -> None:
    assert is_known_host(host, ("brug.gemeente.example",))


@pytest.mark.parametrize(
    "host", ["localhost:x", "localhost@evil.example", "a:b:c", "[", "0.0.0.0", "::ffff:9"]
)
def test_odd_names_are_unknown(host: str) -> None:
    assert not is_known_host(host, ())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/live"])
async def test_page_without_form_can_only_be_looked_at(browser: Any, method: str, path: str) -> None:
    async with browser.ask(method, path) as answer:
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
        assert "POST" not in answer.headers["Allow"]


async def test_head_is_answered_without_body(browser: Any) -> None:
    async with browser.ask("HEAD", "/") as answer:
        assert answer.status == 200
        assert await answer.text() == ""


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/exchanges/nothing",
        "/exchanges/01936a2b-7c3d-7111-8000-000000000001",
        "/static/app.py",
        "/%ff",
    ],
)
async def test_what_is_not_there_is_a_page_that_leads_back(browser: Any, path: str) -> None:
    page = await browser.get(path, status=404)
    assert "Deze pagina is er niet" in page
    assert 'href="/"' in page


@pytest.mark.parametrize(
    "path", ["/static/..%2fapp.py", "/static/%2e%2e/%2e%2e/app.py", "/static/....//app.py"]
)
async def test_nothing_outside_the_static_folder_is_given(browser: Any, path: str) -> None:
    assert "console_app" not in await browser.get(path, status=404)


@pytest.mark.parametrize("path", ["/exchanges?before=x", "/live?after=-1", "/live?after=x", "/live?state=x"])
async def test_address_that_makes_no_sense_is_a_page(browser: Any, path: str) -> None:
    assert "<h1>Deze vraag kunnen wij niet lezen</h1>" in await browser.get(path, status=400)


async def test_hostile_characters_in_an_address_are_no_fault(browser: Any) -> None:
    for path in (
        "/exchanges?q=%00",
        "/exchanges?q=%ff%fe",
        "/exchanges?q=%ed%a0%80",
        "/exchanges?before=%00",
        "/rows?key=%00",
    ):
        async with browser.ask("GET", path) as answer:
            assert answer.status in (200, 400)


async def test_api_answers_with_problem_details(browser: Any) -> None:
    async with browser.ask("GET", "/api/v1/exchanges/nothing") as answer:
        assert answer.content_type == "application/problem+json"
        assert json.loads(await answer.text())["status"] == 404


async def test_fault_of_our_own_is_a_calm_page_without_a_trace(browser: Any, store: Store) -> None:
    store.close()
    page = await browser.get("/", status=500)
    assert "Er ging iets mis bij ons" in page
    assert "Traceback" not in page
    assert "Error" not in page


async def test_static_files_are_kept_only_under_their_digest(browser: Any) -> None:
    page = await browser.get("/")
    path = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    async with browser.ask("GET", path) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    async with browser.ask("GET", "/static/console.css?v=old") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


async def test_form_that_is_too_old_is_told_apart_from_a_role_that_may_not(browser: Any, enter: Any) -> None:
    page, _ = await browser.send("/partners/x/pause", status=403, csrf="old", reason="x")
    assert "Het formulier was te oud" in page
    viewer = await enter(Role.VIEWER)
    page = await viewer.get("/person", status=403)
    assert ("Uw rol mag dit niet" in page, "formulier" in page) == (True, False)
