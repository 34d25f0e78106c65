"""Checks of the technical half: channels, endpoints, algorithms, certificates and our own keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from cryptography import x509

from bridge.ebms.cpa_findings import (
    Finding,
    Level,
    LintCase,
    error,
    exchanges,
    hint,
    used_channels,
    warning,
)
from bridge.ebms.cpa_model import Channel, NamedCertificate, PartyInfo, SyncReplyMode, Transport
from bridge.ebms.keys import oin_of, subject_text
from bridge.ebms.model import ACTOR_TO_PARTY
from bridge.ebms.oin import oin_in

_HTTPS_PORT = 443
_SYNC_ALLOWED = (SyncReplyMode.NONE, SyncReplyMode.MSH_SIGNALS_ONLY)


def channels(case: LintCase) -> Iterator[Finding]:
    for party, channel in used_channels(case.agreement):
        where = _channel(party, channel)
        if channel.sync_reply_mode not in _SYNC_ALLOWED:
            text = f"syncReplyMode is {channel.sync_reply_mode}; only none and mshSignalsOnly may be (DK-85)."
            yield warning("sync-mode", where, text)
        if channel.actor is None:
            text = (
                "The actor is missing; the usual adapter then refuses every acknowledgment. Add toPartyMSH."
            )
            yield warning("actor", where, text)
        elif channel.actor != ACTOR_TO_PARTY:
            yield warning(
                "actor", where, "The actor is not toPartyMSH, the only one in Digikoppeling (DK-88)."
            )
        yield from _algorithms(case, channel, where)


def _algorithms(case: LintCase, channel: Channel, where: str) -> Iterator[Finding]:
    for binding in (channel.sender, channel.receiver):
        signing, envelope = binding.non_repudiation, binding.digital_envelope
        if signing and any(
            n.lower().endswith("sha1") for n in (signing.hash_function, signing.signature_algorithm)
        ):
            text = "Signatures use SHA-1. SHA-256 or stronger is required (DK-128)."
            yield Finding(code="sha1", level=case.strict, where=where, text=text)
        if envelope is None:
            continue
        if envelope.algorithm.endswith("tripledes-cbc"):
            yield Finding(
                code="3des", level=case.strict, where=where, text="Payload is encrypted with 3DES (DK-134)."
            )
        elif envelope.algorithm.endswith("-cbc"):
            yield warning(
                "cbc", where, "Payload is encrypted in CBC mode; the rules ask for AES-GCM (DK-134)."
            )
        if envelope.protocol.upper() != "XMLENC":
            text = f"The encryption protocol is '{envelope.protocol}'; only XMLENC is possible (DK-133)."
            yield error("encryption-protocol", where, text)


def endpoints(case: LintCase) -> Iterator[Finding]:
    for party, channel in used_channels(case.agreement):
        transport = channel.transport
        where = f"party {party}, transport {transport.transport_id}"
        if not transport.endpoints:
            yield error(
                "no-endpoint", where, "The transport has no endpoint, so nothing can be sent to this party."
            )
        for endpoint in transport.endpoints:
            yield from _endpoint(case, endpoint.uri, transport, where)
        if any(protocol.upper().startswith("SSL") for protocol in transport.protocols):
            text = "The agreement names SSL. That is not obeyed: TLS 1.2 or 1.3 is used (DK-76)."
            yield hint("ssl", where, text)


def _endpoint(case: LintCase, uri: str, transport: Transport, where: str) -> Iterator[Finding]:
    url = _split(uri)
    scheme = url.scheme.lower() if url else ""
    if url is None or scheme not in ("http", "https") or not url.hostname:
        shown = scheme or "something that is no URL"
        yield error("endpoint", where, f"The endpoint is {shown}; only https is used (DK-32).")
        return
    if url.username or url.password:
        yield error(
            "credentials",
            where,
            "The endpoint holds a user name or password; certificates are used (DK-116).",
        )
    if scheme == "http":
        text = "The endpoint is plain http, which anyone can read and change (DK-30)."
        yield Finding(code="plain-http", level=case.strict, where=where, text=text)
        return
    if (_port(url) or _HTTPS_PORT) != _HTTPS_PORT:
        yield warning("port", where, f"The endpoint is not on port 443 (DK-143), but on {_port(url)}.")
    server = transport.server_certificate
    if server is not None and not _serves(server.certificate, url.hostname):
        text = f"The server certificate does not name {url.hostname} (DK-149): connecting will fail."
        yield warning("host-name", where, text)


def _split(uri: str) -> SplitResult | None:
    try:
        url = urlsplit(uri)
        _ = url.port, url.hostname
    except ValueError:
        return None
    return url


def _port(url: SplitResult) -> int | None:
    return url.port


def _serves(certificate: x509.Certificate, host: str) -> bool:
    """Whether the certificate names this host: a name or address in SubjectAltName, else the common name."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
        addresses = names.get_values_for_type(x509.IPAddress)
    except (x509.ExtensionNotFound, ValueError):
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        dns, addresses = [str(name.value).lower() for name in common], []
    try:
        return ipaddress.ip_address(host) in addresses
    except ValueError:
        return any(name == host or name == "*." + host.partition(".")[2] for name in dns)


