"""Who is looking: the visitor of a request, and the cookies and form tokens that go with it."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from bridge.ids import Key
from bridge.store.rows import Account, AccountState, Role, Session
from bridge.web.console.rights import Right, may
from bridge.web.console.settings import SETTINGS

LOCAL = "local"
"""Who acts when nobody has to log in."""
FORM_FIELD = "csrf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Someone at a browser. `role` is None before logging in; `token` is what its form tokens are made of."""

    name: str = ""
    role: Role | None = None
    token: str = field(default="", repr=False)
    account: Account | None = field(default=None, repr=False)
    session: Session | None = field(default=None, repr=False)

    @property
    def key(self) -> Key | None:
        return self.account.key if self.account else None

    @property
    def must_choose(self) -> bool:
        """It came with a one-time password, and must choose its own before anything else."""
        return self.account is not None and self.account.state is AccountState.FIRST

    @property
    def until(self) -> datetime | None:
        return self.session.until if self.session else None

    def may(self, right: Right | str) -> bool:
        return may(self.role, Right(right))

    @property
    def form_token(self) -> str:
        """Stands in every form of this visitor; another site cannot know it."""
        return hashlib.sha256(f"form|{self.token}".encode()).hexdigest()

    def owns(self, form_token: str) -> bool:
        return bool(self.token) and hmac.compare_digest(form_token.encode(), self.form_token.encode())


VISITOR = web.RequestKey("visitor", Visitor)


def visitor_of(request: web.Request) -> Visitor:
    """Who asks; a stranger until the guard has looked."""
    found: Visitor = request.get(VISITOR, Visitor())
    return found


def session_cookie(request: web.Request) -> str:
    """The name of the cookie: with TLS one that no other host name can set."""
    return "__Host-session" if request.app[SETTINGS].secure else "session"


def visit_cookie(request: web.Request) -> str:
    """The cookie that ties the forms of somebody who is not logged in to one browser."""
    return "__Host-visit" if request.app[SETTINGS].secure else "visit"


def sign_in_cookie(request: web.Request) -> str:
    """The cookie of a browser that was sent to the identity provider."""
    return "__Host-signin" if request.app[SETTINGS].secure else "signin"


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, token: str, *, samesite: str = "Strict"
) -> None:
    """Until the browser closes, unreadable for scripts, never sent along from other sites."""
    response.set_cookie(
        name, token, httponly=True, samesite=samesite, secure=request.app[SETTINGS].secure, path="/"
    )


def drop_cookie(request: web.Request, response: web.StreamResponse, name: str) -> None:
    response.del_cookie(name, httponly=True, samesite="Strict", secure=request.app[SETTINGS].secure, path="/")


def new_visit() -> str:
    return secrets.token_urlsafe(32)


def read_token(request: web.Request, name: str) -> str:
    """A cookie of ours, or nothing when it cannot be one."""
    text = request.cookies.get(name, "")
    return text if text.isascii() and 20 <= len(text) <= 100 else ""
