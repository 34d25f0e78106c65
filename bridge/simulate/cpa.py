"""A CPA 2.0 between a simulated partner and the bridge, from this module's own template.

One channel per party carries all actions and all signals, as Digikoppeling asks of one agreement.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bridge.ebms.model import ACTOR_TO_PARTY
from bridge.simulate.profile import DEFAULT_SERVICE, DEFAULT_SERVICE_TYPE, PARTY_ID_TYPE, Profile

_TNS = "http://www.oasis-open.org/committees/ebxml-cppa/schema/cpp-cpa-2_0.xsd"
_DS = "http://www.w3.org/2000/09/xmldsig#"
_XLINK = "http://www.w3.org/1999/xlink"
_MSG_HEADER = "http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

_Element = etree._Element


@dataclass(frozen=True, slots=True, kw_only=True)
class CpaParty:
    """One side of the agreement. `certificate` is PEM; its first certificate is the one that counts."""

    name: str
    oin: str
    role: str
    endpoint: str
    certificate: bytes
    party_id_type: str = PARTY_ID_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class CpaTerms:
    """What the two agree on, the same both ways. `persist_duration` defaults to all attempts and one hour."""

    cpa_id: str
    profile: Profile
    start: datetime
    end: datetime
    service: str = DEFAULT_SERVICE
    service_type: str | None = DEFAULT_SERVICE_TYPE
    sync: bool = False
    retries: int = 3
    retry_interval: timedelta = timedelta(seconds=30)
    persist_duration: timedelta | None = None
    partner_actions: Sequence[str] = ("vtMelding",)
    bridge_actions: Sequence[str] = ("vtTerugkoppeling",)


def make_cpa(terms: CpaTerms, *, partner: CpaParty, bridge: CpaParty) -> bytes:
    """The agreement as an XML document: the partner sends `partner_actions`, the bridge `bridge_actions`."""
    root = etree.Element(
        _tns("CollaborationProtocolAgreement"), nsmap={"tns": _TNS, "ds": _DS, "xlink": _XLINK}
    )
    root.set(_tns("cpaid"), terms.cpa_id)
    root.set(_tns("version"), "1.0")
    _add(root, "Status", value="agreed")
    _add(root, "Start", text=_time(terms.start))
    _add(root, "End", text=_time(terms.end))
    sends, receives = tuple(terms.partner_actions), tuple(terms.bridge_actions)
    _add_party(root, terms, _Side(prefix="PARTNER", party=partner, other="BRIDGE"), sends, receives)
    _add_party(root, terms, _Side(prefix="BRIDGE", party=bridge, other="PARTNER"), receives, sends)
    _add_packaging(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    prefix: str
    party: CpaParty
    other: str

    @property
    def channel(self) -> str:
        return f"{self.prefix}_Channel"


def _tns(name: str) -> str:
    return f"{{{_TNS}}}{name}"


def _add(parent: _Element, name: str, /, *, text: str | None = None, **attributes: str) -> _Element:
    element = etree.SubElement(parent, _tns(name))
    element.text = text
    for key, value in attributes.items():
        element.set(_tns(key), value)
    return element


def _add_party(
    root: _Element, terms: CpaTerms, side: _Side, sends: tuple[str, ...], receives: tuple[str, ...]
) -> None:
    info = _add(
        root,
        "PartyInfo",
        partyName=side.party.name,
        defaultMshChannelId=side.channel,
        defaultMshPackageId="MshSignalPackage",
    )
    _add(info, "PartyId", text=side.party.oin, type=side.party.party_id_type)
    _add(info, "PartyRef").set(f"{{{_XLINK}}}href", "")
    _add_role(info, terms, side, sends, receives)
    _add_certificate(info, side)
    security = _add(info, "SecurityDetails", securityId=f"{side.prefix}_Security")
    _add(_add(security, "TrustAnchors"), "AnchorCertificateRef", certId=f"{side.prefix}_Cert")
    _add_channel(info, terms, side)
    _add_transport(info, side)
    _add_doc_exchange(info, terms, side)


def _add_role(
    info: _Element, terms: CpaTerms, side: _Side, sends: tuple[str, ...], receives: tuple[str, ...]
) -> None:
    collaboration = _add(info, "CollaborationRole")
    process = _add(collaboration, "ProcessSpecification", name=terms.service, version="1.0")
    process.set(f"{{{_XLINK}}}href", "urn:process")
    _add(collaboration, "Role", name=side.party.role).set(f"{{{_XLINK}}}href", "urn:process")
    binding = _add(collaboration, "ServiceBinding")
    kind = {"type": terms.service_type} if terms.service_type else {}
    _add(binding, "Service", text=terms.service, **kind)
    for action in sends:
        _add_action(binding, terms, side, "CanSend", action)
    for action in receives:
        _add_action(binding, terms, side, "CanReceive", action)


def _add_action(binding: _Element, terms: CpaTerms, side: _Side, way: str, action: str) -> None:
    own, other = ("S", "R") if way == "CanSend" else ("R", "S")
    can = _add(binding, way)
    this = _add(
        can,
        "ThisPartyActionBinding",
        id=f"{side.prefix}_{own}_{action}",
        action=action,
        packageId="MessagePackage",
    )
    lasting = "transient-and-persistent" if terms.profile.signed else "transient"
    _add(
        this,
        "BusinessTransactionCharacteristics",
        isNonRepudiationRequired=_boolean(terms.profile.signed),
        isNonRepudiationReceiptRequired=_boolean(terms.profile.signed and terms.profile.reliable),
        isConfidential="transient",
        isAuthenticated=lasting,
        isTamperProof=lasting,
        isAuthorizationRequired="true",
        isIntelligibleCheckRequired="false",
        timeToPerform="P2D",
    )
    _add(this, "ChannelId", text=side.channel)
    _add(can, "OtherPartyActionBinding", text=f"{side.other}_{other}_{action}")


def _add_certificate(info: _Element, side: _Side) -> None:
    certificate = x509.load_pem_x509_certificate(side.party.certificate)
    holder = _add(info, "Certificate", certId=f"{side.prefix}_Cert")
    key_info = etree.SubElement(holder, f"{{{_DS}}}KeyInfo")
    held = etree.SubElement(etree.SubElement(key_info, f"{{{_DS}}}X509Data"), f"{{{_DS}}}X509Certificate")
    held.text = base64.encodebytes(certificate.public_bytes(Encoding.DER)).decode("ascii")


def _add_channel(info: _Element, terms: CpaTerms, side: _Side) -> None:
    channel = _add(
        info,
        "DeliveryChannel",
        channelId=side.channel,
        transportId=f"{side.prefix}_Transport",
        docExchangeId=f"{side.prefix}_DocExchange",
    )
    reliable = terms.profile.reliable
    _add(
        channel,
        "MessagingCharacteristics",
        syncReplyMode="mshSignalsOnly" if terms.sync else "none",
        ackRequested=_always(reliable),
        ackSignatureRequested=_always(reliable and terms.profile.signed),
        duplicateElimination=_always(reliable),
        actor=ACTOR_TO_PARTY,
    )


def _add_transport(info: _Element, side: _Side) -> None:
    certificate, security = f"{side.prefix}_Cert", f"{side.prefix}_Security"
    transport = _add(info, "Transport", transportId=f"{side.prefix}_Transport")
    sender = _add(transport, "TransportSender")
    _add(sender, "TransportProtocol", text="HTTP", version="1.1")
    client = _add(sender, "TransportClientSecurity")
    _add(client, "TransportSecurityProtocol", text="TLS", version="1.2")
    _add(client, "ClientCertificateRef", certId=certificate)
    _add(client, "ServerSecurityDetailsRef", securityId=security)
    receiver = _add(transport, "TransportReceiver")
    _add(receiver, "TransportProtocol", text="HTTP", version="1.1")
    _add(receiver, "Endpoint", uri=side.party.endpoint, type="allPurpose")
    server = _add(receiver, "TransportServerSecurity")
    _add(server, "TransportSecurityProtocol", text="TLS", version="1.2")
    _add(server, "ServerCertificateRef", certId=certificate)
    _add(server, "ClientSecurityDetailsRef", securityId=security)


def _add_doc_exchange(info: _Element, terms: CpaTerms, side: _Side) -> None:
    exchange = _add(info, "DocExchange", docExchangeId=f"{side.prefix}_DocExchange")
    sender = _add(exchange, "ebXMLSenderBinding", version="2.0")
    _add_reliable(sender, terms)
    if terms.profile.signed:
        repudiation = _add_non_repudiation(sender, "SenderNonRepudiation")
        _add(repudiation, "SigningCertificateRef", certId=f"{side.prefix}_Cert")
    receiver = _add(exchange, "ebXMLReceiverBinding", version="2.0")
    _add_reliable(receiver, terms)
    if terms.profile.signed:
        repudiation = _add_non_repudiation(receiver, "ReceiverNonRepudiation")
        _add(repudiation, "SigningSecurityDetailsRef", securityId=f"{side.prefix}_Security")


def _add_reliable(binding: _Element, terms: CpaTerms) -> None:
    if not terms.profile.reliable:
        return
    messaging = _add(binding, "ReliableMessaging")
    _add(messaging, "Retries", text=str(terms.retries))
    _add(messaging, "RetryInterval", text=_duration(terms.retry_interval))
    _add(messaging, "MessageOrderSemantics", text="NotGuaranteed")
    whole = terms.persist_duration or terms.retry_interval * (1 + terms.retries) + timedelta(hours=1)
    _add(binding, "PersistDuration", text=_duration(whole))


def _add_non_repudiation(binding: _Element, name: str) -> _Element:
    repudiation = _add(binding, name)
    _add(repudiation, "NonRepudiationProtocol", text=_DS)
    _add(repudiation, "HashFunction", text=_SHA256)
    _add(repudiation, "SignatureAlgorithm", text=_RSA_SHA256)
    return repudiation


def _add_packaging(root: _Element) -> None:
    header = _add(root, "SimplePart", id="MsgHdr", mimetype="text/xml")
    _add(header, "NamespaceSupported", text=_MSG_HEADER, location=_MSG_HEADER, version="2.0")
    _add(root, "SimplePart", id="Payload", mimetype="text/xml")
    for package, parts in (("MshSignalPackage", ("MsgHdr",)), ("MessagePackage", ("MsgHdr", "Payload"))):
        packaging = _add(root, "Packaging", id=package)
        _add(packaging, "ProcessingCapabilities", parse="true", generate="true")
        composite = _add(
            _add(packaging, "CompositeList"),
            "Composite",
            id=f"{package}_Composite",
            mimetype="multipart/related",
            mimeparameters="type=text/xml",
        )
        for part in parts:
            _add(composite, "Constituent", idref=part)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _always(value: bool) -> str:
    return "always" if value else "never"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(span: timedelta) -> str:
    """xs:duration, in seconds."""
    seconds = f"{span.total_seconds():.3f}".rstrip("0").rstrip(".")
    return f"PT{seconds}S"
