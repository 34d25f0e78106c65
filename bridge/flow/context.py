"""What a mapping is told of the message and the parties: the same for mapping, replaying and trying out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from bridge.config import PartnerSettings
from bridge.ebms.model import PartyId
from bridge.ebms.oin import OIN_TYPE, oin_in
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.mapping.context import Context
from bridge.store.blobs import ContentPurged, read_blob
from bridge.store.messages import find_content
from bridge.store.rows import Message


def mapping_context(bridge: Bridge, message: Message) -> Context:
    """For a received message: the partner is its sender, own is the party that it was sent to."""
    partner = partner_named(bridge, message.from_party)
    own = own_named(bridge, message.to_party)
    return Context(
        from_oin=oin_of_party(message.from_party),
        to_oin=oin_of_party(message.to_party),
        namespace=bridge.settings.identifiers.namespace,
        person_key=bridge.person_key,
        inzage_base=bridge.settings.inzage.base_url,
        received_at=message.at,
        new_id=lambda: str(bridge.new_uuid()),
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        service=message.service,
        action=message.action,
        timestamp=message.timestamp,
        levels=bridge.settings.hub.information_levels,
        own=_own_facts(own) if own else {},
        partner=_partner_facts(partner) if partner else {},
    )


def composing_context(bridge: Bridge, own: OwnIdentity, partner: PartnerSettings) -> Context:
    """For a message to be composed: own sends it, the partner receives it."""
    return Context(
        from_oin=oin_of_party(own.party_id.value),
        to_oin=oin_of_party(partner.party_id),
        namespace=bridge.settings.identifiers.namespace,
        person_key=bridge.person_key,
        inzage_base=bridge.settings.inzage.base_url,
        received_at=bridge.now(),
        new_id=lambda: str(bridge.new_uuid()),
        timestamp=bridge.now(),
        own=_own_facts(own),
        partner=_partner_facts(partner),
        attachment=lambda reference: attachment_octets(bridge, reference),
    )


def attachment_octets(bridge: Bridge, reference: str) -> bytes | None:
    """The octets that a resource refers to, from our own store, or None. Waits: call it from a thread."""

    def work(tx: Connection) -> bytes | None:
        blob = find_content(tx, reference)
        try:
            return None if blob is None else read_blob(tx, blob)
        except ContentPurged:
            return None

    octets = bridge.store.read_sync(work)
    if octets is None or reference != f"sha256:{hashlib.sha256(octets).hexdigest()}":
        # A partner names its parts as it likes: one that is named as the attachment of somebody else is not it.
        return None
    return octets


def partner_named(bridge: Bridge, party_id: str) -> PartnerSettings | None:
    """The configured partner with this PartyId."""
    return next((p for p in bridge.settings.partners if p.party_id == party_id), None)


def migration_of(bridge: Bridge, partner: PartnerSettings | None) -> str | None:
    """That translation has ended for this partner, in words; None while it goes on (SOH-181)."""
    if partner is None or partner.migrated_on is None:
        return None
    today = bridge.now().astimezone(ZoneInfo(bridge.settings.console.timezone)).date()
    if today < partner.migrated_on:
        return None
    return f"{partner.name} migrated on {partner.migrated_on.isoformat()}: the bridge translates nothing more for it"


def own_named(bridge: Bridge, party_id: str) -> OwnIdentity | None:
    """The own party with this PartyId."""
    return next((own for own in bridge.own if own.party_id.value == party_id), None)


def oin_of_party(party_id: str) -> str:
    """The OIN in a PartyId, without the suffix of test environments; the PartyId itself when it holds none."""
    return oin_in(PartyId(value=party_id, type=OIN_TYPE)) or party_id


def _own_facts(own: OwnIdentity) -> Mapping[str, str]:
    return {"oin": oin_of_party(own.party_id.value), "naam": own.name, "systeem": own.system}


def _partner_facts(partner: PartnerSettings) -> Mapping[str, str]:
    return {"oin": oin_of_party(partner.party_id), "naam": partner.name, "systeem": partner.system}
