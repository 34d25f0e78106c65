"""Trying mappings out for a person: what a pasted message becomes, and what a changed file would change.

Nothing is stored. All of it is bounded, in octets and in how many run at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from lxml import etree

from bridge.ebms.xml import parse_xml
from bridge.errors import BridgeError, ConfigError, MappingError
from bridge.flow.bridge import Bridge
from bridge.flow.compare import Gain, comparing_context, find_gains, read_history
from bridge.flow.context import mapping_context
from bridge.flow.map import Parked, translate
from bridge.flow.mapping_folder import read_mapping_files
from bridge.flow.mapping_laws import LawBroken, check_laws
from bridge.flow.reload import checked_mappings
from bridge.flow.try_out import (
    RECEIVER,
    SENDER,
    Events,
    Message,
    Refused,
    Trial,
    reading_context,
    try_event,
    try_message,
)
from bridge.hub.event import to_members, write_structured
from bridge.mapping.cases import CaseResult, coverage, run_cases
from bridge.mapping.context import TraceLine
from bridge.mapping.diagnostics import Diagnostic
from bridge.mapping.diff import Change, diff
from bridge.mapping.differences import xml_differences
from bridge.mapping.explain import Left, explain
from bridge.mapping.levels import at_level
from bridge.mapping.lint import lint_files
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.program import Program
from bridge.store.rows import Message as MessageRow

MOST_OCTETS: Final = 1024 * 1024
"""Of what is pasted or uploaded."""

MOST_COMPARED: Final = 500
LAWS: Final = 20
"""Generated messages for the laws of one mapping."""

_MOST_AT_ONCE: Final = 2
_THREADS = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="workbench")
_running: set[asyncio.Future[Any]] = set()
_PATIENCE: Final = 20.0

T = TypeVar("T")


class Busy(BridgeError):
    """Others are trying things out, or it took too long; nothing was changed. Try again in a moment."""


async def bounded(work: Callable[[], T]) -> T:
    """Run it in a thread, few at once and not for ever. Raises Busy.

    The threads are apart from those that take in messages, and one that takes too long keeps its place until it ends:
    whatever people try out, it never holds up what comes in.
    """
    if len(_running) >= _MOST_AT_ONCE:
        raise Busy("others are trying mappings out")
    running = asyncio.get_running_loop().run_in_executor(_THREADS, work)
    _running.add(running)
    running.add_done_callback(_running.discard)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await asyncio.shield(running)
    except TimeoutError as error:
        running.add_done_callback(_forget)
        raise Busy("this takes too long") from error


def _forget(late: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more, neither for what went wrong in it."""
    if not late.cancelled():
        late.exception()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of an input. `outputs` are named documents as text; empty when only the explanation may be seen."""

    mapping: str | None
    problem: str = ""
    outputs: tuple[tuple[str, str], ...] = ()
    trace: tuple[TraceLine, ...] = ()
    left: tuple[Left, ...] = ()
    findings: tuple[str, ...] = ()


def try_text(mappings: MappingSet, octets: bytes) -> Tried:
    """A pasted message or event, with all of its outputs: it is the person's own. Raises nothing."""
    trial = Trial(mappings=mappings, sender=SENDER, receiver=RECEIVER)
    if octets.lstrip().startswith(b"{"):
        return _tried_event(try_event(trial, octets))
    made = try_message(trial, octets)
    if isinstance(made, Refused):
        trace, left = _explained(mappings, octets, made)
        return Tried(
            mapping=made.mapping,
            problem=made.text,
            trace=trace,
            left=left,
            findings=tuple(str(finding) for finding in made.findings),
        )
    explained = explain(made.program, made.root, context=reading_context(trial, "explain"))
    return Tried(
        mapping=made.mapping,
        outputs=tuple(_outputs(trial, made)),
        trace=explained.trace,
        left=explained.left,
        findings=tuple(str(finding) for finding in made.mapped.findings),
    )


def _explained(
    mappings: MappingSet, octets: bytes, refused: Refused
) -> tuple[tuple[TraceLine, ...], tuple[Left, ...]]:
    """How far reading came, when a mapping began."""
    program = mappings.named((refused.mapping or "").partition("@")[0])
    if program is None:
        return (), ()
    trial = Trial(mappings=mappings, sender=SENDER, receiver=RECEIVER)
    explained = explain(program, parse_xml(octets), context=reading_context(trial, "explain"))
    return explained.trace, explained.left


def _tried_event(made: Message | Refused) -> Tried:
    if isinstance(made, Refused):
        return Tried(mapping=made.mapping, problem=made.text)
    payload = made.composed.payload.decode("utf-8")
    return Tried(
        mapping=made.mapping,
        outputs=((f"message {made.composed.action}", payload),),
        findings=tuple(str(finding) for finding in made.composed.findings),
    )


