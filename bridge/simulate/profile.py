"""The Digikoppeling profiles that the simulated partner plays."""

from __future__ import annotations

from enum import StrEnum

DEFAULT_SERVICE = "jeugd:meldingen:1.0"
DEFAULT_SERVICE_TYPE = "urn:osb:services"
PARTY_ID_TYPE = "urn:osb:oin"


class Profile(StrEnum):
    """Best effort or reliable, plain or signed (Digikoppeling ebMS2 profiles)."""

    BEST_EFFORT = "osb-be"
    RELIABLE = "osb-rm"
    BEST_EFFORT_SIGNED = "osb-be-s"
    RELIABLE_SIGNED = "osb-rm-s"

    @property
    def reliable(self) -> bool:
        """Whether acknowledgments are asked and duplicates eliminated."""
        return self in (Profile.RELIABLE, Profile.RELIABLE_SIGNED)

    @property
    def signed(self) -> bool:
        """Whether business messages, and acknowledgments where there are any, are signed."""
        return self in (Profile.BEST_EFFORT_SIGNED, Profile.RELIABLE_SIGNED)
