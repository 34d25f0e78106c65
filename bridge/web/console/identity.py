"""What an identity provider says of a person, and whether to believe it (OpenID Connect Core 1.0, section 3.1.3.7).

Pure: keys, nonce and clock come in. The library checks the signature; everything else is checked here, against our
clock. A fault names the check that failed, never what stood in the token.
"""

import hmac
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from jwt.algorithms import AllowedPublicKeys

from bridge.errors import BridgeError
from bridge.store.rows import Role

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512")
"""Signatures by a private key only: never `none`, never a secret that both sides know."""
MAX_TOKEN: Final = 64 * 1024
SKEW: Final = timedelta(seconds=60)
LONGEST_SUBJECT: Final = 255
LONGEST_NAME: Final = 64
_PUBLIC: Final = frozenset({"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"})


class SignInRefused(BridgeError):
    """Somebody does not get in. `why` is the end of a catalogue key `login.oidc.…`."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRule:
    """Who has this value in this claim gets this role."""

    claim: str
    value: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcOptions:
    """The identity provider, as the settings name it."""

    issuer: str
    client_id: str
    roles: tuple[RoleRule, ...]
    client_secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    fresh: timedelta | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    timeout: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who the provider says that it is. `subject` stays the same for ever; the name may change."""

    subject: str
    name: str
    role: Role


def read_keys(document: object) -> Mapping[str, AllowedPublicKeys]:
    """The public keys of a JWKS that may sign, by key id; the empty id for one without. Others are left out."""
    entries = document.get("keys") if isinstance(document, Mapping) else None
    found: dict[str, AllowedPublicKeys] = {}
    for entry in entries[:100] if isinstance(entries, list) else ():
        if not isinstance(entry, Mapping) or entry.get("use", "sig") != "sig":
            continue
        if entry.get("kty") not in ("RSA", "EC"):
            continue
        try:
            # Only what is public: a private key that stands there by mistake is none of our business.
            key = jwt.PyJWK.from_dict({n: v for n, v in entry.items() if n in _PUBLIC}).key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        found[str(entry.get("kid", ""))] = key
    return found


def key_id_of(token: str) -> str:
    """By which key a token says that it is signed. Raises SignInRefused."""
    if len(token) > MAX_TOKEN:
        raise SignInRefused("token", "the token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise SignInRefused("token", "the token is no JWT") from error
    if header.get("alg") not in ALGORITHMS:
        raise SignInRefused("token", "the token is not signed by a private key")
    return str(header.get("kid", ""))


def read_person(
    token: str, *, keys: Mapping[str, AllowedPublicKeys], options: OidcOptions, nonce: str, now: datetime
) -> Person:
    """Who this ID token is about. Raises SignInRefused."""
    claims = _verified(token, keys, options)
    _check_audience(claims, options.client_id)
    _check_times(claims, options.fresh, now)
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise SignInRefused("token", "the nonce is not the one that was sent")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise SignInRefused("token", "the token names nobody")
    role = role_of(claims, options.roles)
    if role is None:
        raise SignInRefused("role", "none of the roles of console.oidc fits")
    return Person(subject=subject, name=_name(claims, options.name_claim), role=role)


def role_of(claims: Mapping[str, Any], rules: Sequence[RoleRule]) -> Role | None:
    """The role of the first rule that fits; None: this person has no business here."""
    for rule in rules:
        found: Any = claims
        for step in rule.claim.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        if found == rule.value or (isinstance(found, list) and rule.value in found):
            return rule.role
    return None


def _verified(token: str, keys: Mapping[str, AllowedPublicKeys], options: OidcOptions) -> Mapping[str, Any]:
    key_id = key_id_of(token)
    if key_id not in keys:
        raise SignInRefused("token", "the key of the token is not known")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            keys[key_id],
            algorithms=list(ALGORITHMS),
            issuer=options.issuer,
            options={
                "require": ["exp", "iat", "iss", "aud", "sub"],
                "verify_aud": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidIssuerError as error:
        raise SignInRefused("token", "the token is of another issuer") from error
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise SignInRefused("token", "the token lacks a claim, or its signature is not good") from error
    return claims


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp")
    if client_id not in listed or party not in (None, client_id) or (len(listed) > 1 and party is None):
        raise SignInRefused("token", "the token is meant for another audience")


def _check_times(claims: Mapping[str, Any], fresh: timedelta | None, now: datetime) -> None:
    seconds, skew = now.timestamp(), SKEW.total_seconds()
    end, made, start = (_moment(claims, name) for name in ("exp", "iat", "nbf"))
    if end is None or seconds >= end + skew:
        raise SignInRefused("token", "the token has expired")
    if made is None or made > seconds + skew or (start is not None and start > seconds + skew):
        raise SignInRefused("token", "the token is not valid yet")
    if fresh is not None:
        since = _moment(claims, "auth_time")
        if since is None or seconds > since + fresh.total_seconds() + skew:
            raise SignInRefused("fresh", "it is too long ago that this person logged in at the provider")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise SignInRefused("token", "a time in the token is no number")
    return float(found)


def _name(claims: Mapping[str, Any], claim: str) -> str:
    name = claims.get(claim)
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise SignInRefused("name", f"the token has no usable {claim}")
    return name.strip()
