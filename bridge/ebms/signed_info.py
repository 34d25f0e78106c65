"""What a ds:SignedInfo of ebMS may say, read as values: algorithms, References, transforms.

What is not in the tables below is refused: other transforms (XSLT, base64, other XPath), HMAC, other
canonicalizations. The number of transforms is bounded here, that of References by the parts of the message.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from lxml import etree

from bridge.ebms.model import ACTOR_NEXT, ACTOR_NEXT_MSH, DigestReference, ErrorCode
from bridge.ebms.xml import DS, SOAP, XPATH_TRANSFORM, is_element, raw_text_of
from bridge.errors import EbmsError

SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
DSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#dsa-sha1"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
RSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ECDSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
ECDSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmPolicy:
    """Which algorithms the configuration permits, whatever an agreement says (DK-128 to DK-131).

    SHA-2 always; SHA-1 only for partners whose agreement still names it; DSA-SHA1 needs both switches.
    """

    allow_sha1: bool = False
    allow_dsa: bool = False


DEFAULT_POLICY = AlgorithmPolicy()


DIGESTS = {SHA1: "sha1", SHA256: "sha256", SHA384: "sha384", SHA512: "sha512"}
"""URI → name in hashlib."""

_KeyType = type[rsa.RSAPublicKey] | type[ec.EllipticCurvePublicKey] | type[dsa.DSAPublicKey]
SIGNATURES: dict[str, tuple[_KeyType, type[hashes.HashAlgorithm]]] = {
    RSA_SHA1: (rsa.RSAPublicKey, hashes.SHA1),
    RSA_SHA256: (rsa.RSAPublicKey, hashes.SHA256),
    RSA_SHA384: (rsa.RSAPublicKey, hashes.SHA384),
    RSA_SHA512: (rsa.RSAPublicKey, hashes.SHA512),
    ECDSA_SHA256: (ec.EllipticCurvePublicKey, hashes.SHA256),
    ECDSA_SHA384: (ec.EllipticCurvePublicKey, hashes.SHA384),
    ECDSA_SHA512: (ec.EllipticCurvePublicKey, hashes.SHA512),
    DSA_SHA1: (dsa.DSAPublicKey, hashes.SHA1),
}
"""URI → kind of key, hash."""

CANONICALIZATIONS = {
    uri + suffix: (exclusive, bool(suffix))
    for uri, exclusive in ((C14N, False), (C14N11, False), (EXC_C14N, True))
    for suffix in ("", "WithComments" if exclusive else "#WithComments")
}
"""URI → exclusive, with comments."""

_LOCATION = "//Header/Signature"
_MAX_PREFIXES = 50

_XPATH_STEP = (
    r"ancestor-or-self\s*::\s*node\s*\(\s*\)\s*\[\s*@\s*(?P<prefix{n}>[\w.-]{{1,100}}):actor\s*=\s*"
    r"(?P<quote{n}>[\"']){actor}(?P=quote{n})\s*\]"
)
_XPATH = re.compile(
    r"\s*not\s*\(\s*"
    + _XPATH_STEP.format(n=1, actor=re.escape(ACTOR_NEXT_MSH))
    + r"\s*\|\s*"
    + _XPATH_STEP.format(n=2, actor=re.escape(ACTOR_NEXT))
    + r"\s*\)\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonicalization:
    """A way of canonicalizing: one of CANONICALIZATIONS."""

    method: str
    prefixes: tuple[str, ...] = ()
    """InclusiveNamespaces PrefixList of exclusive canonicalization."""


OWN_CANONICALIZATION = Canonicalization(method=C14N)
"""What we write: the one form that every known peer reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReference:
    """A ds:Reference with the canonicalization that stands last among its transforms, if any."""

    value: DigestReference
    canonicalization: Canonicalization | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInfo:
    """ds:SignedInfo and the ds:SignatureValue over it."""

    canonicalization: Canonicalization
    signature_method: str
    references: tuple[SignedReference, ...]
    signature_value: bytes


def check_methods(digest_method: str, signature_method: str, policy: AlgorithmPolicy) -> None:
    """Raise EbmsError when the policy does not permit one of the two."""
    if digest_method not in DIGESTS or (digest_method == SHA1 and not policy.allow_sha1):
        raise refused(f"The digest method {digest_method[:100]} is not permitted.")
    _, hash_type = SIGNATURES.get(signature_method, (None, None))
    if (
        hash_type is None
        or (hash_type is hashes.SHA1 and not policy.allow_sha1)
        or (signature_method == DSA_SHA1 and not policy.allow_dsa)
    ):
        raise refused(f"The signature method {signature_method[:100]} is not permitted.")


