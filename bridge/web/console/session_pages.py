"""Logging in and out, and one's own account."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from bridge.web.console.accounts import Opened, choose_password, log_in_by_link
from bridge.web.console.accounts import log_in as open_by_password
from bridge.web.console.accounts import log_out as end_session
from bridge.web.console.passwords import SHORTEST, is_password, why_weak
from bridge.web.console.render import lens_of, page
from bridge.web.console.settings import SETTINGS
from bridge.web.console.state import NOW, STORE
from bridge.web.console.visitor import drop_cookie, session_cookie, set_cookie, visit_cookie, visitor_of

LOG_OUT_THERE = web.AppKey[Callable[[web.Request], Awaitable[web.Response]]]("log_out_there")
"""Ends a session at the identity provider too."""


async def show_login(request: web.Request) -> web.Response:
    if visitor_of(request).role is not None:
        raise web.HTTPSeeOther("/")
    return login_page(request, HTTPStatus.OK, back=request.query.get("next", ""), problem="")


async def log_in(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    if not settings.login:
        raise web.HTTPSeeOther("/")
    if not settings.local:
        raise web.HTTPForbidden
    name, password, back = [await field(request, name) for name in ("name", "password", "next")]
    opened = await open_by_password(
        request.app[STORE], name.strip(), password, now=request.app[NOW](), lifetime=settings.lifetime
    )
    if opened is None:
        return login_page(request, HTTPStatus.FORBIDDEN, back=back, problem="login.wrong")
    return _enter(request, opened, back)


async def use_link(request: web.Request) -> web.StreamResponse:
    """A login link that `bridge account link` printed; it works once."""
    settings = request.app[SETTINGS]
    token = request.match_info["token"]
    opened = None
    if settings.login and settings.local and request.method == "GET":
        opened = await log_in_by_link(
            request.app[STORE], token, now=request.app[NOW](), lifetime=settings.lifetime
        )
    if opened is None:
        return login_page(request, HTTPStatus.FORBIDDEN, back="", problem="login.link_used")
    return _enter(request, opened, "")


async def log_out(request: web.Request) -> web.StreamResponse:
    visitor = visitor_of(request)
    if visitor.account is not None and visitor.session is not None:
        await end_session(request.app[STORE], visitor.account, visitor.session.token, now=request.app[NOW]())
    if visitor.account is not None and visitor.account.issued_by is not None:
        there = await request.app[LOG_OUT_THERE](request)
        drop_cookie(request, there, session_cookie(request))
        return there
    response = web.HTTPSeeOther("/login")
    drop_cookie(request, response, session_cookie(request))
    raise response


async def show_account(request: web.Request) -> web.Response:
    return _account_page(request, HTTPStatus.OK, problem="", done="done" in request.query)


async def change_password(request: web.Request) -> web.Response:
    visitor = visitor_of(request)
    if visitor.account is None or visitor.session is None or visitor.account.password is None:
        raise web.HTTPForbidden
    current, new, again = [await field(request, name) for name in ("current", "new", "again")]
    problem = why_weak(new, name=visitor.name) or ("differs" if new != again else None)
    if problem is None and new == current:
        problem = "same"
    if problem is None and not await is_password(current, visitor.account.password):
        problem = "wrong"
    if problem is not None:
        return _account_page(request, HTTPStatus.BAD_REQUEST, problem=f"password.{problem}", done=False)
    await choose_password(
        request.app[STORE],
        visitor.account.key,
        new,
        digest=visitor.session.token,
        now=request.app[NOW](),
    )
    raise web.HTTPSeeOther("/account?done=1" if not visitor.must_choose else "/")


async def field(request: web.Request, name: str) -> str:
    """A field of the form that was posted; an absent one and a file are empty."""
    found = (await request.post()).get(name, "")
    return found if isinstance(found, str) else ""


def _enter(request: web.Request, opened: Opened, back: str) -> web.StreamResponse:
    response = web.HTTPSeeOther(back if is_own_path(back) else "/")
    set_cookie(request, response, session_cookie(request), opened.token)
    drop_cookie(request, response, visit_cookie(request))
    raise response


def is_own_path(text: str) -> bool:
    """Whether this leads to a page of our own and nowhere else."""
    return text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()


def login_page(request: web.Request, status: int, *, back: str, problem: str) -> web.Response:
    """What is wrong, if anything, and the ways to log in that the settings allow."""
    settings = request.app[SETTINGS]
    return page(
        request,
        "login.html",
        status=status,
        page="login",
        back=back if is_own_path(back) else "",
        problem=problem,
        local=settings.local,
        oidc=settings.oidc is not None,
    )


def _account_page(request: web.Request, status: int, *, problem: str, done: bool) -> web.Response:
    visitor, lens = visitor_of(request), lens_of(request)
    return page(
        request,
        "account.html",
        status=status,
        page="account",
        problem=problem,
        done=done,
        shortest=SHORTEST,
        until=lens.moment(visitor.until) if visitor.until else None,
        idle=int(request.app[SETTINGS].lifetime.idle.total_seconds() // 60),
    )
