"""One event per item of a group."""

from __future__ import annotations

import pytest
from lxml import etree

from bridge.mapping.compose import compose_message
from bridge.mapping.context import Composed, Context, EventView, Mapped
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.run import run_mapping

JZ = {"jz": "http://www.stufstandaarden.nl/koppelvlak/jz0100"}


@pytest.fixture(scope="module")
def every(all_files: dict[str, str]) -> MappingSet:
    return read_mapping_set(all_files)


@pytest.fixture
def answers(every: MappingSet, all_files: dict[str, str], context: Context) -> Mapped:
    root = etree.fromstring(all_files["stuf-jz/ucob.cases/thirteen.xml"].encode())
    program = every.named("ucob")
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped)
    return outcome


def test_each_item_is_an_event_with_an_activity_of_its_own(answers: Mapped) -> None:
    assert len(answers.events) == 13
    assert len({event.activity_id for event in answers.events}) == 13


def test_an_event_shows_only_the_person_of_its_item(answers: Mapped) -> None:
    for event in answers.events:
        persons = [n for n in event.data["@graph"] if "soh:Betrokkene" in n["@type"]]
        assert len(persons) <= 1


def test_an_event_that_names_its_item_writes_that_item_only(
    every: MappingSet, answers: Mapped, context: Context
) -> None:
    program = every.named("ucob")
    assert program is not None and answers.resource is not None
    draft = answers.events[4]
    view = EventView(type=draft.type, subject=draft.subject, time=draft.time, data=draft.data)
    outcome = compose_message(program, view, resource=answers.resource.body, ref=None, context=context)
    assert isinstance(outcome, Composed)
    numbers = etree.fromstring(outcome.payload).xpath("jz:object/jz:identificatie/text()", namespaces=JZ)
    assert numbers == [answers.resource.body["antwoorden"][4]["id"]]
