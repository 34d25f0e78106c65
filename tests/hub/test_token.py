"""Tokens: what is asked, what is taken, how long it is kept."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from bridge.errors import ConfigError
from bridge.hub.answers import Answer, NoAnswer
from bridge.hub.token import NoToken, Token, TokenCache, TokenSettings, after_token, thumbprint_of, token_form

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
OIN = "00000001234567890000"
GOOD = {
    "endpoint": "https://auth.example/token",
    "client_id": OIN,
    "scope": "events:write",
    "audience": "https://hub.example/",
}
SETTINGS = TokenSettings(**GOOD)


def jwt(**claims: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.c2ln"


def granted(value: str = "opaque-1", **members: Any) -> Answer:
    body = {"access_token": value, "token_type": "Bearer", "expires_in": 600, **members}
    return Answer(status=200, body=json.dumps({k: v for k, v in body.items() if v is not None}).encode())


def taken(answer: Any, settings: TokenSettings = SETTINGS, thumbprint: str | None = None) -> Any:
    return after_token(answer, settings=settings, thumbprint=thumbprint, now=NOW)


class Endpoint:
    """A token endpoint that counts, and answers when it is let."""

    def __init__(self, *answers: Answer | NoAnswer) -> None:
        self.answers = list(answers)
        self.forms: list[dict[str, list[str]]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, endpoint: str, form: bytes) -> Answer | NoAnswer:
        self.forms.append(parse_qs(form.decode()))
        await self.open.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.mark.rule("SOH-88", "SOH-89")
def test_the_form_has_what_is_needed_and_no_secret() -> None:
    assert parse_qs(token_form(SETTINGS).decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": [OIN],
        "scope": ["events:write"],
        "audience": ["https://hub.example/"],
    }


@pytest.mark.rule("SOH-92")
def test_acting_for_a_partner_adds_its_oin_under_the_set_name() -> None:
    settings = TokenSettings(
        **GOOD, represented=OIN, represented_parameter="namens", audience_parameter="resource"
    )
    form = parse_qs(token_form(settings).decode())
    assert form["namens"] == [OIN] and form["resource"] == ["https://hub.example/"]


@pytest.mark.rule("SOH-88")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("audience", "http://hub.example/"),
        ("audience", "https://a.example https://b.example"),
        ("audience", "https://a.example,https://b.example"),
        ("audience", ""),
        ("scope", " "),
        ("client_id", ""),
        ("endpoint", "http://auth.example/token"),
    ],
)
def test_wrong_settings_are_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TokenSettings(**{**GOOD, key: value})
    assert len(caught.value.problems) == 1 and key in caught.value.problems[0]


def test_all_wrong_settings_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        TokenSettings(endpoint="x", client_id="", scope="", audience="x")
    assert len(caught.value.problems) == 4


@pytest.mark.rule("SOH-91")
@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [
        (granted(), timedelta(seconds=540)),
        (granted(expires_in="600"), timedelta(seconds=540)),
        (granted(expires_in=40), timedelta(seconds=20)),
        (granted(expires_in=None), timedelta(seconds=240)),
        (granted(expires_in=10**9), timedelta(hours=6) - timedelta(seconds=60)),
        (granted(jwt(exp=int(NOW.timestamp()) + 600), expires_in=None), timedelta(seconds=540)),
        (granted(expires_in=-5), timedelta(0)),
    ],
)
def test_a_token_is_renewed_before_it_ends(answer: Answer, lifetime: timedelta) -> None:
    assert taken(answer).until == NOW + lifetime


@pytest.mark.rule("SOH-90")
def test_a_token_for_another_certificate_is_thrown_away() -> None:
    print_ = thumbprint_of(b"der")
    good = granted(jwt(cnf={"x5t#S256": print_}))
    assert isinstance(taken(good, thumbprint=print_), Token)
    assert isinstance(taken(good, thumbprint=thumbprint_of(b"other")), NoToken)


@pytest.mark.rule("SOH-92")
def test_a_token_that_does_not_name_the_party_is_thrown_away() -> None:
    settings = TokenSettings(**GOOD, represented=OIN)
    assert isinstance(taken(granted(jwt(sub=OIN)), settings), Token)
    assert isinstance(taken(granted(jwt(sub="1" * 20)), settings), NoToken)
    assert isinstance(taken(granted("opaque"), settings), NoToken)


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        (NoAnswer(reason="x"), False),
        (Answer(status=400, body=b'{"error":"invalid_scope"}'), True),
        (Answer(status=401, body=b'{"error":"invalid_client","error_description":"onbekend"}'), True),
        (Answer(status=429), False),
        (Answer(status=503), False),
        (Answer(status=200, body=b"<html>"), False),
        (Answer(status=302), False),
        (granted(token_type="mac"), False),
        (granted("a b"), False),
    ],
)
def test_no_token_says_whether_asking_again_helps(answer: Any, permanent: bool) -> None:
    outcome = taken(answer)
    assert isinstance(outcome, NoToken) and outcome.permanent is permanent and outcome.reason


def test_a_refusal_is_told_in_words() -> None:
    outcome = taken(Answer(status=401, body=b'{"error":"invalid_client","error_description":"onbekend"}'))
    assert outcome.reason == "the token endpoint refused: invalid_client (onbekend)"


@pytest.mark.rule("SOH-91")
def test_a_token_does_not_show_its_value() -> None:
    assert "opaque-1" not in repr(taken(granted()))


@pytest.mark.rule("SOH-91")
async def test_a_hundred_at_once_ask_once() -> None:
    endpoint = Endpoint(granted())
    endpoint.open.clear()
    cache = TokenCache(endpoint, clock=Clock())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(cache.get(SETTINGS)) for _ in range(100)]
        group.create_task(_open(endpoint))
    assert len(endpoint.forms) == 1 and all(isinstance(task.result(), Token) for task in tasks)


async def _open(endpoint: Endpoint) -> None:
    endpoint.open.set()


async def test_a_failure_is_told_to_all_who_waited_and_then_tried_anew() -> None:
    endpoint = Endpoint(Answer(status=503), granted())
    endpoint.open.clear()
    cache = TokenCache(endpoint, clock=Clock())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(cache.get(SETTINGS)) for _ in range(10)]
        group.create_task(_open(endpoint))
    assert len(endpoint.forms) == 1 and all(isinstance(task.result(), NoToken) for task in tasks)
    assert isinstance(await cache.get(SETTINGS), Token)


@pytest.mark.rule("SOH-91")
async def test_tokens_are_kept_per_audience_and_scope_until_they_end() -> None:
    endpoint, clock = Endpoint(granted()), Clock()
    cache = TokenCache(endpoint, clock=clock)
    await cache.get(SETTINGS)
    await cache.get(SETTINGS)
    await cache.get(TokenSettings(**{**GOOD, "scope": "uoo:read:volledig"}))
    assert len(endpoint.forms) == 2
    clock.now += timedelta(seconds=541)
    await cache.get(SETTINGS)
    assert len(endpoint.forms) == 3


@pytest.mark.rule("SOH-90")
async def test_another_certificate_discards_the_kept_token() -> None:
    endpoint, prints = Endpoint(granted()), ["a"]
    cache = TokenCache(endpoint, clock=Clock(), thumbprint=lambda: prints[0])
    await cache.get(SETTINGS)
    prints[0] = "b"
    await cache.get(SETTINGS)
    assert len(endpoint.forms) == 2
