"""The XML signature: what we write, what we accept of others, and the attacks that must fail.

xmlsec is the independent implementation on the other side.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.ebms.keys import KeyPair
from bridge.ebms.model import ACTOR_NEXT, ACTOR_NEXT_MSH, Octets, Part
from bridge.ebms.sign import (
    AlgorithmPolicy,
    Verified,
    check_receipt,
    references_of_sent,
    sign_envelope,
    signature_references,
    verify_signature,
)
from bridge.ebms.signed_info import (
    C14N,
    C14N11,
    DSA_SHA1,
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ENVELOPED,
    EXC_C14N,
    RSA_SHA1,
    RSA_SHA256,
    RSA_SHA384,
    RSA_SHA512,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
)
from bridge.ebms.xml import DS, EB, SOAP, XPATH_TRANSFORM, XmlProblem, parse_xml
from bridge.errors import EbmsError
from tests.ebms.xmlsec_side import (
    NS,
    XPATH,
    answering_cids,
    sign_with_xmlsec,
    signature_template,
    xmlsec_key,
)

SYNC_REPLY = f'<eb:SyncReply eb:version="2.0" soap:mustUnderstand="1" soap:actor="{ACTOR_NEXT}"/>'
LEGACY = AlgorithmPolicy(allow_sha1=True)


def self_signed(key: Any, name: str = "sender") -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def rsa_pair() -> KeyPair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return KeyPair(private_key=key, certificate=self_signed(key))


@pytest.fixture(scope="module")
def other_pair() -> KeyPair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return KeyPair(private_key=key, certificate=self_signed(key))


@pytest.fixture(scope="module")
def ec_pair() -> KeyPair:
    key = ec.generate_private_key(ec.SECP384R1())
    return KeyPair(private_key=key, certificate=self_signed(key))


def part(
    content_id: str = "payload-1@example.nl", octets: bytes = b"<melding>\r\n \xc3\xa9</melding>"
) -> Part:
    return Part(content_id=content_id, content_type="text/xml", content=Octets(octets))


def envelope_text(
    parts: tuple[Part, ...] = (), *, blocks: str = "", prolog: str = "", attributes: str = "", tail: str = ""
) -> str:
    references = "".join(f'<eb:Reference xlink:href="cid:{p.content_id}"/>\n' for p in parts)
    manifest = f'<eb:Manifest eb:version="2.0">{references}</eb:Manifest>' if parts else ""
    return f"""{prolog}<soap:Envelope xmlns:soap="{SOAP}" xmlns:eb="{EB}"
  xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:unused="urn:unused"{attributes}>
  <soap:Header>
    <eb:MessageHeader soap:mustUnderstand="1" eb:version="2.0">
      <eb:From><eb:PartyId eb:type="urn:osb:oin">00000001999999990000</eb:PartyId></eb:From>
      <eb:Action>afleveren</eb:Action>
      <eb:MessageData><eb:MessageId>1@example.nl</eb:MessageId></eb:MessageData>
    </eb:MessageHeader>
    {blocks}
    <eb:AckRequested soap:mustUnderstand="1" eb:version="2.0" eb:signed="false"/>
  </soap:Header>
  <soap:Body>{manifest}</soap:Body>
