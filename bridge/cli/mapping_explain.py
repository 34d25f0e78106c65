"""`bridge mapping explain`: for one file, where every value came from and what was left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from lxml import etree
from rich.text import Text

from bridge.cli.mapping_files import Config, Folder, load_folder
from bridge.cli.mapping_inputs import (
    ActionOption,
    AnswerOption,
    FromOption,
    NowOption,
    OnlyOption,
    RefOption,
    ResourceOption,
    ServiceOption,
    ToOption,
    is_event,
    make_trial,
    read_attachments,
    read_input,
    read_ref,
    read_resource,
)
from bridge.cli.options import DEFAULT_CONFIG, Json
from bridge.cli.output import clean, print_documents, print_heading, print_table, tell
from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.errors import BridgeError
from bridge.flow.try_out import (
    Message,
    Refused,
    Trial,
    reading_context,
    try_answer,
    try_event,
    try_message,
)
from bridge.mapping.context import Finding, Mapped, RefExchange, TraceLine
from bridge.mapping.explain import Left, rows_of
from bridge.mapping.explain import explain as explain_message
from bridge.mapping.model import Fate
from bridge.mapping.program import Program, Row, Scope
from bridge.mapping.run import Reading


class NothingToExplain(BridgeError):
    """No mapping took the file, so there is nothing to explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    mapping: str
    trace: tuple[TraceLine, ...]
    left: tuple[Left, ...]
    findings: tuple[Finding, ...]
    rejected: bool


