"""Schemas of event data from a registry, which is a real server on loopback that answers from a table."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.cli.hub_wiring import make_sound_check
from bridge.flow.event_schemas import SchemaKeeper
from bridge.hub.client import HubClient, HubClientSettings
from bridge.hub.event import Event, make_event
from bridge.hub.profile import Mode, Profile, check_event
from bridge.hub.registry import MAX_SCHEMAS, SchemaRegistry
from tests.conftest import Clock

pytestmark = pytest.mark.rule("SOH-87")

NUMBER = {"type": "object", "properties": {"aantal": {"type": "integer"}}}
TEXT = {"type": "object", "properties": {"aantal": {"type": "string"}}}


@dataclass(slots=True)
class Registry:
    """Schemas by name, each with an ETag that its text gives; and what was asked."""

    schemas: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    base: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        response = self._answer(name, request.headers.get("If-None-Match"))
        self.asked.append((name, response.status))
        return response

    def _answer(self, name: str, known: str | None) -> web.Response:
        if name not in self.schemas:
            return web.Response(status=503)
        etag = f'"{len(json.dumps(self.schemas[name]))}"'
        if known == etag:
            return web.Response(status=304)
        return web.json_response(self.schemas[name], headers={"ETag": etag})


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    registry, app = Registry(), web.Application()
    app.router.add_get("/schemas/{name}", registry.answer)
    async with TestServer(app) as server:
        registry.base = str(server.make_url("/schemas"))
        yield registry


@dataclass(slots=True)
class Judge:
    """A profile with its keeper."""

    profile: Profile
    keeper: SchemaKeeper

    def findings(self, event: Event) -> dict[str, str]:
        found = check_event(event, Mode.RECEIVE, profile=self.profile)
        return {one.rule: str(one.level) for one in found if one.rule in ("SOH-20", "SOH-87")}


MakeJudge = Callable[..., Judge]


@pytest.fixture
async def make_judge(registry: Registry, clock: Clock) -> AsyncIterator[MakeJudge]:
    async with aiohttp.ClientSession() as session:

        def make(*, folder: Path | None = None, own: dict[str, Any] | None = None) -> Judge:
            settings = HubClientSettings(base_url="https://hub.example", registry_url=registry.base)
            checks = {uri: make_sound_check(document) for uri, document in (own or {}).items()}
            schemas = SchemaRegistry(checks, base=registry.base)
            keeper = SchemaKeeper(
                schemas,
                HubClient(session, settings, now=clock).get_schema,
                make_check=make_sound_check,
                now=clock,
                max_age=timedelta(hours=24),
                folder=folder,
            )
            return Judge(Profile(schemas=schemas), keeper)

        yield make


def event(schema: str, aantal: Any = "drie") -> Event:
    return make_event(
        id="0b2f1f6e-3f0e-4f57-9f0e-3f1d2c3b4a59",
        source="urn:nld:oin:00000001234567890000:systeem:zaaksysteem",
        type="beheer.contactpunt-gewijzigd",
        subject=None,
        time=datetime(2026, 1, 10, 12, tzinfo=UTC),
        data={"aantal": aantal},
        datacontenttype="application/json",
        dataschema=schema,
    )


async def test_data_is_judged_once_the_schema_that_it_names_is_there(
    registry: Registry, make_judge: MakeJudge
) -> None:
    registry.schemas["a"] = NUMBER
    judge, uri = make_judge(), f"{registry.base}/a"

    before = judge.findings(event(uri))
    await judge.keeper.look()

    assert before == {"SOH-87": "warning"}
    assert judge.findings(event(uri)) == {"SOH-20": "error"}
    assert judge.findings(event(uri, 3)) == {}


async def test_without_an_answer_events_go_on_with_a_warning(
    registry: Registry, make_judge: MakeJudge, clock: Clock
) -> None:
    judge, uri = make_judge(), f"{registry.base}/a"
    judge.findings(event(uri))

    await judge.keeper.look()
    await judge.keeper.look()

    assert judge.findings(event(uri)) == {"SOH-87": "warning"}
    assert registry.asked == [("a", 503)]
    registry.schemas["a"] = NUMBER
    clock.forward(minutes=6)
    await judge.keeper.look()
    assert judge.findings(event(uri)) == {"SOH-20": "error"}


@pytest.mark.parametrize("document", [{"type": "onzin"}, {"properties": 3}])
async def test_what_is_no_schema_is_not_taken(
    registry: Registry, make_judge: MakeJudge, document: dict[str, Any]
) -> None:
    registry.schemas["a"] = document
    judge, uri = make_judge(), f"{registry.base}/a"
    judge.findings(event(uri))

    await judge.keeper.look()

    assert judge.findings(event(uri)) == {"SOH-87": "warning"}


async def test_a_reference_to_elsewhere_is_not_fetched_and_judges_nothing(
    registry: Registry, make_judge: MakeJudge
) -> None:
    registry.schemas |= {"a": {"$ref": f"{registry.base}/b"}, "b": NUMBER}
    judge, uri = make_judge(), f"{registry.base}/a"
    judge.findings(event(uri))

    await judge.keeper.look()

    assert judge.findings(event(uri)) == {}
    assert registry.asked == [("a", 200)]


@pytest.mark.parametrize("document", [{"$ref": "#"}, {"properties": {"aantal": {"pattern": "("}}}])
async def test_a_schema_that_cannot_judge_refuses_nothing(
    registry: Registry, make_judge: MakeJudge, document: dict[str, Any]
) -> None:
    registry.schemas["a"] = document
    judge, uri = make_judge(), f"{registry.base}/a"
    judge.findings(event(uri))

    await judge.keeper.look()

    assert "SOH-20" not in judge.findings(event(uri))


async def test_an_offline_copy_wins_and_asks_nobody(registry: Registry, make_judge: MakeJudge) -> None:
    uri = f"{registry.base}/a"
    registry.schemas["a"] = TEXT
    judge = make_judge(own={uri: NUMBER})

    assert judge.findings(event(uri)) == {"SOH-20": "error"}
    await judge.keeper.look()

    assert registry.asked == []


async def test_after_its_age_a_schema_is_asked_for_again_and_a_change_is_followed(
    registry: Registry, make_judge: MakeJudge, clock: Clock
) -> None:
    registry.schemas["a"] = NUMBER
    judge, uri = make_judge(), f"{registry.base}/a"
    judge.findings(event(uri))
    await judge.keeper.look()

    clock.forward(hours=25)
    await judge.keeper.look()
    registry.schemas["a"] = TEXT
    clock.forward(hours=23)
    await judge.keeper.look()
    assert judge.findings(event(uri)) == {"SOH-20": "error"}
    clock.forward(hours=2)
    await judge.keeper.look()

    assert judge.findings(event(uri)) == {}
    assert registry.asked == [("a", 200), ("a", 304), ("a", 200)]


async def test_what_was_kept_on_disk_judges_from_the_start(
    registry: Registry, make_judge: MakeJudge, tmp_path: Path
) -> None:
    registry.schemas["a"] = NUMBER
    first, uri = make_judge(folder=tmp_path / "kept"), f"{registry.base}/a"
    first.findings(event(uri))
    await first.keeper.look()
    del registry.schemas["a"]

    second = make_judge(folder=tmp_path / "kept")
    at_once = second.findings(event(uri))
    await second.keeper.look()

    assert at_once == second.findings(event(uri)) == {"SOH-20": "error"}
    assert registry.asked == [("a", 200), ("a", 503)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"uri": "x", "etag": null, "document": 3}'])
async def test_a_spoiled_copy_on_disk_counts_as_not_there(
    make_judge: MakeJudge, registry: Registry, tmp_path: Path, text: str
) -> None:
    (tmp_path / "a.json").write_text(text)

    judge = make_judge(folder=tmp_path)

    assert judge.findings(event(f"{registry.base}/a")) == {"SOH-87": "warning"}


async def test_a_copy_on_disk_of_another_registry_is_not_used(make_judge: MakeJudge, tmp_path: Path) -> None:
    other = "https://elders.example/a"
    (tmp_path / "a.json").write_text(json.dumps({"uri": other, "etag": None, "document": NUMBER}))

    assert make_judge(folder=tmp_path).findings(event(other)) == {}


async def test_so_many_addresses_are_remembered_and_no_more(
    registry: Registry, make_judge: MakeJudge
) -> None:
    judge = make_judge()
    for number in range(MAX_SCHEMAS + 5):
        judge.findings(event(f"{registry.base}/{number}"))

    wanted = judge.profile.schemas.wanted

    assert len(wanted) == MAX_SCHEMAS
    assert wanted[-1] == f"{registry.base}/{MAX_SCHEMAS + 4}"
