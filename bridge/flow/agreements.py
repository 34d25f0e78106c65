"""The agreements on disk: a folder of CPAs becomes the set that the bridge works by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_lint import Finding, Level, lint_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import Agreements
from bridge.errors import ConfigError
from bridge.flow.bridge import OwnIdentity
from bridge.log import get_logger

_log = get_logger()


def load_agreements(folder: Path) -> Agreements:
    """Every CPA of the folder, in the order of file names. Raises ConfigError with the faults of all of them."""
    found: list[Agreement] = []
    problems: list[str] = []
    for path in agreement_files(folder):
        try:
            found.append(read_cpa(path.read_bytes()))
        except OSError as error:
            problems.append(f"{path.name}: cannot be read ({error.strerror})")
        except ConfigError as error:
            problems.extend(f"{path.name}: {problem}" for problem in error.problems)
    if not folder.is_dir():
        problems.append(f"agreements.folder: {folder.name} is not a folder")
    if problems:
        raise ConfigError(problems)
    return Agreements(agreements=tuple(found))


def agreement_files(folder: Path) -> list[Path]:
    """The CPAs of the folder, by name."""
    return sorted(folder.glob("*.xml"))


def usable_agreements(
    agreements: Agreements, own: Sequence[OwnIdentity], *, now: datetime, production: bool, tell: bool = True
) -> tuple[Agreements, tuple[str, ...]]:
    """The agreements that this mode allows, and why the others are left out.

    Production uses no agreement with what only tests may do: SHA-1, 3DES, plain HTTP, self-signed certificates
    or ones without OIN. One such agreement does not keep the others from being used. Every warning is logged, unless
    nobody is to be told.
    """
    kept, refused = [], []
    for agreement in agreements.agreements:
        reasons = _test_only(agreement, own, now) if production else ()
        refused += [f"CPA {agreement}: {finding}" for finding in reasons]
        if not reasons:
            kept.append(agreement)
        for finding in _lint(agreement, own, now, production) if tell else ():
            if finding.level is not Level.HINT:
                _log.warning(
                    "agreement.finding", cpa_id=agreement.cpa_id, code=finding.code, where=finding.where
                )
    for reason in refused:
        _log.error("agreement.refused", reason=reason)
    return Agreements(agreements=tuple(kept)), tuple(refused)


def _test_only(agreement: Agreement, own: Sequence[OwnIdentity], now: datetime) -> tuple[Finding, ...]:
    """What is an error in production and no error in test."""
    harmless = {(f.code, f.where) for f in _lint(agreement, own, now, False) if f.level is not Level.ERROR}
    strict = _lint(agreement, own, now, True)
    return tuple(f for f in strict if f.level is Level.ERROR and (f.code, f.where) in harmless)


def _lint(
    agreement: Agreement, own: Sequence[OwnIdentity], now: datetime, production: bool
) -> tuple[Finding, ...]:
    return lint_cpa(
        agreement,
        own_parties=[identity.party_id for identity in own],
        own_certificates=[pair.certificate for identity in own for pair in identity.keys],
        now=now,
        production=production,
    )
