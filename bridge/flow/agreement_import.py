"""Putting an agreement in place: judged first, compared with what is there, and written whole or not at all.

The command line and the console do it by these functions, so that both refuse the same and say the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_lint import Finding, Level, lint_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.model import PartyId
from bridge.errors import ConfigError
from bridge.flow.agreement_folder import differences, find_versions, wanted_name, write_file
from bridge.flow.bridge import OwnIdentity

NEEDS_OWN_PARTY = "no-own-party"
MAX_CPA = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Who we are, for judging an agreement."""

    own: tuple[PartyId, ...] = ()
    """Empty: not told, so nothing is said about whose agreement it is."""
    certificates: tuple[x509.Certificate, ...] | None = field(default=None, repr=False)
    """Those of which we hold the private key; None: not told."""
    production: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What importing does: `add`, `replace`, `unchanged` or `refused`."""

    action: str
    file: str
    differences: tuple[str, ...] = ()
    against: Agreement | None = None
    """What it was compared with."""
    replaces: str = ""
    """SHA-256 of the file that is meant, hex; empty when there is none."""

    @property
    def changes(self) -> bool:
        return self.action in ("add", "replace")


def side_of(own: Iterable[OwnIdentity], *, production: bool) -> Side:
    """We, as a bridge with these identities."""
    identities = tuple(own)
    return Side(
        own=tuple(identity.party_id for identity in identities),
        certificates=tuple(pair.certificate for identity in identities for pair in identity.keys),
        production=production,
    )


def judge(octets: bytes, side: Side, *, now: datetime) -> tuple[Finding, ...]:
    """The findings that can be known from what was told about us."""
    certificates: Iterable[x509.Certificate] = side.certificates or ()
    if side.certificates is None:
        certificates = _all_certificates(octets)
    findings = lint_cpa(
        octets, own_parties=side.own, own_certificates=certificates, now=now, production=side.production
    )
    return tuple(f for f in findings if side.own or f.code != NEEDS_OWN_PARTY)


def is_usable(findings: Iterable[Finding]) -> bool:
    """Whether nothing is wrong that keeps an agreement from being used."""
    return all(finding.level is not Level.ERROR for finding in findings)


def read_or_none(octets: bytes) -> Agreement | None:
    """The agreement, or None when it cannot be read; the findings say why."""
    try:
        return read_cpa(octets)
    except ConfigError:
        return None


def plan_import(agreement: Agreement, octets: bytes, folder: Path, *, replace: bool, beside: bool) -> Plan:
    """What importing would do with what is in the folder now. Raises ConfigError when that cannot be read."""
    versions = find_versions(folder, agreement.cpa_id)
    same = next((version for version in versions if version.octets == octets), None)
    if same is not None:
        return Plan(action="unchanged", file=same.path.name, replaces=_digest(same.octets))
    if not versions:
        return Plan(action="add", file=wanted_name(folder, agreement))
    # Of several versions the one that starts on the same day is meant.
    meant = [version for version in versions if version.agreement.start == agreement.start]
    target = versions[0] if len(versions) == 1 else meant[0] if len(meant) == 1 else None
    against = target.agreement if target else None
    told = differences(against, agreement) if against else ()
    if beside and not meant:
        return Plan(action="add", file=wanted_name(folder, agreement), differences=told, against=against)
    if beside:
        why = "a version that starts on the same day is there already; --replace puts this in its place"
        return Plan(action="refused", file=meant[0].path.name, differences=(why, *told))
    if target is None:
        why = f"{len(versions)} versions are there and none starts on the same day; --beside adds this one"
        return Plan(action="refused", file=versions[0].path.name, differences=(why,))
    action = "replace" if replace else "refused"
    return Plan(
        action=action,
        file=target.path.name,
        differences=told,
        against=against,
        replaces=_digest(target.octets),
    )


def import_agreement(
    octets: bytes, folder: Path, side: Side, *, choice: str, expected: str, now: datetime
) -> Plan:
    """Put an agreement in place that a person looked at. `choice` is `add`, `replace` or `beside`.

    `expected` is the digest of the file that was there then. Raises ConfigError when it cannot be done, also when
    something changed meanwhile; then nothing was written.
    """
    findings = judge(octets, side, now=now)
    if not is_usable(findings):
        raise ConfigError([finding.text for finding in findings if finding.level is Level.ERROR])
    replace, beside = choice == "replace", choice == "beside"
    plan = plan_import(read_cpa(octets), octets, folder, replace=replace, beside=beside)
    wanted = "replace" if replace else "add"
    if plan.action != wanted or (replace and plan.replaces != expected):
        raise ConfigError(["what is in the agreements folder changed meanwhile; check the agreement again"])
    write_file(folder / plan.file, octets)
    return plan


def _digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def _all_certificates(octets: bytes) -> tuple[x509.Certificate, ...]:
    agreement = read_or_none(octets)
    parties = agreement.parties if agreement else ()
    return tuple(named.certificate for party in parties for named in party.certificates)
