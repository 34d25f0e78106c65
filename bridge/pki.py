"""A test PKI shaped like PKIoverheid: root, domain, issuing authority, organisation certificates.

For the demo and for tests only: the keys of its authorities live in memory and die with the process.
Organisation certificates carry the OIN in Subject.serialNumber (2.5.4.5) and serve as TLS server, as TLS
client and for signing. `certs/README.md` tells where every file goes.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = ("localhost", "127.0.0.1")
_BACKDATE = timedelta(days=1)
"""Certificates begin a day before they are made, so that clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who gets a certificate. `stem` names its files; the first host is the CN, all hosts are in the SAN."""

    name: str
    oin: str
    stem: str
    hosts: tuple[str, ...] = LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files of one holder: certificate with the issuers up to (not with) the root, and the private key."""

    certificate: Path
    key: Path


class Flaw(StrEnum):
    """What is wrong with a certificate made by `Pki.make_wrong`; everything else about it is right."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    OTHER_CA = "other-ca"
    NO_OIN = "no-oin"
    REVOKED = "revoked"
    SELF_SIGNED = "self-signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Authority:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)
    list_url: str | None = None
    """Where the certificates that it issues say its revocation list is."""
    revoked: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    """A PKI on disk, and while this value lives the means to issue and revoke."""

    directory: Path
    now: datetime
    validity: timedelta
    key_size: int
    _authorities: tuple[_Authority, ...] = field(repr=False)
    """From the root down to the one that issues."""

    @property
    def root(self) -> Path:
        return self.directory / "root.pem"

    @property
    def chain(self) -> Path:
        """The authorities below the root, the issuing one first."""
        return self.directory / "chain.pem"

    @property
    def trust(self) -> Path:
        """Root and intermediates: what a TLS or signature check is given to trust."""
        return self.directory / "trust.pem"

    @property
    def crl(self) -> Path:
        """The revocation lists of all three authorities, one after another; `0.crl` to `2.crl` are each alone."""
        return self.directory / "crl.pem"

    def credentials(self, stem: str) -> Credentials:
        """Where the files of `stem` are; says nothing about whether they exist."""
        return Credentials(
            certificate=self.directory / f"{stem}.crt.pem", key=self.directory / f"{stem}.key.pem"
        )

    def issue(self, organisation: Organisation) -> Credentials:
        """A good certificate; replaces what stood under the same stem."""
        return self._write(organisation, self._authorities, self._period())

    def make_wrong(self, organisation: Organisation, flaw: Flaw) -> Credentials:
        """A certificate with one flaw. `REVOKED` also rewrites `crl.pem`."""
        match flaw:
            case Flaw.EXPIRED:
                period = (self.now - self.validity - _BACKDATE, self.now - timedelta(minutes=1))
                return self._write(organisation, self._authorities, period)
            case Flaw.NOT_YET_VALID:
                period = (self.now + timedelta(days=1), self.now + timedelta(days=1) + self.validity)
                return self._write(organisation, self._authorities, period)
            case Flaw.OTHER_CA:
                stranger = _make_authorities("Vreemde", self._period(), self.key_size)
                return self._write(organisation, stranger, self._period())
            case Flaw.NO_OIN:
                return self._write(organisation, self._authorities, self._period(), with_oin=False)
            case Flaw.REVOKED:
                made = self.issue(organisation)
                self.revoke(organisation.stem)
                return made
            case Flaw.SELF_SIGNED:
                return self._write(organisation, (), self._period())

    def revoke(self, stem: str) -> None:
        """Puts the certificate of `stem` on the revocation list of the issuing authority."""
        certificate = x509.load_pem_x509_certificate(self.credentials(stem).certificate.read_bytes())
        self._authorities[-1].revoked.append(certificate.serial_number)
        self._write_crls()

    def _period(self) -> tuple[datetime, datetime]:
        return self.now - _BACKDATE, self.now + self.validity

    def _write_crls(self) -> None:
        lists = [_make_crl(authority, self.now, self.validity) for authority in self._authorities]
        self.crl.write_bytes(b"".join(crl.public_bytes(serialization.Encoding.PEM) for crl in lists))
        for number, crl in enumerate(lists):
            (self.directory / f"{number}.crl").write_bytes(crl.public_bytes(serialization.Encoding.DER))

    def _write(
        self,
        organisation: Organisation,
        authorities: tuple[_Authority, ...],
        period: tuple[datetime, datetime],
        *,
        with_oin: bool = True,
    ) -> Credentials:
        key = _make_key(self.key_size)
        leaf = _make_leaf(organisation, key, authorities[-1] if authorities else None, period, with_oin)
        made = self.credentials(organisation.stem)
        issuers = [authority.certificate for authority in reversed(authorities[1:])]
        made.certificate.write_bytes(_pem(leaf, *issuers))
        _write_secret(made.key, _key_pem(key))
        return made


def make_pki(
    directory: Path,
    *,
    organisations: Sequence[Organisation],
    now: datetime,
    valid_days: int = 365,
    key_size: int = 2048,
    lists_at: str | None = None,
) -> Pki:
    """Makes a whole new PKI in `directory`; files of an earlier one with the same names are replaced.

    With `lists_at` the certificates name revocation lists below that address: `0.crl` of the root, and so on.
    """
    directory.mkdir(parents=True, exist_ok=True)
    validity = timedelta(days=valid_days)
    authorities = _make_authorities("Test", (now - _BACKDATE, now + validity), key_size, lists_at=lists_at)
    pki = Pki(directory=directory, now=now, validity=validity, key_size=key_size, _authorities=authorities)
    root, *below = (authority.certificate for authority in authorities)
    pki.root.write_bytes(_pem(root))
    pki.chain.write_bytes(_pem(*reversed(below)))
    pki.trust.write_bytes(_pem(root, *below))
    pki._write_crls()
    for organisation in organisations:
        pki.issue(organisation)
    return pki


def _make_authorities(
    prefix: str, period: tuple[datetime, datetime], key_size: int, *, lists_at: str | None = None
) -> tuple[_Authority, ...]:
    names = ("Root CA - G1", "Domein Private Services CA - G1", "TSP Private Services CA - G1")
    made: list[_Authority] = []
    for number, name in enumerate(names):
        issuer = made[-1] if made else None
        authority = _make_authority(f"{prefix} {name}", issuer, period, key_size, path_length=2 - number)
        made.append(replace(authority, list_url=f"{lists_at}/{number}.crl" if lists_at else None))
    return tuple(made)


def _make_authority(
    name: str,
    issuer: _Authority | None,
    period: tuple[datetime, datetime],
    key_size: int,
    *,
    path_length: int,
) -> _Authority:
    key = _make_key(key_size)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test, geen echte PKIoverheid"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    builder = _begin(subject, key, issuer, period)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return _Authority(certificate=_sign(builder, key, issuer), key=key)


def _make_leaf(
    organisation: Organisation,
    key: rsa.RSAPrivateKey,
    issuer: _Authority | None,
    period: tuple[datetime, datetime],
    with_oin: bool,
) -> x509.Certificate:
    builder = _begin(_subject(organisation, with_oin), key, issuer, period)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(usage, critical=False)
    names = x509.SubjectAlternativeName([_general_name(host) for host in organisation.hosts])
    return _sign(builder.add_extension(names, critical=False), key, issuer)


def _subject(organisation: Organisation, with_oin: bool) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation.name),
        x509.NameAttribute(NameOID.COMMON_NAME, organisation.hosts[0]),
    ]
    if with_oin:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, organisation.oin))
    return x509.Name(attributes)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _begin(
    subject: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: _Authority | None,
    period: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    issuer_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(period[0])
        .not_valid_after(period[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if issuer is None or issuer.list_url is None:
        return builder
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(issuer.list_url)], None, None, None)
    return builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)


def _sign(
    builder: x509.CertificateBuilder, key: rsa.RSAPrivateKey, issuer: _Authority | None
) -> x509.Certificate:
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _make_crl(authority: _Authority, now: datetime, validity: timedelta) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - _BACKDATE)
        .next_update(now + validity)
        .add_extension(x509.CRLNumber(len(authority.revoked) + 1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    for serial in authority.revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256())


def _make_key(key_size: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=key_size)


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, octets: bytes) -> None:
    """Readable by its owner from the first moment on, also when an open file stood there before."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(octets)
