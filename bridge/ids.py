"""Identifiers as types of their own, so that one id is never taken for another."""

import hashlib
from typing import NewType
from uuid import UUID

MessageId = NewType("MessageId", str)
"""ebMS MessageData/MessageId: made by the sending MSH, unique for ever; compared as opaque text."""

ConversationId = NewType("ConversationId", str)
"""ebMS ConversationId: set by whoever starts a conversation, the same in all its messages and signals."""

CpaId = NewType("CpaId", str)
"""The `cpaid` of a CPA and the CPAId of a message header: the key of an agreement."""

Oin = NewType("Oin", str)
"""Organisatie-identificatienummer: 20 characters, without the `_T` kind of suffix that a PartyId may carry."""

EventId = NewType("EventId", str)
"""CloudEvent `id`, which at the hub is the interactieId of the offer."""

Key = NewType("Key", str)
"""Primary key of a row in the store: a UUIDv7 text, so that keys sort by time of making."""


def drawn_uuid(namespace: UUID, name: str) -> UUID:
    """Always the same UUID for a name, of version 4 in form: its digest takes the place of chance."""
    return UUID(bytes=hashlib.sha256(namespace.bytes + name.encode()).digest()[:16], version=4)
