"""Decrypt and verify for `bridge ebms inspect`, as the service does, with what a file and a CPA can tell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.ebms.cpa_terms import EncryptionTerms, SigningTerms
from bridge.ebms.encrypt import decrypt_part, decryption_failure
from bridge.ebms.keys import CertificatePolicy, KeyPair, check_certificate
from bridge.ebms.model import ErrorCode, Part
from bridge.ebms.read import Received
from bridge.ebms.receiving import CryptoOutcome
from bridge.ebms.sign import AlgorithmPolicy, verify_signature
from bridge.ebms.xml import XmlLimits, XmlProblem, local_name, parse_xml
from bridge.errors import EbmsError

_MOST_LOOKED_AT = 96 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The message with its parts in the clear, as far as they open, and what is to be said about it."""

    received: Received
    crypto: CryptoOutcome
    signature: str
    """`valid`, `invalid`, `absent` or `unchecked`."""
    sealed: bool = False
    """The parts stay closed for want of a key, so that the signature over them cannot be judged."""
    notes: tuple[str, ...] = ()


def open_message(
    received: Received,
    verification: SigningTerms | None,
    encryption: EncryptionTerms | None,
    *,
    keys: Sequence[KeyPair],
    now: datetime,
) -> Opened:
    """Decrypt with `keys` if that is agreed, then verify. Without keys the parts stay closed. Raises nothing."""
    signed = received.signatures > 0
    unchecked = "unchecked" if signed else "absent"
    crypto = CryptoOutcome()
    notes: list[str] = []
    if encryption is not None and received.message.parts:
        if not keys:
            return _still_sealed(received, unchecked)
        received, crypto, notes = _decrypt(received, encryption, keys)
        if crypto.decryption_errors:
            return Opened(received=received, crypto=crypto, signature=unchecked, notes=tuple(notes))
    if not signed or verification is None:
        return Opened(received=received, crypto=crypto, signature=unchecked, notes=tuple(notes))
    if received.signatures > 1:
        return Opened(received=received, crypto=crypto, signature="invalid", notes=tuple(notes))
    return _verify(received, verification, crypto, tuple(notes), now)


def _still_sealed(received: Received, signature: str) -> Opened:
    sealed = frozenset(part.content_id for part in received.message.parts if looks_encrypted(part))
    note = "the agreement has the parts encrypted: give --key to open them and to check the signature"
    return Opened(
        received=received,
        crypto=CryptoOutcome(decrypted=sealed),
        signature=signature,
        sealed=True,
        notes=(note,),
    )


def looks_encrypted(part: Part) -> bool:
    """Whether it has the form; a very large part is not looked at."""
    if part.content.size > _MOST_LOOKED_AT:
        return True
    with part.content.open() as stream:
        octets = stream.read()
    try:
        return local_name(parse_xml(octets, limits=XmlLimits(max_octets=_MOST_LOOKED_AT))) == "EncryptedData"
    except XmlProblem:
        return False


def _decrypt(
    received: Received, encryption: EncryptionTerms, keys: Sequence[KeyPair]
) -> tuple[Received, CryptoOutcome, list[str]]:
    notes = []
    if all(pair.certificate != encryption.certificate for pair in keys):
        notes.append("the key belongs to another certificate than the CPA has parts encrypted for")
    parts: list[Part] = []
    errors: list[EbmsError] = []
    for part in received.message.parts:
        try:
            parts.append(decrypt_part(part, keys=keys, random=os.urandom))
        except EbmsError as error:
            parts.append(part)
            errors.append(error)
            notes.append(f"part {part.content_id} does not open")
    opened = frozenset(part.content_id for part in parts) if not errors else frozenset()
    too_large = tuple(error for error in errors if error.code == ErrorCode.NOT_SUPPORTED)
    if errors and not too_large:
        # The answer does not say which part failed: that would help who tries out ciphertexts.
        errors = [decryption_failure(part.content_id) for part in parts]
    return (
        replace(received, message=replace(received.message, parts=tuple(parts))),
        CryptoOutcome(decrypted=opened, decryption_errors=too_large or tuple(errors)),
        notes,
    )


def _verify(
    received: Received,
    verification: SigningTerms,
    crypto: CryptoOutcome,
    notes: tuple[str, ...],
    now: datetime,
) -> Opened:
    if any("sha1" in uri for uri in (verification.hash_function, verification.signature_algorithm)):
        notes = (*notes, "the agreement names SHA-1, which production refuses (DK-128)")
    try:
        verified = verify_signature(
            received.envelope,
            received.message.parts,
            certificates=verification.certificates,
            digest_method=verification.hash_function,
            signature_method=verification.signature_algorithm,
            policy=AlgorithmPolicy(allow_sha1=True),
        )
        for at in (received.message.header.timestamp, now):
            findings = check_certificate(
                verified.certificate,
                at=at,
                anchors=(verified.certificate,),
                policy=CertificatePolicy(allow_self_signed=True, require_crl=False),
            )
            if findings:
                text = f"The signing certificate is not accepted: {findings[0].text}"
                raise EbmsError(ErrorCode.SECURITY_FAILURE, text, location="//Header/Signature")
    except EbmsError as error:
        return _not_verified(received, crypto, notes, error)
    crypto = replace(crypto, verified=verified)
    return Opened(received=received, crypto=crypto, signature="valid", notes=notes)


def _not_verified(
    received: Received, crypto: CryptoOutcome, notes: tuple[str, ...], error: EbmsError
) -> Opened:
    """The answer to a signature that fails over parts that were encrypted hides which of the two failed."""
    if not crypto.decrypted:
        crypto = replace(crypto, signature_error=error)
        return Opened(received=received, crypto=crypto, signature="invalid", notes=notes)
    errors = tuple(decryption_failure(part.content_id) for part in received.message.parts)
    note = f"the parts open, but the signature fails, which the answer hides on purpose: {error.text}"
    crypto = CryptoOutcome(decryption_errors=errors)
    return Opened(received=received, crypto=crypto, signature="invalid", notes=(*notes, note))
