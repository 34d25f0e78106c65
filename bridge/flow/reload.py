"""Taking up changed CPAs, mappings and revocation lists while running, without a restart.

Every process looks for itself. What is new is read as a whole before it replaces what is there; with a fault in it
what was there goes on, and the fault stays visible in `bridge.problems` and in the log until it is mended. Mappings
are linted and all their cases run first. A message keeps the version of the mapping that handled it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from bridge.errors import ConfigError, MappingError, StoreUnavailable
from bridge.flow.agreements import agreement_files, load_agreements, usable_agreements
from bridge.flow.bridge import Bridge
from bridge.flow.mapping_folder import mapping_paths, read_mapping_files
from bridge.flow.revocation import problems_of, with_fetched
from bridge.flow.trust import load_trust
from bridge.flow.xsd import read_schemas, xsd_files
from bridge.log import get_logger, where_raised
from bridge.mapping.cases import run_cases
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.rules import RULES
from bridge.store.revocation import fetched_lists, list_stamps

AGREEMENTS = "agreements"
MAPPINGS = "mappings"
TRUST = "trust"
REVOCATION = "revocation"
"""Names of what is watched, as `bridge.problems` has them."""

MAX_SAID = 50
"""Of failed cases at most so many are named."""

_Stamp = frozenset[tuple[str, ...] | tuple[str, int, int, int]]

_log = get_logger()


class Watch:
    """Remembers what the files looked like, and takes up what changed."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._stamps = {
            AGREEMENTS: self._agreement_stamp(),
            MAPPINGS: self._mapping_stamp(),
            TRUST: self._trust_stamp(),
            REVOCATION: frozenset({("not looked at yet",)}),
        }

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
        await asyncio.to_thread(self._look_at, MAPPINGS, self._mapping_stamp, self._take_mappings)
        await asyncio.to_thread(self._look_at, TRUST, self._trust_stamp, self._take_trust)
        await asyncio.to_thread(self._look_at, REVOCATION, self._list_stamp, self._take_lists)

    def _look_at(self, name: str, stamp_of: Callable[[], _Stamp], take: Callable[[], None]) -> None:
        stamp, former = stamp_of(), self._stamps[name]
        if stamp == former:
            return
        self._stamps[name] = stamp
        self._bridge.problems.pop(name, None)
        try:
            take()
        except StoreUnavailable:
            # The store tells of it. What changed is not taken up yet, so it is looked at again.
            self._stamps[name] = former
        except ConfigError as error:
            self._bridge.problems[name] = error.problems
            _log.error(f"{name}.not_taken_up", problems=list(error.problems), outcome="the former ones go on")
        except Exception as surprise:
            where = where_raised(surprise)
            self._bridge.problems[name] = (f"they cannot be taken up ({type(surprise).__name__} at {where})",)
            _log.error(f"{name}.not_taken_up", error=type(surprise).__name__, where=where)
        else:
            _log.info(f"{name}.taken_up", files=len(stamp))

    def _take_agreements(self) -> None:
        take_agreements(self._bridge)

    def _take_mappings(self) -> None:
        settings = self._bridge.settings.mappings
        found = checked_mappings(settings.folder)
        schemas = read_schemas(settings.xsd, found.programs)
        self._bridge.mappings, self._bridge.schemas = found, schemas

    def _take_trust(self) -> None:
        rows = self._bridge.store.read_sync(fetched_lists)
        self._bridge.gate.trust = with_fetched(load_trust(self._bridge.settings), rows)

    def _take_lists(self) -> None:
        """Lists that this process or another one fetched, and what is wrong with them."""
        bridge = self._bridge
        rows = bridge.store.read_sync(fetched_lists)
        bridge.gate.trust = with_fetched(bridge.gate.trust, rows)
        problems = problems_of(bridge, rows)
        if problems:
            bridge.problems[REVOCATION] = problems

    def _agreement_stamp(self) -> _Stamp:
        return _stamp(agreement_files(self._bridge.settings.agreements.folder))

    def _mapping_stamp(self) -> _Stamp:
        settings = self._bridge.settings.mappings
        return _stamp(mapping_paths(settings.folder, cases=True), below=settings.folder) | _stamp(
            file for path in settings.xsd.values() for file in xsd_files(path)
        )

    def _list_stamp(self) -> _Stamp:
        try:
            return frozenset(self._bridge.store.read_sync(list_stamps))
        except StoreUnavailable:
            # It is looked at again; until then what was taken up stays.
            return self._stamps[REVOCATION]

    def _trust_stamp(self) -> _Stamp:
        tls = self._bridge.settings.partner_listener.tls
        return _stamp(path for path in (tls.trust, tls.crl) if path) if tls else frozenset()


def take_agreements(bridge: Bridge) -> None:
    """Work by the agreements that are in the folder now. Raises ConfigError; then the former ones go on."""
    settings = bridge.settings
    found, refused = usable_agreements(
        load_agreements(settings.agreements.folder),
        bridge.own,
        now=bridge.now(),
        production=settings.production,
    )
    bridge.agreements = found
    if refused:
        bridge.problems[AGREEMENTS] = refused


def checked_mappings(folder: Path) -> MappingSet:
    """The mappings of a folder, linted and with all their cases right. Raises ConfigError with every fault."""
    try:
        files = read_mapping_files(folder, cases=True)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            [f"a mapping file cannot be read ({type(error).__name__}); mapping files are UTF-8"]
        ) from error
    try:
        found = read_mapping_set(files)
    except MappingError as error:
        raise ConfigError(error.lines) from error
    if not found.programs:
        raise ConfigError(["the folder holds no mapping, so every message would wait"])
    failed = [fault for result in run_cases(found, files) for fault in result.found]
    if failed:
        # Where and which rule only: the text of a failed case may quote the message.
        said = [f"{fault.span}  {fault.code}  {RULES[fault.code].text}" for fault in failed]
        raise ConfigError([*said[:MAX_SAID], "`bridge mapping test` shows the differences"])
    return found


def _stamp(paths: Iterable[Path], *, below: Path | None = None) -> _Stamp:
    """Changes with any file: its name, size, time of change, and which file it is."""
    found = set()
    for path in paths:
        try:
            facts = path.stat()
        except OSError:
            continue
        name = path.relative_to(below).as_posix() if below else path.name
        found.add((name, facts.st_size, facts.st_mtime_ns, facts.st_ino))
    return frozenset(found)
