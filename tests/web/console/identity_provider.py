"""A small identity provider on loopback: OpenID Connect, authorization code with PKCE, keys that rotate.

It keeps the contract of one; what a test wants wrong is a change of what it says, never of how it is asked.
"""

from __future__ import annotations

import functools
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def first_key() -> rsa.RSAPrivateKey:
    """What every provider begins with: making a key takes longer than most tests."""
    return new_key()


@dataclass
class IdentityProvider:
    """Vouches for one person. `claims` and `discovery` lie over what it says; `forge` makes the token instead."""

    now: datetime
    client_id: str = "console"
    secret: str = "s3cret"
    key: rsa.RSAPrivateKey = field(default_factory=first_key)
    key_id: str = "one"
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    forge: Any = None
    base: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    key_reads: int = 0
    ended: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self.discover)
        app.router.add_get("/keys", self.give_keys)
        app.router.add_get("/authorize", self.authorize)
        app.router.add_get("/allow", self.allow)
        app.router.add_post("/token", self.token)
        app.router.add_get("/logout", self.log_out)
        return app

    async def discover(self, _: web.Request) -> web.Response:
        document = {
            "issuer": self.base,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "jwks_uri": f"{self.base}/keys",
            "end_session_endpoint": f"{self.base}/logout",
        }
        return web.json_response(document | self.discovery)

    async def give_keys(self, _: web.Request) -> web.Response:
        self.key_reads += 1
        return web.json_response({"keys": [{**self.jwk(), "kid": self.key_id, "use": "sig"}]})

    def jwk(self) -> dict[str, Any]:
        return dict(RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True))

    async def authorize(self, request: web.Request) -> web.Response:
        """The page on which the person says yes."""
        self.asked.append(dict(request.query))
        href = escape(f"/allow?{urlencode(dict(request.query))}")
        text = f'<!doctype html><title>Provider</title><main><a id="allow" href="{href}">Allow</a></main>'
        return web.Response(text=text, content_type="text/html")

    async def allow(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        back = {"code": self.new_code(query), "state": query["state"], "iss": self.base}
        raise web.HTTPSeeOther(f"{query['redirect_uri']}?{urlencode(back)}")

    def new_code(self, query: dict[str, str]) -> str:
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return code

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.codes.pop(str(form.get("code")), None)
        challenge = urlsafe_b64encode(sha256(str(form.get("code_verifier")).encode()).digest()).rstrip(b"=")
        if (
            asked is None
            or asked["code_challenge"] != challenge.decode()
            or asked["redirect_uri"] != form.get("redirect_uri")
            or request.headers.get("Authorization") != _basic(self.client_id, self.secret)
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = self.said(asked["nonce"])
        token = self.forge(claims) if self.forge else self.sign(claims)
        return web.json_response({"id_token": token, "access_token": "x", "token_type": "Bearer"})

    def said(self, nonce: str) -> dict[str, Any]:
        seconds = int(self.now.timestamp())
        claims = {
            "iss": self.base,
            "aud": self.client_id,
            "sub": "248289761001",
            "exp": seconds + 300,
            "iat": seconds,
            "auth_time": seconds - 60,
            "nonce": nonce,
            "preferred_username": "a.jansen",
            "groups": ["staff", "bridge-operators"],
        }
        return {name: value for name, value in (claims | self.claims).items() if value is not None}

    def logout_claims(self) -> dict[str, Any]:
        """What a logout token says of the one person."""
        seconds = int(self.now.timestamp())
        return {
            "iss": self.base,
            "aud": self.client_id,
            "sub": "248289761001",
            "iat": seconds,
            "exp": seconds + 120,
            "jti": secrets.token_urlsafe(8),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.key_id} | headers)

    async def log_out(self, request: web.Request) -> web.Response:
        self.ended += 1
        raise web.HTTPSeeOther(request.query["post_logout_redirect_uri"])


def _basic(name: str, secret: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(f"{name}:{secret}".encode()).decode()


@asynccontextmanager
async def running(provider: IdentityProvider) -> AsyncIterator[IdentityProvider]:
    """On loopback, by the name `localhost`: to a browser on 127.0.0.1 that is another site."""
    runner = web.AppRunner(provider.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.base = f"http://localhost:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()
