"""Revocation lists: where certificates say that they are, and whether what came from there is a good one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

CLOCK_SKEW = timedelta(minutes=5)
MAX_LIST_OCTETS = 16 * 1024 * 1024
"""Far above the lists of PKIoverheid, which are below a megabyte."""

_PORTS = {"http": 80, "https": 443}


class BadList(Exception):
    """Why octets are no revocation list that may be used; the text is for the operator."""


def distribution_points(certificates: Iterable[x509.Certificate]) -> tuple[str, ...]:
    """The http and https addresses at which the lists of these certificates stand, each once, in order."""
    found: dict[str, None] = {}
    for certificate in certificates:
        try:
            points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        except (x509.ExtensionNotFound, ValueError):
            continue
        for point in points:
            for name in point.full_name or ():
                if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(
                    ("http:", "https:")
                ):
                    found[name.value] = None
    return tuple(found)


def may_be_asked(url: str, hosts: Sequence[str]) -> bool:
    """Whether the address is at one of the hosts, or below one, on the usual port or the one that stands there.

    A certificate that a partner sent names what it likes, so only these hosts are ever asked.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme not in _PORTS or parts.username is not None or not host:
        return False
    for allowed in hosts:
        name, _, number = allowed.lower().partition(":")
        wanted = int(number) if number else _PORTS[parts.scheme]
        if (host == name or host.endswith(f".{name}")) and (port or _PORTS[parts.scheme]) == wanted:
            return True
    return False


def read_list(
    octets: bytes,
    *,
    issuers: Sequence[x509.Certificate],
    now: datetime,
    former: x509.CertificateRevocationList | None = None,
) -> x509.CertificateRevocationList:
    """The list in DER or PEM, when it is whole, signed by one of the `issuers`, in force, and no older than `former`.

    Raises BadList.
    """
    try:
        pem = octets.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(octets) if pem else x509.load_der_x509_crl(octets)
        critical = [e.value for e in crl.extensions if e.critical]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadList("it is no revocation list") from error
    if not any(_is_signed_by(crl, issuer) for issuer in issuers):
        raise BadList("it is not signed by a trusted authority")
    if not all(isinstance(value, x509.IssuingDistributionPoint) for value in critical):
        raise BadList("it is a delta list, or asks for something that is not known here")
    if any(isinstance(v, x509.IssuingDistributionPoint) and v.indirect_crl for v in critical):
        raise BadList("it is an indirect list")
    if crl.last_update_utc > now + CLOCK_SKEW:
        raise BadList("it is from the future")
    if crl.next_update_utc is None or crl.next_update_utc <= now:
        raise BadList("it has run out already")
    if former is not None and crl.last_update_utc < former.last_update_utc:
        raise BadList("it is older than the one that is here")
    return crl


def newest_of_each(
    lists: Iterable[x509.CertificateRevocationList],
) -> tuple[x509.CertificateRevocationList, ...]:
    """Of the lists of one issuer with one scope only the newest counts; of two as new, the later one here."""
    newest: dict[tuple[bytes, bytes], x509.CertificateRevocationList] = {}
    for crl in lists:
        key = crl.issuer.public_bytes(), _scope(crl)
        known = newest.get(key)
        if known is None or crl.last_update_utc >= known.last_update_utc:
            newest[key] = crl
    return tuple(newest.values())


def _scope(crl: x509.CertificateRevocationList) -> bytes:
    """Also what key it was signed with: an authority of the same name may have a new one."""
    found = b""
    for kind in (x509.IssuingDistributionPoint, x509.AuthorityKeyIdentifier):
        try:
            found += crl.extensions.get_extension_for_class(kind).value.public_bytes()
        except (x509.ExtensionNotFound, ValueError):
            found += b"-"
    return found


def _is_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if crl.issuer != issuer.subject:
        return False
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False
