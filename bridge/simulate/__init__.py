"""Peers that keep the same contracts as the real ones, by other means than the bridge's."""

from bridge.simulate.cpa import CpaParty, CpaTerms, make_cpa
from bridge.simulate.hub import Hub
from bridge.simulate.hub_faults import FaultKind, Where
from bridge.simulate.partner import DeliveryFailed, Partner
from bridge.simulate.profile import Profile
from bridge.simulate.settings import HubSettings, PartnerSettings, Peer, SourceSettings, Tls, VeiligThuis
from bridge.simulate.source import Source

__all__ = [
    "CpaParty",
    "CpaTerms",
    "DeliveryFailed",
    "FaultKind",
    "Hub",
    "HubSettings",
    "Partner",
    "PartnerSettings",
    "Peer",
    "Profile",
    "Source",
    "SourceSettings",
    "Tls",
    "VeiligThuis",
    "Where",
    "make_cpa",
]
