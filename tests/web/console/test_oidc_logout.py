"""The identity provider logs people out: what ends, what stays, and every token that is not to be believed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import jwt
import pytest

from bridge.store.audit import AuditFilter, list_audit
from bridge.store.rows import Role
from bridge.web.console.identity import MAX_TOKEN
from bridge.web.console.oidc_logout import PATH
from tests.web.console.conftest import NOW, PASSWORD, browsing, serving
from tests.web.console.test_oidc import FORGERS, sign_in

SECONDS = int(NOW.timestamp())
EVENT = "http://schemas.openid.net/event/backchannel-logout"


async def post(site: Any, token: str, **headers: str) -> tuple[int, str]:
    """As the provider does: no cookie, no page before it."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(site.base + PATH, data={"logout_token": token}, headers=headers) as answer,
    ):
        assert "no-store" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
        return answer.status, await answer.text()


async def is_in(site: Any) -> bool:
    async with site.ask("GET", "/exchanges") as answer:
        return bool(answer.status == 200)


def token(idp: Any, **changes: Any) -> str:
    claims = idp.logout_claims() | changes
    return str(idp.sign({name: value for name, value in claims.items() if value is not None}))


async def test_person_who_logged_out_at_the_provider_is_out_here_and_that_is_written_down(
    site: Any, idp: Any, store: Any
) -> None:
    await sign_in(site)
    assert await is_in(site)
    assert await post(site, token(idp)) == (200, "")
    assert not await is_in(site)
    (line,) = store.read_sync(lambda tx: list_audit(tx, AuditFilter(action="login.ended")))
    assert (line.who, dict(line.detail)) == ("a.jansen", {"by": "identity provider"})


async def test_of_two_sessions_the_one_that_is_named_ends(site: Any, idp: Any) -> None:
    idp.claims = {"sid": "session-one"}
    await sign_in(site)
    async with browsing_beside(site) as other:
        idp.claims = {"sid": "session-two"}
        await sign_in(other)
        assert (await post(site, token(idp, sid="session-two")))[0] == 200
        assert await is_in(site)
        assert not await is_in(other)
        assert (await post(site, token(idp, sub=None, sid="session-one")))[0] == 200
        assert not await is_in(site)


async def test_without_a_named_session_all_of_the_person_end(site: Any, idp: Any) -> None:
    idp.claims = {"sid": "session-one"}
    await sign_in(site)
    async with browsing_beside(site) as other:
        idp.claims = {"sid": "session-two"}
        await sign_in(other)
        assert (await post(site, token(idp)))[0] == 200
        assert not await is_in(site)
        assert not await is_in(other)


async def test_session_of_which_the_provider_named_no_session_ends_with_its_person(
    site: Any, idp: Any
) -> None:
    await sign_in(site)
    assert (await post(site, token(idp, sid="whichever")))[0] == 200
    assert not await is_in(site)


@pytest.mark.parametrize("changes", [{"sub": "another"}, {"sub": "another", "sid": "one"}, {"sid": "two"}])
async def test_logout_of_another_is_good_and_ends_nothing_here(
    site: Any, idp: Any, changes: dict[str, str]
) -> None:
    idp.claims = {"sid": "one"}
    await sign_in(site)
    assert (await post(site, token(idp, **changes)))[0] == 200
    assert await is_in(site)


async def test_account_of_the_bridge_is_not_ended_by_the_provider(
    bridge: Any, options: Any, oidc: Any, idp: Any, person: Any
) -> None:
    person("anna", Role.OPERATOR)
    async with (
        serving(bridge, replace(options, login=True, oidc=oidc)) as runner,
        browsing(runner) as site,
    ):
        await site.log_in("anna", PASSWORD)
        assert (await post(site, token(idp, sub="anna")))[0] == 200
        assert await is_in(site)


async def test_what_was_unmasked_is_masked_again(site: Any, idp: Any, store: Any) -> None:
    from sqlalchemy import func, select

    from bridge.ids import Key
    from bridge.store import tables
    from bridge.store.reveals import add_reveal
    from bridge.store.rows import Reveal

    await sign_in(site)

    def work(tx: Any) -> None:
        session = tx.scalar(select(tables.session.c.token))
        until = NOW + timedelta(minutes=1)
        reveal = Reveal(key=Key("k"), session=session, target=Key("t"), place="body", line=None, until=until)
        add_reveal(tx, reveal, now=NOW)

    store.write_sync(work)
    await post(site, token(idp))
    assert store.read_sync(lambda tx: tx.scalar(select(func.count()).select_from(tables.reveal))) == 0


WRONG: dict[str, Any] = {
    "another issuer": {"iss": "http://localhost:1"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "other-client"},
    "no audience": {"aud": None},
    "several audiences": {"aud": ["console", "other-client"]},
    "no time": {"iat": None},
    "from the future": {"iat": SECONDS + 3600, "exp": SECONDS + 7200},
    "made long ago": {"iat": SECONDS - 601},
    "time as text": {"iat": "now"},
    "no end": {"exp": None},
    "expired": {"exp": SECONDS - 61},
    "no id": {"jti": None},
    "empty id": {"jti": ""},
    "number as id": {"jti": 7},
    "endless id": {"jti": "x" * 300},
    "no events": {"events": None},
    "other event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "event is text": {"events": {EVENT: "yes"}},
    "events is a list": {"events": [EVENT]},
    "a nonce": {"nonce": "n"},
    "an empty nonce": {"nonce": ""},
    "nobody": {"sub": None},
    "empty subject": {"sub": ""},
    "number as session": {"sid": 7},
}


