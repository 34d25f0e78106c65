"""What the handlers of the API share, and who is at the other end of a request."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from bridge.config import EventSender, InzageSettings, TokenIssuer
from bridge.ebms.keys import oin_of
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge
from bridge.flow.lookup import Decide
from bridge.hub.identity import OIN_PREFIX
from bridge.ids import Oin
from bridge.inzage.access import Requester
from bridge.inzage.token import ALGORITHMS, Issuer, TokenFault, verify_token
from bridge.log import get_logger
from bridge.web.api.limits import RateLimit
from bridge.web.api.pdp import DecisionPoint
from bridge.web.api.problem import Problem, too_many

_CHALLENGE: Final = 'Bearer realm="bridge"'
_MAX_PURPOSE: Final = 200

_log = get_logger()


@dataclass(slots=True, kw_only=True)
class ApiState:
    """`decide` and `pdp` are set when the listener starts."""

    bridge: Bridge
    issuers: tuple[Issuer, ...]
    events: RateLimit
    lookups: RateLimit
    decide: Decide
    pdp: DecisionPoint | None = None


STATE = web.AppKey("state", ApiState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The organisation in the client certificate, as TLS proved it."""

    oin: Oin
    certificate_sha256: bytes


def find_caller(request: web.Request) -> Caller | None:
    """Who is at the other end; None without a certificate, or with one that names no OIN."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport else None
    octets = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    if not octets:
        return None
    certificate = x509.load_der_x509_certificate(octets)
    oin = oin_of(certificate)
    return Caller(oin=oin, certificate_sha256=certificate.fingerprint(SHA256())) if oin else None


def get_caller(request: web.Request) -> Caller:
    """Who is at the other end. Raises Problem 401."""
    caller = find_caller(request)
    if caller is None:
        raise Problem(
            401,
            "Meld u aan met een clientcertificaat van PKIoverheid waarin uw OIN staat.",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    return caller


def get_sender(request: web.Request) -> tuple[Caller, EventSender]:
    """Who offers or follows events, and on what terms. Raises Problem 401 or 403."""
    caller = get_caller(request)
    state = request.app[STATE]
    find_claims(request, state, caller)
    senders = state.bridge.settings.api_listener.senders
    found = next((sender for sender in senders if sender.oin == caller.oin), None)
    if found is None:
        _log.warning("request.refused", oin=caller.oin, reason="not among the senders")
        raise Problem(
            403, "Uw organisatie mag hier geen gebeurtenissen aanbieden; vraag het beheer om toegang."
        )
    return caller, found


def get_requester(request: web.Request) -> Requester:
    """Who looks up, for whom, and with which scopes. Raises Problem 400, 401."""
    caller = get_caller(request)
    state = request.app[STATE]
    settings = state.bridge.settings.inzage
    claims = find_claims(request, state, caller)
    if claims is None and settings.token == "required":  # noqa: S105 - a setting, no password
        raise _bad_token("Voor inzage is een toegangstoken nodig.", None)
    return Requester(
        oin=_represented(claims[0] if claims else None) or caller.oin,
        via=caller.oin,
        scopes=claims[1] if claims else None,
        purpose=_header(request, settings.purpose_header),
        case=_header(request, settings.case_header),
    )


def limit(limiter: RateLimit, request: web.Request, oin: Oin) -> None:
    """Raise Problem 429 when this organisation asks too often."""
    wait = limiter.take(oin, request.app[STATE].bridge.now())
    if wait:
        raise too_many(wait)


def load_issuers(settings: InzageSettings) -> tuple[Issuer, ...]:
    """The issuers with their keys. Raises ConfigError with every file that cannot be used."""
    found: list[Issuer] = []
    problems: list[str] = []
    for issuer in settings.issuers:
        try:
            found.append(_load_issuer(issuer))
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError):
            problems.append(f"inzage.issuers: {issuer.keys_file.name} is no JWKS file with public keys")
    if settings.token == "required" and not settings.issuers:  # noqa: S105 - a setting, no password
        problems.append("inzage.issuers: is missing, and inzage.token asks for tokens")
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _load_issuer(settings: TokenIssuer) -> Issuer:
    keys = jwt.PyJWKSet.from_dict(json.loads(settings.keys_file.read_bytes())).keys
    usable = {key.key_id or "": key.key for key in keys if key.key_type in ("RSA", "EC")}
    if not usable or any(key.algorithm_name not in ALGORITHMS for key in keys if key.algorithm_name):
        raise ValueError("no usable key")
    return Issuer(issuer=settings.issuer, audience=settings.audience, keys=usable, bound=settings.bound)


def find_claims(
    request: web.Request, state: ApiState, caller: Caller
) -> tuple[str | None, frozenset[str]] | None:
    """Subject and scopes of the token in the Authorization header; None without one.

    Where no issuer is configured the certificate alone counts (plateau 1), and a token says nothing.
    """
    given: Sequence[str] = request.headers.getall("Authorization", [])
    if not given or not state.issuers:
        return None
    scheme, _, text = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer":
        raise _bad_token("Geef een toegangstoken als Bearer in de header Authorization.", "invalid_request")
    try:
        claims = verify_token(
            text.strip(),
            state.issuers,
            now=state.bridge.now(),
            certificate_sha256=caller.certificate_sha256,
            oin=caller.oin,
        )
    except TokenFault as fault:
        _log.warning("token.refused", oin=caller.oin, reason=str(fault))
        raise _bad_token("Het toegangstoken is niet geldig op deze verbinding.", "invalid_token") from fault
    return claims.subject, claims.scopes


def _bad_token(detail: str, error: str | None) -> Problem:
    challenge = f'{_CHALLENGE}, error="{error}"' if error else _CHALLENGE
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


def _represented(subject: str | None) -> Oin | None:
    """The organisation that a token speaks for, where its subject is an OIN."""
    bare = (subject or "").removeprefix(OIN_PREFIX)
    return Oin(bare) if len(bare) == 20 and bare.isascii() and bare.isalnum() else None


def _header(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(name, [])
    if len(values) > 1 or not all(_is_short_text(value) for value in values):
        raise Problem(400, f"De header {name} staat er ten hoogste een keer, met een korte waarde.")
    return values[0].strip() or None if values else None


def _is_short_text(value: str) -> bool:
    return len(value) <= _MAX_PURPOSE and value.isascii() and value.isprintable()