</soap:Envelope>{tail}"""


def signed(
    pair: KeyPair,
    parts: tuple[Part, ...] = (),
    *,
    digest_method: str = SHA256,
    signature_method: str = RSA_SHA256,
    policy: AlgorithmPolicy = LEGACY,
    **shape: str,
) -> bytes:
    root = parse_xml(envelope_text(parts, **shape).encode())
    sign_envelope(
        root, parts, key=pair, digest_method=digest_method, signature_method=signature_method, policy=policy
    )
    return etree.tostring(root.getroottree(), encoding="utf-8")


def verify(
    octets: bytes,
    parts: tuple[Part, ...],
    *pairs: KeyPair,
    digest_method: str | None = None,
    signature_method: str | None = None,
    policy: AlgorithmPolicy = LEGACY,
) -> Verified:
    return verify_signature(
        parse_xml(octets),
        parts,
        certificates=[pair.certificate for pair in pairs],
        digest_method=digest_method,
        signature_method=signature_method,
        policy=policy,
    )


def refusal(
    octets: bytes,
    parts: tuple[Part, ...],
    *pairs: KeyPair,
    digest_method: str | None = None,
    signature_method: str | None = None,
    policy: AlgorithmPolicy = LEGACY,
) -> str:
    with pytest.raises(EbmsError) as caught:
        verify(
            octets,
            parts,
            *pairs,
            digest_method=digest_method,
            signature_method=signature_method,
            policy=policy,
        )
    assert caught.value.code == "SecurityFailure"
    assert caught.value.location == "//Header/Signature"
    return caught.value.text


def changed(octets: bytes, change: Callable[[etree._Element], None]) -> bytes:
    root = parse_xml(octets)
    change(root)
    return etree.tostring(root.getroottree(), encoding="utf-8")


def one(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path, NS)
    assert found is not None
    return found


# --- the other implementation ---


def octets_by_id(parts: tuple[Part, ...]) -> dict[str, bytes]:
    return {each.content_id: each.content.open().read() for each in parts}


def xmlsec_accepts(octets: bytes, parts: tuple[Part, ...], pair: KeyPair) -> bool:
    root = etree.fromstring(octets)
    context = xmlsec.SignatureContext()
    context.key = xmlsec_key(pair, private=False)
    with answering_cids(octets_by_id(parts)):
        try:
            context.verify(one(root, "soap:Header/ds:Signature"))
        except xmlsec.Error:
            return False
    return True


def template(parts: tuple[Part, ...], **shape: Any) -> str:
    return signature_template(tuple(each.content_id for each in parts), **shape)


def signed_by_xmlsec(
    pair: KeyPair, parts: tuple[Part, ...], signature: str, *, text: str | None = None, **shape: str
) -> bytes:
    text = envelope_text(parts, **shape) if text is None else text
    return sign_with_xmlsec(text, octets_by_id(parts), pair, signature)


# --- what we write ---


@pytest.mark.rule("DK-63", "DK-66", "DK-67", "DK-129", "DK-130", "DK-131")
@pytest.mark.parametrize(
    ("digest_method", "signature_method"),
    [(SHA256, RSA_SHA256), (SHA384, RSA_SHA384), (SHA512, RSA_SHA512), (SHA512, RSA_SHA256)],
)
def test_xmlsec_accepts_what_we_sign(rsa_pair: KeyPair, digest_method: str, signature_method: str) -> None:
    parts = (part(), part("two@example.nl", bytes(range(256))))
    octets = signed(
        rsa_pair, parts, digest_method=digest_method, signature_method=signature_method, blocks=SYNC_REPLY
    )
    assert xmlsec_accepts(octets, parts, rsa_pair)
    tampered = (replace(parts[0], content=Octets(b"x")), parts[1])
    assert not xmlsec_accepts(octets, tampered, rsa_pair)


@pytest.mark.parametrize("signature_method", [ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512])
def test_xmlsec_accepts_what_we_sign_with_an_elliptic_curve_key(
    ec_pair: KeyPair, signature_method: str
) -> None:
    parts = (part(),)
    octets = signed(ec_pair, parts, signature_method=signature_method)
    assert xmlsec_accepts(octets, parts, ec_pair)


def test_xmlsec_accepts_our_sha1_signature_when_the_policy_permits_it(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (), digest_method=SHA1, signature_method=RSA_SHA1)
    assert xmlsec_accepts(octets, (), rsa_pair)


def test_the_signature_has_the_layout_that_peers_read(rsa_pair: KeyPair) -> None:
    root = parse_xml(signed(rsa_pair, (part(),)))
    header = one(root, "soap:Header")
    signature = header[-1]
    assert signature.tag == f"{{{DS}}}Signature"
    assert [etree.QName(child).localname for child in signature] == [
        "SignedInfo",
        "SignatureValue",
        "KeyInfo",
    ]
    info = signature[0]
    assert one(info, "ds:CanonicalizationMethod").get("Algorithm") == C14N
    whole, cid = info.findall("ds:Reference", NS)
    assert whole.get("URI") == ""
    assert [t.get("Algorithm") for t in whole.iterfind("ds:Transforms/ds:Transform", NS)] == [
        ENVELOPED,
        XPATH_TRANSFORM,
        C14N,
    ]
    assert one(whole, "ds:Transforms/ds:Transform/ds:XPath").text == XPATH
    assert cid.get("URI") == "cid:payload-1@example.nl"
    assert cid.find("ds:Transforms", NS) is None
    certificate = one(signature, "ds:KeyInfo/ds:X509Data/ds:X509Certificate").text or ""
    assert x509.load_der_x509_certificate(base64.b64decode(certificate)) == rsa_pair.certificate
    assert signature.find("ds:KeyInfo/ds:KeyValue/ds:RSAKeyValue/ds:Modulus", NS) is not None


def test_an_envelope_whose_soap_namespace_has_no_prefix_is_signed_too(rsa_pair: KeyPair) -> None:
    text = envelope_text().replace("xmlns:soap=", "xmlns:s=").replace("soap:", "s:")
    text = text.replace("xmlns:s=", "xmlns=").replace("<s:", "<").replace("</s:", "</")
    text = text.replace('s:mustUnderstand="1" ', "")
    root = parse_xml(text.encode())
    sign_envelope(root, (), key=rsa_pair, digest_method=SHA256, signature_method=RSA_SHA256)
    octets = etree.tostring(root)
    assert verify(octets, (), rsa_pair).certificate == rsa_pair.certificate
    context = xmlsec.SignatureContext()
    context.key = xmlsec_key(rsa_pair, private=False)
    context.verify(one(etree.fromstring(octets), "soap:Header/ds:Signature"))


@pytest.mark.rule("DK-65")
def test_a_signed_envelope_is_not_signed_again(rsa_pair: KeyPair) -> None:
    root = parse_xml(signed(rsa_pair))
    with pytest.raises(EbmsError, match="already signed"):
        sign_envelope(root, (), key=rsa_pair, digest_method=SHA256, signature_method=RSA_SHA256)


@pytest.mark.parametrize(
    ("digest_method", "signature_method"),
    [(SHA1, RSA_SHA256), (SHA256, RSA_SHA1), (SHA256, DSA_SHA1), ("urn:md5", RSA_SHA256), (SHA256, "urn:x")],
)
@pytest.mark.rule("DK-128")
def test_an_algorithm_that_is_not_permitted_is_never_written(
    rsa_pair: KeyPair, digest_method: str, signature_method: str
) -> None:
    root = parse_xml(envelope_text().encode())
    before = etree.tostring(root)
    with pytest.raises(EbmsError, match="not permitted"):
        sign_envelope(root, (), key=rsa_pair, digest_method=digest_method, signature_method=signature_method)
    assert etree.tostring(root) == before


def test_a_method_that_does_not_fit_the_key_is_refused_and_leaves_the_envelope_alone(
    rsa_pair: KeyPair,
) -> None:
    root = parse_xml(envelope_text().encode())
    before = etree.tostring(root)
    with pytest.raises(EbmsError, match="does not fit"):
        sign_envelope(root, (), key=rsa_pair, digest_method=SHA256, signature_method=ECDSA_SHA256)
    assert etree.tostring(root) == before


class Streamed:
    """Content that may be digested but never read whole."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @property
    def size(self) -> int:
        return len(self._octets)

    def open(self) -> BinaryIO:
        raise AssertionError("the part was opened")

    def digest(self, algorithm: str) -> bytes:
        return Octets(self._octets).digest(algorithm)


