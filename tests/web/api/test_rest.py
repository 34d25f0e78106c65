"""The REST rules on every path: problems, headers, methods, media types, health and the documents."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from bridge.config import Settings
from bridge.demo import HUB
from bridge.errors import ConfigError, StoreUnavailable
from bridge.hub.profile import default_profile
from bridge.store.blobs import put_blob
from bridge.store.events import add_event
from bridge.store.rows import Direction, Event, EventState
from bridge.store.sealing import MasterKeys
from bridge.store.unit import Store
from bridge.web.api.app import api_tls
from bridge.web.api.problem import API_VERSION
from tests.web.api.conftest import RESOURCE, Api, OpenApi, make_settings

LOOKUP = f"/inzage/melding/{RESOURCE}"
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PLACES = [
    ("GET", LOOKUP, 200),
    ("GET", "/nergens", 404),
    ("GET", "/events/", 404),
    ("GET", "/events", 405),
    ("DELETE", LOOKUP, 405),
    ("POST", "/health", 405),
    ("GET", "/status/onbekend", 404),
    ("GET", "/health", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/asyncapi.json", 200),
    ("POST", "/events", 415),
]


@pytest.mark.parametrize("base", ["", "/v1"])
@pytest.mark.parametrize(("method", "path", "status"), PLACES)
@pytest.mark.rule("SOH-144", "SOH-148", "SOH-149", "SOH-151", "SOH-143")
async def test_every_answer_has_the_headers_and_every_error_is_a_problem(
    api: Api, base: str, method: str, path: str, status: int
) -> None:
    answer = await api.call(method, base + path)

    assert answer.status == status
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert answer.headers["API-Version"] == API_VERSION
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    assert "aiohttp" not in str(answer.headers)
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == status
        assert answer.json["title"] and answer.json["detail"]


async def _raw(api: Api, octets: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer to octets that no HTTP client would send."""
    port = int(api.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("localhost", port, ssl=api.client_context(HUB.stem))
    writer.write(octets)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"geheim\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: geheim\r\n\r\n", 400),
    ],
    ids=["long header", "no http", "odd length"],
)
@pytest.mark.rule("SOH-144", "SOH-151")
async def test_http_that_cannot_be_parsed_is_a_problem_too(api: Api, octets: bytes, status: int) -> None:
    head, body = await _raw(api, octets)

    assert json.loads(body)["status"] == status
    assert b"application/problem+json" in head
    assert f"API-Version: {API_VERSION}".encode() in head
    assert b"geheim" not in body
    assert b"aiohttp" not in head


@pytest.mark.rule("SOH-142")
async def test_405_says_what_is_allowed(api: Api) -> None:
    assert (await api.call("DELETE", "/events")).headers["Allow"] == "OPTIONS,POST"
    assert (await api.call("PUT", LOOKUP)).headers["Allow"] == "GET"


@pytest.mark.rule("SOH-141", "SOH-109")
async def test_a_trailing_slash_is_not_found_and_not_redirected(api: Api) -> None:
    for path in ("/events/", f"{LOOKUP}/", "/health/", "/openapi.json/"):
        assert (await api.get(path)).status == 404


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("*/*, application/json;q=0", 406),
    ],
)
@pytest.mark.rule("SOH-152")
async def test_an_answer_that_the_client_does_not_take_is_406(api: Api, accept: str, status: int) -> None:
    assert (await api.get(LOOKUP, headers={"Accept": accept})).status == status


@pytest.mark.rule("SOH-143")
async def test_a_surprise_shows_nothing_of_the_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise() -> None:
        raise RuntimeError("geheim pad /var/lib")

    api.bridge.now = surprise  # type: ignore[assignment,return-value]

    answer = await api.get(LOOKUP)

    assert answer.status == 500
    assert b"geheim" not in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.rule("SOH-151")
async def test_web_pages_of_the_list_may_read_and_others_not(start: OpenApi) -> None:
    async with start(api_listener={"cors_origins": ["https://portaal.example.nl"]}) as api:
        mine = await api.get("/health", headers={"Origin": "https://portaal.example.nl"})
        other = await api.get("/health", headers={"Origin": "https://evil.example"})

    assert mine.headers["Access-Control-Allow-Origin"] == "https://portaal.example.nl"
    assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.rule("SOH-153")
