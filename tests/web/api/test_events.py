"""Offering events and following them: what is taken, what is refused, and who may see what became of it."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest

from bridge.config import ApiListener
from bridge.demo import BRIDGE, HUB, POLICE
from bridge.flow.pull import keep_event
from bridge.hub.reader import read_structured
from bridge.ids import ConversationId, CpaId, Key, MessageId
from bridge.store.access import find_head
from bridge.store.events import find_event, set_event_state
from bridge.store.jobs import JobFilter, list_jobs
from bridge.store.messages import add_message
from bridge.store.rows import Direction, Event, EventState, Message, MessageState
from tests.web.api.conftest import STRANGER, Answer, Api, OpenApi, events, keep

SOURCE = f"urn:nld:oin:{POLICE.oin}:systeem:bvh"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}


def an_event(**changes: Any) -> dict[str, Any]:
    """A sound event about a framework fact, which holds no graph and no person."""
    members = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": SOURCE,
        "type": "beheer.contactpunt-gewijzigd",
        "time": "2026-11-23T20:53:27Z",
        "data": {"contactpunt": "beheer@example.nl"},
    }
    return members | changes


async def post(api: Api, members: Any, *, as_: str | None = POLICE.stem, **headers: str) -> Answer:
    return await api.call(
        "POST", "/events", as_=as_, data=json.dumps(members).encode(), headers=STRUCTURED | headers
    )


@pytest.mark.rule("SOH-95", "SOH-135")
async def test_an_event_is_stored_before_it_is_accepted(api: Api) -> None:
    members = an_event()

    answer = await post(api, members)

    assert answer.status == 202
    assert answer.json == {"interactieId": members["id"]}
    assert answer.headers["Location"] == f"/status/{members['id']}"
    (stored,) = events(api.bridge)
    assert (stored.id, stored.state, stored.direction) == (members["id"], EventState.RECEIVED, Direction.IN)


@pytest.mark.rule("SOH-98", "SOH-99")
async def test_binary_mode_gives_the_same_event(api: Api) -> None:
    members = an_event(subject="contactpunt/1", datacontenttype="application/json")
    headers = {f"ce-{n}": v for n, v in members.items() if n not in ("data", "datacontenttype")}

    answer = await api.call(
        "POST",
        "/v1/events",
        as_=POLICE.stem,
        data=json.dumps(members["data"]).encode(),
        headers=headers | {"Content-Type": "application/json"},
    )
    again = await post(api, members)

    assert (answer.status, again.status) == (202, 202)
    (stored,) = events(api.bridge)
    assert json.loads(stored.body) == members


async def test_the_same_event_again_gets_the_same_answer_and_is_kept_once(api: Api) -> None:
    members = an_event()

    first, second = await post(api, members), await post(api, dict(reversed(list(members.items()))))

    assert (first.status, first.body) == (second.status, second.body)
    assert len(events(api.bridge)) == 1


async def test_other_content_under_the_same_id_is_a_conflict(api: Api) -> None:
    members = an_event()
    await post(api, members)

    answer = await post(api, members | {"data": {"contactpunt": "iemand.anders@example.nl"}})

    assert answer.status == 409
    assert b"iemand.anders" not in events(api.bridge)[0].body


async def test_one_sender_cannot_use_an_id_for_two_events(api: Api) -> None:
    members = an_event()
    await post(api, members)

    answer = await post(api, members | {"source": f"{SOURCE}-2"})

    assert answer.status == 409
    assert len(events(api.bridge)) == 1


async def test_pull_and_webhook_together_give_no_doubles(api: Api) -> None:
    members = an_event()
    pulled = read_structured(json.dumps(members).encode())
    await api.bridge.store.write(lambda tx: keep_event(tx, api.bridge, pulled, api.clock()))

    answer = await post(api, members, as_=HUB.stem)

    assert answer.status == 202
    assert len(events(api.bridge)) == 1
    assert len(api.bridge.store.read_sync(lambda tx: list_jobs(tx, JobFilter(kind="compose")))) == 1


async def test_many_deliveries_at_once_are_kept_once(api: Api) -> None:
    members = an_event()

    answers = await asyncio.gather(*(post(api, members) for _ in range(8)))

    assert {answer.status for answer in answers} == {202}
    assert len(events(api.bridge)) == 1


# -- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("SOH-105", "SOH-145")
async def test_a_refusal_lists_every_broken_rule(api: Api) -> None:
    broken = an_event(specversion="0.3", type="Geen.Type", time="gisteren", data=[1])
    del broken["id"]

    answer = await post(api, broken)

    pointers = {error["pointer"] for error in answer.json["errors"]}
    assert answer.status == 400
    assert {"/specversion", "/id", "/type", "/time", "/data"} <= pointers
    assert all(error["rule"].startswith(("SOH-", "CE")) for error in answer.json["errors"])
    assert events(api.bridge) == ()


@pytest.mark.parametrize("value", ["NaN", "-Infinity", '"\\udead"', "1e999", "9" * 400])
@pytest.mark.rule("SOH-28", "SOH-143")
async def test_what_json_cannot_hold_is_a_refusal_and_no_failure(api: Api, value: str) -> None:
    body = json.dumps(an_event()).replace('"data": {', f'"data": {{"x": {value}, ', 1)

    answer = await api.call("POST", "/v1/events", as_=POLICE.stem, data=body.encode(), headers=STRUCTURED)

    assert (answer.status, answer.json["errors"][0]["rule"]) == (400, "SOH-28")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/cloudevents-batch+json", 415),
        ("application/cloudevents+avro", 415),
        ("application/cloudevents+xml", 415),
        ("text/plain", 415),
        ("application/json", 400),
    ],
)
@pytest.mark.rule("SOH-100", "SOH-104", "SOH-152")
async def test_what_is_no_single_event_in_json_is_refused(api: Api, content_type: str, status: int) -> None:
    answer = await post(api, an_event(), **{"Content-Type": content_type})

    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.rule("SOH-101")
async def test_a_datacontenttype_header_is_refused(api: Api) -> None:
    headers = {f"ce-{n}": v for n, v in an_event().items() if n != "data"}
    headers |= {"ce-datacontenttype": "application/json", "Content-Type": "application/json"}

    answer = await api.call("POST", "/events", as_=POLICE.stem, data=b"{}", headers=headers)

    assert answer.status == 400


async def test_a_compressed_body_is_refused(api: Api) -> None:
    answer = await post(api, an_event(), **{"Content-Encoding": "gzip"})

    assert answer.status == 415


async def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    answer = await post(api, an_event(data={"x": "x" * (300 * 1024)}))

    assert (answer.status, answer.json["status"]) == (413, 413)


@pytest.mark.rule("SOH-111")
async def test_without_a_certificate_401_with_a_wrong_one_403(api: Api) -> None:
    nobody = await post(api, an_event(), as_=None)
    stranger = await post(api, an_event(), as_=STRANGER.stem)

    assert (nobody.status, stranger.status) == (401, 403)
    assert "WWW-Authenticate" in nobody.headers


async def test_nobody_offers_events_in_the_name_of_another(api: Api) -> None:
    answer = await post(api, an_event(source=f"urn:nld:oin:{STRANGER.oin}:systeem:x"))

    assert answer.status == 403
    assert events(api.bridge) == ()


@pytest.mark.rule("SOH-110")
async def test_a_token_in_the_address_is_refused(api: Api) -> None:
    answer = await api.call(
        "POST",
        "/events?access_token=geheim",
        as_=POLICE.stem,
        data=json.dumps(an_event()),
        headers=STRUCTURED,
    )

    assert answer.status == 401
    assert b"geheim" not in answer.body


@pytest.mark.rule("SOH-108")
async def test_above_the_rate_the_answer_is_429_with_the_time_to_wait(start: OpenApi) -> None:
    senders = [{"oin": POLICE.oin}]
    async with start(api_listener={"senders": senders, "events_per_minute": 1}) as api:
        first, second = await post(api, an_event()), await post(api, an_event())

    assert (first.status, second.status) == (202, 429)
    assert int(second.headers["Retry-After"]) == 60


async def test_the_store_that_is_away_gives_503_and_nothing_is_accepted(api: Api) -> None:
    api.bridge.store.close()

    answer = await post(api, an_event())

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0


# -- handshake --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "given"), [({}, "600"), ({"WebHook-Request-Rate": "120"}, "120")])
@pytest.mark.rule("SOH-106")
async def test_an_origin_on_the_list_gets_consent(start: OpenApi, asked: dict[str, str], given: str) -> None:
    async with start(api_listener={"webhook_origins": ["hub.example.nl"]}) as api:
        answer = await api.call(
            "OPTIONS", "/events", headers={"WebHook-Request-Origin": "hub.example.nl", **asked}
        )

    assert answer.headers["WebHook-Allowed-Origin"] == "hub.example.nl"
    assert answer.headers["WebHook-Allowed-Rate"] == given
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("headers", [{}, {"WebHook-Request-Origin": "evil.example"}])
@pytest.mark.rule("SOH-106")
async def test_others_get_no_consent(api: Api, headers: dict[str, str]) -> None:
    answer = await api.call("OPTIONS", "/events", headers=headers)

    assert "POST" in answer.headers["Allow"]
    assert not [name for name in answer.headers if name.lower().startswith("webhook")]


@pytest.mark.rule("SOH-107")
async def test_a_callback_is_never_called(start: OpenApi) -> None:
    called: list[bytes] = []

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(b"called")
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with start(api_listener={"webhook_origins": ["hub.example.nl"]}) as api:
        await api.call(
            "OPTIONS",
            "/events",
            headers={
                "WebHook-Request-Origin": "hub.example.nl",
                "WebHook-Request-Callback": f"http://127.0.0.1:{port}/confirm",
            },
        )
        await api.get("/health")
    server.close()

    assert called == []


# -- following --------------------------------------------------------------------------------------------------


async def _status(api: Api, id: str, *, as_: str = POLICE.stem) -> Answer:
    return await api.get(f"/status/{id}", as_=as_)


def _set(api: Api, id: str, state: EventState, *messages: MessageState) -> None:
    def work(tx: Any) -> None:
        event = find_event(tx, SOURCE, id)
        assert event is not None
        set_event_state(tx, event.key, state, at=api.clock(), reason="een interne reden")
        for number, message in enumerate(messages):
            add_message(tx, _message(api, event, number, message))

    api.bridge.store.write_sync(work)


def _message(api: Api, event: Event, number: int, state: MessageState) -> Message:
    return Message(
        key=Key(str(api.bridge.new_key())),
        exchange=event.exchange,
        direction=Direction.OUT,
        kind="business",
        message_id=MessageId(f"{number}@brug.example"),
        conversation_id=ConversationId("c"),
        cpa_id=CpaId("cpa"),
        from_party=BRIDGE.oin,
        to_party=POLICE.oin,
        service="s",
        action="a",
        state=state,
        at=api.clock(),
        changed_at=api.clock(),
    )


@pytest.mark.parametrize(
    ("state", "messages", "status", "fault"),
    [
        (EventState.RECEIVED, (), "IN_PROGRESS", None),
        (EventState.COMPOSED, (MessageState.WAITING,), "IN_PROGRESS", None),
        (EventState.COMPOSED, (MessageState.ACKNOWLEDGED, MessageState.CREATED), "IN_PROGRESS", None),
        (EventState.COMPOSED, (MessageState.ACKNOWLEDGED, MessageState.DELIVERED), "OK", None),
        (EventState.UNMATCHED, (), "OK", None),
        (EventState.COMPOSED, (MessageState.ACKNOWLEDGED, MessageState.FAILED), "ERROR", "TECHNISCH"),
        (EventState.COMPOSED, (MessageState.EXPIRED,), "ERROR", "TECHNISCH"),
        (EventState.EXPIRED, (), "ERROR", "TECHNISCH"),
        (EventState.QUARANTINED, (), "ERROR", "FUNCTIONEEL"),
    ],
)
@pytest.mark.rule("SOH-96")
async def test_the_status_is_what_became_of_the_event(
    api: Api, state: EventState, messages: tuple[MessageState, ...], status: str, fault: str | None
) -> None:
    members = an_event()
    await post(api, members)
    _set(api, members["id"], state, *messages)

    answer = await _status(api, members["id"])

    assert (answer.json["interactieId"], answer.json["status"]) == (members["id"], status)
    assert answer.json.get("resultaat", {}).get("typeFout") == fault
    assert b"interne" not in answer.body


@pytest.mark.rule("SOH-96")
async def test_an_unknown_interaction_is_a_problem(api: Api) -> None:
    answer = await _status(api, "onbekend")

    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.rule("SOH-97")
async def test_the_status_is_told_to_the_offering_party_only(api: Api) -> None:
    members = an_event()
    await post(api, members)

    mine, other = await _status(api, members["id"]), await _status(api, members["id"], as_=HUB.stem)
    absent = await _status(api, "onbekend", as_=HUB.stem)

    assert (mine.status, other.status) == (200, 404)
    assert other.body == absent.body


@pytest.mark.rule("SOH-137")
async def test_a_mapped_answer_of_the_partner_is_where_the_result_is(api: Api) -> None:
    members = an_event()
    await post(api, members)
    _set(api, members["id"], EventState.COMPOSED, MessageState.ACKNOWLEDGED)
    keep(api.bridge, id="22222222-0c40-5cf1-9d51-3f1b2a6c7d8e", body={"identificatie": "A"})

    def work(tx: Any) -> None:
        event = find_event(tx, SOURCE, members["id"])
        assert event is not None
        sent = _message(api, event, 0, MessageState.ACKNOWLEDGED)
        answer = replace(
            sent,
            key=Key(str(api.bridge.new_key())),
            exchange=_exchange_of(tx),
            direction=Direction.IN,
            message_id=MessageId("antwoord@politie.example"),
            ref_to_message_id=sent.message_id,
            from_party=POLICE.oin,
            to_party=BRIDGE.oin,
            state=MessageState.MAPPED,
        )
        add_message(tx, answer)

    api.bridge.store.write_sync(work)

    answer = await _status(api, members["id"])

    url = "https://brug.example.nl/inzage/melding/22222222-0c40-5cf1-9d51-3f1b2a6c7d8e"
    assert answer.json["resultaat"] == {"inzageUrl": url}


def _exchange_of(tx: Any) -> Key:
    head = find_head(tx, "melding", "22222222-0c40-5cf1-9d51-3f1b2a6c7d8e")
    assert head is not None
    return head.exchange


@pytest.mark.rule("SOH-153")
def test_plain_http_cannot_be_configured_outside_loopback() -> None:
    with pytest.raises(ValueError, match="SOH-153"):
        ApiListener(host="0.0.0.0")
