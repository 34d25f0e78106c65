"""Taking up changed CPAs and revocation lists while running, without a restart.

Every process looks for itself. What is new is read as a whole before it replaces what is there; with a fault in it
what was there goes on, and the fault stays visible in `bridge.problems` and in the log until it is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from bridge.errors import ConfigError
from bridge.flow.agreements import agreement_files, load_agreements, usable_agreements
from bridge.flow.bridge import Bridge
from bridge.flow.trust import load_trust
from bridge.log import get_logger

AGREEMENTS = "agreements"
TRUST = "trust"
"""Names of what is watched, as `bridge.problems` has them."""

_Stamp = frozenset[tuple[str, int, int, int]]

_log = get_logger()


class Watch:
    """Remembers what the files looked like, and takes up what changed."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._stamps = {AGREEMENTS: self._agreement_stamp(), TRUST: self._trust_stamp()}

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._bridge.settings.agreements.reload_seconds)
            await self.look()

    async def look(self) -> None:
        """Take up what changed since the last look. Raises nothing."""
        if self._bridge.gate.lists_are_stale:
            _log.error("crl.stale", outcome="fetch a newer revocation list")
        await asyncio.to_thread(self._look_at, AGREEMENTS, self._agreement_stamp, self._take_agreements)
        await asyncio.to_thread(self._look_at, TRUST, self._trust_stamp, self._take_trust)

    def _look_at(self, name: str, stamp_of: Callable[[], _Stamp], take: Callable[[], None]) -> None:
        stamp = stamp_of()
        if stamp == self._stamps[name]:
            return
        self._stamps[name] = stamp
        self._bridge.problems.pop(name, None)
        try:
            take()
        except ConfigError as error:
            self._bridge.problems[name] = error.problems
            _log.error(f"{name}.not_taken_up", problems=list(error.problems), outcome="the former ones go on")
        else:
            _log.info(f"{name}.taken_up", files=len(stamp))

    def _take_agreements(self) -> None:
        bridge, settings = self._bridge, self._bridge.settings
        found, refused = usable_agreements(
            load_agreements(settings.agreements.folder),
            bridge.own,
            now=bridge.now(),
            production=settings.production,
        )
        bridge.agreements = found
        if refused:
            bridge.problems[AGREEMENTS] = refused

    def _take_trust(self) -> None:
        self._bridge.gate.trust = load_trust(self._bridge.settings)

    def _agreement_stamp(self) -> _Stamp:
        return _stamp(agreement_files(self._bridge.settings.agreements.folder))

    def _trust_stamp(self) -> _Stamp:
        tls = self._bridge.settings.partner_listener.tls
        return _stamp(path for path in (tls.trust, tls.crl) if path) if tls else frozenset()


def _stamp(paths: Iterable[Path]) -> _Stamp:
    """Changes with any file: its name, size, time of change, and which file it is."""
    found = set()
    for path in paths:
        try:
            facts = path.stat()
        except OSError:
            continue
        found.add((path.name, facts.st_size, facts.st_mtime_ns, facts.st_ino))
    return frozenset(found)
