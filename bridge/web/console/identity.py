"""What an identity provider says of a person, and whether to believe it (OpenID Connect Core 1.0, section 3.1.3.7;
OpenID Connect Back-Channel Logout 1.0, section 2.6).

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
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_COUNTS: Final = timedelta(minutes=10)
"""So long after it was made a logout token counts; the specification has them end after minutes as well."""
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
    session: str | None = field(default=None, repr=False)
    """The session at the provider (`sid`), where it tells one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    """What a logout token says: who, from which session there (at least one is known), and the token's own id."""

    subject: str | None
    session: str | None = field(repr=False)
    id: str = field(repr=False)
    counts_until: datetime


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
    claims = _verified(token, keys, options, require=("sub",))
    _check_audience(claims, options.client_id)
    _check_times(claims, options.fresh, now)
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise SignInRefused("token", "the nonce is not the one that was sent")
    subject = _id_in(claims, "sub")
    if subject is None:
        raise SignInRefused("token", "the token names nobody")
    role = role_of(claims, options.roles)
    if role is None:
        raise SignInRefused("role", "none of the roles of console.oidc fits")
    name = _name(claims, options.name_claim)
    return Person(subject=subject, name=name, role=role, session=_id_in(claims, "sid"))


def read_logout(
    token: str, *, keys: Mapping[str, AllowedPublicKeys], options: OidcOptions, now: datetime
) -> LoggedOut:
    """Whom this logout token logs out. Raises SignInRefused. That it was used before is for the caller to know."""
    _check_type(token)
    claims = _verified(token, keys, options, require=("jti", "events"))
    _check_audience(claims, options.client_id)
    _check_times(claims, None, now)
    made = _moment(claims, "iat")
    if made is None or now.timestamp() - made > LOGOUT_COUNTS.total_seconds():
        raise SignInRefused("token", "the logout token was made too long ago")
    if "nonce" in claims:
        raise SignInRefused("token", "the token has a nonce, as no logout token has")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise SignInRefused("token", "the token tells of no logout")
    subject, session, id = (_id_in(claims, name) for name in ("sub", "sid", "jti"))
    if id is None or (subject is None and session is None):
        raise SignInRefused("token", "the logout token names nobody, or has no id")
    until = now + LOGOUT_COUNTS + 2 * SKEW
    return LoggedOut(subject=subject, session=session, id=id, counts_until=until)


def _check_type(token: str) -> None:
    """A token that says that it is of another kind is no logout token, whatever else it says."""
    key_id_of(token)
    kind = jwt.get_unverified_header(token).get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in ("jwt", "logout+jwt"):
        raise SignInRefused("token", "the token is of another kind")


def _id_in(claims: Mapping[str, Any], name: str) -> str | None:
    """None when it is not there. Raises SignInRefused when it is no id."""
    found = claims.get(name)
    if found is not None and (not isinstance(found, str) or not 0 < len(found) <= LONGEST_SUBJECT):
        raise SignInRefused("token", f"the token has no usable {name}")
    return found


def role_of(claims: Mapping[str, Any], rules: Sequence[RoleRule]) -> Role | None:
    """The role of the first rule that fits; None: this person has no business here."""
    for rule in rules:
        found: Any = claims
        for step in rule.claim.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        if found == rule.value or (isinstance(found, list) and rule.value in found):
            return rule.role
    return None


def _verified(
    token: str, keys: Mapping[str, AllowedPublicKeys], options: OidcOptions, *, require: tuple[str, ...]
) -> Mapping[str, Any]:
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
                "require": ["exp", "iat", "iss", "aud", *require],
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
