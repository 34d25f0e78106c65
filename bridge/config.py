"""Typed settings: one TOML file, environment variables over it.

`load_settings` reads the file, lays `BRIDGE__SECTION__KEY` variables over it, and reports every fault at once, each
with its key, what is wrong and the nearest real name. Paths in the file are relative to the file.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from bridge.errors import ConfigError
from bridge.hub.eventtypes import DEFAULT_TYPES
from bridge.hub.subscriptions import compile_filter

ENVIRONMENT_PREFIX = "BRIDGE__"


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


FilePath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path, relative to the folder of the settings file."""


class Section(BaseModel):
    """One table of the file: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class TlsSettings(Section):
    """Certificate, key and trust of one side of mutual TLS."""

    certificate: FilePath = Field(description="PEM file: our certificate, followed by its intermediates.")
    key: FilePath = Field(description="PEM file: our private key.")
    trust: FilePath = Field(
        description="PEM file: the authorities whose certificates we accept, roots and those below them."
    )
    crl: FilePath | None = Field(
        default=None,
        description="PEM file with revocation lists; checked when given, and read again when it changes.",
    )


class EncryptionSettings(Section):
    """Encryption at rest. Without a key content is stored as it is."""

    key_file: FilePath | None = Field(
        default=None, description="File with the master key: 32 random bytes. Keep a copy outside the store."
    )
    key: SecretStr | None = Field(
        default=None, description="The master key in base64, instead of a file: meant for the environment."
    )
    previous_key_file: FilePath | None = Field(
        default=None, description="While the key is being replaced: file with the former master key."
    )
    previous_key: SecretStr | None = Field(
        default=None, description="The former master key in base64, instead of a file."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> EncryptionSettings:
        if self.key_file and self.key:
            raise ValueError("give key_file or key, not both")
        if self.previous_key_file and self.previous_key:
            raise ValueError("give previous_key_file or previous_key, not both")
        if (self.previous_key_file or self.previous_key) and not (self.key_file or self.key):
            raise ValueError("a former key goes with a key")
        return self


class StoreSettings(Section):
    url: str = Field(
        default="sqlite:///var/bridge.sqlite3",
        description="`sqlite:///file` (relative to this file) or `postgresql+psycopg://user@host/name`.",
    )
    encryption: EncryptionSettings = EncryptionSettings()


class RetentionSpans(Section):
    """How long each kind of content is kept after the last change of its exchange."""

    payload_days: float | None = Field(
        default=None, gt=0, description="Payloads, and the index of persons. Not given: for ever."
    )
    evidence_days: float | None = Field(
        default=None, gt=0, description="The exact octets received and sent. Acknowledgments always stay."
    )
    event_days: float | None = Field(default=None, gt=0, description="Bodies of events.")
    resource_days: float | None = Field(default=None, gt=0, description="Resources for lookup.")


class TypeRetention(RetentionSpans):
    """Other spans for the exchanges of one type; what is not given is as in general."""

    type: str = Field(description="Action of the message or type of the event; `*` at the end only.")


class RetentionSettings(RetentionSpans):
    """What is removed, and when. By default nothing is."""

    types: tuple[TypeRetention, ...] = Field(default=(), description="Types with spans of their own.")
    lookup_days: float = Field(
        default=90.0, ge=0, description="A resource stays at least so long after an event pointed at it."
    )
    job_days: float = Field(default=30.0, gt=0, description="Jobs that are done; they hold ids only.")
    interval_hours: float = Field(default=6.0, gt=0, description="Time between two runs of the purge.")


class PartnerListener(Section):
    """Where partners post their ebMS messages."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8443, ge=0, le=65535, description="Port to listen on; 443 in production.")
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
    login: Literal["none", "local"] | None = Field(
        default=None,
        description="`local`: people log in with an account of the bridge. `none`: whoever reaches the page is an "
        "operator; on loopback in test mode only, and the default there. Everywhere else the default is `local`.",
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

    @model_validator(mode="after")
    def _closed_beyond_loopback(self) -> ConsoleSettings:
        if self.host not in LOOPBACK:
            if self.tls is None:
                raise ValueError("plain HTTP is for loopback only; give console.tls")
            if self.login == "none":
                raise ValueError("login none is for loopback only; leave console.login out or write local")
        return self


class MetricsSettings(Section):
    """Where Prometheus reads the metrics."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of `/metrics`, plain HTTP. Not given: no listener."
    )


class TraceSettings(Section):
    """Where OpenTelemetry traces go."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Collector that takes OTLP over HTTP, with path: https://collector:4318/v1/traces. Not "
        "given: no traces are made.",
    )


