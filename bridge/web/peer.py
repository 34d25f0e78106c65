"""Who is at the other end of a partner request: as TLS proved it, or as a trusted proxy passed it on."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import ssl
from urllib.parse import unquote

from aiohttp import web
from cryptography import x509

from bridge.config import PartnerSettings
from bridge.ebms.keys import fingerprint_sha256, oin_of
from bridge.ebms.model import PartyId
from bridge.ebms.oin import OIN_TYPE, oin_in
from bridge.ebms.receiving_model import Peer
from bridge.errors import SoapFault
from bridge.flow.bridge import Bridge

_MAX_HEADER = 16 * 1024


def peer_of(request: web.Request, bridge: Bridge) -> Peer:
    """The peer. Raises SoapFault (a bare 403) for a certificate that does not count, or none in production.

    The header of a proxy counts only from the addresses in the settings; from all others it is as if it were
    not there. A proxy is never taken for the party behind it.
    """
    listener = bridge.settings.partner_listener
    if _is_proxy(request.remote, listener.proxies):
        certificate = _from_header(request.headers.get(listener.proxy_header, ""))
    else:
        certificate = _from_tls(request)
        if certificate is None and not _has_tls(request):
            return _plain(bridge, behind_proxy=bool(listener.proxies))
    if certificate is None:
        raise _forbidden("A client certificate is required.")
    reason = bridge.gate.why_refused(certificate) if bridge.trust.anchors else None
    if reason is not None:
        raise _forbidden(f"The client certificate is not accepted. {reason}")
    return Peer(oin=oin_of(certificate), certificate_sha256=fingerprint_sha256(certificate))


def partners_of(peer: Peer, bridge: Bridge) -> tuple[PartnerSettings, ...]:
    """The partners for which this peer may speak by its OIN; in test mode without TLS all of them."""
    if peer.plain:
        return bridge.settings.partners
    return tuple(
        partner
        for partner in bridge.settings.partners
        if peer.oin is not None and (peer.oin == _oin(partner) or peer.oin in partner.delivered_by)
    )


def _oin(partner: PartnerSettings) -> str | None:
    if partner.party_id_type != OIN_TYPE:
        return None
    return oin_in(PartyId(value=partner.party_id, type=partner.party_id_type))


def _is_proxy(remote: str | None, proxies: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(remote or "")
        return any(address in ipaddress.ip_network(proxy) for proxy in proxies)
    except ValueError:
        return False


def _plain(bridge: Bridge, *, behind_proxy: bool) -> Peer:
    """Without TLS nobody is anybody; only test mode lets that through, and never past a configured proxy."""
    if bridge.settings.production or behind_proxy:
        raise _forbidden("A client certificate is required.")
    return Peer(plain=True)


def _has_tls(request: web.Request) -> bool:
    return _ssl_object(request) is not None


def _ssl_object(request: web.Request) -> ssl.SSLObject | None:
    found = request.transport.get_extra_info("ssl_object") if request.transport else None
    return found if isinstance(found, ssl.SSLObject) else None


def _from_tls(request: web.Request) -> x509.Certificate | None:
    tls = _ssl_object(request)
    octets = tls.getpeercert(binary_form=True) if tls else None
    return x509.load_der_x509_certificate(octets) if octets else None


def _from_header(value: str) -> x509.Certificate | None:
    """PEM, percent-encoded as nginx writes it, or base64 of DER as HAProxy does; None for anything else."""
    text = unquote(value.strip())
    if not text or len(text) > _MAX_HEADER:
        return None
    try:
        if "-----BEGIN" in text:
            return x509.load_pem_x509_certificate(text.encode("ascii"))
        return x509.load_der_x509_certificate(base64.b64decode(text.strip(":"), validate=True))
    except (ValueError, binascii.Error):
        return None


def _forbidden(text: str) -> SoapFault:
    return SoapFault(text, status=403, bare=True)
