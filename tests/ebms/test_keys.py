"""Keys and certificates: reading them, the OIN in them, and what makes one untrusted."""

from __future__ import annotations

import base64
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms.keys import (
    CertificatePolicy,
    KeyPair,
    check_certificate,
    fingerprint_sha256,
    load_certificate,
    load_key_pair,
    load_p12,
    oin_of,
    subject_text,
)
from bridge.errors import ConfigError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OIN = "00000001999999990000"
NO_CRL = CertificatePolicy(require_crl=False)


@dataclass(frozen=True, kw_only=True)
class Party:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def name(common_name: str, *serial_numbers: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "NL")]
    attributes += [x509.NameAttribute(NameOID.SERIAL_NUMBER, number) for number in serial_numbers]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(
    common_name: str,
    issuer: Party | None = None,
    *,
    ca: bool | None = None,
    path_length: int | None = None,
    cert_sign: bool | None = None,
    since: datetime = NOW - 100 * DAY,
    until: datetime = NOW + 100 * DAY,
    subject: x509.Name | None = None,
    points: str | None = None,
) -> Party:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = subject or name(common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    if cert_sign is not None:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=cert_sign,
            crl_sign=cert_sign,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    if points is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(points)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return Party(key=key, certificate=builder.sign(issuer.key if issuer else key, hashes.SHA256()))


def crl(
    issuer: Party,
    *revoked: Party,
    signer: Party | None = None,
    until: datetime = NOW + DAY,
    extension: Any = None,
) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW - 10 * DAY)
        .next_update(until)
    )
    for party in revoked:
        entry = x509.RevokedCertificateBuilder()
        entry = entry.serial_number(party.certificate.serial_number).revocation_date(NOW - DAY)
        builder = builder.add_revoked_certificate(entry.build())
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign((signer or issuer).key, hashes.SHA256())


@pytest.fixture(scope="module")
def root() -> Party:
    return issue("root", ca=True, cert_sign=True)


@pytest.fixture(scope="module")
def middle(root: Party) -> Party:
    return issue("middle", root, ca=True, path_length=0, cert_sign=True)


@pytest.fixture(scope="module")
def leaf(middle: Party) -> Party:
    return issue("leaf", middle, ca=False, subject=name("leaf", OIN))


def codes(
    party: Party,
    *anchors: Party,
    at: datetime = NOW,
    intermediates: tuple[Party, ...] = (),
    crls: tuple[x509.CertificateRevocationList, ...] = (),
    policy: CertificatePolicy = NO_CRL,
) -> list[str]:
    found = check_certificate(
        party.certificate,
        at=at,
        anchors=[anchor.certificate for anchor in anchors],
        intermediates=[one.certificate for one in intermediates],
        crls=crls,
        policy=policy,
    )
    for finding in found:
        assert finding.text.startswith("The certificate of ")
        assert finding.text.endswith(".")
    return [finding.code.value if finding.fatal else f"({finding.code.value})" for finding in found]


# --- trust ---


@pytest.mark.rule("DK-68", "DK-137")
def test_a_certificate_under_an_anchor_is_trusted(root: Party, middle: Party, leaf: Party) -> None:
    assert codes(leaf, root, intermediates=(middle,)) == []
    assert codes(leaf, middle) == []


def test_a_pinned_certificate_needs_no_chain(leaf: Party) -> None:
    assert codes(leaf, leaf) == []


def test_the_anchor_must_be_the_one_that_signed(middle: Party, leaf: Party) -> None:
    impostor = issue("root", ca=True, cert_sign=True)
    assert codes(leaf, impostor, intermediates=(middle,)) == ["unknown-issuer"]
    assert codes(leaf, intermediates=(middle,)) == ["unknown-issuer"]
    assert codes(leaf, issue("middle", ca=True)) == ["unknown-issuer"]


@pytest.mark.rule("DK-137")
def test_validity_in_time_is_checked_at_the_given_moment(root: Party, middle: Party, leaf: Party) -> None:
    assert codes(leaf, root, intermediates=(middle,), at=NOW + 101 * DAY)[0] == "expired"
    assert codes(leaf, root, intermediates=(middle,), at=NOW - 101 * DAY)[0] == "not-yet-valid"
    assert codes(leaf, root, intermediates=(middle,), at=leaf.certificate.not_valid_after_utc) == []
    assert codes(leaf, root, intermediates=(middle,), at=leaf.certificate.not_valid_before_utc) == []


def test_an_expired_issuer_is_a_finding(root: Party) -> None:
    old = issue("old", root, ca=True, until=NOW - DAY)
    child = issue("child", old)
    assert codes(child, root, intermediates=(old,)) == ["expired"]


def test_of_two_chains_the_good_one_counts(root: Party) -> None:
    key = issue("renewed", root, ca=True, until=NOW - DAY)
    renewed = Party(
        key=key.key,
        certificate=x509.CertificateBuilder()
        .subject_name(key.certificate.subject)
        .issuer_name(root.certificate.subject)
        .public_key(key.key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root.key, hashes.SHA256()),
    )
    child = issue("child", key)
    assert codes(child, root, intermediates=(key, renewed)) == []
    assert codes(child, root, intermediates=(renewed, key)) == []


