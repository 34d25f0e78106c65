"""The hub, lookup at the source, and what is told to others."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from bridge.config.base import ContactSettings, FilePath, Section, TlsSettings
from bridge.hub.eventtypes import DEFAULT_TYPES


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


class HubToken(Section):
    """The access token that the hub asks for beside the certificate."""

    endpoint: str = Field(description="Where a token is asked, over mutual TLS: an https address.")
    client_id: str = Field(description="Our name at the token endpoint; usually an OIN.")
    scope: str = Field(description="What is asked for; with FSC the hash of the grant.")
    audience: str = Field(description="For which resource server: exactly one https address.")
    audience_parameter: Literal["audience", "resource"] = Field(
        default="audience", description="How the token endpoint calls the audience."
    )
    represented: str | None = Field(
        default=None, description="OIN of the party in whose name a token is asked. Not given: our own name."
    )
    represented_parameter: str = Field(
        default="requested_subject", description="How the token endpoint calls that party."
    )


class HubSchema(Section):
    """A copy of a schema of event data, by which data is judged without asking anyone."""

    uri: str = Field(description="The address that `dataschema` gives; it names the version.")
    file: FilePath = Field(description="The JSON Schema.")


class HubRegistry(Section):
    """The registry from which schemas of event data are fetched, beside the copies."""

    url: str = Field(
        pattern=r"^https?://[^/?#@\\\s]+(?:/[^/?#@\\\s]+)*$",
        description="Its address, without slash at the end. Only a `dataschema` below it is ever fetched.",
    )
    folder: FilePath | None = Field(
        default=None,
        description="Folder of the bridge's own that keeps what was fetched over a restart. Not given: memory alone.",
    )
    max_age_hours: float = Field(
        default=24.0, gt=0, description="After this time it is asked whether a fetched schema has changed."
    )


class HubSettings(Section):
    """The hub: where it is and how it is spoken to."""

    base_url: str = Field(description="Address under which /events, /status and /queries stand.")
    tls: TlsSettings | None = Field(default=None, description="Mutual TLS towards the hub.")
    contact: ContactSettings | None = Field(
        default=None, description="Whom operators call about the hub; shown in the console."
    )
    dialect: Literal["soh-1", "corv2-poc"] = Field(
        default="soh-1", description="Paths and names of the hub's contract."
    )
    auth: Literal["mtls", "oauth", "fsc"] = Field(
        default="mtls",
        description="How the bridge makes itself known: by certificate, by access token, or through an FSC Outway.",
    )
    token: HubToken | None = Field(default=None, description="Needed for `oauth` and `fsc`.")
    mode: Literal["structured", "binary"] = Field(
        default="structured",
        description="How an event is offered; the published contract of the hub knows structured only.",
    )
    source_template: str = Field(
        default="urn:nld:oin:{oin}:systeem:{naam}", description="The `source` of what the bridge publishes."
    )
    information_levels: bool = Field(
        default=False,
        description="Offer an event for each information level that a mapping describes, instead of one.",
    )
    sequence: bool = Field(
        default=False,
        description="Number the events of messages and lookups, so that the order within one source shows as text.",
    )
    schemas: tuple[HubSchema, ...] = Field(
        default=(), description="Copies of schemas by which the data of events is judged."
    )
    registry: HubRegistry | None = Field(
        default=None, description="The schema registry. Not given: schemas are never fetched."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, description="Longest wait for one answer, in seconds.")
    patience_hours: float = Field(
        default=24.0,
        gt=0,
        description="After this time without an end an accepted event is put before a person; it is still followed.",
    )
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

    @model_validator(mode="after")
    def _has_token(self) -> HubSettings:
        if self.auth != "mtls" and self.token is None:
            raise ValueError(f"auth {self.auth} needs a section token")
        return self


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


class Announcements(Section):
    """The types of the events by which an operator tells others something about the bridge."""

    maintenance_type: str = Field(default="beheer.onderhoud-aangekondigd", description="Planned maintenance.")
    change_type: str = Field(
        default="beheer.wijziging-aangekondigd", description="A change that others will notice."
    )
    contact_type: str = Field(
        default="beheer.contactpunt-gewijzigd", description="Where to reach the operators."
    )

    @field_validator("*")
    @classmethod
    def _listed(cls, name: str) -> str:
        if name not in {known.type for known in DEFAULT_TYPES}:
            raise ValueError("is not among the event types of the hub (SOH-11)")
        return name


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
