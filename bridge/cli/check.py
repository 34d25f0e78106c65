"""`bridge check`: everything that would fail later, said now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer

from bridge.cli.check_findings import Case, Finding, Group, Level, errors
from bridge.cli.check_rules import check_settings
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_heading, print_table, tell
from bridge.config import load_settings
from bridge.errors import ConfigError


def check(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Check settings, certificates, agreements, mappings, store, listeners and hub, all at once.

    Changes nothing and calls nobody. Exit code 1 when there is an error; warnings and hints are good.
    Example: bridge check --config bridge.toml
    """
    production: bool | None = None
    try:
        settings = load_settings(config)
        production = settings.production
        findings = check_settings(Case(settings=settings, now=datetime.now(UTC)))
    except ConfigError as error:
        findings = tuple(errors(Group.SETTINGS, str(config), error.problems))
    document = check_document(findings, production=production)
    if json:
        print_documents([document])
    else:
        _print(findings, document)
    if not document["ok"]:
        raise typer.Exit(1)


def check_document(findings: tuple[Finding, ...], *, production: bool | None) -> dict[str, Any]:
    """The document that scripts rely on; keys are only ever added. `production` is None without settings."""
    count = {level: sum(finding.level is level for finding in findings) for level in Level}
    return {
        "ok": count[Level.ERROR] == 0,
        "production": production,
        "errors": count[Level.ERROR],
        "warnings": count[Level.WARNING],
        "findings": [
            {"group": str(f.group), "level": str(f.level), "where": f.where, "text": f.text} for f in findings
        ],
    }


def _print(findings: tuple[Finding, ...], document: dict[str, Any]) -> None:
    order = tuple(Level)
    for group in Group:
        found = sorted((f for f in findings if f.group is group), key=lambda f: order.index(f.level))
        if found:
            print_heading(group.value.capitalize())
            print_table(("level", "where", "text"), [(f.level, f.where, f.text) for f in found], fold="text")
    if document["ok"]:
        tell(f"The bridge can start; {document['warnings']} warnings.")
    else:
        tell(f"{document['errors']} errors to mend first; {document['warnings']} warnings.")
