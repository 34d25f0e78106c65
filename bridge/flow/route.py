"""Where our messages and signals go: by the agreement, and by the settings of the partner over it."""

from __future__ import annotations

from cryptography import x509

from bridge.config import PartnerSettings
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge, OwnIdentity, Route


def route_to(
    bridge: Bridge,
    partner: PartnerSettings | None,
    *,
    own: OwnIdentity,
    url: str,
    client_certificate: x509.Certificate | None,
    server_certificate: x509.Certificate | None,
) -> Route:
    """The route to an endpoint of the agreement, or to the intermediary that the settings name.

    Raises ConfigError when there is no endpoint, or one that production does not send to (DK-30).
    """
    target = partner.url if partner and partner.url else url
    if not target:
        raise ConfigError(["the agreement names no endpoint of the partner"])
    if bridge.settings.production and not target.lower().startswith("https:"):
        raise ConfigError(["the endpoint of the partner is not https; production sends nowhere else (DK-30)"])
    pinned: tuple[x509.Certificate, ...] = ()
    if partner and partner.pin_server_certificate and not partner.url and server_certificate is not None:
        pinned = (server_certificate, *bridge.renewed.get(partner.party_id, ()))
    return Route(url=target, own_party=own.party_id, client_certificate=client_certificate, pinned=pinned)
