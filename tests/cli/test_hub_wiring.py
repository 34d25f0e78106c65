"""What the settings of the hub make of its client and its profile, tried against a hub that keeps what it gets."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.cli.hub_wiring import hub_client, hub_profile
from bridge.config import HubSettings
from bridge.errors import ConfigError
from bridge.hub.client import HubClient
from bridge.hub.event import make_event, write_structured
from bridge.hub.profile import Mode, check_event, source_of

EVENT = make_event(
    id="0b2f1f6e-3f0e-4f57-9f0e-3f1d2c3b4a59",
    source="urn:nld:oin:00000001234567890000:systeem:zaaksysteem",
    type="beheer.contactpunt-gewijzigd",
    subject=None,
    time=datetime(2026, 1, 10, 12, tzinfo=UTC),
    data={"contactpunt": "beheer@example.nl"},
    datacontenttype="application/json",
)


class Hub:
    """Answers 202 to every offer and gives out tokens."""

    def __init__(self) -> None:
        self.offers: list[tuple[dict[str, str], bytes]] = []
        self.forms: list[dict[str, str]] = []
        self.given: list[str] = []
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        claims = json.dumps({"sub": self.forms[-1].get("requested_subject"), "jti": str(len(self.forms))})
        token = f"e30.{base64.urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.c2ln"
        self.given.append(token)
        return web.json_response({"access_token": token, "token_type": "Bearer"})

    async def take(self, request: web.Request) -> web.Response:
        self.offers.append((dict(request.headers), await request.read()))
        return web.json_response({"interactieId": EVENT.id}, status=202)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub, app = Hub(), web.Application()
    app.router.add_post("/token", hub.token)
    app.router.add_post("/events", hub.take)
    async with TestServer(app, host="127.0.0.1") as server:
        hub.url = str(server.make_url("")).rstrip("/")
        yield hub


def settings_of(hub: Hub, **changes: Any) -> HubSettings:
    return HubSettings.model_validate({"base_url": hub.url, **changes}, context={"folder": Path()})


def with_token(hub: Hub) -> dict[str, str]:
    return {
        "endpoint": f"{hub.url}/token",
        "client_id": "00000001999990056000",
        "scope": "events:write",
        "audience": "https://hub.example",
        "represented": "00000001999990032000",
    }


async def offer_with(hub: Hub, **changes: Any) -> tuple[dict[str, str], bytes]:
    async with aiohttp.ClientSession() as session:
        client: HubClient = hub_client(
            session,
            settings_of(hub, **changes),
            now=lambda: datetime(2026, 1, 10, 12, tzinfo=UTC),
            new_transaction_id=lambda: "01936a2b-7c3d-7000-8000-000000000001",
        )
        for _ in range(2):
            await client.offer(write_structured(EVENT), event_id=EVENT.id)
    return hub.offers[-1]


@pytest.mark.rule("SOH-93")
async def test_by_default_the_certificate_is_enough(hub: Hub) -> None:
    headers, body = await offer_with(hub)
    assert "Authorization" not in headers
    assert (headers["Content-Type"], body) == ("application/cloudevents+json", write_structured(EVENT))


@pytest.mark.rule("SOH-88", "SOH-89", "SOH-91", "SOH-92")
async def test_with_oauth_one_token_is_asked_and_used_for_every_call(hub: Hub) -> None:
    headers, _ = await offer_with(hub, auth="oauth", token=with_token(hub))
    assert headers["Authorization"] == f"Bearer {hub.given[0]}"
    [form] = hub.forms
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "00000001999990056000",
        "scope": "events:write",
        "audience": "https://hub.example",
        "requested_subject": "00000001999990032000",
    }


async def test_through_an_outway_the_token_has_a_header_of_its_own(hub: Hub) -> None:
    headers, _ = await offer_with(hub, auth="fsc", token=with_token(hub))
    assert "Authorization" not in headers
    assert headers["Fsc-Authorization"] == f"Bearer {hub.given[0]}"
    assert headers["Fsc-Transaction-Id"] == "01936a2b-7c3d-7000-8000-000000000001"


@pytest.mark.parametrize("auth", ["oauth", "fsc"])
def test_a_token_that_is_not_described_is_told_at_start(auth: str) -> None:
    with pytest.raises(ValueError, match="needs a section token"):
        HubSettings.model_validate({"base_url": "https://hub.example", "auth": auth})


@pytest.mark.rule("SOH-103")
async def test_in_binary_mode_the_attributes_are_headers_and_the_data_is_the_body(hub: Hub) -> None:
    headers, body = await offer_with(hub, mode="binary")
    assert headers["Content-Type"] == "application/json"
    assert (headers["ce-id"], headers["ce-specversion"], headers["ce-type"]) == (EVENT.id, "1.0", EVENT.type)
    assert json.loads(body) == EVENT.data


@pytest.mark.rule("SOH-20", "SOH-87")
def test_data_is_judged_by_the_copy_of_its_schema(hub: Hub, tmp_path: Path) -> None:
    uri = "https://schema.example/contactpunt/versions/2"
    copy = tmp_path / "contactpunt.json"
    copy.write_text('{"type": "object", "properties": {"contactpunt": {"type": "string", "maxLength": 5}}}')
    profile = hub_profile(settings_of(hub, schemas=[{"uri": uri, "file": copy}]))
    named = make_event(
        id=EVENT.id,
        source=EVENT.source,
        type=EVENT.type,
        subject=None,
        time=datetime(2026, 1, 10, 12, tzinfo=UTC),
        data={"contactpunt": "beheer@example.nl"},
        dataschema=uri,
        datacontenttype="application/json",
    )
    found = [(one.rule, one.where) for one in check_event(named, Mode.PUBLISH, profile=profile)]
    assert found == [("SOH-20", "/data/contactpunt")]


def test_a_copy_that_is_no_schema_is_told_at_start(hub: Hub, tmp_path: Path) -> None:
    copy = tmp_path / "broken.json"
    copy.write_text('{"type": 7}')
    with pytest.raises(ConfigError, match=r"broken\.json is no JSON Schema"):
        hub_profile(settings_of(hub, schemas=[{"uri": "https://schema.example/1", "file": copy}]))


@pytest.mark.rule("SOH-08")
def test_the_form_of_the_source_can_be_chosen(hub: Hub) -> None:
    profile = hub_profile(settings_of(hub, source_template="/oin/{oin}/systeem/{naam}"))
    assert (
        source_of(profile, oin="00000001999990032000", system="BVH")
        == "/oin/00000001999990032000/systeem/bvh"
    )
    with pytest.raises(ConfigError, match="oin"):
        hub_profile(settings_of(hub, source_template="urn:x:{naam}"))
