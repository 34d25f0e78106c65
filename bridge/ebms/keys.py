"""Keys and certificates as values: reading them, the OIN in them, and whether one may be trusted.

Chains are followed here step by step. `cryptography.x509.verification` knows only the profile of the web:
it asks for a host name and an extended key usage, which signing and encryption certificates of PKIoverheid
need not have.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from cryptography.x509.oid import NameOID, ObjectIdentifier

from bridge.errors import ConfigError
from bridge.ids import Oin

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A private key with its certificate; `chain` holds the issuers' certificates, if the file had them."""

    private_key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()


class Trust(StrEnum):
    """What can be wrong with a certificate: the code of a finding."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    SELF_SIGNED = "self-signed"
    UNKNOWN_ISSUER = "unknown-issuer"
    ISSUER_UNFIT = "issuer-unfit"
    REVOKED = "revoked"
    CRL_MISSING = "crl-missing"
    CRL_OUT_OF_DATE = "crl-out-of-date"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFinding:
    """One thing that is wrong with a certificate. Not `fatal`: it may be used, but someone must look."""

    code: Trust
    text: str
    fatal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePolicy:
    """Self-signed certificates are for tests only (DK-69).

    Without a current CRL a certificate is refused (DK-70), unless the operator accepts that for a time.
    """

    allow_self_signed: bool = False
    require_crl: bool = True


def load_key_pair(pem: bytes, password: bytes | None = None) -> KeyPair:
    """A key pair from one PEM text that holds the private key, its certificate and perhaps the chain.

    Raises ConfigError when a part is missing, the password is wrong, or key and certificate do not fit.
    """
    try:
        key = load_pem_private_key(pem, password)
        certificates = x509.load_pem_x509_certificates(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            ["The PEM file must hold a private key and its certificate, and its password must be right."]
        ) from error
    return _key_pair(key, certificates)


def load_p12(octets: bytes, password: bytes | None) -> KeyPair:
    """A key pair from a PKCS #12 file. Raises ConfigError as `load_key_pair` does."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(octets, password)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            ["The PKCS #12 file cannot be opened: it is damaged, or its password is wrong."]
        ) from error
    return _key_pair(key, [*([certificate] if certificate else []), *others])


