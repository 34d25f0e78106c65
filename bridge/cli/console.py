"""The console of a running bridge, made from its settings."""

from __future__ import annotations

import ssl
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from bridge.config import Settings
from bridge.config.listeners import OidcSettings
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge
from bridge.store.channels import HUB
from bridge.store.rows import Role
from bridge.web.console.accounts import Lifetime
from bridge.web.console.app import console_app
from bridge.web.console.identity import OidcOptions, RoleRule
from bridge.web.console.settings import ConsoleOptions
from bridge.web.console.text import Language
from bridge.web.console.whom import INTEGRATOR, Contacts
from bridge.web.tls import console_context


def make_console(bridge: Bridge) -> web.Application:
    """The application, with login and TLS as the settings say."""
    return console_app(bridge, settings=console_options(bridge.settings))


def console_tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS of the console's socket. Raises ConfigError when its files cannot be used."""
    return console_context(settings.console.tls) if settings.console.tls else None


def console_url(settings: Settings, port: int) -> str:
    """Where people open it."""
    console = settings.console
    if console.public_url:
        return console.public_url.rstrip("/") + "/"
    host = "localhost" if console.host in ("127.0.0.1", "::1") else console.host
    return f"{'https' if console.tls else 'http'}://{host}:{port}/"


def console_options(settings: Settings) -> ConsoleOptions:
    """What the console is told."""
    console = settings.console
    public = urlsplit(console.public_url or "")
    names = {own.party_id: own.name for own in settings.own_parties}
    return ConsoleOptions(
        public_names=tuple(name for name in (public.hostname, console.host) if name),
        timezone=ZoneInfo(console.timezone),
        language=Language(console.language),
        party_names=names | {partner.party_id: partner.name for partner in settings.partners},
        contacts=_contacts(settings),
        login=settings.console_login != "none",
        local=settings.console_login in ("local", "both"),
        oidc=_oidc(console.oidc) if console.oidc else None,
        public_url=(console.public_url or "").rstrip("/"),
        secure=console.tls is not None or public.scheme == "https",
        lifetime=Lifetime(
            idle=timedelta(minutes=console.session_idle_minutes), most=timedelta(hours=console.session_hours)
        ),
    )


def _contacts(settings: Settings) -> Contacts:
    given = {partner.party_id: partner.contact for partner in settings.partners}
    given |= {HUB: settings.hub.contact, INTEGRATOR: settings.console.integrator}
    return {who: contact for who, contact in given.items() if contact is not None}


def _oidc(settings: OidcSettings) -> OidcOptions:
    """The identity provider, with its secret and trust read. Raises ConfigError."""
    try:
        secret = (
            settings.client_secret_file.read_text("utf-8").strip() if settings.client_secret_file else None
        )
        tls = ssl.create_default_context(cafile=settings.trust) if settings.trust else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(["console.oidc: client_secret_file or trust cannot be read"]) from error
    fresh = settings.fresh_minutes
    return OidcOptions(
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=secret,
        scopes=settings.scopes,
        name_claim=settings.name_claim,
        roles=tuple(
            RoleRule(claim=rule.claim, value=rule.value, role=Role(rule.role)) for rule in settings.roles
        ),
        fresh=None if fresh is None else timedelta(minutes=fresh),
        tls=tls,
        timeout=timedelta(seconds=settings.timeout_seconds),
    )
