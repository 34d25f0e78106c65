"""Lists at the source: pages of what a caller may know of, filtered, and nothing about the rest."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from bridge.demo import BRIDGE, HUB, POLICE
from bridge.hub.event import write_time
from bridge.store.rows import AccessOutcome
from tests.web.api.conftest import (
    BSN,
    Api,
    OpenApi,
    Pdp,
    accesses,
    events,
    everything_for,
    keep,
    processing,
)

LIST = "/v1/inzage/melding"


def fill(api: Api, count: int, *, owner: str = POLICE.oin) -> list[str]:
    """Resources a minute apart, oldest first; their identifiers."""
    ids = []
    for _ in range(count):
        api.clock.forward(minutes=1)
        ids.append(str(uuid.uuid4()))
        keep(api.bridge, id=ids[-1], owner=owner)
    return ids


async def walk(api: Api, path: str, **more: Any) -> list[list[str]]:
    """The identifiers on each page, following `volgende` to the end."""
    pages: list[list[str]] = []
    while True:
        answer = await api.get(path, **more)
        assert answer.status == 200, answer.body
        pages.append([one["id"].rpartition(":")[2] for one in answer.json["resultaten"]])
        if "volgende" not in answer.json:
            assert "Link" not in answer.headers
            return pages
        assert answer.headers["Link"] == f'<{answer.json["volgende"]}>; rel="next"'
        path = answer.json["volgende"]


async def test_pages_give_each_resource_once_newest_first(start: OpenApi) -> None:
    async with start() as api:
        ids = fill(api, 7)

        pages = await walk(api, f"{LIST}?paginaGrootte=3")

        assert [len(page) for page in pages] == [3, 3, 1]
        assert [one for page in pages for one in page] == ids[::-1]


@pytest.mark.rule("SOH-115", "SOH-128")
async def test_an_item_says_nothing_about_a_person_and_where_it_can_be_looked_up(start: OpenApi) -> None:
    async with start() as api:
        [id] = fill(api, 1)

        answer = await api.get(LIST)

        [item] = answer.json["resultaten"]
        assert item["niveau"] == 0
        assert item["inzageUrl"] == f"https://brug.example.nl/inzage/melding/{id}"
        assert BSN not in answer.body.decode()
        assert "betrokkenen" not in item


async def test_what_was_added_meanwhile_shifts_nothing(start: OpenApi) -> None:
    async with start() as api:
        ids = fill(api, 4)
        first = (await api.get(f"{LIST}?paginaGrootte=2")).json
        fill(api, 2)

        [rest] = await walk(api, first["volgende"])

        assert rest == ids[1::-1]


async def test_filters_narrow_the_list(start: OpenApi) -> None:
    async with start() as api:
        begin = api.clock()
        mine, theirs = fill(api, 3), fill(api, 1, owner=BRIDGE.oin)
        second = quote(write_time(begin + timedelta(minutes=2)))
        third = quote(write_time(begin + timedelta(minutes=3)))

        assert await walk(api, f"{LIST}?beschikbaarVanaf={second}&beschikbaarTot={third}") == [[mine[1]]]
        assert await walk(api, f"{LIST}?bronhouder={BRIDGE.oin}") == [theirs]
        assert await walk(api, f"{LIST}?geldigOp={second}") == [[mine[1], mine[0]]]
        assert await walk(api, "/v1/inzage/bekendheid") == [[]]


@pytest.mark.rule("SOH-121", "SOH-122")
async def test_each_resource_is_decided_on_and_written_down(start: OpenApi) -> None:
    rule = everything_for(HUB.oin, owners=[POLICE.oin])
    async with start(inzage={"rules": [rule]}) as api:
        mine, theirs = fill(api, 2), fill(api, 2, owner=BRIDGE.oin)

        assert await walk(api, LIST) == [mine[::-1]]

        outcomes = {access.id: access.outcome for access in accesses(api.bridge)}
        assert outcomes == dict.fromkeys(mine, AccessOutcome.ALLOWED) | dict.fromkeys(
            theirs, AccessOutcome.DENIED
        )
        assert [line.name for line in processing(api.bridge)] == ["inzage-lijst"]
        assert events(api.bridge) == ()


@pytest.mark.rule("SOH-132")
async def test_who_may_see_nothing_gets_the_list_of_a_type_that_has_nothing(start: OpenApi) -> None:
    async with start(inzage={"rules": []}) as api:
        nothing = await api.get(LIST)
        fill(api, 3)

        assert (await api.get(LIST)).body == nothing.body


async def test_a_page_of_what_may_not_be_known_leads_on_without_telling_it(start: OpenApi) -> None:
    rule = everything_for(HUB.oin, owners=[POLICE.oin])
    async with start(inzage={"rules": [rule]}) as api:
        mine = fill(api, 1)
        hidden = fill(api, 205, owner=BRIDGE.oin)

        first = await api.get(LIST)
        pages = await walk(api, LIST)

        assert pages == [[], mine]
        assert not any(id in first.body.decode() for id in hidden)


async def test_the_place_of_one_reader_is_worth_nothing_to_another(start: OpenApi) -> None:
    async with start(inzage={"rules": [everything_for("*")]}) as api:
        fill(api, 3)
        following = (await api.get(f"{LIST}?paginaGrootte=1")).json["volgende"]

        answer = await api.get(following, as_=POLICE.stem)

        assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "query/na")


@pytest.mark.rule("SOH-145", "SOH-146")
async def test_every_fault_of_the_query_is_told_at_once(api: Api) -> None:
    answer = await api.get(f"{LIST}?paginaGrootte=101&na=zomaar&beschikbaarVanaf=gisteren&bronhouder={BSN}")

    assert answer.status == 400
    assert {error["pointer"] for error in answer.json["errors"]} == {
        "query/paginaGrootte",
        "query/na",
        "query/beschikbaarVanaf",
        "query/bronhouder",
    }


@pytest.mark.rule("SOH-32", "SOH-81")
async def test_there_is_no_search_on_a_person_in_the_address(api: Api) -> None:
    answer = await api.get(f"{LIST}?bsn={BSN}")

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "query/bsn")


@pytest.mark.rule("SOH-120")
async def test_without_a_decision_there_is_no_list(start: OpenApi, pdp: Pdp) -> None:
    pdp.status, pdp.answers = 500, [{}]
    async with start(inzage={"pdp": {"url": pdp.url}}) as api:
        fill(api, 2)

        assert (await api.get(LIST)).status == 503
        assert [access.outcome for access in accesses(api.bridge)] == [AccessOutcome.UNDECIDED]


@pytest.mark.rule("SOH-111")
async def test_without_a_certificate_there_is_no_list(api: Api) -> None:
    assert (await api.get(LIST, as_=None)).status == 401
