"""What every flow needs, in one value: the settings, the store, the agreements, the keys, the peers, the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from cryptography import x509

from bridge.config import PartnerSettings, Settings
from bridge.ebms.cpa_resolve import Agreements
from bridge.ebms.keys import KeyPair
from bridge.ebms.model import Content, Party, PartyId
from bridge.flow.clock import SharedClock
from bridge.flow.event_schemas import SchemaKeeper
from bridge.flow.trust import Gate, Trust
from bridge.flow.xsd import NO_SCHEMAS, Schemas
from bridge.hub.client import HubClient
from bridge.hub.profile import Profile
from bridge.ids import Key
from bridge.inzage.client import Source, SourceClient
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
class Route:
    """Where a POST goes, as whom, and what is asked of the server beside a good certificate."""

    url: str
    own_party: PartyId
    client_certificate: x509.Certificate | None = None
    """The one of ours that the agreement names; None, or one without a key here: our newest."""
    pinned: tuple[x509.Certificate, ...] = ()
    """The only server certificates that will do; none: any that the trusted authorities issued."""


class PartnerPost(Protocol):
    """POSTs stored octets to a partner's endpoint over TLS with our certificate.

    Raises PeerUnreachable when no HTTP answer came.
    """

    async def __call__(
        self, route: Route, headers: tuple[tuple[str, str], ...], body: Content
    ) -> PostAnswer: ...


class FetchList(Protocol):
    """GETs the revocation list at an address. Raises PeerUnreachable when none came."""

    async def __call__(self, url: str) -> bytes: ...


def _no_worker() -> None:
    """Without a worker in this process nobody needs to be woken."""


def _no_words(key: str, values: Mapping[str, str]) -> str:
    """Without a catalogue: the key, and the values as they are."""
    return " ".join((key, *(f"{name}={value}" for name, value in sorted(values.items()))))


@dataclass(slots=True, kw_only=True)
class Bridge:
    """Handed to every flow. `agreements` and `mappings` are replaced as a whole when they change on disk.

    `problems` says what is wrong with something that was to be taken up while running, by its name; what was
    there before goes on.
    """

    settings: Settings
    store: Store
    now: Callable[[], datetime]
    shared_clock: SharedClock | None = None
    """What `now` asks, when it is to be compared with the database; None: a clock of its own."""
    new_uuid: Callable[[], UUID]
    new_key: Callable[[], Key]
    jitter: Callable[[], float]
    random: Callable[[int], bytes]
    own: tuple[OwnIdentity, ...]
    renewed: Mapping[str, tuple[x509.Certificate, ...]]
    """By the PartyId of a partner: certificates that count beside those of its agreements."""
    gate: Gate
    agreements: Agreements = field(repr=False)
    mappings: MappingSet = field(repr=False)
    schemas: Schemas = field(default=NO_SCHEMAS, repr=False)
    profile: Profile
    person_key: bytes = field(repr=False)
    hub: HubClient
    schema_keeper: SchemaKeeper | None = None
    post: PartnerPost
    fetch_list: FetchList
    sources: tuple[Source, ...]
    source_client: SourceClient
    wake: Callable[[], None] = _no_worker
    words: Callable[[str, Mapping[str, str]], str] = field(default=_no_words, repr=False)
    """Sentences for people outside the console, in the language of the settings."""
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def message_id_domain(self) -> str:
        """What stands behind the @ of our MessageIds (DK-146)."""
        return self.settings.host_name

    def new_local_id(self) -> str:
        """For a MessageId or a Content-ID: globally unique, in the form local@domain (DK-47, DK-146)."""
        return f"{self.new_uuid()}@{self.message_id_domain}"

    @property
    def trust(self) -> Trust:
        """Whose certificates count now."""
        return self.gate.trust

    @property
    def own_party_ids(self) -> frozenset[PartyId]:
        return frozenset(identity.party_id for identity in self.own)

    def own_identity(self, party: Party) -> OwnIdentity | None:
        """The own party that any of these PartyIds names, or None."""
        return next((own for own in self.own if own.party_id in party.party_ids), None)

    def renewed_of(self, party: Party) -> tuple[x509.Certificate, ...]:
        """Certificates of a partner that its agreements do not name yet."""
        return tuple(c for party_id in party.party_ids for c in self.renewed.get(party_id.value, ()))

    def partner(self, party: Party) -> PartnerSettings | None:
        """The configured partner that any of these PartyIds names, or None."""
        named = {(p.type, p.value) for p in party.party_ids}
        return next((p for p in self.settings.partners if (p.party_id_type, p.party_id) in named), None)
