"""ds:SignedInfo as values. What is refused, and the verification around it, is in test_sign.py."""

from __future__ import annotations

import base64

import pytest
from lxml import etree

from bridge.ebms.model import ACTOR_NEXT, ACTOR_NEXT_MSH
from bridge.ebms.signed_info import (
    C14N,
    CANONICALIZATIONS,
    DSA_SHA1,
    ECDSA_SHA256,
    ENVELOPED,
    EXC_C14N,
    RSA_SHA1,
    RSA_SHA256,
    SHA1,
    SHA256,
    AlgorithmPolicy,
    Canonicalization,
    check_methods,
    read_signed_info,
)
from bridge.ebms.xml import DS, SOAP, XPATH_TRANSFORM
from bridge.errors import EbmsError

XPATH = (
    f'not(ancestor-or-self::node()[@S:actor="{ACTOR_NEXT_MSH}"] | '
    f"ancestor-or-self::node()[@S:actor='{ACTOR_NEXT}'])"
)
SIGNATURE = f"""<Signature xmlns="{DS}" xmlns:S="{SOAP}">
  <SignedInfo Id="x">
    <!-- remark --><CanonicalizationMethod Algorithm="{EXC_C14N}">
      <ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList=" S  eb
        #default"/></CanonicalizationMethod>
    <SignatureMethod Algorithm="{RSA_SHA256}"/>
    <Reference URI=""><Transforms>
      <Transform Algorithm="{ENVELOPED}"/>
      <Transform Algorithm="{XPATH_TRANSFORM}"><XPath>{XPATH}</XPath></Transform>
      <Transform Algorithm="{C14N}"/></Transforms>
      <DigestMethod Algorithm="{SHA256}"/><DigestValue>{base64.b64encode(b"a" * 32).decode()}</DigestValue>
    </Reference>
    <Reference URI="cid:a"><DigestMethod Algorithm="{SHA256}"/>
      <DigestValue>
        YmJi&#13;
        YmJi</DigestValue></Reference>
  </SignedInfo>
  <SignatureValue>c2ln</SignatureValue>
</Signature>"""


def test_a_signature_is_read_as_values() -> None:
    found = read_signed_info(etree.fromstring(SIGNATURE))
    assert found.canonicalization == Canonicalization(method=EXC_C14N, prefixes=("S", "eb", "#default"))
    assert found.signature_method == RSA_SHA256
    assert found.signature_value == b"sig"
    whole, part = found.references
    assert (whole.value.uri, whole.value.digest_value) == ("", b"a" * 32)
    assert whole.value.transforms == (ENVELOPED, XPATH_TRANSFORM, C14N)
    assert whole.value.xpath == XPATH
    assert whole.canonicalization == Canonicalization(method=C14N)
    assert (part.value.uri, part.value.digest_value, part.value.transforms) == ("cid:a", b"bbbbbb", ())
    assert part.canonicalization is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<SignatureValue>", "<Object/><SignatureValue>"),
        ("</Signature>", "<Object/></Signature>"),
        ("<SignatureMethod", "<Extra/><SignatureMethod"),
        ("</SignedInfo>", "<Extra/></SignedInfo>"),
        ("<DigestMethod", "<Extra/><DigestMethod"),
    ],
)
def test_elements_that_do_not_belong_are_refused(old: str, new: str) -> None:
    with pytest.raises(EbmsError, match="must hold"):
        read_signed_info(etree.fromstring(SIGNATURE.replace(old, new, 1)))


def test_a_list_of_very_many_prefixes_is_refused() -> None:
    many = SIGNATURE.replace('PrefixList=" S', 'PrefixList="' + "p " * 51 + "S")
    with pytest.raises(EbmsError, match="more than 50 prefixes"):
        read_signed_info(etree.fromstring(many))


@pytest.mark.rule("DK-128", "DK-130", "DK-131")
def test_sha2_is_permitted_and_sha1_only_by_policy() -> None:
    check_methods(SHA256, RSA_SHA256, AlgorithmPolicy())
    check_methods(SHA256, ECDSA_SHA256, AlgorithmPolicy())
    check_methods(SHA1, RSA_SHA1, AlgorithmPolicy(allow_sha1=True))
    check_methods(SHA1, DSA_SHA1, AlgorithmPolicy(allow_sha1=True, allow_dsa=True))
    for digest, signature, policy in (
        (SHA1, RSA_SHA256, AlgorithmPolicy()),
        (SHA256, RSA_SHA1, AlgorithmPolicy()),
        (SHA1, DSA_SHA1, AlgorithmPolicy(allow_dsa=True)),
        (SHA1, DSA_SHA1, AlgorithmPolicy(allow_sha1=True)),
    ):
        with pytest.raises(EbmsError, match="not permitted"):
            check_methods(digest, signature, policy)


def test_the_canonicalizations_are_inclusive_and_exclusive_with_and_without_comments() -> None:
    assert CANONICALIZATIONS == {
        C14N: (False, False),
        C14N + "#WithComments": (False, True),
        "http://www.w3.org/2006/12/xml-c14n11": (False, False),
        "http://www.w3.org/2006/12/xml-c14n11#WithComments": (False, True),
        EXC_C14N: (True, False),
        EXC_C14N + "WithComments": (True, True),
    }
