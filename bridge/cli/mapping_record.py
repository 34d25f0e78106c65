"""`bridge mapping show` and `record`: the rows of a mapping, and what happens with every field of its message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from bridge.cli.mapping_files import Config, Folder, load_folder, pick_mapping
from bridge.cli.options import DEFAULT_CONFIG, Json
from bridge.cli.output import print_documents, print_heading, print_line, print_table
from bridge.mapping.explain import rows_of
from bridge.mapping.program import Program, Row
from bridge.mapping.record import mapping_record, record_markdown

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the mapping.")]


def show(name: Name, mappings: Folder = None, json: Json = False, config: Config = DEFAULT_CONFIG) -> None:
    """Show each row of a mapping: ⇄ works both ways, → only to the event, ← only to the message, and why.

    Example: bridge mapping show vt-melding
    """
    program = pick_mapping(load_folder(mappings, config).compiled(), name)
    lines = list(row_documents(program))
    if json:
        print_documents(lines)
        return
    print_heading(f"{program.label}: {program.title.get('nl', program.name)} ({program.direction})")
    shown = [
        (line["way"], line["row"], line["place"], line["resource"], line["class"], line["level"], line["why"])
        for line in lines
    ]
    print_table(("way", "row", "message", "resource", "class", "level", "why"), shown, fold="message")


def record(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The name of the mapping.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Of all mappings.")] = False,
    mappings: Folder = None,
    json: Json = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Print what a mapping does with every field of its message: kept where, seen by whom, or dropped and why.

    Markdown, as an annex to a privacy assessment. Example: bridge mapping record vt-melding > annex.md
    """
    if (name is None) != every:
        raise typer.BadParameter("give the name of a mapping, or --all", param_hint="NAME")
    compiled = load_folder(mappings, config).compiled()
    programs = compiled.programs if name is None else (pick_mapping(compiled, name),)
    for program in programs:
        if json:
            fields = [asdict(line) for line in mapping_record(program)]
            print_documents([{"mapping": program.label, "title": dict(program.title), "fields": fields}])
        else:
            print_line(record_markdown(program))


def row_documents(program: Program) -> Iterator[dict[str, Any]]:
    """The rows as scripts read them."""
    for name, row in rows_of(program):
        yield {
            "row": name,
            "way": row.arrow,
            "place": row.path or (f"header {row.header}" if row.header else ""),
            "resource": "/".join(row.resource) if row.resource is not None else "",
            "class": row.privacy,
            "level": row.level if row.resource is not None else None,
            "remember": row.remember,
            "why": _why(program, row),
        }


def _why(program: Program, row: Row) -> str:
    """Where a value comes from that is not read from or written to its own place, or why it goes one way."""
    said = [
        f"{word}: {way.source or repr(way.const)}"
        for word, way in (("read", row.read), ("written", row.write))
        if way is not None and not way.from_place and (way.source or way.const)
    ]
    if row.write is None and program.direction.writes and row.shape is not None:
        said.append("not written")
    return "; ".join(said)