def test_parts_are_digested_without_being_read_into_memory(rsa_pair: KeyPair) -> None:
    large = Part(content_id="large@example.nl", content_type="a/b", content=Streamed(b"x" * 1000))
    octets = signed(rsa_pair, (large,))
    assert len(verify(octets, (large,), rsa_pair).references) == 2


# --- what we accept ---


@pytest.mark.parametrize(
    ("digest_method", "signature_method"),
    [(SHA256, RSA_SHA256), (SHA384, RSA_SHA384), (SHA512, RSA_SHA512), (SHA1, RSA_SHA1)],
)
@pytest.mark.rule("DK-129", "DK-130", "DK-131")
def test_what_xmlsec_signs_verifies(rsa_pair: KeyPair, digest_method: str, signature_method: str) -> None:
    parts = (part(), part("b@example.nl", b"\x00\r\n\xff"))
    signature = template(parts, digest_method=digest_method, signature_method=signature_method)
    octets = signed_by_xmlsec(rsa_pair, parts, signature, blocks=SYNC_REPLY)
    found = verify(octets, parts, rsa_pair, digest_method=digest_method, signature_method=signature_method)
    assert [reference.uri for reference in found.references] == [
        "",
        "cid:payload-1@example.nl",
        "cid:b@example.nl",
    ]


def test_an_elliptic_curve_signature_of_xmlsec_verifies(ec_pair: KeyPair) -> None:
    octets = signed_by_xmlsec(ec_pair, (), template((), signature_method=ECDSA_SHA384))
    assert verify(octets, (), ec_pair, signature_method=ECDSA_SHA384).certificate == ec_pair.certificate


@pytest.mark.rule("DK-66")
@pytest.mark.parametrize(
    ("c14n", "prefix_list"),
    [
        (C14N, ""),
        (C14N + "#WithComments", ""),
        (C14N11, ""),
        (C14N11 + "#WithComments", ""),
        (EXC_C14N, ""),
        (EXC_C14N, "unused eb"),
        (EXC_C14N, "unused\n  eb"),
        (EXC_C14N + "WithComments", ""),
    ],
)
def test_every_canonicalization_that_peers_use_verifies(
    rsa_pair: KeyPair, c14n: str, prefix_list: str
) -> None:
    parts = (part(),)
    signature = template(parts, c14n=c14n, prefix_list=prefix_list).replace(
        "<ds:SignedInfo>", "<ds:SignedInfo><!-- in -->"
    )
    octets = signed_by_xmlsec(
        rsa_pair,
        parts,
        signature,
        blocks=f"<!-- remark --> {SYNC_REPLY} after&#13;\n",
        prolog="<?xml version='1.0'?><?before x?><!-- top -->",
        tail="<!-- end --><?after y?>",
    )
    assert verify(octets, parts, rsa_pair).certificate == rsa_pair.certificate


@pytest.mark.parametrize("c14n", [C14N, C14N11, EXC_C14N])
def test_xml_attributes_of_the_envelope_count_as_the_canonicalization_says(
    rsa_pair: KeyPair, c14n: str
) -> None:
    shape = {"attributes": ' xml:lang="nl" xml:space="preserve" xml:id="a"'}
    assert verify(signed_by_xmlsec(rsa_pair, (), template((), c14n=c14n), **shape), (), rsa_pair)
    assert xmlsec_accepts(signed(rsa_pair, (), **shape), (), rsa_pair)


@pytest.mark.rule("DK-71")
def test_a_broken_signature_inside_a_payload_is_not_our_business(rsa_pair: KeyPair) -> None:
    inner = (
        f'<x><ds:Signature xmlns:ds="{DS}"><ds:SignatureValue>broken</ds:SignatureValue></ds:Signature></x>'
    )
    parts = (part(octets=inner.encode()),)
    assert verify(signed(rsa_pair, parts), parts, rsa_pair)


@pytest.mark.parametrize(
    "xpath",
    [
        XPATH.replace("|", " | "),
        "\n   " + XPATH.replace("|", "\n |\n ") + "\n",
        XPATH.replace('"', "'"),
        XPATH.replace("@", " @ ").replace("=", " = ").replace("(", " ( ").replace("[", " [ "),
    ],
)
def test_the_xpath_may_be_spelled_differently(rsa_pair: KeyPair, xpath: str) -> None:
    octets = signed_by_xmlsec(rsa_pair, (), template((), xpath=xpath), blocks=SYNC_REPLY)
    assert verify(octets, (), rsa_pair)


def test_the_xpath_may_declare_a_prefix_of_its_own(rsa_pair: KeyPair) -> None:
    signature = template((), xpath=XPATH.replace("soap:", "S-1:")).replace(
        "<ds:XPath>", f'<ds:XPath xmlns:S-1="{SOAP}">'
    )
    assert verify(signed_by_xmlsec(rsa_pair, (), signature, blocks=SYNC_REPLY), (), rsa_pair)


def test_the_canonicalization_transform_may_be_left_out(rsa_pair: KeyPair) -> None:
    transforms = (
        f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{XPATH_TRANSFORM}">'
        f"<ds:XPath>{XPATH}</ds:XPath></ds:Transform>"
    )
    assert verify(signed_by_xmlsec(rsa_pair, (), template((), transforms=transforms)), (), rsa_pair)


def test_a_sync_reply_taken_out_on_the_way_leaves_the_signature_valid(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (), blocks=SYNC_REPLY)
    start = octets.index(b"<eb:SyncReply")
    without = octets[:start] + octets[octets.index(b">", start) + 1 :]
    assert b"SyncReply" not in without
    assert verify(without, (), rsa_pair)


