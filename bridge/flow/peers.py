"""Calls to peers that fail or answer 5xx: logged and counted per peer, so that a disturbance is seen (SOH-162)."""

from __future__ import annotations

from urllib.parse import urlsplit

from bridge import metrics
from bridge.flow.bridge import Bridge
from bridge.flow.context import partner_named
from bridge.log import get_logger

_log = get_logger()


def note_partner_failure(bridge: Bridge, party_id: str, reason: str) -> None:
    """A partner of the settings is counted under its PartyId (its OIN), any other as `other`."""
    _note(party_id if partner_named(bridge, party_id) else metrics.OTHER, reason)


def note_source_failure(bridge: Bridge, oin: str, reason: str) -> None:
    """A source at which is looked up."""
    _note(oin if any(source.oin == oin for source in bridge.sources) else metrics.OTHER, reason)


def note_hub_failure(bridge: Bridge, reason: str) -> None:
    """The hub is known by its host name."""
    _note(hub_name(bridge), reason)


def hub_name(bridge: Bridge) -> str:
    """The hub in metrics: the host name of its address."""
    return urlsplit(bridge.settings.hub.base_url).hostname or metrics.OTHER


def own_words(reason: str) -> str:
    """A reason as a log may have it: what a peer said stands behind the first colon, and may be about a person.

    The whole reason stands on the timeline, for who may look there.
    """
    ours, _, theirs = reason.partition(": ")
    return f"{ours}: …" if theirs else ours


def _note(peer: str, reason: str) -> None:
    metrics.peer_failed(peer)
    _log.warning("peer.failed", peer=peer, reason=own_words(reason))
