"""A short description of an agreement in TOML, from which `cpa_create` drafts the CPA.

Its keys, and an example with every one of them, stand in docs/partner.md under "Draft an agreement".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from bridge.ebms.durations import parse_duration
from bridge.ebms.keys import load_certificate
from bridge.ebms.model import PartyId, Service
from bridge.ebms.oin import OIN_TYPE, oin_in
from bridge.ebms.profiles import PROFILES, Profile, find_profile
from bridge.errors import ConfigError
from bridge.ids import CpaId

SERVICE_TYPE = "urn:osb:services"

ENCRYPTION_ALGORITHMS: Final[Mapping[str, str]] = {
    "aes256-gcm": "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "aes128-gcm": "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "aes256-cbc": "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    "aes128-cbc": "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
}
"""GCM is what the rules ask; CBC is for partners whose adapter cannot make a GCM key (section 10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyDescription:
    """One of the two parties. The four certificates may be one and the same."""

    name: str
    party_id: PartyId
    role: str
    endpoint: str
    client_certificate: x509.Certificate = field(repr=False)
    server_certificate: x509.Certificate = field(repr=False)
    signing_certificate: x509.Certificate = field(repr=False)
    encryption_certificate: x509.Certificate = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDescription:
    """An action of a service, and the role that sends it."""

    service: Service
    action: str
    from_role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CpaDescription:
    """What tells one Digikoppeling CPA from another; the defaults are the best practices (DK-145)."""

    cpa_id: CpaId
    profile: Profile
    start: datetime
    end: datetime
    parties: tuple[PartyDescription, PartyDescription]
    actions: tuple[ActionDescription, ...]
    retries: int = 8
    retry_interval: timedelta = timedelta(hours=3)
    persist_duration: timedelta = timedelta(days=1)
    sync: bool = False
    """Acknowledgments in the HTTP response (mshSignalsOnly); only with a reliable profile (DK-85)."""
    ordered: bool = False
    """The messages of a conversation are handed on in their order; only with a reliable profile (DK-28)."""
    encryption_algorithm: str = ENCRYPTION_ALGORITHMS["aes256-gcm"]


_CERTIFICATES = ("client_certificate", "server_certificate", "signing_certificate", "encryption_certificate")
PARTY_KEYS = ("name", "oin", "role", "endpoint", "certificate", *_CERTIFICATES)
ACTION_KEYS = ("service", "service_type", "action", "from")
KEYS = (
    "cpa_id",
    "profile",
    "start",
    "end",
    "retries",
    "retry_interval",
    "persist_duration",
    "sync",
    "ordered",
    "encryption_algorithm",
    "party",
    "action",
)
_TOKEN = re.compile(r"\S{1,255}")


def read_description(toml: Mapping[str, object]) -> CpaDescription:
    """The description in a parsed TOML document. Raises ConfigError with all faults at once."""
    return _Reader().read(toml)


class _Reader:
    """Reads value by value, notes every fault, and gives a harmless value in place of a wrong one."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def read(self, toml: Mapping[str, object]) -> CpaDescription:
        self._known_keys(toml, KEYS, "")
        read = [self._party(table, n) for n, table in enumerate(self._tables(toml, "party"), start=1)]
        parties = tuple(party for party in read if party is not None)
        actions = tuple(
            self._action(table, n) for n, table in enumerate(self._tables(toml, "action"), start=1)
        )
        profile = self._profile(toml)
        start, end = self._moment(toml, "start"), self._moment(toml, "end")
        if start is not None and end is not None and end <= start:
            self.faults.append("end: the agreement ends before it starts")
        sync = self._sync(toml, profile)
        ordered = self._ordered(toml, profile, sync=sync)
        retries = self._retries(toml)
        interval = self._span(toml, "retry_interval", timedelta(hours=3))
        persist = self._span(toml, "persist_duration", max(timedelta(days=1), interval * retries))
        algorithm = self._algorithm(toml)
        cpa_id = self._text(toml, "cpa_id", "", required=False)
        if len(read) != 2:
            self.faults.append(f"party: an agreement is between exactly two parties, not {len(read)}")
        elif len(parties) == 2:
            self._check_together(parties, actions)
        if self.faults or profile is None or start is None or end is None:
            raise ConfigError(self.faults)
        first, second = parties
        return CpaDescription(
            cpa_id=CpaId(cpa_id or _default_id(actions[0].service, first, second)),
            profile=profile,
            start=start,
            end=end,
            parties=(first, second),
            actions=actions,
            retries=retries,
            retry_interval=interval,
            persist_duration=persist,
            sync=sync,
            ordered=ordered,
            encryption_algorithm=algorithm,
        )

    def _check_together(
        self, parties: tuple[PartyDescription, ...], actions: tuple[ActionDescription, ...]
    ) -> None:
        if parties[0].party_id == parties[1].party_id or parties[0].role == parties[1].role:
            self.faults.append("party: the two parties need different OINs and different roles")
        if not actions:
            self.faults.append("action: at least one is needed")
        roles = {party.role for party in parties}
        for number, action in enumerate(actions, start=1):
            if action.from_role not in roles:
                self.faults.append(
                    f"action {number}, from: '{action.from_role}' is the role of neither party"
                )
        keys = [(action.service, action.action, action.from_role) for action in actions]
        if len(set(keys)) != len(keys):
            self.faults.append("action: the same service, action and sender are given twice")

    def _party(self, table: Mapping[str, object], number: int) -> PartyDescription | None:
        where = f"party {number}, "
        self._known_keys(table, PARTY_KEYS, where)
        party_id = PartyId(value=self._text(table, "oin", where), type=OIN_TYPE)
        if party_id.value and oin_in(party_id) is None:
            self.faults.append(
                f"{where}oin: an OIN has 20 characters, outside production perhaps a suffix like _T"
            )
        endpoint = self._text(table, "endpoint", where)
        if endpoint and (urlsplit(endpoint).scheme not in ("https", "http") or not urlsplit(endpoint).netloc):
            self.faults.append(f"{where}endpoint: this is no https: URL")
        name, role = self._text(table, "name", where), self._text(table, "role", where)
        client, server, signing, encryption = (self._certificate(table, n, where) for n in _CERTIFICATES)
        if client is None or server is None or signing is None or encryption is None:
            return None
        return PartyDescription(
            name=name,
            party_id=party_id,
            role=role,
            endpoint=endpoint,
            client_certificate=client,
            server_certificate=server,
            signing_certificate=signing,
            encryption_certificate=encryption,
        )

    def _certificate(self, table: Mapping[str, object], name: str, where: str) -> x509.Certificate | None:
        given = table.get(name, table.get("certificate"))
        if not isinstance(given, str):
            self.faults.append(f"{where}{name}: give this, or one certificate for all, as PEM")
            return None
        try:
            return load_certificate(given)
        except ConfigError as error:
            self.faults.append(f"{where}{name}: {error}")
            return None

    def _action(self, table: Mapping[str, object], number: int) -> ActionDescription:
        where = f"action {number}, "
        self._known_keys(table, ACTION_KEYS, where)
        scheme = self._text(table, "service_type", where, required=False) or SERVICE_TYPE
        return ActionDescription(
            service=Service(value=self._token(table, "service", where), type=scheme),
            action=self._token(table, "action", where),
            from_role=self._text(table, "from", where),
        )

    def _profile(self, toml: Mapping[str, object]) -> Profile | None:
        name = self._text(toml, "profile", "")
        profile = find_profile(name)
        if profile is None and name:
            self.faults.append(f"profile: '{name}' is none of {', '.join(p.name for p in PROFILES)}")
        return profile

    def _sync(self, toml: Mapping[str, object], profile: Profile | None) -> bool:
        sync = toml.get("sync", False)
        if not isinstance(sync, bool):
            self.faults.append("sync: true or false")
        elif sync and profile is not None and not profile.reliable:
            self.faults.append(f"sync: {profile.name} has no acknowledgments, so none can be synchronous")
        return sync is True

    def _ordered(self, toml: Mapping[str, object], profile: Profile | None, *, sync: bool) -> bool:
        ordered = toml.get("ordered", False)
        if not isinstance(ordered, bool):
            self.faults.append("ordered: true or false")
        elif ordered and profile is not None and not profile.reliable:
            self.faults.append(
                f"ordered: {profile.name} is not reliable, and only reliable messages have an order"
            )
        elif ordered and sync:
            self.faults.append("ordered: MessageOrder does not go together with sync")
        return ordered is True

    def _retries(self, toml: Mapping[str, object]) -> int:
        retries = toml.get("retries", 8)
        if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= 1000:
            self.faults.append("retries: a whole number from 0 to 1000")
            return 0
        return retries

    def _span(self, toml: Mapping[str, object], key: str, default: timedelta) -> timedelta:
        if key not in toml:
            return default
        try:
            span = parse_duration(str(toml[key]))
        except ValueError as error:
            self.faults.append(f"{key}: {error}")
            return default
        if span < timedelta(seconds=1):
            self.faults.append(f"{key}: at least one second, PT1S")
        return span

    def _moment(self, toml: Mapping[str, object], key: str) -> datetime | None:
        match toml.get(key):
            case datetime() as moment:
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            case date() as day:
                return datetime.combine(day, time(), tzinfo=UTC)
        self.faults.append(f"{key}: give a TOML date or date-time, such as 2026-12-01T00:00:00Z")
        return None

    def _algorithm(self, toml: Mapping[str, object]) -> str:
        name = self._text(toml, "encryption_algorithm", "", required=False) or "aes256-gcm"
        if name not in ENCRYPTION_ALGORITHMS:
            self.faults.append(
                f"encryption_algorithm: '{name}' is none of {', '.join(ENCRYPTION_ALGORITHMS)}"
            )
        return ENCRYPTION_ALGORITHMS.get(name, "")

    def _tables(self, toml: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
        tables = toml.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
            self.faults.append(f"{key}: write each as a table [[{key}]]")
            return []
        return tables

    def _text(self, table: Mapping[str, object], key: str, where: str, *, required: bool = True) -> str:
        value = table.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not value.strip():
            self.faults.append(f"{where}{key}: give a text")
            return ""
        if not value.isprintable():
            self.faults.append(f"{where}{key}: the text holds control characters")
            return ""
        return value.strip()

    def _token(self, table: Mapping[str, object], key: str, where: str) -> str:
        value = self._text(table, key, where)
        if value and not _TOKEN.fullmatch(value):
            self.faults.append(f"{where}{key}: no white space is allowed in it")
        return value

    def _known_keys(self, table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.faults.append(f"{where}{key}: there is no such key{hint}")


def _default_id(service: Service, first: PartyDescription, second: PartyDescription) -> str:
    """`[Service]_[PartyA]_[PartyB]_1`, letters, digits, `-` and `_` only (section 11.4, DK-44)."""
    raw = f"{service.value}_{first.party_id}_{second.party_id}_1"
    return re.sub(r"[^A-Za-z0-9_-]+", "-", raw)
