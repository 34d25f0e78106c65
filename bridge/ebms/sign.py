"""The XML signature of an ebMS message: making it, verifying it, comparing a receipt with what was sent.

One ds:Signature in soap:Header signs the envelope (Reference `URI=""`: all but itself and the blocks for the
next MSH) and each payload part (Reference `cid:`: the plain octets). Verification insists on exactly that, so
a value read from the same tree afterwards is a signed one. Outside every signature stand SyncReply, header
blocks that are not of ebMS, and an AckRequested or Acknowledgment whose actor is the nextMSH.

Which library does what. signxml, by subclass, canonicalizes ds:SignedInfo and checks ds:SignatureValue with
a certificate of the agreement. The References are done here with lxml and hashlib: signxml passes over the
XPath transform without a word, takes a part whole into memory, and parses the envelope anew per Reference.
It cannot write the XPath transform either, so SignedInfo is composed here and signed with cryptography.
Nothing is dereferenced: no `#id`, no file, no URL; the XPath text is compared, never evaluated.
"""

from __future__ import annotations

import base64
import copy
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from bridge.ebms.keys import KeyPair, PrivateKey
from bridge.ebms.model import ACTOR_NEXT, ACTOR_NEXT_MSH, DigestReference, Part
from bridge.ebms.signed_info import (
    C14N,
    C14N11,
    CANONICALIZATIONS,
    DEFAULT_POLICY,
    DIGESTS,
    ENVELOPED,
    OWN_CANONICALIZATION,
    SIGNATURES,
    AlgorithmPolicy,
    Canonicalization,
    SignedInfo,
    SignedReference,
    check_methods,
    children_of,
    named,
    prefix_list,
    read_signed_info,
    refused,
    values_of,
)
from bridge.ebms.wrapping import ACTOR, SIGNATURE, UNSIGNED_ACTORS, check_wrapping, header_of, only_signature
from bridge.ebms.xml import DS, SOAP, XML, XPATH_TRANSFORM, XmlLimits, XmlProblem, parse_xml

