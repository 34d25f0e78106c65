"""Identifiers of the graph (hub.md, sections 5.2 and 5.3): pure, with namespace and keys handed in.

Each is derived from its cause, so that mapping a message again, or offering a fact again, repeats it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Final

OIN_PREFIX: Final = "urn:nld:oin:"


def entity_id(namespace: uuid.UUID, oin: str, resource_type: str, business_key: str) -> str:
    """`urn:<resource-type>:<uuid>`; without the namespace nobody computes it from a case number."""
    return f"urn:{resource_type}:{uuid.uuid5(namespace, _name(oin, resource_type, business_key))}"


def activity_id(namespace: uuid.UUID, message_id: str, mapping: str, output: str) -> str:
    """`urn:uuid:<v5>` for one execution of an activity: the same for each offer of the same fact (SOH-51)."""
    return uuid.uuid5(namespace, _name(message_id, mapping, output)).urn


def person_id(key: bytes, oin: str, bsn: str) -> str:
    """`urn:uuid:<v5>`, stable for a person within one partner, not computable without the key (SOH-53)."""
    digest = hmac.new(key, _name(oin, bsn).encode(), hashlib.sha256).digest()
    return uuid.UUID(bytes=digest[:16], version=5).urn


def agent_id(oin: str) -> str:
    """`urn:nld:oin:<oin>`."""
    return f"{OIN_PREFIX}{oin}"


def resource_key(entity: str) -> str:
    """The last part of an Entity `@id`: the segment of the inzage path."""
    return entity.rsplit(":", 1)[-1]


def _name(*parts: str) -> str:
    """One text of several, so that no two lists of parts give the same."""
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
