"""From a message to the octets that go over the wire: encrypt, sign, pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509

from bridge.ebms.cpa_terms import EncryptionTerms, SigningTerms
from bridge.ebms.encrypt import RSA_1_5, RSA_OAEP, RSA_OAEP_11, encrypt_part
from bridge.ebms.keys import KeyPair, fingerprint_sha256
from bridge.ebms.mime import Packed, pack
from bridge.ebms.model import Content, Message, Party
from bridge.ebms.sign import sign_envelope
from bridge.ebms.write import envelope_octets, write_envelope
from bridge.errors import ConfigError, EbmsError
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.unseal import algorithm_policy, spooling

HeaderBlock = tuple[tuple[str, str], ...]

_KEY_TRANSPORTS = {"rsa-oaep": RSA_OAEP, "rsa-oaep-sha256": RSA_OAEP_11, "rsa-1_5": RSA_1_5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A message as it goes over the wire. The same octets serve every retry. Large ones wait on disk."""

    headers: HeaderBlock
    content: Content = field(repr=False)

    @property
    def body(self) -> bytes:
        """All octets at once: for signals, which are small."""
        with self.content.open() as stream:
            return stream.read()


def seal(
    bridge: Bridge,
    message: Message,
    *,
    own: OwnIdentity,
    signing: SigningTerms | None,
    encryption: EncryptionTerms | None = None,
) -> Sealed:
    """Sign the plain parts, then encrypt them, then pack (ebMS notes, sections 9.7 and 10).

    Raises ConfigError when we have no key for the certificate that the agreement names, or its algorithms
    may not be used.
    """
    try:
        return _seal(bridge, message, own, signing, encryption)
    except EbmsError as error:
        raise ConfigError([f"CPA {message.header.cpa_id}: {error.text}"]) from error


def _seal(
    bridge: Bridge,
    message: Message,
    own: OwnIdentity,
    signing: SigningTerms | None,
    encryption: EncryptionTerms | None,
) -> Sealed:
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
        transport = _key_transport(bridge, message.header.to_party)
        receiver = _receiver_certificate(bridge, message.header.to_party, encryption)
        parts = tuple(
            encrypt_part(
                part,
                certificate=receiver,
                algorithm=encryption.algorithm,
                random=bridge.random,
                key_transport=transport,
                new_sink=spooling(bridge),
            )
            for part in parts
        )
    packed = pack(
        envelope_octets(envelope),
        parts,
        boundary=f"part{bridge.new_uuid().hex}",
        envelope_id=f"{bridge.new_uuid()}@envelope",
    )
    return to_sealed(bridge, packed)


def to_sealed(bridge: Bridge, packed: Packed) -> Sealed:
    """Every octet written once; beyond the threshold of the settings they wait in a temporary file."""
    sink = spooling(bridge)()
    try:
        for octets in packed.chunks():
            sink.write(octets)
        return Sealed(headers=packed.headers, content=sink.finish())
    except BaseException:
        sink.discard()
        raise


def write_headers(headers: Sequence[tuple[str, str]]) -> str:
    """The header block as the evidence keeps it, one header a line."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def read_headers(block: str) -> HeaderBlock:
    """The inverse of `write_headers`."""
    pairs = (line.partition(": ") for line in block.split("\r\n") if line)
    return tuple((name, value) for name, _, value in pairs)


def _key_transport(bridge: Bridge, to_party: Party) -> str:
    """RSA-OAEP, unless the settings of the partner say that its adapter reads nothing but RSA 1.5 (DK-135)."""
    partner = bridge.partner(to_party)
    return RSA_OAEP if partner is None else _KEY_TRANSPORTS[partner.key_transport]


def _receiver_certificate(bridge: Bridge, to_party: Party, encryption: EncryptionTerms) -> x509.Certificate:
    """That of the agreement; once it has expired, a renewed one of the partner that holds now."""
    agreed, now = encryption.certificate, bridge.now()
    if now <= agreed.not_valid_after_utc:
        return agreed
    usable = (
        c for c in bridge.renewed_of(to_party) if c.not_valid_before_utc <= now <= c.not_valid_after_utc
    )
    return next(usable, agreed)


def _key_for(own: OwnIdentity, signing: SigningTerms) -> KeyPair:
    named = {fingerprint_sha256(certificate) for certificate in signing.certificates}
    for pair in own.keys:
        if fingerprint_sha256(pair.certificate) in named:
            return pair
    raise ConfigError(
        [f"own party {own.party_id}: there is no private key for the signing certificate of the agreement"]
    )