def _outputs(trial: Trial, made: Events) -> list[tuple[str, str]]:
    found = [(f"event {event.type}", _json(to_members(event))) for event in made.events]
    resource = made.mapped.resource
    if resource is not None:
        found += [
            (f"{resource.type} level {level}", _json(at_level(resource.body, resource.levels, level)))
            for level in (0, 1, 2)
        ]
    if made.program.direction.writes and made.events:
        found.append(_back(trial, made))
    return found


def _back(trial: Trial, made: Events) -> tuple[str, str]:
    kept = {one.reference: one.content for one in made.mapped.attachments}
    again = try_event(
        trial,
        write_structured(made.events[0]),
        resource=made.mapped.resource.body if made.mapped.resource else None,
        only=made.program.name,
        attachment=kept.get,
    )
    if isinstance(again, Refused):
        return "back", again.text
    composed = again.composed.payload
    different = [str(one) for one in xml_differences(made.program, made.root, parse_xml(composed))]
    said = "\n".join(different) or "the same as what was read"
    return "back", f"{said}\n\n{composed.decode('utf-8')}"


def try_stored(bridge: Bridge, message: MessageRow, payload: bytes | None) -> Tried:
    """A stored message: only the explanation, in which what is about people is masked."""
    if payload is None:
        return Tried(mapping=None, problem="there is no content any more")
    try:
        root = parse_xml(payload)
    except BridgeError:
        return Tried(mapping=None, problem="the content is no XML that can be read")
    program = bridge.mappings.for_xml(
        str(root.tag), service=message.service, action=message.action, cpa_id=message.cpa_id
    )
    if program is None:
        return Tried(mapping=None, problem=f"no mapping takes {etree.QName(root).localname}")
    explained = explain(program, root, context=mapping_context(bridge, message))
    # The explanation goes on where the message itself would wait for a person.
    made = translate(bridge, message, payload)
    return Tried(
        mapping=explained.mapping,
        problem=made.reason if isinstance(made, Parked) else "",
        trace=explained.trace,
        left=explained.left,
        findings=tuple(str(finding) for finding in explained.outcome.findings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A mapping as the files on disk have it: what lint says, its cases, its laws, and rows that no case reads."""

    lint: tuple[Diagnostic, ...]
    cases: tuple[CaseResult, ...]
    never_read: tuple[str, ...]
    laws: tuple[LawBroken, ...]


def judge(bridge: Bridge, program: Program) -> Judged:
    """Lint, cases and laws of one mapping. Raises ConfigError when the files cannot be read."""
    files = folder_files(bridge)
    results = run_cases(bridge.mappings, files, only=program.name)
    beside = program.file.removesuffix(".map.yaml")
    return Judged(
        lint=tuple(found for found in lint_files(files) if found.span.file.startswith(beside)),
        cases=results,
        never_read=coverage(program, results),
        laws=tuple(check_laws(program, LAWS)),
    )


def folder_files(bridge: Bridge) -> Mapping[str, str]:
    """The mapping files on disk, cases too. Raises ConfigError."""
    try:
        return read_mapping_files(bridge.settings.mappings.folder, cases=True)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"a mapping file cannot be read ({type(error).__name__})"]) from error


def check_folder(bridge: Bridge) -> tuple[str, ...]:
    """What would be said of the files on disk if they were taken up now; empty when they are good."""
    try:
        checked_mappings(bridge.settings.mappings.folder)
    except ConfigError as error:
        return error.problems
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a changed file would change for the newest stored messages. Never a value, only where and how long."""

    messages: int
    changes: tuple[Change, ...]
    gains: tuple[Gain, ...]
    problems: tuple[str, ...] = ()


def compare_file(bridge: Bridge, name: str, text: str, *, last: int) -> Comparison:
    """The mappings in use against the same with this text for one of the files. Raises ConfigError."""
    files = {n: t for n, t in folder_files(bridge).items() if ".cases/" not in n}
    if name not in files:
        raise ConfigError([f"{name}: there is no such file in the mappings folder"])
    try:
        changed = read_mapping_set({**files, name: text})
    except MappingError as error:
        return Comparison(messages=0, changes=(), gains=(), problems=tuple(error.lines))
    messages = read_history(bridge.store, last).messages
    return Comparison(
        messages=len(messages),
        changes=diff(bridge.mappings, changed, messages, context=comparing_context),
        gains=tuple(find_gains(bridge.mappings, changed, messages)),
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
