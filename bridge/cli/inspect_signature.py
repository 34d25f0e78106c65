"""The signature of a message in words: with what it was made, over what, by whom, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509

from bridge.ebms.keys import subject_text
from bridge.ebms.model import DigestReference
from bridge.ebms.read import Received
from bridge.ebms.receiving import CryptoOutcome
from bridge.ebms.signed_info import read_signed_info
from bridge.ebms.wrapping import only_signature
from bridge.errors import EbmsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What a ds:Signature says of itself, and what was found."""

    method: str = ""
    canonicalization: str = ""
    references: tuple[DigestReference, ...] = ()
    certificate: x509.Certificate | None = field(default=None, repr=False)
    """Of the agreement, with which it was verified."""
    finding: str


def read_signing(received: Received, state: str, crypto: CryptoOutcome) -> Signing | None:
    """None without a signature in soap:Header. Raises nothing."""
    if not received.signatures:
        return None
    certificate = crypto.verified.certificate if crypto.verified else None
    try:
        said = read_signed_info(only_signature(received.envelope))
    except EbmsError as error:
        return Signing(finding=error.text)
    return Signing(
        method=said.signature_method,
        canonicalization=said.canonicalization.method,
        references=tuple(reference.value for reference in said.references),
        certificate=certificate,
        finding=_finding(state, crypto, certificate),
    )


def _finding(state: str, crypto: CryptoOutcome, certificate: x509.Certificate | None) -> str:
    if certificate is not None:
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        return f"It holds, with the agreed certificate of {subject_text(certificate)}, valid until {until}."
    if crypto.signature_error is not None:
        return crypto.signature_error.text
    if state == "invalid":
        return "It does not hold."
    return "It was not checked: that takes an agreement that names the sender's certificate, and open parts."
