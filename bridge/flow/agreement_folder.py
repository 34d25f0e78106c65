"""The agreements folder: which version of an agreement stands in which file, and putting one there whole."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_lint import explain_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.keys import fingerprint_sha256, subject_text
from bridge.errors import ConfigError
from bridge.ids import CpaId


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an agreement in the folder."""

    path: Path
    agreement: Agreement
    octets: bytes = field(repr=False)


def find_versions(folder: Path, cpa_id: CpaId) -> tuple[Version, ...]:
    """Every file of the folder that holds this agreement. Raises ConfigError when one cannot be read."""
    if not folder.is_dir():
        raise ConfigError([f"agreements.folder: {folder} is not a folder"])
    return tuple(version for version in _versions(folder) if version.agreement.cpa_id == cpa_id)


def wanted_name(folder: Path, agreement: Agreement) -> str:
    """A file name of the cpaid that no file has yet: with the day of its start, then a number if need be."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", agreement.cpa_id).strip(".-")[:100] or "cpa"
    day = f"{agreement.start:%Y%m%d}" if agreement.start else "undated"
    names = [f"{stem}.xml", f"{stem}_{day}.xml", *(f"{stem}_{day}_{n}.xml" for n in range(2, 1000))]
    return next(name for name in names if not (folder / name).exists())


def differences(old: Agreement, new: Agreement) -> tuple[str, ...]:
    """What the agreements say differently, in words."""
    marks = {"-": "was:     ", "+": "becomes: "}
    compared = difflib.unified_diff(list(_said(old)), list(_said(new)), lineterm="", n=0)
    told = tuple(marks[line[0]] + line[1:] for line in list(compared)[2:] if line[0] in marks)
    return told or ("they mean the same; only the writing differs",)


def write_file(path: Path, octets: bytes) -> None:
    """Put a file in place whole: a reader sees the old one or the new one. Raises ConfigError."""
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(octets)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written ({error.strerror})"]) from error


def _versions(folder: Path) -> Iterator[Version]:
    problems: list[str] = []
    for path in sorted(folder.glob("*.xml")):
        try:
            octets = path.read_bytes()
            yield Version(path=path, agreement=read_cpa(octets), octets=octets)
        except OSError as error:
            problems.append(f"{path.name}: cannot be read ({error.strerror})")
        except ConfigError as error:
            problems.extend(f"{path.name}: {problem}" for problem in error.problems)
    if problems:
        raise ConfigError(problems)


def _said(agreement: Agreement) -> Iterator[str]:
    """The agreement in words, each line with what it is about, so that it can stand alone."""
    about = ""
    for line in explain_cpa(agreement):
        if line.startswith("  "):
            yield f"{about}: {line.strip()}"
        else:
            about = line
            yield line
    for party in agreement.parties:
        for named in party.certificates:
            until = f"{named.certificate.not_valid_after_utc:%Y-%m-%d}"
            mark = fingerprint_sha256(named.certificate)[:16]
            yield f"{party}: certificate {named.cert_id} {subject_text(named.certificate)} until {until}, {mark}"
