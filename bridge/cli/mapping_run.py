"""`bridge mapping run`: what a file becomes, one JSON document per input."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli.mapping_files import Config, Folder, load_folder
from bridge.cli.mapping_inputs import (
    ActionOption,
    AnswerOption,
    Files,
    FromOption,
    NowOption,
    OnlyOption,
    RefOption,
    ResourceOption,
    ServiceOption,
    ToOption,
    XsdOption,
    is_event,
    make_trial,
    read_attachments,
    read_input,
    read_ref,
    read_resource,
)
from bridge.cli.options import DEFAULT_CONFIG
from bridge.cli.output import print_documents
from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.flow.try_out import (
    INZAGE,
    Events,
    Message,
    Refused,
    Trial,
    try_answer,
    try_event,
    try_message,
)
from bridge.hub.event import to_members, write_structured
from bridge.mapping.context import Attachment, Finding, RefExchange
from bridge.mapping.differences import xml_differences
from bridge.mapping.levels import at_level
from bridge.mapping.model import Fate

Document = dict[str, Any]
MAX_PRINTED = 1024 * 1024
"""A file inside a message with more octets is not printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a run shows beside the plain outcome."""

    level: int | None = None
    back: bool = False
    resource: Document | None = None
    ref: RefExchange | None = None
    only: str | None = None
    answer: Fate | None = None
    attachment: Callable[[str], bytes | None] = lambda reference: None
    attachments: Path | None = None
    """Where the octets of attachments are written."""


@dataclass(slots=True)
class Stayed:
    """What stayed behind of the messages of one run: an event among the files finds its full data here."""

    resources: dict[str, Document] = field(default_factory=dict)
    """By the address under which the event says that it can be looked up."""
    contents: dict[str, bytes] = field(default_factory=dict)

    def keep(self, made: Events) -> None:
        self.contents |= {one.reference: one.content for one in made.mapped.attachments}
        draft = made.mapped.resource
        if draft is not None:
            self.resources[f"{INZAGE}/{draft.type}/{draft.id}"] = draft.body

    def find(self, event: bytes) -> Document | None:
        text = event.decode("utf-8", errors="replace")
        return next((body for url, body in self.resources.items() if url in text), None)


def run(
    files: Files,
    mappings: Folder = None,
    level: Annotated[
        int | None,
        typer.Option(
            "--level", min=0, max=2, help="Show of the resource, and of events, what this level sees."
        ),
    ] = None,
    levels: Annotated[
        bool, typer.Option("--levels", help="One event per information level, instead of one per fact.")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="And the way back from there, with what differs.")
    ] = False,
    service: ServiceOption = None,
    action: ActionOption = None,
    sender: FromOption = None,
    receiver: ToOption = None,
    resource: ResourceOption = None,
    ref: RefOption = None,
    only: OnlyOption = None,
    answer: AnswerOption = None,
    attachments: Annotated[
        Path | None,
        typer.Option(
            "--attachments",
            metavar="DIR",
            help="Folder for the files inside messages, named by digest: written on reading, read on composing.",
        ),
    ] = None,
    now: NowOption = None,
    random: Annotated[
        bool, typer.Option("--random", help="New ids each time, and the clock of this machine.")
    ] = False,
    xsd: XsdOption = None,
    json: Annotated[bool, typer.Option("--json", help="Always so: one JSON document per line.")] = True,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Run files through the mappings: XML becomes events and a resource, an event becomes a message.

    No settings, store or keys are needed. The full data of an event is that of --resource, else of a message before
    it on the line. The same input gives the same output: ids are made in a fixed namespace, a BSN is hidden under a
    fixed key, and it is noon of 1 January 2026 unless --now says otherwise; a live bridge has its own. Exit code 1
    when nothing came of an input. Prints everything in the file, also about persons.
    Example: bridge mapping run melding.xml --mappings mappings
    """
    trial = make_trial(
        load_folder(mappings, config).compiled(),
        sender=sender,
        receiver=receiver,
        service=service,
        action=action,
        now=now,
        levels=levels,
        random=random,
        xsd=xsd,
    )
    wish = Wish(
        level=level,
        back=back,
        resource=read_resource(resource),
        ref=read_ref(ref),
        only=only,
        answer=answer,
        attachment=read_attachments(resource, attachments),
        attachments=attachments,
    )
    good, stayed = True, Stayed()
    for name in files:
        document = run_file(trial, name, wish, stayed)
        print_documents([document])
        good = good and "problem" not in document
    if not good:
        raise typer.Exit(1)