def test_production_takes_no_plain_http(tmp_path: Any) -> None:
    settings = make_settings(tmp_path, production=True)

    with pytest.raises(ConfigError, match="SOH-153"):
        api_tls(settings)


# -- health -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("SOH-156", "SOH-157")
async def test_a_healthy_bridge_says_so_and_its_parts_only_to_those_it_knows(api: Api) -> None:
    known, stranger = await api.get("/health"), await api.get("/health", as_=None)

    assert (known.status, stranger.json) == (200, {"status": "healthy"})
    assert {part["naam"] for part in known.json["componenten"]} == {"opslag", "hub", "werkvoorraad"}


@pytest.mark.rule("SOH-156", "SOH-157")
async def test_without_its_store_the_bridge_is_not_healthy_but_alive(api: Api) -> None:
    api.bridge.store.close()

    health, live, ready = [await api.get(path) for path in ("/health", "/health/live", "/health/ready")]

    assert (health.status, live.status, ready.status) == (503, 200, 503)
    assert health.json["gezondheid"] == "unhealthy"
    assert health.json["componenten"][0]["naam"] == "opslag"
    assert "sqlite" not in health.body.decode()


@pytest.mark.rule("SOH-156", "SOH-157")
async def test_a_process_without_the_key_of_the_store_says_so(api: Api) -> None:
    Store.open(api.bridge.store.url, masters=MasterKeys(current=b"k" * 32)).close()
    with pytest.raises(StoreUnavailable):
        await api.bridge.store.write(lambda tx: put_blob(tx, b"x"))

    health = await api.get("/health")

    assert (health.status, health.json["componenten"][0]["naam"]) == (503, "opslag")
    assert "sleutel" in health.json["componenten"][0]["reden"]


@pytest.mark.rule("SOH-156")
async def test_a_hub_that_does_not_answer_degrades(api: Api) -> None:
    at = api.clock() - timedelta(minutes=10)
    event = Event(
        key=api.bridge.new_key(),
        exchange=api.bridge.new_key(),
        direction=Direction.OUT,
        source="urn:x",
        id="1",  # type: ignore[arg-type]
        type="beheer.contactpunt-gewijzigd",
        time="2026-11-23T20:53:27Z",
        state=EventState.UNKNOWN,
        body=b"{}",
        at=at,
        changed_at=at,
    )
    await api.bridge.store.write(lambda tx: add_event(tx, event))

    answer = await api.get("/health")

    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert [p["naam"] for p in answer.json["componenten"] if p["status"] == "degraded"] == ["hub"]


# -- documents --------------------------------------------------------------------------------------------------


@pytest.mark.rule("SOH-147", "SOH-148", "SOH-150", "SOH-176")
async def test_the_openapi_document_is_public_and_valid(api: Api) -> None:
    answer = await api.get("/v1/openapi.json", as_=None)

    document = answer.json
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert document["info"]["version"] == answer.headers["API-Version"]
    assert set(document["info"]["contact"]) == {"name", "url", "email"}
    assert "changelog" in document["info"]["description"].lower()
    assert document["servers"][0]["url"].endswith("/v1")


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for item in value.values() for ref in _references(item)]
    return [ref for item in value for ref in _references(item)] if isinstance(value, list) else []


def _resolve(document: Any, reference: str) -> Any:
    place = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step.replace("~1", "/").replace("~0", "~")]
    return place


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json"])
@pytest.mark.rule("SOH-147", "SOH-155")
async def test_every_reference_of_a_document_resolves(api: Api, path: str) -> None:
    document = (await api.get(path, as_=None)).json

    found = _references(document)

    assert found
    assert all(_resolve(document, reference) for reference in found)