def explain(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A payload (XML) or an event (JSON); `-` reads standard input."),
    ],
    row: Annotated[
        str | None, typer.Option("--row", help="Only this row, or the rows of this group: betrokkenen/bsn.")
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show values about persons; else only their form is shown.")
    ] = False,
    mappings: Folder = None,
    service: ServiceOption = None,
    action: ActionOption = None,
    sender: FromOption = None,
    receiver: ToOption = None,
    resource: ResourceOption = None,
    ref: RefOption = None,
    only: OnlyOption = None,
    answer: AnswerOption = None,
    now: NowOption = None,
    json: Json = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Explain one file: for each value its place and line, what was done with it, and where it went.

    What was left behind is listed with the reason. Also for a message that is rejected. Exit code 1 when it is.
    Example: bridge mapping explain melding.xml --row melding
    """
    trial = make_trial(
        load_folder(mappings, config).compiled(),
        sender=sender,
        receiver=receiver,
        service=service,
        action=action,
        now=now,
    )
    octets = read_input(file)
    if is_event(file, octets):
        told = _of_event(trial, octets, resource, read_ref(ref), only, reveal)
    elif answer is not None:
        told = _of_answer(trial, octets, answer, reveal)
    else:
        told = _of_message(trial, octets, reveal)
    if row is not None:
        told = replace(told, trace=tuple(_only(told.trace, row)), left=())
        if not told.trace:
            tell(f"row {row} has no value in this file; without --row all are shown")
    if json:
        print_documents([_document(file, told)])
    else:
        _print(told, reveal)
    if told.rejected:
        raise typer.Exit(1)


def _of_message(trial: Trial, octets: bytes, reveal: bool) -> Told:
    tried = try_message(trial, octets)
    if isinstance(tried, Refused) and tried.mapping is None:
        raise NothingToExplain(tried.text)
    root = parse_xml(octets, limits=PAYLOAD_LIMITS)
    program = trial.mappings.for_xml(str(root.tag), service=trial.service, action=trial.action)
    assert program is not None, "it was found a moment ago"
    explained = explain_message(program, root, context=reading_context(trial, "explain"))
    trace = tuple(_with_events(program, explained.trace, explained.outcome))
    if reveal:
        trace = tuple(_revealed(trace, _values_read(trial, program, root)))
    return Told(
        mapping=explained.mapping,
        trace=trace,
        left=explained.left,
        findings=explained.outcome.findings,
        rejected=not isinstance(explained.outcome, Mapped),
    )


def _of_event(
    trial: Trial,
    octets: bytes,
    resource: Path | None,
    ref: RefExchange | None,
    only: str | None,
    reveal: bool,
) -> Told:
    tried = try_event(
        trial,
        octets,
        resource=read_resource(resource),
        ref=ref,
        only=only,
        attachment=read_attachments(resource, None),
    )
    if isinstance(tried, Refused):
        raise NothingToExplain(tried.text)
    return _composed(tried, reveal)


def _of_answer(trial: Trial, octets: bytes, fate: Fate, reveal: bool) -> Told:
    made = try_message(trial, octets)
    answer = made if isinstance(made, Refused) else try_answer(trial, made, fate)
    if isinstance(answer, Refused):
        raise NothingToExplain(answer.text)
    return _composed(answer, reveal)


def _composed(tried: Message, reveal: bool) -> Told:
    trace = tried.composed.trace
    if reveal:
        trace = tuple(_revealed(trace, dict(_values(tried.writing.top, ""))))
    findings = tried.composed.findings
    return Told(mapping=tried.mapping, trace=trace, left=(), findings=findings, rejected=False)


def _only(trace: tuple[TraceLine, ...], wanted: str) -> Iterator[TraceLine]:
    """By the name of a row or group, with or without the numbers of items."""
    for line in trace:
        bare = _bare(line.row)
        if wanted in (line.row, bare, bare.rpartition("/")[2]) or bare.startswith(f"{wanted}/"):
            yield line


def _with_events(program: Program, trace: tuple[TraceLine, ...], outcome: object) -> Iterator[TraceLine]:
    """The places of the resource and of the events in which a row stands."""
    made = {event.type for event in outcome.events} if isinstance(outcome, Mapped) else set()
    names = {id(row): name for name, row in rows_of(program)}
    shown: dict[str, list[str]] = {}
    for row, type_, place in _event_places(program):
        if type_ in made and id(row) in names:
            shown.setdefault(names[id(row)], []).append(f"{type_} {place}")
    for line in trace:
        places = dict.fromkeys([*_resource_place(program, line.row), *shown.get(_bare(line.row), ())])
        yield replace(line, outputs=tuple(places))


def _resource_place(program: Program, row: str) -> Iterator[str]:
    """Where a value stands in the resource, with the names that groups have there."""
    group, place = program.top, ["resource"]
    *groups, name = row.split("/")
    for step in groups:
        if step.isdecimal():
            place.append(step)
        else:
            group = group.groups[step]
            place += group.resource
    resource = group.rows[name].resource
    if resource is not None:
        yield "/".join([*place, *resource])


def _event_places(program: Program) -> Iterator[tuple[Row, str, str]]:
    for event in program.events:
        for row in event.subject_uses:
            yield row, event.type, "subject"
        for member in event.members:
            for row in member.uses:
                yield row, event.type, f"data/{member.name}"
        for node in (program.graph[name] for name in event.nodes):
            for row in node.id_uses:
                yield row, event.type, f"${node.id}/@id"
            for item in node.properties:
                for row in item.uses:
                    yield row, event.type, f"${node.id}/{item.name}"


def _values_read(trial: Trial, program: Program, root: etree._Element) -> dict[str, Any]:
    reading = Reading(program, reading_context(trial, "explain"))
    reading.run(root)
    return dict(_values(reading.top, ""))


def _values(scope: Scope, above: str) -> Iterator[tuple[str, Any]]:
    for row in scope.group.rows.values():
        yield f"{above}{row.id}", scope.values.get(row.id)
    for name, items in scope.items.items():
        for at, item in enumerate(items):
            yield from _values(item, f"{above}{name}/{at}/")


def _revealed(trace: tuple[TraceLine, ...], values: dict[str, Any]) -> Iterator[TraceLine]:
    for line in trace:
        value = values.get(line.row)
        yield line if value is None else replace(line, value=str(value))


def _bare(row: str) -> str:
    return "/".join(step for step in row.split("/") if not step.isdecimal())


def _document(file: str, told: Told) -> dict[str, Any]:
    return {
        "input": file,
        "mapping": told.mapping,
        "rejected": told.rejected,
        "rows": [
            {
                "row": line.row,
                "place": line.place,
                "line": line.line,
                "function": line.function,
                "value": line.value,
                "outputs": list(line.outputs),
            }
            for line in told.trace
        ],
        "left": [{"place": left.place, "line": left.line, "why": left.why} for left in told.left],
        "findings": [{"rule": f.rule, "place": f.place, "row": f.row, "text": f.text} for f in told.findings],
    }


def _print(told: Told, reveal: bool) -> None:
    print_heading(f"{told.mapping}{': rejected' if told.rejected else ''}")
    # Values that are not to be revealed are masked in the trace already.
    shown = (lambda value: Text(clean(str(value)))) if reveal else str
    lines = [
        (t.row, t.place, t.line or "", t.function, ", ".join(t.outputs), shown(t.value)) for t in told.trace
    ]
    print_table(("row", "from", "line", "by", "to", "value"), lines, fold="from")
    if told.left:
        print_heading("Left behind")
        print_table(
            ("line", "place", "why"), [(x.line or "", x.place, x.why) for x in told.left], fold="place"
        )
    if told.findings:
        print_heading("Findings")
        found = [(f.rule, f.row, f.place, f.text) for f in told.findings]
        print_table(("rule", "row", "place", "text"), found, fold="text")
