"""Looking into the store of a bridge under test."""

from __future__ import annotations

from bridge.store.blobs import read_blob
from bridge.store.messages import evidence_of, payloads_of
from bridge.store.rows import EvidenceKind, Message
from tests.flow.conftest import World


def evidence(world: World, kind: EvidenceKind, message: Message | None = None) -> bytes:
    """The octets of the newest evidence of this kind, of the first message unless another is given."""
    key = (message or world.messages()[0]).key
    return world.bridge.store.read_sync(lambda tx: read_blob(tx, evidence_of(tx, key, kind=kind)[-1].blob))


def evidence_count(world: World, kind: EvidenceKind, message: Message | None = None) -> int:
    key = (message or world.messages()[0]).key
    return len(world.bridge.store.read_sync(lambda tx: evidence_of(tx, key, kind=kind)))


def payload_octets(world: World, message: Message | None = None) -> list[bytes]:
    """The payload parts of the first message, unless another is given."""
    key = (message or world.messages()[0]).key
    return world.bridge.store.read_sync(
        lambda tx: [read_blob(tx, payload.blob) for payload in payloads_of(tx, key)]
    )
