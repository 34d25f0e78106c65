"""Signatures by the xmlsec library: libxmlsec evaluates the XPath transform and every digest itself.

`cid:` references are resolved by input callbacks, which libxmlsec keeps per process. Each operation therefore
takes a lock, installs the callbacks for its own parts and nothing else (so no file and no network address
can be referenced), and puts the defaults back.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xmlsec
from lxml import etree

from bridge.ebms.model import DigestReference
from bridge.simulate.envelope import DS, SOAP, read_reference, to_octets
from bridge.simulate.packing import Attachment

_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_XPATH = (
    'not(ancestor-or-self::node()[@soap:actor="urn:oasis:names:tc:ebxml-msg:actor:nextMSH"]'
    '|ancestor-or-self::node()[@soap:actor="http://schemas.xmlsoap.org/soap/actor/next"])'
)
_CALLBACKS = threading.Lock()

_Element = etree._Element


class BadSignature(Exception):
    """A signature that is missing, does not verify, or does not cover the whole message."""


def sign(
    root: _Element, attachments: tuple[Attachment, ...], *, key: Path, certificate: Path
) -> tuple[bytes, tuple[DigestReference, ...]]:
    """The octets of the envelope with its signature as last child of the SOAP header, and what it covers."""
    header = root.find(f"{{{SOAP}}}Header")
    assert header is not None
    signature = xmlsec.template.create(
        root, xmlsec.constants.TransformInclC14N, xmlsec.constants.TransformRsaSha256, ns="ds"
    )
    header.append(signature)
    envelope = xmlsec.template.add_reference(signature, xmlsec.constants.TransformSha256, uri="")
    xmlsec.template.add_transform(envelope, xmlsec.constants.TransformEnveloped)
    xpath = xmlsec.template.add_transform(envelope, xmlsec.constants.TransformXPath)
    etree.SubElement(xpath, f"{{{DS}}}XPath").text = _XPATH
    xmlsec.template.add_transform(envelope, xmlsec.constants.TransformInclC14N)
    for attachment in attachments:
        xmlsec.template.add_reference(
            signature, xmlsec.constants.TransformSha256, uri=f"cid:{attachment.content_id}"
        )
    xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(key), xmlsec.constants.KeyDataFormatPem)
    context.key.load_cert_from_file(str(certificate), xmlsec.constants.KeyDataFormatPem)
    with _resolving(attachments):
        context.sign(signature)
    octets = to_octets(root)
    # lxml does not find what libxmlsec put into the tree by name: read the octets that will be sent
    sent = etree.fromstring(octets).find(f"{{{SOAP}}}Header/{{{DS}}}Signature")
    assert sent is not None
    return octets, _references(sent)


def verify(
    root: _Element, attachments: tuple[Attachment, ...], *, certificate: Path
) -> tuple[DigestReference, ...]:
    """What the signature covers: the envelope and every attachment. Raises `BadSignature`."""
    found = root.findall(f"{{{SOAP}}}Header/{{{DS}}}Signature")
    if len(found) != 1:
        raise BadSignature(f"{len(found)} signatures where one is due")
    signature = found[0]
    references = _references(signature)
    _check_coverage(signature, references, attachments)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(certificate), xmlsec.constants.KeyDataFormatCertPem)
    try:
        with _resolving(attachments):
            context.verify(signature)
    except xmlsec.Error as refused:
        raise BadSignature("the signature does not verify") from refused
    return references


def has_signature(root: _Element) -> bool:
    return root.find(f"{{{SOAP}}}Header/{{{DS}}}Signature") is not None


def read_references(root: _Element) -> tuple[DigestReference, ...]:
    """What the signature of a message refers to; nothing when it has none. Raises `BadSignature`."""
    signature = root.find(f"{{{SOAP}}}Header/{{{DS}}}Signature")
    return () if signature is None else _references(signature)


def _references(signature: _Element) -> tuple[DigestReference, ...]:
    found = signature.findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference")
    try:
        return tuple(read_reference(reference) for reference in found)
    except ValueError as broken:
        raise BadSignature("a reference of the signature is malformed") from broken


def _check_coverage(
    signature: _Element, references: tuple[DigestReference, ...], attachments: tuple[Attachment, ...]
) -> None:
    covered = sorted(reference.uri for reference in references)
    if covered != sorted(["", *(f"cid:{attachment.content_id}" for attachment in attachments)]):
        raise BadSignature("the signature does not cover exactly the envelope and every part")
    method = signature.find(f"{{{DS}}}SignedInfo/{{{DS}}}SignatureMethod")
    if method is None or method.get("Algorithm") != _RSA_SHA256:
        raise BadSignature("the signature is not made with the agreed algorithm")
    if any(reference.digest_method != _SHA256 for reference in references):
        raise BadSignature("a digest is not made with the agreed algorithm")


@contextmanager
def _resolving(attachments: tuple[Attachment, ...]) -> Iterator[None]:
    octets = {f"cid:{attachment.content_id}".encode(): attachment.octets for attachment in attachments}

    def match(uri: bytes) -> bool:
        return uri in octets

    def start(uri: bytes) -> io.BytesIO:
        return io.BytesIO(octets[uri])

    def read(stream: io.BytesIO, into: memoryview) -> int:
        return stream.readinto(into)

    def finish(stream: io.BytesIO) -> None:
        stream.close()

    with _CALLBACKS:
        xmlsec.cleanup_callbacks()
        xmlsec.register_callbacks(match, start, read, finish)
        try:
            yield
        finally:
            xmlsec.cleanup_callbacks()
            xmlsec.register_default_callbacks()
