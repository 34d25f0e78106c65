"""The six Digikoppeling profiles as a table, and which one a channel follows (ebMS notes 12.1, DK-01)."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.ebms.cpa_model import Channel, PerMessage, SyncReplyMode
from bridge.ebms.model import ACTOR_TO_PARTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One row of the standard's table. All six: two-sided TLS, attachments optional, push over HTTPS."""

    name: str
    reliable: bool
    signed: bool
    encrypted: bool


PROFILES = (
    Profile(name="osb-be", reliable=False, signed=False, encrypted=False),
    Profile(name="osb-rm", reliable=True, signed=False, encrypted=False),
    Profile(name="osb-be-s", reliable=False, signed=True, encrypted=False),
    Profile(name="osb-rm-s", reliable=True, signed=True, encrypted=False),
    Profile(name="osb-be-e", reliable=False, signed=True, encrypted=True),
    Profile(name="osb-rm-e", reliable=True, signed=True, encrypted=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The profile that a channel comes closest to, and what in it the profile does not allow."""

    nearest: str
    deviations: tuple[str, ...] = ()

    @property
    def profile(self) -> str | None:
        """The profile that the channel follows exactly; None with deviations."""
        return None if self.deviations else self.nearest


def find_profile(name: str) -> Profile | None:
    return next((profile for profile in PROFILES if profile.name == name), None)


def fit_profile(channel: Channel, *, endpoint_url: str | None, signed: bool, encrypted: bool) -> Fit:
    """The profile of business messages over `channel` to `endpoint_url`.

    ackSignatureRequested is left to the agreement: the adapter's own signed agreements say `never` (12.1).
    """
    reliable = channel.ack_requested is not PerMessage.NEVER
    nearest = _nearest(reliable=reliable, signed=signed or encrypted, encrypted=encrypted)
    said = PerMessage.ALWAYS if reliable else PerMessage.NEVER
    allowed = {SyncReplyMode.NONE} | ({SyncReplyMode.MSH_SIGNALS_ONLY} if reliable else set())
    faults = {
        f"ackRequested is {channel.ack_requested}, not {said}": channel.ack_requested is not said,
        f"duplicateElimination is {channel.duplicate_elimination}, not {said}": (
            channel.duplicate_elimination is not said
        ),
        f"syncReplyMode is {channel.sync_reply_mode}": channel.sync_reply_mode not in allowed,
        f"actor is {channel.actor}, not toPartyMSH": reliable and channel.actor not in (None, ACTOR_TO_PARTY),
        "payload is encrypted but messages are not signed": encrypted and not signed,
        "the endpoint is not https": not (endpoint_url or "").lower().startswith("https:"),
    }
    return Fit(nearest=nearest.name, deviations=tuple(text for text, broken in faults.items() if broken))


def _nearest(*, reliable: bool, signed: bool, encrypted: bool) -> Profile:
    wanted = (reliable, signed, encrypted)
    return next(row for row in PROFILES if (row.reliable, row.signed, row.encrypted) == wanted)