def test_line_breaks_and_carriage_returns_in_base64_are_read_over(rsa_pair: KeyPair) -> None:
    def break_lines(root: etree._Element) -> None:
        value = one(root, ".//ds:SignatureValue")
        text = value.text or ""
        value.text = "\n" + "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\r\n"

    octets = changed(signed(rsa_pair), break_lines)
    assert b"&#13;" in octets
    assert verify(octets, (), rsa_pair)


def test_carriage_returns_in_a_digest_value_are_part_of_what_was_signed(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair)
    digest = one(parse_xml(octets), ".//ds:DigestValue").text or ""
    later = changed(octets, lambda root: setattr(one(root, ".//ds:DigestValue"), "text", digest + "\r\n"))
    assert "SignedInfo" in refusal(later, (), rsa_pair)


@pytest.mark.parametrize(
    "key_info",
    [None, "<x/>", f'<ds:KeyName xmlns:ds="{DS}">who</ds:KeyName>', "text"],
)
def test_key_info_is_not_looked_at(rsa_pair: KeyPair, key_info: str | None) -> None:
    def replace_key_info(root: etree._Element) -> None:
        element = one(root, ".//ds:KeyInfo")
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
        if key_info is not None:
            parent.append(etree.fromstring(f'<ds:KeyInfo xmlns:ds="{DS}">{key_info}</ds:KeyInfo>'))

    assert verify(changed(signed(rsa_pair), replace_key_info), (), rsa_pair)


@pytest.mark.rule("DK-66")
@pytest.mark.parametrize("c14n", [C14N, EXC_C14N])
def test_a_part_with_a_canonicalization_transform_verifies(rsa_pair: KeyPair, c14n: str) -> None:
    parts = (part(octets=b'<a  b="1"\r\n c="2"><d/></a>'),)
    transforms = f'<ds:Transforms><ds:Transform Algorithm="{c14n}"/></ds:Transforms>'
    octets = signed_by_xmlsec(rsa_pair, parts, template(parts, part_transforms=transforms))
    assert verify(octets, parts, rsa_pair)


def test_a_part_to_canonicalize_that_is_not_xml_is_refused(rsa_pair: KeyPair) -> None:
    parts = (part(octets=b"<a/>"),)
    transforms = f'<ds:Transforms><ds:Transform Algorithm="{C14N}"/></ds:Transforms>'
    octets = signed_by_xmlsec(rsa_pair, parts, template(parts, part_transforms=transforms))
    assert "cannot be canonicalized" in refusal(octets, (part(octets=b"no xml"),), rsa_pair)


def test_a_content_id_may_be_percent_encoded_in_the_reference(rsa_pair: KeyPair) -> None:
    there = (part("a%20b@example.nl"),)
    octets = signed(rsa_pair, there)
    assert verify(octets, (part("a b@example.nl"),), rsa_pair)


def test_the_received_tree_is_left_as_it_was(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (part(),), blocks=SYNC_REPLY + " text after ")
    root = parse_xml(octets)
    before = etree.tostring(root.getroottree())
    verify_signature(
        root,
        (part(),),
        certificates=[rsa_pair.certificate],
        digest_method=SHA256,
        signature_method=RSA_SHA256,
        policy=AlgorithmPolicy(),
    )
    assert etree.tostring(root.getroottree()) == before


def test_either_of_two_agreed_certificates_may_have_signed(
    rsa_pair: KeyPair, other_pair: KeyPair, ec_pair: KeyPair
) -> None:
    octets = signed(rsa_pair)
    assert verify(octets, (), ec_pair, other_pair, rsa_pair).certificate == rsa_pair.certificate


# --- attacks and faults ---


@pytest.mark.rule("DK-64")
def test_a_stripped_signature_is_refused(rsa_pair: KeyPair) -> None:
    def strip(root: etree._Element) -> None:
        one(root, "soap:Header").remove(one(root, "soap:Header/ds:Signature"))

    assert "not signed" in refusal(changed(signed(rsa_pair), strip), (), rsa_pair)


@pytest.mark.rule("DK-65")
def test_two_signatures_are_refused(rsa_pair: KeyPair) -> None:
    def double(root: etree._Element) -> None:
        header = one(root, "soap:Header")
        header.append(etree.fromstring(etree.tostring(header[-1])))

    assert "more than one" in refusal(changed(signed(rsa_pair), double), (), rsa_pair)


def test_a_signature_elsewhere_than_in_the_header_is_refused(rsa_pair: KeyPair) -> None:
    def move(root: etree._Element) -> None:
        one(root, "soap:Body").append(one(root, "soap:Header/ds:Signature"))

    assert "child of soap:Header" in refusal(changed(signed(rsa_pair), move), (), rsa_pair)


def test_another_certificate_than_agreed_is_refused(rsa_pair: KeyPair, other_pair: KeyPair) -> None:
    assert "agreed certificate" in refusal(signed(other_pair), (), rsa_pair)


def test_without_an_agreed_certificate_nothing_verifies(rsa_pair: KeyPair) -> None:
    assert "agreed certificate" in refusal(signed(rsa_pair), ())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".//eb:MessageId", "2@example.nl"),
        (".//eb:Action", "wissen"),
        (".//eb:MessageHeader", "x"),
        (".//eb:AckRequested", "x"),
    ],
)
@pytest.mark.rule("DK-14")
def test_a_changed_header_is_refused(rsa_pair: KeyPair, path: str, text: str) -> None:
    octets = changed(signed(rsa_pair), lambda root: setattr(one(root, path), "text", text))
    assert "envelope is not what was signed" in refusal(octets, (), rsa_pair)


