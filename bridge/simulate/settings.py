"""Settings of the simulated peers; `python -m bridge.simulate` reads them from JSON.

Times are in seconds (or ISO 8601) in JSON. Port 0 takes a free port; a control port of None opens none.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from bridge.simulate.profile import DEFAULT_SERVICE, DEFAULT_SERVICE_TYPE, PARTY_ID_TYPE, Profile

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Tls:
    """PEM files: certificate with its issuers, private key, what to trust, and the revocation lists."""

    certificate: Path
    key: Path
    trust: Path
    crl: Path | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Peer:
    """The other party of the agreement: the bridge, or another simulated partner."""

    oin: str
    role: str
    certificate: Path


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PartnerSettings:
    """A partner's MSH. `receives` are the actions that its agreement lets the peer send."""

    name: str
    oin: str
    role: str
    cpa_id: str
    peer: Peer
    tls: Tls
    bridge_url: str = ""
    """Where its messages go, `https://…/ebms`; may be told later with `use_bridge`."""
    profile: Profile = Profile.RELIABLE_SIGNED
    sync: bool = False
    service: str = DEFAULT_SERVICE
    service_type: str | None = DEFAULT_SERVICE_TYPE
    party_id_type: str = PARTY_ID_TYPE
    receives: tuple[str, ...] = ("vtTerugkoppeling",)
    retries: int = 3
    retry_interval: timedelta = timedelta(seconds=30)
    request_timeout: timedelta = timedelta(seconds=30)
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = None
    journal: Path | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class VeiligThuis:
    """The organisation that takes up reports, and how long after it saw them."""

    oin: str
    name: str = "Veilig Thuis (test)"
    delay: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class HubSettings:
    """The hub. `in_progress` is how often a status says IN_PROGRESS before it says OK.

    `token`, when given, must come as bearer token with every request. `veilig_thuis` switches that
    behaviour on.
    """

    tls: Tls
    in_progress: int = 1
    batch_size: int = 100
    token: str | None = None
    veilig_thuis: VeiligThuis | None = None
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = None
    journal: Path | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class SourceSettings:
    """The inzage endpoint of an organisation that has migrated. `readers` are the OINs that may look."""

    tls: Tls
    readers: tuple[str, ...]
    resources: Path | None = None
    """JSON file of the form `{type: {id: {…}}}`."""
    host: str = "127.0.0.1"
    port: int = 0