class PullSettings(Section):
    """Which events the bridge fetches from the hub, and how often."""

    types: tuple[str, ...] = Field(
        default=(), description="Event types to ask for; `*` at the end only. Empty: nothing is pulled."
    )
    interval_seconds: float = Field(default=30.0, gt=0, description="Time between two queries, in seconds.")
    overlap_seconds: float = Field(
        default=300.0, ge=0, description="How far each query looks back over the former one, in seconds."
    )
    max_events: int = Field(
        default=500, ge=1, le=10_000, description="Largest number of events of one answer."
    )


class HubSettings(Section):
    """The hub: where it is and how it is spoken to."""

    base_url: str = Field(description="Address under which /events, /status and /queries stand.")
    tls: TlsSettings | None = Field(default=None, description="Mutual TLS towards the hub.")
    dialect: Literal["soh-1", "corv2-poc"] = Field(
        default="soh-1", description="Paths and names of the hub's contract."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, description="Longest wait for one answer, in seconds.")
    test_mark: str = Field(
        default="testverkeer",
        pattern=r"^[a-z0-9]{1,20}$",
        description="Attribute that marks test traffic when it is `true`; production sets such events aside.",
    )
    report_needs_person: bool = Field(
        default=True,
        description="A report without the BSN and age of anybody waits for a person instead of being offered.",
    )
    pull: PullSettings = PullSettings()


class OwnParty(Section):
    """A party for which the bridge holds the keys and answers."""

    name: str = Field(description="Name as people know it; written in composed messages.")
    party_id: str = Field(description="PartyId in the agreements, an OIN of 20 characters.")
    party_id_type: str = Field(default="urn:osb:oin", description="Type of the PartyId.")
    system: str = Field(default="bridge", description="Name of the sending system in composed messages.")
    certificate: FilePath = Field(
        description="PEM file: signing and TLS client certificate, with intermediates."
    )
    key: FilePath = Field(description="PEM file: private key of that certificate.")
    previous_certificate: FilePath | None = Field(
        default=None,
        description="During a roll-over: the certificate that agreements may still name, beside the new one.",
    )
    previous_key: FilePath | None = Field(
        default=None, description="PEM file: private key of the previous certificate."
    )

    @model_validator(mode="after")
    def _pairs(self) -> OwnParty:
        if (self.previous_certificate is None) != (self.previous_key is None):
            raise ValueError("previous_certificate and previous_key go together")
        return self