@pytest.mark.rule("SOH-155")
async def test_the_asyncapi_document_lists_every_type_with_a_sound_schema(api: Api) -> None:
    document = (await api.get("/asyncapi.json", as_=None)).json

    messages = document["components"]["messages"]
    assert document["asyncapi"] == "3.0.0"
    assert {one["name"] for one in messages.values()} == {kind.type for kind in default_profile().types}
    for message in messages.values():
        Draft202012Validator.check_schema(message["payload"])
        assert message["payload"]["properties"]["type"] == {"const": message["name"]}
    assert {one["action"] for one in document["operations"].values()} == {"send", "receive"}


_NAME = "^[A-Za-z0-9_.-]+$"
_REF = {"type": "object", "required": ["$ref"], "properties": {"$ref": {"type": "string"}}}
ASYNCAPI: dict[str, Any] = {
    "type": "object",
    "required": ["asyncapi", "info"],
    "propertyNames": {
        "pattern": "^(asyncapi|id|info|servers|defaultContentType|channels|operations|components|x-.*)$"
    },
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "servers": {
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {
                "type": "object",
                "required": ["host", "protocol"],
                "properties": {"host": {"type": "string"}, "protocol": {"type": "string"}, "pathname": {}},
                "additionalProperties": False,
            },
        },
        "channels": {
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {
                "type": "object",
                "required": ["address"],
                "additionalProperties": False,
                "properties": {
                    "address": {"type": ["string", "null"]},
                    "description": {"type": "string"},
                    "servers": {"type": "array", "items": _REF},
                    "messages": {"propertyNames": {"pattern": _NAME}, "additionalProperties": _REF},
                },
            },
        },
        "operations": {
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "properties": {"action": {"enum": ["send", "receive"]}, "channel": _REF, "bindings": {}},
                "additionalProperties": False,
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "messages": {
                    "propertyNames": {"pattern": _NAME},
                    "additionalProperties": {
                        "type": "object",
                        "required": ["name", "payload", "contentType"],
                        "properties": {
                            "name": {"type": "string"},
                            "title": {"type": "string"},
                            "summary": {"type": "string"},
                            "contentType": {"type": "string"},
                            "payload": {"type": "object"},
                            "bindings": {"type": "object"},
                        },
                        "additionalProperties": False,
                    },
                }
            },
        },
    },
}
"""What AsyncAPI 3.0 demands of the parts that the document has; no validator of it is packaged for Python.

The document was tried by hand with `@asyncapi/parser` and with schema 3.0.0 of `@asyncapi/specs` by Ajv: neither finds
a fault, the parser only notes that there is a version 3.1. Where it allows no other members, neither does this.
"""


@pytest.mark.rule("SOH-155")
async def test_the_asyncapi_document_has_the_shape_of_its_specification(api: Api) -> None:
    document = (await api.get("/asyncapi.json", as_=None)).json

    Draft202012Validator(ASYNCAPI).validate(document)
    for channel in document["channels"].values():
        assert all(one["$ref"].startswith("#/servers/") for one in channel["servers"])
        assert all(one["$ref"].startswith("#/components/messages/") for one in channel["messages"].values())
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


@pytest.mark.rule("SOH-141", "SOH-154")
async def test_paths_and_parameters_follow_the_naming_rules(api: Api) -> None:
    document = (await api.get("/openapi.json", as_=None)).json

    for path, methods in document["paths"].items():
        assert not path.endswith("/")
        for operation in methods.values():
            assert operation["summary"][0].isupper()
            assert operation["description"].endswith(".")
            for parameter in operation.get("parameters", []):
                assert parameter["in"] == "header" or parameter["name"][0].islower()


async def test_an_answer_is_what_the_document_says(api: Api) -> None:
    document = (await api.get("/openapi.json", as_=None)).json
    schemas = document["components"]["schemas"]

    for path, name in ((LOOKUP, "Weergave"), ("/health", "Gezondheid"), ("/nergens", "Probleem")):
        Draft202012Validator(schemas[name]).validate((await api.get(path)).json)


def test_settings_of_the_listener_have_a_description_each() -> None:
    listener: Any = Settings.model_fields["api_listener"].annotation

    assert all(field.description for name, field in listener.model_fields.items() if name != "tls")
