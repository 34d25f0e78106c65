"""Decrypt and verify a received message: the costly step between the two halves of the receiving decision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridge.ebms.cpa_terms import EncryptionTerms, SigningTerms
from bridge.ebms.encrypt import decrypt_part
from bridge.ebms.keys import CertificatePolicy, check_certificate
from bridge.ebms.model import ErrorCode, Part
from bridge.ebms.read import Received
from bridge.ebms.receiving import CryptoOutcome
from bridge.ebms.sign import AlgorithmPolicy, Verified, verify_signature
from bridge.errors import EbmsError
from bridge.flow.bridge import Bridge, OwnIdentity


def unseal(
    bridge: Bridge,
    received: Received,
    *,
    own: OwnIdentity | None,
    verification: SigningTerms | None,
    encryption: EncryptionTerms | None,
) -> tuple[Received, CryptoOutcome]:
    """The message with its parts in the clear, and what decrypting and verifying gave. Raises nothing."""
    outcome = CryptoOutcome()
    if encryption is not None and own is not None:
        received, outcome = _decrypt(bridge, received, own)
    if received.signatures != 1 or verification is None or outcome.decryption_errors:
        return received, outcome
    try:
        verified = verify_signature(
            received.envelope,
            received.message.parts,
            certificates=verification.certificates,
            digest_method=verification.hash_function,
            signature_method=verification.signature_algorithm,
            policy=AlgorithmPolicy(allow_sha1=not bridge.settings.production),
        )
    except EbmsError as error:
        return received, replace(outcome, signature_error=error)
    untrusted = _untrusted(bridge, received, verified)
    if untrusted is not None:
        return received, replace(outcome, signature_error=untrusted)
    return received, replace(outcome, verified=verified)


def _decrypt(bridge: Bridge, received: Received, own: OwnIdentity) -> tuple[Received, CryptoOutcome]:
    parts: list[Part] = []
    opened: set[str] = set()
    errors: list[EbmsError] = []
    for part in received.message.parts:
        try:
            parts.append(decrypt_part(part, keys=own.keys, random=bridge.random))
            opened.add(part.content_id)
        except EbmsError as error:
            parts.append(part)
            errors.append(error)
    message = replace(received.message, parts=tuple(parts))
    outcome = CryptoOutcome(decrypted=frozenset(opened), decryption_errors=tuple(errors))
    return replace(received, message=message), outcome


def _untrusted(bridge: Bridge, received: Received, verified: Verified) -> EbmsError | None:
    """The signer's certificate must be good when the message was made and when it came in (section 9.6).

    Revocation is asked for now only: a list of today says nothing about the lists of then.
    """
    trust, lenient = bridge.trust, not bridge.settings.production
    made, came = received.message.header.timestamp, bridge.now()
    findings = (
        *check_certificate(
            verified.certificate,
            at=made,
            anchors=trust.anchors,
            intermediates=trust.intermediates,
            policy=CertificatePolicy(allow_self_signed=lenient, require_crl=False),
        ),
        *check_certificate(
            verified.certificate,
            at=came,
            anchors=trust.anchors,
            intermediates=trust.intermediates,
            crls=trust.crls,
            policy=CertificatePolicy(allow_self_signed=lenient, require_crl=bool(trust.crls)),
        ),
    )
    fatal = dict.fromkeys(finding.text for finding in findings if finding.fatal)
    return _failure(fatal) if fatal else None


def _failure(texts: Iterable[str]) -> EbmsError:
    return EbmsError(
        ErrorCode.SECURITY_FAILURE,
        "The signing certificate is not accepted: " + " ".join(texts),
        location="//Header/Signature",
    )