@pytest.mark.parametrize(("ca", "cert_sign"), [(None, None), (False, None), (True, False)])
def test_an_issuer_that_may_not_issue_is_a_finding(
    root: Party, ca: bool | None, cert_sign: bool | None
) -> None:
    unfit = issue("unfit", root, ca=ca, cert_sign=cert_sign)
    child = issue("child", unfit)
    assert codes(child, root, intermediates=(unfit,)) == ["issuer-unfit"]


def test_a_path_longer_than_allowed_is_a_finding(root: Party, middle: Party) -> None:
    below = issue("below", middle, ca=True)
    child = issue("child", below)
    assert codes(child, root, intermediates=(middle, below)) == ["issuer-unfit"]


def test_an_endless_chain_ends(root: Party) -> None:
    chain = [root]
    for number in range(8):
        chain.append(issue(f"level {number}", chain[-1], ca=True))
    child = issue("child", chain[-1])
    assert codes(child, root, intermediates=tuple(chain[1:])) == ["unknown-issuer"]


def test_many_candidates_of_one_name_cost_little(root: Party, leaf: Party, middle: Party) -> None:
    fake = issue("middle", ca=True)
    assert codes(leaf, root, intermediates=(fake,) * 1000) == ["unknown-issuer"]


@pytest.mark.rule("DK-69")
def test_self_signed_is_refused_but_in_tests() -> None:
    own = issue("own")
    allowed = CertificatePolicy(allow_self_signed=True, require_crl=True)
    assert codes(own, own) == ["self-signed"]
    assert codes(own, own, policy=allowed) == []
    assert codes(own, policy=allowed) == ["unknown-issuer"]
    assert codes(own, own, policy=allowed, at=NOW + 101 * DAY) == ["expired"]


# --- revocation ---


@pytest.mark.rule("DK-70", "DK-137")
def test_a_revoked_certificate_is_refused_whatever_the_policy(
    root: Party, middle: Party, leaf: Party
) -> None:
    lists = (crl(root), crl(middle, leaf))
    for policy in (CertificatePolicy(), NO_CRL):
        assert codes(leaf, root, intermediates=(middle,), crls=lists, policy=policy) == ["revoked"]
    assert codes(leaf, root, intermediates=(middle,), crls=(crl(root, middle),)) == ["revoked"]


@pytest.mark.rule("DK-70")
def test_with_current_lists_of_the_whole_chain_a_certificate_is_good(
    root: Party, middle: Party, leaf: Party
) -> None:
    lists = (crl(root), crl(middle))
    assert codes(leaf, root, intermediates=(middle,), crls=lists, policy=CertificatePolicy()) == []


@pytest.mark.rule("DK-70")
def test_a_missing_list_refuses_unless_the_setting_says_otherwise(
    root: Party, middle: Party, leaf: Party
) -> None:
    strict = CertificatePolicy()
    assert codes(leaf, root, intermediates=(middle,), crls=(crl(root),), policy=strict) == ["crl-missing"]
    assert codes(leaf, root, intermediates=(middle,), crls=(crl(root),)) == []


@pytest.mark.rule("DK-70")
def test_a_list_out_of_date_refuses_or_is_an_alarm(middle: Party, leaf: Party) -> None:
    old = (crl(middle, until=NOW - DAY),)
    assert codes(leaf, middle, crls=old, policy=CertificatePolicy()) == ["crl-out-of-date"]
    assert codes(leaf, middle, crls=old) == ["(crl-out-of-date)"]
    assert codes(leaf, middle, crls=(*old, crl(middle)), policy=CertificatePolicy()) == []


def test_a_list_signed_by_another_does_not_count(root: Party, middle: Party, leaf: Party) -> None:
    forged = crl(middle, signer=root)
    assert codes(leaf, middle, crls=(forged,), policy=CertificatePolicy()) == ["crl-missing"]


def scope(**given: Any) -> x509.IssuingDistributionPoint:
    values: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(values | given))


@pytest.mark.parametrize(
    ("extension", "counts"),
    [
        (scope(only_contains_user_certs=True), True),
        (scope(only_contains_ca_certs=True), False),
        (scope(only_contains_attribute_certs=True), False),
        (scope(indirect_crl=True), False),
        (scope(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])), False),
        (scope(full_name=[x509.UniformResourceIdentifier("http://crl.example.nl/1")]), True),
        (scope(full_name=[x509.UniformResourceIdentifier("http://crl.example.nl/2")]), False),
        (x509.DeltaCRLIndicator(1), False),
    ],
)
def test_only_a_list_about_this_certificate_counts(middle: Party, extension: Any, counts: bool) -> None:
    child = issue("child", middle, points="http://crl.example.nl/1")
    found = codes(child, middle, crls=(crl(middle, extension=extension),), policy=CertificatePolicy())
    assert found == ([] if counts else ["crl-missing"])


