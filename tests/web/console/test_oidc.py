"""Logging in at an identity provider: who gets in, and every way in which a stranger does not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bridge.errors import ConfigError
from bridge.store.accounts import find_account
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.rows import AccountState, Role
from bridge.web.console.accounts import (
    close_account,
    log_out_everywhere,
    make_account,
    make_link,
    reset_account,
)
from tests.web.console.conftest import NOW, PASSWORD, browsing, serving
from tests.web.console.identity_provider import IdentityProvider, new_key

OTHER_KEY = new_key()


async def go(site: Any, start: str = "/login/oidc") -> str:
    """Begin; gives the address at the provider to which the browser is sent."""
    async with site.ask("GET", start) as answer:
        assert answer.status == 303, await answer.text()
        return str(answer.headers["Location"])


async def allow(site: Any, url: str) -> str:
    """Say yes at the provider; gives the address with which it sends the browser back."""
    async with site.session.get(url.replace("/authorize?", "/allow?"), allow_redirects=False) as answer:
        return str(answer.headers["Location"])


async def sign_in(site: Any, start: str = "/login/oidc", *, status: int = 200) -> str:
    back = await allow(site, await go(site, start))
    async with site.session.get(back, allow_redirects=False) as answer:
        assert answer.status == status, await answer.text()
        return str(await answer.text())


def told(store: Any, action: str) -> Any:
    return store.read_sync(lambda tx: list_audit(tx, AuditFilter(action=action)))


async def test_person_of_the_organisation_gets_in_with_the_role_of_its_group(site: Any, store: Any) -> None:
    page = await sign_in(site, "/login/oidc?next=/exchanges?state=running")
    assert 'href="/exchanges?state=running"' in page
    assert "a.jansen" in await site.get("/exchanges")
    account = store.read_sync(lambda tx: find_account(tx, "a.jansen"))
    assert (account.role, account.password, account.state) == (Role.OPERATOR, None, AccountState.ACTIVE)
    assert [line.who for line in told(store, "login.done")] == ["a.jansen"]


async def test_what_is_asked_is_bound_to_this_browser(site: Any) -> None:
    one, other = parse_qs(urlsplit(await go(site)).query), parse_qs(urlsplit(await go(site)).query)
    assert one["response_type"] == ["code"]
    assert one["code_challenge_method"] == ["S256"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(one[name][0]) >= 43
        assert one[name] != other[name]
    assert one["redirect_uri"] == [f"{site.base}/login/oidc/callback"]


async def test_cookies_are_lax_for_the_way_out_and_strict_inside(site: Any) -> None:
    async with site.ask("GET", "/login/oidc") as answer:
        cookie = next(c for c in answer.headers.getall("Set-Cookie") if c.startswith("signin="))
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        back = await allow(site, answer.headers["Location"])
    async with site.session.get(back) as answer:
        cookies = answer.headers.getall("Set-Cookie")
        assert answer.headers["Refresh"] == "0; url=/"
    session = next(c for c in cookies if c.startswith("session="))
    assert "SameSite=Strict" in session
    assert any(c.startswith("signin=;") or 'signin="";' in c for c in cookies)


async def test_role_follows_the_provider_at_the_next_sign_in(site: Any, idp: Any, store: Any) -> None:
    await sign_in(site)
    idp.claims = {"groups": [], "realm": {"roles": ["privacy"]}, "preferred_username": "anna.jansen"}
    await sign_in(site)
    account = store.read_sync(lambda tx: find_account(tx, "a.jansen"))
    assert account.role is Role.PRIVACY
    assert [line.detail["role_given"] for line in told(store, "account.changed")] == ["privacy"]


FORGERIES: dict[str, Any] = {
    "wrong nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "wrong audience": {"aud": "other-client"},
    "several audiences": {"aud": ["console", "other-client"]},
    "another party": {"azp": "other-client"},
    "wrong issuer": {"iss": "http://localhost:1"},
    "expired": {"exp": int(NOW.timestamp()) - 61},
    "no end": {"exp": None},
    "from the future": {"iat": int(NOW.timestamp()) + 3600},
    "not yet": {"nbf": int(NOW.timestamp()) + 3600},
    "nobody": {"sub": ""},
    "number as subject": {"sub": 7},
    "time as text": {"exp": "tomorrow"},
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_token_with_a_wrong_claim_is_refused(site: Any, idp: Any, store: Any, name: str) -> None:
    idp.claims = FORGERIES[name]
    page = await sign_in(site, status=403)
    assert "Het antwoord van uw organisatie klopt niet" in page
    await site.get("/exchanges", status=303)
    assert told(store, "login.done") == ()
    assert len(told(store, "login.refused")) == 1


def _none(idp: IdentityProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none", headers={"kid": idp.key_id})


def _hs256(idp: IdentityProvider, claims: dict[str, Any]) -> str:
    """Signed with the public key as if it were a shared secret."""
    import base64
    import hashlib
    import hmac
    import json

    def part(octets: bytes) -> bytes:
        return base64.urlsafe_b64encode(octets).rstrip(b"=")

    pem = idp.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = part(json.dumps({"alg": "HS256", "kid": idp.key_id}).encode())
    signed = head + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.new(pem, signed, hashlib.sha256).digest())).decode()


FORGERS: dict[str, Any] = {
    "alg none": _none,
    "public key as secret": _hs256,
    "client secret as key": lambda idp, claims: jwt.encode(
        claims, idp.secret * 8, algorithm="HS256", headers={"kid": idp.key_id}
    ),
    "another key": lambda idp, claims: jwt.encode(
        claims, OTHER_KEY, algorithm="RS256", headers={"kid": idp.key_id}
    ),
    "unknown key": lambda idp, claims: idp.sign(claims, kid="other"),
    "key in the token": lambda idp, claims: jwt.encode(
        claims, OTHER_KEY, algorithm="RS256", headers={"kid": "own", "jwk": {"kty": "RSA"}}
    ),
    "changed afterwards": lambda idp, claims: idp.sign(claims)[:-6] + "AAAAAA",
    "no token": lambda idp, claims: "not.a.token",
    "too long": lambda idp, claims: "a" * 100_000,
}


@pytest.mark.parametrize("name", FORGERS)
async def test_token_that_is_not_signed_by_the_provider_is_refused(
    site: Any, idp: Any, store: Any, name: str
) -> None:
    idp.forge = lambda claims: FORGERS[name](idp, claims)
    await sign_in(site, status=403)
    assert told(store, "login.done") == ()


async def test_provider_whose_keys_hold_a_secret_is_not_helped_by_it(site: Any, idp: Any) -> None:
    idp.jwk = lambda: {"kty": "oct", "k": "czNjcmV0" * 8, "alg": "HS256"}
    idp.forge = lambda claims: jwt.encode(
        claims, b"s3cret" * 8, algorithm="HS256", headers={"kid": idp.key_id}
    )
    await sign_in(site, status=403)


async def test_code_that_was_used_opens_nothing_again(site: Any, store: Any, bridge: Any) -> None:
    back = await allow(site, await go(site))
    async with site.session.get(back) as answer:
        assert answer.status == 200
    site.session.cookie_jar.clear()
    async with site.session.get(back) as answer:
        assert answer.status == 403
    await go(site)
    async with site.session.get(back) as answer:
        assert answer.status == 403
    assert len(told(store, "login.done")) == 1


@pytest.mark.parametrize("change", ["state=x", "state=", "state=" + "a" * 5000])
async def test_wrong_state_is_refused(site: Any, change: str) -> None:
    back = await allow(site, await go(site))
    async with site.session.get(re.sub(r"state=[^&]*", change, back)) as answer:
        assert answer.status == 403
        assert "Begin opnieuw" in await answer.text()


async def test_answer_in_another_browser_is_refused(site: Any, bridge: Any) -> None:
    """Somebody who sends a victim the end of their own sign-in does not get it logged in as them."""
    back = await allow(site, await go(site))
    site.session.cookie_jar.clear()
    await go(site)
    async with site.session.get(back) as answer:
        assert answer.status == 403


async def test_answer_after_ten_minutes_is_refused(bridge: Any, options: Any, oidc: Any) -> None:
    moments = [NOW]
    bridge.now = lambda: moments[0]
    async with (
        serving(bridge, replace(options, login=True, local=False, oidc=oidc)) as runner,
        browsing(runner) as site,
    ):
        back = await allow(site, await go(site))
        moments[0] = NOW + timedelta(minutes=10)
        async with site.session.get(back) as answer:
            assert answer.status == 403


async def test_answer_of_another_issuer_is_refused(site: Any) -> None:
    back = await allow(site, await go(site))
    async with site.session.get(re.sub(r"iss=[^&]*", "iss=https%3A%2F%2Fevil.example", back)) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
async def test_sign_in_leads_to_our_own_pages_only(site: Any, path: str) -> None:
    page = await sign_in(site, f"/login/oidc?next={path}")
    assert "evil" not in page
    assert "javascript" not in page
    assert 'class="button" href="/"' in page


async def test_error_of_the_provider_is_told_in_words_and_not_repeated(site: Any) -> None:
    url = parse_qs(urlsplit(await go(site)).query)
    attack = "error=access_denied&error_description=%3Cscript%3E"
    page = await site.get(f"/login/oidc/callback?state={url['state'][0]}&{attack}", status=403)
    assert "liet u niet toe" in page
    assert "access_denied" not in page
    assert "<script>" not in page


async def test_person_without_a_fitting_group_does_not_get_in(site: Any, idp: Any) -> None:
    idp.claims = {"groups": ["bridge-operators-not", "staff"]}
    assert "nog geen rol" in await sign_in(site, status=403)


@pytest.mark.parametrize("name", [None, "", " ", "a\nb", "x" * 65, 7])
async def test_person_without_a_usable_name_does_not_get_in(site: Any, idp: Any, name: Any) -> None:
    idp.claims = {"preferred_username": name}
    assert "geen bruikbare naam" in await sign_in(site, status=403)


async def test_name_of_a_local_account_is_not_taken_over(site: Any, store: Any) -> None:
    make_account(store, "a.jansen", Role.ADMINISTRATOR, now=NOW, by="test")
    assert "heeft uw naam al" in await sign_in(site, status=403)
    account = store.read_sync(lambda tx: find_account(tx, "a.jansen"))
    assert (account.role, account.issued_by) == (Role.ADMINISTRATOR, None)


async def test_account_that_was_logged_out_comes_back_with_the_role_of_now(
    site: Any, idp: Any, store: Any
) -> None:
    await sign_in(site)
    log_out_everywhere(store, "a.jansen", now=NOW, by="test")
    await site.get("/exchanges", status=303)
    idp.claims = {"groups": []}
    assert "nog geen rol" in await sign_in(site, status=403)


async def test_closed_account_does_not_get_in(site: Any, store: Any) -> None:
    await sign_in(site)
    close_account(store, "a.jansen", now=NOW, by="test")
    await site.get("/exchanges", status=303)
    assert "gesloten" in await sign_in(site, status=403)


async def test_keys_that_were_rotated_are_fetched_again_but_not_for_every_stranger(
    bridge: Any, options: Any, oidc: Any, idp: Any
) -> None:
    moments = [NOW]
    bridge.now = lambda: moments[0]
    async with (
        serving(bridge, replace(options, login=True, local=False, oidc=oidc)) as runner,
        browsing(runner) as site,
    ):
        await sign_in(site)
        idp.key, idp.key_id = OTHER_KEY, "two"
        await sign_in(site, status=403)
        assert idp.key_reads == 1
        moments[0] = NOW + timedelta(minutes=1)
        await sign_in(site)
        assert idp.key_reads == 2


async def test_login_that_is_too_old_is_refused_and_a_new_one_asked(
    bridge: Any, options: Any, oidc: Any, idp: Any
) -> None:
    fresh = replace(oidc, fresh=timedelta(minutes=0))
    async with (
        serving(bridge, replace(options, login=True, local=False, oidc=fresh)) as runner,
        browsing(runner) as site,
    ):
        idp.claims = {"auth_time": int(NOW.timestamp()) - 61}
        assert "te lang geleden" in await sign_in(site, status=403)
        assert idp.asked == []
        query = parse_qs(urlsplit(await go(site)).query)
        assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
        idp.claims = {"auth_time": int(NOW.timestamp())}
        await sign_in(site)


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "http://localhost:1"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
    ],
)
async def test_provider_that_is_not_what_it_should_be_is_not_used(
    site: Any, idp: Any, discovery: dict[str, Any]
) -> None:
    idp.discovery = discovery
    page = await site.get("/login/oidc", status=502)
    assert "niet te bereiken" in page


async def test_provider_that_is_away_is_told_in_words(bridge: Any, options: Any, oidc: Any) -> None:
    away = replace(oidc, issuer="http://localhost:9")
    async with (
        serving(bridge, replace(options, login=True, oidc=away)) as runner,
        browsing(runner) as site,
    ):
        page = await site.get("/login/oidc", status=502)
        assert "niet te bereiken" in page
        assert 'name="password"' in page


async def test_local_accounts_that_are_switched_off_are_off(site: Any, store: Any, person: Any) -> None:
    person("anna", Role.ADMINISTRATOR)
    page = await site.get("/login")
    assert "/login/oidc" in page
    assert 'name="password"' not in page
    token = (await sign_in(site)) and await site.token("/account")
    site.session.cookie_jar.clear()
    await site.get("/login")
    await site.send("/login", status=403, csrf=token, name="anna", password=PASSWORD)
    await site.get(f"/login/{make_link(store, 'anna', now=NOW, by='test')}", status=403)


async def test_session_of_a_local_account_ends_when_they_are_switched_off(
    enter: Any, bridge: Any, options: Any, oidc: Any
) -> None:
    browser = await enter(Role.OPERATOR)
    cookie = next(c for c in browser.session.cookie_jar if c.key == "session")
    async with (
        serving(bridge, replace(options, login=True, local=False, oidc=oidc)) as runner,
        browsing(runner) as site,
    ):
        await site.get("/exchanges", status=303, Cookie=f"session={cookie.value}")


async def test_logging_out_ends_it_here_and_there(site: Any, idp: Any) -> None:
    await sign_in(site)
    cookie = next(c for c in site.session.cookie_jar if c.key == "session").value
    token = await site.token("/account")
    async with site.session.post(site.base + "/logout", data={"csrf": token}) as answer:
        assert answer.status == 200
        there = answer.headers["Refresh"].partition("url=")[2]
    assert there.startswith(f"{idp.base}/logout?client_id=console&post_logout_redirect_uri=")
    async with site.session.get(there, allow_redirects=False) as answer:
        assert answer.headers["Location"] == f"{site.base}/login"
    await site.get("/exchanges", status=303, Cookie=f"session={cookie}")


async def test_account_of_the_provider_has_no_password_to_reset(site: Any, store: Any) -> None:
    await sign_in(site)
    for change in (reset_account, make_link):
        with pytest.raises(ConfigError, match="says who it is"):
            change(store, "a.jansen", now=NOW, by="test")


async def test_no_token_code_or_secret_stands_in_a_log(site: Any, idp: Any, capsys: Any) -> None:
    idp.claims = {"aud": "other"}
    await sign_in(site, status=403)
    said = "".join(capsys.readouterr())
    assert "login.refused" in said
    assert "s3cret" not in said
    assert "eyJ" not in said
    assert "a.jansen" not in said


async def test_without_a_provider_there_is_no_such_page(stranger: Any) -> None:
    await stranger.get("/login/oidc", status=404)
    await stranger.get("/login/oidc/callback?code=x&state=y", status=404)
