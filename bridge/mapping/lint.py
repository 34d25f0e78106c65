"""Everything there is to say about a mappings folder, without running a message."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.mapping.diagnostics import Diagnostic, Severity, diagnostic, ordered
from bridge.mapping.load import load_files
from bridge.mapping.program import Program
from bridge.mapping.yamltree import Scalar, Table, read_yaml


def lint_files(
    files: Mapping[str, str], *, event_types: frozenset[str] | None = None
) -> tuple[Diagnostic, ...]:
    """Every problem at once. With `event_types`, the hub's list, each type that is not on it is reported."""
    made, found = load_files(files)
    more = [d for program in made.programs for d in _without_cases(program, files)]
    if event_types is not None:
        more += [
            d
            for file, text in files.items()
            if file.endswith(".map.yaml")
            for d in _types(file, text, event_types)
        ]
    return ordered([*found, *more])


def _without_cases(program: Program, files: Mapping[str, str]) -> list[Diagnostic]:
    folder = program.file.removesuffix(".map.yaml") + ".cases/"
    if any(name.startswith(folder) and name.endswith(".yaml") for name in files):
        return []
    return [diagnostic("M505", program.top.span, f"{program.name} has no cases in {folder}")]


def _types(file: str, text: str, known: frozenset[str]) -> list[Diagnostic]:
    tree, _ = read_yaml(file, text)
    events = tree.get("events") if isinstance(tree, Table) else None
    found: list[Diagnostic] = []
    for item in getattr(events, "items", ()):
        type_ = item.get("type") if isinstance(item, Table) else None
        if isinstance(type_, Scalar) and type_.text not in known:
            found.append(diagnostic("M601", type_.span, f"{type_.text} is not on the list of event types"))
    return found


def fixes(found: tuple[Diagnostic, ...], files: Mapping[str, str]) -> dict[str, str]:
    """The files with every certain mend made: the marked text replaced by the nearest name that exists."""
    changed = {name: text.split("\n") for name, text in files.items()}
    touched: set[str] = set()
    for item in sorted(found, key=lambda d: (d.span.file, d.span.line, -d.span.column)):
        lines = changed.get(item.span.file)
        if item.replacement is None or lines is None or item.severity is not Severity.ERROR:
            continue
        line, at = lines[item.span.line - 1], item.span.column - 1
        lines[item.span.line - 1] = line[:at] + item.replacement + line[at + item.span.length :]
        touched.add(item.span.file)
    return {name: "\n".join(changed[name]) for name in sorted(touched)}
