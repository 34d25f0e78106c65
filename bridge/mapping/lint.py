"""Everything there is to say about a mappings folder, without running a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bridge.mapping.cases import case_faults
from bridge.mapping.diagnostics import Diagnostic, Severity, diagnostic, ordered, unknown
from bridge.mapping.load import load_files
from bridge.mapping.program import Program
from bridge.mapping.yamltree import Scalar, Sequence, Table, Tree, read_yaml


def lint_files(
    files: Mapping[str, str], *, event_types: Mapping[str, str | None] | None = None
) -> tuple[Diagnostic, ...]:
    """Every problem at once. `event_types` is the hub's list: with what the subject of each type begins, if that is
    fixed; a type that is not on it, and another subject, are reported."""
    made, found = load_files(files)
    more = [d for program in made.programs for d in _without_cases(program, files)]
    more += [d for program in made.programs for d in case_faults(program, files)]
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


def _types(file: str, text: str, known: Mapping[str, str | None]) -> list[Diagnostic]:
    tree, _ = read_yaml(file, text)
    if not isinstance(tree, Table):
        return []
    events = tree.get("events")
    named = [item.get("type") for item in getattr(events, "items", ()) if isinstance(item, Table)]
    answered = _below(_below(tree, "match"), "event")
    answers = answered.get("type") if isinstance(answered, Table) else None
    named += [*answers.items] if isinstance(answers, Sequence) else [answers]
    return [*_subjects(events, known), *_unlisted(named, known)]


def _subjects(events: Tree | None, known: Mapping[str, str | None]) -> Iterator[Diagnostic]:
    for event in getattr(events, "items", ()):
        type_, subject = _below(event, "type"), _below(event, "subject")
        if not (isinstance(type_, Scalar) and isinstance(subject, Scalar)):
            continue
        begins = known.get(type_.text)
        if begins and not subject.text.startswith((begins, "{")):
            said = f"the subject of {type_.text} begins with {begins}"
            yield diagnostic("M602", subject.span, said)


def _unlisted(named: Iterable[Tree | None], known: Mapping[str, str | None]) -> list[Diagnostic]:
    return [
        unknown("M601", one.span, f"{one.text} is not on the list of event types", one.text, known)
        for one in named
        if isinstance(one, Scalar) and one.text not in known
    ]


def _below(tree: Tree | None, name: str) -> Tree | None:
    return tree.get(name) if isinstance(tree, Table) else None


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
