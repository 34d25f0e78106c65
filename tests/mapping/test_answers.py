"""Technical answers towards the sender: which, when, and that they say nothing of what the message holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from bridge.mapping.compose import compose_answer
from bridge.mapping.context import Answer, Composed, Context, Mapped, RefExchange, Rejected
from bridge.mapping.lint import lint_files
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.model import Fate
from bridge.mapping.run import run_mapping

NAMES = {"stuf": "http://www.egem.nl/StUF/StUF0301"}
ANSWERS = "answers:   {handled: bv01, refused: fo01, rejected: fo01, reused: fo01}"
REFERENCE = "reference: {number: referentie, within: [afzender, afzSysteem]}"
REF = RefExchange(
    message_id="m-1@police.example",
    conversation_id="c-1",
    service="s",
    action="zorgmelding",
    from_party="f",
    to_party="t",
    values={"afzender": "00000001999990032000", "afzSysteem": "bureau-app"},
)
Message = Callable[[str], etree._Element]


@pytest.fixture(scope="module")
def every(all_files: dict[str, str]) -> MappingSet:
    return read_mapping_set(all_files)


def answer(
    mappings: MappingSet, name: str, fate: str, context: Context, about: str = "zm-1"
) -> etree._Element:
    program = mappings.named(name)
    assert program is not None
    made = compose_answer(program, Answer(about=about, outcome=fate), ref=REF, context=context)
    assert isinstance(made, Composed), made
    assert made.findings == ()
    return etree.fromstring(made.payload)


def told(files: dict[str, str], mapping: str, *changes: tuple[str, str]) -> list[str]:
    """What lint says when a file of the folder is changed."""
    name = f"stuf-jz/{mapping}.map.yaml"
    text = files[name]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return [f"{d.code} {d.text}" for d in lint_files({**files, name: text}) if d.code in ("M410", "M411")]


def test_a_message_is_known_by_the_number_of_its_business_sender(
    every: MappingSet, all_files: dict[str, str], context: Context
) -> None:
    root = etree.fromstring(all_files["stuf-jz/zorgmelding.cases/typical.xml"].encode())
    program = every.named("zorgmelding")
    assert program is not None
    mapped = run_mapping(program, root, context=context)
    assert isinstance(mapped, Mapped)
    assert mapped.reference is not None
    assert (mapped.reference.standard, mapped.reference.number) == ("stuf-jz", "zm-ref-0001")
    assert mapped.reference.within == ("00000001999930033000", "meldkamer")


def test_a_message_without_a_number_is_known_by_nothing(
    every: MappingSet, all_files: dict[str, str], context: Context
) -> None:
    text = all_files["stuf-jz/vt-melding.cases/typical.xml"]
    number = text.split("referentienummer>")[1].split("<")[0]
    root = etree.fromstring(text.replace(f">{number}<", "> <").encode())
    program = every.named("vt-melding")
    assert program is not None
    mapped = run_mapping(program, root, context=context)
    assert isinstance(mapped, Mapped)
    assert mapped.reference is None


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.REJECTED, Fate.REUSED])
def test_a_fault_has_a_code_a_place_and_words_of_its_own_and_no_details(
    every: MappingSet, context: Context, fate: Fate
) -> None:
    root = answer(every, "fo01", fate, context)
    body = root.find("stuf:body", NAMES)
    assert body is not None
    assert [etree.QName(child).localname for child in body] == ["code", "plek", "omschrijving"]
    assert all((child.text or "").strip() for child in body)


@pytest.mark.parametrize(("name", "fate"), [("bv01", "handled"), ("fo01", "refused"), ("fo03", "reused")])
def test_an_answer_read_again_speaks_of_the_same_message(
    every: MappingSet, context: Context, name: str, fate: str
) -> None:
    program = every.named(name)
    assert program is not None
    mapped = run_mapping(program, answer(every, name, fate, context), context=context)
    assert isinstance(mapped, Mapped)
    assert mapped.findings == ()
    assert mapped.answer is not None
    assert mapped.answer.about == "zm-1"


def test_an_answer_that_could_name_no_message_is_not_made(every: MappingSet, context: Context) -> None:
    program = every.named("fo01")
    assert program is not None
    made = compose_answer(program, Answer(about="", outcome="refused"), ref=REF, context=context)
    assert isinstance(made, Rejected)
    assert [finding.rule for finding in made.findings] == ["M902"]


@pytest.mark.parametrize("name", ["bv03", "bv04", "vt-melding"])
def test_what_is_no_technical_answer_to_be_sent_composes_none(
    every: MappingSet, context: Context, name: str
) -> None:
    program = every.named(name)
    assert program is not None
    made = compose_answer(program, Answer(about="zm-1", outcome="refused"), ref=REF, context=context)
    assert isinstance(made, Rejected)
    assert "M934" in {finding.rule for finding in made.findings}


def test_a_system_name_too_short_for_the_standard_is_told_and_nothing_is_made(
    every: MappingSet, context: Context
) -> None:
    program = every.named("bv01")
    assert program is not None
    short = replace(context, own={**context.own, "systeem": "vt"})
    made = compose_answer(program, Answer(about="zm-1", outcome="handled"), ref=REF, context=short)
    assert isinstance(made, Rejected)
    assert [finding.rule for finding in made.findings] == ["M932"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([(ANSWERS, "answers: {handled: bv1}")], "M410 there is no mapping bv1"),
        (
            [(ANSWERS, "answers: {handled: fo01}")],
            "M410 fo01 says refused, and handled needs one that says handled",
        ),
        (
            [(ANSWERS, "answers: {refused: bv01}")],
            "M410 bv01 says handled, and refused needs one that says refused",
        ),
        ([(ANSWERS, "answers: {reused: bv03}")], "M410 bv03 composes no technical answer"),
        ([(ANSWERS, "answers: {reused: vto}")], "M410 vto composes no technical answer"),
        ([(REFERENCE, "")], "M411 an answer names the message by its number"),
        (
            [("resource: referentie, remember: yes", "resource: referentie")],
            "M411 referentie is the reference number, and is not remembered",
        ),
    ],
)
def test_a_slip_in_what_is_answered_is_told(
    all_files: dict[str, str], changes: list[tuple[str, str]], says: str
) -> None:
    assert told(all_files, "zorgmelding", *changes) == [says]


def test_a_technical_answer_that_asks_for_an_answer_is_refused(all_files: dict[str, str]) -> None:
    more = "reference: {number: referentie}\nanswers: {handled: bv01}\nanswer: {about: kruis"
    assert told(all_files, "bv01", ("answer: {about: kruis", more)) == [
        "M410 a technical answer is not answered: it would never end"
    ]


def test_an_answer_without_an_action_cannot_be_sent(all_files: dict[str, str]) -> None:
    found = told(all_files, "bv01", ("  action:        {header: action, const: Bv01}\n", ""))
    assert set(found) == {"M410 bv01 says no action"}
    assert len(found) == 3


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "fate"),
    [("bv01", "handled"), *((name, fate) for name in ("fo01", "fo03") for fate in Fate if fate != "handled")],
)
def test_the_schema_of_the_standard_accepts_every_answer(
    every: MappingSet, context: Context, shared: Path, name: str, fate: str
) -> None:
    path = shared / "stuf-jz" / "xsd" / "jz0100" / "jz0100_msg_totaal.xsd"
    etree.XMLSchema(etree.parse(str(path))).assertValid(answer(every, name, fate, context))
