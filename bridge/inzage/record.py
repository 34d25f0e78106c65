"""What is written down of a lookup: the trace it belongs to, and whom it was about (hub.md, sections 10.3 and 10.4).

A data subject stands in the log encrypted. The encryption is deterministic, so that the lines about one person can be
found by who holds the key, and by nobody else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.hub.bsn import is_bsn
from bridge.hub.syntax import is_traceparent

BSN_MEMBERS: Final = frozenset({"bsn", "burgerservicenummer"})
PSEUDONYM_MEMBERS: Final = frozenset({"kenmerk"})

_BOUND: Final = b"bridge verwerkingslog betrokkene"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One action within a trace (W3C Trace Context)."""

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: str = "01"

    @property
    def traceparent(self) -> str:
        """For calls and events that this action makes."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSubject:
    """Somebody whom a resource is about."""

    kind: str
    """`bsn` or `pseudoniem`: type of the identifier."""
    identifier: str

    def __repr__(self) -> str:
        return f"DataSubject({self.kind})"


def continue_trace(traceparent: str | None, random: bytes) -> Trace:
    """The action that a request starts: in the trace that it came with, else in a new one.

    `random` is 24 octets. What is no traceparent is left out of account, as the specification says.
    """
    assert len(random) >= 24
    span = random[16:24].hex()
    if traceparent is not None and is_traceparent(traceparent):
        _, trace, parent, flags = traceparent.split("-")[:4]
        return Trace(trace_id=trace, span_id=span, parent_id=parent, flags=flags)
    return Trace(trace_id=random[:16].hex(), span_id=span)


def find_subjects(body: Any) -> tuple[DataSubject, ...]:
    """The persons in the body of a resource, each once, by BSN and else by pseudonym."""
    found: dict[DataSubject, None] = {}
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            subject = _subject_in(value)
            if subject is not None:
                found[subject] = None
            waiting += reversed(list(value.values()))
        elif isinstance(value, list):
            waiting += reversed(value)
    return tuple(found)


def subject_cipher(key: bytes) -> AESSIV:
    """The cipher for data subjects, from the key for pseudonyms but never giving the same."""
    return AESSIV(HKDF(algorithm=SHA256(), length=64, salt=None, info=_BOUND).derive(key))


def encrypt_subject(cipher: AESSIV, subject: DataSubject) -> str:
    """The identifier as it stands in the log: base64url text, the same for the same person."""
    octets = cipher.encrypt(subject.identifier.encode(), [subject.kind.encode()])
    return base64.urlsafe_b64encode(octets).decode("ascii")


def decrypt_subject(cipher: AESSIV, kind: str, text: str) -> str:
    """The identifier behind a line of the log, for who answers a person's request to see what was done."""
    return cipher.decrypt(base64.urlsafe_b64decode(text), [kind.encode()]).decode()


def _subject_in(value: Mapping[str, Any]) -> DataSubject | None:
    for name in sorted(BSN_MEMBERS & set(value)):
        text = value[name]
        if isinstance(text, str) and is_bsn(text):
            return DataSubject(kind="bsn", identifier=text)
    for name in sorted(PSEUDONYM_MEMBERS & set(value)):
        text = value[name]
        if isinstance(text, str) and text:
            return DataSubject(kind="pseudoniem", identifier=text)
    return None
