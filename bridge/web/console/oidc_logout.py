"""The identity provider ends sessions here, by a call of its own (OpenID Connect Back-Channel Logout 1.0).

Whoever calls proves itself by the signed token alone: there is no session, no cookie and no form. Nothing is told of
what was found wrong but that it was; which check failed stands in the log.
"""

from http import HTTPStatus
from urllib.parse import parse_qs

from aiohttp import web

from bridge.log import get_logger
from bridge.web.console.accounts import end_for_provider
from bridge.web.console.identity import MAX_TOKEN, SignInRefused, read_logout
from bridge.web.console.oidc_pages import provider_of
from bridge.web.console.state import NOW, STORE

PATH = "/login/oidc/logout"
FORM = "application/x-www-form-urlencoded"
MOST_OCTETS = MAX_TOKEN + 1024

_log = get_logger()


async def log_out(request: web.Request) -> web.Response:
    """200 when who was named has no session here any more; 400 when the token is not to be believed."""
    try:
        ended = await _end(request)
    except SignInRefused as refused:
        _log.warning("logout.refused", way="oidc", reason=str(refused))
        return _answer(HTTPStatus.BAD_REQUEST)
    _log.info("logout.done", way="oidc", sessions=ended)
    return _answer(HTTPStatus.OK)


async def _end(request: web.Request) -> int:
    provider, now = provider_of(request), request.app[NOW]()
    token = await _token(request)
    keys = await provider.keys_for(token)
    told = read_logout(token, keys=keys, options=provider.options, now=now)
    issuer = provider.options.issuer
    ended = await request.app[STORE].write(lambda tx: end_for_provider(tx, issuer, told, now=now))
    if ended is None:
        raise SignInRefused("token", "the logout token was used before")
    return ended


async def _token(request: web.Request) -> str:
    """The one token of the form. Raises SignInRefused."""
    if request.content_type != FORM or (request.content_length or 0) > MOST_OCTETS:
        raise SignInRefused("token", "the call is no form, or too large")
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > MOST_OCTETS:
            raise SignInRefused("token", "the call is too large")
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=20).get("logout_token", [])
    except ValueError as error:
        raise SignInRefused("token", "the form cannot be read") from error
    if len(found) != 1:
        raise SignInRefused("token", "the call has not one logout token")
    return found[0]


def _answer(status: HTTPStatus) -> web.Response:
    """Section 2.8: never stored by anybody. A refusal names no reason to a stranger."""
    headers = {"Cache-Control": "no-store"}
    if status is HTTPStatus.OK:
        return web.Response(status=status, headers=headers)
    return web.json_response({"error": "invalid_request"}, status=status, headers=headers)
