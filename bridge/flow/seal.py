"""From a message to the octets that go over the wire: encrypt, sign, pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.ebms.cpa_terms import EncryptionTerms, SigningTerms
from bridge.ebms.encrypt import encrypt_part
from bridge.ebms.keys import KeyPair, fingerprint_sha256
from bridge.ebms.mime import pack
from bridge.ebms.model import Message
from bridge.ebms.sign import sign_envelope
from bridge.ebms.write import envelope_octets, write_envelope
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.unseal import algorithm_policy

HeaderBlock = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A message as it goes over the wire. The same octets serve every retry."""

    headers: HeaderBlock
    body: bytes = field(repr=False)


def seal(
    bridge: Bridge,
    message: Message,
    *,
    own: OwnIdentity,
    signing: SigningTerms | None,
    encryption: EncryptionTerms | None = None,
) -> Sealed:
    """Sign the plain parts, then encrypt them, then pack (ebMS notes, sections 9.7 and 10).

    Raises ConfigError when we have no key for the certificate that the agreement names.
    """
    envelope = write_envelope(message)
    if signing is not None:
        sign_envelope(
            envelope,
            message.parts,
            key=_key_for(own, signing),
            digest_method=signing.hash_function,
            signature_method=signing.signature_algorithm,
            policy=algorithm_policy(bridge),
        )
    parts = message.parts
    if encryption is not None:
        parts = tuple(
            encrypt_part(
                part,
                certificate=encryption.certificate,
                algorithm=encryption.algorithm,
                random=bridge.random,
            )
            for part in parts
        )
    packed = pack(
        envelope_octets(envelope),
        parts,
        boundary=f"part{bridge.new_uuid().hex}",
        envelope_id=f"{bridge.new_uuid()}@envelope",
    )
    return Sealed(headers=packed.headers, body=b"".join(packed.chunks()))


def write_headers(headers: Sequence[tuple[str, str]]) -> str:
    """The header block as the evidence keeps it, one header a line."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def read_headers(block: str) -> HeaderBlock:
    """The inverse of `write_headers`."""
    pairs = (line.partition(": ") for line in block.split("\r\n") if line)
    return tuple((name, value) for name, _, value in pairs)


def _key_for(own: OwnIdentity, signing: SigningTerms) -> KeyPair:
    named = {fingerprint_sha256(certificate) for certificate in signing.certificates}
    for pair in own.keys:
        if fingerprint_sha256(pair.certificate) in named:
            return pair
    raise ConfigError(
        [f"own party {own.party_id}: there is no private key for the signing certificate of the agreement"]
    )
