"""What the language may never lose in silence: repeated elements, odd forms of the full data, order, wrong values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from bridge.mapping.compose import compose_message
from bridge.mapping.context import Composed, Context, EventView, Mapped, Rejected
from bridge.mapping.levels import at_level
from bridge.mapping.lint import lint_files
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.run import run_mapping
from bridge.mapping.subjects import key_of, subject_part

STANDARD = """
title: a small standard
prefixes: {a: "urn:a", stuf: "urn:stuf"}
privacy:
  "-": {level: 1, doc: nothing}
  zaak: {level: 1, doc: case}
  bsn: {level: 2, personal: yes, doc: number of a person}
"""
STRUCTURE = """
a:note
  a:number 1 - zaak text
  a:who 0..* - - group
    a:role 0..1 - zaak text
  a:person 0..1 - - group
    choice 0..2
      sequence 0..1
        a:bsn 1 - bsn bsn
        a:sure 0..1 n - one J | N
      a:other 1 - bsn text
  a:pair 0..1 - - group
    choice 0..1
      choice 2
        a:left 1 - zaak text
        a:right 1 - zaak text
  a:file 0..1 n zaak text
    @a:name 0..1 - zaak text
"""
MAPPING = """
mapping: note
version: 1
title: a note
direction: both
match:
  xml: {root: "a:note"}
  event: {type: some-function.note-written}
resource: {type: note, key: "{number}"}
rows:
  number: {xml: "a:number", resource: number, missing: error, write: {from: [resource/number, event/key]}}
  bsns:   {xml: "a:person/a:bsn", resource: bsns, as: bsn, repeat: yes, missing: omit}
  sure:   {xml: "a:person/a:sure", resource: sure, repeat: yes, missing: omit}
  other:  {xml: "a:person/a:other", resource: other, repeat: yes, missing: omit}
  left:   {xml: "a:pair/a:left", resource: pair/left, repeat: yes, missing: omit}
  right:  {xml: "a:pair/a:right", resource: pair/right, repeat: yes, missing: omit}
  file:   {xml: "a:file", resource: file/text, missing: omit}
  name:   {xml: "a:file/@a:name", resource: file/name, missing: omit}
each:
  who:
    xml: "a:who"
    resource: who
    missing: omit
    unique: role
    rows:
      role: {xml: "a:role", resource: role, missing: omit}
graph:
  note:   {id: entity, class: Melding}
  person: {each: bsns, when: bsns, id: person(bsns), class: Betrokkene, burgerservicenummer: "{bsns}"}
events:
  - {type: some-function.note-written, subject: "note/{number}", nodes: [note, person]}
