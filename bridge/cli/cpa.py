"""`bridge cpa`: agreements. Judge them, read them in words, put them in place, draft them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from cryptography import x509

from bridge.cli.assemble import load_own_identities
from bridge.cli.cpa_document import agreement_document
from bridge.cli.cpa_folder import differences, find_versions, wanted_name, write_file
from bridge.cli.options import DEFAULT_CONFIG, Config, Json, read_moment
from bridge.cli.output import print_documents, print_heading, print_line, print_table, tell
from bridge.config import load_settings
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_create import create_cpa, read_description
from bridge.ebms.cpa_lint import Finding, Level, explain_cpa, lint_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.model import PartyId
from bridge.errors import ConfigError

app = typer.Typer(help="Agreements (CPA 2.0): judge, read, import and draft them.", no_args_is_help=True)

_NEEDS_OWN_PARTY = "no-own-party"
_MAX_CPA = 16 * 1024 * 1024

CpaFile = Annotated[Path, typer.Argument(metavar="FILE", help="A CPA in XML.", exists=True, dir_okay=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Who we are, for judging an agreement."""

    own: tuple[PartyId, ...] = ()
    """Empty: not told, so nothing is said about whose agreement it is."""
    certificates: tuple[x509.Certificate, ...] | None = field(default=None, repr=False)
    """Those of which we hold the private key; None: not told."""
    production: bool = False


@app.command()
def lint(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CPAs in XML.", exists=True, dir_okay=False)
    ],
    own: Annotated[list[str] | None, typer.Option("--own", help="PartyId that we play, repeatable.")] = None,
    production: Annotated[bool, typer.Option("--production", help="Judge as production does.")] = False,
    now: Annotated[str | None, typer.Option("--now", help="Judge as if it were this moment.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Take our parties, keys and production from these settings."),
    ] = None,
    json: Json = False,
) -> None:
    """Say what is wrong with agreements, in words for a partner manager.

    Exit code 1 when one cannot be used; warnings and hints are good. Without --config our private keys are
    not looked at. Example: bridge cpa lint partner.xml --own 00000001999990044000 --production
    """
    moment = read_moment(now, ZoneInfo("UTC"), "--now") or datetime.now(UTC)
    good = True
    for file in files:
        octets = read_octets(file)
        side = _side_of_settings(config) if config else Side()
        side = Side(
            own=(*side.own, *_named(octets, own or ())),
            certificates=side.certificates,
            production=side.production or production,
        )
        findings = judge(octets, side, now=moment)
        good = good and _usable(findings)
        if json:
            print_documents([lint_document(str(file), octets, findings)])
        else:
            _print_findings(str(file), findings)
    if not good:
        raise typer.Exit(1)


@app.command()
def show(file: CpaFile, json: Json = False) -> None:
    """Say what an agreement means: parties, roles, actions each way, certificates and their expiry.

    Example: bridge cpa show partner.xml
    """
    agreement = read_cpa(read_octets(file))
    if json:
        print_documents([agreement_document(agreement)])
        return
    for line in explain_cpa(agreement):
        print_line(line)
    print_heading("Certificates")
    rows = [
        (party["name"], named["id"], named["subject"], named["oin"], named["until"])
        for party in agreement_document(agreement)["parties"]
        for named in party["certificates"]
    ]
    print_table(("party", "id", "subject", "OIN", "valid until"), rows, fold="subject")