@pytest.mark.rule("DK-66")
def test_a_reindented_envelope_is_refused(rsa_pair: KeyPair) -> None:
    octets = changed(signed(rsa_pair), lambda root: etree.indent(one(root, "soap:Body")))
    octets = changed(octets, lambda root: etree.indent(one(root, ".//eb:MessageHeader"), space="        "))
    assert "envelope" in refusal(octets, (), rsa_pair)


@pytest.mark.rule("DK-14")
def test_a_changed_part_is_refused(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (part(),))
    tampered = (part(octets=b"<melding>\n \xc3\xa9</melding>"),)
    assert "part cid:payload-1@example.nl is not what was signed" in refusal(octets, tampered, rsa_pair)


def test_an_extra_unsigned_part_is_refused(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (part(),))
    assert "Not signed: part cid:extra" in refusal(octets, (part(), part("extra")), rsa_pair)


def test_a_reference_to_a_part_that_is_not_there_is_refused(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (part(), part("gone")))
    assert "cid:gone is to no part" in refusal(octets, (part(),), rsa_pair)


def test_a_signature_that_skips_the_envelope_is_refused(rsa_pair: KeyPair) -> None:
    parts = (part(),)
    digest = f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue/>'
    references = f'<ds:Reference URI="cid:payload-1@example.nl">{digest}</ds:Reference>'
    octets = signed_by_xmlsec(rsa_pair, parts, template(parts, references=references))
    assert "reference to the envelope" in refusal(octets, parts, rsa_pair)


def test_two_references_to_one_part_are_refused(rsa_pair: KeyPair) -> None:
    octets = signed_by_xmlsec(rsa_pair, (part(),), template((part(), part())))
    assert "twice" in refusal(octets, (part(), part("second")), rsa_pair)


def test_two_parts_of_one_name_are_refused(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (part(),))
    assert "same Content-ID" in refusal(octets, (part(), part(octets=b"other")), rsa_pair)


@pytest.mark.parametrize("uri", ["#body", "file:///etc/hostname", "http://127.0.0.1:1/x", "mid:a/b", ""])
def test_no_other_reference_is_followed(rsa_pair: KeyPair, uri: str) -> None:
    octets = signed(rsa_pair, (part(),)).replace(b'URI="cid:payload-1@example.nl"', f'URI="{uri}"'.encode())
    text = refusal(octets, (part(),), rsa_pair)
    assert "to no part" in text or "envelope" in text


def test_a_reference_without_uri_is_refused(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (part(),)).replace(b' URI="cid:payload-1@example.nl"', b"")
    assert "must have a URI" in refusal(octets, (part(),), rsa_pair)


TRANSFORM = '<ds:Transform Algorithm="{}"/>'
FIRST_TWO = TRANSFORM.format(ENVELOPED) + (
    f'<ds:Transform Algorithm="{XPATH_TRANSFORM}"><ds:XPath>{XPATH}</ds:XPath></ds:Transform>'
)


@pytest.mark.parametrize(
    "transforms",
    [
        pytest.param("", id="none"),
        pytest.param(TRANSFORM.format(ENVELOPED) + TRANSFORM.format(C14N), id="no xpath"),
        pytest.param(FIRST_TWO + TRANSFORM.format("http://www.w3.org/TR/1999/REC-xslt-19991116"), id="xslt"),
        pytest.param(FIRST_TWO + TRANSFORM.format("http://www.w3.org/2000/09/xmldsig#base64"), id="base64"),
        pytest.param(FIRST_TWO + TRANSFORM.format("http://www.w3.org/2002/06/xmldsig-filter2"), id="filter2"),
        pytest.param(FIRST_TWO + TRANSFORM.format(C14N) * 2, id="one too many"),
        pytest.param(FIRST_TWO + TRANSFORM.format(C14N) * 5000, id="thousands"),
        pytest.param(FIRST_TWO + FIRST_TWO + TRANSFORM.format(C14N), id="twice"),
        pytest.param(FIRST_TWO + TRANSFORM.format("urn:unknown"), id="unknown"),
        pytest.param(FIRST_TWO + f'<ds:Other Algorithm="{C14N}"/>', id="other element"),
        pytest.param(FIRST_TWO.replace("<ds:XPath>", "<ds:XPath><ds:b/>"), id="xpath with element"),
    ],
)
def test_any_other_list_of_transforms_is_refused(rsa_pair: KeyPair, transforms: str) -> None:
    root = parse_xml(signed(rsa_pair))
    holder = one(root, ".//ds:Transforms")
    for child in list(holder):
        holder.remove(child)
    wrapper = f'<x xmlns:ds="{DS}" xmlns:soap="{SOAP}">{transforms}</x>'
    holder.extend(list(etree.fromstring(wrapper)))
    text = refusal(etree.tostring(root), (), rsa_pair)
    assert "transform" in text.lower() or "XPath" in text


@pytest.mark.parametrize(
    "xpath",
    [
        "true()",
        "not(ancestor-or-self::eb:MessageHeader)",
        XPATH.replace("actor", "role"),
        XPATH.replace("|", " and "),
        XPATH.replace("nextMSH", "toPartyMSH"),
        XPATH + "[1]",
        XPATH.replace("soap:", "eb:"),
        XPATH.replace("soap:", "nobody:"),
        XPATH.replace('"urn', "'urn"),
        "(" * 2000,
        " " * 100000,
        "",
    ],
)
def test_any_other_xpath_is_refused(rsa_pair: KeyPair, xpath: str) -> None:
    octets = changed(signed(rsa_pair), lambda root: setattr(one(root, ".//ds:XPath"), "text", xpath))
    assert "XPath" in refusal(octets, (), rsa_pair)


def test_an_xpath_signed_by_the_partner_that_hides_the_manifest_is_refused(rsa_pair: KeyPair) -> None:
    signature = template((), xpath="not(ancestor-or-self::eb:Manifest)")
    octets = signed_by_xmlsec(rsa_pair, (), signature)
    assert xmlsec_accepts(octets, (), rsa_pair)
    assert "XPath" in refusal(octets, (), rsa_pair)