"""
Make = Callable[..., dict[str, str]]


@pytest.fixture
def small(all_files: dict[str, str]) -> Make:
    def make(*changes: tuple[str, str]) -> dict[str, str]:
        text = MAPPING
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        return {
            "vocabulary.yaml": all_files["vocabulary.yaml"],
            "a/standard.yaml": STANDARD,
            "a/structure/note.structure": STRUCTURE,
            "a/note.map.yaml": text,
        }

    return make


@pytest.fixture
def made(small: Make) -> MappingSet:
    return read_mapping_set(small())


@pytest.fixture(scope="module")
def every(all_files: dict[str, str]) -> MappingSet:
    return read_mapping_set(all_files)


def note(inside: str, number: str = "n-1") -> etree._Element:
    return etree.fromstring(f'<a:note xmlns:a="urn:a"><a:number>{number}</a:number>{inside}</a:note>')


def read(made: MappingSet, root: etree._Element, context: Context) -> Mapped:
    outcome = run_mapping(made.programs[0], root, context=context)
    assert isinstance(outcome, Mapped), [str(f) for f in outcome.findings]
    return outcome


def body(outcome: Mapped) -> dict[str, Any]:
    assert outcome.resource is not None
    return outcome.resource.body


def write(
    made: MappingSet, resource: Any, context: Context, subject: str = "note/n-1", data: Mapping[str, Any] = {}
) -> Composed | Rejected:
    view = EventView(type="some-function.note-written", subject=subject, time=context.received_at, data=data)
    return compose_message(made.programs[0], view, resource=resource, ref=None, context=context)


def composed(outcome: Composed | Rejected) -> str:
    assert isinstance(outcome, Composed), [str(f) for f in outcome.findings]
    root = etree.fromstring(outcome.payload)
    return etree.tostring(root).decode().partition("</a:number>")[2].removesuffix("</a:note>")


def rules(outcome: Mapped | Composed | Rejected) -> list[str]:
    return [finding.rule for finding in outcome.findings]


# -- elements that repeat


def test_a_row_through_an_element_that_repeats_is_no_mapping(small: Make) -> None:
    row = '  role: {xml: "a:who/a:role", resource: role, missing: omit}\neach:'
    found = lint_files(small(("each:", row)))
    assert "M204" in [d.code for d in found]


def test_a_row_through_an_element_that_repeats_is_no_mapping_without_an_each_either(small: Make) -> None:
    text = MAPPING[: MAPPING.index("each:\n")] + MAPPING[MAPPING.index("graph:") :]
    row = '  role: {xml: "a:who/a:role", resource: role, missing: omit}\ngraph:'
    files = {**small(), "a/note.map.yaml": text.replace("graph:", row, 1)}
    [found] = [d for d in lint_files(files) if d.code == "M204"]
    assert "a:who may stand 0..* times" in found.text and "each" in found.hint


def test_a_row_through_a_relation_of_the_request_that_repeats_is_no_mapping(
    all_files: dict[str, str],
) -> None:
    row = (
        "  eentje: {xml: jz:object/zkn:heeftBetrekkingOp/zkn:omschrijving, resource: eentje, missing: omit}\n"
    )
    name = "stuf-jz/vto.map.yaml"
    files = {**all_files, name: all_files[name].replace("\neach:", f"\n{row}\neach:", 1)}
    assert "M204" in [d.code for d in lint_files(files) if d.span.file == name]


def test_an_attribute_of_an_element_that_repeats_is_no_row(small: Make) -> None:
    structure = STRUCTURE.replace("a:file 0..1", "a:file 0..*")
    files = {**small(), "a/structure/note.structure": structure}
    assert [d.code for d in lint_files(files)].count("M204") == 2


def test_what_is_dropped_may_lie_in_an_element_that_repeats(small: Make) -> None:
    text = MAPPING[: MAPPING.index("each:\n")] + MAPPING[MAPPING.index("graph:") :]
    files = {**small(), "a/note.map.yaml": text + 'drop:\n  "a:who/a:role": nobody asks for it\n'}
    assert [d.code for d in lint_files(files) if d.code.startswith("M20")] == []


# -- forms of the full data


def test_a_single_object_is_a_list_of_one(made: MappingSet, context: Context) -> None:
    outcome = write(made, {"who": {"role": "x"}}, context)
    assert composed(outcome) == "<a:who><a:role>x</a:role></a:who>"


def test_a_single_value_is_a_list_of_one(made: MappingSet, context: Context) -> None:
    assert composed(write(made, {"other": "x"}, context)) == "<a:person><a:other>x</a:other></a:person>"


def test_the_initiator_of_a_probation_notice_may_be_given_as_one_object(
    every: MappingSet, context: Context
) -> None:
    program = every.named("notificatiejr")
    assert program is not None
    view = EventView(type=program.event_types[0], subject="x/PJ-00001", time=context.received_at, data={})
    outcome = compose_message(
        program, view, resource={"initiator": {"rsin": "999990019"}}, ref=None, context=context
    )
    assert isinstance(outcome, Rejected) or b"999990019" in outcome.payload


ODD: list[dict[str, Any]] = [
    {"who": "x"},
    {"who": ["x"]},
    {"who": 3},
    {"who": [None]},
    {"other": [{"a": 1}]},
    {"other": 1.5},
    {"pair": "x"},
    {"pair": ["x"]},
    {"file": {"text": ["x"]}},
    {"file": {"text": {"a": 1}}},
    {"file": {"text": 1.5}},
    {"file": "x"},
]


@pytest.mark.parametrize("resource", ODD, ids=[str(odd) for odd in ODD])
def test_what_the_full_data_gives_in_another_form_is_refused_and_not_left_out(
    made: MappingSet, context: Context, resource: dict[str, Any]
) -> None:
    outcome = write(made, resource, context)
    assert isinstance(outcome, Rejected)
    assert set(rules(outcome)) == {"M932"}


def test_full_data_that_is_no_object_is_refused(made: MappingSet, context: Context) -> None:
    assert rules(write(made, ["x"], context)) == ["M932"]


def test_null_and_nothing_are_no_value(made: MappingSet, context: Context) -> None:
    assert (
        composed(write(made, {"who": None, "pair": None, "file": {"text": None}, "other": []}, context)) == ""
    )


def test_an_empty_element_keeps_its_attributes(made: MappingSet, context: Context) -> None:
    outcome = read(made, note('<a:file a:name="x"/>'), context)
    assert composed(write(made, body(outcome), context)) == '<a:file a:name="x"/>'


# -- choices that repeat


MIXED = [
    "<a:bsn>999990019</a:bsn><a:sure>J</a:sure><a:bsn>999990020</a:bsn><a:sure>N</a:sure>",
    "<a:bsn>999990019</a:bsn><a:bsn>999990020</a:bsn><a:sure>N</a:sure>",
    "<a:other>x</a:other><a:bsn>999990019</a:bsn><a:sure>J</a:sure>",
    "<a:bsn>999990019</a:bsn><a:sure>J</a:sure><a:other>x</a:other>",
    "<a:other>x</a:other><a:other>y</a:other>",
]


@pytest.mark.parametrize("inside", MIXED)
def test_a_choice_that_repeats_comes_back_in_its_own_order(
    made: MappingSet, context: Context, inside: str
) -> None:
    message = f"<a:person>{inside}</a:person>"
    outcome = read(made, note(message), context)
    assert rules(outcome) == []
    assert composed(write(made, body(outcome), context)) == message


def test_without_an_order_each_number_stands_with_its_own_mark(made: MappingSet, context: Context) -> None:
    given = {"bsns": ["999990019", "999990020"], "sure": ["J", "N"]}
    assert composed(write(made, given, context)) == f"<a:person>{MIXED[0]}</a:person>"


def test_an_order_that_does_not_fit_what_is_given_is_not_followed(made: MappingSet, context: Context) -> None:
    given = {"other": ["x"], "_volgorde": {"a:person": ["a:bsn", "a:other", 3]}}
    assert composed(write(made, given, context)) == "<a:person><a:other>x</a:other></a:person>"


@pytest.mark.parametrize(
    "given",
    [
        {"other": ["x", "y", "z"]},
        {"sure": ["J"]},
        {"pair": {"left": ["x"]}},
        {"pair": {"left": ["x", "y"], "right": ["z"]}},
    ],
    ids=["too many", "a mark without a number", "too few", "three of two"],
)
def test_a_choice_that_cannot_stand_so_is_refused(
    made: MappingSet, context: Context, given: dict[str, Any]
) -> None:
    assert rules(write(made, given, context)) == ["M931"]


def test_a_choice_of_two_may_be_left_out_whole(made: MappingSet, context: Context) -> None:
    assert composed(write(made, {}, context)) == ""


def test_a_choice_that_stands_too_often_is_read_with_a_finding(made: MappingSet, context: Context) -> None:
    outcome = read(made, note("<a:pair><a:left>x</a:left></a:pair>"), context)
    assert rules(outcome) == ["M913"]


# -- values that cannot be read

WRONG = "<a:person><a:bsn>999990018</a:bsn></a:person>"


def test_a_wrong_number_of_a_person_does_not_make_the_message_wait(
    made: MappingSet, context: Context
) -> None:
    outcome = read(made, note(WRONG), context)
    assert rules(outcome) == ["M918"]
    assert body(outcome)["bsns"] == [{"_ongeldig": {".": "999990018"}}]


def test_nobody_is_made_of_a_wrong_number(made: MappingSet, context: Context) -> None:
    outcome = read(made, note(WRONG), context)
    assert [node["@type"][1] for node in outcome.events[0].data["@graph"]] == ["soh:Melding"]
    assert "999990018" not in str(outcome.events) + str(outcome.findings)


def test_a_wrong_number_is_as_protected_as_a_right_one(made: MappingSet, context: Context) -> None:
    outcome = read(made, note(WRONG), context)
    assert outcome.resource is not None
    assert "999990018" not in str(at_level(outcome.resource.body, outcome.resource.levels, 1))
    assert "999990018" in str(at_level(outcome.resource.body, outcome.resource.levels, 2))


def test_a_wrong_number_is_sent_on_as_it_came_with_a_finding(made: MappingSet, context: Context) -> None:
    outcome = write(made, body(read(made, note(WRONG), context)), context)
    assert composed(outcome) == WRONG
    assert rules(outcome) == ["M918"]


def test_a_wrong_value_that_its_place_does_not_take_is_not_sent_on(
    made: MappingSet, context: Context
) -> None:
    root = note("<a:person><a:bsn>12</a:bsn></a:person>")
    outcome = write(made, body(read(made, root, context)), context)
    assert isinstance(outcome, Rejected) and "M932" in rules(outcome)


def test_a_row_may_say_that_a_wrong_value_rejects_the_message(small: Make, context: Context) -> None:
    made = read_mapping_set(small(("as: bsn, repeat", "as: bsn, invalid: error, repeat")))
    outcome = run_mapping(made.programs[0], note(WRONG), context=context)
    assert isinstance(outcome, Rejected) and rules(outcome) == ["M903"]


def test_a_wrong_value_that_an_event_is_chosen_by_rejects_the_message(small: Make, context: Context) -> None:
    changes = (
        ("resource: file/text, missing", "resource: file/text, as: codes(A=a B=b), missing"),
        ("nodes: [note, person]}", "nodes: [note, person], when: {row: file, in: [a]}}"),
    )
    made = read_mapping_set(small(*changes))
    outcome = run_mapping(made.programs[0], note("<a:file>C</a:file>"), context=context)
    assert isinstance(outcome, Rejected) and rules(outcome) == ["M903"]


def test_a_wrong_number_of_a_parent_does_not_keep_a_report_about_a_child_waiting(
    mappings: MappingSet, report: Callable[..., etree._Element], context: Context
) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    root = report(("<BG:inp.bsn>999990019<", "<BG:inp.bsn>999990018<"))
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped)
    assert "M918" in rules(outcome)
    assert "999990018" not in str(outcome.events)


# -- items told apart, and numbers in subjects


def test_two_items_that_should_differ_reject_the_message(made: MappingSet, context: Context) -> None:
    root = note("<a:who><a:role>x</a:role></a:who>" * 2)
    outcome = run_mapping(made.programs[0], root, context=context)
    assert isinstance(outcome, Rejected) and rules(outcome) == ["M919"]


def test_a_row_that_tells_items_apart_exists(small: Make) -> None:
    assert "M240" in [d.code for d in lint_files(small(("unique: role", "unique: rol")))]


NUMBERS = ["2026/17", "a b", "50%", "a%2Fb", "a?b#c", "é", "a\u00a0b", "plain-1"]


@pytest.mark.rule("SOH-22")
@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_makes_a_subject_and_comes_back_of_it(
    made: MappingSet, context: Context, number: str
) -> None:
    outcome = read(made, note("", number), context)
    subject = outcome.events[0].subject
    prefix, _, rest = subject.partition("/")
    assert prefix == "note" and rest and "/" not in rest and not any(c.isspace() for c in rest)
    answer = write(made, {}, context, subject)
    assert isinstance(answer, Composed)
    assert etree.fromstring(answer.payload).findtext("{urn:a}number") == number


def test_no_two_numbers_have_the_same_subject() -> None:
    assert len({subject_part(number) for number in NUMBERS}) == len(NUMBERS)


@pytest.mark.parametrize("key", ["50%", "%zz", "%ff"])
def test_a_subject_of_another_that_is_not_written_so_is_taken_as_it_is(key: str) -> None:
    assert key_of(f"note/{key}") == key


# -- answers


def answers(all_files: dict[str, str], many: int) -> etree._Element:
    root = etree.fromstring(all_files["stuf-jz/ucob.cases/typical.xml"].encode())
    [first] = [child for child in root if str(child.tag).endswith("}object")]
    for number in range(1, many):
        copy = etree.fromstring(etree.tostring(first, with_tail=False))
        for name in ("identificatie", "verzoekidentificatie"):
            [element] = [child for child in copy if str(child.tag).endswith(f"}}{name}")]
            element.text = f"{(element.text or '').strip()}-{number}"
        root.append(copy)
    return root


@pytest.mark.parametrize("many", [1, 2, 13])
def test_every_event_of_many_answers_is_written_with_its_own_answer_only(
    all_files: dict[str, str], every: MappingSet, context: Context, many: int
) -> None:
    program = every.named("ucob")
    assert program is not None
    outcome = run_mapping(program, answers(all_files, many), context=context)
    assert isinstance(outcome, Mapped) and outcome.resource is not None
    written: list[str] = []
    there = replace(context, own=context.partner, partner=context.own)
    for draft in outcome.events:
        view = EventView(type=draft.type, subject=draft.subject, time=draft.time, data=draft.data)
        message = compose_message(program, view, resource=outcome.resource.body, ref=None, context=there)
        assert isinstance(message, Composed), [str(f) for f in message.findings]
        objects = etree.fromstring(message.payload).findall("{*}object")
        written += [element.findtext("{*}identificatie") or "" for element in objects]
        assert len(objects) == 1
    assert len(set(written)) == len(outcome.events) == many


def test_two_answers_with_the_same_number_make_the_message_wait(
    all_files: dict[str, str], every: MappingSet, context: Context
) -> None:
    root = answers(all_files, 1)
    [first] = [child for child in root if str(child.tag).endswith("}object")]
    root.append(etree.fromstring(etree.tostring(first, with_tail=False)))
    program = every.named("ucob")
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Rejected) and "M919" in rules(outcome)


# -- privacy of faults, and what a failing test prints


@pytest.mark.parametrize("name", ["fo01", "fo03"])
def test_the_details_of_a_fault_are_free_text(every: MappingSet, name: str) -> None:
    program = every.named(name)
    assert program is not None
    classes = {s.name: s.privacy for s in program.root.walk() if s.name.startswith("stuf:details")}
    assert classes == {"stuf:details": "vrije-tekst", "stuf:detailsXML": "vrije-tekst"}


def test_what_is_large_is_printed_short(made: MappingSet) -> None:
    program = made.programs[0]
    printed = [repr(made), repr(program), repr(program.root)]
    assert max(len(text) for text in printed) < 80


# -- anything


def test_anything_with_a_namespace_that_is_no_address_is_a_finding_with_its_place(
    small: Make, context: Context
) -> None:
    files = small()
    any_file = STRUCTURE.replace("a:file 0..1 n zaak text", "a:file 0..1 n zaak any")
    made = read_mapping_set({**files, "a/structure/note.structure": any_file})
    outcome = run_mapping(
        made.programs[0], note('<a:file><b xmlns="not-absolute">x</b></a:file>'), context=context
    )
    assert isinstance(outcome, Rejected)
    assert [(finding.rule, finding.place) for finding in outcome.findings] == [("M903", "a:file")]
