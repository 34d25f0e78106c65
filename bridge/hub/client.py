"""The hub over HTTP: the only module of this room that does I/O.

A peer's nonsense never raises: every call gives an outcome. Redirects are never followed, answers are
bounded, and an event is sent as the octets that were stored.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp
from yarl import URL

from bridge.hub import contract
from bridge.hub.answers import MAX_ANSWER, Answer, NoAnswer
from bridge.hub.contract import NotTaken, OfferOutcome, StatusOutcome, TokenRefused
from bridge.hub.dialect import SOH_1, Dialect
from bridge.hub.event import BATCH, STRUCTURED, write_binary
from bridge.hub.pull import (
    OutcomesOutcome,
    PullFailed,
    PullOutcome,
    QueryOutcome,
    after_outcomes,
    after_query_get,
    after_query_post,
    outcomes_body,
)
from bridge.hub.reader import DEFAULT_LIMITS, Limits, read_structured
from bridge.hub.registry import SchemaAnswer, after_schema, is_below
from bridge.hub.token import Fetch, NoToken, Token, TokenCache, TokenSettings

_JSON: Final = "application/json"
_ACCEPT: Final = "application/json, application/problem+json"
_ACCEPT_EVENTS: Final = f"{BATCH}, {STRUCTURED}, {_ACCEPT}"
_ACCEPT_SCHEMA: Final = "application/schema+json, application/json"
_MAX_SCHEMA: Final = 1024 * 1024
_FORM: Final = "application/x-www-form-urlencoded"


class Auth(StrEnum):
    """How the bridge makes itself known, beside mutual TLS (section 8.3)."""

    MTLS = "mtls"
    OAUTH = "oauth"
    FSC = "fsc"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubClientSettings:
    """One hub. `base_url` without slash at the end; `tls` holds our certificate and whom we trust."""

    base_url: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """None: what the connector of the session was given."""
    dialect: Dialect = SOH_1
    auth: Auth = Auth.MTLS
    token: TokenSettings | None = None
    """Needed for `oauth` and `fsc`."""
    timeout: float = 30.0
    """Seconds for one whole exchange."""
    connect_timeout: float = 10.0
    """Seconds."""
    max_answer: int = MAX_ANSWER
    """Octets; a larger answer counts as none."""
    limits: Limits = DEFAULT_LIMITS
    binary: bool = False
    """Whether events are offered in binary mode; the published contract knows structured only."""
    registry_url: str | None = None
    """Base address of the schema registry, without slash at the end; None: there is none."""

    def __post_init__(self) -> None:
        if self.auth is not Auth.MTLS and self.token is None:
            raise ValueError(f"auth {self.auth} needs token settings")


class HubClient:
    """Offers, questions and queries to one hub. The session is the caller's; so is closing it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: HubClientSettings,
        *,
        now: Callable[[], datetime],
        tokens: TokenCache | None = None,
        new_transaction_id: Callable[[], str] | None = None,
    ) -> None:
        """`new_transaction_id` makes the UUIDv7 that FSC wants on every call."""
        self._session = session
        self._settings = settings
        self._now = now
        self._new_transaction_id = new_transaction_id
        self._tokens = tokens or TokenCache(token_fetch(session, settings), clock=now)

    @property
    def dialect(self) -> Dialect:
        return self._settings.dialect

    async def offer(
        self, event_bytes: bytes, *, event_id: str, traceparent: str | None = None
    ) -> OfferOutcome:
        """Offer one event, structured, as these octets (SOH-67); or the same event in binary mode."""
        headers = {"Accept": _ACCEPT, **_trace(traceparent)}
        body = event_bytes
        if self._settings.binary:
            attributes, body = write_binary(read_structured(event_bytes))
            headers |= dict(attributes)
        else:
            headers["Content-Type"] = STRUCTURED
        answer = await self._ask("POST", self.dialect.offer_path, headers, body)
        if isinstance(answer, NoToken):
            if answer.permanent:
                return TokenRefused(reason=answer.reason)
            return NotTaken(reason=answer.reason, retry_after=answer.retry_after)
        return contract.after_offer(answer, event_id=event_id, now=self._now(), dialect=self.dialect)

    async def status(
        self, interactie_id: str, *, event_id: str | None = None, traceparent: str | None = None
    ) -> StatusOutcome:
        """Ask what became of an interaction (SOH-70)."""
        path = self.dialect.status_path.format(id=quote(interactie_id, safe=""))
        answer = await self._ask("GET", path, {"Accept": _ACCEPT, **_trace(traceparent)})
        if isinstance(answer, NoToken):
            if answer.permanent:
                return TokenRefused(reason=answer.reason)
            return contract.NoAnswerYet(reason=answer.reason, retry_after=answer.retry_after)
        return contract.after_status(
            answer,
            interactie_id=interactie_id,
            event_id=event_id,
            now=self._now(),
            dialect=self.dialect,
        )

    async def post_query(self, body: bytes) -> QueryOutcome:
        """Step 1 of a pull, with a body of `contract.query_body`."""
        headers = {"Content-Type": _JSON, "Accept": _ACCEPT_EVENTS}
        answer = await self._ask("POST", self.dialect.pull.query_path, headers, body)
        if isinstance(answer, NoToken):
            return _pull_without_token(answer)
        return after_query_post(answer, now=self._now(), dialect=self.dialect, limits=self._settings.limits)

    async def get_query(self, request_id: str) -> PullOutcome:
        """Step 2 of a pull."""
        path = self.dialect.pull.answer_path.format(request_id=quote(request_id, safe=""))
        answer = await self._ask("GET", path, {"Accept": _ACCEPT_EVENTS})
        if isinstance(answer, NoToken):
            return _pull_without_token(answer)
        return after_query_get(answer, now=self._now(), dialect=self.dialect, limits=self._settings.limits)

    async def find_outcomes(
        self, *, bsn: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> OutcomesOutcome:
        """Outcomes of case conferences that can be looked up (SOH-85); the BSN travels in the body only."""
        body = outcomes_body(bsn=bsn, since=since, until=until)
        headers = {"Content-Type": _JSON, "Accept": _ACCEPT}
        answer = await self._ask("POST", self.dialect.outcomes_path, headers, body)
        if isinstance(answer, NoToken):
            return _pull_without_token(answer)
        return after_outcomes(answer, now=self._now(), dialect=self.dialect)

    async def get_schema(self, uri: str, *, etag: str | None = None) -> SchemaAnswer:
        """A schema from the registry, or that it is unchanged, or why not; that blocks nothing (SOH-87).

        Nothing is asked for an address that does not stand below the registry's own.
        """
        if not is_below(self._settings.registry_url, uri):
            return after_schema(NoAnswer(reason="the address is not below that of a configured registry"))
        headers = {"Accept": _ACCEPT_SCHEMA} | ({} if etag is None else {"If-None-Match": etag})
        bounded = replace(self._settings, max_answer=_MAX_SCHEMA)
        return after_schema(await exchange(self._session, bounded, "GET", uri, headers))

    async def _ask(
        self, method: Literal["GET", "POST"], path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer | NoAnswer | NoToken:
        """One exchange; a token that is refused is renewed once (SOH-91)."""
        url = self._settings.base_url.rstrip("/") + path
        answer, token = await self._ask_once(method, url, headers, body)
        settings = self._settings.token
        if isinstance(answer, Answer) and answer.status in (401, 403) and token is not None and settings:
            self._tokens.discard(settings, token)
            answer, _ = await self._ask_once(method, url, headers, body)
        return answer

    async def _ask_once(
        self, method: Literal["GET", "POST"], url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Answer | NoAnswer | NoToken, Token | None]:
        token: Token | None = None
        sent = dict(headers)
        settings = self._settings
        if settings.auth is not Auth.MTLS and settings.token is not None:
            given = await self._tokens.get(settings.token)
            if isinstance(given, NoToken):
                return given, None
            token = given
            name = "Fsc-Authorization" if settings.auth is Auth.FSC else "Authorization"
            sent[name] = f"Bearer {token.value}"
        if settings.auth is Auth.FSC and self._new_transaction_id is not None:
            sent["Fsc-Transaction-Id"] = self._new_transaction_id()
        return await exchange(self._session, settings, method, url, sent, body), token


def token_fetch(session: aiohttp.ClientSession, settings: HubClientSettings) -> Fetch:
    """The request of a token, over the same mutual TLS as the hub; for a TokenCache that clients share."""

    async def fetch(endpoint: str, form: bytes) -> Answer | NoAnswer:
        headers = {"Content-Type": _FORM, "Accept": _JSON, "Cache-Control": "no-store"}
        return await exchange(session, settings, "POST", endpoint, headers, form)

    return fetch


def require_oin(context: ssl.SSLContext, allowed: Collection[str]) -> ssl.SSLContext:
    """Let the context refuse, in the handshake, a server whose certificate does not name one of these OINs.

    The OIN is `serialNumber` in the subject of a PKIoverheid certificate. Nothing is sent to a server that is
    refused: the connection fails with ssl.SSLCertVerificationError. Gives the same context back.
    """
    oins = frozenset(allowed)

    class OinCheckingObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            if find_oin(self.getpeercert() or {}) not in oins:
                raise ssl.SSLCertVerificationError(1, "the certificate of the other side has another OIN")

    context.sslobject_class = OinCheckingObject
    return context


def find_oin(certificate: Any) -> str | None:
    """The `serialNumber` of the subject, of a certificate as `getpeercert` gives it."""
    for names in certificate.get("subject", ()):
        for name, value in names:
            if name == "serialNumber":
                return str(value)
    return None


async def exchange(
    session: aiohttp.ClientSession,
    settings: HubClientSettings,
    method: Literal["GET", "POST"],
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> Answer | NoAnswer:
    """One HTTP exchange: bounded in time and size, never following a redirect, never raising for a peer."""
    timeout = aiohttp.ClientTimeout(total=settings.timeout, sock_connect=settings.connect_timeout)
    try:
        async with session.request(
            method,
            URL(url, encoded=True),
            data=body,
            headers={"Accept-Encoding": "identity", **headers},
            timeout=timeout,
            ssl=settings.tls if settings.tls is not None else True,
            allow_redirects=False,
            raise_for_status=False,
        ) as response:
            octets = await _read_bounded(response, settings.max_answer)
            if octets is None:
                return NoAnswer(reason=f"the answer is larger than {settings.max_answer} octets")
            return Answer(status=response.status, headers=tuple(response.headers.items()), body=octets)
    except TimeoutError:
        return NoAnswer(reason=f"no answer within {settings.timeout:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return NoAnswer(reason=_why(error))


async def _read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    octets = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        octets += chunk
        if len(octets) > limit:
            return None
    return bytes(octets)


def _why(error: Exception) -> str:
    """The failure in words that hold no address and no content."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message if hasattr(cause, "verify_message") else cause.args[-1]
            return f"the certificate of the other side is not accepted: {why}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or type(cause).__name__}"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError | aiohttp.ClientPayloadError):
        return "the connection broke before the answer was there"
    return f"the connection failed ({type(error).__name__})"


def _trace(traceparent: str | None) -> dict[str, str]:
    return {} if traceparent is None else {"traceparent": traceparent}


def _pull_without_token(fault: NoToken) -> PullFailed | TokenRefused:
    if fault.permanent:
        return TokenRefused(reason=fault.reason)
    return PullFailed(reason=fault.reason, retry_after=fault.retry_after)
