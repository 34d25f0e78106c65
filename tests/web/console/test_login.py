"""Logging in and out: who gets in, who does not, and what is written down of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bridge.store.accounts import find_account
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.rows import AccountState, Role
from bridge.store.unit import Store
from bridge.web.console.accounts import (
    FREE_ATTEMPTS,
    LINK,
    Lifetime,
    change_role,
    close_account,
    find_visitor,
    log_in,
    make_account,
    make_link,
    reset_account,
)
from bridge.web.console.passwords import ONE_TIME, make_one_time_password, why_weak
from bridge.web.console.session_pages import is_own_path

NOW = datetime.fromisoformat("2026-11-23T21:53:27.123456+00:00")
PASSWORD = "a long sentence with words"
LIFETIME = Lifetime()


@pytest.fixture
def said(store: Store) -> Iterator[Any]:
    """The actions in the audit log, oldest first."""
    yield lambda: [
        line.action for line in store.read_sync(lambda tx: list_audit(tx, AuditFilter(), limit=100))
    ][::-1]


@pytest.mark.parametrize("path", ["/", "/exchanges/x", "/nowhere", "/account"])
async def test_stranger_is_led_to_the_login_page(stranger: Any, path: str) -> None:
    async with stranger.ask("GET", path) as answer:
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize("path", ["/api/v1/exchanges", "/live", "/rows"])
async def test_program_without_session_is_refused(stranger: Any, path: str) -> None:
    await stranger.get(path, status=401)


async def test_login_leads_to_the_page_that_was_asked_for(stranger: Any, person: Any) -> None:
    person("anna", Role.OPERATOR)
    async with stranger.ask("GET", "/?state=attention") as answer:
        login = answer.headers["Location"]
    assert 'value="/?state=attention"' in await stranger.get(login)
    _, location = await stranger.post("/login", name="anna", password=PASSWORD, next="/?state=attention")
    assert location == "/?state=attention"
    assert "anna" in await stranger.get("/")


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/\r\nX: y"]
)
def test_login_leads_nowhere_else(path: str) -> None:
    assert not is_own_path(path)


async def test_session_cookie_is_out_of_reach_for_scripts_and_other_sites(stranger: Any, person: Any) -> None:
    person("anna", Role.VIEWER)
    token = await stranger.token("/login")
    data = {"csrf": token, "name": "anna", "password": PASSWORD}
    async with stranger.session.post(stranger.base + "/login", data=data, allow_redirects=False) as answer:
        cookie = next(c for c in answer.headers.getall("Set-Cookie") if c.startswith("session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Max-Age" not in cookie


async def test_over_tls_cookies_are_secure_and_bound_to_the_host(bridge: Any, options: Any) -> None:
    from tests.web.console.conftest import browsing, serving

    async with (
        serving(bridge, replace(options, login=True, secure=True)) as runner,
        browsing(runner) as browser,
        browser.ask("GET", "/login") as answer,
    ):
        cookie = answer.headers["Set-Cookie"]
        assert answer.headers["Strict-Transport-Security"]
    assert cookie.startswith("__Host-visit=")
    assert "Secure" in cookie


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("", "")])
async def test_wrong_name_and_wrong_password_are_answered_alike(
    stranger: Any, person: Any, name: str, password: str
) -> None:
    person("anna", Role.OPERATOR)
    body, _ = await stranger.post("/login", status=403, name=name, password=password)
    assert "De naam of het wachtwoord klopt niet" in body


async def test_after_too_many_attempts_the_right_password_must_wait(store: Store, person: Any) -> None:
    person("anna", Role.OPERATOR)
    for _ in range(FREE_ATTEMPTS + 1):
        assert await log_in(store, "anna", "wrong", now=NOW, lifetime=LIFETIME) is None
    assert await log_in(store, "anna", PASSWORD, now=NOW + timedelta(seconds=29), lifetime=LIFETIME) is None
    assert await log_in(store, "anna", PASSWORD, now=NOW + timedelta(seconds=30), lifetime=LIFETIME)


async def test_each_further_attempt_doubles_the_lock_up_to_a_quarter(store: Store, person: Any) -> None:
    person("anna", Role.OPERATOR)
    at, waits = NOW, []
    for number in range(FREE_ATTEMPTS + 8):
        await log_in(store, "anna", "wrong", now=at, lifetime=LIFETIME)
        account = store.read_sync(lambda tx: find_account(tx, "anna"))
        assert account is not None
        if number >= FREE_ATTEMPTS:
            assert account.locked_until is not None
            waits.append((account.locked_until - at).total_seconds())
            at = account.locked_until
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_success_forgets_the_failures(store: Store, person: Any) -> None:
    person("anna", Role.OPERATOR)
    for _ in range(FREE_ATTEMPTS - 1):
        await log_in(store, "anna", "wrong", now=NOW, lifetime=LIFETIME)
    await log_in(store, "anna", PASSWORD, now=NOW, lifetime=LIFETIME)
    account = store.read_sync(lambda tx: find_account(tx, "anna"))
    assert account is not None
    assert (account.failures, account.locked_until) == (0, None)


async def test_one_time_password_must_be_replaced_before_anything_else(stranger: Any, store: Store) -> None:
    once = make_account(store, "anna", Role.OPERATOR, now=NOW, by="test")
    await stranger.log_in("anna", once)
    async with stranger.ask("GET", "/") as answer:
        assert answer.headers["Location"] == "/account"
    fields = {"current": once, "new": PASSWORD, "again": PASSWORD}
    assert (await stranger.post("/account/password", page="/account", **fields))[1] == "/"
    assert "Uitwisselingen" in await stranger.get("/")


async def test_one_time_password_does_not_last(store: Store) -> None:
    once = make_account(store, "anna", Role.OPERATOR, now=NOW, by="test")
    assert await log_in(store, "anna", once, now=NOW + ONE_TIME, lifetime=LIFETIME) is None


@pytest.mark.parametrize(
    ("current", "new", "again", "sentence"),
    [
        (PASSWORD, "short", "short", "te kort"),
        (PASSWORD, "x" * 201, "x" * 201, "te lang"),
        (PASSWORD, "aaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaa", "te eenvoudig"),
        (PASSWORD, "viewer person and more", "viewer person and more", "te eenvoudig"),
        (PASSWORD, "another sentence of words", "not the same at all", "niet twee keer"),
        (PASSWORD, PASSWORD, PASSWORD, "hetzelfde als het huidige"),
        ("wrong", "another sentence of words", "another sentence of words", "huidige wachtwoord klopt niet"),
    ],
)
async def test_password_that_cannot_be_is_explained(
    enter: Any, current: str, new: str, again: str, sentence: str
) -> None:
    browser = await enter(Role.VIEWER)
    body, _ = await browser.post(
        "/account/password", page="/account", status=400, current=current, new=new, again=again
    )
    assert sentence in body


async def test_new_password_logs_other_browsers_out(enter: Any, closed: Any) -> None:
    from tests.web.console.conftest import browsing

    browser = await enter(Role.VIEWER)
    async with browsing(closed) as other:
        await other.log_in("viewer person", PASSWORD)
        new = "another sentence of words"
        await browser.post("/account/password", page="/account", current=PASSWORD, new=new, again=new)
        await other.get("/", status=303)
        await browser.get("/")


async def test_logging_out_ends_the_session_at_the_server(enter: Any, said: Any) -> None:
    browser = await enter(Role.VIEWER)
    cookies = {c.key: c.value for c in browser.session.cookie_jar}
    await browser.post("/logout", page="/account")
    await browser.get("/", status=303, Cookie=f"session={cookies['session']}")
    assert said()[-1] == "login.ended"


async def test_session_ends_without_use_and_in_any_case(store: Store, person: Any) -> None:
    person("anna", Role.VIEWER)
    opened = await log_in(store, "anna", PASSWORD, now=NOW, lifetime=LIFETIME)
    assert opened is not None

    async def holds(at: datetime) -> bool:
        found = await find_visitor(store, opened.token, now=at, lifetime=LIFETIME, touch=True)
        return found is not None

    at = NOW
    while at < NOW + LIFETIME.most - timedelta(minutes=50):
        at += timedelta(minutes=50)
        assert await holds(at)
    assert not await holds(NOW + LIFETIME.most)
    again = await log_in(store, "anna", PASSWORD, now=NOW, lifetime=LIFETIME)
    assert again is not None
    assert (
        await find_visitor(store, again.token, now=NOW + LIFETIME.idle, lifetime=LIFETIME, touch=True) is None
    )


@pytest.mark.parametrize("end", [reset_account, close_account])
async def test_account_that_is_reset_or_closed_is_logged_out_everywhere(
    enter: Any, store: Store, end: Any
) -> None:
    browser = await enter(Role.VIEWER)
    end(store, "viewer person", now=NOW, by="test")
    await browser.get("/", status=303)
    assert await log_in(store, "viewer person", PASSWORD, now=NOW, lifetime=LIFETIME) is None


async def test_changed_role_takes_effect_at_the_next_login(enter: Any, store: Store) -> None:
    browser = await enter(Role.VIEWER)
    change_role(store, "viewer person", Role.ADMINISTRATOR, now=NOW, by="test")
    await browser.get("/", status=303)
    await browser.log_in("viewer person", PASSWORD)
    assert "beheerder" in await browser.get("/account")


async def test_login_link_works_once(stranger: Any, person: Any, store: Store) -> None:
    person("anna", Role.OPERATOR)
    link = make_link(store, "anna", now=NOW, by="test")
    async with stranger.ask("HEAD", f"/login/{link}") as answer:
        assert answer.status == 403
    await stranger.get(f"/login/{link}", status=303)
    assert "anna" in await stranger.get("/")
    assert "al gebruikt" in await stranger.get(f"/login/{link}", status=403)


async def test_login_link_does_not_last(stranger: Any, person: Any, store: Store) -> None:
    person("anna", Role.OPERATOR)
    link = make_link(store, "anna", now=NOW - LINK, by="test")
    await stranger.get(f"/login/{link}", status=403)


async def test_store_keeps_neither_passwords_nor_tokens(store: Store, tmp_path: Any) -> None:
    once = make_account(store, "anna", Role.OPERATOR, now=NOW, by="test")
    opened = await log_in(store, "anna", once, now=NOW, lifetime=LIFETIME)
    link = make_link(store, "anna", now=NOW, by="test")
    assert opened is not None
    octets = b"".join(file.read_bytes() for file in tmp_path.glob("bridge.sqlite3*"))
    assert b"anna" in octets
    assert all(secret.encode() not in octets for secret in (once, opened.token, link))


async def test_form_without_its_token_does_nothing(enter: Any, store: Store) -> None:
    browser = await enter(Role.VIEWER)
    await browser.send("/logout", status=403)
    await browser.send("/logout", status=403, csrf="0" * 64)
    await browser.get("/")


async def test_form_token_of_another_visitor_does_nothing(enter: Any) -> None:
    one, other = await enter(Role.VIEWER), await enter(Role.OPERATOR)
    await one.send("/logout", status=403, csrf=await other.token("/account"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_form_from_another_site_does_nothing(enter: Any, headers: dict[str, str]) -> None:
    browser = await enter(Role.VIEWER)
    data = {"csrf": await browser.token("/account")}
    async with browser.session.post(browser.base + "/logout", data=data, headers=headers) as answer:
        assert answer.status == 403


async def test_logging_in_is_audited_and_unknown_names_are_not_written_down(
    stranger: Any, person: Any, store: Store, said: Any
) -> None:
    person("anna", Role.OPERATOR)
    await stranger.post("/login", status=403, name="my-password-by-mistake", password="x")
    await stranger.post("/login", status=403, name="anna", password="x")
    await stranger.log_in("anna", PASSWORD)
    assert said() == ["account.added", "login.refused", "login.refused", "login.done"]
    lines = store.read_sync(lambda tx: list_audit(tx, AuditFilter(action="login.refused")))
    assert [line.who for line in lines] == ["anna", "(unknown name)"]


def test_one_time_passwords_differ_and_would_be_good_ones() -> None:
    made = {make_one_time_password() for _ in range(50)}
    assert len(made) == 50
    assert all(why_weak(password, name="anna") is None for password in made)


async def test_first_state_is_shown_in_the_store(store: Store) -> None:
    make_account(store, "anna", Role.VIEWER, now=NOW, by="test")
    account = store.read_sync(lambda tx: find_account(tx, "anna"))
    assert account is not None
    assert account.state is AccountState.FIRST
