"""Talking to the identity provider: discovery, keys that rotate, and a code for a token.

Every answer is bounded in size and time, no redirect is followed, and an address that the provider names must be
private (TLS, or loopback). What was found is kept for an hour; a token with a key that is not known makes us look
again, at most once a minute.
"""

import asyncio
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from jwt.algorithms import AllowedPublicKeys

from bridge.config.listeners import is_private
from bridge.web.console.identity import OidcOptions, SignInRefused, key_id_of, read_keys

KEEP = timedelta(hours=1)
LOOK_AGAIN = timedelta(minutes=1)
MAX_ANSWER = 512 * 1024
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the provider is found."""

    authorize: str
    token: str
    keys: str
    log_out: str | None
    secret_in_body: bool
    """The secret goes in the form, because the provider does not take it in a header."""


class Provider:
    """One identity provider."""

    def __init__(self, options: OidcOptions, *, now: Callable[[], datetime]) -> None:
        self.options = options
        self._now = now
        self._endpoints: tuple[Endpoints, datetime] | None = None
        self._keys: tuple[Mapping[str, AllowedPublicKeys], datetime] | None = None
        self._lock = asyncio.Lock()

    async def authorize_url(self, *, state: str, nonce: str, verifier: str, redirect_uri: str) -> str:
        """Where to send a browser. Raises SignInRefused when the provider cannot be reached."""
        options, endpoints = self.options, await self.endpoints()
        query = {
            "response_type": "code",
            "client_id": options.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(options.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        if options.fresh is not None:
            query["max_age"] = str(int(options.fresh.total_seconds()))
            if not options.fresh:
                query["prompt"] = "login"
        return _with_query(endpoints.authorize, query)

    async def log_out_url(self, *, back: str) -> str | None:
        """Where a browser ends its session at the provider; None when there is no such place."""
        try:
            endpoints = await self.endpoints()
        except SignInRefused:
            return None
        if endpoints.log_out is None:
            return None
        query = {"client_id": self.options.client_id, "post_logout_redirect_uri": back}
        return _with_query(endpoints.log_out, query)

    async def token_for(self, code: str, *, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code. Raises SignInRefused."""
        options, endpoints = self.options, await self.endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": options.client_id,
        }
        headers = {"Accept": "application/json"}
        if options.client_secret is not None and endpoints.secret_in_body:
            form["client_secret"] = options.client_secret
        elif options.client_secret is not None:
            pair = f"{quote(options.client_id, safe='')}:{quote(options.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        answer = await self._fetch("POST", endpoints.token, data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("token", "the provider gave no ID token")
        return token

    async def keys_for(self, token: str) -> Mapping[str, AllowedPublicKeys]:
        """The provider's keys; fetched again when they do not hold the one of this token. Raises SignInRefused."""
        key_id = key_id_of(token)
        async with self._lock:
            kept = self._keys
            age = self._now() - kept[1] if kept else KEEP
            if kept is None or age >= KEEP or (key_id not in kept[0] and age >= LOOK_AGAIN):
                endpoints = await self.endpoints()
                kept = (read_keys(await self._fetch("GET", endpoints.keys)), self._now())
                self._keys = kept
        return kept[0]

    async def endpoints(self) -> Endpoints:
        """Where the provider is found, by its own word. Raises SignInRefused."""
        if self._endpoints is not None and self._now() - self._endpoints[1] < KEEP:
            return self._endpoints[0]
        document = await self._fetch("GET", self.options.issuer.rstrip("/") + DISCOVERY)
        if document.get("issuer") != self.options.issuer:
            raise SignInRefused("down", "the provider calls itself by another name than console.oidc.issuer")
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        found = Endpoints(
            authorize=_address(document, "authorization_endpoint"),
            token=_address(document, "token_endpoint"),
            keys=_address(document, "jwks_uri"),
            log_out=_address(document, "end_session_endpoint")
            if document.get("end_session_endpoint")
            else None,
            secret_in_body=isinstance(methods, list) and "client_secret_basic" not in methods,
        )
        self._endpoints = (found, self._now())
        return found

    async def _fetch(self, method: str, url: str, **given: Any) -> Mapping[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self.options.timeout.total_seconds())
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.request(
                    method, url, ssl=self.options.tls or True, allow_redirects=False, **given
                ) as answer,
            ):
                body = await answer.content.read(MAX_ANSWER + 1)
                while len(body) <= MAX_ANSWER and (more := await answer.content.read(MAX_ANSWER)):
                    body += more
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SignInRefused("down", f"the provider does not answer ({type(error).__name__})") from error
        return _document(status, body)


def challenge_of(verifier: str) -> str:
    """RFC 7636 section 4.2, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _document(status: int, body: bytes) -> Mapping[str, Any]:
    why = "down" if status >= 500 else "token"
    if status != 200:
        raise SignInRefused(why, f"the provider answered with HTTP {status}")
    try:
        document = json.loads(body) if len(body) <= MAX_ANSWER else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise SignInRefused("down", "the provider's answer cannot be read")
    return document


def _address(document: Mapping[str, Any], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not is_private(found):
        raise SignInRefused("down", f"the provider names no usable {name}")
    return found


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"
