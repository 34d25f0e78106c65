"""Lookup at the source over HTTP: what each caller sees, what is written down of it, and who is turned away."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from bridge.demo import HUB, POLICE
from bridge.hub.bsn import MASK
from bridge.hub.profile import Mode, check_event
from bridge.hub.reader import read_structured
from bridge.inzage.record import decrypt_subject, subject_cipher
from bridge.store.access import add_purged
from bridge.store.rows import AccessOutcome, EventState, PurgedResource
from tests.web.api.conftest import (
    BSN,
    CORRELATION,
    OTHER_BSN,
    RESOURCE,
    STRANGER,
    THIRD_BSN,
    Api,
    OpenApi,
    Pdp,
    accesses,
    events,
    everything_for,
    keep,
    processing,
)

PATH = f"/inzage/melding/{RESOURCE}"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-00"


@pytest.mark.rule("SOH-114")
async def test_the_plain_path_gives_the_richest_view_and_says_which(api: Api) -> None:
    answer = await api.get(PATH)

    assert answer.status == 200
    assert answer.json["niveau"] == 2
    assert answer.json["betrokkenen"][0]["geslachtsnaam"] == "Testpersoon"


@pytest.mark.rule("SOH-113")
async def test_the_three_views_share_identifier_and_version(api: Api) -> None:
    views = [(await api.get(f"{PATH}/niveau{level}")).json for level in (0, 1, 2)]

    assert {(view["id"], view["versie"]) for view in views} == {(f"urn:melding:{RESOURCE}", 1)}


@pytest.mark.rule("SOH-115")
async def test_level_0_and_1_hold_nothing_about_a_person(api: Api) -> None:
    level0, level1 = [await api.get(f"{PATH}/niveau{level}") for level in (0, 1)]

    assert set(level0.json) == {
        "id", "type", "niveau", "status", "versie", "beschikbaarGesteldOp", "bronhouder",
        "identificatie", "geregistreerdOp",
    }  # fmt: skip
    assert level1.json["incident"] == {"datum": "2026-11-20"}
    for text in (BSN, OTHER_BSN, THIRD_BSN, "Testpersoon", "verhaal"):
        assert text.encode() not in level0.body + level1.body


@pytest.mark.rule("SOH-127")
async def test_level_2_lists_what_the_source_left_empty(api: Api) -> None:
    assert (await api.get(PATH)).json["afwijkingen"] == [{"plaats": "incident/plaats", "reden": "leeg"}]


@pytest.mark.rule("SOH-112")
async def test_looking_twice_gives_the_same_and_changes_nothing(api: Api) -> None:
    first, second = await api.get(PATH), await api.get(PATH)

    assert (first.body, first.headers["ETag"]) == (second.body, second.headers["ETag"])


async def test_who_has_the_view_already_is_told_so(api: Api) -> None:
    etag = (await api.get(PATH)).headers["ETag"]

    answer = await api.get(PATH, headers={"If-None-Match": etag})

    assert (answer.status, answer.body) == (304, b"")
    assert len(events(api.bridge)) == 2


@pytest.mark.parametrize("base", ["", "/v1"])
@pytest.mark.parametrize("id", [RESOURCE, RESOURCE.upper(), quote(f"urn:melding:{RESOURCE}", safe="")])
@pytest.mark.rule("SOH-113", "SOH-149")
async def test_a_uuid_and_an_encoded_urn_lead_to_the_same(api: Api, base: str, id: str) -> None:
    answer = await api.get(f"{base}/inzage/melding/{id}/niveau0")

    assert answer.json["id"] == f"urn:melding:{RESOURCE}"


@pytest.mark.rule("SOH-114")
async def test_a_view_above_what_is_allowed_is_refused(start: OpenApi) -> None:
    async with start(inzage={"rules": [everything_for(HUB.oin, level=1)]}) as api:
        keep(api.bridge)
        richest, above = await api.get(PATH), await api.get(f"{PATH}/niveau2")

    assert (richest.status, richest.json["niveau"]) == (200, 1)
    assert above.status == 403


@pytest.mark.rule("SOH-132")
async def test_who_may_not_know_gets_the_answer_of_what_does_not_exist(api: Api) -> None:
    hidden = await api.get(PATH, as_=STRANGER.stem)
    absent = await api.get(PATH.replace("0b7e", "ffff"), as_=STRANGER.stem)

    assert (hidden.status, hidden.body) == (absent.status, absent.body) == (404, hidden.body)
    assert dict(hidden.headers, Date="") == dict(absent.headers, Date="")
    assert [access.outcome for access in accesses(api.bridge)] == [AccessOutcome.DENIED] * 6


@pytest.mark.rule("SOH-132")
async def test_an_exact_level_does_not_betray_existence_either(api: Api) -> None:
    hidden = await api.get(f"{PATH}/niveau2", as_=STRANGER.stem)
    absent = await api.get(f"{PATH.replace('0b7e', 'ffff')}/niveau2", as_=STRANGER.stem)

    assert (hidden.status, hidden.body) == (absent.status, absent.body) == (404, hidden.body)


async def test_without_rules_nobody_sees_anything(start: OpenApi) -> None:
    async with start(inzage={"rules": []}) as api:
        keep(api.bridge)
        answer = await api.get(PATH)

    assert answer.status == 404


async def test_a_rule_for_one_owner_does_not_open_data_of_another(start: OpenApi) -> None:
    rule = everything_for(HUB.oin, owners=[STRANGER.oin])
    async with start(inzage={"rules": [rule]}) as api:
        keep(api.bridge)
        answer = await api.get(PATH)

    assert answer.status == 404


@pytest.mark.rule("SOH-117")
async def test_without_a_certificate_there_is_no_lookup(api: Api) -> None:
    answer = await api.get(PATH, as_=None)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not accesses(api.bridge)


@pytest.mark.rule("SOH-117")
async def test_a_purpose_that_is_asked_must_be_given(start: OpenApi) -> None:
    async with start(inzage={"rules": [everything_for(HUB.oin, purposes=["jeugdbescherming"])]}) as api:
        keep(api.bridge)
        without = await api.get(PATH)
        absent = await api.get(PATH.replace("0b7e", "ffff"))
        wrong = await api.get(PATH, headers={"X-Doelbinding": "nieuwsgierigheid"})
        right = await api.get(PATH, headers={"X-Doelbinding": "jeugdbescherming"})
        logged = accesses(api.bridge)

    assert (without.status, wrong.status, right.status) == (403, 404, 200)
    assert without.body == absent.body
    assert logged[0].reason == "no purpose was given"


async def test_masked_places_show_stars(start: OpenApi) -> None:
    async with start(inzage={"rules": [everything_for(HUB.oin, masks=["betrokkenen/*/bsn"])]}) as api:
        keep(api.bridge)
        view = (await api.get(PATH)).json

    assert [one["bsn"] for one in view["betrokkenen"]] == [MASK, MASK]
    assert view["melder"]["burgerservicenummer"] == THIRD_BSN


# -- time travel ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["geldigOp", "peilmoment"])
@pytest.mark.rule("SOH-130")
async def test_an_earlier_moment_gives_what_was_shown_then(api: Api, name: str) -> None:
    before = await api.get(PATH)
    moment = api.clock().isoformat()
    api.clock.forward(hours=1)
    keep(api.bridge, body={"identificatie": "VT-2026-18"})

    after = await api.get(PATH)
    then = await api.get(f"{PATH}?{name}={quote(moment, safe='')}")

    assert (after.json["identificatie"], after.json["versie"]) == ("VT-2026-18", 2)
    assert (then.body, then.headers["ETag"]) == (before.body, before.headers["ETag"])


async def test_before_its_first_version_a_resource_is_not_there(api: Api) -> None:
    answer = await api.get(f"{PATH}?peilmoment=2020-01-01T00:00:00%2B01:00")

    assert answer.status == 404


@pytest.mark.rule("SOH-145", "SOH-146")
async def test_every_fault_of_the_query_is_told_at_once(api: Api) -> None:
    answer = await api.get(f"{PATH}?peilmoment=gisteren&onbekend=1")

    assert answer.status == 400
    assert {error["pointer"] for error in answer.json["errors"]} == {"query/peilmoment", "query/onbekend"}


async def test_after_its_retention_a_known_resource_is_gone(api: Api) -> None:
    gone = "11111111-0c40-5cf1-9d51-3f1b2a6c7d8e"
    purged = PurgedResource(type="melding", id=gone, owner=POLICE.oin, at=api.clock())  # type: ignore[arg-type]
    await api.bridge.store.write(lambda tx: add_purged(tx, purged))

    known = await api.get(f"/inzage/melding/{gone}")
    stranger = await api.get(f"/inzage/melding/{gone}", as_=STRANGER.stem)

    assert (known.status, stranger.status) == (410, 404)


# -- what is written down ---------------------------------------------------------------------------------------


@pytest.mark.rule("SOH-122", "SOH-123")
async def test_a_lookup_about_three_persons_writes_three_lines(api: Api) -> None:
    await api.get(PATH, headers={"traceparent": TRACEPARENT})

    lines = processing(api.bridge)
    cipher = subject_cipher(api.bridge.person_key)
    about = {decrypt_subject(cipher, line.subject_id_type or "", line.subject_id or "") for line in lines}
    assert about == {BSN, OTHER_BSN, THIRD_BSN}
    assert not any(BSN in repr(vars_of(line)) for line in lines)
    assert {line.trace_id for line in lines} == {TRACE}
    assert len({line.span_id for line in lines}) == 3
    assert {(line.status, line.name, line.subject_id_type) for line in lines} == {("Ok", "inzage", "bsn")}
    assert {line.activity_id for line in lines} == {api.bridge.settings.inzage.activity_url}


def vars_of(line: Any) -> dict[str, Any]:
    return {name: getattr(line, name) for name in line.__dataclass_fields__}


@pytest.mark.rule("SOH-122")
async def test_a_lookup_of_which_no_line_can_be_written_is_not_answered(api: Api) -> None:
    api.bridge.store.write_sync(lambda tx: tx.exec_driver_sql("ALTER TABLE processing_log RENAME TO gone"))

    answer = await api.get(PATH)

    assert answer.status in (500, 503)
    assert b"Testpersoon" not in answer.body
    assert not events(api.bridge)
    assert not accesses(api.bridge)


@pytest.mark.rule("SOH-121")
async def test_every_decision_is_written_down_allow_and_deny(api: Api) -> None:
    await api.get(f"{PATH}/niveau2")
    await api.get(f"{PATH}/niveau0", as_=STRANGER.stem)

    allowed, denied = accesses(api.bridge)
    assert (allowed.outcome, allowed.reader, allowed.level, allowed.policy) == (
        AccessOutcome.ALLOWED, HUB.oin, 2, "rules/alles",
    )  # fmt: skip
    assert (denied.outcome, denied.reader, denied.status) == (AccessOutcome.DENIED, STRANGER.oin, "Ok")
    assert BSN not in allowed.request + allowed.response


@pytest.mark.rule("SOH-125", "SOH-55")
async def test_each_answered_lookup_is_reported_with_who_looked(api: Api) -> None:
    await api.get(PATH)
    await api.get(PATH)

    made = events(api.bridge)
    bodies = [read_structured(event.body) for event in made]
    assert [event.type for event in made] == ["uitwisselen-melding.melding-ingezien"] * 2
    assert {event.state for event in made} == {EventState.CREATED}
    for body in bodies:
        assert isinstance(body.data, dict)
        assert body.data["raadpleger"] == HUB.oin
        assert [
            f for f in check_event(body, Mode.PUBLISH, profile=api.bridge.profile) if f.level == "error"
        ] == []
    activities = {
        node["@id"]
        for body in bodies
        for node in body.data["@graph"]  # type: ignore[index,call-overload]
        if "prov:Activity" in node["@type"]
    }
    assert len(activities) == 2
    assert {body.subject for body in bodies} == {f"melding/{RESOURCE}"}
    assert {body.attributes["correlationid"] for body in bodies} == {CORRELATION}


@pytest.mark.rule("SOH-126")
async def test_the_report_can_be_switched_off(start: OpenApi) -> None:
    async with start(inzage={"report": False}) as api:
        keep(api.bridge)
        answer = await api.get(PATH)
        made = events(api.bridge)

    assert (answer.status, made) == (200, ())


@pytest.mark.rule("SOH-125")
async def test_a_refused_lookup_is_not_reported(api: Api) -> None:
    await api.get(PATH, as_=STRANGER.stem)

    assert events(api.bridge) == ()


@pytest.mark.rule("SOH-124", "SOH-119")
async def test_one_trace_runs_through_request_decision_log_and_event(start: OpenApi, pdp: Pdp) -> None:
    pdp.answers = [{"decision": True}]
    async with start(inzage={"pdp": {"url": pdp.url}}) as api:
        keep(api.bridge)
        await api.get(PATH, headers={"traceparent": TRACEPARENT})
        (access,), (event,) = accesses(api.bridge), events(api.bridge)
        lines = processing(api.bridge)

    assert (access.trace_id, access.parent_id) == (TRACE, PARENT)
    assert pdp.asked[0]["context"]["traceparent"] == f"00-{TRACE}-{access.span_id}-00"
    assert pdp.headers[0]["traceparent"] == f"00-{TRACE}-{access.span_id}-00"
    assert read_structured(event.body).attributes["traceparent"] == f"00-{TRACE}-{access.span_id}-00"
    assert {line.parent_id for line in lines} == {access.span_id}


# -- an external decision point ---------------------------------------------------------------------------------


@pytest.mark.rule("SOH-118")
async def test_the_question_is_what_authzen_asks(start: OpenApi, pdp: Pdp) -> None:
    pdp.answers = [{"decision": True}]
    async with start(inzage={"pdp": {"url": pdp.url}}) as api:
        keep(api.bridge)
        await api.get(f"{PATH}/niveau1", headers={"X-Doelbinding": "zorg", "X-Casus": "C-1"})

    (asked,) = pdp.asked
    assert asked["subject"]["type"] == "organisatie"
    assert asked["subject"]["id"] == HUB.oin
    assert (asked["action"]["name"], asked["action"]["properties"]["niveau"]) == ("inzien", 1)
    assert asked["resource"]["id"] == f"urn:melding:{RESOURCE}"
    assert asked["resource"]["properties"]["bronhouder"] == POLICE.oin
    assert (asked["context"]["doelbinding"], asked["context"]["casus"]) == ("zorg", "C-1")
    assert BSN not in str(asked)


@pytest.mark.parametrize(
    "told", [{"decision": False}, {"decision": "true"}, {"decision": 1}, {"decision": None}]
)
@pytest.mark.rule("SOH-118")
async def test_anything_but_true_is_no(start: OpenApi, pdp: Pdp, told: Any) -> None:
    pdp.answers = [told]
    async with start(inzage={"pdp": {"url": pdp.url}}) as api:
        keep(api.bridge)
        answer = await api.get(PATH)

    assert answer.status == 404


@pytest.mark.parametrize("told", [{}, b"<html>", b'{"decision": true, "decision": true}', b"[true]"])
@pytest.mark.rule("SOH-120")
async def test_an_answer_without_decision_gives_503_and_no_data(start: OpenApi, pdp: Pdp, told: Any) -> None:
    pdp.answers = [told]
    async with start(inzage={"pdp": {"url": pdp.url}}) as api:
        keep(api.bridge)
        answer = await api.get(PATH)
        (access,) = accesses(api.bridge)

    assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    assert b"Testpersoon" not in answer.body
    assert (access.outcome, access.status) == (AccessOutcome.UNDECIDED, "Error")


@pytest.mark.rule("SOH-120")
async def test_a_decision_point_that_answers_500_or_is_late_or_away_gives_503(
    start: OpenApi, pdp: Pdp
) -> None:
    never = asyncio.Event()
    async with start(inzage={"pdp": {"url": pdp.url, "timeout_seconds": 0.2}}) as api:
        keep(api.bridge)
        pdp.status, pdp.answers = 500, [{"decision": True}]
        broken = await api.get(PATH)
        pdp.status, pdp.answers = 200, [never]
        late = await api.get(PATH)
        health = await api.get("/health")
        never.set()
    async with start(inzage={"pdp": {"url": "http://127.0.0.1:9"}}) as api:
        away = await api.get(PATH)

    assert (broken.status, late.status, away.status) == (503, 503, 503)
    assert health.json["status"] == "degraded"


async def test_a_decision_can_lower_the_level_and_mask(start: OpenApi, pdp: Pdp) -> None:
    pdp.answers = [{"decision": True, "context": {"niveau": 1, "maskeer": ["datum"]}}]
    async with start(inzage={"pdp": {"url": pdp.url}}) as api:
        keep(api.bridge)
        view = (await api.get(PATH)).json
        exact = await api.get(f"{PATH}/niveau2")

    assert (view["niveau"], view["incident"]) == (1, {"datum": MASK})
    assert exact.status == 403


async def test_an_obligation_that_is_not_known_is_no(start: OpenApi, pdp: Pdp) -> None:
    pdp.answers = [{"decision": True, "context": {"alleenOpPapier": True}}]
    async with start(inzage={"pdp": {"url": pdp.url}}) as api:
        keep(api.bridge)
        answer = await api.get(PATH)

    assert answer.status == 404


# -- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("SOH-131")
async def test_a_burst_of_one_organisation_does_not_slow_another(start: OpenApi) -> None:
    rules = [everything_for("*")]
    async with start(inzage={"rules": rules, "requests_per_minute": 2}) as api:
        keep(api.bridge)
        mine = [await api.get(PATH) for _ in range(3)]
        other = await api.get(PATH, as_=POLICE.stem)
        api.clock.forward(seconds=int(mine[2].headers["Retry-After"]))
        again = await api.get(PATH)

    assert [answer.status for answer in mine] == [200, 200, 429]
    assert (other.status, again.status) == (200, 200)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Client-Certificate", HUB.oin),
        ("X-Namens-OIN", HUB.oin),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-SSL-Client-S-DN", f"serialNumber={HUB.oin}"),
        ("Authorization", "Bearer e30.e30.e30"),
    ],
)
@pytest.mark.rule("SOH-117", "SOH-132")
async def test_no_header_makes_a_stranger_somebody_else(api: Api, name: str, value: str) -> None:
    forged = {name: value}

    nobody = await api.get(PATH, as_=None, headers=forged)
    stranger = await api.get(PATH, as_=STRANGER.stem, headers=forged)
    listed = await api.get("/inzage/melding", as_=STRANGER.stem, headers=forged)

    assert nobody.status == 401
    assert stranger.status == 404
    assert listed.json == {"resultaten": []}
    assert {access.reader for access in accesses(api.bridge)} == {STRANGER.oin}


@pytest.mark.parametrize(
    "path",
    [
        f"/inzage/melding/{RESOURCE[:-1]}0",
        f"/inzage/casusinformatie/{RESOURCE}",
        "/inzage/melding/1",
        "/inzage/melding/..%2F..%2Fhealth",
        f"/inzage/melding/urn:casusinformatie:{RESOURCE}",
        f"/inzage/MELDING/{RESOURCE}",
        f"/inzage/melding/{RESOURCE}/niveau3",
    ],
)
@pytest.mark.rule("SOH-132")
async def test_a_guessed_address_finds_nothing(api: Api, path: str) -> None:
    assert (await api.get(path)).status == 404
