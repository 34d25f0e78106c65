"""XML encryption of payload parts: the plain octets of a part to an `application/xml` part and back.

Sign first, then encrypt; decrypt first, then verify (section 10 of the ebMS notes). It is done here with
cryptography. The xmlsec library does not do what section 10 asks: it stops at an RSA 1.5 failure instead of
going on with a random key, acts on `Type`, and draws its own randomness. The tests use it as the other side,
both ways.

Whoever sends a manipulated part must not learn from the answer how far decryption came: every cause is one
and the same error. A signature that fails over what came out is such a cause too: answer it with
`decryption_failure` as well when the message had encrypted parts.

Size. Content goes through in pieces (`ciphertext.py`) into the sink that the caller gives, so that memory does not
grow with the part. What was decrypted counts only when its end was reached and found good; else the sink forgets it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from bridge.ebms.ciphertext import (
    LINE,
    MAX_SKELETON,
    Base64Lines,
    ContentCipher,
    decoded,
    iv_octets,
    make_opener,
    seal_content,
    split,
)
from bridge.ebms.content import BadEncoding, MemorySink, Sink
from bridge.ebms.keys import KeyPair, subject_text
from bridge.ebms.model import Content, ErrorCode, Part
from bridge.ebms.signed_info import SHA1, SHA256, SHA384, SHA512
from bridge.ebms.xml import DS, XENC, XENC11, XmlLimits, XmlProblem, is_element, parse_xml, raw_text_of
from bridge.errors import EbmsError

AES128_CBC = f"{XENC}aes128-cbc"
AES192_CBC = f"{XENC}aes192-cbc"
AES256_CBC = f"{XENC}aes256-cbc"
AES128_GCM = f"{XENC11}aes128-gcm"
AES192_GCM = f"{XENC11}aes192-gcm"
AES256_GCM = f"{XENC11}aes256-gcm"
TRIPLE_DES_CBC = f"{XENC}tripledes-cbc"
RSA_1_5 = f"{XENC}rsa-1_5"
RSA_OAEP = f"{XENC}rsa-oaep-mgf1p"
RSA_OAEP_11 = f"{XENC11}rsa-oaep"

MAX_PLAIN_OCTETS = 32 * 1024 * 1024 * 1024
"""Half of what one key and IV of GCM may encrypt. The limits of listener and partner end a message long before."""
MAX_ENCRYPTED_OCTETS = 48 * 1024 * 1024 * 1024
"""Of the XML: base64 and its line breaks make it up to 1.44 times as large as the part."""

NewSink = Callable[[], Sink]
"""Where the octets of a part go."""

RandomOctets = Callable[[int], bytes]
"""That many octets nobody can guess, as `os.urandom` gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptionPolicy:
    """What may be decrypted. 3DES is for legacy partners only (DK-134); RSA 1.5 is what ebms-core writes."""

    allow_3des: bool = False
    allow_rsa_1_5: bool = True
    max_octets: int = MAX_ENCRYPTED_OCTETS


DEFAULT_POLICY = DecryptionPolicy()


def encrypt_part(
    part: Part,
    *,
    certificate: x509.Certificate,
    algorithm: str,
    random: RandomOctets,
    key_transport: str = RSA_OAEP,
    max_octets: int = MAX_PLAIN_OCTETS,
    new_sink: NewSink = MemorySink,
) -> Part:
    """The part as xenc:EncryptedData for the receiver's `certificate`, with the agreed content `algorithm`.

    `key_transport` is RSA_OAEP, RSA_OAEP_11 (SHA-256) or, for a partner that reads nothing else, RSA_1_5.
    3DES is never written. Raises EbmsError NotSupported for anything else, a key that is not RSA, or a part
    larger than `max_octets`.
    """
    cipher = _CIPHERS.get(algorithm)
    public = certificate.public_key()
    if cipher is None or cipher.legacy:
        raise _not_supported(part, f"The encryption algorithm {algorithm[:100]} is never written.")
    if key_transport not in _KEY_TRANSPORTS or not isinstance(public, rsa.RSAPublicKey):
        raise _not_supported(part, "Key transport must be RSA-OAEP or RSA 1.5, for an RSA certificate.")
    _check_size(part, max_octets)
    key = random(cipher.key_octets)
    wrapped = public.encrypt(key, _own_padding(key_transport))
    before, after = _around_content(part, algorithm, key_transport, wrapped, subject_text(certificate))
    sink = new_sink()
    try:
        sink.write(before)
        lines = Base64Lines(sink)
        seal_content(cipher, key, random(iv_octets(cipher)), part.content, lines)
        lines.finish()
        sink.write(after)
        return replace(part, content_type="application/xml", content=sink.finish())
    except BaseException:
        sink.discard()
        raise


