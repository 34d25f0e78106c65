"""What every flow needs, in one value: the settings, the store, the agreements, the keys, the peers, the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from cryptography import x509

from bridge.config import OwnParty, PartnerSettings, Settings
from bridge.ebms.cpa_resolve import Agreements
from bridge.ebms.keys import KeyPair
from bridge.ebms.model import Party, PartyId
from bridge.hub.client import HubClient
from bridge.hub.profile import Profile
from bridge.ids import Key
from bridge.mapping.load import MappingSet
from bridge.store.unit import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIdentity:
    """A party that the bridge plays: its PartyId, its name, and its key pairs, the newest first."""

    party_id: PartyId
    name: str
    system: str
    keys: tuple[KeyPair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostAnswer:
    """What an endpoint of a partner answered: status, headers, and a bounded body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose certificates may sign: the anchors, what stands between, and what was revoked."""

    anchors: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()


class PartnerPost(Protocol):
    """POSTs stored octets to a partner's endpoint over TLS with our certificate.

    Raises PeerUnreachable when no HTTP answer came.
    """

    async def __call__(
        self, url: str, headers: tuple[tuple[str, str], ...], body: bytes, *, own_party: PartyId
    ) -> PostAnswer: ...


def _no_worker() -> None:
    """Without a worker in this process nobody needs to be woken."""


@dataclass(slots=True, kw_only=True)
class Bridge:
    """Handed to every flow. `agreements` and `mappings` are replaced as a whole when they change on disk."""

    settings: Settings
    store: Store
    now: Callable[[], datetime]
    new_uuid: Callable[[], UUID]
    new_key: Callable[[], Key]
    jitter: Callable[[], float]
    random: Callable[[int], bytes]
    own: tuple[OwnIdentity, ...]
    trust: Trust
    agreements: Agreements
    mappings: MappingSet
    profile: Profile
    person_key: bytes = field(repr=False)
    hub: HubClient
    post: PartnerPost
    wake: Callable[[], None] = _no_worker

    @property
    def message_id_domain(self) -> str:
        """What stands behind the @ of our MessageIds (DK-146)."""
        return self.settings.host_name

    @property
    def own_party_ids(self) -> frozenset[PartyId]:
        return frozenset(identity.party_id for identity in self.own)

    def own_identity(self, party: Party) -> OwnIdentity | None:
        """The own party that any of these PartyIds names, or None."""
        return next((own for own in self.own if own.party_id in party.party_ids), None)

    def partner(self, party: Party) -> PartnerSettings | None:
        """The configured partner that any of these PartyIds names, or None."""
        named = {(p.type, p.value) for p in party.party_ids}
        return next((p for p in self.settings.partners if (p.party_id_type, p.party_id) in named), None)

    def own_settings(self, identity: OwnIdentity) -> OwnParty:
        by_id: Mapping[str, OwnParty] = {p.party_id: p for p in self.settings.own_parties}
        return by_id[identity.party_id.value]
