"""Cases beside a mapping: a message or an event, what must come of it, and what is always checked.

    case: two persons, one without a BSN
    in:   {xml: two.xml, header: {from: "00000001999990032000", to: "00000001999990044000"}}
    then:
      events/0: {subject: melding/PL-1, type: uitwisselen-melding.melding-geregistreerd}
      resource: {heeftBetrekkingOp/1/rol: ouder-met-gezag}
      count:    {events: 1, "$betrokkene": 1}
      back:     same
      finding:  none

Always checked, without being written: nothing protected stands in an event, a subject, an id or a lower view of the
resource; composing what was read gives the same message, and reading that gives the same resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lxml import etree

from bridge.mapping.compose import Answering, Writing, compose_message
from bridge.mapping.context import (
    Answer,
    Composed,
    Context,
    EventDraft,
    EventView,
    Finding,
    Mapped,
    RefExchange,
    Rejected,
)
from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic, unknown
from bridge.mapping.differences import json_differences, xml_differences
from bridge.mapping.leaks import leaks
from bridge.mapping.load import MappingSet
from bridge.mapping.program import Program
from bridge.mapping.run import Reading
from bridge.mapping.trace import trace_lines
from bridge.mapping.yamltree import Scalar, Sequence, Table, Tree, read_yaml

Json = Any
Judge = Callable[[Program, etree._Element], tuple[str, ...]]
"""What an outside judge, such as an XSD, has against a message; each with its place."""
_GIVEN = ("xml", "event", "answer", "resource", "ref", "header", "self", "partner")
NAMESPACE = UUID("6f1c1f0e-0000-5000-8000-000000000001")
PERSON_KEY = b"the key of the cases, not of any bridge"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_NOBODY = RefExchange(message_id="", conversation_id="", service="", action="", from_party="", to_party="")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    mapping: str
    file: str
    name: str
    found: tuple[Diagnostic, ...]
    rows_read: frozenset[str]
    """The rows that got a value, with their groups before them; for coverage."""
    updates: Mapping[str, str] = field(default_factory=dict)
    """Files that would make the case right, when a golden file is what differs."""

    @property
    def ok(self) -> bool:
        return not self.found


def run_cases(
    mappings: MappingSet, files: Mapping[str, str], *, only: str | None = None, judge: Judge | None = None
) -> tuple[CaseResult, ...]:
    """Runs the cases of all mappings, or of the one named. Raises nothing: a broken case is a finding.

    `judge` has a say about every message that is composed, and about each input of which a case expects no finding.
    """
    return tuple(
        run_case(program, file, files, judge=judge)
        for program, file in cases_of(mappings, files)
        if only is None or program.name == only
    )


def cases_of(mappings: MappingSet, files: Mapping[str, str]) -> tuple[tuple[Program, str], ...]:
    """Each mapping with the files of its cases, by name."""
    return tuple(
        (program, file)
        for program in mappings.programs
        for file in sorted(f for f in files if f.startswith(_folder_of(program)) and f.endswith(".yaml"))
    )


def run_case(
    program: Program, file: str, files: Mapping[str, str], *, judge: Judge | None = None
) -> CaseResult:
    """Runs one of `cases_of`. Raises nothing."""
    return _Case(program, file, _folder_of(program), files, judge).run()


def _folder_of(program: Program) -> str:
    return program.file.removesuffix(".map.yaml") + ".cases/"


def case_faults(program: Program, files: Mapping[str, str]) -> Iterator[Diagnostic]:
    """What is wrong with how the cases of a mapping are written, without running them."""
    folder = program.file.removesuffix(".map.yaml") + ".cases/"
    for file in sorted(f for f in files if f.startswith(folder) and f.endswith(".yaml")):
        case = _Case(program, file, folder, files, None)
        tree = case.tree()
        parts = case.parts(tree) if tree is not None else None
        if parts is not None:
            for key in ("xml", "event", "resource"):
                case.content(parts[0], key)
        yield from case.found


def coverage(program: Program, results: tuple[CaseResult, ...]) -> tuple[str, ...]:
    """The rows that no case ever gave a value."""
    read = frozenset().union(*(r.rows_read for r in results if r.mapping == program.name))
    return tuple(sorted(_row_names(program) - read))


def _row_names(program: Program) -> frozenset[str]:
    names: set[str] = set()

    def walk(group: Any, above: str) -> None:
        names.update(f"{above}{row}" for row, made in group.rows.items() if made.read is not None)
        for name, below in group.groups.items():
            walk(below, f"{above}{name}/")

    walk(program.top, "")
    return frozenset(names)


class _Case:
    def __init__(
        self, program: Program, file: str, folder: str, files: Mapping[str, str], judge: Judge | None
    ) -> None:
        self.program = program
        self.judge = judge
        self.file = file
        self.folder = folder
        self.files = files
        self.found: list[Diagnostic] = []
        self.name = file
        self.span = Span(file)
        self.rows: set[str] = set()
        self.updates: dict[str, str] = {}
        self.ids = 0
        self.attachments: Mapping[str, bytes] = {}

    def tree(self) -> Table | None:
        tree, found = read_yaml(self.file, self.files[self.file])
        self.found += found
        if isinstance(tree, Table):
            return tree
        if not found:
            self.fault("M501", self.span, "a case is a table with case, in and then")
        return None

    def run(self) -> CaseResult:
        tree = self.tree()
        parts = self.parts(tree) if tree is not None else None
        if parts is not None:
            self.case(*parts)
        return CaseResult(
            mapping=self.program.name,
            file=self.file,
            name=self.name,
            found=tuple(self.found),
            rows_read=frozenset(self.rows),
            updates=self.updates,
        )

    def fault(self, code: str, span: Span, text: str) -> None:
        self.found.append(diagnostic(code, span, text))

    def parts(self, tree: Table) -> tuple[Table, Table] | None:
        """What goes in and what must come of it; None when the case does not say so."""
        known = ("case", "in", "then")
        for key, _ in tree.entries:
            if key.text not in known:
                said = f"{key.text} is no key of a case: case, in and then are"
                self.found.append(unknown("M501", key.span, said, key.text, known))
        name, given, then = tree.get("case"), tree.get("in"), tree.get("then")
        if not isinstance(name, Scalar) or not isinstance(given, Table) or not isinstance(then, Table):
            self.fault("M501", tree.span, "a case has case: (its name), in: and then: (tables)")
            return None
        self.name = name.text
        self.span = name.span
        for key, _ in given.entries:
            if key.text not in _GIVEN:
                self.found.append(unknown("M501", key.span, f"in: has no {key.text}", key.text, _GIVEN))
        return given, then

    def case(self, given: Table, then: Table) -> None:
        if isinstance(given.get("xml"), Scalar):
            self.message(given, then)
        elif isinstance(given.get("event"), Scalar):
            self.event(given, then)
        elif isinstance(given.get("answer"), Table):
            self.answer(given, then)
        else:
            self.fault("M501", given.span, "in: names a file with xml: or with event:, or says answer:")

    # -- input

    def content(self, given: Table, key: str) -> str | None:
        name = given.get(key)
        if not isinstance(name, Scalar):
            return None
        path = self.folder + name.text
        if path not in self.files:
            beside = [f.removeprefix(self.folder) for f in self.files if f.startswith(self.folder)]
            said = f"there is no file {name.text} beside the case"
            self.found.append(unknown("M501", name.span, said, name.text, beside))
            return None
        return self.files[path]

    def json(self, given: Table, key: str) -> Json:
        text = self.content(given, key)
        if text is None:
            return None
        try:
            return json.loads(text)
        except ValueError:
            self.fault("M501", given.span, f"the file of {key}: is no JSON")
            return None

    def texts(self, given: Table, key: str) -> dict[str, str]:
        table = given.get(key)
        entries = table.entries if isinstance(table, Table) else ()
        return {name.text: value.text for name, value in entries if isinstance(value, Scalar)}

    def context(self, given: Table, *, levels: bool = False, members: bool = True) -> Context:
        header = self.texts(given, "header")
        sender, receiver = header.get("from", "0" * 20), header.get("to", "0" * 20)
        return Context(
            from_oin=sender,
            to_oin=receiver,
            namespace=NAMESPACE,
            person_key=PERSON_KEY,
            inzage_base="https://bridge.example/inzage",
            received_at=NOON,
            new_id=self.new_id,
            message_id=header.get("messageId", "case@bridge.example"),
            conversation_id=header.get("conversationId", "case"),
            service=header.get("service", ""),
            action=header.get("action", ""),
            timestamp=NOON,
            own={"oin": sender, **self.texts(given, "self")},
            partner={"oin": receiver, **self.texts(given, "partner")},
            levels=levels,
            members=members,
            attachment=self.attachments.get,
        )

    def new_id(self) -> str:
        self.ids += 1
        return f"00000000-0000-4000-8000-{self.ids:012d}"

    def parse(self, text: str, span: Span) -> etree._Element | None:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        try:
            return etree.fromstring(text.encode(), parser)
        except (etree.XMLSyntaxError, ValueError):
            self.fault("M501", span, "the file of xml: is not well-formed")
            return None

    # -- a message

    def message(self, given: Table, then: Table) -> None:
        text = self.content(given, "xml")
        root = self.parse(text, given.span) if text is not None else None
        if root is None:
            return
        reading = Reading(self.program, self.context(given))
        outcome = reading.run(root)
        self.rows |= set(_rows(reading))
        findings = outcome.findings
        self.findings(then, findings, rejected=isinstance(outcome, Rejected))
        if isinstance(outcome, Rejected):
            return
        if not findings:
            self.judged(root, "the message")
        self.attachments = {a.reference: a.content for a in outcome.attachments}
        self.outcome(then, outcome)
        self.leak(given, root, reading, outcome)
        if self.program.direction.writes and outcome.events:
            self.back(given, then, root, outcome)

    def outcome(self, then: Table, outcome: Mapped) -> None:
        shown = as_json(outcome)
        for key, value in then.entries:
            if key.text in ("finding", "back", "rejected"):
                continue
            if key.text == "count" and isinstance(value, Table):
                self.counts(value, outcome)
            elif key.text == "golden" and isinstance(value, Scalar):
                self.golden(value, shown)
            elif key.text.partition("/")[0] in shown:
                self.compare(key, value, _at(shown, key.text))
            else:
                known = (
                    "events/n, resource, values, attachments, answer, reference, "
                    "count, golden, back, finding, rejected"
                )
                self.fault("M501", key.span, f"then: has no {key.text}; it has {known}")

    def compare(self, key: Scalar, wanted: Tree, got: Json) -> None:
        if isinstance(wanted, Table):
            for name, value in wanted.entries:
                self.compare(Scalar(f"{key.text}/{name.text}", name.span), value, _at(got, name.text))
        elif isinstance(wanted, Sequence):
            items = got if isinstance(got, list) else []
            if len(items) != len(wanted.items):
                self.fault("M502", key.span, f"{key.text} has {len(items)} items, not {len(wanted.items)}")
            for at, value in enumerate(wanted.items):
                self.compare(Scalar(f"{key.text}/{at}", value.span), value, _at(items, str(at)))
        elif _text(got) != wanted.text:
            self.fault("M502", wanted.span, f"{key.text} is {_text(got)}, not {wanted.text}")

    def counts(self, table: Table, outcome: Mapped) -> None:
        for name, value in table.entries:
            if not isinstance(value, Scalar):
                continue
            got = len(outcome.events) if name.text == "events" else self.nodes(name.text, outcome)
            if str(got) != value.text:
                self.fault("M502", value.span, f"there are {got} of {name.text}, not {value.text}")

    def nodes(self, name: str, outcome: Mapped) -> int:
        plan = self.program.graph.get(name.removeprefix("$"))
        domain = plan.types[1] if plan is not None else name
        return sum(domain in node["@type"] for event in outcome.events for node in event.data["@graph"])

    def golden(self, name: Scalar, shown: Json) -> None:
        path = self.folder + name.text
        new = json.dumps(shown, ensure_ascii=False, indent=1, sort_keys=False) + "\n"
        try:
            old = json.loads(self.files.get(path, "null"))
        except ValueError:
            old = None
        changes = list(json_differences(old, shown)) if old is not None else []
        if old is None or changes:
            self.updates[path] = new
            said = "; ".join(str(change) for change in changes[:5]) or "the golden file is not there yet"
            self.fault("M502", name.span, said)

    def findings(self, then: Table, findings: tuple[Finding, ...], *, rejected: bool) -> None:
        wanted = then.get("rejected") if rejected else then.get("finding")
        other = then.get("rejected") if not rejected else None
        if isinstance(other, Scalar):
            self.fault("M502", other.span, f"it was not rejected, and must be for {other.text}")
        rules = sorted({finding.rule for finding in findings})
        expected = _words(wanted)
        if rejected and not expected:
            said = "; ".join(str(finding) for finding in findings[:5])
            self.fault("M502", self.span, f"it was rejected: {said}")
        elif rules != expected and (rejected or wanted is not None):
            at = wanted.span if wanted is not None else self.span
            self.fault("M502", at, f"the findings are {', '.join(rules) or 'none'}")

    def judged(self, root: etree._Element, what: str) -> None:
        for said in self.judge(self.program, root) if self.judge is not None else ():
            self.fault("M506", self.span, f"{what} is not what the XSD allows at {said}")

    def leak(self, given: Table, root: etree._Element, reading: Reading, outcome: Mapped) -> None:
        context = self.context(given, levels=True)
        by_level = Reading(self.program, context).run(root)
        lower = by_level.events if isinstance(by_level, Mapped) else ()
        known = frozenset([*context.own.values(), *context.partner.values()])
        for said in leaks(self.program, reading.top, outcome, lower, known):
            self.fault("M503", self.span, said)

    def back(self, given: Table, then: Table, root: etree._Element, outcome: Mapped) -> None:
        """write∘read gives the same message, read∘write the same resource."""
        tolerated = self.tolerated(then)
        if tolerated is None:
            return
        view = event_view(outcome.events[0])
        if any(event.group is not None for event in self.program.events):
            view = replace(view, data={})  # an event that names its item would write that item only
        body = outcome.resource.body if outcome.resource else None
        made = compose_message(self.program, view, resource=body, ref=None, context=self.context(given))
        if isinstance(made, Rejected):
            said = "; ".join(str(finding) for finding in made.findings[:5])
            self.fault("M504", self.span, f"composing again is refused: {said}")
            return
        again = self.parse(made.payload.decode(), self.span)
        if again is None:
            return
        self.judged(again, "the composed message")
        for change in xml_differences(self.program, root, again):
            if not any(place in change.path for place in tolerated):
                self.fault("M504", self.span, f"composing again gives another message at {change}")
        self.read_again(given, again, body, tolerated)

    def read_again(self, given: Table, again: etree._Element, body: Json, tolerated: list[str]) -> None:
        outcome = Reading(self.program, self.context(given)).run(again)
        if isinstance(outcome, Rejected):
            said = "; ".join(str(finding) for finding in outcome.findings[:5])
            self.fault("M504", self.span, f"the composed message is rejected: {said}")
            return
        second = outcome.resource.body if outcome.resource else None
        for change in json_differences(body, second) if not tolerated else ():
            self.fault("M504", self.span, f"reading the composed message gives another resource at {change}")

    def tolerated(self, then: Table) -> list[str] | None:
        """The places that may differ; None when the way back is not to be tried."""
        back = then.get("back")
        if isinstance(back, Scalar) and back.text == "no":
            return None
        listed = back.get("differs-in") if isinstance(back, Table) else None
        return _words(listed)

    # -- an event

    def event(self, given: Table, then: Table) -> None:
        shown = self.json(given, "event")
        if not isinstance(shown, dict):
            return
        try:
            view = EventView(
                type=str(shown["type"]),
                subject=str(shown["subject"]),
                time=datetime.fromisoformat(str(shown["time"])),
                data=shown.get("data") or {},
                source=str(shown.get("source", "")),
            )
        except (KeyError, ValueError):
            self.fault("M501", given.span, "an event has type, subject, time (with a zone) and data")
            return
        resource = self.json(given, "resource") if given.get("resource") is not None else None
        writing = Writing(self.program, self.context(given), view, resource, self.ref(given))
        outcome = writing.run()
        self.findings(then, outcome.findings, rejected=isinstance(outcome, Rejected))
        if isinstance(outcome, Composed):
            self.composed(then, outcome)

    # -- a technical answer

    def answer(self, given: Table, then: Table) -> None:
        """How a message fared, into the answer that goes back; reading that tells of the same message."""
        texts = self.texts(given, "answer")
        said = Answer(about=texts.get("about", ""), outcome=texts.get("outcome", ""))
        ref = self.ref(given) or _NOBODY
        outcome = Answering(self.program, self.context(given), said, ref).run()
        self.findings(then, outcome.findings, rejected=isinstance(outcome, Rejected))
        if not isinstance(outcome, Composed):
            return
        self.composed(then, outcome)
        root = self.parse(outcome.payload.decode(), self.span)
        again = Reading(self.program, self.context(given)).run(root) if root is not None else None
        about = again.answer.about if isinstance(again, Mapped) and again.answer else None
        if about != said.about:
            self.fault("M504", self.span, f"reading the answer again tells of {about}, not of {said.about}")

    def ref(self, given: Table) -> RefExchange | None:
        part = given.get("ref")
        if not isinstance(part, Table):
            return None
        texts = self.texts(given, "ref")
        return RefExchange(
            message_id=texts.get("messageId", ""),
            conversation_id=texts.get("conversationId", ""),
            service=texts.get("service", ""),
            action=texts.get("action", ""),
            from_party=texts.get("from", ""),
            to_party=texts.get("to", ""),
            values=self.texts(part, "values"),
        )

    def composed(self, then: Table, outcome: Composed) -> None:
        root = self.parse(outcome.payload.decode(), self.span)
        if root is None:
            return
        self.judged(root, "the composed message")
        header = {"service": outcome.service, "action": outcome.action, **outcome.header}
        for key, value in then.entries:
            if key.text == "message" and isinstance(value, Table):
                for place, wanted in value.entries:
                    self.compare(place, wanted, self.read(root, place))
            elif key.text == "header" and isinstance(value, Table):
                for name, wanted in value.entries:
                    self.compare(name, wanted, header.get(name.text))
            elif key.text == "golden" and isinstance(value, Scalar):
                self.golden(value, {"header": header, "message": outcome.payload.decode()})
            elif key.text not in ("finding", "rejected"):
                self.fault(
                    "M501",
                    key.span,
                    f"then: has no {key.text}; it has message, header, golden, finding, rejected",
                )

    def read(self, root: etree._Element, place: Scalar) -> Json:
        try:
            found = root.xpath(place.text, namespaces=dict(self.program.standard.prefixes))
        except etree.XPathError:
            self.fault("M501", place.span, f"{place.text} is no place")
            return None
        if not isinstance(found, list):
            return found
        if not found:
            return None
        first: Any = found[0]
        return first if isinstance(first, str) else (first.text or "")


def event_view(draft: EventDraft) -> EventView:
    """An event as composing sees it, before the flow gave it an id."""
    return EventView(type=draft.type, subject=draft.subject, time=draft.time, data=draft.data)


def as_json(outcome: Mapped) -> dict[str, Json]:
    """An outcome as cases and diffs compare it."""
    return {
        "events": [_event_json(event) for event in outcome.events],
        "resource": outcome.resource.body if outcome.resource else None,
        "values": dict(outcome.values),
        "attachments": [a.reference for a in outcome.attachments],
        "answer": {"about": outcome.answer.about, "outcome": outcome.answer.outcome}
        if outcome.answer
        else None,
        "reference": {"number": outcome.reference.number, "within": list(outcome.reference.within)}
        if outcome.reference
        else None,
    }


def _event_json(event: EventDraft) -> dict[str, Json]:
    shown = {
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "timeFrom": event.time_from,
        "data": event.data,
    }
    return shown | ({} if event.level is None else {"level": event.level})


def _rows(reading: Reading) -> Iterator[str]:
    """The rows that got a value, without the numbers of the items."""
    for line in trace_lines(reading.program, reading.top, writing=False):
        yield "/".join(step for step in line.row.split("/") if not step.isdecimal())


def _at(value: Json, path: str) -> Json:
    for step in path.split("/"):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _text(value: Json) -> str:
    if value is None:
        return "(absent)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _words(tree: Tree | None) -> list[str]:
    if isinstance(tree, Scalar):
        return [] if tree.text in ("none", "same", "") else [tree.text]
    if isinstance(tree, Sequence):
        return sorted(item.text for item in tree.items if isinstance(item, Scalar))
    return []
