"""`bridge mapping test` and `coverage`: the cases beside the mappings, and what no case or mapping reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from lxml import etree

from bridge.cli.mapping_files import (
    Config,
    Folder,
    Loaded,
    Paths,
    diagnostic_document,
    load_folder,
    load_paths,
    meant,
)
from bridge.cli.mapping_inputs import XsdOption, read_xsds
from bridge.cli.options import DEFAULT_CONFIG, Json
from bridge.cli.output import print_documents, print_heading, print_line, print_table, tell
from bridge.cli.progress import progress, tracked
from bridge.flow.mapping_laws import LawBroken, check_laws
from bridge.flow.xsd import COMPOSED, Schemas
from bridge.mapping.cases import CaseResult, Judge, cases_of, run_case
from bridge.mapping.cases import coverage as unread_rows
from bridge.mapping.diagnostics import render
from bridge.mapping.explain import rows_of
from bridge.mapping.load import MappingSet
from bridge.mapping.program import Program
from bridge.mapping.record import mapping_record
from bridge.store.progress import Told

_ALWAYS = "always "


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def test(
    paths: Paths = None,
    only: Annotated[
        str | None, typer.Option("-k", metavar="NAME", help="Only cases with this in their name or file.")
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="And the rows that no case ever gave a value.")
    ] = False,
    update: Annotated[
        bool,
        typer.Option(
            "--update", help="Write new golden files where they differ, after showing the difference."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --update: do not ask.")] = False,
    laws: Annotated[
        int,
        typer.Option(
            "--laws", min=0, max=10_000, metavar="N", help="Try N generated messages per two-way mapping too."
        ),
    ] = 0,
    format: Annotated[
        Format,
        typer.Option("--format", help="text for people; json, one per line; junit for a build server."),
    ] = Format.TEXT,
    xsd: XsdOption = None,
    json: Json = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Run the cases that stand beside the mappings. A failed one shows what differs, at its line.

    Always checked too: nothing protected leaks, and what was read can be composed again and read again.
    Exit code 1 when a case fails. Example: bridge mapping test mappings -k vt-melding
    """
    loaded, wanted = load_paths(paths, config)
    compiled = loaded.compiled()
    judge = _judge(read_xsds(xsd, compiled)) if xsd else None
    shape = Format.JSON if json else format
    with progress("Running the cases", json=shape is not Format.TEXT) as told:
        results = tuple(r for r in run_all(compiled, loaded, told, judge) if _is_wanted(r, wanted, only))
        broken = _broken_laws(compiled, laws, wanted, only, told)
    match shape:
        case Format.JSON:
            print_documents([*(_document(loaded, r) for r in results), *(_law_document(b) for b in broken)])
        case Format.JUNIT:
            typer.echo(junit(loaded, results, broken))
        case Format.TEXT:
            _print(loaded, results, broken)
    if coverage:
        _tell_coverage(compiled, results)
    updated = _update(loaded, results, yes) if update else frozenset()
    failed = [r for r in results if not r.ok and r.file not in updated]
    if failed or broken:
        raise typer.Exit(1)


def run_all(
    compiled: MappingSet, loaded: Loaded, told: Told, judge: Judge | None = None
) -> tuple[CaseResult, ...]:
    """The results of all cases of all mappings."""
    cases = cases_of(compiled, loaded.files)
    tracked_cases = tracked(told, "Running the cases", cases, len(cases))
    return tuple(run_case(program, file, loaded.files, judge=judge) for program, file in tracked_cases)


def _judge(schemas: Schemas) -> Judge:
    def judge(program: Program, root: etree._Element) -> tuple[str, ...]:
        return tuple(f"{one.place}: {one.text}" for one in schemas.findings(COMPOSED, program, root))

    return judge


def coverage(mappings: Folder = None, json: Json = False, config: Config = DEFAULT_CONFIG) -> None:
    """Show per mapping which fields of the message it reads, drops, or fixes, and which rows no case ever filled.

    Example: bridge mapping coverage --json
    """
    loaded = load_folder(mappings, config)
    compiled = loaded.compiled()
    with progress("Running the cases", json=json) as told:
        results = run_all(compiled, loaded, told)
    documents = [_coverage_document(program, results) for program in compiled.programs]
    if json:
        print_documents(documents)
        return
    columns = ("mapping", "fields", "mapped", "dropped", "rows", "never filled by a case")
    lines = [
        (d["mapping"], d["fields"], d["mapped"], len(d["dropped"]), d["rows"], ", ".join(d["never"]) or "-")
        for d in documents
    ]
    print_table(columns, lines, fold="never filled by a case")


