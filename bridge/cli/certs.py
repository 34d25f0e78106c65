"""`bridge certs`: a PKI to test with, and how long the certificates in use still last."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from cryptography import x509

from bridge.cli.export import Out, check_new, give
from bridge.cli.mending import with_bridge
from bridge.cli.output import print_documents, print_table
from bridge.config import Settings, load_settings
from bridge.ebms.keys import oin_of, subject_text
from bridge.errors import ConfigError
from bridge.flow.bridge import Bridge
from bridge.flow.mend_model import Actor
from bridge.flow.revocation import fetch_due, problems_of
from bridge.pki import LOOPBACK, Organisation, make_pki
from bridge.store.revocation import fetched_lists
from bridge.store.rows import RevocationList
from bridge.web.console import overview
from bridge.web.console.exports import CertificateForm, Download, certificates_file

app = typer.Typer(help="Certificates: make a test PKI, see what expires.", no_args_is_help=True)


@app.command()
def dev(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("certs"),
    organisation: Annotated[
        list[str] | None,
        typer.Option("--organisation", help="STEM:OIN:NAME, repeatable; STEM names the files."),
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="Host names in the certificates, repeatable.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Validity in days.")] = 365,
) -> None:
    """Make a PKI shaped like PKIoverheid: root, intermediate, issuing CA, one certificate per organisation.

    Files that are there are never written over: to add an organisation, make the whole PKI in another folder.
    Example: bridge certs dev --organisation bridge:00000001999990044000:Brug
    """
    hosts = tuple(host) if host else LOOPBACK
    wanted = [_organisation(text, hosts) for text in organisation or ["bridge:00000001999990044000:Brug"]]
    there = sorted(path.name for path in out.glob("*.pem"))
    if there:
        raise typer.BadParameter(f"{out} has certificates already ({there[0]})", param_hint="--out")
    pki = make_pki(out, organisations=wanted, now=datetime.now(UTC), valid_days=days)
    typer.echo(
        f"Made a test PKI in {out}: trust.pem, crl.pem and a certificate for {len(wanted)} organisation(s)."
    )
    typer.echo(
        f"Never use it in production; the private keys stand beside it ({pki.directory.name}/*.key.pem)."
    )


@app.command()
def status(
    config: Annotated[Path, typer.Option("--config", envvar="BRIDGE_CONFIG", help="The settings file.")],
    within: Annotated[int, typer.Option(help="Exit 1 when one expires within so many days.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per certificate.")] = False,
) -> None:
    """Show every certificate in use and the days it still has.

    Example: bridge certs status --config bridge.toml --within 60
    """
    rows = [_expiry(use, path) for use, path in certificates_in_use(load_settings(config))]
    if as_json:
        print_documents(row._asdict() for row in rows)
    else:
        print_table(Expiry._fields, rows, fold="subject")
    if any(row.days < within for row in rows):
        raise typer.Exit(1)


@app.command()
def export(
    config: Annotated[Path, typer.Option("--config", envvar="BRIDGE_CONFIG", help="The settings file.")],
    form: Annotated[
        CertificateForm, typer.Option("--format", help="Calendar with a warning a month before, or table.")
    ] = CertificateForm.ICS,
    out: Out = None,
) -> None:
    """Export when our certificates and those of the agreements end, as the console does.

    Example: bridge certs export --config bridge.toml --format csv --out certificates.csv
    """
    check_new(out)

    async def do(bridge: Bridge, _by: Actor) -> Download:
        at = bridge.now()
        return certificates_file(overview.certificates_in_use(bridge, now=at), form, now=at)

    give(with_bridge(config, do), out)


@app.command()
def lists(
    config: Annotated[Path, typer.Option("--config", envvar="BRIDGE_CONFIG", help="The settings file.")],
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch every list now, before showing it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per list.")] = False,
) -> None:
    """Show the revocation lists that were fetched: until when they hold, and what is wrong. Exit 1 when something is.

    Example: bridge certs lists --config bridge.toml --fetch
    """

    async def do(bridge: Bridge, _by: Actor) -> tuple[tuple[RevocationList, ...], tuple[str, ...]]:
        if fetch:
            await fetch_due(bridge, all_of_them=True)
        rows = await bridge.store.read(fetched_lists)
        return rows, problems_of(bridge, rows)

    rows, problems = with_bridge(config, do)
    shown = [_fetched(row) for row in rows]
    if as_json:
        print_documents(row._asdict() for row in shown)
    else:
        print_table(Fetched._fields, shown, fold="url")
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)


class Fetched(NamedTuple):
    """A revocation list that was fetched."""

    url: str
    fetched: str
    until: str
    problem: str


def _fetched(row: RevocationList) -> Fetched:
    return Fetched(
        url=row.url,
        fetched=row.fetched_at.isoformat(timespec="seconds") if row.fetched_at else "never",
        until=row.next_update.isoformat(timespec="seconds") if row.next_update else "",
        problem=row.problem or "",
    )


class Expiry(NamedTuple):
    """One certificate in use, and how many days it still has."""

    use: str
    file: str
    subject: str
    oin: str
    expires: str
    days: int


def _expiry(use: str, path: Path) -> Expiry:
    certificate = read_leaf(path)
    end = certificate.not_valid_after_utc
    return Expiry(
        use=use,
        file=path.name,
        subject=subject_text(certificate),
        oin=oin_of(certificate) or "",
        expires=end.date().isoformat(),
        days=(end - datetime.now(UTC)).days,
    )


def certificates_in_use(settings: Settings) -> list[tuple[str, Path]]:
    """What each certificate file is for, without doubles."""
    found: list[tuple[str, Path]] = []
    if settings.partner_listener.tls:
        found.append(("partner listener", settings.partner_listener.tls.certificate))
    if settings.hub.tls:
        found.append(("hub client", settings.hub.tls.certificate))
    found.extend((f"party {own.party_id}", own.certificate) for own in settings.own_parties)
    return found


def read_leaf(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file. Raises ConfigError when there is none."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path.name}: holds no readable certificate"]) from error


def _organisation(text: str, hosts: tuple[str, ...]) -> Organisation:
    try:
        stem, oin, name = text.split(":", 2)
    except ValueError as error:
        raise ConfigError([f"--organisation {text}: write STEM:OIN:NAME"]) from error
    if len(oin) != 20:
        raise ConfigError([f"--organisation {text}: an OIN has 20 characters, this one has {len(oin)}"])
    return Organisation(name=name, oin=oin, stem=stem, hosts=hosts)
