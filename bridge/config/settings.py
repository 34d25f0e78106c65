"""Everything together: the model of the settings file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    Field,
    model_validator,
)

from bridge.config.alerts import AlertSettings
from bridge.config.base import FilePath, Section
from bridge.config.listeners import LOOPBACK, ApiListener, ConsoleSettings, MetricsSettings, PartnerListener
from bridge.config.parties import OwnParty, PartnerSettings, SourceSettings
from bridge.config.services import Announcements, HealthEvents, HubSettings, InzageSettings, TraceSettings
from bridge.config.store import RetentionSettings, StoreSettings


class AgreementLimits(Section):
    """How large messages under one agreement may be, both ways."""

    cpa_id: str = Field(min_length=1, description="The CPAId of the agreement.")
    max_message_bytes: int | None = Field(
        default=None,
        ge=1024,
        description="Largest message, in bytes. Not given: what the partner or the listener may send.",
    )
    max_part_bytes: int | None = Field(
        default=None, ge=1, description="Largest payload part, in bytes. Not given: as the whole message."
    )

    @model_validator(mode="after")
    def _says_something(self) -> AgreementLimits:
        whole, part = self.max_message_bytes, self.max_part_bytes
        if whole is None and part is None:
            raise ValueError("give max_message_bytes, max_part_bytes or both")
        if whole is not None and part is not None and part > whole:
            raise ValueError("max_part_bytes is more than max_message_bytes")
        return self


class AgreementSettings(Section):
    folder: FilePath = Field(default=Path("cpa"), description="Folder with the CPAs, one XML file each.")
    reload_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Time between two looks for changed CPAs and revocation lists, in seconds.",
    )
    limits: tuple[AgreementLimits, ...] = Field(
        default=(),
        description="Sizes that an agreement has of its own, larger or smaller than the general ones.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> AgreementSettings:
        named = [limit.cpa_id for limit in self.limits]
        twice = sorted({cpa_id for cpa_id in named if named.count(cpa_id) > 1})
        if twice:
            raise ValueError(f"limits names {', '.join(twice)} more than once")
        return self

    def limits_of(self, cpa_id: str | None) -> AgreementLimits | None:
        """The limits of this agreement, where it has its own."""
        return next((limit for limit in self.limits if limit.cpa_id == cpa_id), None)


class MappingSettings(Section):
    folder: FilePath = Field(default=Path("mappings"), description="Folder with the mapping files.")
    xsd: dict[str, FilePath] = Field(
        default={},
        description="XSDs by which messages are judged as well, per message standard (a folder of the mappings): "
        "an XSD file, or a folder with XSDs. Empty: the structure descriptions alone.",
    )
    xsd_received: Literal["report", "wait"] = Field(
        default="report",
        description="A received message that its XSD refuses: mapped, and the faults reported on its timeline; or it "
        "waits for a person. A composed one is never sent.",
    )


class IdentifierSettings(Section):
    """What makes identifiers opaque: nobody can compute them without these two secrets."""

    namespace: UUID = Field(description="UUID under which business keys become resource identifiers.")
    person_key_file: FilePath = Field(
        description="File with at least 32 random bytes: the key under which a BSN becomes a pseudonym."
    )


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
    fetch_crls: bool = Field(
        default=True,
        description="Fetch the revocation lists that the certificates name, of the authorities, ours and those of the "
        "agreements, beside the lists of `partner_listener.tls.crl`.",
    )
    crl_hosts: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:\d{1,5})?$")], ...] = Field(
        default=("pkioverheid.nl",),
        description="Hosts that may be asked for revocation lists that certificates name, with all hosts below them; "
        "`host:port` for another port than 80 or 443. The lists of service providers stand on hosts of their own.",
    )
    crl_urls: tuple[Annotated[str, Field(pattern=r"^https?://[^\s/@]+/\S*$")], ...] = Field(
        default=(), description="Further addresses of revocation lists."
    )
    crl_proxy: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Proxy through which revocation lists are fetched, for instance http://proxy:3128.",
    )
    crl_interval_minutes: float = Field(
        default=60.0, ge=1, le=1440, description="Time between two looks at the same revocation list."
    )


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
    stop_seconds: float = Field(
        default=20.0,
        ge=0,
        description="How long a stop waits for jobs under way, in seconds. What takes longer is broken off, and done "
        "again when its lease ends.",
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
    alerts: AlertSettings = AlertSettings()
    announcements: Announcements = Announcements()
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

    @model_validator(mode="after")
    def _alerts_in_production(self) -> Settings:
        for channel in self.alerts.webhooks:
            if self.production and not channel.url.startswith("https://"):
                raise ValueError(f"alerts.webhooks {channel.name}: production posts to https only")
        return self

    @property
    def partner_port(self) -> int:
        """Where partners are served: by default on the port that Digikoppeling names (DK-143)."""
        port = self.partner_listener.port
        if port is not None:
            return port
        return 443 if self.production else 8443

    @property
    def console_login(self) -> Literal["none", "local", "oidc", "both"]:
        """How people come into the console: what the settings say, else `none` on loopback in test mode only."""
        if self.console.login is not None:
            return self.console.login
        return "local" if self.production or self.console.host not in LOOPBACK else "none"