def junit(loaded: Loaded, results: Sequence[CaseResult], broken: Sequence[LawBroken]) -> str:
    """JUnit XML, as build servers read it."""
    failures = sum(not r.ok for r in results) + len(broken)
    suite = etree.Element(
        "testsuite", name="bridge mapping test", tests=str(len(results) + len(broken)), failures=str(failures)
    )
    for result in results:
        case = etree.SubElement(
            suite, "testcase", classname=result.mapping, name=result.name, file=loaded.shown(result.file)
        )
        if not result.ok:
            first = result.found[0]
            failure = etree.SubElement(case, "failure", type=first.code, message=_printable(first.text))
            failure.text = _printable("\n".join(str(one) for one in loaded.placed(result.found)))
    for law in broken:
        case = etree.SubElement(suite, "testcase", classname=law.mapping, name=f"law, seed {law.seed}")
        etree.SubElement(case, "failure", type="M504", message=_printable(law.text))
    return etree.tostring(suite, encoding="unicode", pretty_print=True)


def _is_wanted(result: CaseResult, wanted: tuple[str, ...], only: str | None) -> bool:
    beside = result.file.partition(".cases/")[0] + ".map.yaml"
    here = meant(result.file, wanted) or meant(beside, wanted)
    return here and (only is None or only.lower() in f"{result.file} {result.name}".lower())


def _broken_laws(
    compiled: MappingSet, number: int, wanted: tuple[str, ...], only: str | None, told: Told
) -> tuple[LawBroken, ...]:
    programs = [
        program
        for program in compiled.programs
        if meant(program.file, wanted) and (only is None or only.lower() in program.name)
    ]
    if not number:
        return ()
    trying = tracked(told, f"Trying {number} messages of each mapping", programs, len(programs))
    return tuple(law for program in trying for law in check_laws(program, number))


def _document(loaded: Loaded, result: CaseResult) -> dict[str, Any]:
    return {
        "mapping": result.mapping,
        "case": result.name,
        "file": loaded.shown(result.file),
        "ok": result.ok,
        "findings": [diagnostic_document(one) for one in loaded.placed(result.found)],
    }


def _law_document(law: LawBroken) -> dict[str, Any]:
    finding = {"rule": "M504", "level": "error", "text": law.text}
    return {"mapping": law.mapping, "law": law.seed, "ok": False, "findings": [finding]}


def _print(loaded: Loaded, results: Sequence[CaseResult], broken: Sequence[LawBroken]) -> None:
    shown = loaded.shown_files()
    for result in results:
        if result.ok:
            continue
        print_heading(f"FAILED {result.mapping}: {result.name}")
        for text in render(loaded.placed(result.found), shown):
            print_line(text)
    for law in broken:
        print_heading(f"FAILED {law.mapping}: a generated message (seed {law.seed})")
        print_line(law.text)
    for name in dict.fromkeys(result.mapping for result in results):
        mine = [result for result in results if result.mapping == name]
        wrong = sum(not result.ok for result in mine)
        print_line(f"{'✖' if wrong else '✔'} {name}: {len(mine)} cases, {wrong} failed")
    if not results:
        tell("no case; cases stand in NAME.cases/ beside NAME.map.yaml")
    if any(result.updates for result in results):
        tell("after review `bridge mapping test --update` writes the golden files anew")


def _tell_coverage(compiled: MappingSet, results: tuple[CaseResult, ...]) -> None:
    run = {result.mapping for result in results}
    for program in compiled.programs:
        if program.name in run and (never := unread_rows(program, results)):
            tell(f"{program.name}: no case fills {', '.join(never)}")


def _update(loaded: Loaded, results: Sequence[CaseResult], yes: bool) -> frozenset[str]:
    """Writes golden files; gives the cases that are right with them."""
    right = set()
    for result in results:
        if not result.updates:
            continue
        names = ", ".join(loaded.shown(name) for name in result.updates)
        if not (yes or typer.confirm(f"Write {names}?", err=True)):
            continue
        for name, text in result.updates.items():
            (loaded.root / name).write_text(text, encoding="utf-8")
            tell(f"written {loaded.shown(name)}")
        if len(result.found) == len(result.updates):
            right.add(result.file)
    return frozenset(right)


def _coverage_document(program: Program, results: tuple[CaseResult, ...]) -> dict[str, Any]:
    lines = [line for line in mapping_record(program) if line.place]
    dropped = [x.place for x in lines if not x.row and not x.reason.startswith(_ALWAYS)]
    return {
        "mapping": program.label,
        "fields": len(lines),
        "mapped": sum(bool(line.row) for line in lines),
        "dropped": dropped,
        "rows": len(tuple(_read_rows(program))),
        "never": list(unread_rows(program, results)),
    }


def _read_rows(program: Program) -> Iterator[str]:
    return (name for name, row in rows_of(program) if row.read is not None)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