@pytest.mark.parametrize("transform", [XPATH_TRANSFORM, "http://www.w3.org/2000/09/xmldsig#base64", "urn:x"])
def test_a_part_with_another_transform_is_refused(rsa_pair: KeyPair, transform: str) -> None:
    def add(root: etree._Element) -> None:
        reference = root.findall(".//ds:Reference", NS)[1]
        transforms = etree.Element(f"{{{DS}}}Transforms")
        etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm=transform)
        reference.insert(0, transforms)

    assert "not accepted for a part" in refusal(
        changed(signed(rsa_pair, (part(),)), add), (part(),), rsa_pair
    )


@pytest.mark.parametrize("digest_method", ["http://www.w3.org/2001/04/xmldsig-more#md5", SHA1, "", "sha256"])
@pytest.mark.rule("DK-128", "DK-130")
def test_a_changed_digest_method_is_refused(rsa_pair: KeyPair, digest_method: str) -> None:
    octets = changed(
        signed(rsa_pair), lambda root: one(root, ".//ds:DigestMethod").set("Algorithm", digest_method)
    )
    text = refusal(octets, (), rsa_pair, policy=AlgorithmPolicy())
    assert "digest method" in text


@pytest.mark.parametrize("c14n", [EXC_C14N, C14N + "#WithComments", C14N11])
def test_a_changed_canonicalization_method_is_refused(rsa_pair: KeyPair, c14n: str) -> None:
    octets = changed(
        signed(rsa_pair), lambda root: one(root, ".//ds:CanonicalizationMethod").set("Algorithm", c14n)
    )
    assert "SignedInfo was changed" in refusal(octets, (), rsa_pair)


@pytest.mark.parametrize("c14n", ["", "urn:x", "http://www.w3.org/2010/xml-c14n2"])
def test_an_unknown_canonicalization_is_refused(rsa_pair: KeyPair, c14n: str) -> None:
    octets = changed(
        signed(rsa_pair), lambda root: one(root, ".//ds:CanonicalizationMethod").set("Algorithm", c14n)
    )
    assert "canonicalization" in refusal(octets, (), rsa_pair)


@pytest.mark.parametrize("name", ["hmac-sha1", "hmac-sha256"])
def test_hmac_with_the_public_key_as_secret_is_refused(rsa_pair: KeyPair, name: str) -> None:
    method = f"http://www.w3.org/2001/04/xmldsig-more#{name}"
    root = parse_xml(signed(rsa_pair))
    one(root, ".//ds:SignatureMethod").set("Algorithm", method)
    public = rsa_pair.certificate.public_bytes(serialization.Encoding.PEM)
    forged = hmac.HMAC(public, hashes.SHA256())
    forged.update(etree.tostring(one(root, ".//ds:SignedInfo"), method="c14n"))
    one(root, ".//ds:SignatureValue").text = base64.b64encode(forged.finalize()).decode()
    assert "not permitted" in refusal(etree.tostring(root), (), rsa_pair)


@pytest.mark.rule("DK-128", "DK-130", "DK-131")
def test_sha1_under_a_sha256_agreement_is_refused_even_if_the_policy_permits_sha1(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, digest_method=SHA1, signature_method=RSA_SHA1)
    text = refusal(octets, (), rsa_pair, digest_method=SHA256, signature_method=RSA_SHA256)
    assert "agreed is" in text
    mixed = signed(rsa_pair, digest_method=SHA1)
    text = refusal(mixed, (), rsa_pair, digest_method=SHA256, signature_method=RSA_SHA256)
    assert "digest method" in text


def test_a_stronger_algorithm_than_agreed_is_refused_too(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, digest_method=SHA512, signature_method=RSA_SHA512)
    assert "agreed is" in refusal(octets, (), rsa_pair, signature_method=RSA_SHA256)


@pytest.mark.rule("DK-128")
def test_sha1_is_refused_without_the_policy_even_when_agreed(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, digest_method=SHA1, signature_method=RSA_SHA1)
    text = refusal(
        octets, (), rsa_pair, digest_method=SHA1, signature_method=RSA_SHA1, policy=AlgorithmPolicy()
    )
    assert "not permitted" in text


def test_dsa_needs_a_switch_of_its_own() -> None:
    key = dsa.generate_private_key(1024)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    issuer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dsa")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
        .sign(issuer, hashes.SHA256())
    )
    root = etree.fromstring(
        envelope_text().replace(
            "</soap:Header>",
            template((), digest_method=SHA1, signature_method=DSA_SHA1) + "</soap:Header>",
        )
    )
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    context.sign(one(root, "soap:Header/ds:Signature"))
    octets = etree.tostring(root)

    def judge(policy: AlgorithmPolicy) -> Verified:
        return verify_signature(
            parse_xml(octets),
            (),
            certificates=[certificate],
            digest_method=SHA1,
            signature_method=DSA_SHA1,
            policy=policy,
        )

    assert judge(AlgorithmPolicy(allow_sha1=True, allow_dsa=True)).certificate == certificate
    with pytest.raises(EbmsError, match="not permitted"):
        judge(AlgorithmPolicy(allow_sha1=True))


def add_header_block(octets: bytes, block: str) -> bytes:
    wrapped = f'<x xmlns:soap="{SOAP}" xmlns:eb="{EB}" xmlns:ds="{DS}">{block}</x>'
    return changed(octets, lambda root: one(root, "soap:Header").append(etree.fromstring(wrapped)[0]))


