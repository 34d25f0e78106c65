"""CPA 2.0 documents in: octets → `Agreement`.

Tolerant where real agreements are loose: comments and white space anywhere, attributes with or without
prefix, transport security versions (`SSL 3.0`) that nobody obeys, `ds:KeyInfo` with more than the
certificate, missing dates. Strict where a wrong guess would send a message to the wrong place: every
reference must resolve. All faults of a document are reported at once. Judging an agreement that can be read
is `cpa_lint`'s work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from lxml import etree

from bridge.ebms.cpa_channels import read_channels
from bridge.ebms.cpa_elements import Document, attribute, child, child_text, children, shown
from bridge.ebms.cpa_model import (
    ActionBinding,
    Agreement,
    Channel,
    Characteristics,
    CollaborationRole,
    NamedCertificate,
    PartyInfo,
    PerMessage,
    Persistence,
    SyncReplyMode,
)
from bridge.ebms.keys import load_certificate
from bridge.ebms.model import PartyId, Service
from bridge.ebms.xml import CPA, DS, XmlProblem, local_name, parse_time, parse_xml, text_of
from bridge.errors import ConfigError
from bridge.ids import CpaId

__all__ = ["Agreement", "PartyInfo", "PerMessage", "SyncReplyMode", "read_cpa"]


def read_cpa(octets: bytes) -> Agreement:
    """The agreement that a CPA 2.0 document holds. Raises ConfigError with every structural fault."""
    try:
        root = parse_xml(octets)
    except XmlProblem as error:
        raise ConfigError([f"the CPA cannot be read as XML: {error}"]) from error
    if root.tag != f"{{{CPA}}}CollaborationProtocolAgreement":
        raise ConfigError(["the document is no CPA 2.0: its root is not tns:CollaborationProtocolAgreement"])
    document = Document()
    agreement = _read_agreement(root, document)
    if document.faults or agreement is None:
        raise ConfigError(document.faults)
    return agreement


def _read_agreement(root: etree._Element, document: Document) -> Agreement | None:
    cpa_id = attribute(root, "cpaid")
    if cpa_id is None:
        document.fault("the agreement has no cpaid")
    status = child(root, "Status")
    document.certificates = _read_certificates(root, document)
    elements = tuple(children(root, "PartyInfo"))
    if len(elements) != 2:
        document.fault(f"an agreement is between two parties; this document has {len(elements)} PartyInfo")
    parties = [party for element in elements[:2] if (party := _read_party(element, document)) is not None]
    _check_references(root, document)
    start = _moment(root, "Start", document)
    end = _moment(root, "End", document)
    if start and end and end < start:
        document.fault("the agreement ends before it starts")
    if len(parties) != 2 or cpa_id is None:
        return None
    first, second = parties
    if set(first.party_ids) & set(second.party_ids):
        document.fault("the two parties share a PartyId, so nobody can tell sender from receiver")
    return Agreement(
        cpa_id=CpaId(cpa_id),
        status="" if status is None else attribute(status, "value") or "",
        start=start,
        end=end,
        parties=(first, second),
    )


def _moment(root: etree._Element, name: str, document: Document) -> datetime | None:
    text = child_text(root, name)
    return document.attempt(parse_time, text, name) if text else None


def _read_certificates(root: etree._Element, document: Document) -> dict[str, NamedCertificate | None]:
    found: dict[str, NamedCertificate | None] = {}
    for party in children(root, "PartyInfo"):
        for element in children(party, "Certificate"):
            cert_id = attribute(element, "certId") or ""
            if cert_id in found:
                document.fault(f"certificate {shown(cert_id)}: this certId is given twice")
            found[cert_id] = _read_certificate(element, cert_id)
    return found


def _read_certificate(element: etree._Element, cert_id: str) -> NamedCertificate | None:
    """The first X509Certificate; KeyValue, subject names and the like say nothing that counts."""
    encoded = next(iter(element.iter(f"{{{DS}}}X509Certificate")), None)
    if encoded is None:
        return None
    try:
        certificate = load_certificate(text_of(encoded))
    except ConfigError:
        return None
    return NamedCertificate(cert_id=cert_id, certificate=certificate)


def _check_references(root: etree._Element, document: Document) -> None:
    """References that reading does not follow itself must lead somewhere as well."""
    details = {attribute(e, "securityId") for e in root.iter(f"{{{CPA}}}SecurityDetails")}
    bindings = {attribute(e, "id") for e in root.iter(f"{{{CPA}}}ThisPartyActionBinding")}
    for element in root.iter(f"{{{CPA}}}*"):
        name = local_name(element)
        if name == "AnchorCertificateRef" and attribute(element, "certId") not in document.certificates:
            wanted = shown(attribute(element, "certId") or "")
            document.fault(
                f"a trust anchor refers to certificate {wanted}, which the agreement does not hold"
            )
        if name.endswith("SecurityDetailsRef") and attribute(element, "securityId") not in details:
            wanted = shown(attribute(element, "securityId") or "")
            document.fault(f"{name} refers to SecurityDetails {wanted}, which the agreement does not hold")
        if name == "OtherPartyActionBinding" and text_of(element) not in bindings:
            wanted = shown(text_of(element))
            document.fault(f"OtherPartyActionBinding refers to action binding {wanted}, which does not exist")


def _read_party(element: etree._Element, document: Document) -> PartyInfo | None:
    name = attribute(element, "partyName") or ""
    who = f"party {shown(name)}"
    party_ids = tuple(
        PartyId(value=text_of(e), type=attribute(e, "type"))
        for e in children(element, "PartyId")
        if text_of(e)
    )
    if not party_ids:
        document.fault(f"{who} has no PartyId")
    channels = read_channels(element, document, who)
    default_id = attribute(element, "defaultMshChannelId") or ""
    default = channels.get(default_id)
    if default is None:
        document.fault(
            f"{who}: defaultMshChannelId is {shown(default_id)}, which is no channel of this party; "
            "without it no acknowledgment or error can be sent"
        )
    roles = tuple(_read_roles(element, channels, document, who))
    overrides = tuple(_read_overrides(element, channels, document, who))
    own = {attribute(e, "certId") for e in children(element, "Certificate")}
    if default is None:
        return None
    return PartyInfo(
        name=name,
        party_ids=party_ids,
        roles=roles,
        default_channel=default,
        overrides=overrides,
        certificates=tuple(c for c in document.certificates.values() if c is not None and c.cert_id in own),
        channels=tuple(channels.values()),
    )


def _read_overrides(
    party: etree._Element, channels: Mapping[str, Channel], document: Document, who: str
) -> Iterator[tuple[str, Channel]]:
    for element in children(party, "OverrideMshActionBinding"):
        action = attribute(element, "action") or ""
        channel_id = attribute(element, "channelId") or ""
        if channel_id in channels:
            yield action, channels[channel_id]
        else:
            document.fault(
                f"{who}: OverrideMshActionBinding for {shown(action)} refers to channel {shown(channel_id)}, "
                "which this party does not have"
            )


def _read_roles(
    party: etree._Element, channels: Mapping[str, Channel], document: Document, who: str
) -> Iterator[CollaborationRole]:
    for element in children(party, "CollaborationRole"):
        role = child(element, "Role")
        name = "" if role is None else attribute(role, "name") or ""
        if not name:
            document.fault(f"{who}: a CollaborationRole has no Role name")
        for binding in children(element, "ServiceBinding"):
            service = child(binding, "Service")
            if service is None or not text_of(service):
                document.fault(f"{who}, role {shown(name)}: a ServiceBinding has no Service")
                continue
            yield CollaborationRole(
                role=name,
                service=Service(value=text_of(service), type=attribute(service, "type")),
                can_send=tuple(_read_actions(binding, "CanSend", channels, document, who)),
                can_receive=tuple(_read_actions(binding, "CanReceive", channels, document, who)),
            )


def _read_actions(
    service: etree._Element, direction: str, channels: Mapping[str, Channel], document: Document, who: str
) -> Iterator[ActionBinding]:
    """The bindings of one direction, those nested in the other direction (synchronous responses) included."""
    for element in service.iter(f"{{{CPA}}}{direction}"):
        this = child(element, "ThisPartyActionBinding")
        if this is None:
            document.fault(f"{who}: a {direction} has no ThisPartyActionBinding")
            continue
        binding = _read_action(this, child_text(element, "OtherPartyActionBinding"), channels, document, who)
        if binding is not None:
            yield binding


def _read_action(
    element: etree._Element, other_id: str, channels: Mapping[str, Channel], document: Document, who: str
) -> ActionBinding | None:
    action = attribute(element, "action") or ""
    where = f"{who}, action {shown(action)}"
    if not action:
        document.fault(f"{who}: a ThisPartyActionBinding has no action")
    wanted = [text_of(e) for e in children(element, "ChannelId")]
    if not wanted:
        document.fault(f"{where} has no ChannelId")
    for channel_id in wanted:
        if channel_id not in channels:
            document.fault(f"{where}: ChannelId {shown(channel_id)} is no channel of this party")
    found = tuple(channels[channel_id] for channel_id in wanted if channel_id in channels)
    characteristics = _read_characteristics(element, document, where)
    if not found:
        return None
    return ActionBinding(
        id=attribute(element, "id") or "",
        action=action,
        characteristics=characteristics,
        channels=found,
        other_id=other_id or None,
    )


def _read_characteristics(element: etree._Element, document: Document, where: str) -> Characteristics:
    said = child(element, "BusinessTransactionCharacteristics")

    def value(name: str) -> str | None:
        return None if said is None else attribute(said, name)

    def truth(name: str) -> bool:
        return document.attempt(_boolean, value(name) or "false", f"{where}, {name}") or False

    def protection(name: str) -> Persistence:
        return document.choice(
            Persistence, _as_persistence(value(name)), Persistence.NONE, f"{where}, {name}"
        )

    return Characteristics(
        non_repudiation=truth("isNonRepudiationRequired"),
        confidential=protection("isConfidential"),
        authenticated=protection("isAuthenticated"),
        tamper_proof=protection("isTamperProof"),
    )


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text not in values:
        raise ValueError("neither true nor false")
    return values[text]


def _as_persistence(text: str | None) -> str | None:
    """Agreements made by CPA 1.0 tools say `false` and `true` where 2.0 has four values."""
    return {"false": "none", "0": "none", "true": "transient", "1": "transient"}.get(text or "", text)
