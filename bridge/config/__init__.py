"""Typed settings: one TOML file, environment variables over it.

`load_settings` reads the file, lays `BRIDGE__SECTION__KEY` variables over it, and reports every fault at once, each
with its key, what is wrong and the nearest real name. Paths in the file are relative to the file.
"""

from bridge.config.alerts import (
    AlertRule,
    AlertSettings,
    Condition,
    EmailChannel,
    WebhookChannel,
)
from bridge.config.base import ContactSettings, FilePath, Section, TlsSettings
from bridge.config.listeners import (
    LOOPBACK,
    ApiListener,
    ConsoleSettings,
    ConsoleTls,
    EventSender,
    MetricsSettings,
    PartnerListener,
)
from bridge.config.load import ENVIRONMENT_PREFIX, load_settings
from bridge.config.parties import OwnParty, PartnerSettings, SourceSettings
from bridge.config.services import (
    Announcements,
    HealthEvents,
    HubSchema,
    HubSettings,
    HubToken,
    InzageRule,
    InzageSettings,
    PdpSettings,
    PullSettings,
    TokenIssuer,
    TraceSettings,
)
from bridge.config.settings import (
    AgreementLimits,
    AgreementSettings,
    IdentifierSettings,
    MappingSettings,
    Settings,
    TrustSettings,
    WorkerSettings,
)
from bridge.config.store import (
    EncryptionSettings,
    RetentionSettings,
    RetentionSpans,
    StoreSettings,
    TypeRetention,
)

__all__ = [
    "ENVIRONMENT_PREFIX",
    "LOOPBACK",
    "AgreementLimits",
    "AgreementSettings",
    "AlertRule",
    "AlertSettings",
    "Announcements",
    "ApiListener",
    "Condition",
    "ConsoleSettings",
    "ConsoleTls",
    "ContactSettings",
    "EmailChannel",
    "EncryptionSettings",
    "EventSender",
    "FilePath",
    "HealthEvents",
    "HubSchema",
    "HubSettings",
    "HubToken",
    "IdentifierSettings",
    "InzageRule",
    "InzageSettings",
    "MappingSettings",
    "MetricsSettings",
    "OwnParty",
    "PartnerListener",
    "PartnerSettings",
    "PdpSettings",
    "PullSettings",
    "RetentionSettings",
    "RetentionSpans",
    "Section",
    "Settings",
    "SourceSettings",
    "StoreSettings",
    "TlsSettings",
    "TokenIssuer",
    "TraceSettings",
    "TrustSettings",
    "TypeRetention",
    "WebhookChannel",
    "WorkerSettings",
    "load_settings",
]
