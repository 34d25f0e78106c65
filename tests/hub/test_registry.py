"""Schemas of event data: offline copies, any validator, and what a registry answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridge.hub.answers import Answer, NoAnswer
from bridge.hub.event import Event
from bridge.hub.registry import (
    FLAT_OUTCOME,
    Check,
    FetchedSchema,
    NoSchema,
    Schema,
    SchemaRegistry,
    Unchanged,
    after_schema,
    check_flat_outcome,
)

URI = "https://schemas.example/melding/versions/1"


def make_check(document: Mapping[str, Any]) -> Check:
    validator = Draft202012Validator(document)
    return lambda data: tuple(
        "".join(f"/{step}" for step in e.absolute_path) for e in validator.iter_errors(data)
    )


def event_with(event: Event, data: Any, schema: str | None = URI) -> Event:
    attributes = {name: value for name, value in event.attributes.items() if name != "dataschema"}
    return replace(event, attributes=attributes | ({"dataschema": schema} if schema else {}), data=data)


@pytest.mark.rule("SOH-20", "SOH-87")
def test_an_offline_copy_judges_the_data_that_names_it(outcome_event: Event) -> None:
    document = {"type": "object", "properties": {"a": {"type": "integer"}}}
    registry = SchemaRegistry.from_schemas((Schema(uri=URI, document=document),), make_check)
    assert registry.knows(URI) and registry.knows(FLAT_OUTCOME)
    assert registry.check(event_with(outcome_event, {"a": "x"})) == ("/data/a",)
    assert registry.check(event_with(outcome_event, {"a": 1})) == ()
    assert registry.check(event_with(outcome_event, {"a": "x"}, None)) == ()


@pytest.mark.parametrize("data", [None, [], "x", {}, {"versie": 1}])
def test_what_is_not_flat_data_is_told(data: Any) -> None:
    assert check_flat_outcome(data) != ()


@pytest.mark.rule("SOH-87")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(status=200, headers=(("etag", '"1"'),), body=b"{}"), FetchedSchema(document={}, etag='"1"')),
        (Answer(status=304), Unchanged()),
    ],
)
def test_an_answer_of_the_registry_is_read(answer: Answer, expected: Any) -> None:
    assert after_schema(answer) == expected


@pytest.mark.rule("SOH-87")
@pytest.mark.parametrize("answer", [NoAnswer(reason="x"), Answer(status=404), Answer(status=200, body=b"[]")])
def test_a_registry_without_the_schema_stops_nothing(answer: Any) -> None:
    assert isinstance(after_schema(answer), NoSchema)
