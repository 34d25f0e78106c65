"""Payload encryption, with xmlsec as the other implementation, both ways."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.ebms import encrypt
from bridge.ebms.encrypt import (
    AES128_CBC,
    AES128_GCM,
    AES192_CBC,
    AES256_CBC,
    AES256_GCM,
    RSA_1_5,
    RSA_OAEP,
    RSA_OAEP_11,
    TRIPLE_DES_CBC,
    DecryptionPolicy,
    decryption_failure,
)
from bridge.ebms.keys import KeyPair
from bridge.ebms.model import Octets, Part
from bridge.ebms.xml import DS, XENC, XENC11
from bridge.errors import EbmsError

encrypt_part = partial(encrypt.encrypt_part, random=os.urandom)
decrypt_part = partial(encrypt.decrypt_part, random=os.urandom)
NS = {"xenc": XENC, "ds": DS}
WRITTEN = [AES128_CBC, AES192_CBC, AES256_CBC, AES128_GCM, AES256_GCM]
TRANSPORTS = [RSA_OAEP, RSA_OAEP_11, RSA_1_5]
PLAIN = b"<?xml version='1.0'?>\r\n<melding>\xc3\xa9</melding>\r\n"


def certify(key: Any, name: str) -> KeyPair:
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "NL"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2035, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return KeyPair(private_key=key, certificate=certificate)


@pytest.fixture(scope="module")
def receiver() -> KeyPair:
    return certify(rsa.generate_private_key(public_exponent=65537, key_size=2048), "receiver")


@pytest.fixture(scope="module")
def successor() -> KeyPair:
    return certify(rsa.generate_private_key(public_exponent=65537, key_size=2048), "receiver")


@pytest.fixture(scope="module")
def curve() -> KeyPair:
    return certify(ec.generate_private_key(ec.SECP256R1()), "curve")


def part(octets: bytes = PLAIN, content_type: str = "text/xml; charset=UTF-8") -> Part:
    return Part(
        content_id="payload-1@example.nl",
        content_type=content_type,
        content=Octets(octets),
        filename="melding.xml",
        description="a description",
    )


def octets_of(one: Part) -> bytes:
    with one.content.open() as stream:
        return stream.read()


def carrying(xml: bytes) -> Part:
    return part(xml, "application/xml")


def refusal(one: Part, *keys: KeyPair, policy: DecryptionPolicy | None = None) -> EbmsError:
    with pytest.raises(EbmsError) as caught:
        decrypt_part(one, keys=keys, policy=policy or DecryptionPolicy(allow_3des=True))
    return caught.value


def is_the_one_failure(error: EbmsError) -> bool:
    expected = decryption_failure("payload-1@example.nl")
    return (error.code, error.location, error.text) == (expected.code, expected.location, expected.text)


def changed(one: Part, change: Callable[[etree._Element], None]) -> Part:
    root = etree.fromstring(octets_of(one))
    change(root)
    return carrying(etree.tostring(root))


def cipher_value(root: etree._Element, *, of_key: bool = False) -> etree._Element:
    path = "xenc:CipherData/xenc:CipherValue"
    found = root.find(f"ds:KeyInfo/xenc:EncryptedKey/{path}" if of_key else path, NS)
    assert found is not None
    return found


def set_octets(element: etree._Element, octets: bytes) -> None:
    element.text = base64.b64encode(octets).decode()


def octets_in(element: etree._Element) -> bytes:
    return base64.b64decode(element.text or "")


# --- both ways ---


@pytest.mark.rule("DK-15", "DK-78", "DK-132", "DK-134", "DK-135")
@pytest.mark.parametrize("key_transport", TRANSPORTS)
@pytest.mark.parametrize("algorithm", WRITTEN)
def test_a_part_comes_back_as_it_was(receiver: KeyPair, algorithm: str, key_transport: str) -> None:
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=algorithm, key_transport=key_transport
    )
    assert PLAIN not in octets_of(sealed)
    opened = decrypt_part(sealed, keys=[receiver])
    assert opened == part()


@pytest.mark.rule("DK-133")
@pytest.mark.parametrize("key_transport", TRANSPORTS)
@pytest.mark.parametrize("algorithm", WRITTEN)
def test_xmlsec_reads_what_we_encrypt(receiver: KeyPair, algorithm: str, key_transport: str) -> None:
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=algorithm, key_transport=key_transport
    )
    root = etree.fromstring(octets_of(sealed))
    del root.attrib["Type"]
    pem = receiver.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    manager = xmlsec.KeysManager()
    key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    key.name = "CN=receiver, C=NL"
    manager.add_key(key)
    assert xmlsec.EncryptionContext(manager).decrypt(root) == PLAIN


def sealed_by_xmlsec(
    pair: KeyPair, content: Any, transport: Any, plain: bytes, key_type: Any, bits: int
) -> Part:
    document = etree.fromstring("<x/>")
    data = xmlsec.template.encrypted_data_create(
        document, content, type=xmlsec.EncryptionType.ELEMENT, ns="xenc"
    )
    data.set("MimeType", "text/plain")
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    key = xmlsec.template.add_encrypted_key(info, transport)
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    manager = xmlsec.KeysManager()
    pem = pair.certificate.public_bytes(serialization.Encoding.PEM)
    manager.add_key(xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.CERT_PEM))
    context = xmlsec.EncryptionContext(manager)
    context.key = xmlsec.Key.generate(key_type, bits, xmlsec.KeyDataType.SESSION)
    return carrying(etree.tostring(context.encrypt_binary(data, plain)))


@pytest.mark.rule("DK-133")
@pytest.mark.parametrize("transport", ["RSA_OAEP", "RSA_PKCS1"])
@pytest.mark.parametrize(
    ("content", "bits"),
    [("AES128", 128), ("AES192", 192), ("AES256", 256), ("AES128_GCM", 128), ("AES256_GCM", 256)],
)
def test_what_xmlsec_encrypts_is_read(receiver: KeyPair, content: str, bits: int, transport: str) -> None:
    sealed = sealed_by_xmlsec(
        receiver,
        getattr(xmlsec.Transform, content),
        getattr(xmlsec.Transform, transport),
        PLAIN,
        xmlsec.KeyData.AES,
        bits,
    )
    opened = decrypt_part(sealed, keys=[receiver])
    assert octets_of(opened) == PLAIN
    assert opened.content_type == "text/plain"


# --- the form ---


def test_the_part_has_the_form_that_peers_read(receiver: KeyPair) -> None:
    sealed = encrypt_part(part(), certificate=receiver.certificate, algorithm=AES256_GCM)
    assert (sealed.content_id, sealed.content_type) == ("payload-1@example.nl", "application/xml")
    assert (sealed.filename, sealed.description) == ("melding.xml", "a description")
    octets = octets_of(sealed)
    assert octets.startswith(b"<xenc:EncryptedData")
    root = etree.fromstring(octets)
    assert dict(root.attrib) == {
        "Id": "payload-1@example.nl",
        "MimeType": "text/xml; charset=UTF-8",
        "Type": f"{XENC}Element",
    }
    methods = [method.get("Algorithm") for method in root.iter(f"{{{XENC}}}EncryptionMethod")]
    assert methods == [AES256_GCM, RSA_OAEP]
    name = root.find("ds:KeyInfo/xenc:EncryptedKey/ds:KeyInfo/ds:KeyName", NS)
    assert name is not None
    assert name.text == "CN=receiver, C=NL"


@pytest.mark.rule("DK-135")
def test_oaep_is_written_unless_the_partner_setting_says_otherwise(receiver: KeyPair) -> None:
    sealed = octets_of(encrypt_part(part(), certificate=receiver.certificate, algorithm=AES128_GCM))
    assert RSA_OAEP.encode() in sealed
    assert RSA_1_5.encode() not in sealed


@pytest.mark.rule("DK-134")
@pytest.mark.parametrize("algorithm", [TRIPLE_DES_CBC, "urn:unknown", "", "AES"])
def test_3des_and_unknown_algorithms_are_never_written(receiver: KeyPair, algorithm: str) -> None:
    with pytest.raises(EbmsError, match="never written"):
        encrypt_part(part(), certificate=receiver.certificate, algorithm=algorithm)


def test_only_rsa_certificates_and_known_key_transport_are_used(receiver: KeyPair, curve: KeyPair) -> None:
    with pytest.raises(EbmsError, match="Key transport"):
        encrypt_part(part(), certificate=curve.certificate, algorithm=AES128_GCM)
    with pytest.raises(EbmsError, match="Key transport"):
        encrypt_part(part(), certificate=receiver.certificate, algorithm=AES128_GCM, key_transport="urn:x")


def test_key_and_iv_come_from_the_randomness_handed_in(receiver: KeyPair) -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    sealed = encrypt_part(part(), certificate=receiver.certificate, algorithm=AES256_GCM, random=random)
    assert asked == [32, 12]
    assert octets_of(decrypt_part(sealed, keys=[receiver])) == PLAIN


# --- what is read ---


def test_line_breaks_as_java_writes_them_are_read_over(receiver: KeyPair) -> None:
    sealed = octets_of(encrypt_part(part(PLAIN * 20), certificate=receiver.certificate, algorithm=AES128_CBC))
    start = sealed.rindex(b"<xenc:CipherValue>")
    broken = sealed[:start] + sealed[start:].replace(b"\n", b"&#13;\n")
    assert b"&#13;" in broken
    assert octets_of(decrypt_part(carrying(broken), keys=[receiver])) == PLAIN * 20


def test_type_element_over_binary_octets_means_nothing(receiver: KeyPair) -> None:
    binary = bytes(range(256))
    sealed = encrypt_part(
        part(binary, "application/octet-stream"), certificate=receiver.certificate, algorithm=AES128_CBC
    )
    opened = decrypt_part(sealed, keys=[receiver])
    assert octets_of(opened) == binary
    assert opened.content_type == "application/octet-stream"


def test_without_mime_type_the_part_is_plain_octets(receiver: KeyPair) -> None:
    sealed = encrypt_part(part(), certificate=receiver.certificate, algorithm=AES128_GCM)
    opened = decrypt_part(changed(sealed, lambda root: root.attrib.pop("MimeType")), keys=[receiver])
    assert opened.content_type == "application/octet-stream"


@pytest.mark.parametrize("key_transport", TRANSPORTS)
def test_either_of_two_keys_of_one_name_may_fit(
    receiver: KeyPair, successor: KeyPair, curve: KeyPair, key_transport: str
) -> None:
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=AES256_GCM, key_transport=key_transport
    )
    for keys in ([successor, receiver], [receiver, successor], [curve, receiver]):
        assert octets_of(decrypt_part(sealed, keys=keys)) == PLAIN


@pytest.mark.parametrize("digest", [hashes.SHA1, hashes.SHA256, hashes.SHA512])
@pytest.mark.parametrize("mask", [None, hashes.SHA1, hashes.SHA384])
@pytest.mark.parametrize("label", [None, b"label"])
def test_oaep_parameters_are_honoured(receiver: KeyPair, digest: Any, mask: Any, label: bytes | None) -> None:
    names = {
        hashes.SHA1: f"{DS}sha1",
        hashes.SHA256: f"{XENC}sha256",
        hashes.SHA512: f"{XENC}sha512",
    }
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=AES128_GCM, random=lambda size: b"k" * size
    )

    def wrap_anew(root: etree._Element) -> None:
        method = root.find("ds:KeyInfo/xenc:EncryptedKey/xenc:EncryptionMethod", NS)
        assert method is not None
        method.set("Algorithm", RSA_OAEP_11)
        etree.SubElement(method, f"{{{DS}}}DigestMethod", Algorithm=names[digest])
        if mask is not None:
            etree.SubElement(method, f"{{{XENC11}}}MGF", Algorithm=f"{XENC11}mgf1{mask.name}")
        if label is not None:
            set_octets(etree.SubElement(method, f"{{{XENC}}}OAEPparams"), label)
        oaep = padding.OAEP(mgf=padding.MGF1((mask or hashes.SHA1)()), algorithm=digest(), label=label)
        public = receiver.certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        set_octets(cipher_value(root, of_key=True), public.encrypt(b"k" * 16, oaep))

    assert octets_of(decrypt_part(changed(sealed, wrap_anew), keys=[receiver])) == PLAIN


def triple_des(receiver: KeyPair) -> Part:
    key, iv = bytes(range(24)), b"12345678"
    encryptor = Cipher(TripleDES(key), modes.CBC(iv)).encryptor()
    body = encryptor.update(b"legacy" + b"\0\2") + encryptor.finalize()
    public = receiver.certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=AES128_CBC, key_transport=RSA_1_5
    )

    def replace_all(root: etree._Element) -> None:
        root[0].set("Algorithm", TRIPLE_DES_CBC)
        set_octets(cipher_value(root), iv + body)
        set_octets(cipher_value(root, of_key=True), public.encrypt(key, padding.PKCS1v15()))

    return changed(sealed, replace_all)


@pytest.mark.rule("DK-134")
def test_3des_is_decrypted_with_the_legacy_setting_only(receiver: KeyPair) -> None:
    sealed = triple_des(receiver)
    opened = decrypt_part(sealed, keys=[receiver], policy=DecryptionPolicy(allow_3des=True))
    assert octets_of(opened) == b"legacy"
    assert is_the_one_failure(refusal(sealed, receiver, policy=DecryptionPolicy()))


@pytest.mark.rule("DK-135")
def test_rsa_1_5_can_be_switched_off(receiver: KeyPair) -> None:
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=AES128_GCM, key_transport=RSA_1_5
    )
    assert is_the_one_failure(refusal(sealed, receiver, policy=DecryptionPolicy(allow_rsa_1_5=False)))


# --- failures are all alike ---


def flip(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


CHANGES: dict[str, Callable[[etree._Element], object]] = {
    "the content": lambda root: set_octets(cipher_value(root), flip(octets_in(cipher_value(root)), 19)),
    "the content gone": lambda root: set_octets(cipher_value(root), b""),
    "the content short": lambda root: set_octets(cipher_value(root), b"x" * 16),
    "the content uneven": lambda root: set_octets(cipher_value(root), b"x" * 33),
    "the key": lambda root: set_octets(
        cipher_value(root, of_key=True), flip(octets_in(cipher_value(root, of_key=True)), 9)
    ),
    "the key short": lambda root: set_octets(cipher_value(root, of_key=True), b"x"),
    "the key gone": lambda root: set_octets(cipher_value(root, of_key=True), b""),
    "the key above the modulus": lambda root: set_octets(cipher_value(root, of_key=True), b"\xff" * 256),
    "no base64": lambda root: setattr(cipher_value(root), "text", "*"),
    "no key info": lambda root: root.remove(root[1]),
    "no method": lambda root: root.remove(root[0]),
    "no cipher data": lambda root: root.remove(root[2]),
    "two cipher data": lambda root: root.append(etree.fromstring(etree.tostring(root[2]))),
    "another algorithm": lambda root: root[0].set("Algorithm", "urn:x"),
    "another key length": lambda root: root[0].set("Algorithm", AES192_CBC),
    "another root": lambda root: setattr(root, "tag", "x"),
    "a cipher reference": lambda root: setattr(cipher_value(root), "tag", f"{{{XENC}}}CipherReference"),
}


@pytest.mark.rule("DK-135")
@pytest.mark.parametrize("key_transport", [RSA_OAEP, RSA_1_5])
@pytest.mark.parametrize("what", CHANGES)
def test_every_failure_is_the_same_failure(receiver: KeyPair, what: str, key_transport: str) -> None:
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=AES256_GCM, key_transport=key_transport
    )
    assert is_the_one_failure(refusal(changed(sealed, CHANGES[what]), receiver))


@pytest.mark.parametrize(
    "octets", [b"", b"plain text", b"<x/>", b"<!DOCTYPE x [<!ENTITY e 'x'>]><x>&e;</x>", PLAIN]
)
@pytest.mark.rule("DK-78")
def test_a_clear_part_does_not_decrypt(receiver: KeyPair, octets: bytes) -> None:
    assert is_the_one_failure(refusal(carrying(octets), receiver))


@pytest.mark.parametrize("key_transport", TRANSPORTS)
def test_another_key_gives_the_same_failure(
    receiver: KeyPair, successor: KeyPair, key_transport: str
) -> None:
    sealed = encrypt_part(
        part(), certificate=receiver.certificate, algorithm=AES256_GCM, key_transport=key_transport
    )
    assert is_the_one_failure(refusal(sealed, successor))
    assert is_the_one_failure(refusal(sealed))


@pytest.mark.rule("DK-135")
def test_a_broken_rsa_1_5_key_goes_on_with_a_random_one(receiver: KeyPair) -> None:
    """The content is decrypted all the same, so that neither time nor answer tells which step failed."""
    # A fixed key: what a wrong one makes of the content ends in good padding once in sixteen times.
    sealed = encrypt_part(
        part(),
        certificate=receiver.certificate,
        algorithm=AES128_CBC,
        key_transport=RSA_1_5,
        random=lambda size: b"\x02" * size,
    )
    broken = changed(sealed, CHANGES["the key short"])
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return b"\x01" * size

    with pytest.raises(EbmsError) as caught:
        decrypt_part(broken, keys=[receiver], random=random)
    assert asked == [16, 16], "the mark of what is read in pieces, and a key"
    assert is_the_one_failure(caught.value)


def test_parts_above_the_limit_are_refused_in_words(receiver: KeyPair) -> None:
    with pytest.raises(EbmsError, match="encryption is done up to 10") as caught:
        encrypt_part(part(b"x" * 11), certificate=receiver.certificate, algorithm=AES128_GCM, max_octets=10)
    assert caught.value.code == "NotSupported"
    sealed = encrypt_part(part(), certificate=receiver.certificate, algorithm=AES128_GCM)
    error = refusal(sealed, receiver, policy=DecryptionPolicy(max_octets=10))
    assert (error.code, error.location) == ("NotSupported", "cid:payload-1@example.nl")


def test_a_part_of_many_megabytes_passes(receiver: KeyPair) -> None:
    large = b"0123456789abcdef" * 1024 * 768
    sealed = encrypt_part(part(large), certificate=receiver.certificate, algorithm=AES128_GCM)
    assert octets_of(decrypt_part(sealed, keys=[receiver])) == large


@pytest.mark.rule("DK-133")
@pytest.mark.parametrize("algorithm", [AES128_CBC, AES256_GCM])
def test_xmlsec_reads_a_large_part_and_we_read_one_of_xmlsec(receiver: KeyPair, algorithm: str) -> None:
    large = os.urandom(1024 * 1024)
    root = etree.fromstring(
        octets_of(encrypt_part(part(large), certificate=receiver.certificate, algorithm=algorithm))
    )
    del root.attrib["Type"]
    pem = receiver.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    manager = xmlsec.KeysManager()
    key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    key.name = "CN=receiver, C=NL"
    manager.add_key(key)
    assert xmlsec.EncryptionContext(manager).decrypt(root) == large
    content = xmlsec.Transform.AES256_GCM if algorithm == AES256_GCM else xmlsec.Transform.AES256
    theirs = sealed_by_xmlsec(receiver, content, xmlsec.Transform.RSA_OAEP, large, xmlsec.KeyData.AES, 256)
    assert octets_of(decrypt_part(theirs, keys=[receiver])) == large


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=100), algorithm=st.sampled_from(WRITTEN))
def test_any_octets_come_back(receiver: KeyPair, octets: bytes, algorithm: str) -> None:
    sealed = encrypt_part(part(octets), certificate=receiver.certificate, algorithm=algorithm)
    assert octets_of(decrypt_part(sealed, keys=[receiver])) == octets


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), put=st.binary(max_size=3), take=st.integers(0, 5))
def test_any_change_ends_in_the_one_failure_or_the_same_octets(
    receiver: KeyPair, place: float, put: bytes, take: int
) -> None:
    octets = octets_of(encrypt_part(part(), certificate=receiver.certificate, algorithm=AES128_GCM))
    at = int(place * len(octets))
    try:
        opened = decrypt_part(carrying(octets[:at] + put + octets[at + take :]), keys=[receiver])
    except EbmsError as error:
        assert is_the_one_failure(error)
        return
    assert octets_of(opened) == PLAIN