@pytest.mark.parametrize("actor", [ACTOR_NEXT, ACTOR_NEXT_MSH])
@pytest.mark.parametrize(
    "block",
    [
        '<eb:MessageHeader soap:actor="{}"><eb:Action>wissen</eb:Action></eb:MessageHeader>',
        '<eb:ErrorList soap:actor="{}"/>',
        '<eb:MessageOrder soap:actor="{}"/>',
        '<eb:StatusRequest soap:actor="{}"/>',
        '<other soap:actor="{}"><eb:MessageHeader/></other>',
        '<other soap:actor="{}"><eb:Acknowledgment/></other>',
        '<eb:SyncReply soap:actor="{}"><eb:MessageHeader/></eb:SyncReply>',
        '<eb:SyncReply soap:actor="{}"><eb:Description/></eb:SyncReply>',
        '<wrap><eb:SyncReply soap:actor="{}"/></wrap>',
    ],
)
def test_nothing_can_be_injected_where_the_signature_does_not_look(
    rsa_pair: KeyPair, block: str, actor: str
) -> None:
    octets = add_header_block(signed(rsa_pair), block.format(actor))
    refusal(octets, (), rsa_pair)


@pytest.mark.parametrize("name", ["AckRequested", "Acknowledgment"])
def test_the_actor_next_is_refused_on_an_acknowledgment_element(rsa_pair: KeyPair, name: str) -> None:
    octets = add_header_block(signed(rsa_pair), f'<eb:{name} soap:actor="{ACTOR_NEXT}"/>')
    assert name in refusal(octets, (), rsa_pair)


@pytest.mark.parametrize("path", [".", "soap:Header", "soap:Body", ".//eb:MessageHeader", ".//eb:Action"])
def test_no_signed_element_can_be_taken_out_of_the_signature_by_an_actor(
    rsa_pair: KeyPair, path: str
) -> None:
    octets = changed(signed(rsa_pair), lambda root: one(root, path).set(f"{{{SOAP}}}actor", ACTOR_NEXT))
    assert "outside the signature" in refusal(octets, (), rsa_pair)


def test_a_manifest_with_an_actor_that_points_at_other_parts_is_refused(rsa_pair: KeyPair) -> None:
    def swap(root: etree._Element) -> None:
        one(root, "soap:Body").append(
            etree.fromstring(f'<eb:Manifest xmlns:eb="{EB}" xmlns:s="{SOAP}" s:actor="{ACTOR_NEXT}"/>')
        )

    refusal(changed(signed(rsa_pair, (part(),)), swap), (part(),), rsa_pair)


@pytest.mark.parametrize(
    ("block", "where"),
    [
        ("<eb:MessageHeader/>", "soap:Header"),
        ("<eb:Manifest/>", "soap:Body"),
        ("<eb:Manifest/>", "soap:Header"),
        ("<eb:MessageHeader/>", "soap:Body"),
        ("<soap:Body/>", "."),
        ("<soap:Header/>", "."),
        ("<soap:Envelope/>", "soap:Body"),
        ("<wrap><soap:Header/></wrap>", "soap:Body"),
        ("<wrap><eb:MessageHeader/></wrap>", "soap:Header"),
        ("<ds:Signature/>", "soap:Body"),
    ],
)
def test_a_second_or_moved_element_is_refused_even_when_signed(
    rsa_pair: KeyPair, block: str, where: str
) -> None:
    parts = (part(),)
    root = etree.fromstring(envelope_text(parts))
    wrapped = f'<x xmlns:soap="{SOAP}" xmlns:eb="{EB}" xmlns:ds="{DS}">{block}</x>'
    one(root, where).append(etree.fromstring(wrapped)[0])
    text = etree.tostring(root).decode()
    refusal(signed_by_xmlsec_in(rsa_pair, parts, text), parts, rsa_pair)


def signed_by_xmlsec_in(pair: KeyPair, parts: tuple[Part, ...], text: str) -> bytes:
    """As `signed_by_xmlsec`, in the first Header only."""
    at = text.index("</soap:Header>")
    root = etree.fromstring(text[:at] + template(parts) + text[at:])
    context = xmlsec.SignatureContext()
    context.key = xmlsec_key(pair, private=True)
    with answering_cids(octets_by_id(parts)):
        context.sign(one(root, "soap:Header/ds:Signature"))
    return etree.tostring(root)


def test_the_original_hidden_in_a_wrapper_does_not_vouch_for_a_new_header(rsa_pair: KeyPair) -> None:
    """The classic wrapping: the signed header moves aside, a forged one takes its place."""

    def wrap(root: etree._Element) -> None:
        header = one(root, "soap:Header")
        original = one(header, "eb:MessageHeader")
        forged = etree.fromstring(etree.tostring(original))
        one(forged, "eb:Action").text = "wissen"
        wrapper = etree.SubElement(header, "wrapper")
        header.replace(original, forged)
        wrapper.append(original)

    refusal(changed(signed(rsa_pair), wrap), (), rsa_pair)


def test_elements_of_the_message_inside_the_signature_are_refused(rsa_pair: KeyPair) -> None:
    def hide(root: etree._Element) -> None:
        etree.SubElement(one(root, ".//ds:KeyInfo"), f"{{{EB}}}Acknowledgment")

    assert "does not sign itself" in refusal(changed(signed(rsa_pair), hide), (), rsa_pair)


def test_a_block_for_the_next_msh_that_is_not_ours_does_not_matter(rsa_pair: KeyPair) -> None:
    block = f'<route xmlns="urn:route" soap:actor="{ACTOR_NEXT}"><hop/></route>'
    octets = signed(rsa_pair, (), blocks=f'<r:route xmlns:r="urn:route" soap:actor="{ACTOR_NEXT}"/>')
    assert verify(octets, (), rsa_pair)
    assert verify(add_header_block(octets, block), (), rsa_pair)