@app.command("import")
def import_(
    file: CpaFile,
    config: Config = DEFAULT_CONFIG,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of the one with this cpaid.")
    ] = False,
    beside: Annotated[
        bool,
        typer.Option("--beside", help="Keep the one with this cpaid: this is a version with other dates."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Check an agreement and put it in the agreements folder, whole or not at all.

    Refused when it has errors, or when its cpaid is there with other content and neither --replace nor
    --beside is given. Says what differs. Example: bridge cpa import new.xml --config bridge.toml --dry-run
    """
    if replace and beside:
        raise typer.BadParameter("give one of --replace and --beside", param_hint="--beside")
    settings = load_settings(config)
    octets = read_octets(file)
    findings = judge(octets, _side_of_settings(config), now=datetime.now(UTC))
    document = lint_document(str(file), octets, findings)
    if not _usable(findings):
        _finish(document | {"action": "refused", "file": None, "differences": []}, findings, json=json)
        raise typer.Exit(1)
    plan = _plan(read_cpa(octets), octets, settings.agreements.folder, replace=replace, beside=beside)
    if plan.action in ("add", "replace") and not dry_run:
        write_file(settings.agreements.folder / plan.file, octets)
    done = {
        "action": plan.action,
        "file": plan.file,
        "differences": list(plan.differences),
        "dryRun": dry_run,
    }
    _finish(document | done, findings, json=json)
    if plan.action == "refused":
        raise typer.Exit(1)


@app.command()
def create(
    description: Annotated[
        Path,
        typer.Argument(metavar="DESCRIPTION", help="What is agreed, in TOML.", exists=True, dir_okay=False),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write; it must not be there yet.")],
    json: Json = False,
) -> None:
    """Draft a Digikoppeling CPA for two parties from a short description, for any of the six profiles.

    A certificate is a PEM text, or the name of a PEM file beside the description.
    Example: bridge cpa create melding.toml --out melding.xml
    """
    if out.exists():
        raise typer.BadParameter(f"{out} is there already", param_hint="--out")
    octets = create_cpa(read_description(_read_toml(description)))
    findings = judge(octets, Side(), now=datetime.now(UTC))
    write_file(out, octets)
    document = lint_document(str(out), octets, findings)
    if json:
        print_documents([document])
        return
    tell(f"Wrote {out}: agreement {document['cpaId']}.")
    _print_findings(str(out), findings)


app.command("generate", hidden=True)(create)


# --- judging


def judge(octets: bytes, side: Side, *, now: datetime) -> tuple[Finding, ...]:
    """The findings that can be known from what was told about us."""
    certificates: Iterable[x509.Certificate] = side.certificates or ()
    if side.certificates is None:
        certificates = _all_certificates(octets)
    findings = lint_cpa(
        octets, own_parties=side.own, own_certificates=certificates, now=now, production=side.production
    )
    return tuple(f for f in findings if side.own or f.code != _NEEDS_OWN_PARTY)


def lint_document(name: str, octets: bytes, findings: Iterable[Finding]) -> dict[str, Any]:
    """What a script reads about a judged agreement."""
    found = tuple(findings)
    agreement = _readable(octets)
    return {
        "input": name,
        "cpaId": agreement.cpa_id if agreement else None,
        "usable": _usable(found),
        "findings": [finding_document(finding) for finding in found],
    }


def finding_document(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "level": str(finding.level), "where": finding.where, "text": finding.text}


def read_octets(path: Path) -> bytes:
    """The octets of a file that a person named. Raises ConfigError."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(_MAX_CPA + 1)
    except OSError as error:
        raise ConfigError([f"{path.name}: cannot be read ({error.strerror})"]) from error
    if len(octets) > _MAX_CPA:
        raise ConfigError([f"{path.name}: is larger than {_MAX_CPA} octets, which is no CPA"])
    return octets


def _usable(findings: Iterable[Finding]) -> bool:
    return all(finding.level is not Level.ERROR for finding in findings)


def _readable(octets: bytes) -> Agreement | None:
    try:
        return read_cpa(octets)
    except ConfigError:
        return None


def _all_certificates(octets: bytes) -> tuple[x509.Certificate, ...]:
    agreement = _readable(octets)
    parties = agreement.parties if agreement else ()
    return tuple(named.certificate for party in parties for named in party.certificates)


def _named(octets: bytes, values: Iterable[str]) -> Iterator[PartyId]:
    """The PartyIds of the agreement with these values, whatever their type."""
    agreement = _readable(octets)
    ids = {p for party in agreement.parties for p in party.party_ids} if agreement else set()
    for value in values:
        fitting = [party_id for party_id in ids if party_id.value == value]
        yield from fitting or [PartyId(value=value)]


def _side_of_settings(config: Path) -> Side:
    settings = load_settings(config)
    identities = load_own_identities(settings)
    return Side(
        own=tuple(identity.party_id for identity in identities),
        certificates=tuple(pair.certificate for identity in identities for pair in identity.keys),
        production=settings.production,
    )


def _print_findings(name: str, findings: tuple[Finding, ...]) -> None:
    verdict = "cannot be used" if not _usable(findings) else "can be used"
    print_heading(f"{name}: {verdict}")
    if findings:
        rows = [(f.level, f.code, f.where, f.text) for f in findings]
        print_table(("level", "code", "where", "text"), rows, fold="text")


# --- importing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What importing does: `add`, `replace`, `unchanged` or `refused`."""

    action: str
    file: str
    differences: tuple[str, ...] = ()


def _plan(agreement: Agreement, octets: bytes, folder: Path, *, replace: bool, beside: bool) -> _Plan:
    versions = find_versions(folder, agreement.cpa_id)
    same = next((version for version in versions if version.octets == octets), None)
    if same is not None:
        return _Plan(action="unchanged", file=same.path.name)
    if not versions:
        return _Plan(action="add", file=wanted_name(folder, agreement))
    # Of several versions the one that starts on the same day is meant.
    meant = [version for version in versions if version.agreement.start == agreement.start]
    target = versions[0] if len(versions) == 1 else meant[0] if len(meant) == 1 else None
    told = differences(target.agreement, agreement) if target else ()
    if beside and not meant:
        return _Plan(action="add", file=wanted_name(folder, agreement), differences=told)
    if beside:
        why = "a version that starts on the same day is there already; --replace puts this in its place"
        return _Plan(action="refused", file=meant[0].path.name, differences=(why, *told))
    if target is None:
        why = f"{len(versions)} versions are there and none starts on the same day; --beside adds this one"
        return _Plan(action="refused", file=versions[0].path.name, differences=(why,))
    action = "replace" if replace else "refused"
    return _Plan(action=action, file=target.path.name, differences=told)


_WORDS: Mapping[str, str] = {
    "add": "is new in the folder",
    "replace": "takes the place of the one that was there",
    "unchanged": "is there already, the same to the letter",
    "refused": "is not imported",
}


def _finish(document: dict[str, Any], findings: tuple[Finding, ...], *, json: bool) -> None:
    if json:
        print_documents([document])
        return
    _print_findings(document["input"], findings)
    would = " (dry run: nothing was changed)" if document.get("dryRun") else ""
    place = f" as {document['file']}" if document["file"] and document["action"] != "refused" else ""
    print_heading(f"Agreement {document['cpaId']} {_WORDS[document['action']]}{place}{would}")
    for line in document["differences"]:
        print_line(f"  {line}")
    if document["action"] == "refused" and document["file"]:
        tell(
            f"{document['file']} has this cpaid with other content; --replace or --beside says what you want"
        )


# --- creating


def _read_toml(path: Path) -> dict[str, Any]:
    """The description, with the names of certificate files replaced by what stands in them."""
    try:
        table = tomllib.loads(read_octets(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path.name}: is not valid TOML: {error}"]) from error
    parties = table.get("party", [])
    for party in parties if isinstance(parties, list) else []:
        for key, value in party.items() if isinstance(party, dict) else ():
            if key.endswith("certificate") and isinstance(value, str) and "-----BEGIN" not in value:
                party[key] = read_octets(path.parent / value).decode("ascii", "replace")
    return table