def load_certificate(octets: bytes | str) -> x509.Certificate:
    """A certificate from PEM, DER, or the bare base64 of a CPA with any white space in it.

    Raises ConfigError when it is none of these.
    """
    raw = octets.encode("ascii", "replace") if isinstance(octets, str) else octets
    try:
        if b"-----BEGIN" in raw:
            return x509.load_pem_x509_certificate(raw)
        if raw[:1] == b"\x30":
            return x509.load_der_x509_certificate(raw)
        return x509.load_der_x509_certificate(base64.b64decode(b"".join(raw.split()), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise ConfigError(["This is not an X.509 certificate in PEM, DER or base64."]) from error


def oin_of(certificate: x509.Certificate) -> Oin | None:
    """The OIN in attribute serialNumber of the subject (ebMS notes 12.2, 12.3); None without exactly one."""
    try:
        found = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    except ValueError:
        return None
    values = [str(attribute.value) for attribute in found]
    if len(values) == 1 and re.fullmatch(r"[0-9]{8}[0-9A-Za-z]{12}", values[0]):
        return Oin(values[0])
    return None


def subject_text(certificate: x509.Certificate) -> str:
    """The subject as Java writes it, which peers put in ds:KeyName: `CN=a, OU=b, C=NL`."""
    try:
        rdns = list(certificate.subject.rdns)
    except ValueError:
        return "(a subject that cannot be read)"
    return ", ".join(
        " + ".join(f"{_keyword(one.oid)}={_quoted(str(one.value))}" for one in rdn) for rdn in reversed(rdns)
    )


def fingerprint_sha256(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER octets, as 64 lower-case hex digits."""
    return certificate.fingerprint(SHA256()).hex()


def check_certificate(
    certificate: x509.Certificate,
    *,
    at: datetime,
    anchors: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate] = (),
    crls: Sequence[x509.CertificateRevocationList] = (),
    policy: CertificatePolicy = CertificatePolicy(),
) -> tuple[CertificateFinding, ...]:
    """Everything that keeps `certificate` from being trusted at `at`; empty is good.

    A certificate that is itself an anchor is trusted without a chain (an operator pinned it), if not
    self-signed. One on a CRL counts as revoked whatever the date there: a stolen key can sign old times.
    """
    findings = list(_validity(certificate, at))
    if _issued_by(certificate, certificate):
        if not policy.allow_self_signed:
            findings.append(
                _finding(Trust.SELF_SIGNED, certificate, "is self-signed, which only tests may use")
            )
        elif certificate not in anchors:
            findings.append(
                _finding(Trust.UNKNOWN_ISSUER, certificate, "is self-signed and not itself trusted")
            )
        return tuple(findings)
    if certificate in anchors:
        return tuple(findings)
    chain, problems = _chain(certificate, at, anchors, intermediates)
    findings += problems
    for child, issuer in pairwise(chain):
        findings += _revocation(child, issuer, at, crls, policy)
    return tuple(findings)


_MAX_CHAIN = 6
"""Certificates in a chain, leaf and anchor included: PKIoverheid has four."""

_MAX_CANDIDATES = 200
"""Issuers looked at in one check, so that many look-alikes in `intermediates` cannot cost much."""

_KEYWORDS = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STREET_ADDRESS: "STREET",
    NameOID.SERIAL_NUMBER: "SERIALNUMBER",
    NameOID.EMAIL_ADDRESS: "EMAILADDRESS",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
    NameOID.SURNAME: "SURNAME",
    NameOID.GIVEN_NAME: "GIVENNAME",
    NameOID.TITLE: "T",
}


def _key_pair(key: object, certificates: Sequence[x509.Certificate]) -> KeyPair:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigError(["The private key is missing, or is neither RSA nor elliptic curve."])
    public = key.public_key()
    for certificate in certificates:
        if certificate.public_key() == public:
            chain = tuple(other for other in certificates if other != certificate)
            return KeyPair(private_key=key, certificate=certificate, chain=chain)
    raise ConfigError(["None of the certificates belongs to the private key."])


def _keyword(oid: ObjectIdentifier) -> str:
    return _KEYWORDS.get(oid, f"OID.{oid.dotted_string}")


def _quoted(value: str) -> str:
    if re.search(r'[,+=\n<>#;\\"]|^\s|\s$|\s\s', value):
        return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    return value


def _finding(
    code: Trust, certificate: x509.Certificate, text: str, *, fatal: bool = True
) -> CertificateFinding:
    return CertificateFinding(
        code=code, text=f"The certificate of {subject_text(certificate)} {text}.", fatal=fatal
    )


def _validity(certificate: x509.Certificate, at: datetime) -> Iterator[CertificateFinding]:
    if at < certificate.not_valid_before_utc:
        yield _finding(
            Trust.NOT_YET_VALID,
            certificate,
            f"is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
        )
    if at > certificate.not_valid_after_utc:
        yield _finding(
            Trust.EXPIRED, certificate, f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _chain(
    leaf: x509.Certificate,
    at: datetime,
    anchors: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
) -> tuple[tuple[x509.Certificate, ...], tuple[CertificateFinding, ...]]:
    """The chain from `leaf` to an anchor, with what is wrong with it.

    A chain without faults is preferred over one with faults; no chain at all is one finding.
    """
    faulty: tuple[tuple[x509.Certificate, ...], tuple[CertificateFinding, ...]] | None = None
    for chain in _chains(leaf, anchors, intermediates):
        problems = tuple(_chain_problems(chain, at))
        if not problems:
            return chain, ()
        faulty = faulty or (chain, problems)
    unknown = _finding(Trust.UNKNOWN_ISSUER, leaf, "is not issued under a trusted certificate authority")
    return faulty or ((leaf,), (unknown,))


def _chains(
    leaf: x509.Certificate, anchors: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]
) -> Iterator[tuple[x509.Certificate, ...]]:
    open_ends: list[tuple[x509.Certificate, ...]] = [(leaf,)]
    looked_at = 0
    while open_ends:
        chain = open_ends.pop()
        for anchor in anchors:
            if _issued_by(chain[-1], anchor):
                yield (*chain, anchor)
        if len(chain) + 1 >= _MAX_CHAIN:
            continue
        for candidate in intermediates:
            if candidate.subject != chain[-1].issuer or candidate in chain:
                continue
            looked_at += 1
            if looked_at > _MAX_CANDIDATES:
                return
            if _issued_by(chain[-1], candidate):
                open_ends.append((*chain, candidate))


def _chain_problems(chain: tuple[x509.Certificate, ...], at: datetime) -> Iterator[CertificateFinding]:
    below = 0
    for issuer in chain[1:]:
        yield from _validity(issuer, at)
        reason = _unfit(issuer, below)
        if reason:
            yield _finding(Trust.ISSUER_UNFIT, issuer, reason)
        if issuer.subject != issuer.issuer:
            below += 1


def _unfit(issuer: x509.Certificate, below: int) -> str | None:
    """Why `issuer` may not issue, with `below` intermediates under it; None when it may (RFC 5280 6.1.4)."""
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return "issued another, but is not marked as a certificate authority"
    if not basic.ca:
        return "issued another, but is not a certificate authority"
    if basic.path_length is not None and below > basic.path_length:
        return "may not have so many certificate authorities below it"
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if usage.key_cert_sign else "may not issue certificates by its key usage"


def _revocation(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime,
    crls: Sequence[x509.CertificateRevocationList],
    policy: CertificatePolicy,
) -> Iterator[CertificateFinding]:
    usable = [crl for crl in crls if _is_crl_for(crl, certificate, issuer)]
    if any(crl.get_revoked_certificate_by_serial_number(certificate.serial_number) for crl in usable):
        yield _finding(Trust.REVOKED, certificate, "was revoked by its issuer")
    elif not usable and policy.require_crl:
        yield _finding(
            Trust.CRL_MISSING, certificate, "cannot be checked: there is no revocation list of its issuer"
        )
    elif usable and not any(_is_current(crl, at) for crl in usable):
        yield _finding(
            Trust.CRL_OUT_OF_DATE,
            certificate,
            "cannot be checked: the revocation list of its issuer is out of date",
            fatal=policy.require_crl,
        )


def _is_crl_for(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """Signed by `issuer`, and about this certificate for every reason: no delta, no indirect list."""
    if crl.issuer != issuer.subject or not _signed_crl(crl, issuer):
        return False
    try:
        critical = [extension.value for extension in crl.extensions if extension.critical]
        return all(
            isinstance(value, x509.IssuingDistributionPoint) and _in_scope(value, certificate)
            for value in critical
        )
    except ValueError:
        return False


def _in_scope(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    """Whether a list with this scope is about `certificate` (RFC 5280 5.2.5)."""
    is_ca = is_authority(certificate)
    if scope.indirect_crl or scope.only_contains_attribute_certs or scope.only_some_reasons is not None:
        return False
    if (scope.only_contains_user_certs and is_ca) or (scope.only_contains_ca_certs and not is_ca):
        return False
    if scope.full_name is None:
        return scope.relative_name is None
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return False
    return any(name in scope.full_name for point in points for name in point.full_name or ())


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it is the certificate of an authority, which signs no messages."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _signed_crl(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _is_current(crl: x509.CertificateRevocationList, at: datetime) -> bool:
    until = crl.next_update_utc
    return crl.last_update_utc <= at and (until is None or at <= until)
