"""How often one organisation may ask: a bucket for each, so that one that hurries does not slow another."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import datetime

_MOST_BUCKETS = 10_000


class RateLimit:
    """Buckets that hold a minute's worth of requests and fill up evenly. Counts within one process."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def take(self, who: str, now: datetime) -> int:
        """0 when the request may be done; else the whole seconds to wait."""
        full = float(self.per_minute)
        left, at = self._buckets.pop(who, (full, now))
        rate = full / 60.0
        left = min(full, left + max((now - at).total_seconds(), 0.0) * rate)
        allowed = left >= 1.0
        self._buckets[who] = (left - 1.0 if allowed else left, now)
        while len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1.0 - left) / rate))
