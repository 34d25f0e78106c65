"""Free text of a peer (fault strings, error locations) made fit for timelines and logs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.ebms.model import Error

_PERSONAL_NUMBER = re.compile(r"(?<!\d)\d{8,9}(?!\d)")


def peer_text(text: str, limit: int = 200) -> str:
    """One line, cut, and without anything that looks like a BSN: a sloppy peer may echo content."""
    flat = "".join(c if c.isprintable() else " " for c in text[: limit * 4])
    masked = _PERSONAL_NUMBER.sub("*********", " ".join(flat.split()))
    return masked if len(masked) <= limit else masked[:limit] + "…"


def named_errors(errors: Sequence[Error]) -> tuple[str, ...]:
    """The first few errors of an ErrorList as code and place, without their descriptions."""
    return tuple(
        peer_text(f"{error.code} at {error.location}" if error.location else error.code)
        for error in errors[:5]
    )