class PartnerSettings(Section):
    """A partner with a legacy system."""

    name: str = Field(description="Name as people know it.")
    party_id: str = Field(description="PartyId in the agreements, an OIN of 20 characters.")
    party_id_type: str = Field(default="urn:osb:oin", description="Type of the PartyId.")
    system: str = Field(description="Name of its system: part of the `source` of its events.")
    events: tuple[str, ...] = Field(
        default=(), description="Event types that become messages for this partner; `*` at the end only."
    )
    filter: dict[str, Any] | tuple[dict[str, Any], ...] | None = Field(
        default=None,
        description="Which of these events, by their attributes: a filter, or a list of which all must match, in the "
        "dialects exact, prefix, suffix, all, any and not of CloudEvents Subscriptions.",
    )
    requests: tuple[str, ...] = Field(
        default=(),
        description="Event types that ask this partner for an answer: who offered one sees it in progress until the "
        "partner's message that answers it is in.",
    )
    only_own_subjects: bool = Field(
        default=True,
        description="Only events about a subject on which this partner itself exchanged messages before.",
    )
    delivered_by: tuple[str, ...] = Field(
        default=(), description="OINs of gateways whose TLS certificate may deliver this partner's messages."
    )
    url: str | None = Field(
        default=None, description="Where to send instead of the endpoint of the agreement: an intermediary."
    )
    pin_server_certificate: bool = Field(
        default=False, description="Send only to a server with the ServerCertificate of the agreement."
    )
    empty_answer: Literal[202, 204] = Field(
        default=204, description="Status of an answer without content; some adapters know only 202."
    )
    soap_actions: tuple[str, ...] = Field(
        default=(), description='Further values of SOAPAction to take from this partner, beside "ebXML".'
    )
    max_message_bytes: int | None = Field(
        default=None,
        ge=1024,
        description="Largest message taken from this partner, instead of the general one.",
    )
    key_transport: Literal["rsa-oaep", "rsa-oaep-sha256", "rsa-1_5"] = Field(
        default="rsa-oaep",
        description="How the content key is encrypted; RSA 1.5 only for an adapter without OAEP.",
    )
    allow_3des: bool = Field(
        default=False, description="Decrypt 3DES of a legacy adapter; it is never written."
    )
    deliver_repeats: bool = Field(
        default=False,
        description="Deliver a best-effort message each time that it comes. By default a repeat is filtered in "
        "every profile, which harms nobody.",
    )
    best_effort_retries: int = Field(
        default=0,
        ge=0,
        le=20,
        description="Further attempts, a minute apart, when a best-effort message fails.",
    )
    refuse_unknown_references: bool = Field(
        default=False, description="Refuse a RefToMessageId that names no message that is known here."
    )
    ignore_unreferenced_parts: bool = Field(
        default=False,
        description="Leave out parts that the Manifest does not name, instead of refusing them.",
    )
    refer_to_request: bool = Field(
        default=True, description="Write RefToMessageId in messages that answer one of this partner."
    )
    answer_pings: bool = Field(default=True, description="Answer a Ping; else it is refused as NotSupported.")
    answer_status_requests: bool = Field(
        default=True, description="Answer a StatusRequest; else it is refused as NotSupported."
    )

    @field_validator("filter")
    @classmethod
    def _in_a_known_dialect(
        cls, spec: dict[str, Any] | tuple[dict[str, Any], ...] | None
    ) -> dict[str, Any] | tuple[dict[str, Any], ...] | None:
        if spec is not None:
            try:
                compile_filter(spec)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return spec


class AgreementSettings(Section):
    folder: FilePath = Field(default=Path("cpa"), description="Folder with the CPAs, one XML file each.")
    reload_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Time between two looks for changed CPAs and revocation lists, in seconds.",
    )


class MappingSettings(Section):
    folder: FilePath = Field(default=Path("mappings"), description="Folder with the mapping files.")


class IdentifierSettings(Section):
    """What makes identifiers opaque: nobody can compute them without these two secrets."""

    namespace: UUID = Field(description="UUID under which business keys become resource identifiers.")
    person_key_file: FilePath = Field(
        description="File with at least 32 random bytes: the key under which a BSN becomes a pseudonym."
    )


class InzageRule(Section):
    """Opens resources to organisations, up to a level. Without rules nobody sees anything."""

    name: str = Field(pattern=r"^[a-z0-9-]+$", description="Name of the rule, as the decision log tells it.")
    oins: tuple[str, ...] = Field(
        min_length=1, description="OINs of the organisations; `*` for every one with an accepted certificate."
    )
    types: tuple[str, ...] = Field(default=(), description="Resource types; `*` for all.")
    functions: tuple[str, ...] = Field(default=(), description="Samenwerkfuncties, instead of types.")
    owners: tuple[str, ...] = Field(
        default=(), description="Only resources of these parties (OIN). Empty: of every party."
    )
    level: int = Field(ge=0, le=2, description="Richest level: 0 minimal, 1 restricted, 2 everything.")
    purposes: tuple[str, ...] = Field(
        default=(), description="One of these must be given as purpose. Empty: no purpose is asked."
    )
    masks: tuple[str, ...] = Field(
        default=(), description="Places shown as stars: a member name, or a path such as `betrokkenen/*/bsn`."
    )

    @model_validator(mode="after")
    def _says_of_what(self) -> InzageRule:
        if not self.types and not self.functions:
            raise ValueError("give types or functions; `*` as type for all")
        return self