__all__ = [
    "AlgorithmPolicy",
    "Verified",
    "check_receipt",
    "references_of_sent",
    "sign_envelope",
    "signature_references",
    "verify_signature",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A signature that holds: the agreed certificate that it fits, and what was signed."""

    certificate: x509.Certificate
    references: tuple[DigestReference, ...]


def sign_envelope(
    envelope: etree._Element,
    parts: Sequence[Part],
    *,
    key: KeyPair,
    digest_method: str,
    signature_method: str,
    policy: AlgorithmPolicy = DEFAULT_POLICY,
) -> None:
    """Append ds:Signature as the last child of soap:Header (sections 9.1 and 9.7 of the ebMS notes).

    Call it last: any later change of the tree breaks the signature. Serialise once after it and keep
    those octets. Raises EbmsError when the algorithms are not permitted, do not fit the key,
    or the envelope is signed already.
    """
    check_methods(digest_method, signature_method, policy)
    header = header_of(envelope)
    if next(envelope.iter(SIGNATURE), None) is not None:
        raise refused("The envelope is already signed; a message never has a second signature.")
    if not _has_kind(key.certificate, signature_method):
        raise refused(f"The signature method {signature_method} does not fit the kind of the signing key.")
    digests = [part.content.digest(DIGESTS[digest_method]) for part in parts]
    whole = _digest(_signed_octets(envelope, OWN_CANONICALIZATION), digest_method)
    signature = etree.SubElement(header, SIGNATURE, nsmap={"ds": DS})
    signed_info = etree.SubElement(signature, named("SignedInfo"))
    etree.SubElement(signed_info, named("CanonicalizationMethod"), Algorithm=C14N)
    etree.SubElement(signed_info, named("SignatureMethod"), Algorithm=signature_method)
    _add_reference(signed_info, "", digest_method, whole)
    for part, digest in zip(parts, digests, strict=True):
        _add_reference(signed_info, f"cid:{part.content_id}", digest_method, digest)
    octets = _canonical(_signed_info_alone(envelope, C14N), OWN_CANONICALIZATION)
    value = _signature_value(key.private_key, octets, signature_method)
    etree.SubElement(signature, named("SignatureValue")).text = _base64(value)
    _add_key_info(signature, key.certificate)


def verify_signature(
    envelope: etree._Element,
    parts: Sequence[Part],
    *,
    certificates: Sequence[x509.Certificate],
    digest_method: str | None,
    signature_method: str | None,
    policy: AlgorithmPolicy = DEFAULT_POLICY,
) -> Verified:
    """Verify the signature over envelope and plain parts as sections 9.2 to 9.6 ask.

    `envelope` is the root as received, untouched; it stays so. `certificates` are those that the agreement
    names for the sender; ds:KeyInfo is not looked at. The algorithms are the URIs that the agreement demands;
    None leaves any that `policy` permits. Whether a certificate may be trusted is `keys.check_certificate`.
    Raises EbmsError SecurityFailure with a sentence per cause.
    """
    signature = only_signature(envelope)
    check_wrapping(envelope)
    signed_info = read_signed_info(signature)
    _check_agreed(signed_info, digest_method, signature_method, policy)
    by_uri = _check_coverage(signed_info, parts)
    certificate = _signing_certificate(envelope, signed_info, certificates)
    for reference in signed_info.references:
        part = by_uri.get(reference.value.uri)
        digest = _envelope_digest(envelope, reference) if part is None else _part_digest(part, reference)
        if digest != reference.value.digest_value:
            what = "envelope" if part is None else f"part {reference.value.uri[:200]}"
            raise refused(f"The {what} is not what was signed: its digest differs.")
    return Verified(certificate=certificate, references=values_of(signed_info))


def signature_references(envelope: etree._Element) -> tuple[DigestReference, ...]:
    """The ds:References of the signature, for a signed Acknowledgment to repeat; none without a signature.

    Raises EbmsError when the signature cannot be read. Verify first: this does not.
    """
    if next(envelope.iter(SIGNATURE), None) is None:
        return ()
    return values_of(read_signed_info(only_signature(envelope)))


def references_of_sent(envelope_octets: bytes) -> tuple[DigestReference, ...]:
    """As `signature_references`, from the envelope octets kept when a message was sent."""
    try:
        return signature_references(parse_xml(envelope_octets))
    except XmlProblem as error:
        raise refused(f"The kept envelope cannot be read: {error.text}.") from error


def check_receipt(
    acknowledged: Sequence[DigestReference], sent: Sequence[DigestReference]
) -> tuple[str, ...]:
    """Why these References are no receipt for what was sent (section 9.5); empty is good."""
    findings = []
    if len(acknowledged) != len(sent):
        findings.append(f"The acknowledgment repeats {len(acknowledged)} references; {len(sent)} were sent.")
    got = Counter((reference.uri, reference.digest_value) for reference in acknowledged)
    uris = {reference.uri for reference in acknowledged}
    for reference in sent:
        pair = (reference.uri, reference.digest_value)
        got[pair] -= 1
        if got[pair] < 0:
            name = reference.uri or "the envelope"
            reason = "has another digest than was sent" if reference.uri in uris else "is missing"
            findings.append(f"The reference to {name} {reason} in the acknowledgment.")
    return tuple(findings)


_PART_TO_PARSE = XmlLimits()
"""Only a Reference with a c14n transform makes us parse a part; peers write none."""


class _SignatureValueVerifier(XMLVerifier):
    """signxml for SignedInfo and SignatureValue alone.

    Should a new signxml no longer call these methods, it looks for the References itself and refuses.
    """

    def _verify_reference(self, *_: object) -> None:
        """The References have rules of their own, above."""

    def _get_inclusive_ns_prefixes(self, transform_node: etree._Element) -> list[str] | None:
        """As signxml, but a PrefixList may be split by any white space."""
        return list(prefix_list(transform_node)) or None


# --- what is demanded of it ---


def _check_agreed(
    signed_info: SignedInfo, digest_method: str | None, signature_method: str | None, policy: AlgorithmPolicy
) -> None:
    if signature_method is not None and signed_info.signature_method != signature_method:
        raise refused(
            f"The signature method is {signed_info.signature_method[:100]}; agreed is {signature_method}."
        )
    for reference in signed_info.references:
        used = reference.value.digest_method
        if digest_method is not None and used != digest_method:
            raise refused(f"A digest method is {used[:100]}; agreed is {digest_method}.")
        check_methods(used, signed_info.signature_method, policy)


def _check_coverage(signed_info: SignedInfo, parts: Sequence[Part]) -> dict[str, Part]:
    """One Reference to the envelope and one to every part, none besides; the parts by Reference URI."""
    ids = {part.content_id: part for part in parts}
    if len(ids) != len(parts):
        raise refused("Two parts have the same Content-ID, so a reference cannot tell them apart.")
    by_uri: dict[str, Part] = {}
    envelopes = 0
    for reference in signed_info.references:
        uri = reference.value.uri
        if uri == "":
            envelopes += 1
            continue
        name = uri[4:] if uri[:4].lower() == "cid:" else ""
        part = ids.pop(name, None) or ids.pop(unquote(name), None)
        if part is None:
            raise refused(f"The reference {uri[:200]} is to no part of the message, or is there twice.")
        by_uri[uri] = part
    if envelopes != 1:
        raise refused(f"There must be exactly one reference to the envelope; there are {envelopes}.")
    if ids:
        raise refused("Not signed: " + ", ".join(f"part cid:{name[:200]}" for name in list(ids)[:10]) + ".")
    return by_uri


# --- digests and the signature value ---


def _envelope_digest(envelope: etree._Element, reference: SignedReference) -> bytes:
    canonicalization = reference.canonicalization or OWN_CANONICALIZATION
    return _digest(_signed_octets(envelope, canonicalization), reference.value.digest_method)


def _part_digest(part: Part, reference: SignedReference) -> bytes:
    """Over the plain octets; canonicalized first only if the Reference says so."""
    name = DIGESTS[reference.value.digest_method]
    if reference.canonicalization is None:
        return part.content.digest(name)
    if part.content.size > _PART_TO_PARSE.max_octets:
        raise refused(f"Part {reference.value.uri[:200]} is too large to canonicalize.")
    with part.content.open() as stream:
        octets = stream.read()
    try:
        tree = parse_xml(octets).getroottree()
    except XmlProblem as error:
        raise refused(f"Part {reference.value.uri[:200]} cannot be canonicalized: {error.text}.") from error
    _, comments = CANONICALIZATIONS[reference.canonicalization.method]
    return _digest(
        _canonical(tree, reference.canonicalization, comments=comments), reference.value.digest_method
    )


def _digest(octets: bytes, method: str) -> bytes:
    return hashlib.new(DIGESTS[method], octets).digest()


def _signed_octets(envelope: etree._Element, canonicalization: Canonicalization) -> bytes:
    """What the digest of the envelope is over (section 9.2), from a copy of the whole document.

    `URI=""` leaves out comments whatever the canonicalization says (XML Signature 4.3.3.3).
    """
    tree = copy.deepcopy(envelope.getroottree())
    root = tree.getroot()
    unsigned = [
        element
        for element in root.iter(etree.Element)
        if element.get(ACTOR) in UNSIGNED_ACTORS or element.tag == SIGNATURE
    ]
    for element in unsigned:
        _take_out(element)
    return _canonical(tree, canonicalization)


def _take_out(element: etree._Element) -> None:
    """Remove the element but not the text after it, which lxml keeps with the element."""
    holder = element.getparent()
    if holder is None:
        return
    before = element.getprevious()
    if element.tail:
        if before is None:
            holder.text = (holder.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    element.tail = None
    holder.remove(element)


def _canonical(
    tree: etree._ElementTree | etree._Element, canonicalization: Canonicalization, *, comments: bool = False
) -> bytes:
    exclusive, _ = CANONICALIZATIONS[canonicalization.method]
    try:
        return etree.tostring(
            tree,
            method="c14n",
            exclusive=exclusive,
            with_comments=comments,
            inclusive_ns_prefixes=list(canonicalization.prefixes) or None,
        )
    except etree.C14NError as error:
        raise refused("The XML has no canonical form: a namespace is not an absolute URI.") from error


def _signed_info_alone(envelope: etree._Element, method: str) -> etree._Element:
    """SignedInfo in a copy of the document, ready to be canonicalized as a part of it.

    Inclusive canonicalization hands down xml:lang and the like from the elements around; lxml does not.
    Version 1.1 leaves xml:id where it is.
    """
    root = copy.deepcopy(envelope.getroottree()).getroot()
    signed_info = children_of(only_signature(root))[0]
    exclusive, _ = CANONICALIZATIONS[method]
    stays = f"{{{XML}}}id" if method.startswith(C14N11) else ""
    for around in () if exclusive else signed_info.iterancestors():
        for name, value in around.attrib.items():
            if str(name).startswith(f"{{{XML}}}") and name != stays and name not in signed_info.attrib:
                signed_info.set(name, value)
    return signed_info


def _signing_certificate(
    envelope: etree._Element, signed_info: SignedInfo, certificates: Sequence[x509.Certificate]
) -> x509.Certificate:
    alone = _signed_info_alone(envelope, signed_info.canonicalization.method)
    signature = alone.getparent()
    assert signature is not None
    signature.tail = None
    for child in children_of(signature)[2:]:
        signature.remove(child)
    children_of(signature)[1].text = _base64(signed_info.signature_value)
    method = signed_info.signature_method
    for certificate in certificates:
        if _has_kind(certificate, method) and _fits(signature, signed_info, certificate):
            return certificate
    raise refused(
        "The signature was not made with an agreed certificate, or ds:SignedInfo was changed after signing."
    )


def _has_kind(certificate: x509.Certificate, signature_method: str) -> bool:
    """Whether the key of the certificate is of the kind (RSA, elliptic curve, DSA) that the method needs."""
    key_type, _ = SIGNATURES[signature_method]
    try:
        return isinstance(certificate.public_key(), key_type)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _fits(signature: etree._Element, signed_info: SignedInfo, certificate: x509.Certificate) -> bool:
    expected = SignatureConfiguration(
        expect_references=False,
        signature_methods=frozenset({SignatureMethod(signed_info.signature_method)}),
        verification_time=certificate.not_valid_before_utc,  # check_certificate judges the time
    )
    try:
        _SignatureValueVerifier().verify(
            signature, x509_cert=certificate, validate_schema=False, expect_config=expected
        )
    except (SignXMLException, InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, etree.LxmlError):
        return False
    return True


# --- composing ---


def _add_reference(signed_info: etree._Element, uri: str, method: str, digest: bytes) -> None:
    reference = etree.SubElement(signed_info, named("Reference"), URI=uri)
    if uri == "":
        _add_transforms(reference)
    etree.SubElement(reference, named("DigestMethod"), Algorithm=method)
    etree.SubElement(reference, named("DigestValue")).text = _base64(digest)


def _add_transforms(reference: etree._Element) -> None:
    transforms = etree.SubElement(reference, named("Transforms"))
    etree.SubElement(transforms, named("Transform"), Algorithm=ENVELOPED)
    selection = etree.SubElement(transforms, named("Transform"), Algorithm=XPATH_TRANSFORM)
    prefix = next((name for name, uri in reference.nsmap.items() if name and uri == SOAP), None)
    declared = {} if prefix else {"soap": SOAP}
    xpath = etree.SubElement(selection, named("XPath"), nsmap=declared)
    prefix = prefix or "soap"
    xpath.text = (
        f'not(ancestor-or-self::node()[@{prefix}:actor="{ACTOR_NEXT_MSH}"]'
        f'|ancestor-or-self::node()[@{prefix}:actor="{ACTOR_NEXT}"])'
    )
    etree.SubElement(transforms, named("Transform"), Algorithm=C14N)


def _signature_value(key: PrivateKey, octets: bytes, method: str) -> bytes:
    """For ECDSA the two numbers side by side, each as wide as the curve (XML Signature 1.1, 6.4.3)."""
    _, hash_type = SIGNATURES[method]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hash_type())
    width = (key.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(hash_type())))
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def _add_key_info(signature: etree._Element, certificate: x509.Certificate) -> None:
    """A hint for people and libraries: KeyValue for RSA, and the certificate."""
    key_info = etree.SubElement(signature, named("KeyInfo"))
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        value = etree.SubElement(etree.SubElement(key_info, named("KeyValue")), named("RSAKeyValue"))
        etree.SubElement(value, named("Modulus")).text = _base64(_unsigned(numbers.n))
        etree.SubElement(value, named("Exponent")).text = _base64(_unsigned(numbers.e))
    data = etree.SubElement(key_info, named("X509Data"))
    der = certificate.public_bytes(Encoding.DER)
    etree.SubElement(data, named("X509Certificate")).text = _base64(der)


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
