"""Free text of a peer (fault strings, error locations) made fit for timelines and logs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.ebms.model import Error
from bridge.told import KEPT, shown_error

_MOST = 5
_PERSONAL_NUMBER = re.compile(r"(?<!\d)\d{8,9}(?!\d)")


def peer_text(text: str, limit: int = 200) -> str:
    """One line, cut, and without anything that looks like a BSN: a sloppy peer may echo content."""
    flat = "".join(c if c.isprintable() else " " for c in text[: limit * 4])
    masked = _PERSONAL_NUMBER.sub("*********", " ".join(flat.split()))
    return masked if len(masked) <= limit else masked[:limit] + "…"


def named_errors(errors: Sequence[Error]) -> tuple[str, ...]:
    """The first few errors of an ErrorList as code and place: what everybody may read of them."""
    return tuple(shown_error(error.code, error.location) for error in errors[:_MOST])


def told_errors(errors: Sequence[Error]) -> str:
    """All that the first few errors say, when that is more than `named_errors` tells; else empty."""
    if not any(
        error.description or KEPT in shown_error(error.code, error.location) for error in errors[:_MOST]
    ):
        return ""
    return "; ".join(_whole(error) for error in errors[:_MOST])


def _whole(error: Error) -> str:
    place = f" at {error.location}" if error.location else ""
    return peer_text(f"{error.code}{place}: {error.description or KEPT}", limit=1000)