class TokenIssuer(Section):
    """Whose access tokens are taken."""

    issuer: str = Field(description="The `iss` of its tokens, exactly.")
    audience: str = Field(description="The `aud` under which this bridge is known to it.")
    keys_file: FilePath = Field(description="JWKS file with its public keys.")
    bound: bool = Field(
        default=True, description="Whether its tokens must be bound to the client certificate (`x5t#S256`)."
    )


class PdpSettings(Section):
    """An external decision point that speaks AuthZEN; it replaces the rules."""

    url: str = Field(pattern=r"^https?://", description="Address under which /access/v1/evaluation stands.")
    timeout_seconds: float = Field(default=5.0, gt=0, description="Longest wait for a decision, in seconds.")
    tls: TlsSettings | None = Field(default=None, description="Mutual TLS towards the decision point.")


class InzageSettings(Section):
    """Lookup at the source: who may see what, and what is written down of it."""

    base_url: str = Field(
        default="https://localhost/inzage", description="Public address under which resources are looked up."
    )
    rules: tuple[InzageRule, ...] = Field(default=(), description="Who may see what.")
    pdp: PdpSettings | None = Field(default=None, description="External decision point, instead of rules.")
    token: Literal["optional", "required"] = Field(
        default="optional", description="Whether a lookup needs an access token beside the certificate."
    )
    issuers: tuple[TokenIssuer, ...] = Field(default=(), description="Whose access tokens are taken.")
    scope_names: dict[str, str] = Field(
        default={"uitwisselen-uitkomst-overleg": "uoo"},
        description="Short name in scopes per samenwerkfunctie, beside its full name.",
    )
    purpose_header: str = Field(default="X-Doelbinding", description="Header that names the purpose.")
    case_header: str = Field(default="X-Casus", description="Header that names the case.")
    activity_url: str = Field(
        default="https://localhost/verwerkingsactiviteiten/inzage",
        description="The processing activity in the register of the organisation, for the processing log.",
    )
    report: bool = Field(default=True, description="Publish an event for each lookup that was answered.")
    requests_per_minute: int = Field(
        default=600, ge=1, description="Most lookups of one organisation in a minute."
    )


class EventSender(Section):
    """An organisation that may offer events to the bridge."""

    oin: str = Field(description="OIN in its client certificate.")
    any_source: bool = Field(
        default=False, description="True for a hub: it passes on events of others, not only its own."
    )


class SourceSettings(Section):
    """An organisation that has migrated, at whose source the bridge may look up for its partners."""

    oin: str = Field(description="OIN of the organisation.")
    base_url: str = Field(
        description="Address under which its resources stand; no other address is ever asked."
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


class TrustSettings(Section):
    """Whose certificates count, beyond the trust files."""

    production_roots: tuple[str, ...] = Field(
        default=("Staat der Nederlanden",),
        description="Organisations whose root certificates production trusts: PKIoverheid.",
    )
    stale_crl_hours: float = Field(
        default=0.0,
        ge=0,
        description="How long an out-of-date revocation list is still used, with an alarm; then nothing is accepted.",
    )


class HealthEvents(Section):
    """Events by which the hub's other participants hear how the bridge is. By default none."""

    change_type: str | None = Field(
        default=None,
        description="Event type for a change of health, such as `beheer.verstoring-gemeld`. Not given: none.",
    )
    recovery_type: str | None = Field(
        default=None,
        description="Event type when all is well again, such as `beheer.verstoring-opgelost`. Not given: the same.",
    )
    periodic_type: str | None = Field(
        default=None, description="Event type that tells the health every so often. Not given: none."
    )
    periodic_minutes: float = Field(default=60.0, gt=0, description="Time between two of those, in minutes.")
    interval_seconds: float = Field(
        default=30.0, gt=0, description="Time between two looks at the health, in seconds."
    )

    @field_validator("change_type", "recovery_type", "periodic_type")
    @classmethod
    def _listed(cls, name: str | None) -> str | None:
        if name is not None and name not in {known.type for known in DEFAULT_TYPES}:
            raise ValueError("is not among the event types of the hub (SOH-11)")
        return name


class WorkerSettings(Section):
    """How the work queue is worked off."""

    concurrency: int = Field(default=16, ge=1, le=1000, description="Jobs that run at the same time.")
    per_endpoint: int = Field(
        default=8, ge=1, description="Jobs for one partner, or for the hub, at the same time."
    )
    tick_seconds: float = Field(
        default=1.0, gt=0, description="Time between two looks at the queue, in seconds."
    )
    lease_seconds: float = Field(
        default=120.0,
        ge=5,
        description="How long a claimed job is ours, in seconds; then others may claim it.",
    )

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)


