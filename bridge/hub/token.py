"""Access tokens: OAuth 2.0 client credentials over mutual TLS (RFC 8705), kept until shortly before they end.

What is sent and what an answer means is pure; the request itself is the function that the cache is given.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias
from urllib.parse import urlencode, urlsplit

from bridge.errors import ConfigError, EventRejected
from bridge.hub.answers import Answer, NoAnswer, clean, find_object, find_text, retry_after
from bridge.hub.json import Json, load_json
from bridge.told import masked

_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_MAX_LIFETIME: Final = timedelta(hours=6)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """What one token is asked for. Raises ConfigError with every wrong key at once."""

    endpoint: str
    client_id: str
    scope: str
    audience: str
    audience_parameter: Literal["audience", "resource"] = "audience"
    represented: str | None = None
    """OIN of the party on whose behalf we ask; None: in our own name."""
    represented_parameter: str = "requested_subject"
    renew_before: timedelta = timedelta(seconds=60)
    assumed_lifetime: timedelta = timedelta(minutes=5)
    """Used when neither the answer nor the token says how long it lives."""

    def __post_init__(self) -> None:
        checks = (
            (_is_secure(self.endpoint), "endpoint: must be an https address"),
            (bool(self.client_id.strip()), "client_id: must be given (RFC 8705, section 2)"),
            (bool(self.scope.strip()), "scope: must be given"),
            (_is_https(self.audience), "audience: must be exactly one https address"),
        )
        problems = [f"token.{text}" for good, text in checks if not good]
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token and until when it is used."""

    value: str = field(repr=False)
    until: datetime
    thumbprint: str | None = field(default=None, repr=False)
    """`x5t#S256` of the certificate with which it was asked, the only one with which it is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoToken:
    """No token, and why. `permanent` when asking again will not help: settings or registration are wrong."""

    reason: str
    permanent: bool
    retry_after: timedelta | None = None


Fetch: TypeAlias = Callable[[str, bytes], Awaitable[Answer | NoAnswer]]
"""POST of a form (`application/x-www-form-urlencoded`) to an address, over mutual TLS."""


def token_form(settings: TokenSettings) -> bytes:
    """The form of a request; no secret, for the certificate is the proof (SOH-88, SOH-89)."""
    fields = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "scope": settings.scope,
        settings.audience_parameter: settings.audience,
    }
    if settings.represented is not None:
        fields[settings.represented_parameter] = settings.represented
    return urlencode(fields).encode("ascii")


def after_token(
    answer: Answer | NoAnswer, *, settings: TokenSettings, thumbprint: str | None, now: datetime
) -> Token | NoToken:
    """What the token endpoint gave. One for another certificate or party is thrown away (SOH-90, SOH-92)."""
    if isinstance(answer, NoAnswer):
        return NoToken(reason=f"the token endpoint gave no answer: {answer.reason}", permanent=False)
    members = find_object(answer) or {}
    if answer.status != 200:
        return _refusal(answer, members, now)
    value = find_text(members, ("access_token",))
    kind = find_text(members, ("token_type",)) or ""
    if value is None or _TOKEN68.fullmatch(value) is None or kind.lower() != "bearer":
        return NoToken(reason="the token endpoint answered without a bearer token", permanent=False)
    claims = _claims(value)
    fault = _claim_fault(claims, settings, thumbprint)
    if fault is not None:
        return NoToken(reason=fault, permanent=True)
    lifetime = _lifetime(members, claims, settings, now)
    # Renewed early, but a short-lived token is used for at least half its life.
    until = now + max(lifetime - settings.renew_before, lifetime / 2)
    return Token(value=value, until=until, thumbprint=thumbprint)


def thumbprint_of(der: bytes) -> str:
    """`x5t#S256` of a certificate in DER: base64url of its SHA-256, unpadded (RFC 8705, section 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


class TokenCache:
    """Tokens per audience, scope and party; however many ask at once, the endpoint is asked once (SOH-91)."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        clock: Callable[[], datetime],
        thumbprint: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._thumbprint = thumbprint
        self._slots: dict[TokenSettings, _Slot] = {}

    async def get(self, settings: TokenSettings) -> Token | NoToken:
        """A usable token, kept or new; a failure is told to all who waited for it, and not kept longer."""
        slot = self._slots.setdefault(settings, _Slot())
        seen = slot.asked
        async with slot.lock:
            kept = slot.last
            if isinstance(kept, Token) and self._is_usable(kept):
                return kept
            if isinstance(kept, NoToken) and slot.asked != seen:
                return kept
            thumbprint = self._thumbprint()
            answer = await self._fetch(settings.endpoint, token_form(settings))
            slot.last = after_token(answer, settings=settings, thumbprint=thumbprint, now=self._clock())
            slot.asked += 1
            return slot.last

    def discard(self, settings: TokenSettings, token: Token) -> None:
        """Forget a token that was refused, unless another has taken its place already."""
        slot = self._slots.get(settings)
        if slot is not None and slot.last is token:
            slot.last = None

    def _is_usable(self, token: Token) -> bool:
        return self._clock() < token.until and token.thumbprint == self._thumbprint()


class _Slot:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.last: Token | NoToken | None = None
        self.asked = 0


def _refusal(answer: Answer, members: Mapping[str, Json], now: datetime) -> NoToken:
    code = masked(clean(find_text(members, ("error",)) or "")) or f"status {answer.status}"
    description = find_text(members, ("error_description", "detail"))
    told = f" ({masked(clean(description))})" if description else ""
    reason = f"the token endpoint refused: {code}{told}"
    permanent = 400 <= answer.status < 500 and answer.status not in (408, 425, 429)
    return NoToken(reason=reason, permanent=permanent, retry_after=retry_after(answer, now=now))


def _claims(value: str) -> Mapping[str, Json]:
    """The claims of a JWT, not verified: the resource server does that. Empty for an opaque token."""
    parts = value.split(".")
    if len(parts) != 3:
        return {}
    try:
        octets = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = load_json(octets)
    except (binascii.Error, ValueError, EventRejected):
        return {}
    return claims if isinstance(claims, dict) else {}


def _claim_fault(claims: Mapping[str, Json], settings: TokenSettings, thumbprint: str | None) -> str | None:
    confirmation = claims.get("cnf")
    bound_to = confirmation.get("x5t#S256") if isinstance(confirmation, dict) else None
    if bound_to is not None and thumbprint is not None and bound_to != thumbprint:
        return "the token is bound to another certificate than ours; it is not used"
    if settings.represented is not None and claims.get("sub") != settings.represented:
        return "the token does not name the party that we act for as its subject; it is not used"
    return None


def _lifetime(
    members: Mapping[str, Json], claims: Mapping[str, Json], settings: TokenSettings, now: datetime
) -> timedelta:
    seconds, expiry = members.get("expires_in"), claims.get("exp")
    if isinstance(seconds, str) and seconds.isdigit():
        seconds = int(seconds[:9])
    if _is_number(seconds):
        lifetime = timedelta(seconds=min(float(str(seconds)), _MAX_LIFETIME.total_seconds()))
    elif _is_number(expiry):
        lifetime = timedelta(
            seconds=float(str(expiry)) - (now - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        )
    else:
        lifetime = settings.assumed_lifetime
    return max(timedelta(0), min(lifetime, _MAX_LIFETIME))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def _is_https(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and not re.search(r"[\s,]", text)


def _is_secure(text: str) -> bool:
    if _is_https(text):
        return True
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in _LOOPBACK
