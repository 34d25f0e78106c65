"""TLS contexts for listeners and clients: two-sided, TLS 1.2 or higher, forward secrecy and AEAD only.

The cipher list is the set that every edition of the national guidelines rates "good" or "sufficient"
(Digikoppeling security rules TLS001 to TLS006, TLSCIPH001). What a CPA says about SSL versions is not obeyed.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection

from cryptography import x509

from bridge.config import ConsoleTls, TlsSettings
from bridge.errors import ConfigError
from bridge.log import get_logger

_log = get_logger()

_TLS_1_2_CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)


PeerCheck = Callable[[x509.Certificate], str | None]
"""Why the certificate of the other end is refused, or None. Asked at every handshake, before any HTTP."""


def server_context(settings: TlsSettings, *, check: PeerCheck | None = None) -> ssl.SSLContext:
    """For a listener: demands a client certificate. Raises ConfigError when a file cannot be used.

    With `check` the revocation lists are its business, so that they may change while the context lives.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _finish(context, settings, check)


def client_context(settings: TlsSettings, *, check: PeerCheck | None = None) -> ssl.SSLContext:
    """For calls: presents our certificate, checks chain and host name. Raises ConfigError likewise."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    return _finish(context, settings, check)


def console_context(settings: ConsoleTls) -> ssl.SSLContext:
    """For the console: TLS without client certificate. Raises ConfigError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS_1_2_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error.__class__.__name__
        raise ConfigError(
            [f"console.tls: {settings.certificate.name}, {settings.key.name}: {reason}"]
        ) from error
    return context


def refuse_others(pinned: Collection[x509.Certificate], check: PeerCheck | None) -> PeerCheck:
    """A check that lets only these very certificates through, if `check` does too."""

    def only(certificate: x509.Certificate) -> str | None:
        if certificate not in pinned:
            return "the server certificate is not the one of the agreement"
        return check(certificate) if check else None

    return only


def _checked(check: PeerCheck) -> type[ssl.SSLObject]:
    """A TLS connection that is not established before `check` lets the other end through."""

    class Checked(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            octets = self.getpeercert(binary_form=True)
            reason = check(x509.load_der_x509_certificate(octets)) if octets else None
            if reason is not None:
                _log.warning("tls.refused", reason=reason)
                raise ssl.SSLCertVerificationError(1, reason)

    return Checked


def _finish(context: ssl.SSLContext, settings: TlsSettings, check: PeerCheck | None) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS_1_2_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(settings.certificate, settings.key)
        context.load_verify_locations(settings.trust)
        if check is not None:
            context.sslobject_class = _checked(check)
        elif settings.crl is not None:
            context.load_verify_locations(settings.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    except (OSError, ssl.SSLError) as error:
        files = f"{settings.certificate.name}, {settings.key.name}, {settings.trust.name}"
        reason = error.strerror or error.__class__.__name__
        raise ConfigError([f"TLS with {files}: {reason}"]) from error
    return context
