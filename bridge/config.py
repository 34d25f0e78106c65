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

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from bridge.errors import ConfigError

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
    trust: FilePath = Field(description="PEM file: the authorities whose certificates we accept.")
    crl: FilePath | None = Field(
        default=None, description="PEM file with revocation lists; checked when given."
    )


class StoreSettings(Section):
    url: str = Field(
        default="sqlite:///var/bridge.sqlite3",
        description="`sqlite:///file` (relative to this file) or `postgresql+psycopg://user@host/name`.",
    )


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
        default=60.0, gt=0, description="How long a client may take to send one message."
    )


class ConsoleSettings(Section):
    """The page on which operators watch the flow."""

    host: Literal["127.0.0.1", "::1", "localhost"] = Field(
        default="127.0.0.1",
        description="Loopback only: the console has no login of its own yet, so put nothing before it.",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on.")
    language: Literal["nl", "en"] = Field(
        default="nl", description="Language when the browser asks for none."
    )
    timezone: str = Field(default="Europe/Amsterdam", description="Time zone in which times are shown.")


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


class PartnerSettings(Section):
    """A partner with a legacy system."""

    name: str = Field(description="Name as people know it.")
    party_id: str = Field(description="PartyId in the agreements, an OIN of 20 characters.")
    party_id_type: str = Field(default="urn:osb:oin", description="Type of the PartyId.")
    system: str = Field(description="Name of its system: part of the `source` of its events.")
    events: tuple[str, ...] = Field(
        default=(), description="Event types that become messages for this partner; `*` at the end only."
    )
    only_own_subjects: bool = Field(
        default=True,
        description="Only events about a subject on which this partner itself exchanged messages before.",
    )
    delivered_by: tuple[str, ...] = Field(
        default=(), description="OINs of gateways whose TLS certificate may deliver this partner's messages."
    )


class AgreementSettings(Section):
    folder: FilePath = Field(default=Path("cpa"), description="Folder with the CPAs, one XML file each.")


class MappingSettings(Section):
    folder: FilePath = Field(default=Path("mappings"), description="Folder with the mapping files.")


class IdentifierSettings(Section):
    """What makes identifiers opaque: nobody can compute them without these two secrets."""

    namespace: UUID = Field(description="UUID under which business keys become resource identifiers.")
    person_key_file: FilePath = Field(
        description="File with at least 32 random bytes: the key under which a BSN becomes a pseudonym."
    )


class InzageSettings(Section):
    base_url: str = Field(
        default="https://localhost/inzage", description="Public address under which resources are looked up."
    )


class WorkerSettings(Section):
    """How the work queue is worked off."""

    concurrency: int = Field(default=16, ge=1, le=1000, description="Jobs that run at the same time.")
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
    console: ConsoleSettings = ConsoleSettings()
    hub: HubSettings
    agreements: AgreementSettings = AgreementSettings()
    mappings: MappingSettings = MappingSettings()
    identifiers: IdentifierSettings
    inzage: InzageSettings = InzageSettings()
    worker: WorkerSettings = WorkerSettings()
    own_parties: tuple[OwnParty, ...] = Field(min_length=1, description="The parties that the bridge plays.")
    partners: tuple[PartnerSettings, ...] = Field(default=(), description="The partners that it serves.")


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
        update={"store": StoreSettings(url=_absolute_sqlite(settings.store.url, folder))}
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
