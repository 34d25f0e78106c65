"""Where a list goes on: a place that the client hands back, and that tells it nothing.

A page may end at a resource that the client may not know of, so its key is not shown in the clear.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_BOUND: Final = b"bridge inzage bladeren"
_MAX: Final = 400


def seal_place(key: bytes, place: str, *, reader: str) -> str:
    """The place as text for an address; only this reader can go on from it."""
    octets = _cipher(key).encrypt(place.encode(), [reader.encode()])
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def open_place(key: bytes, text: str, *, reader: str) -> str | None:
    """The place that was sealed for this reader; None when this is none."""
    if not text or len(text) > _MAX:
        return None
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return _cipher(key).decrypt(octets, [reader.encode()]).decode()
    except (InvalidTag, ValueError, binascii.Error):
        return None


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(HKDF(algorithm=SHA256(), length=64, salt=None, info=_BOUND).derive(key))
