"""Access tokens on a lookup: each check of the enforcement point broken in turn, and what scopes open."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256

from bridge.demo import HUB, POLICE
from bridge.errors import ConfigError
from bridge.inzage.token import thumbprint
from bridge.pki import Pki
from bridge.web.api.state import load_issuers
from tests.conftest import STRANGER, Clock
from tests.web.api.conftest import (
    RESOURCE,
    Api,
    OpenApi,
    accesses,
    everything_for,
    keep,
    make_settings,
)

PATH = f"/inzage/melding/{RESOURCE}"
ISSUER, AUDIENCE = "https://tokens.example.nl", "https://brug.example.nl"


@pytest.fixture(scope="module")
def keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """The issuer's, and that of somebody else."""
    one, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    return one, other


@pytest.fixture
def jwks(tmp_path: Path, keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Path:
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(keys[0].public_key())) | {"kid": "k1"}
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [key]}))
    return file


def inzage(jwks: Path, **changes: Any) -> dict[str, Any]:
    """Settings with this issuer, and rules that open everything to everyone with a good token."""
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "keys_file": jwks}
    return {"issuers": [issuer], "token": "required", "rules": [everything_for("*")], **changes}


Make = Callable[..., str]


@pytest.fixture
def make(pki: Pki, clock: Clock, keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Make:
    """A good token of the hub's client certificate, with changes; a claim that is None is left out."""

    def token(*, key: Any = None, algorithm: str = "RS256", kid: str = "k1", **changes: Any) -> str:
        octets = pki.credentials(HUB.stem).certificate.read_bytes()
        certificate = x509.load_pem_x509_certificates(octets)[0]
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "azp": HUB.oin,
            "sub": HUB.oin,
            "jti": "1",
            "iat": int(clock().timestamp()),
            "exp": int((clock() + timedelta(minutes=5)).timestamp()),
            "scope": "uitwisselen-melding:read:volledig",
            "cnf": {"x5t#S256": thumbprint(certificate.fingerprint(SHA256()))},
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or keys[0], algorithm=algorithm, headers={"kid": kid})

    return token


async def look(api: Api, token: str | None, path: str = PATH, *, as_: str = HUB.stem) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await api.get(path, as_=as_, headers=headers)


async def test_a_good_token_opens_what_its_scope_says(start: OpenApi, jwks: Path, make: Make) -> None:
    async with start(inzage=inzage(jwks)) as api:
        keep(api.bridge)
        answer = await look(api, make())

    assert answer.status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "https://iemand.anders"},
        {"aud": None},
        {"exp": 1_000_000},
        {"exp": None},
        {"nbf": 9_999_999_999},
        {"exp": 9_999_999_999},
        {"azp": STRANGER.oin},
        {"cnf": None},
        {"cnf": {"x5t#S256": "x" * 43}},
        {"cnf": "x"},
        {"kid": "k2"},
    ],
    ids=lambda changes: next(iter(changes.items())).__repr__(),
)
@pytest.mark.rule("SOH-117")
async def test_a_token_with_one_fault_is_refused_before_the_resource_is_read(
    start: OpenApi, jwks: Path, make: Make, changes: dict[str, Any]
) -> None:
    async with start(inzage=inzage(jwks)) as api:
        keep(api.bridge)
        answer = await look(api, make(**changes))
        logged = accesses(api.bridge)

    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert logged == ()


@pytest.mark.rule("SOH-117")
async def test_a_signature_of_another_key_or_no_signature_is_refused(
    start: OpenApi, jwks: Path, make: Make, keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]
) -> None:
    forged = make(key=keys[1])
    unsigned = jwt.encode(jwt.decode(make(), options={"verify_signature": False}), None, algorithm="none")  # type: ignore[arg-type]
    async with start(inzage=inzage(jwks)) as api:
        statuses = [(await look(api, token)).status for token in (forged, unsigned, "geen.jwt", "x" * 7000)]

    assert set(statuses) == {401}


@pytest.mark.rule("SOH-117")
async def test_a_stolen_token_is_useless_on_another_connection(
    start: OpenApi, jwks: Path, make: Make
) -> None:
    async with start(inzage=inzage(jwks)) as api:
        keep(api.bridge)
        answer = await look(api, make(azp=None), as_=POLICE.stem)

    assert answer.status == 401


async def test_without_the_token_that_is_asked_there_is_no_lookup(start: OpenApi, jwks: Path) -> None:
    async with start(inzage=inzage(jwks)) as api:
        keep(api.bridge)
        answer = await look(api, None)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="bridge"')


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [
        ("uitwisselen-melding:read:minimaal", [200, 403, 403]),
        ("uitwisselen-melding:read:beperkt", [200, 200, 403]),
        ("andere:read:volledig uitwisselen-melding:read:volledig", [200, 200, 200]),
        ("uoo:read:volledig", [403, 403, 403]),
        ("uitwisselen-melding:write:volledig", [403, 403, 403]),
        ("", [403, 403, 403]),
    ],
)
@pytest.mark.rule("SOH-116")
async def test_each_scope_opens_exactly_its_levels(
    start: OpenApi, jwks: Path, make: Make, scope: str, statuses: list[int]
) -> None:
    async with start(inzage=inzage(jwks)) as api:
        keep(api.bridge)
        found = [(await look(api, make(scope=scope), f"{PATH}/niveau{n}")).status for n in (0, 1, 2)]

    assert found == statuses


@pytest.mark.rule("SOH-116")
async def test_outcomes_have_a_short_scope(start: OpenApi, jwks: Path, make: Make) -> None:
    rule = everything_for("*", types=["uitkomst-overleg"])
    async with start(inzage=inzage(jwks, rules=[rule])) as api:
        keep(api.bridge, type="uitkomst-overleg")
        answer = await look(api, make(scope="uoo:read:beperkt"), f"/inzage/uitkomst-overleg/{RESOURCE}")

    assert answer.json["niveau"] == 1


async def test_the_reader_is_the_organisation_that_the_token_speaks_for(
    start: OpenApi, jwks: Path, make: Make
) -> None:
    async with start(inzage=inzage(jwks, rules=[everything_for(STRANGER.oin)])) as api:
        keep(api.bridge)
        answer = await look(api, make(sub=STRANGER.oin))
        (access,) = accesses(api.bridge)

    assert answer.status == 200
    assert (access.reader, access.via) == (STRANGER.oin, HUB.oin)


def test_a_file_without_usable_keys_is_told_at_start(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text('{"keys": []}')

    with pytest.raises(ConfigError, match=r"jwks\.json is no JWKS file"):
        load_issuers(make_settings(tmp_path, inzage=inzage(file)).inzage)


@pytest.mark.rule("SOH-158")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("goed", "goed")),
        ({"aud": "https://elders.example.nl"}, ("fout", "niet gevraagd")),
        ({"scope": "uitwisselen-melding:write"}, ("goed", "fout")),
        (None, ("fout", "niet gevraagd")),
    ],
)
async def test_the_connection_test_tells_whether_token_or_scope_fails(
    start: OpenApi, jwks: Path, make: Make, change: dict[str, Any] | None, expected: tuple[str, str]
) -> None:
    async with start(inzage=inzage(jwks)) as api:
        answer = await look(api, None if change is None else make(**change), "/test/connection")
        told = {step["stap"]: step["uitslag"] for step in answer.json["stappen"]}
        assert (told["token"], told["scope"]) == expected
        assert answer.json["inOrde"] is (expected == ("goed", "goed") and told["aanbieden"] == "goed")