@pytest.mark.parametrize("name", WRONG)
async def test_token_with_a_wrong_claim_logs_nobody_out(site: Any, idp: Any, name: str, capsys: Any) -> None:
    await sign_in(site)
    status, text = await post(site, token(idp, **WRONG[name]))
    assert (status, text) == (400, '{"error": "invalid_request"}')
    assert await is_in(site)
    said = "".join(capsys.readouterr())
    assert "logout.refused" in said
    assert "eyJ" not in said
    assert "248289761001" not in said


@pytest.mark.parametrize("name", FORGERS)
async def test_token_that_the_provider_did_not_sign_logs_nobody_out(site: Any, idp: Any, name: str) -> None:
    await sign_in(site)
    assert (await post(site, FORGERS[name](idp, idp.logout_claims())))[0] == 400
    assert await is_in(site)


@pytest.mark.parametrize(("kind", "status"), [("logout+jwt", 200), ("JWT", 200), ("at+jwt", 400), (7, 400)])
async def test_token_of_another_kind_logs_nobody_out(site: Any, idp: Any, kind: Any, status: int) -> None:
    await sign_in(site)
    claims, headers = idp.logout_claims(), {"kid": idp.key_id}
    made = jwt.encode(claims, idp.key, algorithm="RS256", headers=headers | {"typ": kind})
    assert (await post(site, made))[0] == status
    assert await is_in(site) is (status == 400)


async def test_identity_token_is_no_logout_token_and_the_other_way_round(site: Any, idp: Any) -> None:
    await sign_in(site)
    assert (await post(site, idp.sign(idp.said("n"))))[0] == 400
    assert await is_in(site)
    site.session.cookie_jar.clear()
    idp.forge = lambda claims: idp.sign(idp.logout_claims())
    await sign_in(site, status=403)


async def test_token_counts_once_also_when_it_is_sent_twice_at_once(site: Any, idp: Any) -> None:
    await sign_in(site)
    made = token(idp)
    answers = await asyncio.gather(*(post(site, made) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400]
    await sign_in(site)
    assert (await post(site, made))[0] == 400
    assert await is_in(site)


async def test_token_that_was_used_is_remembered_as_long_as_it_counts(
    bridge: Any, options: Any, oidc: Any, idp: Any
) -> None:
    moments = [NOW]
    bridge.now = lambda: moments[0]
    async with (
        serving(bridge, replace(options, login=True, local=False, oidc=oidc)) as runner,
        browsing(runner) as site,
    ):
        made, later = token(idp, exp=SECONDS + 7200), token(idp, exp=SECONDS + 7200)
        assert (await post(site, made))[0] == 200
        moments[0] = NOW + timedelta(minutes=9)
        assert (await post(site, later))[0] == 200
        for minutes in (9, 10, 11, 12, 13, 100):
            moments[0] = NOW + timedelta(minutes=minutes)
            assert (await post(site, made))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"logout_token=",
        b"logout_token=a&logout_token=b",
        b"other=x",
        b"logout_token=" + b"a" * (MAX_TOKEN + 2000),
        b"\xff\xfe",
        b"&".join(b"a=1" for _ in range(1000)),
    ],
)
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "application/json", "multipart/form-data"]
)
async def test_call_that_is_no_such_form_is_refused(site: Any, body: bytes, kind: str) -> None:
    async with site.session.post(site.base + PATH, data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == 400
        assert answer.headers["Cache-Control"] == "no-store"


async def test_body_without_a_length_is_read_no_further_than_a_token_goes(site: Any) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(2000):
            sent += 16384
            yield b"a" * 16384

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        async with site.session.post(site.base + PATH, data=endless(), headers=headers) as answer:
            assert answer.status == 400
    except aiohttp.ClientError:
        pass
    assert sent < 2000 * 16384


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_a_post_is_heard(site: Any, idp: Any, method: str) -> None:
    await sign_in(site)
    async with site.ask(method, f"{PATH}?logout_token={token(idp)}") as answer:
        assert answer.status in (303, 403, 404, 405)
    assert await is_in(site)


async def test_session_cookie_of_a_caller_plays_no_part(site: Any, idp: Any) -> None:
    await sign_in(site)
    async with site.session.post(site.base + PATH, data={"logout_token": "x"}) as answer:
        assert answer.status == 400
        assert "Set-Cookie" not in answer.headers
    assert await is_in(site)


async def test_call_under_another_host_name_is_not_heard(site: Any, idp: Any) -> None:
    await sign_in(site)
    made = token(idp)
    async with site.ask("POST", PATH, Host="evil.example") as answer:
        assert answer.status == 421
    assert (await post(site, made))[0] == 200


async def test_without_a_provider_there_is_no_such_address(stranger: Any) -> None:
    async with stranger.session.post(stranger.base + PATH, data={"logout_token": "x"}) as answer:
        assert answer.status == 404


def browsing_beside(site: Any) -> Any:
    """Another browser at the same console."""
    from contextlib import asynccontextmanager

    from tests.web.console.conftest import Browser

    @asynccontextmanager
    async def other() -> Any:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            yield Browser(session, site.base)

    return other()
