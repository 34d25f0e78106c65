"""Access tokens of those who look up or offer: JWTs of trusted issuers, bound to the TLS certificate.

Checked in the order of the enforcement point (hub.md, sections 8.2 and 10.1): issuer and signature, audience, times,
owner, binding. The library checks the signature; the clock is ours, so that a test can move it.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from jwt.algorithms import AllowedPublicKeys

from bridge.errors import BridgeError
from bridge.ids import Oin

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
"""RS256 must, PS256 should be known (NL GOV OAuth profile); never `none`, never a shared secret."""

MAX_TOKEN: Final = 16 * 1024
MAX_LIFETIME: Final = timedelta(hours=6)
"""NL GOV OAuth profile: longest lifetime of a token for client credentials."""

_SKEW: Final = timedelta(seconds=30)


class TokenFault(BridgeError):
    """A token that proves nothing. The text names the check that failed, never the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Whom we trust for tokens. `keys` by key id; the empty id for keys that have none."""

    issuer: str
    audience: str
    keys: Mapping[str, AllowedPublicKeys] = field(repr=False)
    bound: bool = True
    """Whether a token must be bound to a certificate (RFC 8705, section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a good token says."""

    subject: str | None
    scopes: frozenset[str]


def verify_token(
    text: str, issuers: Sequence[Issuer], *, now: datetime, certificate_sha256: bytes, oin: Oin
) -> Claims:
    """The claims of a token, given by the holder of this certificate. Raises TokenFault."""
    if len(text) > MAX_TOKEN:
        raise TokenFault("the token is too long")
    issuer = _issuer_of(text, issuers)
    claims = _decode(text, issuer)
    _check_times(claims, now)
    _check_owner(claims, oin)
    _check_binding(claims, certificate_sha256, required=issuer.bound)
    subject, scope = claims.get("sub"), claims.get("scope", "")
    return Claims(
        subject=subject if isinstance(subject, str) else None,
        scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
    )


def thumbprint(certificate_sha256: bytes) -> str:
    """The form in which `cnf` names a certificate: base64url of the SHA-256 of its DER, without padding."""
    return urlsafe_b64encode(certificate_sha256).rstrip(b"=").decode("ascii")


def _issuer_of(text: str, issuers: Sequence[Issuer]) -> Issuer:
    """By what the token itself says, which the signature must then prove."""
    try:
        claimed = jwt.decode(text, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenFault("the token is no JWT") from error
    found = next((issuer for issuer in issuers if issuer.issuer == claimed), None)
    if found is None:
        raise TokenFault("the issuer of the token is not trusted")
    return found


def _decode(text: str, issuer: Issuer) -> dict[str, Any]:
    try:
        key_id = jwt.get_unverified_header(text).get("kid", "")
        if key_id not in issuer.keys:
            raise TokenFault("the key of the token is not known")
        decoded: dict[str, Any] = jwt.decode(
            text,
            issuer.keys[key_id],
            algorithms=list(ALGORITHMS),
            audience=issuer.audience,
            issuer=issuer.issuer,
            options={
                "require": ["exp", "iss", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidAudienceError as error:
        raise TokenFault("the token is meant for another audience") from error
    except jwt.MissingRequiredClaimError as error:
        raise TokenFault("the token lacks exp, iss or aud") from error
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise TokenFault("the signature of the token is not good") from error
    return decoded


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    seconds = now.timestamp()
    end, start, made = claims["exp"], claims.get("nbf"), claims.get("iat")
    if any(
        isinstance(moment, bool) or not isinstance(moment, int | float | None)
        for moment in (end, start, made)
    ):
        raise TokenFault("a time in the token is no number")
    if end is None or seconds >= end + _SKEW.total_seconds():
        raise TokenFault("the token has expired")
    if start is not None and seconds < start - _SKEW.total_seconds():
        raise TokenFault("the token is not valid yet")
    if made is not None and end - made > MAX_LIFETIME.total_seconds():
        raise TokenFault("the token lives longer than six hours")


def _check_owner(claims: Mapping[str, Any], oin: Oin) -> None:
    """The client that got the token is the one that uses it, where the token names it by OIN."""
    client = claims.get("azp", claims.get("client_id"))
    if isinstance(client, str) and len(client) == 20 and client.isdigit() and client != oin:
        raise TokenFault("the token was given to another organisation")


def _check_binding(claims: Mapping[str, Any], certificate_sha256: bytes, *, required: bool) -> None:
    confirmation = claims.get("cnf")
    if confirmation is None and not required:
        return
    named = confirmation.get("x5t#S256") if isinstance(confirmation, Mapping) else None
    if not isinstance(named, str) or not hmac.compare_digest(
        named.encode(), thumbprint(certificate_sha256).encode()
    ):
        raise TokenFault("the token is not bound to the certificate of this connection")
