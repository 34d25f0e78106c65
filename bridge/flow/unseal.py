"""Decrypt and verify a received message: the costly step between the two halves of the receiving decision."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from bridge.ebms.content import Sink, SpoolSink
from bridge.ebms.cpa_terms import EncryptionTerms, SigningTerms
from bridge.ebms.encrypt import DecryptionPolicy, decrypt_part, decryption_failure
from bridge.ebms.model import ErrorCode, Part
from bridge.ebms.read import Received
from bridge.ebms.receiving import CryptoOutcome
from bridge.ebms.sign import AlgorithmPolicy, Verified, verify_signature
from bridge.errors import EbmsError
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.log import get_logger

_log = get_logger()


def unseal(
    bridge: Bridge,
    received: Received,
    *,
    own: OwnIdentity | None,
    verification: SigningTerms | None,
    encryption: EncryptionTerms | None,
) -> tuple[Received, CryptoOutcome]:
    """The message with its parts in the clear, and what decrypting and verifying gave. Raises nothing."""
    if encryption is not None and own is not None:
        received, outcome = _decrypt(bridge, received, own)
        if outcome.decryption_errors:
            return received, outcome
    else:
        outcome = CryptoOutcome()
    if received.signatures != 1 or verification is None:
        return received, outcome
    verified = _verify(bridge, received, verification)
    if isinstance(verified, Verified):
        return received, replace(outcome, verified=verified)
    if outcome.decrypted:
        # To a peer that tries out ciphertexts, a signature that fails must look like a decryption that fails.
        _log.warning("signature.failed", message_id=received.message.header.message_id, reason=verified.text)
        return received, _not_opened(received)
    return received, replace(outcome, signature_error=verified)


def spooling(bridge: Bridge) -> Callable[[], Sink]:
    """Sinks that keep small content in memory and large content in a temporary file."""
    threshold = bridge.settings.partner_listener.spool_above_bytes
    return lambda: SpoolSink(threshold, Path(tempfile.gettempdir()))


def algorithm_policy(bridge: Bridge) -> AlgorithmPolicy:
    """SHA-1 only where an agreement names it, and never in production (DK-128)."""
    return AlgorithmPolicy(allow_sha1=not bridge.settings.production)


def _verify(bridge: Bridge, received: Received, verification: SigningTerms) -> Verified | EbmsError:
    renewed = bridge.renewed_of(received.message.header.from_party)
    try:
        verified = verify_signature(
            received.envelope,
            received.message.parts,
            certificates=(*verification.certificates, *renewed),
            digest_method=verification.hash_function,
            signature_method=verification.signature_algorithm,
            policy=algorithm_policy(bridge),
        )
    except EbmsError as error:
        return error
    return _untrusted(bridge, received, verified) or verified


def _decrypt(bridge: Bridge, received: Received, own: OwnIdentity) -> tuple[Received, CryptoOutcome]:
    """Every part in the clear. When one does not open, all are said not to: which one is nobody's business."""
    partner = bridge.partner(received.message.header.from_party)
    policy = DecryptionPolicy(allow_3des=partner is not None and partner.allow_3des)
    parts: list[Part] = []
    for part in received.message.parts:
        try:
            parts.append(
                decrypt_part(
                    part, keys=own.keys, random=bridge.random, policy=policy, new_sink=spooling(bridge)
                )
            )
        except EbmsError as error:
            _log.warning(
                "part.not_decrypted", message_id=received.message.header.message_id, reason=error.text
            )
            if error.code == ErrorCode.NOT_SUPPORTED:
                return received, CryptoOutcome(decryption_errors=(error,))
            return received, _not_opened(received)
    message = replace(received.message, parts=tuple(parts))
    opened = frozenset(part.content_id for part in parts)
    return replace(received, message=message), CryptoOutcome(decrypted=opened)


def _not_opened(received: Received) -> CryptoOutcome:
    errors = tuple(decryption_failure(part.content_id) for part in received.message.parts)
    return CryptoOutcome(decryption_errors=errors)


def _untrusted(bridge: Bridge, received: Received, verified: Verified) -> EbmsError | None:
    """The signer's certificate must be good when the message was made and when it came in (section 9.6).

    Revocation is asked for now only: a list of today says nothing about the lists of then.
    """
    findings = (
        *bridge.gate.check_validity(verified.certificate, at=received.message.header.timestamp),
        *bridge.gate.check(verified.certificate, at=bridge.now()),
    )
    fatal = dict.fromkeys(finding.text for finding in findings)
    return _failure(fatal) if fatal else None


def _failure(texts: Iterable[str]) -> EbmsError:
    return EbmsError(
        ErrorCode.SECURITY_FAILURE,
        "The signing certificate is not accepted: " + " ".join(texts),
        location="//Header/Signature",
    )
