"""The test PKI is a real chain, and its wrong certificates are wrong in one way only."""

from __future__ import annotations

import shutil
import ssl
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from bridge.pki import Credentials, Flaw, Organisation, Pki, make_pki

OIN = "00000001555555550000"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    organisation = Organisation(name="Proef", oin=OIN, stem="proef", hosts=("proef.test", "127.0.0.1"))
    return make_pki(tmp_path_factory.mktemp("own"), organisations=[organisation], now=NOW)


def leaf_of(made: Credentials) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.certificate.read_bytes())


def make_wrong(pki: Pki, flaw: Flaw) -> Credentials:
    return pki.make_wrong(Organisation(name="Fout", oin=OIN, stem=flaw.value), flaw)


def check_chain(pki: Pki, made: Credentials) -> None:
    """By cryptography's own verifier. Raises VerificationError."""
    leaf, *below = x509.load_pem_x509_certificates(made.certificate.read_bytes())
    store = Store(x509.load_pem_x509_certificates(pki.root.read_bytes()))
    verifier = PolicyBuilder().store(store).time(NOW.replace(tzinfo=None)).build_client_verifier()
    verifier.verify(leaf, below)


def test_chain_leads_from_organisation_to_root(own: Pki):
    check_chain(own, own.credentials("proef"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_accepts_the_chain_and_the_revocation_lists(own: Pki):
    made = own.credentials("proef")

    command = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-CRLfile", own.crl]
    done = subprocess.run(
        [*command, "-CAfile", own.root, "-untrusted", own.chain, made.certificate],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, f"{made.certificate}: OK")


def test_oin_is_in_the_serial_number_of_the_subject(own: Pki):
    found = leaf_of(own.credentials("proef")).subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)

    assert [attribute.value for attribute in found] == [OIN]


def test_certificate_names_its_hosts(own: Pki):
    leaf = leaf_of(own.credentials("proef"))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["proef.test"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_certificate_serves_as_tls_server_and_client(own: Pki):
    usage = leaf_of(own.credentials("proef")).extensions.get_extension_for_class(x509.ExtendedKeyUsage)

    assert set(usage.value) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_private_key_is_for_its_owner_only_and_fits_the_certificate(own: Pki):
    made = own.credentials("proef")
    key = load_pem_private_key(made.key.read_bytes(), password=None)

    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert key.public_key() == leaf_of(made).public_key()


def test_trust_holds_the_root_and_both_intermediates(own: Pki):
    root, chain, trust = (
        x509.load_pem_x509_certificates(path.read_bytes()) for path in (own.root, own.chain, own.trust)
    )

    assert trust == [*root, *reversed(chain)]


def test_files_load_in_a_tls_context(own: Pki):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = own.credentials("proef")

    context.load_cert_chain(made.certificate, made.key)
    context.load_verify_locations(own.trust)
    context.load_verify_locations(own.crl)

    assert context.cert_store_stats() == {"x509": 3, "crl": 3, "x509_ca": 3}


def test_making_again_replaces_everything(tmp_path: Path):
    organisation = Organisation(name="Proef", oin=OIN, stem="proef")
    first = make_pki(tmp_path, organisations=[organisation], now=NOW)
    before = leaf_of(first.credentials("proef"))

    second = make_pki(tmp_path, organisations=[organisation], now=NOW)

    assert leaf_of(second.credentials("proef")) != before
    check_chain(second, second.credentials("proef"))


@pytest.mark.parametrize(
    "flaw", [Flaw.EXPIRED, Flaw.NOT_YET_VALID, Flaw.OTHER_CA, Flaw.SELF_SIGNED], ids=lambda f: f.value
)
def test_wrong_certificate_does_not_verify(own: Pki, flaw: Flaw):
    made = make_wrong(own, flaw)

    with pytest.raises(VerificationError):
        check_chain(own, made)


def test_revoked_certificate_is_on_the_list_and_a_good_one_is_not(own: Pki):
    revoked, good = leaf_of(make_wrong(own, Flaw.REVOKED)), leaf_of(own.credentials("proef"))
    blocks = own.crl.read_bytes().split(b"-----END X509 CRL-----\n")
    issuing = x509.load_pem_x509_crl(blocks[2] + b"-----END X509 CRL-----\n")

    found = [issuing.get_revoked_certificate_by_serial_number(c.serial_number) for c in (revoked, good)]

    assert found[0] is not None
    assert found[1] is None


def test_certificate_without_oin_is_good_otherwise(own: Pki):
    made = make_wrong(own, Flaw.NO_OIN)

    check_chain(own, made)

    assert leaf_of(made).subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER) == []
