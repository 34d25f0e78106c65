"""The technical half of a PartyInfo: tns:Transport, tns:DocExchange and tns:DeliveryChannel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from lxml import etree

from bridge.ebms.cpa_elements import Document, attribute, child, child_text, children, shown
from bridge.ebms.cpa_model import (
    Binding,
    Channel,
    DigitalEnvelope,
    Endpoint,
    NonRepudiation,
    PerMessage,
    Reliability,
    SyncReplyMode,
    Transport,
)
from bridge.ebms.xml import text_of

_Item = TypeVar("_Item")

GUARANTEED = "Guaranteed"
_MAX_RETRIES = 10_000

_ALGORITHM_OIDS = {
    "2.16.840.1.101.3.4.1.2": "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "2.16.840.1.101.3.4.1.22": "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
    "2.16.840.1.101.3.4.1.42": "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    "2.16.840.1.101.3.4.1.6": "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "2.16.840.1.101.3.4.1.26": "http://www.w3.org/2009/xmlenc11#aes192-gcm",
    "2.16.840.1.101.3.4.1.46": "http://www.w3.org/2009/xmlenc11#aes256-gcm",
}


def read_channels(party: etree._Element, document: Document, who: str) -> dict[str, Channel]:
    """All delivery channels of a party by channelId, their references followed."""
    transports = _by_id(party, "Transport", "transportId", _read_transport, document, who)
    exchanges = _by_id(party, "DocExchange", "docExchangeId", _read_doc_exchange, document, who)

    def read(element: etree._Element, channel_id: str, document: Document, where: str) -> Channel | None:
        transport = _referred(element, "transportId", transports, document, where)
        bindings = _referred(element, "docExchangeId", exchanges, document, where)
        if transport is None or bindings is None:
            return None
        return _read_channel(element, channel_id, transport, bindings, document, where)

    return _by_id(party, "DeliveryChannel", "channelId", read, document, who)


def _by_id(
    party: etree._Element,
    name: str,
    id_name: str,
    read: Callable[[etree._Element, str, Document, str], _Item | None],
    document: Document,
    who: str,
) -> dict[str, _Item]:
    found: dict[str, _Item] = {}
    for element in children(party, name):
        identity = attribute(element, id_name) or ""
        where = f"{who}, {name} {shown(identity)}"
        if not identity:
            document.fault(f"{who}: a {name} has no {id_name}")
        elif identity in found:
            document.fault(f"{where}: this {id_name} is given twice")
        item = read(element, identity, document, where)
        if item is not None:
            found.setdefault(identity, item)
    return found


def _referred(
    element: etree._Element, name: str, among: Mapping[str, _Item], document: Document, where: str
) -> _Item | None:
    wanted = attribute(element, name) or ""
    if wanted not in among:
        document.fault(f"{where}: {name} refers to {shown(wanted)}, which this party does not have")
    return among.get(wanted)


def _read_channel(
    element: etree._Element,
    channel_id: str,
    transport: Transport,
    bindings: tuple[Binding, Binding],
    document: Document,
    where: str,
) -> Channel:
    said = child(element, "MessagingCharacteristics")

    def per_message(name: str) -> PerMessage:
        value = None if said is None else attribute(said, name)
        return document.choice(PerMessage, value, PerMessage.PER_MESSAGE, f"{where}, {name}")

    mode = None if said is None else attribute(said, "syncReplyMode")
    return Channel(
        channel_id=channel_id,
        transport=transport,
        sender=bindings[0],
        receiver=bindings[1],
        sync_reply_mode=document.choice(SyncReplyMode, mode, SyncReplyMode.NONE, f"{where}, syncReplyMode"),
        ack_requested=per_message("ackRequested"),
        ack_signature_requested=per_message("ackSignatureRequested"),
        duplicate_elimination=per_message("duplicateElimination"),
        actor=None if said is None else attribute(said, "actor"),
    )


def _read_transport(
    element: etree._Element, transport_id: str, document: Document, where: str
) -> Transport | None:
    sender = child(element, "TransportSender")
    receiver = child(element, "TransportReceiver")
    client = None if sender is None else child(sender, "TransportClientSecurity")
    server = None if receiver is None else child(receiver, "TransportServerSecurity")
    endpoints = () if receiver is None else tuple(_read_endpoints(receiver, document, where))
    protocols: dict[str, None] = {}
    for holder in (sender, receiver, client, server):
        for name in ("TransportProtocol", "TransportSecurityProtocol"):
            protocol = None if holder is None else child(holder, name)
            if protocol is not None:
                protocols[f"{text_of(protocol)} {attribute(protocol, 'version') or ''}".strip()] = None
    return Transport(
        transport_id=transport_id,
        endpoints=endpoints,
        client_certificate=document.certificate(client, "ClientCertificateRef", where),
        server_certificate=document.certificate(server, "ServerCertificateRef", where),
        protocols=tuple(protocols),
    )


def _read_endpoints(receiver: etree._Element, document: Document, where: str) -> list[Endpoint]:
    endpoints = []
    for element in children(receiver, "Endpoint"):
        uri = attribute(element, "uri")
        if uri is None:
            document.fault(f"{where}: an Endpoint has no uri")
        else:
            endpoints.append(Endpoint(uri=uri, type=attribute(element, "type") or "allPurpose"))
    return endpoints


def _read_doc_exchange(
    element: etree._Element, _identity: str, document: Document, where: str
) -> tuple[Binding, Binding]:
    sender = child(element, "ebXMLSenderBinding")
    receiver = child(element, "ebXMLReceiverBinding")
    return (
        Binding() if sender is None else _read_binding(sender, "Sender", document, where),
        Binding() if receiver is None else _read_binding(receiver, "Receiver", document, where),
    )


def _read_binding(element: etree._Element, side: str, document: Document, where: str) -> Binding:
    signing = child(element, f"{side}NonRepudiation")
    envelope = child(element, f"{side}DigitalEnvelope")
    reliability = child(element, "ReliableMessaging")
    persist = child(element, "PersistDuration")
    if persist is None and reliability is not None:
        persist = child(reliability, "PersistDuration")
    return Binding(
        reliability=None if reliability is None else _read_reliability(reliability, document, where),
        persist_duration=document.duration(persist, f"{where}, PersistDuration"),
        non_repudiation=None if signing is None else _read_non_repudiation(signing, document, where),
        digital_envelope=None if envelope is None else _read_envelope(envelope, document, where),
    )


def _read_reliability(element: etree._Element, document: Document, where: str) -> Reliability:
    retries = child_text(element, "Retries")
    interval = child(element, "RetryInterval")
    return Reliability(
        retries=document.attempt(_count, retries, f"{where}, Retries") if retries else None,
        retry_interval=document.duration(interval, f"{where}, RetryInterval"),
        ordered=child_text(element, "MessageOrderSemantics") == GUARANTEED,
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= _MAX_RETRIES):
        raise ValueError(f"not a whole number from 0 to {_MAX_RETRIES}")
    return int(text)


def _read_non_repudiation(element: etree._Element, document: Document, where: str) -> NonRepudiation:
    return NonRepudiation(
        hash_function=_algorithm(element, "HashFunction", document, where),
        signature_algorithm=_algorithm(element, "SignatureAlgorithm", document, where),
        certificate=document.certificate(element, "SigningCertificateRef", where),
    )


def _read_envelope(element: etree._Element, document: Document, where: str) -> DigitalEnvelope:
    return DigitalEnvelope(
        protocol=child_text(element, "DigitalEnvelopeProtocol"),
        algorithm=_algorithm(element, "EncryptionAlgorithm", document, where),
        certificate=document.certificate(element, "EncryptionCertificateRef", where),
    )


def _algorithm(parent: etree._Element, name: str, document: Document, where: str) -> str:
    """The URI of an algorithm: the `w3c` attribute first, then the text, then the oid (section 10)."""
    element = child(parent, name)
    if element is None:
        document.fault(f"{where}: {name} is missing")
        return ""
    oid = attribute(element, "oid") or ""
    uri = attribute(element, "w3c") or text_of(element) or _ALGORITHM_OIDS.get(oid, "")
    if not uri:
        document.fault(f"{where}: {name} names no algorithm that the bridge knows")
    return _ALGORITHM_OIDS.get(uri, uri)
