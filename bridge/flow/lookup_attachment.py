"""The octets of a file that stood in a message, for who may see the place where the resource refers to it.

The reference is the digest of the octets (`sha256:…`), so it can be guessed by who has the file elsewhere. It opens
nothing by itself: it must stand in the very view that the reader gets, and the octets come only out of messages of the
owner in the exchange that the resource came from.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy.engine import Connection

from bridge.ebms.model import Content
from bridge.flow.sent import spool_blob
from bridge.store.blobs import ContentPurged
from bridge.store.messages import ATTACHMENTS_FROM, list_kept
from bridge.store.rows import Resource

REFERENCE: Final = re.compile(r"sha256:[0-9a-f]{64}")


def refers_to(view: Any, reference: str) -> bool:
    """Whether the reference is a value somewhere in what is shown."""
    waiting = [view]
    while waiting:
        value = waiting.pop()
        if value == reference:
            return True
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False


def load_attachment(tx: Connection, resource: Resource, reference: str, *, threshold: int) -> Content | None:
    """The octets, whole and undamaged; None when they were never kept. Raises ContentPurged."""
    exchanges = [key for key in (resource.exchange, resource.used_by) if key is not None]
    gone: ContentPurged | None = None
    for kept in list_kept(tx, reference, exchanges=exchanges, above=ATTACHMENTS_FROM):
        if kept.from_party.split("_")[0] != resource.owner:
            continue
        try:
            return spool_blob(tx, kept.blob, threshold=threshold)
        except ContentPurged as error:
            gone = error
    if gone is not None:
        raise gone
    return None
