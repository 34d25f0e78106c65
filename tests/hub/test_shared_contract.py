"""The published OpenAPI schemas accept what we write, and we read what they give as examples."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from bridge.hub.event import Event, write_structured
from bridge.hub.profile import Mode, accept_structured, default_profile
from bridge.hub.pull import outcomes_body, outcomes_in
from bridge.hub.registry import FLAT_OUTCOME, check_flat_outcome

pytestmark = pytest.mark.shared


@pytest.fixture(scope="session")
def registry(shared_hub: Path) -> Registry[Any]:
    def retrieve(uri: str) -> Resource[Any]:
        content = yaml.safe_load((shared_hub / uri.removeprefix("hub:/")).read_text("utf-8"))
        return Resource.from_contents(content, default_specification=DRAFT202012)

    return Registry(retrieve=retrieve)  # type: ignore[call-arg]


def valid(registry: Registry[Any], ref: str, value: Any) -> bool:
    validator = Draft202012Validator({"$ref": f"hub:/{ref}"}, registry=registry)
    return validator.is_valid(value)


@pytest.mark.rule("SOH-13", "SOH-23", "SOH-67")
def test_a_written_event_satisfies_the_contract(registry: Registry[Any], outcome_event: Event) -> None:
    value = json.loads(write_structured(outcome_event))
    assert valid(registry, "AsynchroneInteracties.yaml#/components/schemas/CloudEvent", value)
    function = "UitwisselenUitkomstOverleg.yaml#/components/schemas/UitkomstBeschikbaarGesteldEvent"
    assert valid(registry, function, value)


@pytest.mark.rule("SOH-85")
def test_a_written_query_satisfies_the_contract(registry: Registry[Any]) -> None:
    value = json.loads(outcomes_body(bsn="999990019", since=datetime(2026, 1, 1, tzinfo=UTC)))
    assert valid(registry, "UitwisselenUitkomstOverleg.yaml#/components/schemas/QueryRequest", value)


@pytest.mark.rule("SOH-47", "SOH-57", "SOH-86")
def test_the_published_examples_are_read(shared_hub: Path) -> None:
    document = yaml.safe_load((shared_hub / "UitwisselenUitkomstOverleg.yaml").read_text("utf-8"))
    schemas, examples = document["components"]["schemas"], document["components"]["examples"]
    events = [examples["UitkomstBeschikbaarGesteldVoorbeeld"]["value"]]
    for name in ("UitkomstBeschikbaarGesteldEvent", "UitkomstIngezienEvent"):
        events += schemas[name]["examples"]
    for event in events:
        read, findings = accept_structured(
            json.dumps(event).encode(), Mode.RECEIVE, profile=default_profile()
        )
        assert read.id == event["id"] and findings
    found = outcomes_in(examples["UitkomstOverlegQueryResultaat"]["value"])
    assert found is not None and found.results[0].inzage_url is None


@pytest.mark.rule("SOH-20")
@pytest.mark.parametrize(
    "data",
    [
        {"datumPublicatie": "2026-01-10T12:00:00Z", "versie": "1", "url": "https://x.example/1"},
        {"datumPublicatie": "2026-01-10T12:00:00Z", "versie": "", "url": "https://x.example/1"},
        {"versie": "1", "url": "https://x.example/1"},
        {"datumPublicatie": "2026-01-10T12:00:00Z", "versie": "1", "url": "https://x.example/1", "nog": 1},
        {"@context": {}, "@graph": []},
    ],
)
def test_our_check_of_the_flat_schema_agrees_with_the_published_one(shared_hub: Path, data: Any) -> None:
    document = json.loads((shared_hub / "uitkomst-overleg.json").read_text("utf-8"))
    schema = document["$defs"][FLAT_OUTCOME.partition("#")[2]]
    assert Draft202012Validator(schema).is_valid(data) is (check_flat_outcome(data) == ())
