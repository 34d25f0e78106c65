"""What the served OpenAPI document promises, tried with made-up requests by schemathesis."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.generation import GenerationMode

from bridge.demo import HUB
from bridge.pki import Pki
from tests.conftest import Clock
from tests.web.api.conftest import keep, open_api

_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Served:
    """A listener in a thread of its own, and how to reach it."""

    url: str
    session: requests.Session

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = self.session.get(f"{self.url}/v1/openapi.json").json()
        return found


@pytest.fixture(scope="module")
def served(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    ready, stop = threading.Event(), threading.Event()
    found: list[str] = []

    async def serve(folder: Path) -> None:
        limits = {"events_per_minute": _MANY, "senders": [{"oin": HUB.oin, "any_source": True}]}
        inzage = {
            "requests_per_minute": _MANY,
            "rules": [{"name": "alles", "oins": [HUB.oin], "types": ["*"], "level": 2}],
        }
        async with open_api(folder, Clock(), pki, api_listener=limits, inzage=inzage) as api:
            keep(api.bridge)
            found.append(api.url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve(tmp_path_factory.mktemp("served"))))
    thread.start()
    assert ready.wait(20)
    own = pki.credentials(HUB.stem)
    with requests.Session() as session:
        session.trust_env = False
        session.cert = (str(own.certificate), str(own.key))
        session.verify = str(pki.trust)
        yield Served(found[0], session)
    stop.set()
    thread.join()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.rule("SOH-147", "SOH-142", "SOH-143")
def test_no_made_up_request_gets_an_answer_that_the_document_does_not_promise(
    served: Served, mode: GenerationMode
) -> None:
    document = served.document()
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == sum(len(methods) for methods in document["paths"].values())
    for operation in operations:
        _try(served, operation, mode)


def _try(served: Served, operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=20,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        assume(not _names_itself(case))
        case.call_and_validate(
            base_url=f"{served.url}/v1",
            session=served.session,
            verify=served.session.verify,
            cert=served.session.cert,
        )

    try:
        attempt()
    except Exception as error:
        if "Unsatisfiable" in type(error).__name__:
            return
        raise


def _names_itself(case: Any) -> bool:
    """Whether the event has its id as its subject: refused (SOH-21), which JSON Schema cannot say."""
    body = case.body
    return isinstance(body, dict) and "subject" in body and body["subject"] == body.get("id")


@pytest.mark.rule("SOH-21")
def test_an_event_whose_subject_is_its_id_is_refused_though_the_schema_cannot_say_so(served: Served) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:nld:oin:00000001999990056000:systeem:zaaksysteem",
        "type": "beheer.contactpunt-gewijzigd",
        "time": "2026-01-10T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {},
    }
    headers = {"Content-Type": "application/cloudevents+json"}
    post = partial(served.session.post, f"{served.url}/v1/test/events", headers=headers)
    other, itself = (post(data=json.dumps(event | {"subject": subject})) for subject in ("2", "1"))
    assert other.status_code == 200, other.text
    assert itself.status_code == 400
    assert [error["rule"] for error in itself.json()["errors"]] == ["SOH-21"]


def test_the_document_is_plain_json(served: Served) -> None:
    assert json.loads(json.dumps(served.document()))["openapi"] == "3.1.0"
