"""Revocation lists: which addresses may be asked, and which lists are good ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms.revocation import BadList, distribution_points, may_be_asked, newest_of_each, read_list
from bridge.pki import Pki

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = ("pkioverheid.nl", "lists.example.nl:8080")


def trusted(pki: Pki) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pki.trust.read_bytes())


def good(pki: Pki) -> bytes:
    return (pki.directory / "2.crl").read_bytes()


def make(
    pki: Pki,
    *,
    key: rsa.RSAPrivateKey | None = None,
    begins: timedelta = timedelta(0),
    lasts: timedelta = timedelta(days=1),
    extension: x509.ExtensionType | None = None,
) -> bytes:
    """A list of the issuing authority, with one thing changed."""
    authority = pki._authorities[-1]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(NOW + begins)
        .next_update(NOW + begins + lasts)
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key or authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://crl.pkioverheid.nl/LatestCRL.crl", True),
        ("https://pkioverheid.nl/x", True),
        ("http://CRL.PKIOVERHEID.NL/x", True),
        ("http://lists.example.nl:8080/x", True),
        ("http://lists.example.nl/x", False),
        ("http://crl.pkioverheid.nl:8080/x", False),
        ("http://evilpkioverheid.nl/x", False),
        ("http://pkioverheid.nl.evil.example/x", False),
        ("http://pkioverheid.nl@evil.example/x", False),
        ("http://user@pkioverheid.nl/x", False),
        ("http://127.0.0.1/x", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://[::1]/x", False),
        ("http://[bad/x", False),
        ("http://pkioverheid.nl:99999/x", False),
        ("ftp://crl.pkioverheid.nl/x", False),
        ("file:///etc/passwd", False),
        ("ldap://crl.pkioverheid.nl/x", False),
    ],
)
def test_only_hosts_of_the_settings_are_asked(url: str, expected: bool) -> None:
    assert may_be_asked(url, HOSTS) is expected


@given(st.text(max_size=80))
def test_no_address_makes_the_judgement_fail(url: str) -> None:
    assert may_be_asked(f"http://{url}", ()) is False


def test_a_certificate_without_distribution_points_names_none(pki: Pki) -> None:
    assert distribution_points(trusted(pki)) == ()


@pytest.mark.parametrize("pem", [False, True])
def test_a_good_list_is_read_in_der_and_in_pem(pki: Pki, pem: bool) -> None:
    octets = good(pki)
    if pem:
        octets = x509.load_der_x509_crl(octets).public_bytes(Encoding.PEM)
    assert read_list(octets, issuers=trusted(pki), now=NOW).issuer == trusted(pki)[-1].subject


@pytest.mark.parametrize(
    "octets", [b"", b"<html>not found</html>", b"-----BEGIN X509 CRL-----\nAAAA", b"\x30\x80"]
)
def test_what_is_no_list_is_refused(pki: Pki, octets: bytes) -> None:
    with pytest.raises(BadList, match="no revocation list"):
        read_list(octets, issuers=trusted(pki), now=NOW)


@given(st.binary(max_size=200))
def test_any_octets_are_a_list_or_refused(octets: bytes) -> None:
    with pytest.raises(BadList):
        read_list(octets, issuers=[], now=NOW)


def test_a_list_that_another_key_signed_is_refused(pki: Pki) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(BadList, match="not signed by a trusted authority"):
        read_list(make(pki, key=forger), issuers=trusted(pki), now=NOW)


def test_a_changed_list_is_refused(pki: Pki) -> None:
    octets = bytearray(good(pki))
    octets[-1] ^= 1
    with pytest.raises(BadList):
        read_list(bytes(octets), issuers=trusted(pki), now=NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"begins": timedelta(days=-3)}, "has run out"),
        ({"begins": timedelta(hours=1)}, "from the future"),
        ({"extension": x509.DeltaCRLIndicator(1)}, "delta"),
        (
            {
                "extension": x509.IssuingDistributionPoint(
                    full_name=None,
                    relative_name=None,
                    only_contains_user_certs=False,
                    only_contains_ca_certs=False,
                    only_some_reasons=None,
                    indirect_crl=True,
                    only_contains_attribute_certs=False,
                )
            },
            "indirect",
        ),
    ],
)
def test_a_list_that_does_not_count_is_refused(pki: Pki, change: dict[str, object], reason: str) -> None:
    with pytest.raises(BadList, match=reason):
        read_list(make(pki, **change), issuers=trusted(pki), now=NOW)  # type: ignore[arg-type]


def test_an_older_list_never_takes_the_place_of_a_newer_one(pki: Pki) -> None:
    """Else whoever stands on the line could give back yesterday's, on which a stolen certificate is missing."""
    newer = x509.load_der_x509_crl(make(pki))
    with pytest.raises(BadList, match="older"):
        read_list(make(pki, begins=timedelta(hours=-1)), issuers=trusted(pki), now=NOW, former=newer)


def test_of_each_authority_the_newest_list_counts(pki: Pki) -> None:
    lists = [x509.load_der_x509_crl(make(pki, begins=timedelta(hours=hours))) for hours in (-2, 0, -1)]
    other = x509.load_der_x509_crl((pki.directory / "0.crl").read_bytes())
    assert newest_of_each((*lists, other)) == (lists[1], other)