def decrypt_part(
    part: Part,
    *,
    keys: Sequence[KeyPair],
    random: RandomOctets,
    policy: DecryptionPolicy = DEFAULT_POLICY,
    new_sink: NewSink = MemorySink,
) -> Part:
    """The part as it was before encryption: its octets exactly, and the content type that MimeType kept.

    `keys` are the receiver's, several valid side by side. Raises EbmsError: NotSupported for a part larger
    than the policy allows, else SecurityFailure at `cid:…`, the same for every cause.
    """
    _check_size(part, policy.max_octets)
    mark = random(16).hex()
    try:
        sealed = _read_encrypted_data(part.content, policy, mark)
        for key in _content_keys(sealed, keys) or [random(sealed.cipher.key_octets)]:
            opened = _open_content(part.content, sealed, key, mark, new_sink())
            if opened is not None:
                return replace(part, content_type=sealed.content_type, content=opened)
    except (XmlProblem, BadEncoding, ValueError) as error:
        raise decryption_failure(part.content_id) from error
    raise decryption_failure(part.content_id)


def decryption_failure(content_id: str) -> EbmsError:
    """The one answer to every encrypted part that does not open."""
    return EbmsError(
        ErrorCode.SECURITY_FAILURE,
        "The part cannot be decrypted: check the agreed certificate, algorithms and form of EncryptedData.",
        location=f"cid:{content_id}",
    )


