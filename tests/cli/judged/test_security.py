# ruff: noqa: E501 (a table is read by its columns)
"""Messages that xmlsec signed and encrypted, and attacks on them, each with its verdict and the state of its signature."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from bridge.ebms.keys import KeyPair
from tests.cli.judged.conftest import in_one_line
from tests.cli.judged.wire import (
    ACK_REQUESTED,
    NEXT,
    SYNC_REPLY,
    Part,
    edit,
    envelope,
    multipart,
    plain,
)
from tests.ebms.xmlsec_side import (
    C14N,
    ENVELOPED,
    EXC_C14N,
    SHA256,
    XPATH,
    XPATH_TRANSFORM,
    sign_with_xmlsec,
    signature_template,
)

Judge = Callable[..., dict[str, Any]]

SIGNED_ACK = ACK_REQUESTED.replace('signed="false"', 'signed="true"')
XML = "<melding>\r\n é</melding>".encode()
FAILS = "SecurityFailure //Header/Signature"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
ENC = "http://www.w3.org/2001/04/xmlenc#"


@dataclass(frozen=True, kw_only=True)
class Signed:
    """How a message is signed and what is done to it afterwards."""

    shape: Mapping[str, Any] = field(default_factory=dict)
    """Of the signature template."""
    header: str = SIGNED_ACK
    before: tuple[tuple[str, str], ...] = ()
    """Edits of the envelope before it is signed."""
    after: tuple[tuple[str, str], ...] = ()
    """Edits of the signed envelope."""
    parts: tuple[Part, ...] = (Part(octets=XML),)
    sent: tuple[Part, ...] | None = None
    """The parts that are sent in place of those that were signed."""
    unsigned: tuple[str, ...] = ()
    """Content-IDs that the signature skips."""
    key: str = "partner"


def sign(office: Any, how: Signed) -> bytes:
    names = [part.content_id for part in how.parts]
    text = edit(envelope(office.now, header=how.header, references=names), *how.before)
    signature = signature_template(tuple(n for n in names if n not in how.unsigned), **how.shape)
    octets = {part.content_id: part.octets for part in how.parts}
    done = sign_with_xmlsec(text, octets, office.pair(how.key), signature).decode()
    return multipart(edit(done, *how.after), *(how.parts if how.sent is None else how.sent))


def state(document: dict[str, Any]) -> tuple[str, str]:
    return document["signature"], in_one_line(document)


XPATH_STEP = f'<ds:Transform Algorithm="{XPATH_TRANSFORM}"><ds:XPath>{XPATH}</ds:XPath></ds:Transform>'
ENVELOPED_STEP = f'<ds:Transform Algorithm="{ENVELOPED}"/>'

VALID: dict[str, Signed] = {
    "inclusive": Signed(),
    "exclusive": Signed(shape={"c14n": EXC_C14N}),
    "exclusive with a PrefixList": Signed(shape={"c14n": EXC_C14N, "prefix_list": "soap eb"}),
    "inclusive 1.1": Signed(shape={"c14n": "http://www.w3.org/2006/12/xml-c14n11"}),
    "with comments": Signed(shape={"c14n": C14N + "#WithComments"}, before=(("<soap:Body>", "<soap:Body><!-- x -->"),)),
    "no c14n transform": Signed(shape={"transforms": ENVELOPED_STEP + XPATH_STEP}),
    "XPath on lines of its own": Signed(shape={"xpath": XPATH.replace("|", "\n | \n").replace('"', "'")}),
    "no payload": Signed(parts=()),
    "three parts": Signed(parts=(Part(octets=XML), Part(octets=bytes(range(256)), content_id="p2@x"), Part(octets=b"", content_id="p3@x"))),
    "part that looks signed itself": Signed(parts=(Part(octets=b'<a><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></a>'),)),
    "c14n transform on a part": Signed(shape={"part_transforms": f'<ds:Transforms><ds:Transform Algorithm="{C14N}"/></ds:Transforms>'}),
    "KeyInfo of a name": Signed(shape={"key_info": "<ds:KeyInfo><ds:KeyName>somebody</ds:KeyName></ds:KeyInfo>"}),
    "KeyInfo of a serial number": Signed(shape={"key_info": "<ds:KeyInfo><ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=x</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data></ds:KeyInfo>"}),
    "KeyInfo of a token": Signed(shape={"key_info": '<ds:KeyInfo><w:SecurityTokenReference xmlns:w="urn:w"><w:Reference URI="#x"/></w:SecurityTokenReference></ds:KeyInfo>'}),
    "foreign header signed along": Signed(before=(("</soap:Header>", '<q:x xmlns:q="urn:q">1</q:x></soap:Header>'),)),
    "foreign header for next, outside": Signed(after=(("</soap:Header>", f'<q:x xmlns:q="urn:q" soap:actor="{NEXT}">1</q:x></soap:Header>'),)),
    "other declaration": Signed(after=(("<soap:Envelope", "<!-- on the way --><soap:Envelope"),)),
}  # fmt: skip


@pytest.mark.parametrize("name", VALID)
def test_a_signature_of_another_implementation_is_valid(office: Any, judge_raw: Judge, name: str) -> None:
    assert state(judge_raw(sign(office, VALID[name]), office.cpa("osb-rm-s"))) == ("valid", "ok")


INVALID: dict[str, Signed] = {
    "changed MessageId": Signed(after=(("m1@partner", "m2@partner"),)),
    "changed body": Signed(after=(("<soap:Body>", "<soap:Body> "),)),
    "white space beside an element": Signed(after=(("</eb:MessageHeader>", "</eb:MessageHeader> "),)),
    "header added": Signed(after=(("</soap:Header>", '<q:x xmlns:q="urn:q">1</q:x></soap:Header>'),)),
    "namespace added": Signed(after=(("<soap:Body>", '<soap:Body xmlns:q="urn:q">'),)),
    "changed part": Signed(sent=(Part(octets=XML + b" "),)),
    "line ends of a part": Signed(sent=(Part(octets=XML.replace(b"\r\n", b"\n")),)),
    "signed by somebody else": Signed(key="own"),
    "a part that is not signed": Signed(parts=(Part(octets=XML), Part(octets=b"x", content_id="p2@x")), unsigned=("p2@x",)),
    "only the parts are signed": Signed(shape={"references": f'<ds:Reference URI="cid:p1@x"><ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue/></ds:Reference>'}),
    "no XPath transform": Signed(shape={"transforms": f'{ENVELOPED_STEP}<ds:Transform Algorithm="{C14N}"/>'}),
    "an XPath that hides the body": Signed(shape={"xpath": "not(ancestor-or-self::soap:Body)"}),
    "transforms in another order": Signed(shape={"transforms": XPATH_STEP + ENVELOPED_STEP}),
    "SHA-1 digest": Signed(shape={"digest_method": DSIG + "sha1"}),
    "SHA-1 signature": Signed(shape={"signature_method": DSIG + "rsa-sha1"}),
    "SHA-512, which is not agreed": Signed(shape={"digest_method": ENC + "sha512", "signature_method": MORE + "rsa-sha512"}),
    "value cut off": Signed(after=(("</ds:SignatureValue>", "AAAA</ds:SignatureValue>"),)),
    "no value": Signed(after=(("<ds:SignatureValue>", "<ds:SignatureValue><!--"), ("</ds:SignatureValue>", "--></ds:SignatureValue>"))),
    "an Object in the signature": Signed(after=(("</ds:Signature>", "<ds:Object>x</ds:Object></ds:Signature>"),)),
    "canonicalization of its own": Signed(after=((f'CanonicalizationMethod Algorithm="{C14N}"', 'CanonicalizationMethod Algorithm="urn:own"'),)),
    "HMAC": Signed(after=((MORE + "rsa-sha256", MORE + "hmac-sha256"),)),
    "a transform on the way": Signed(after=(('Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath', 'Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt'),)),
    "a file in place of a part": Signed(after=(('URI="cid:p1@x"', 'URI="file:///etc/passwd"'),)),
    "an id in place of the envelope": Signed(after=(('Reference URI=""', 'Reference URI="#x"'),)),
    "two signatures": Signed(after=(("</soap:Header>", f'<ds:Signature xmlns:ds="{DSIG}"/></soap:Header>'),)),
    "signature in the body": Signed(after=(("<soap:Body>", f'<soap:Body><ds:Signature xmlns:ds="{DSIG}"/>'),)),
    "header hidden in a wrapper": Signed(after=(("</soap:Header>", f'<q:w xmlns:q="urn:q" soap:actor="{NEXT}"><eb:Manifest eb:version="2.0"/></q:w></soap:Header>'),)),
}  # fmt: skip


@pytest.mark.rule("DK-14", "DK-65", "DK-66", "DK-130", "DK-131")
@pytest.mark.parametrize("name", INVALID)
def test_a_signature_that_does_not_hold_refuses_the_message(office: Any, judge_raw: Judge, name: str) -> None:
    assert state(judge_raw(sign(office, INVALID[name]), office.cpa("osb-rm-s"))) == ("invalid", FAILS)


@pytest.mark.parametrize("declared", ["xmlns:q='relative'", "xmlns='relative'"])
def test_a_namespace_that_has_no_canonical_form_refuses_a_signed_message_only(
    office: Any, judge_raw: Judge, declared: str
) -> None:
    added = (("</soap:Header>", f"<x {declared}/></soap:Header>"),)
    assert state(judge_raw(sign(office, Signed(after=added)), office.cpa("osb-rm-s"))) == ("invalid", FAILS)
    assert state(judge_raw(plain(edit(envelope(office.now), *added)), office.cpa())) == ("absent", "ok")


def test_sync_reply_stands_outside_the_signature(office: Any, judge_raw: Judge) -> None:
    cpa = office.cpa("osb-rm-s", sync=True)
    within = Signed(header=SYNC_REPLY + SIGNED_ACK)
    assert state(judge_raw(sign(office, within), cpa)) == ("valid", "ok")
    added = Signed(after=(("</soap:Header>", SYNC_REPLY + "</soap:Header>"),))
    assert state(judge_raw(sign(office, added), cpa)) == ("valid", "ok")


@pytest.mark.parametrize("profile", ["osb-be-s", "osb-rm-s", "osb-be-e", "osb-rm-e"])
def test_an_unsigned_message_is_refused(office: Any, judge_raw: Judge, profile: str) -> None:
    reliable = "rm" in profile
    text = envelope(office.now, **({"header": SIGNED_ACK} if reliable else {"header": "", "flag": ""}))
    assert state(judge_raw(plain(text), office.cpa(profile))) == ("absent", FAILS)


def test_a_signature_elsewhere_than_in_the_header_is_none(office: Any, judge_raw: Judge) -> None:
    moved = Signed(
        after=(
            ("<ds:Signature ", '<q:w xmlns:q="urn:q"><ds:Signature '),
            ("</ds:Signature>", "</ds:Signature></q:w>"),
        )
    )
    assert state(judge_raw(sign(office, moved), office.cpa("osb-rm-s"))) == ("absent", FAILS)


@pytest.mark.parametrize(
    ("after", "expected"), [((), ("valid", "ok")), ((("m1@partner", "m2@partner"),), ("invalid", FAILS))]
)
def test_a_signature_that_nobody_asked_for_is_checked_all_the_same(
    office: Any, judge_raw: Judge, after: Any, expected: tuple[str, str]
) -> None:
    cpa = office.cpa("osb-rm-s", ('isNonRepudiationRequired="true"', 'isNonRepudiationRequired="false"'))
    assert state(judge_raw(sign(office, Signed(after=after)), cpa)) == expected


def test_a_signature_that_no_certificate_of_the_agreement_can_check_is_refused(
    office: Any, judge_raw: Judge
) -> None:
    found = judge_raw(sign(office, Signed(header=ACK_REQUESTED)), office.cpa("osb-rm"))
    assert state(found) == ("unchecked", FAILS)


def test_without_an_agreement_a_signature_is_unchecked(office: Any, judge_raw: Judge) -> None:
    assert state(judge_raw(sign(office, Signed()))) == ("unchecked", "ok")
    assert state(judge_raw(plain(envelope(office.now)))) == ("absent", "ok")


def test_a_refused_header_leaves_the_state_of_the_signature_told(office: Any, judge_raw: Judge) -> None:
    late = Signed(before=(("<eb:Action>meld", "<eb:Action>iets"),))
    assert judge_raw(sign(office, late), office.cpa("osb-rm-s"))["signature"] == "valid"


def make_pair(key: Any, *, begin: datetime, days: int) -> KeyPair:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(begin + timedelta(days=days))
    return KeyPair(private_key=key, certificate=builder.sign(key, hashes.SHA256()))


def cpa_with(office: Any, pair: KeyPair, *edits: tuple[str, str]) -> bytes:
    """An agreement in which the partner signs with this key."""
    description = office.description("osb-rm-s")
    pem = pair.certificate.public_bytes(serialization.Encoding.PEM).decode()
    first = description["party"][0] | {"signing_certificate": pem}
    return bytes(office.cpa("osb-rm-s", *edits, party=[first, description["party"][1]]))


def signed_with(office: Any, pair: KeyPair, **shape: Any) -> bytes:
    text = envelope(office.now, header=SIGNED_ACK, references=["p1@x"])
    return multipart(
        sign_with_xmlsec(text, {"p1@x": XML}, pair, signature_template(("p1@x",), **shape)), Part(octets=XML)
    )


@pytest.mark.parametrize(
    ("curve", "name"), [(ec.SECP256R1(), "sha256"), (ec.SECP384R1(), "sha384"), (ec.SECP521R1(), "sha512")]
)
def test_an_elliptic_curve_signature_is_valid_where_it_is_agreed(
    office: Any, judge_raw: Judge, curve: ec.EllipticCurve, name: str
) -> None:
    pair = make_pair(ec.generate_private_key(curve), begin=office.now - timedelta(days=1), days=100)
    octets = signed_with(office, pair, signature_method=f"{MORE}ecdsa-{name}")
    drafted = f"{MORE}ecdsa-sha256"
    agreed, other = cpa_with(office, pair, (drafted, f"{MORE}ecdsa-{name}")), (drafted, f"{MORE}rsa-sha256")
    assert state(judge_raw(octets, agreed)) == ("valid", "ok")
    assert state(judge_raw(octets, cpa_with(office, pair, other))) == ("invalid", FAILS)


@pytest.mark.parametrize(
    ("digest", "method"),
    [
        (f"{MORE}sha384", f"{MORE}rsa-sha384"),
        (f"{ENC}sha512", f"{MORE}rsa-sha512"),
        (f"{ENC}sha512", f"{MORE}rsa-sha256"),
        (f"{DSIG}sha1", f"{DSIG}rsa-sha1"),
    ],
)
def test_the_agreed_algorithms_are_the_ones_that_count(
    office: Any, judge_raw: Judge, digest: str, method: str
) -> None:
    octets = sign(office, Signed(shape={"digest_method": digest, "signature_method": method}))
    agreed = ((f">{SHA256}<", f">{digest}<"), (f"{MORE}rsa-sha256", method))
    found = judge_raw(octets, office.cpa("osb-rm-s", *agreed))
    assert state(found) == ("valid", "ok")
    assert any("SHA-1" in note for note in found["notes"]) == ("sha1" in method)


@pytest.mark.rule("DK-137")
@pytest.mark.parametrize(
    ("begins", "days", "expected"),
    [(-10, 100, "valid"), (-10, 5, "invalid"), (1, 100, "invalid")],
    ids=["in force", "expired", "not yet valid"],
)
def test_the_signing_certificate_must_be_in_force(
    office: Any, judge_raw: Judge, begins: int, days: int, expected: str
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pair = make_pair(key, begin=office.now + timedelta(days=begins), days=days)
    found = judge_raw(signed_with(office, pair), cpa_with(office, pair))
    assert state(found) == (expected, "ok" if expected == "valid" else FAILS)


# --- encryption


AES = {"aes128-cbc": "AES128", "aes192-cbc": "AES192", "aes256-cbc": "AES256"}
GCM = {"aes128-gcm": "AES128_GCM", "aes192-gcm": "AES192_GCM", "aes256-gcm": "AES256_GCM"}
TRANSPORT = {"rsa-1_5": "RSA_PKCS1", "rsa-oaep-mgf1p": "RSA_OAEP"}


def seal(office: Any, plain_octets: bytes, cipher: str = "AES256_GCM", transport: str = "RSA_OAEP") -> str:
    """EncryptedData as xmlsec makes it, for our certificate."""
    data = xmlsec.template.encrypted_data_create(
        etree.fromstring("<x/>"),
        getattr(xmlsec.Transform, cipher),
        type=xmlsec.EncryptionType.ELEMENT,
        ns="xenc",
    )
    data.set("MimeType", "text/xml")
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    key = xmlsec.template.add_encrypted_key(info, getattr(xmlsec.Transform, transport))
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    manager = xmlsec.KeysManager()
    pem = office.pair("own").certificate.public_bytes(serialization.Encoding.PEM)
    manager.add_key(xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.CERT_PEM))
    context = xmlsec.EncryptionContext(manager)
    kind, bits = ("DES", 192) if cipher == "DES3" else ("AES", int(cipher[3:6]))
    context.key = xmlsec.Key.generate(getattr(xmlsec.KeyData, kind), bits, xmlsec.KeyDataType.SESSION)
    return etree.tostring(context.encrypt_binary(data, plain_octets)).decode()


def sealed(
    office: Any, *edits: tuple[str, str], cipher: str = "AES256_GCM", transport: str = "RSA_OAEP"
) -> bytes:
    """A signed message whose part is encrypted; `edits` change the EncryptedData."""
    text = edit(seal(office, XML, cipher, transport), *edits)
    return sign(office, Signed(sent=(Part(octets=text.encode()),)))


@pytest.mark.rule("DK-15", "DK-132", "DK-134")
@pytest.mark.parametrize("transport", TRANSPORT.values())
@pytest.mark.parametrize("cipher", [*AES.values(), *GCM.values()])
def test_what_another_implementation_encrypts_is_opened_and_then_verified(
    office: Any, judge_raw: Judge, cipher: str, transport: str
) -> None:
    found = judge_raw(sealed(office, cipher=cipher, transport=transport), office.cpa("osb-rm-e"))
    assert state(found) == ("valid", "ok")
    (part,) = found["parts"]
    assert (part["contentType"], part["size"]) == ("text/xml", len(XML))


OPENED: dict[str, tuple[tuple[str, str], ...]] = {
    "an XML declaration in front": (("<xenc:EncryptedData", '<?xml version="1.0"?>\n<!-- x --><xenc:EncryptedData'),),
    "Type of content": (("#Element", "#Content"),),
    "an Id": (("<xenc:EncryptedData ", '<xenc:EncryptedData Id="p1@x" '),),
    "a KeyName beside the key": (("<xenc:EncryptedKey", "<ds:KeyName>CN=x</ds:KeyName><xenc:EncryptedKey"),),
    "carriage returns in base64": (("</xenc:CipherValue>", "&#13;\n</xenc:CipherValue>"),),
    "properties": (("</xenc:EncryptedData>", "<xenc:EncryptionProperties/></xenc:EncryptedData>"),),
}  # fmt: skip


@pytest.mark.parametrize("name", OPENED)
def test_forms_of_encrypted_data_that_open(office: Any, judge_raw: Judge, name: str) -> None:
    assert state(judge_raw(sealed(office, *OPENED[name]), office.cpa("osb-rm-e"))) == ("valid", "ok")


REFUSED: dict[str, tuple[tuple[str, str], ...]] = {
    "CipherReference": (("<xenc:CipherValue>", '<xenc:CipherReference URI="http://x/y"/><xenc:CipherValue>'), ("xenc:CipherValue", "xenc:Other")),
    "another cipher than was used": (("aes256-gcm", "aes128-gcm"),),
    "an unknown cipher": (("aes256-gcm", "rot13"),),
    "an unknown key transport": (("rsa-oaep-mgf1p", "kw-aes128"),),
    "no KeyInfo": (("ds:KeyInfo", "ds:Other"),),
    "RetrievalMethod": (("xenc:EncryptedKey", "ds:RetrievalMethod"),),
    "no cipher named": (('<xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/>', ""),),
    "value that is no base64": (("</xenc:CipherValue>", "!</xenc:CipherValue>"),),
    "value changed": (("</xenc:CipherValue>", "AAAA</xenc:CipherValue>"),),
    "DOCTYPE": (("<xenc:EncryptedData", "<!DOCTYPE a><xenc:EncryptedData"),),
    "wrapped": (("<xenc:EncryptedData", "<a><xenc:EncryptedData"), ("</xenc:EncryptedData>", "</xenc:EncryptedData></a>")),
    "not closed": (("</xenc:EncryptedData>", ""),),
}  # fmt: skip


@pytest.mark.rule("DK-135")
@pytest.mark.parametrize("name", REFUSED)
def test_encrypted_data_that_does_not_open_is_one_and_the_same_failure(
    office: Any, judge_raw: Judge, name: str
) -> None:
    text = edit(seal(office, XML), *REFUSED[name])
    found = judge_raw(sign(office, Signed(sent=(Part(octets=text.encode()),))), office.cpa("osb-rm-e"))
    assert in_one_line(found) == "SecurityFailure cid:p1@x"
    assert found["error"]["text"].startswith("The part cannot be decrypted")


@pytest.mark.rule("DK-134")
def test_3des_is_not_opened(office: Any, judge_raw: Judge) -> None:
    found = judge_raw(sealed(office, cipher="DES3"), office.cpa("osb-rm-e"))
    assert in_one_line(found) == "SecurityFailure cid:p1@x"


@pytest.mark.rule("DK-78")
@pytest.mark.parametrize("octets", [XML, b"plain text", b""])
def test_a_clear_part_is_refused_where_encryption_is_agreed(
    office: Any, judge_raw: Judge, octets: bytes
) -> None:
    found = judge_raw(sign(office, Signed(parts=(Part(octets=octets),))), office.cpa("osb-rm-e"))
    assert in_one_line(found) == "SecurityFailure cid:p1@x"


@pytest.mark.rule("DK-79")
def test_encrypted_data_passes_untouched_where_none_is_agreed(office: Any, judge_raw: Judge) -> None:
    octets = seal(office, XML).encode()
    found = judge_raw(sign(office, Signed(parts=(Part(octets=octets),))), office.cpa("osb-rm-s"))
    assert state(found) == ("valid", "ok")
    assert found["parts"][0]["size"] == len(octets)


def test_a_signature_over_the_ciphertext_looks_like_a_part_that_does_not_open(
    office: Any, judge_raw: Judge
) -> None:
    found = judge_raw(
        sign(office, Signed(parts=(Part(octets=seal(office, XML).encode()),))), office.cpa("osb-rm-e")
    )
    assert state(found) == ("invalid", "SecurityFailure cid:p1@x")


def test_another_key_does_not_open(office: Any, judge_raw: Judge) -> None:
    found = judge_raw(sealed(office), office.cpa("osb-rm-e"), keys=(office.pair("partner"),))
    assert in_one_line(found) == "SecurityFailure cid:p1@x"


def test_without_a_key_the_parts_stay_closed_and_the_signature_unchecked(
    office: Any, judge_raw: Judge
) -> None:
    found = judge_raw(sealed(office), office.cpa("osb-rm-e"), keys=())
    assert state(found) == ("unchecked", "ok")
    assert any("--key" in note for note in found["notes"])


def test_one_part_that_does_not_open_does_not_tell_which(office: Any, judge_raw: Judge) -> None:
    parts = (Part(octets=XML), Part(octets=b"two", content_id="p2@x"))
    sent = (Part(octets=seal(office, XML).encode()), Part(octets=os.urandom(99), content_id="p2@x"))
    found = judge_raw(sign(office, Signed(parts=parts, sent=sent)), office.cpa("osb-rm-e"))
    assert [error["location"] for error in found["errors"]] == ["cid:p1@x", "cid:p2@x"]
    assert "part p2@x does not open" in found["notes"]
