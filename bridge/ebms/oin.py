"""The OIN in a PartyId (Digikoppeling, ebMS notes 12.2)."""

from __future__ import annotations

import re

from bridge.ebms.model import PartyId
from bridge.ids import Oin

OIN_TYPE = "urn:osb:oin"

_OIN = re.compile(r"([0-9]{8}[0-9A-Za-z]{12})(_[OTAP]{1,4})?", re.ASCII)


def oin_in(party_id: PartyId) -> Oin | None:
    """The OIN that a PartyId of type `urn:osb:oin` names, without a suffix such as `_T`; None for others."""
    match = _OIN.fullmatch(party_id.value) if party_id.type == OIN_TYPE else None
    return Oin(match[1]) if match else None


def environment_suffix(party_id: PartyId) -> str | None:
    """`_O`, `_T`, `_A` or a combination, which stands behind an OIN outside production only (DK-35)."""
    match = _OIN.fullmatch(party_id.value) if party_id.type == OIN_TYPE else None
    return match[2] if match else None