_CIPHERS = {
    AES128_CBC: ContentCipher(key_octets=16),
    AES192_CBC: ContentCipher(key_octets=24),
    AES256_CBC: ContentCipher(key_octets=32),
    AES128_GCM: ContentCipher(key_octets=16, gcm=True),
    AES192_GCM: ContentCipher(key_octets=24, gcm=True),
    AES256_GCM: ContentCipher(key_octets=32, gcm=True),
    TRIPLE_DES_CBC: ContentCipher(key_octets=24, legacy=True),
}
_KEY_TRANSPORTS = (RSA_1_5, RSA_OAEP, RSA_OAEP_11)
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    SHA1: hashes.SHA1,
    SHA256: hashes.SHA256,
    SHA384: hashes.SHA384,
    SHA512: hashes.SHA512,
}
_MASKS: dict[str, type[hashes.HashAlgorithm]] = {
    f"{XENC11}mgf1sha1": hashes.SHA1,
    f"{XENC11}mgf1sha256": hashes.SHA256,
    f"{XENC11}mgf1sha384": hashes.SHA384,
    f"{XENC11}mgf1sha512": hashes.SHA512,
}
_MAX_KEYS = 8
_HERE = "@content@"
"""Stands where the encrypted content goes: no base64, so nothing else of the kind can look like it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """What an EncryptedData says."""

    cipher: ContentCipher
    text: str
    """Base64 of the content, its long runs left out."""
    wrapped_key: bytes
    padding: padding.AsymmetricPadding
    content_type: str


def _not_supported(part: Part, text: str) -> EbmsError:
    return EbmsError(ErrorCode.NOT_SUPPORTED, text, location=f"cid:{part.content_id}")


def _check_size(part: Part, limit: int) -> None:
    if part.content.size > limit:
        raise _not_supported(
            part, f"The part has {part.content.size} octets; encryption is done up to {limit}."
        )


# --- content ---


def _open_content(content: Content, sealed: _Sealed, key: bytes, mark: str, sink: Sink) -> Content | None:
    """The plain octets, or None when key, tag or padding is wrong. Raises BadEncoding and ValueError."""
    opener = make_opener(sealed.cipher, key)
    try:
        for octets in decoded(content, sealed.text, mark):
            sink.write(opener.update(octets))
        last = opener.finish()
    except BaseException:
        sink.discard()
        raise
    if last is None:
        sink.discard()
        return None
    sink.write(last)
    return sink.finish()


# --- the content key ---


def _content_keys(sealed: _Sealed, keys: Sequence[KeyPair]) -> list[bytes]:
    """What the private keys make of the wrapped key: usually one value, of the right length.

    Every key is always tried, so that time does not tell which one fits. With RSA 1.5 OpenSSL makes up a
    value instead of failing; one of another length is dropped, and the caller goes on with a random key.
    """
    found = []
    for pair in keys[:_MAX_KEYS]:
        if not isinstance(pair.private_key, rsa.RSAPrivateKey):
            continue
        try:
            key = pair.private_key.decrypt(sealed.wrapped_key, sealed.padding)
        except (ValueError, UnsupportedAlgorithm):
            continue
        if len(key) == sealed.cipher.key_octets:
            found.append(key)
    return found


def _own_padding(key_transport: str) -> padding.AsymmetricPadding:
    if key_transport == RSA_1_5:
        return padding.PKCS1v15()
    own = _HASHES[SHA1 if key_transport == RSA_OAEP else SHA256]()
    return padding.OAEP(mgf=padding.MGF1(own), algorithm=own, label=None)


def _read_padding(method: etree._Element, policy: DecryptionPolicy) -> padding.AsymmetricPadding:
    """Raises ValueError. SHA-1 unless DigestMethod and MGF say otherwise; mgf1p always masks with SHA-1."""
    transport = method.get("Algorithm", "")
    if transport == RSA_1_5 and policy.allow_rsa_1_5:
        return padding.PKCS1v15()
    if transport not in (RSA_OAEP, RSA_OAEP_11):
        raise ValueError("key transport")
    digest = method.find(f"{{{DS}}}DigestMethod")
    mask = method.find(f"{{{XENC11}}}MGF") if transport == RSA_OAEP_11 else None
    label = method.find(f"{{{XENC}}}OAEPparams")
    algorithm = hashes.SHA1 if digest is None else _HASHES.get(digest.get("Algorithm", ""))
    mask_hash = hashes.SHA1 if mask is None else _MASKS.get(mask.get("Algorithm", ""))
    if algorithm is None or mask_hash is None:
        raise ValueError("OAEP parameters")
    return padding.OAEP(
        mgf=padding.MGF1(mask_hash()),
        algorithm=algorithm(),
        label=None if label is None else _octets_of(label),
    )


# --- EncryptedData ---


def _read_encrypted_data(content: Content, policy: DecryptionPolicy, mark: str) -> _Sealed:
    """Raises XmlProblem or ValueError. `Type` is not looked at: core writes Element for binary parts too."""
    data = parse_xml(split(content, mark), limits=XmlLimits(max_octets=MAX_SKELETON, max_depth=20))
    if data.tag != f"{{{XENC}}}EncryptedData":
        raise ValueError("not EncryptedData")
    cipher = _CIPHERS.get(_only(data, XENC, "EncryptionMethod").get("Algorithm", ""))
    if cipher is None or (cipher.legacy and not policy.allow_3des):
        raise ValueError("content algorithm")
    key = _only(_only(data, DS, "KeyInfo"), XENC, "EncryptedKey")
    return _Sealed(
        cipher=cipher,
        text=raw_text_of(_cipher_value(data)),
        wrapped_key=_octets_of(_cipher_value(key)),
        padding=_read_padding(_only(key, XENC, "EncryptionMethod"), policy),
        content_type=data.get("MimeType") or "application/octet-stream",
    )


def _only(parent: etree._Element, namespace: str, name: str) -> etree._Element:
    found = [child for child in parent if is_element(child) and child.tag == f"{{{namespace}}}{name}"]
    if len(found) != 1:
        raise ValueError(name)
    return found[0]


def _cipher_value(holder: etree._Element) -> etree._Element:
    """CipherReference is not followed: then there is no CipherValue."""
    return _only(_only(holder, XENC, "CipherData"), XENC, "CipherValue")


def _octets_of(element: etree._Element) -> bytes:
    return base64.b64decode("".join(raw_text_of(element).split()), validate=True)


def _around_content(
    part: Part, algorithm: str, key_transport: str, wrapped: bytes, key_name: str
) -> tuple[bytes, bytes]:
    """The EncryptedData before and after its base64."""
    data = etree.Element(
        f"{{{XENC}}}EncryptedData",
        {"Id": part.content_id, "MimeType": part.content_type, "Type": f"{XENC}Element"},
        nsmap={"xenc": XENC},
    )
    etree.SubElement(data, f"{{{XENC}}}EncryptionMethod", Algorithm=algorithm)
    key_info = etree.SubElement(data, f"{{{DS}}}KeyInfo", nsmap={"ds": DS})
    key = etree.SubElement(key_info, f"{{{XENC}}}EncryptedKey")
    method = etree.SubElement(key, f"{{{XENC}}}EncryptionMethod", Algorithm=key_transport)
    if key_transport == RSA_OAEP_11:
        etree.SubElement(method, f"{{{DS}}}DigestMethod", Algorithm=SHA256)
        etree.SubElement(
            method, f"{{{XENC11}}}MGF", {"Algorithm": f"{XENC11}mgf1sha256"}, nsmap={"xenc11": XENC11}
        )
    etree.SubElement(etree.SubElement(key, f"{{{DS}}}KeyInfo"), f"{{{DS}}}KeyName").text = key_name
    text = base64.b64encode(wrapped).decode("ascii")
    _add_cipher_value(key, "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE)))
    _add_cipher_value(data, _HERE)
    octets = etree.tostring(data, encoding="utf-8", xml_declaration=False)
    # It comes last, whatever the names before it hold.
    before, _, after = octets.rpartition(_HERE.encode("ascii"))
    return before, after


def _add_cipher_value(holder: etree._Element, text: str) -> None:
    data = etree.SubElement(holder, f"{{{XENC}}}CipherData")
    etree.SubElement(data, f"{{{XENC}}}CipherValue").text = text
