"""The listeners: for partners, for the API, for people, for metrics."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import (
    Field,
    model_validator,
)

from bridge.config.base import ContactSettings, FilePath, Section, TlsSettings


class PartnerListener(Section):
    """Where partners post their ebMS messages."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port to listen on. Not given: 443 in production (DK-143), else 8443. Another one in production is "
        "for a forwarder that listens on 443.",
    )
    tls: TlsSettings | None = Field(
        default=None, description="Mutual TLS. Without it the listener speaks plain HTTP, in test mode only."
    )
    max_message_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="Largest message that is taken, in bytes."
    )
    spool_above_bytes: int = Field(
        default=1024 * 1024, ge=0, description="Payload parts larger than this wait on disk, not in memory."
    )
    read_timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="How long a client may take to send one message; every 64 KiB that came adds a second.",
    )
    max_requests: int = Field(
        default=64, ge=1, description="Requests taken at the same time; further ones are answered with 503."
    )
    proxies: tuple[str, ...] = Field(
        default=(),
        description="IP addresses of proxies that end TLS and pass the client certificate on in a header.",
    )
    proxy_header: str = Field(
        default="X-Client-Certificate",
        description="Header with the client certificate: PEM, percent-encoded, or base64 of DER.",
    )


LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ConsoleTls(Section):
    """Certificate and key with which the console speaks TLS; its users prove themselves by logging in."""

    certificate: FilePath = Field(
        description="PEM file: our server certificate, followed by its intermediates."
    )
    key: FilePath = Field(description="PEM file: our private key.")


class OidcRole(Section):
    """Who gets which role: a claim of the identity provider that holds this value."""

    claim: str = Field(
        default="groups", description="Name of the claim; dots lead into it, as `realm_access.roles`."
    )
    value: str = Field(min_length=1, description="What the claim is, or what its list holds, exactly.")
    role: Literal["viewer", "operator", "integrator", "privacy", "administrator"] = Field(
        description="Role in the console."
    )


class OidcSettings(Section):
    """Logging in with OpenID Connect at the identity provider of the organisation."""

    issuer: str = Field(
        pattern=r"^https?://\S+$", description="Address of the provider, exactly as its tokens say."
    )
    client_id: str = Field(min_length=1, description="Under which name the provider knows the console.")
    client_secret_file: FilePath | None = Field(
        default=None, description="File with the secret of that client. Not given: a public client."
    )
    scopes: tuple[str, ...] = Field(default=("openid", "profile"), description="What is asked for.")
    name_claim: str = Field(
        default="preferred_username", description="Claim with the name that the audit log shows."
    )
    roles: tuple[OidcRole, ...] = Field(
        min_length=1, description="Who gets which role; the first that fits. Who fits none does not get in."
    )
    fresh_minutes: int | None = Field(
        default=None,
        ge=0,
        le=1440,
        description="A person must have logged in at the provider at most so long ago. 0: each time anew.",
    )
    trust: FilePath | None = Field(
        default=None, description="PEM file: the authorities of the provider, when they are not well-known."
    )
    timeout_seconds: float = Field(default=10.0, gt=0, le=60, description="Longest wait for the provider.")

    @model_validator(mode="after")
    def _private(self) -> OidcSettings:
        if not is_private(self.issuer):
            raise ValueError("the issuer needs https; plain http is for loopback only")
        if "openid" not in self.scopes:
            raise ValueError("scopes needs openid")
        return self


def is_private(url: str) -> bool:
    """Whether what goes there cannot be read on the way: TLS, or loopback."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


class ConsoleSettings(Section):
    """The pages on which operators watch the flow and mend it."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; beyond loopback with TLS only.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on.")
    tls: ConsoleTls | None = Field(default=None, description="TLS of the console itself.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+/?$",
        description="Address under which people reach the console, for instance that of a proxy that ends TLS.",
    )
    login: Literal["none", "local", "oidc", "both"] | None = Field(
        default=None,
        description="`local`: people log in with an account of the bridge. `oidc`: at the identity provider only. "
        "`both`: either. `none`: whoever reaches the page is an operator; on loopback in test mode only, and the "
        "default there. Everywhere else the default is `local`.",
    )
    oidc: OidcSettings | None = Field(
        default=None, description="The identity provider, for `login` = `oidc` or `both`."
    )
    session_idle_minutes: int = Field(
        default=60, ge=5, le=1440, description="After so long without a page a person must log in again."
    )
    session_hours: int = Field(
        default=12, ge=1, le=24, description="After so long a person must log in again in any case."
    )
    language: Literal["nl", "en"] = Field(
        default="nl", description="Language when the browser asks for none."
    )
    timezone: str = Field(default="Europe/Amsterdam", description="Time zone in which times are shown.")
    integrator: ContactSettings | None = Field(
        default=None, description="Whom operators call about mappings; shown in the console."
    )

    @model_validator(mode="after")
    def _closed_beyond_loopback(self) -> ConsoleSettings:
        if self.host not in LOOPBACK:
            if self.tls is None:
                raise ValueError("plain HTTP is for loopback only; give console.tls")
            if self.login == "none":
                raise ValueError("login none is for loopback only; leave console.login out or write local")
        if (self.login in ("oidc", "both")) != (self.oidc is not None):
            raise ValueError("login oidc and both need console.oidc, and it needs one of them")
        return self


class MetricsSettings(Section):
    """Where Prometheus reads the metrics."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of `/metrics`, plain HTTP. Not given: no listener."
    )


class EventSender(Section):
    """An organisation that may offer events to the bridge."""

    oin: str = Field(description="OIN in its client certificate.")
    any_source: bool = Field(
        default=False, description="True for a hub: it passes on events of others, not only its own."
    )


class ApiListener(Section):
    """Where others offer events, follow them, and look up resources."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8444, ge=0, le=65535, description="Port to listen on; 443 in production.")
    tls: TlsSettings | None = Field(
        default=None, description="Two-sided TLS. Without it: plain HTTP on loopback, in test mode only."
    )
    public_url: str = Field(
        default="https://localhost", description="Public address, as the OpenAPI document tells it."
    )
    senders: tuple[EventSender, ...] = Field(default=(), description="Who may offer events. Empty: nobody.")
    webhook_origins: tuple[str, ...] = Field(
        default=(), description="Origins that get consent in the webhook handshake."
    )
    events_per_minute: int = Field(default=600, ge=1, description="Most events of one sender in a minute.")
    cors_origins: tuple[str, ...] = Field(
        default=(), description="Origins of web pages that may call the API."
    )
    read_timeout_seconds: float = Field(
        default=30.0, gt=0, description="How long a client may take to send one event."
    )
    changelog_url: str = Field(
        default="https://localhost/changelog",
        description="Page with the changes per version and the schedule of what ends.",
    )
    contact_name: str = Field(default="Beheer van de brug", description="Whom users of the API can reach.")
    contact_url: str = Field(default="https://localhost/contact", description="Page with contact details.")
    contact_email: str = Field(default="beheer@example.nl", description="Mail address for users of the API.")

    @model_validator(mode="after")
    def _plain_on_loopback_only(self) -> ApiListener:
        if self.tls is None and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("plain HTTP is for loopback only; give api_listener.tls (SOH-153)")
        return self
