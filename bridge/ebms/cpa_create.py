"""Drafting a Digikoppeling CPA 2.0 for two parties, in any of the six profiles (ebMS notes 11.3, 11.4, 12.1).

Each party gets a default MSH channel for signals, best effort as in the agreements of the register, and for a
reliable profile a channel for its actions. Signals are signed where the profile signs, so that a signed
acknowledgment can be made.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bridge.ebms.cpa_channels import GUARANTEED
from bridge.ebms.cpa_description import (
    ActionDescription,
    CpaDescription,
    PartyDescription,
    read_description,
)
from bridge.ebms.durations import format_duration
from bridge.ebms.model import ACTOR_TO_PARTY, Service
from bridge.ebms.profiles import Profile
from bridge.ebms.signed_info import ECDSA_SHA256, RSA_SHA256, SHA256
from bridge.ebms.xml import CPA, DS, EB, XLINK, format_time

__all__ = ["ActionDescription", "CpaDescription", "PartyDescription", "create_cpa", "read_description"]

_NAMESPACES = {"tns": CPA, "ds": DS, "xlink": XLINK}
_SIGNALS = "MshSignalPackage"
_BUSINESS = "BusinessMessagePackage"


def create_cpa(description: CpaDescription) -> bytes:
    """The CPA as an XML document, with status agreed; `read_cpa` reads it back."""
    root = etree.Element(f"{{{CPA}}}CollaborationProtocolAgreement", nsmap=_NAMESPACES)
    _set(root, cpaid=description.cpa_id, version="2_0b")
    _add(root, "Status", value="agreed")
    _add(root, "Start").text = format_time(description.start)
    _add(root, "End").text = format_time(description.end)
    for side in ("A", "B"):
        _add_party(root, description, side)
    _add_packaging(root)
    document: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return document


def _sides(description: CpaDescription, side: str) -> tuple[PartyDescription, PartyDescription]:
    first, second = description.parties
    return (first, second) if side == "A" else (second, first)


def _add_party(root: etree._Element, description: CpaDescription, side: str) -> None:
    """The children in the order of the schema."""
    party, _ = _sides(description, side)
    element = _add(
        root,
        "PartyInfo",
        partyName=party.name,
        defaultMshChannelId=f"{side}_Signals",
        defaultMshPackageId=_SIGNALS,
    )
    _add(element, "PartyId", type=party.party_id.type or "").text = party.party_id.value
    _add(element, "PartyRef").set(f"{{{XLINK}}}href", "")
    for service in dict.fromkeys(action.service for action in description.actions):
        _add_role(element, description, side, service)
    for name, certificate in _certificates(description.profile, party):
        _add_certificate(element, f"{side}_{name}", certificate)
    _add_security(element, description.profile, side)
    _add_channels(element, description, side)
    _add_transport(element, party, side)
    _add_doc_exchange(element, description, side, "Signals", reliable=False)
    if description.profile.reliable:
        _add_doc_exchange(element, description, side, "Messages", reliable=True)


def _add_role(party: etree._Element, description: CpaDescription, side: str, service: Service) -> None:
    own, _ = _sides(description, side)
    other = "B" if side == "A" else "A"
    element = _add(party, "CollaborationRole")
    process = _add(element, "ProcessSpecification", name=service.value, version="1.0")
    process.set(f"{{{XLINK}}}type", "simple")
    process.set(f"{{{XLINK}}}href", service.value)
    role = _add(element, "Role", name=own.role)
    role.set(f"{{{XLINK}}}type", "simple")
    role.set(f"{{{XLINK}}}href", service.value)
    binding = _add(element, "ServiceBinding")
    _add(binding, "Service", type=service.type or "").text = service.value
    numbered = [(n, a) for n, a in enumerate(description.actions, start=1) if a.service == service]
    sent = [(n, a) for n, a in numbered if a.from_role == own.role]
    received = [(n, a) for n, a in numbered if a.from_role != own.role]
    for direction, letters, actions in (("CanSend", "SR", sent), ("CanReceive", "RS", received)):
        for number, action in actions:
            can = _add(binding, direction)
            _add_action(can, description, side, f"{side}_{letters[0]}_{number}", action)
            _add(can, "OtherPartyActionBinding").text = f"{other}_{letters[1]}_{number}"


def _add_action(
    can: etree._Element, description: CpaDescription, side: str, identity: str, action: ActionDescription
) -> None:
    profile = description.profile
    protected = "transient-and-persistent" if profile.signed else "transient"
    this = _add(can, "ThisPartyActionBinding", id=identity, action=action.action, packageId=_BUSINESS)
    _add(
        this,
        "BusinessTransactionCharacteristics",
        isNonRepudiationRequired=_boolean(profile.signed),
        isNonRepudiationReceiptRequired=_boolean(profile.signed and profile.reliable),
        isConfidential="transient-and-persistent" if profile.encrypted else "transient",
        isAuthenticated=protected,
        isTamperProof=protected,
        isAuthorizationRequired="true",
        isIntelligibleCheckRequired="false",
    )
    _add(this, "ChannelId").text = f"{side}_{'Messages' if profile.reliable else 'Signals'}"


def _certificates(profile: Profile, party: PartyDescription) -> Iterator[tuple[str, x509.Certificate]]:
    yield "ClientCert", party.client_certificate
    yield "ServerCert", party.server_certificate
    if profile.signed:
        yield "SigningCert", party.signing_certificate
    if profile.encrypted:
        yield "EncryptionCert", party.encryption_certificate


def _add_certificate(party: etree._Element, cert_id: str, certificate: x509.Certificate) -> None:
    element = _add(party, "Certificate", certId=cert_id)
    info = etree.SubElement(element, f"{{{DS}}}KeyInfo")
    holder = etree.SubElement(etree.SubElement(info, f"{{{DS}}}X509Data"), f"{{{DS}}}X509Certificate")
    holder.text = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")


def _add_security(party: etree._Element, profile: Profile, side: str) -> None:
    for name, certificates in (
        ("TransportSecurity", ("ClientCert", "ServerCert")),
        ("MessageSecurity", ("SigningCert",) if profile.signed else ()),
    ):
        if certificates:
            anchors = _add(_add(party, "SecurityDetails", securityId=f"{side}_{name}"), "TrustAnchors")
            for cert in certificates:
                _add(anchors, "AnchorCertificateRef", certId=f"{side}_{cert}")


def _add_channels(party: etree._Element, description: CpaDescription, side: str) -> None:
    profile = description.profile
    mode = "mshSignalsOnly" if description.sync else "none"
    names = ("Signals", "Messages") if profile.reliable else ("Signals",)
    for name in names:
        reliable = "always" if name == "Messages" else "never"
        channel = _add(
            party,
            "DeliveryChannel",
            channelId=f"{side}_{name}",
            transportId=f"{side}_Transport",
            docExchangeId=f"{side}_Exchange_{name}",
        )
        _add(
            channel,
            "MessagingCharacteristics",
            syncReplyMode=mode,
            ackRequested=reliable,
            ackSignatureRequested="always" if profile.signed and name == "Messages" else "never",
            duplicateElimination=reliable,
            actor=ACTOR_TO_PARTY,
        )


def _add_transport(party: etree._Element, description: PartyDescription, side: str) -> None:
    transport = _add(party, "Transport", transportId=f"{side}_Transport")
    sender = _add(transport, "TransportSender")
    _add(sender, "TransportProtocol", version="1.1").text = "HTTP"
    client = _add(sender, "TransportClientSecurity")
    _add(client, "TransportSecurityProtocol", version="1.2").text = "TLS"
    _add(client, "ClientCertificateRef", certId=f"{side}_ClientCert")
    _add(client, "ServerSecurityDetailsRef", securityId=f"{side}_TransportSecurity")
    receiver = _add(transport, "TransportReceiver")
    _add(receiver, "TransportProtocol", version="1.1").text = "HTTP"
    _add(receiver, "Endpoint", uri=description.endpoint, type="allPurpose")
    server = _add(receiver, "TransportServerSecurity")
    _add(server, "TransportSecurityProtocol", version="1.2").text = "TLS"
    _add(server, "ServerCertificateRef", certId=f"{side}_ServerCert")
    _add(server, "ClientSecurityDetailsRef", securityId=f"{side}_TransportSecurity")


def _add_doc_exchange(
    party: etree._Element, description: CpaDescription, side: str, name: str, *, reliable: bool
) -> None:
    own, _ = _sides(description, side)
    exchange = _add(party, "DocExchange", docExchangeId=f"{side}_Exchange_{name}")
    for role in ("Sender", "Receiver"):
        binding = _add(exchange, f"ebXML{role}Binding", version="2.0")
        if reliable:
            messaging = _add(binding, "ReliableMessaging")
            _add(messaging, "Retries").text = str(description.retries)
            _add(messaging, "RetryInterval").text = format_duration(description.retry_interval)
            _add(messaging, "MessageOrderSemantics").text = (
                GUARANTEED if description.ordered else "NotGuaranteed"
            )
            _add(binding, "PersistDuration").text = format_duration(description.persist_duration)
        if description.profile.signed:
            _add_non_repudiation(binding, own.signing_certificate, side, role)
        if description.profile.encrypted:
            _add_envelope(binding, description, side, role)


def _add_non_repudiation(
    binding: etree._Element, certificate: x509.Certificate, side: str, role: str
) -> None:
    elliptic = isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    element = _add(binding, f"{role}NonRepudiation")
    _add(element, "NonRepudiationProtocol").text = DS
    _add(element, "HashFunction").text = SHA256
    _add(element, "SignatureAlgorithm").text = ECDSA_SHA256 if elliptic else RSA_SHA256
    if role == "Sender":
        _add(element, "SigningCertificateRef", certId=f"{side}_SigningCert")
    else:
        _add(element, "SigningSecurityDetailsRef", securityId=f"{side}_MessageSecurity")


def _add_envelope(binding: etree._Element, description: CpaDescription, side: str, role: str) -> None:
    element = _add(binding, f"{role}DigitalEnvelope")
    _add(element, "DigitalEnvelopeProtocol", version="1.0").text = "XMLENC"
    algorithm = description.encryption_algorithm
    _add(element, "EncryptionAlgorithm", w3c=algorithm).text = algorithm
    if role == "Receiver":
        _add(element, "EncryptionCertificateRef", certId=f"{side}_EncryptionCert")
    else:
        _add(element, "EncryptionSecurityDetailsRef", securityId=f"{side}_MessageSecurity")


def _add_packaging(root: etree._Element) -> None:
    header = _add(root, "SimplePart", id="MessageHeader", mimetype="text/xml")
    _add(header, "NamespaceSupported", location=EB, version="2.0").text = EB
    _add(root, "SimplePart", id="Payload", mimetype="application/xml")
    for package, parts in ((_SIGNALS, ("MessageHeader",)), (_BUSINESS, ("MessageHeader", "Payload"))):
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


def _add(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{CPA}}}{tag}")
    _set(element, **attributes)
    return element


def _set(element: etree._Element, /, **attributes: str) -> None:
    for name, value in attributes.items():
        if value:
            element.set(f"{{{CPA}}}{name}", value)


def _boolean(value: bool) -> str:
    return "true" if value else "false"