# --- what a certificate says ---


@pytest.mark.rule("DK-68", "DK-136")
@pytest.mark.parametrize("number", [OIN, "00000003123456780000", "00000004ABCDEFGH0000"])
def test_the_oin_is_the_serial_number_of_the_subject(number: str) -> None:
    assert oin_of(issue("x", subject=name("x", number)).certificate) == number


@pytest.mark.rule("DK-136")
@pytest.mark.parametrize("numbers", [(), ("1",), (OIN + "T",), (OIN + "0",), (OIN, OIN), ("x" * 20,)])
def test_anything_else_than_one_oin_is_none(numbers: tuple[str, ...]) -> None:
    assert oin_of(issue("x", subject=name("x", *numbers)).certificate) is None


@pytest.mark.rule("DK-136")
def test_an_oin_in_another_attribute_is_not_the_oin() -> None:
    assert oin_of(issue(f"serialNumber={OIN}").certificate) is None
    assert oin_of(issue(f"x, 2.5.4.5={OIN}").certificate) is None


def test_the_subject_is_written_as_java_writes_it() -> None:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Gemeente "A", dienst'),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Jeugd"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, OIN),
            x509.NameAttribute(NameOID.PSEUDONYM, "p"),
            x509.NameAttribute(NameOID.COMMON_NAME, "a.example.nl"),
        ]
    )
    assert subject_text(issue("x", subject=subject).certificate) == (
        f'CN=a.example.nl, OID.2.5.4.65=p, SERIALNUMBER={OIN}, OU=Jeugd, O="Gemeente \\"A\\", dienst", C=NL'
    )


def test_the_fingerprint_is_sha256_in_hex(leaf: Party) -> None:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(leaf.certificate.public_bytes(Encoding.DER))
    assert fingerprint_sha256(leaf.certificate) == digest.finalize().hex()


# --- reading ---


def pem_of(party: Party, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_key_pair_is_read_from_pem_in_any_order(middle: Party, leaf: Party) -> None:
    certificates = [party.certificate.public_bytes(Encoding.PEM) for party in (middle, leaf)]
    pair = load_key_pair(b"".join([*certificates, pem_of(leaf, b"geheim")]), b"geheim")
    assert pair.certificate == leaf.certificate
    assert pair.chain == (middle.certificate,)
    assert pair.private_key.public_key() == leaf.key.public_key()


def test_a_key_pair_is_read_from_pkcs12(middle: Party, leaf: Party) -> None:
    octets = pkcs12.serialize_key_and_certificates(
        b"x", leaf.key, leaf.certificate, [middle.certificate], BestAvailableEncryption(b"geheim")
    )
    pair = load_p12(octets, b"geheim")
    assert (pair.certificate, pair.chain) == (leaf.certificate, (middle.certificate,))
    with pytest.raises(ConfigError, match="password"):
        load_p12(octets, b"wrong")
    with pytest.raises(ConfigError, match="damaged"):
        load_p12(b"nothing", None)


def test_a_key_without_its_certificate_is_refused(middle: Party, leaf: Party) -> None:
    with pytest.raises(ConfigError, match="belongs to the private key"):
        load_key_pair(pem_of(leaf) + middle.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(ConfigError, match="private key and its certificate"):
        load_key_pair(pem_of(leaf))
    with pytest.raises(ConfigError, match="password"):
        load_key_pair(pem_of(leaf, b"a") + leaf.certificate.public_bytes(Encoding.PEM), b"b")
    with pytest.raises(ConfigError, match="password"):
        load_key_pair(pem_of(leaf, b"a") + leaf.certificate.public_bytes(Encoding.PEM))


def test_a_key_of_a_kind_that_cannot_sign_here_is_refused(leaf: Party) -> None:
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with pytest.raises(ConfigError, match="neither RSA nor elliptic"):
        load_key_pair(pem + leaf.certificate.public_bytes(Encoding.PEM))


def test_a_key_pair_does_not_show_its_key(leaf: Party) -> None:
    assert "private" not in repr(KeyPair(private_key=leaf.key, certificate=leaf.certificate))


def test_a_certificate_is_read_in_every_form(leaf: Party) -> None:
    der = leaf.certificate.public_bytes(Encoding.DER)
    bare = base64.b64encode(der).decode()
    forms: list[bytes | str] = [
        der,
        leaf.certificate.public_bytes(Encoding.PEM),
        leaf.certificate.public_bytes(Encoding.PEM).decode(),
        bare,
        bare.encode(),
        "\n      ".join(textwrap.wrap(bare, 60)) + "\r\n\t ",
        "\r\n".join(textwrap.wrap(bare, 76)).encode(),
    ]
    for form in forms:
        assert load_certificate(form) == leaf.certificate


@given(st.binary(max_size=200))
def test_anything_else_is_no_certificate(octets: bytes) -> None:
    with pytest.raises(ConfigError, match=r"not an X\.509 certificate"):
        load_certificate(octets)