def run_file(trial: Trial, name: str, wish: Wish, stayed: Stayed) -> Document:
    """The document of one input; keys are only ever added. Raises ConfigError when it cannot be read."""
    octets = read_input(name)
    if is_event(name, octets):
        message = try_event(
            trial,
            octets,
            resource=wish.resource or stayed.find(octets),
            ref=wish.ref,
            only=wish.only,
            attachment=lambda reference: stayed.contents.get(reference) or wish.attachment(reference),
        )
        if isinstance(message, Refused):
            return refused_document(name, message)
        document = message_document(name, message)
        return document | (_read_back(trial, message, wish) if wish.back else {})
    events = try_message(trial, octets)
    if isinstance(events, Refused):
        return refused_document(name, events)
    stayed.keep(events)
    if wish.attachments is not None:
        _write_attachments(wish.attachments, events)
    document = events_document(name, events, wish.level)
    document |= _answered(trial, events, wish.answer) if wish.answer else {}
    return document | (_compose_back(trial, events) if wish.back else {})


def refused_document(name: str, refused: Refused) -> Document:
    problem = {"code": refused.code, "text": refused.text}
    return {"input": name, "mapping": refused.mapping, "problem": problem, **_findings(refused.findings)}


def events_document(name: str, made: Events, level: int | None = None) -> Document:
    events = [
        to_members(event)
        for event, draft in zip(made.events, made.mapped.events, strict=True)
        if level is None or draft.level in (None, level)
    ]
    answer = made.mapped.answer
    extra: Document = {}
    if answer is not None:
        extra["answer"] = {"about": answer.about, "outcome": answer.outcome}
    if made.mapped.reference is not None:
        extra["reference"] = made.mapped.reference.number
    if made.program.answers:
        extra["answers"] = {str(fate): named.text for fate, named in made.program.answers.items()}
    if made.mapped.attachments:
        extra["attachments"] = [_attachment(one) for one in made.mapped.attachments]
    return {
        "input": name,
        "mapping": made.mapping,
        "events": events,
        "resource": _resource(made, level),
        **extra,
        **_findings(made.mapped.findings),
    }


def _attachment(one: Attachment) -> Document:
    """A small file stands in the document itself; a large one is for --attachments."""
    small = len(one.content) <= MAX_PRINTED
    content = {"content": base64.b64encode(one.content).decode("ascii")} if small else {}
    return {"reference": one.reference, "size": len(one.content), **content}


def _write_attachments(folder: Path, made: Events) -> None:
    """Named by digest alone: the name that a message gives a file is nobody's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in made.mapped.attachments:
        (folder / one.reference.removeprefix("sha256:")).write_bytes(one.content)


def message_document(name: str, made: Message) -> Document:
    composed = made.composed
    message = {
        "service": made.service,
        "action": composed.action,
        "payload": composed.payload.decode("utf-8"),
        "header": dict(composed.header),
    }
    others = {"others": list(made.others)} if made.others else {}
    return {
        "input": name,
        "mapping": made.mapping,
        "message": message,
        **others,
        **_findings(composed.findings),
    }


def _resource(made: Events, level: int | None) -> Document | None:
    draft = made.mapped.resource
    if draft is None:
        return None
    body = draft.body if level is None else at_level(draft.body, draft.levels, level)
    return {"type": draft.type, "id": draft.id, "url": f"{INZAGE}/{draft.type}/{draft.id}", "body": body}


def _answered(trial: Trial, made: Events, fate: Fate) -> Document:
    """The technical answer; that there is none is no problem of the input."""
    answer = try_answer(trial, made, fate)
    if isinstance(answer, Refused):
        return {"reply": {"problem": answer.text}}
    return {"reply": {"mapping": answer.mapping, **message_document("", answer)["message"]}}


def _compose_back(trial: Trial, made: Events) -> Document:
    """The message that the first event and the resource become again, and where it differs from what was read."""
    if not made.program.direction.writes or not made.events:
        return {"back": {"problem": f"{made.mapping} only reads"}}
    kept = {one.reference: one.content for one in made.mapped.attachments}
    again = try_event(
        trial,
        write_structured(made.events[0]),
        resource=made.mapped.resource.body if made.mapped.resource else None,
        only=made.program.name,
        attachment=kept.get,
    )
    if isinstance(again, Refused):
        return {"back": {"problem": again.text}}
    found = xml_differences(made.program, made.root, parse_xml(again.composed.payload, limits=PAYLOAD_LIMITS))
    differences = [{"path": d.path, "read": d.old, "composed": d.new} for d in found]
    message = message_document("", again)["message"]
    return {"message": message, "back": {"same": not differences, "differences": differences}}


def _read_back(trial: Trial, made: Message, wish: Wish) -> Document:
    """What the composed message becomes when it is read."""
    again = try_message(trial, made.composed.payload)
    if isinstance(again, Refused):
        return {"back": {"problem": again.text}}
    document = events_document("", again, wish.level)
    return {"events": document["events"], "resource": document["resource"]}


def _findings(findings: tuple[Finding, ...]) -> Document:
    if not findings:
        return {}
    return {"findings": [{"rule": f.rule, "place": f.place, "row": f.row, "text": f.text} for f in findings]}
