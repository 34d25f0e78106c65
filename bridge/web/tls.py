"""TLS contexts for listeners and clients: two-sided, TLS 1.2 or higher, forward secrecy and AEAD only.

The cipher list is the set that every edition of the national guidelines rates "good" or "sufficient"
(Digikoppeling security rules TLS001 to TLS006, TLSCIPH001). What a CPA says about SSL versions is not obeyed.
"""

from __future__ import annotations

import ssl

from bridge.config import TlsSettings
from bridge.errors import ConfigError

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


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """For a listener: demands a client certificate. Raises ConfigError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _finish(context, settings)


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """For calls: presents our certificate, checks chain and host name. Raises ConfigError likewise."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    return _finish(context, settings)


def _finish(context: ssl.SSLContext, settings: TlsSettings) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS_1_2_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(settings.certificate, settings.key)
        context.load_verify_locations(settings.trust)
        if settings.crl is not None:
            context.load_verify_locations(settings.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    except (OSError, ssl.SSLError) as error:
        files = f"{settings.certificate.name}, {settings.key.name}, {settings.trust.name}"
        reason = error.strerror or error.__class__.__name__
        raise ConfigError([f"TLS with {files}: {reason}"]) from error
    return context