def read_signed_info(signature: etree._Element) -> SignedInfo:
    """What ds:Signature says; nothing of it is verified. Raises EbmsError when it is not what ebMS allows."""
    names = [str(child.tag) for child in children_of(signature)]
    required = [named("SignedInfo"), named("SignatureValue")]
    if names not in (required, [*required, named("KeyInfo")]):
        raise refused(
            "ds:Signature must hold SignedInfo, SignatureValue and at most a KeyInfo, in this order."
        )
    signed_info, value = children_of(signature)[:2]
    inside = children_of(signed_info)
    if [str(child.tag) for child in inside[:3]] != [
        named("CanonicalizationMethod"),
        named("SignatureMethod"),
        named("Reference"),
    ] or any(child.tag != named("Reference") for child in inside[3:]):
        raise refused(
            "ds:SignedInfo must hold CanonicalizationMethod, SignatureMethod and References, in this order."
        )
    return SignedInfo(
        canonicalization=_read_canonicalization(inside[0]),
        signature_method=inside[1].get("Algorithm", ""),
        references=tuple(_read_reference(child) for child in inside[2:]),
        signature_value=_read_base64(value),
    )


def values_of(signed_info: SignedInfo) -> tuple[DigestReference, ...]:
    return tuple(reference.value for reference in signed_info.references)


def refused(text: str) -> EbmsError:
    """The error for a signature that does not hold."""
    return EbmsError(ErrorCode.SECURITY_FAILURE, text, location=_LOCATION)


def children_of(element: etree._Element) -> list[etree._Element]:
    return [child for child in element if is_element(child)]


def named(name: str) -> str:
    return f"{{{DS}}}{name}"


def _read_canonicalization(element: etree._Element) -> Canonicalization:
    method = element.get("Algorithm", "")
    if method not in CANONICALIZATIONS:
        raise refused(f"The canonicalization {method[:100]} is not accepted.")
    return Canonicalization(method=method, prefixes=prefix_list(element))


def prefix_list(element: etree._Element) -> tuple[str, ...]:
    """The PrefixList of exclusive canonicalization, split by any white space; bounded, as each one costs."""
    found = element.find(f"{{{EXC_C14N}}}InclusiveNamespaces")
    prefixes = () if found is None else tuple(found.get("PrefixList", "").split())
    if len(prefixes) > _MAX_PREFIXES:
        raise refused(f"The PrefixList of a canonicalization has more than {_MAX_PREFIXES} prefixes.")
    return prefixes


def _read_reference(element: etree._Element) -> SignedReference:
    inside = children_of(element)
    transforms: list[etree._Element] = []
    if inside and inside[0].tag == named("Transforms"):
        transforms = children_of(inside.pop(0))
    if [str(child.tag) for child in inside] != [named("DigestMethod"), named("DigestValue")]:
        raise refused("A ds:Reference must hold at most Transforms, then DigestMethod and DigestValue.")
    uri = element.get("URI")
    if uri is None:
        raise refused('A ds:Reference must have a URI: "" for the envelope or cid: for a part.')
    if any(transform.tag != named("Transform") for transform in transforms):
        raise refused("ds:Transforms must hold ds:Transform elements only.")
    algorithms = tuple(transform.get("Algorithm", "") for transform in transforms)
    xpath = None
    if uri == "":
        xpath = _check_envelope_transforms(transforms, algorithms)
    elif algorithms and (len(algorithms) > 1 or algorithms[0] not in CANONICALIZATIONS):
        raise refused(f"The reference {uri[:200]} has a transform that is not accepted for a part.")
    last = transforms[-1] if algorithms and algorithms[-1] in CANONICALIZATIONS else None
    return SignedReference(
        value=DigestReference(
            uri=uri,
            transforms=algorithms,
            digest_method=inside[0].get("Algorithm", ""),
            digest_value=_read_base64(inside[1]),
            xpath=xpath,
        ),
        canonicalization=None if last is None else _read_canonicalization(last),
    )


def _check_envelope_transforms(transforms: list[etree._Element], algorithms: tuple[str, ...]) -> str:
    """The list of section 9.1; canonicalization may be left out, as XML Signature then implies C14N."""
    if algorithms[:2] != (ENVELOPED, XPATH_TRANSFORM) or len(algorithms) > 3:
        raise refused(
            "The reference to the envelope must have the transforms enveloped-signature, XPath, c14n."
        )
    if len(algorithms) == 3 and algorithms[2] not in CANONICALIZATIONS:
        raise refused(f"The transform {algorithms[2][:100]} is not accepted.")
    expressions = children_of(transforms[1])
    if len(expressions) != 1 or expressions[0].tag != named("XPath") or children_of(expressions[0]):
        raise refused("The XPath transform must hold one ds:XPath.")
    text = raw_text_of(expressions[0])
    found = _XPATH.fullmatch(text) if len(text) <= 1000 else None
    scope = expressions[0].nsmap
    if not found or any(scope.get(found[name]) != SOAP for name in ("prefix1", "prefix2")):
        raise refused("The XPath transform is not the one that ebMS 2.0 section 4.1.3 prescribes.")
    return text


def _read_base64(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join(raw_text_of(element).split()), validate=True)
    except ValueError as error:
        raise refused(f"ds:{etree.QName(element).localname} is not base64.") from error