class Settings(Section):
    """Everything that `bridge serve` needs to know."""

    production: bool = Field(
        default=False, description="True: no plain HTTP, no self-signed or test certificates, no SHA-1."
    )
    host_name: str = Field(
        default="localhost", description="Public host name of the bridge: the domain of its MessageIds."
    )
    store: StoreSettings = StoreSettings()
    partner_listener: PartnerListener = PartnerListener()
    api_listener: ApiListener = ApiListener()
    console: ConsoleSettings = ConsoleSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TraceSettings = TraceSettings()
    hub: HubSettings
    agreements: AgreementSettings = AgreementSettings()
    mappings: MappingSettings = MappingSettings()
    identifiers: IdentifierSettings
    inzage: InzageSettings = InzageSettings()
    trust: TrustSettings = TrustSettings()
    retention: RetentionSettings = RetentionSettings()
    health_events: HealthEvents = HealthEvents()
    worker: WorkerSettings = WorkerSettings()
    own_parties: tuple[OwnParty, ...] = Field(min_length=1, description="The parties that the bridge plays.")
    sources: tuple[SourceSettings, ...] = Field(
        default=(), description="The sources that may be asked. Empty: nothing is looked up elsewhere."
    )
    partners: tuple[PartnerSettings, ...] = Field(default=(), description="The partners that it serves.")

    @model_validator(mode="after")
    def _login_in_production(self) -> Settings:
        if self.production and self.console.login == "none":
            raise ValueError("console.login none is for test mode only; leave it out or write local")
        return self

    @property
    def console_login(self) -> Literal["none", "local"]:
        """How people come into the console: what the settings say, else `none` on loopback in test mode only."""
        if self.console.login is not None:
            return self.console.login
        return "local" if self.production or self.console.host not in LOOPBACK else "none"


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file and lay the environment over it.

    Raises ConfigError with one line for each wrong, missing or unknown key.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error
    _lay_over(table, os.environ if environment is None else environment)
    for name, field in Settings.model_fields.items():
        # A section that is not there is read as an empty one, so that its default paths are found too.
        if not field.is_required() and _section_of(field.annotation) and field.default != ():
            table.setdefault(name, {})
    folder = path.resolve().parent
    try:
        settings = Settings.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError([_explain(path, fault) for fault in error.errors()]) from error
    return settings.model_copy(
        update={
            "store": settings.store.model_copy(update={"url": _absolute_sqlite(settings.store.url, folder)})
        }
    )


def _lay_over(table: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *sections, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        place = table
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError([f"environment {name}: {section} is not a table of settings"])
            place = inner
        place[key] = value


def _absolute_sqlite(url: str, folder: Path) -> str:
    prefix = "sqlite:///"
    if not url.startswith(prefix):
        return url
    return prefix + str(folder / url.removeprefix(prefix))


def _explain(path: Path, fault: ErrorDetails) -> str:
    place = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(fault["loc"][-1]), _keys_at(fault["loc"][:-1]), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{path}: {place}: there is no such setting{hint}"
    if fault["type"] == "missing":
        return f"{path}: {place}: is missing"
    return f"{path}: {place}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for step in loc:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step)
        if field is None:
            return []
        model = _section_of(field.annotation)
        if model is None:
            return []
    return list(model.model_fields)


def _section_of(annotation: Any) -> type[Section] | None:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), None)
