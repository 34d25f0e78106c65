"""Logging in at the identity provider, and out again (OpenID Connect, authorization code with PKCE).

A sign-in belongs to the browser that began it: its cookie, its state and its nonce are made anew each time and used
once. That cookie is Lax, because the provider sends the browser back from another site; the session's cookie is
Strict, so the last step is a page of our own from which the browser goes on by itself.
"""

import hmac
import secrets
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web
from sqlalchemy import Connection

from bridge.log import get_logger
from bridge.store.rows import SignIn
from bridge.store.signins import add_sign_in, take_sign_in
from bridge.web.console.accounts import Opened, audit, digest_of, open_for_person
from bridge.web.console.identity import SignInRefused, read_person
from bridge.web.console.provider import Provider
from bridge.web.console.render import page
from bridge.web.console.session_pages import is_own_path, login_page
from bridge.web.console.settings import SETTINGS
from bridge.web.console.state import NOW, STORE
from bridge.web.console.visitor import (
    drop_cookie,
    read_token,
    session_cookie,
    set_cookie,
    sign_in_cookie,
    visit_cookie,
)

PROVIDER = web.AppKey("provider", Provider)
CALLBACK = "/login/oidc/callback"
LASTS = timedelta(minutes=10)
MOST_AT_ONCE = 2000
LONGEST = 4096


async def begin(request: web.Request) -> web.StreamResponse:
    """Send the browser to the provider."""
    provider = provider_of(request)
    if request.method != "GET":
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
    try:
        url = await provider.authorize_url(
            state=state, nonce=nonce, verifier=verifier, redirect_uri=_home(request) + CALLBACK
        )
        await _remember(request, state, nonce, verifier, browser)
    except SignInRefused as refused:
        return await _refuse(request, refused)
    response = web.HTTPSeeOther(url)
    set_cookie(request, response, sign_in_cookie(request), browser, samesite="Lax")
    raise response


async def _remember(request: web.Request, state: str, nonce: str, verifier: str, browser: str) -> None:
    now, back = request.app[NOW](), request.query.get("next", "")
    row = SignIn(
        state=digest_of(state),
        browser=digest_of(browser),
        nonce=nonce,
        verifier=verifier,
        back=back if is_own_path(back) and len(back) <= LONGEST else "/",
        until=now + LASTS,
    )
    if not await request.app[STORE].write(lambda tx: add_sign_in(tx, row, now=now, most=MOST_AT_ONCE)):
        raise SignInRefused("busy", "too many sign-ins are under way")


async def come_back(request: web.Request) -> web.StreamResponse:
    """The provider sent the browser back, with a code or with the reason why not."""
    if request.method != "GET":
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    try:
        opened, back = await _open(request)
    except SignInRefused as refused:
        return await _refuse(request, refused)
    response = page(request, "signed_in.html", page="login", back=back)
    response.headers["Refresh"] = f"0; url={back}"
    set_cookie(request, response, session_cookie(request), opened.token)
    drop_cookie(request, response, sign_in_cookie(request))
    drop_cookie(request, response, visit_cookie(request))
    return response


async def _open(request: web.Request) -> tuple[Opened, str]:
    provider, settings, store, now = (
        provider_of(request),
        request.app[SETTINGS],
        request.app[STORE],
        request.app[NOW](),
    )
    query = request.query
    state, code = query.get("state", ""), query.get("code", "")
    browser = read_token(request, sign_in_cookie(request))
    found = await store.write(lambda tx: take_sign_in(tx, digest_of(state), now=now))
    if found is None or not browser or not hmac.compare_digest(digest_of(browser), found.browser):
        raise SignInRefused("state", "this browser did not begin this sign-in, or it is used or too old")
    if query.get("iss", provider.options.issuer) != provider.options.issuer:
        raise SignInRefused("token", "another issuer answered")
    if "error" in query or not 0 < len(code) <= LONGEST:
        raise SignInRefused("refused", "the provider gave no code")
    token = await provider.token_for(code, verifier=found.verifier, redirect_uri=_home(request) + CALLBACK)
    keys = await provider.keys_for(token)
    person = read_person(token, keys=keys, options=provider.options, nonce=found.nonce, now=now)
    issuer = provider.options.issuer

    def work(tx: Connection) -> Opened:
        return open_for_person(tx, issuer, person, now=now, lifetime=settings.lifetime)

    return await store.write(work), found.back


async def _refuse(request: web.Request, refused: SignInRefused) -> web.StreamResponse:
    """The login page with what is wrong in words; the log says which check failed."""
    get_logger().warning("login.refused", way="oidc", reason=str(refused))
    now = request.app[NOW]()
    if refused.why not in ("down", "busy", "state"):
        await request.app[STORE].write(
            lambda tx: audit(
                tx, who="(identity provider)", role="", action="login.refused", at=now, why=refused.why
            )
        )
    status = HTTPStatus.BAD_GATEWAY if refused.why in ("down", "busy") else HTTPStatus.FORBIDDEN
    response = login_page(request, status, back="", problem=f"login.oidc.{refused.why}")
    drop_cookie(request, response, sign_in_cookie(request))
    return response


async def log_out_there(request: web.Request) -> web.Response:
    """Logged out here; the browser goes on to end its session at the provider, if that has a place for it.

    A page and no redirect: the policy of our own pages lets a form lead nowhere else.
    """
    url = await provider_of(request).log_out_url(back=_home(request) + "/login")
    response = page(request, "signed_out.html", page="login", there=url or "")
    if url is not None:
        response.headers["Refresh"] = f"0; url={url}"
    return response


def provider_of(request: web.Request) -> Provider:
    """Raises HTTPNotFound where the settings name none."""
    found = request.app.get(PROVIDER)
    if found is None:
        raise web.HTTPNotFound
    return found


def _home(request: web.Request) -> str:
    """Our own address. Without one in the settings the Host header, which the guard has checked."""
    settings = request.app[SETTINGS]
    return settings.public_url or f"{'https' if settings.secure else 'http'}://{request.host}"
