"""`bridge cpa`: agreements. Judge them, read them in words, put them in place, draft them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from bridge.cli.acting import acting
from bridge.cli.assemble import load_own_identities
from bridge.cli.cpa_document import agreement_document
from bridge.cli.mending import with_bridge
from bridge.cli.opened import open_store
from bridge.cli.options import DEFAULT_CONFIG, Config, Json, read_moment
from bridge.cli.output import print_documents, print_heading, print_line, print_table, tell
from bridge.config import load_settings
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_create import create_cpa, read_description
from bridge.ebms.cpa_lint import Finding, explain_cpa
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.model import PartyId
from bridge.errors import ConfigError, StoreUnavailable
from bridge.flow.agreement_folder import write_file
from bridge.flow.agreement_import import (
    MAX_CPA,
    Plan,
    Side,
    is_usable,
    judge,
    plan_import,
    read_or_none,
    side_of,
)
from bridge.flow.bridge import Bridge
from bridge.flow.mend import Actor
from bridge.web.console.accounts import audit
from bridge.web.console.views import utc_text

app = typer.Typer(help="Agreements (CPA 2.0): judge, read, import and draft them.", no_args_is_help=True)

CpaFile = Annotated[Path, typer.Argument(metavar="FILE", help="A CPA in XML.", exists=True, dir_okay=False)]


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
        good = good and is_usable(findings)
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


@app.command("list")
def list_(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """List the agreements by which the bridge works: between whom, from when to when, and whether in force.

    Example: bridge cpa list
    """

    async def do(bridge: Bridge, _by: Actor) -> list[dict[str, Any]]:
        return [_listed(agreement, bridge.now()) for agreement in bridge.agreements.agreements]

    found = with_bridge(config, do)
    if json:
        print_documents(found)
        return
    rows = [
        (d["cpaId"], ", ".join(d["parties"]), d["start"], d["end"], "yes" if d["inForce"] else "no")
        for d in found
    ]
    zone = ZoneInfo(load_settings(config).console.timezone)
    print_table(("CPAId", "parties", "from", "until", "in force"), rows, fold="parties", zone=zone)


def _listed(agreement: Agreement, at: datetime) -> dict[str, Any]:
    return {
        "cpaId": agreement.cpa_id,
        "parties": [party.name or str(party) for party in agreement.parties],
        "start": utc_text(agreement.start) if agreement.start else None,
        "end": utc_text(agreement.end) if agreement.end else None,
        "inForce": agreement.is_active(at),
    }


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
    reason: Annotated[str | None, typer.Option("--reason", help="Why: it stands in the audit log.")] = None,
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
    if not is_usable(findings):
        _finish(document | {"action": "refused", "file": None, "differences": []}, findings, json=json)
        raise typer.Exit(1)
    plan = plan_import(read_cpa(octets), octets, settings.agreements.folder, replace=replace, beside=beside)
    if plan.changes and not dry_run:
        write_file(settings.agreements.folder / plan.file, octets)
        _audit_import(config, document["cpaId"], plan, reason)
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

    It has profile, start and end; two times [[party]] with name, oin, role, endpoint and certificate (a PEM text, or
    the name of a PEM file beside the description); and per action an [[action]] with service, action and from, the role
    that sends it. docs/partner.md, "Draft an agreement", has an example with every key.
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


def lint_document(name: str, octets: bytes, findings: Iterable[Finding]) -> dict[str, Any]:
    """What a script reads about a judged agreement."""
    found = tuple(findings)
    agreement = read_or_none(octets)
    return {
        "input": name,
        "cpaId": agreement.cpa_id if agreement else None,
        "usable": is_usable(found),
        "findings": [finding_document(finding) for finding in found],
    }


def finding_document(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "level": str(finding.level), "where": finding.where, "text": finding.text}


def read_octets(path: Path) -> bytes:
    """The octets of a file that a person named. Raises ConfigError."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_CPA + 1)
    except OSError as error:
        raise ConfigError([f"{path.name}: cannot be read ({error.strerror})"]) from error
    if len(octets) > MAX_CPA:
        raise ConfigError([f"{path.name}: is larger than {MAX_CPA} octets, which is no CPA"])
    return octets


def _named(octets: bytes, values: Iterable[str]) -> Iterator[PartyId]:
    """The PartyIds of the agreement with these values, whatever their type."""
    agreement = read_or_none(octets)
    ids = {p for party in agreement.parties for p in party.party_ids} if agreement else set()
    for value in values:
        fitting = [party_id for party_id in ids if party_id.value == value]
        yield from fitting or [PartyId(value=value)]


def _side_of_settings(config: Path) -> Side:
    settings = load_settings(config)
    return side_of(load_own_identities(settings), production=settings.production)


def _print_findings(name: str, findings: tuple[Finding, ...]) -> None:
    verdict = "cannot be used" if not is_usable(findings) else "can be used"
    print_heading(f"{name}: {verdict}")
    if findings:
        rows = [(f.level, f.code, f.where, f.text) for f in findings]
        print_table(("level", "code", "where", "text"), rows, fold="text")


# --- importing


def _audit_import(config: Path, cpa_id: str, plan: Plan, reason: str | None) -> None:
    """A line of audit, once there is a store to keep it."""
    try:
        with open_store(config) as opened:
            opened.store.write_sync(
                lambda tx: audit(
                    tx,
                    who=acting(),
                    role="",
                    way="command",
                    action="agreement.imported",
                    target=cpa_id,
                    reason=reason,
                    at=datetime.now(UTC),
                    how=plan.action,
                    file=plan.file,
                    replaced=plan.replaces,
                )
            )
    except (ConfigError, StoreUnavailable) as error:
        tell(f"Not written in the audit log: {error}")


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
