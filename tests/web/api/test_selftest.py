"""What a party can try by itself: an event that is only checked, and its connection step by step."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import HUB, POLICE
from bridge.hub.event import STRUCTURED
from bridge.store.exchanges import ExchangeFilter, list_exchanges
from tests.conftest import STRANGER
from tests.web.api.conftest import RESOURCE, Api, OpenApi, events, keep

HEADERS = {"Content-Type": STRUCTURED}
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7f0c1d3a-52f4-4b55-8a1f-0f6f1f3a1b11",
    "source": f"urn:nld:oin:{POLICE.oin}:systeem:bvh",
    "type": "beheer.contactpunt-gewijzigd",
    "time": "2026-11-23T20:53:27Z",
    "data": {"aantal": 1},
}


async def check(api: Api, members: dict[str, Any], **more: Any) -> Any:
    return await api.call("POST", "/test/events", headers=HEADERS, data=json.dumps(members), **more)


def steps(body: dict[str, Any]) -> dict[str, str]:
    return {step["stap"]: step["uitslag"] for step in body["stappen"]}


@pytest.mark.rule("SOH-160")
async def test_a_good_event_is_good_and_nothing_is_kept(api: Api) -> None:
    before = api.bridge.store.read_sync(lambda tx: list_exchanges(tx, ExchangeFilter()))
    answer = await check(api, EVENT)
    assert (answer.status, answer.json["inOrde"]) == (200, True)
    assert events(api.bridge) == ()
    assert api.bridge.store.read_sync(lambda tx: list_exchanges(tx, ExchangeFilter())) == before


@pytest.mark.rule("SOH-160")
async def test_a_broken_event_gets_the_same_rules_as_when_it_is_offered(api: Api) -> None:
    broken = EVENT | {"specversion": "0.3", "time": "gisteren", "type": "X"}
    checked = await check(api, broken)
    offered = await api.call("POST", "/events", headers=HEADERS, data=json.dumps(broken))
    assert (checked.status, checked.json["errors"]) == (offered.status, offered.json["errors"])
    assert len({error["rule"] for error in checked.json["errors"]}) >= 3


async def test_a_warning_is_told_and_is_no_refusal(api: Api) -> None:
    answer = await check(api, EVENT | {"eenheellangattribuutnaam": "x"})
    assert answer.status == 200
    assert "SOH-24" in [finding["rule"] for finding in answer.json["bevindingen"]]


async def test_checking_asks_for_a_certificate_and_counts_as_a_request(start: OpenApi) -> None:
    async with start(api_listener={"events_per_minute": 1}) as api:
        assert (await check(api, EVENT, as_=None)).status == 401
        assert (await check(api, EVENT)).status == 200
        assert (await check(api, EVENT)).status == 429


@pytest.mark.rule("SOH-158")
async def test_a_good_connection_is_good_at_every_step(api: Api) -> None:
    body = (await api.get("/test/connection", as_=POLICE.stem)).json
    assert body["inOrde"] is True
    assert steps(body) == {
        "certificaat": "goed",
        "token": "niet gevraagd",
        "scope": "niet gevraagd",
        "aanbieden": "goed",
        "diensten": "goed",
    }


@pytest.mark.rule("SOH-158")
async def test_without_a_certificate_that_is_the_step_that_fails(api: Api) -> None:
    answer = await api.get("/test/connection", as_=None)
    assert (answer.status, answer.json["inOrde"]) == (200, False)
    assert steps(answer.json) == {"certificaat": "fout"}


@pytest.mark.rule("SOH-158")
async def test_who_may_not_offer_events_is_told_so(api: Api) -> None:
    told = steps((await api.get("/test/connection", as_=STRANGER.stem)).json)
    assert (told["certificaat"], told["aanbieden"]) == ("goed", "fout")


GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.rule("SOH-159", "SOH-158", "SOH-176")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
async def test_the_tour_of_the_guide_runs_as_it_stands_there(api: Api, tmp_path: Path) -> None:
    """Connection, check with a test event back, offer, follow, list, look up: a participant types the same."""
    keep(api.bridge)
    script = GUIDE[GUIDE.index("## Try your connection") :].partition("```sh\n")[2].partition("```")[0]
    own = api.pki.credentials(HUB.stem)
    environment = {
        "PATH": os.environ["PATH"],
        "BRUG": api.url,
        "CERT": str(own.certificate),
        "KEY": str(own.key),
        "TRUST": str(api.pki.trust),
        "OIN": HUB.oin,
    }

    process = await asyncio.create_subprocess_exec(
        "sh",
        "-eu",
        "-c",
        script,
        env=environment,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    connection, checked, offered, status, listed, shown = [json.loads(line) for line in out.splitlines()]
    assert connection["inOrde"] is True
    assert checked["testgebeurtenis"]["causationid"] == offered["interactieId"]
    assert status["status"] in ("OK", "IN_PROGRESS")
    assert listed["resultaten"][0]["id"] == f"urn:melding:{RESOURCE}"
    assert shown["niveau"] == 0
