"""The other implementation: XML signatures and encryption made and checked by xmlsec, for tests of either side."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import xmlsec
from cryptography.hazmat.primitives import serialization
from lxml import etree

from bridge.ebms.keys import KeyPair

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
EB = "http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
NS = {"soap": SOAP, "eb": EB, "ds": DS}
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
XPATH_TRANSFORM = "http://www.w3.org/TR/1999/REC-xpath-19991116"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
NEXT_MSH = "urn:oasis:names:tc:ebxml-msg:actor:nextMSH"
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
XPATH = (
    f'not(ancestor-or-self::node()[@soap:actor="{NEXT_MSH}"]|ancestor-or-self::node()[@soap:actor="{NEXT}"])'
)


@contextmanager
def answering_cids(parts: Mapping[str, bytes]) -> Iterator[None]:
    """Let libxmlsec open `cid:` URLs, as a SOAP stack would; `parts` are octets by Content-ID."""
    by_url = {f"cid:{content_id}".encode(): octets for content_id, octets in parts.items()}

    def open_url(url: bytes) -> BinaryIO:
        return io.BytesIO(by_url[url])

    xmlsec.cleanup_callbacks()
    xmlsec.register_callbacks(
        lambda url: url in by_url,
        open_url,
        lambda stream, buffer: stream.readinto(buffer),
        lambda stream: stream.close(),
    )
    try:
        yield
    finally:
        xmlsec.cleanup_callbacks()
        xmlsec.register_default_callbacks()


def xmlsec_key(pair: KeyPair, *, private: bool) -> Any:
    if private:
        pem = pair.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    pem = pair.certificate.public_bytes(serialization.Encoding.PEM)
    return xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.CERT_PEM)


def signature_template(
    content_ids: tuple[str, ...],
    *,
    c14n: str = C14N,
    signature_method: str = RSA_SHA256,
    digest_method: str = SHA256,
    transforms: str | None = None,
    xpath: str = XPATH,
    prefix_list: str = "",
    part_transforms: str = "",
    references: str | None = None,
    key_info: str = "",
) -> str:
    """A ds:Signature still without values; `references` in place of those to the envelope and the parts."""
    inclusive = (
        f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="{prefix_list}"/>' if prefix_list else ""
    )
    if transforms is None:
        transforms = (
            f'<ds:Transform Algorithm="{ENVELOPED}"/>\n'
            f'<ds:Transform Algorithm="{XPATH_TRANSFORM}"><ds:XPath>{xpath}</ds:XPath></ds:Transform>'
            f'<ds:Transform Algorithm="{c14n}">{inclusive}</ds:Transform>'
        )
    digest = f'<ds:DigestMethod Algorithm="{digest_method}"/><ds:DigestValue/>'
    whole = f'<ds:Reference URI=""><ds:Transforms>{transforms}</ds:Transforms>{digest}</ds:Reference>'
    cids = "".join(
        f'<ds:Reference URI="cid:{name}">{part_transforms}{digest}</ds:Reference>' for name in content_ids
    )
    return f"""<ds:Signature xmlns:ds="{DS}">
<ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="{c14n}">{inclusive}</ds:CanonicalizationMethod>
<ds:SignatureMethod Algorithm="{signature_method}"/>
{whole + cids if references is None else references}
</ds:SignedInfo><ds:SignatureValue/>{key_info}</ds:Signature>"""


def sign_with_xmlsec(envelope: str, parts: Mapping[str, bytes], pair: KeyPair, signature: str) -> bytes:
    """The envelope with the signature template filled in, last in its Header."""
    text = envelope.replace("</soap:Header>", signature + "</soap:Header>")
    root = etree.fromstring(text.encode())
    context = xmlsec.SignatureContext()
    context.key = xmlsec_key(pair, private=True)
    place = root.find("soap:Header/ds:Signature", NS)
    with answering_cids(parts):
        context.sign(place)
    return etree.tostring(root.getroottree(), encoding="utf-8")