def test_many_unsigned_blocks_are_refused(rsa_pair: KeyPair) -> None:
    blocks = "".join(f'<r xmlns="urn:r" soap:actor="{ACTOR_NEXT}"/>' for _ in range(21))
    assert "more than 20" in refusal(signed(rsa_pair, (), blocks=blocks), (), rsa_pair)


@pytest.mark.parametrize(
    "path",
    [
        "SignedInfo",
        "SignatureValue",
        "SignedInfo/ds:CanonicalizationMethod",
        "SignedInfo/ds:SignatureMethod",
        "SignedInfo/ds:Reference",
        "SignedInfo/ds:Reference/ds:DigestMethod",
        "SignedInfo/ds:Reference/ds:DigestValue",
        "SignedInfo/ds:Reference/ds:Transforms",
    ],
)
def test_a_signature_with_a_piece_missing_is_refused(rsa_pair: KeyPair, path: str) -> None:
    def remove(root: etree._Element) -> None:
        element = one(root, f"soap:Header/ds:Signature/ds:{path}")
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    refusal(changed(signed(rsa_pair), remove), (), rsa_pair)


@pytest.mark.parametrize("value", ["", "****", "AAAA", "a", "é", "A" * 100_000])
@pytest.mark.parametrize("name", ["DigestValue", "SignatureValue"])
def test_a_value_that_is_no_base64_or_another_is_refused(rsa_pair: KeyPair, name: str, value: str) -> None:
    octets = changed(signed(rsa_pair), lambda root: setattr(one(root, f".//ds:{name}"), "text", value))
    refusal(octets, (), rsa_pair)


def test_the_error_text_says_nothing_of_the_message(rsa_pair: KeyPair) -> None:
    octets = changed(
        signed(rsa_pair), lambda root: setattr(one(root, ".//eb:Action"), "text", "999990019 geheim")
    )
    assert "999990019" not in refusal(octets, (), rsa_pair)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation=st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4), st.integers(0, 6)))
def test_any_change_of_the_octets_ends_in_the_same_message_or_a_refusal(
    rsa_pair: KeyPair, mutation: tuple[float, bytes, int]
) -> None:
    parts = (part(),)
    octets = signed(rsa_pair, parts, blocks=SYNC_REPLY)
    place, put, take = mutation
    at = int(place * len(octets))
    try:
        root = parse_xml(octets[:at] + put + octets[at + take :])
    except XmlProblem:
        return
    try:
        verify_signature(
            root,
            parts,
            certificates=[rsa_pair.certificate],
            digest_method=SHA256,
            signature_method=RSA_SHA256,
        )
    except EbmsError as error:
        assert error.code == "SecurityFailure"
        return
    assert meaning(root) == meaning(parse_xml(octets))


def meaning(root: etree._Element) -> bytes:
    """What a reader sees: the envelope without the parts that no signature covers."""
    header = one(root, "soap:Header")
    for element in list(header):
        if element.tag in (f"{{{DS}}}Signature", f"{{{EB}}}SyncReply"):
            element.clear(keep_tail=True)
            element.tag = "x"
    return etree.tostring(root, method="c14n", with_comments=False)


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), max_size=20
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(action=TEXT, attribute=TEXT, contents=st.lists(st.binary(max_size=50), max_size=3))
def test_whatever_is_signed_verifies_after_a_trip_over_the_wire(
    rsa_pair: KeyPair, action: str, attribute: str, contents: list[bytes]
) -> None:
    parts = tuple(part(f"{n}@example.nl", octets) for n, octets in enumerate(contents))
    root = parse_xml(envelope_text(parts, blocks=SYNC_REPLY).encode())
    try:
        one(root, ".//eb:Action").text = action
        one(root, ".//eb:Action").set("a", attribute)
    except ValueError:
        return
    sign_envelope(root, parts, key=rsa_pair, digest_method=SHA256, signature_method=RSA_SHA256)
    octets = etree.tostring(root.getroottree(), encoding="utf-8", xml_declaration=True)
    assert len(verify(octets, parts, rsa_pair).references) == len(parts) + 1


# --- receipts ---


@pytest.mark.rule("DK-73")
def test_a_receipt_repeats_the_references_that_were_sent(rsa_pair: KeyPair) -> None:
    octets = signed(rsa_pair, (part(),))
    sent = references_of_sent(octets)
    assert sent == verify(octets, (part(),), rsa_pair).references
    assert sent == signature_references(parse_xml(octets))
    assert sent[0].xpath == XPATH
    assert check_receipt(tuple(reversed(sent)), sent) == ()


@pytest.mark.rule("DK-73")
def test_a_receipt_with_another_digest_does_not_acknowledge(rsa_pair: KeyPair) -> None:
    sent = references_of_sent(signed(rsa_pair, (part(),)))
    forged = (sent[0], replace(sent[1], digest_value=b"\0" * 32))
    assert check_receipt(forged, sent) == (
        "The reference to cid:payload-1@example.nl has another digest than was sent in the acknowledgment.",
    )


@pytest.mark.rule("DK-73")
def test_a_receipt_with_fewer_or_more_references_does_not_acknowledge(rsa_pair: KeyPair) -> None:
    sent = references_of_sent(signed(rsa_pair, (part(),)))
    assert len(check_receipt(sent[:1], sent)) == 2
    assert len(check_receipt((*sent, sent[0]), sent)) == 1
    assert check_receipt((sent[0], sent[0]), sent)
    assert len(check_receipt((), sent)) == 3


def test_an_unsigned_message_has_no_references(rsa_pair: KeyPair) -> None:
    assert references_of_sent(envelope_text().encode()) == ()
    assert check_receipt((), ()) == ()


def test_a_kept_envelope_that_is_damaged_is_an_error_not_an_empty_receipt() -> None:
    with pytest.raises(EbmsError, match="cannot be read"):
        references_of_sent(b"<soap:Envelope")
