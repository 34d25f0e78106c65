"""xs:duration, in which agreements state their intervals."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(
    r"P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,9}))?S)?)?",
    re.ASCII,
)
_LONGEST = timedelta(days=10 * 365)


def parse_duration(text: str) -> timedelta:
    """An xs:duration, not negative, of at most ten years; a year counts 365 days, a month 30.

    Raises ValueError.
    """
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        raise ValueError("not an xs:duration such as PT3H or P1D")
    years, months, days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[:6])
    span = timedelta(
        days=years * 365 + months * 30 + days,
        hours=hours,
        minutes=minutes,
        seconds=seconds,
        microseconds=int((match[7] or "0")[:6].ljust(6, "0")),
    )
    if span > _LONGEST:
        raise ValueError("longer than ten years")
    return span


def format_duration(span: timedelta) -> str:
    """A span of whole seconds as xs:duration in days, hours, minutes and seconds."""
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    date = f"{span.days}D" if span.days else ""
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    if not date and not time:
        return "PT0S"
    return f"P{date}" + (f"T{time}" if time else "")
