"""What the console has to be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from bridge.web.console.accounts import Lifetime
from bridge.web.console.identity import OidcOptions
from bridge.web.console.text import Language
from bridge.web.console.whom import Contacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """`public_names` are host names besides loopback under which the console is reached.

    `party_names` gives organisations (OIN or party id) the name that people know; `contacts` says how
    the partners, the hub and the integrator are reached. `poll` is the time between
    two looks for new steps. With `login` people need an account; `secure` says that browsers come over TLS.
    """

    public_names: tuple[str, ...] = ()
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Amsterdam"))
    language: Language = Language.DUTCH
    party_names: Mapping[str, str] = field(default_factory=dict)
    contacts: Contacts = field(default_factory=dict)
    poll: timedelta = timedelta(seconds=1)
    login: bool = False
    secure: bool = False
    local: bool = True
    """Whether people may log in with an account of the bridge."""
    oidc: OidcOptions | None = None
    public_url: str = ""
    """Without a slash at its end; empty: where the browser says that it is."""
    lifetime: Lifetime = field(default_factory=Lifetime)


SETTINGS = web.AppKey("settings", ConsoleOptions)