def certificates(case: LintCase) -> Iterator[Finding]:
    end = case.agreement.end
    for party in case.agreement.parties:
        for named in party.certificates:
            where = f"party {party}, certificate {named.cert_id}"
            until = named.certificate.not_valid_after_utc
            if until < case.now:
                text = f"The certificate expired on {until:%Y-%m-%d}. Map it to its successor."
                yield warning("certificate-expired", where, text)
            elif end is not None and until < end:
                text = (
                    f"The certificate expires on {until:%Y-%m-%d}, the agreement on {end:%Y-%m-%d} (DK-148)."
                )
                yield warning("certificate-before-end", where, text)
            yield from _certificate_rules(case, party, named, where)


def _certificate_rules(
    case: LintCase, party: PartyInfo, named: NamedCertificate, where: str
) -> Iterator[Finding]:
    certificate = named.certificate
    if certificate.subject == certificate.issuer:
        text = "The certificate is self-signed, which only tests may use (DK-69, DK-118)."
        yield Finding(code="self-signed", level=case.strict, where=where, text=text)
    if (
        case.production
        and "TRIAL" in (subject_text(certificate) + certificate.issuer.rfc4514_string()).upper()
    ):
        yield warning("trial-certificate", where, "This is a test certificate (TRIAL PKIoverheid) (DK-151).")
    oin = oin_of(certificate)
    parties = {oin_in(party_id) for party_id in party.party_ids} - {None}
    if oin is None:
        text = "The certificate has no OIN in Subject.serialNumber: it is not PKIoverheid (DK-68, DK-136)."
        level = case.strict if parties else Level.WARNING
        yield Finding(code="no-oin", level=level, where=where, text=text)
    elif parties and oin not in parties:
        text = f"The OIN in the certificate, {oin}, is not the party's and needs its authorisation (DK-37)."
        yield warning("other-oin", where, text)


def own_keys(case: LintCase) -> Iterator[Finding]:
    """For what we sign, decrypt and prove on the line we need the private key."""
    for party in case.agreement.parties:
        if case.is_own(party):
            yield from _missing_keys(case, party)


def _missing_keys(case: LintCase, party: PartyInfo) -> Iterator[Finding]:
    needed: dict[str, tuple[NamedCertificate, Level, str]] = {}
    for exchange in exchanges(case.agreement):
        said = exchange.send.characteristics
        if exchange.sender is party and said.non_repudiation:
            signing = exchange.send.channel.sender.non_repudiation
            _need(needed, signing.certificate if signing else None, Level.ERROR, "sign messages")
        if exchange.receiver is party and exchange.receive and said.confidential.in_the_message:
            envelope = exchange.receive.channel.receiver.digital_envelope
            _need(needed, envelope.certificate if envelope else None, Level.ERROR, "decrypt payload")
        if exchange.sender is party:
            client = exchange.send.channel.transport.client_certificate
            _need(needed, client, Level.WARNING, "connect to the partner")
    for named, level, purpose in needed.values():
        if named.certificate not in case.own_certificates:
            where = f"party {party}, certificate {named.cert_id}"
            text = f"We do not hold the private key of this certificate, which is needed to {purpose}."
            yield Finding(code="no-private-key", level=level, where=where, text=text)


def _need(
    needed: dict[str, tuple[NamedCertificate, Level, str]],
    named: NamedCertificate | None,
    level: Level,
    purpose: str,
) -> None:
    if named is not None and needed.get(named.cert_id, (named, Level.WARNING, ""))[1] is not Level.ERROR:
        needed[named.cert_id] = (named, level, purpose)


def _channel(party: PartyInfo, channel: Channel) -> str:
    return f"party {party}, channel {channel.channel_id}"
