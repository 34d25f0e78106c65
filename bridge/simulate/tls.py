"""Two-sided TLS for the simulated peers, and who is at the other end."""

from __future__ import annotations

import ssl
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID


def server_context(*, certificate: Path, key: Path, trust: Path, crl: Path | None = None) -> ssl.SSLContext:
    """Demands a client certificate."""
    return _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, trust, crl)


def client_context(*, certificate: Path, key: Path, trust: Path, crl: Path | None = None) -> ssl.SSLContext:
    """Checks chain and host name of the server."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, trust, crl)


def peer_oin(request: web.Request) -> str | None:
    """The OIN in Subject.serialNumber of the client certificate."""
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    octets = tls.getpeercert(binary_form=True) if tls else None
    if not octets:
        return None
    found = x509.load_der_x509_certificate(octets).subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return str(found[0].value) if found else None


def _context(side: int, certificate: Path, key: Path, trust: Path, crl: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(trust)
    if crl:
        context.load_verify_locations(crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context
