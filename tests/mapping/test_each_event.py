"""One event per item of a group, and one item per event on the way back."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from bridge.mapping.compose import compose_message
from bridge.mapping.context import Composed, Context, EventView, Mapped
from bridge.mapping.lint import lint_files
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.run import run_mapping

STANDARD = """
title: a small standard
prefixes: {a: "urn:a", stuf: "urn:stuf"}
privacy:
  "-": {level: 1, doc: nothing}
  zaak: {level: 1, doc: case}
  bsn: {level: 2, personal: yes, doc: number of a person}
"""
STRUCTURE = """
a:answers
  a:number 1 - zaak text
  a:answer 1..* - - group
    a:id 1 - zaak text
    a:person 0..* - - group
      a:bsn 1 - bsn bsn
"""
MAPPING = """
mapping: answers
version: 1
title: answers
direction: both
match:
  xml: {root: "a:answers"}
  event: {type: some-function.answer-given}
resource: {type: answers, key: "{number}"}
rows:
  number: {xml: "a:number", resource: number, missing: error}
each:
  answers:
    xml: "a:answer"
    resource: answers
    missing: error
    when: {any: [{row: id, equals: event/answer/identifier}, {not: event/answer/identifier}]}
    rows:
      id: {xml: "a:id", resource: id, missing: error, level: 0}
    each:
      persons:
        xml: "a:person"
        resource: persons
        missing: omit
        rows:
          bsn: {xml: "a:bsn", resource: bsn, as: bsn, missing: error}
graph:
  answer:  {each: answers, id: entity, class: Bekendheid, identifier: "{id}", betreft: ->person}
  person:  {each: answers/persons, id: person(bsn), class: Betrokkene, burgerservicenummer: "{bsn}"}
  giving:  {each: answers, id: activity, class: Beantwoorden, wasAssociatedWith: ->party}
  party:   {id: agent(header/from), class: Organisatie}
events:
  - type: some-function.answer-given
    each: answers
    subject: "answer/{id}"
    nodes: [answer, person, giving, party]
"""
MESSAGE = """
<a:answers xmlns:a="urn:a"><a:number>n-1</a:number>
  <a:answer><a:id>one</a:id><a:person><a:bsn>999990019</a:bsn></a:person></a:answer>
  <a:answer><a:id>two</a:id></a:answer>
  <a:answer><a:id>three</a:id><a:person><a:bsn>999990020</a:bsn></a:person>
    <a:person><a:bsn>012345672</a:bsn></a:person></a:answer>
</a:answers>
"""


@pytest.fixture(scope="module")
def small(files: dict[str, str]) -> dict[str, str]:
    return {
        "vocabulary.yaml": files["vocabulary.yaml"],
        "a/standard.yaml": STANDARD,
        "a/structure/answers.structure": STRUCTURE,
        "a/answers.map.yaml": MAPPING,
    }


@pytest.fixture(scope="module")
def made(small: dict[str, str]) -> MappingSet:
    return read_mapping_set(small)


@pytest.fixture
def answers(made: MappingSet, context: Context) -> Mapped:
    outcome = run_mapping(made.programs[0], etree.fromstring(MESSAGE), context=context)
    assert isinstance(outcome, Mapped), outcome
    return outcome


def numbers(data: dict[str, Any]) -> list[str]:
    return [n["soh:burgerservicenummer"] for n in data["@graph"] if "soh:burgerservicenummer" in n]


def test_each_item_is_an_event_about_itself(answers: Mapped) -> None:
    assert [event.subject for event in answers.events] == ["answer/one", "answer/two", "answer/three"]
    assert len({event.activity_id for event in answers.events}) == 3


def test_an_event_shows_only_the_persons_of_its_item(answers: Mapped) -> None:
    assert [numbers(e.data) for e in answers.events] == [["999990019"], [], ["999990020", "012345672"]]


def test_an_event_that_names_its_item_writes_that_item_only(
    made: MappingSet, answers: Mapped, context: Context
) -> None:
    assert answers.resource is not None
    written: list[list[str]] = []
    for draft in answers.events:
        view = EventView(type=draft.type, subject=draft.subject, time=draft.time, data=draft.data)
        outcome = compose_message(
            made.programs[0], view, resource=answers.resource.body, ref=None, context=context
        )
        assert isinstance(outcome, Composed)
        written.append([e.text or "" for e in etree.fromstring(outcome.payload).iter("{urn:a}id")])
    assert written == [["one"], ["two"], ["three"]]


def test_a_group_that_does_not_exist_is_told(small: dict[str, str]) -> None:
    wrong = {**small, "a/answers.map.yaml": MAPPING.replace("each: answers/persons", "each: answers/people")}
    assert "M240" in [found.code for found in lint_files(wrong)]


def test_a_row_of_an_item_is_not_seen_from_the_message(small: dict[str, str]) -> None:
    wrong = {**small, "a/answers.map.yaml": MAPPING.replace("    each: answers\n    subject", "    subject")}
    assert "M240" in [found.code for found in lint_files(wrong)]


def test_what_an_xpath_gives_may_not_stand_in_a_subject(small: dict[str, str]) -> None:
    row = "rows:\n  free: {read: {xpath: 'string(//a:bsn)', missing: error}}\n"
    text = MAPPING.replace("rows:\n", row, 1).replace('subject: "answer/{id}"', 'subject: "answer/{free}"')
    assert "M303" in [found.code for found in lint_files({**small, "a/answers.map.yaml": text})]
