"""`bridge mapping lint`, `rule` and `schema`: what is wrong with mapping files, and what the rules say."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli.mapping_files import (
    Config,
    Loaded,
    Paths,
    diagnostic_document,
    is_error,
    load_paths,
    meant,
)
from bridge.cli.options import DEFAULT_CONFIG, Json
from bridge.cli.output import print_documents, print_facts, print_line, print_table, tell
from bridge.hub.profile import default_profile
from bridge.mapping.diagnostics import Diagnostic, render, summary
from bridge.mapping.jsonschema import mapping_schema
from bridge.mapping.lint import fixes, lint_files
from bridge.mapping.rules import RULES, Rule

_NAME = re.compile(r"[\w:.-]+(?:/[\w:.-]+)*")
_MENDS = 10
"""Each round of mends may bring new ones to light; more rounds than this would go in a circle."""


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def lint(
    paths: Paths = None,
    format: Annotated[
        Format,
        typer.Option(
            "--format", help="text for people; json, one per line; sarif or github for a build server."
        ),
    ] = Format.TEXT,
    json: Json = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend names of which only one can be meant, then look again.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Check mapping files: every problem at once, with its place, a sentence, and the likely mend.

    Exit code 1 when there is an error; warnings do not count. `bridge mapping rule M220` tells more about a rule.
    Example: bridge mapping lint mappings
    """
    loaded, wanted = load_paths(paths, config)
    if fix:
        loaded = mend(loaded, wanted)
    found = loaded.placed(problems(loaded, wanted))
    match Format.JSON if json else format:
        case Format.JSON:
            print_documents(diagnostic_document(one) for one in found)
        case Format.SARIF:
            typer.echo(json_module.dumps(sarif(found), ensure_ascii=False, indent=1))
        case Format.GITHUB:
            for one in found:
                typer.echo(github_line(one))
        case Format.TEXT:
            _print(loaded, found)
    if any(is_error(one) for one in found):
        raise typer.Exit(1)


def rule(
    code: Annotated[
        str | None, typer.Argument(metavar="[RULE]", help="Such as M220; none lists all.")
    ] = None,
    json: Json = False,
) -> None:
    """Tell what a rule says, why it is there, and show a right and a wrong example.

    Example: bridge mapping rule M301
    """
    if code is not None and code.upper() not in RULES:
        raise typer.BadParameter(
            f"there is no rule {code!r}; without a rule all are listed", param_hint="RULE"
        )
    rules = list(RULES.values()) if code is None else [RULES[code.upper()]]
    if json:
        print_documents(_rule_document(one) for one in rules)
    elif code is None:
        print_table(("rule", "level", "says"), [(r.code, r.severity, r.text) for r in rules], fold="says")
    else:
        _print_rule(rules[0])


def schema() -> None:
    """Print the JSON Schema of mapping files, with which editors complete and check while you type.

    Example: bridge mapping schema > mapping.schema.json
    """
    typer.echo(json_module.dumps(mapping_schema(), ensure_ascii=False, indent=1))


def problems(loaded: Loaded, wanted: tuple[str, ...] = ()) -> tuple[Diagnostic, ...]:
    """What there is to say about the files that are meant; event types are held against the known ones."""
    known = {one.type: one.subject_prefix for one in default_profile().types}
    return tuple(d for d in lint_files(loaded.files, event_types=known) if meant(d.span.file, wanted))


def mend(loaded: Loaded, wanted: tuple[str, ...]) -> Loaded:
    """Write the certain mends to the files; one that does not take errors away is left out."""
    for _ in range(_MENDS):
        found = problems(loaded, wanted)
        changed = fixes(tuple(one for one in found if _is_one_name(one, loaded)), loaded.files)
        better = Loaded(root=loaded.root, files={**loaded.files, **changed})
        if not changed or _errors(problems(better, wanted)) >= _errors(found):
            break
        for name, text in changed.items():
            _write(loaded.root / name, text)
            tell(f"mended {loaded.shown(name)}")
        loaded = better
    return loaded


def _is_one_name(found: Diagnostic, loaded: Loaded) -> bool:
    """The marked text is a whole name and nothing else, so that putting another in its place breaks nothing."""
    lines = loaded.files.get(found.span.file, "").split("\n")
    if found.replacement is None or found.span.line > len(lines):
        return False
    line, start = lines[found.span.line - 1], found.span.column - 1
    end = start + found.span.length
    goes_on = re.match(r"[\w-]", line[end:]) or re.search(r"[\w:.-]$", line[:start])
    return bool(_NAME.fullmatch(line[start:end])) and goes_on is None


def sarif(found: Sequence[Diagnostic]) -> dict[str, Any]:
    """SARIF 2.1.0, which code review tools show at the line."""
    used = sorted({one.code for one in found})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "bridge mapping lint", "rules": [_sarif_rule(c) for c in used]}},
                "results": [_sarif_result(one) for one in found],
            }
        ],
    }


def github_line(found: Diagnostic) -> str:
    """A workflow command; its own signs are escaped."""
    span = found.span
    place = f"file={_property(span.file)},line={span.line},col={span.column}"
    text = f"{found.text}. {found.hint}" if found.hint else found.text
    said = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{found.severity} {place},title={found.code}::{said}"


def _print(loaded: Loaded, found: Sequence[Diagnostic]) -> None:
    for text in render(found, loaded.shown_files()):
        print_line(text)
    more = "" if not found else f" `bridge mapping rule {found[0].code}` tells more about a rule."
    tell(summary(found) + more)


def _print_rule(one: Rule) -> None:
    do = "" if one.wrong else one.right
    print_facts({"rule": one.code, "level": one.severity, "says": one.text, "why": one.why, "do": do})
    if do:
        return
    for title, example in (("right", one.right), ("wrong", one.wrong)):
        print_line(f"{title}:")
        for line in example.splitlines():
            print_line(f"    {line}")


def _rule_document(one: Rule) -> dict[str, str]:
    return {
        "rule": one.code,
        "level": one.severity,
        "text": one.text,
        "why": one.why,
        "right": one.right,
        "wrong": one.wrong,
    }


def _sarif_rule(code: str) -> dict[str, Any]:
    one = RULES[code]
    return {"id": code, "shortDescription": {"text": one.text}, "help": {"text": one.why}}


def _sarif_result(found: Diagnostic) -> dict[str, Any]:
    span = found.span
    return {
        "ruleId": found.code,
        "level": str(found.severity),
        "message": {"text": f"{found.text}. {found.hint}" if found.hint else found.text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": span.file},
                    "region": {
                        "startLine": span.line,
                        "startColumn": span.column,
                        "endColumn": span.column + span.length,
                    },
                }
            }
        ],
    }


def _property(text: str) -> str:
    signs = (("%", "%25"), (":", "%3A"), (",", "%2C"), ("\n", "%0A"))
    for sign, code in signs:
        text = text.replace(sign, code)
    return text


def _errors(found: Sequence[Diagnostic]) -> int:
    return sum(is_error(one) for one in found)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")
