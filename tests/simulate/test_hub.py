"""The simulated hub keeps the hub's contract; the schemas here are this test's own words for it."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from bridge.simulate.hub import Hub
from bridge.simulate.hub_faults import FaultKind, Where
from bridge.simulate.settings import HubSettings, Tls, VeiligThuis
from bridge.simulate.tls import client_context

VEILIG_THUIS = "00000001444444440000"
WITHIN = 10
BATCH = "application/cloudevents-batch+json"

ACCEPTED = {
    "type": "object",
    "required": ["interactieId"],
    "properties": {"interactieId": {"type": "string"}},
}
STATUS = {
    "oneOf": [
        {
            "required": ["interactieId", "status"],
            "properties": {"interactieId": {"type": "string"}, "status": {"enum": ["OK", "IN_PROGRESS"]}},
        },
        {
            "required": ["interactieId", "status", "resultaat"],
            "properties": {
                "interactieId": {"type": "string"},
                "status": {"const": "ERROR"},
                "resultaat": {
                    "type": "object",
                    "required": ["fout", "typeFout"],
                    "properties": {
                        "fout": {"type": "string"},
                        "typeFout": {"enum": ["FUNCTIONEEL", "TECHNISCH"]},
                        "info": {"type": "object"},
                    },
                },
            },
        },
    ]
}


class Client:
    """A participant of the hub, over two-sided TLS."""

    def __init__(self, session: aiohttp.ClientSession, hub: Hub) -> None:
        self._session, self._hub = session, hub

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self._session.request(method, self._hub.url + path, **options) as response:
            body = await response.read()
            return response.status, response.headers, json.loads(body) if body else None

    async def offer(self, event: dict[str, Any] | bytes, **headers: str) -> tuple[int, Any, Any]:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        head = {"Content-Type": "application/cloudevents+json", **headers}
        return await self.call("POST", "/events", data=body, headers=head)

    async def status(self, event_id: str) -> Any:
        return (await self.call("GET", f"/status/{event_id}"))[2]

    async def pull(self, **asked: Any) -> tuple[int, Any, Any]:
        _, _, made = await self.call("POST", "/queries", json=asked)
        return await self.call("GET", f"/queries/{made['requestId']}")


@pytest.fixture
def settings(tls: Callable[[str], Tls]) -> HubSettings:
    return HubSettings(tls=tls("hub"), in_progress=0)


@pytest.fixture
async def start(tls: Callable[[str], Tls]) -> AsyncIterator[Callable[[HubSettings], Any]]:
    async with AsyncExitStack() as stack:
        own = tls("melder")
        context = client_context(certificate=own.certificate, key=own.key, trust=own.trust)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
        )

        async def make(settings: HubSettings) -> tuple[Hub, Client]:
            hub = Hub(settings)
            await hub.start()
            stack.push_async_callback(hub.stop)
            return hub, Client(session, hub)

        yield make


def make_event(**other: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "urn:nld:oin:00000001111111110000:systeem:bridge",
        "type": "uitwisselen-melding.melding-geregistreerd",
        "time": "2026-11-20T10:00:00Z",
        "subject": "melding/1",
        "data": {"bsn": "999900092", "leeftijd": 7},
        **other,
    }


async def test_offered_event_is_accepted_with_its_own_id(start, settings):
    _, client = await start(settings)
    event = make_event()

    status, headers, body = await client.offer(event)

    jsonschema.validate(body, ACCEPTED)
    assert (status, headers["Content-Type"].partition(";")[0]) == (202, "application/json")
    assert body == {"interactieId": event["id"]}


async def test_repeated_offer_gets_the_same_answer_and_is_counted(start, settings):
    hub, client = await start(settings)
    event = make_event()

    answers = [(await client.offer(event))[2] for _ in range(3)]

    assert answers == [{"interactieId": event["id"]}] * 3
    assert [(o.id, o.count, o.altered) for o in hub.events] == [(event["id"], 3, 0)]


async def test_repeated_offer_with_other_octets_is_noticed(start, settings):
    hub, client = await start(settings)
    event = make_event()

    await client.offer(event)
    await client.offer({**event, "subject": "melding/2"})

    assert (hub.events[0].altered, hub.events[0].event["subject"]) == (1, "melding/1")


async def test_offer_remembers_whose_certificate_it_came_with(start, settings):
    hub, client = await start(settings)

    await client.offer(make_event())

    assert hub.events[0].offered_by == "00000001111111110000"


@pytest.mark.parametrize("member", ["specversion", "id", "source", "type", "time", "data"])
async def test_event_without_required_member_is_refused(start, settings, member):
    hub, client = await start(settings)
    event = make_event()
    del event[member]

    status, headers, body = await client.offer(event)

    assert (status, headers["Content-Type"].partition(";")[0]) == (400, "application/problem+json")
    assert member in body["detail"]
    assert hub.events == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"time": "gisteren"},
        {"time": "2026-11-20T10:00:00"},
        {"data": "tekst"},
        {"data": None},
        {"subject": ""},
    ],
    ids=str,
)
async def test_event_with_wrong_member_is_refused(start, settings, wrong):
    _, client = await start(settings)

    status, _, _ = await client.offer(make_event(**wrong))

    assert status == 400


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"id": 1, "id": 2}', b'{"id": NaN}', b"\xff", b"[" * 100_000], ids=range(7)
)
async def test_body_that_is_no_event_is_refused(start, settings, body):
    _, client = await start(settings)

    status, _, _ = await client.offer(body)

    assert status in (400, 413)


async def test_other_content_type_is_refused(start, settings):
    _, client = await start(settings)

    status, _, _ = await client.offer(make_event(), **{"Content-Type": "application/json"})

    assert status == 415


async def test_event_over_64_kib_is_refused(start, settings):
    _, client = await start(settings)

    status, _, _ = await client.offer(make_event(data={"x": "y" * 65536}))

    assert status == 413


async def test_status_is_in_progress_as_often_as_set_and_then_ok(start, settings):
    _, client = await start(replace(settings, in_progress=2))
    event = make_event()
    await client.offer(event)

    answers = [await client.status(event["id"]) for _ in range(4)]

    for answer in answers:
        jsonschema.validate(answer, STATUS)
    assert [a["status"] for a in answers] == ["IN_PROGRESS", "IN_PROGRESS", "OK", "OK"]


@pytest.mark.parametrize("kind", ["FUNCTIONEEL", "TECHNISCH"])
async def test_event_that_a_rule_rejects_ends_in_error_and_is_not_pullable(start, settings, kind):
    hub, client = await start(settings)
    hub.reject("uitwisselen-melding.*", type_fout=kind)
    event = make_event()
    await client.offer(event)

    answer = await client.status(event["id"])

    jsonschema.validate(answer, STATUS)
    assert (answer["status"], answer["resultaat"]["typeFout"]) == ("ERROR", kind)
    assert hub.stream == []


async def test_rule_that_holds_once_lets_the_next_event_through(start, settings):
    hub, client = await start(settings)
    hub.reject("*", type_fout="TECHNISCH", times=1)
    events = [make_event(), make_event()]

    for event in events:
        await client.offer(event)

    assert [(await client.status(e["id"]))["status"] for e in events] == ["ERROR", "OK"]


async def test_status_of_unknown_interaction_is_404(start, settings):
    _, client = await start(settings)

    status, _, _ = await client.call("GET", "/status/onbekend")

    assert status == 404


async def test_status_can_be_made_never_to_become_ok(start, settings):
    hub, client = await start(settings)
    hub.conduct.never_ok = True
    event = make_event()
    await client.offer(event)

    answers = {(await client.status(event["id"]))["status"] for _ in range(5)}

    assert answers == {"IN_PROGRESS"}


@pytest.mark.parametrize("retry_after", ["7", "Fri, 20 Nov 2026 10:00:00 GMT"])
@pytest.mark.parametrize("code", [429, 500, 503])
async def test_refusal_by_status_takes_nothing_and_heals(start, settings, code, retry_after):
    hub, client = await start(settings)
    hub.fail(FaultKind.STATUS, status=code, retry_after=retry_after)
    event = make_event()

    status, headers, _ = await client.offer(event)

    assert (status, headers["Retry-After"], len(hub.events)) == (code, retry_after, 0)
    assert (await client.offer(event))[0] == 202


async def test_lost_answer_takes_the_event_and_breaks_the_connection(start, settings):
    hub, client = await start(settings)
    hub.fail(FaultKind.LOST)
    event = make_event()

    with pytest.raises(aiohttp.ClientError):
        await client.offer(event)

    assert [o.id for o in hub.events] == [event["id"]]
    assert (await client.status(event["id"]))["status"] == "OK"


async def test_garbage_is_no_json(start, settings):
    hub, client = await start(settings)
    hub.fail(FaultKind.GARBAGE)

    with pytest.raises(json.JSONDecodeError):
        await client.offer(make_event())


async def test_answer_can_name_another_interaction(start, settings):
    hub, client = await start(settings)
    hub.fail(FaultKind.OTHER_ID)
    event = make_event()

    _, _, body = await client.offer(event)

    jsonschema.validate(body, ACCEPTED)
    assert body["interactieId"] != event["id"]


async def test_fault_hits_only_its_own_contract(start, settings):
    hub, client = await start(settings)
    hub.fail(FaultKind.STATUS, where=Where.STATUS)
    event = make_event()

    offered, _, _ = await client.offer(event)
    followed, _, _ = await client.call("GET", f"/status/{event['id']}")

    assert (offered, followed) == (202, 503)


async def test_slow_hub_makes_the_client_give_up(start, settings):
    hub, client = await start(settings)
    hub.fail(FaultKind.SLOW, seconds=60)

    with pytest.raises(TimeoutError):
        await client.call("POST", "/events", data=b"", timeout=aiohttp.ClientTimeout(total=0.05))


async def test_token_is_needed_where_it_is_set(start, settings):
    _, client = await start(replace(settings, token="geheim"))

    without, headers, _ = await client.offer(make_event())
    having, _, _ = await client.offer(make_event(), Authorization="Bearer geheim")

    assert (without, headers["WWW-Authenticate"], having) == (401, "Bearer", 202)


async def test_client_without_certificate_does_not_get_in(start, settings, tls):
    hub, _ = await start(settings)
    own = tls("melder")
    context = client_context(certificate=own.certificate, key=own.key, trust=own.trust)
    bare = type(context)(context.protocol)
    bare.load_verify_locations(own.trust)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=bare)) as session:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.get(f"{hub.url}/status/x")


async def test_query_is_answered_in_two_steps(start, settings):
    hub, client = await start(settings)
    hub.conduct.query_in_progress = 1
    event = make_event()
    await client.offer(event)

    status, headers, made = await client.call("POST", "/queries", json={"types": ["uitwisselen-melding.*"]})
    waiting, _, progress = await client.call("GET", f"/queries/{made['requestId']}")
    ready, result_headers, batch = await client.call("GET", f"/queries/{made['requestId']}")

    assert (status, headers["Location"]) == (202, f"{hub.url}/queries/{made['requestId']}")
    assert (waiting, progress["status"]) == (202, "IN_PROGRESS")
    assert (ready, result_headers["Content-Type"].partition(";")[0], batch) == (200, BATCH, [event])


async def test_cursor_brings_every_event_once_in_order(start, settings):
    _, client = await start(replace(settings, batch_size=2))
    events = [make_event() for _ in range(5)]
    for event in events:
        await client.offer(event)

    pulled, cursor, more = [], "0", True
    while more:
        _, headers, batch = await client.pull(cursor=cursor)
        pulled += batch
        cursor, more = headers["Next-Cursor"], "Link" in headers

    assert pulled == events
    assert (await client.pull(cursor=cursor))[2] == []


async def test_next_link_goes_on_where_the_batch_ended(start, settings):
    hub, client = await start(replace(settings, batch_size=1))
    events = [make_event(), make_event()]
    for event in events:
        await client.offer(event)

    _, headers, first = await client.pull()
    path = headers["Link"].partition(">")[0].removeprefix(f"<{hub.url}")

    assert (first, (await client.call("GET", path))[2]) == (events[:1], events[1:])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"types": ["uitwisselen-melding.melding-geregistreerd"]}, 1),
        ({"types": ["uitvoeren-actie.*"]}, 0),
        ({"subjects": ["melding/1"]}, 1),
        ({"subjects": ["melding/2"]}, 0),
        ({"sources": ["urn:elders"]}, 0),
        ({"burgerservicenummer": "999900092"}, 1),
        ({"burgerservicenummer": "999900109"}, 0),
        ({"vanaf": "2000-01-01T00:00:00Z", "tot": "2999-01-01T00:00:00Z"}, 1),
        ({"tot": "2000-01-01T00:00:00Z"}, 0),
    ],
    ids=str,
)
async def test_query_finds_what_it_asks(start, settings, asked, found):
    _, client = await start(settings)
    await client.offer(make_event())

    _, _, batch = await client.pull(**asked)

    assert len(batch) == found


@pytest.mark.parametrize(
    "asked",
    [{"soort": 1}, {"types": "x"}, {"types": [1]}, {"vanaf": "nu"}, {"cursor": "-1"}, {"maxAantal": True}],
    ids=str,
)
async def test_query_against_the_contract_is_refused(start, settings, asked):
    _, client = await start(settings)

    status, _, _ = await client.call("POST", "/queries", json=asked)

    assert status == 400


async def test_unknown_request_id_is_404(start, settings):
    _, client = await start(settings)

    status, _, _ = await client.call("GET", "/queries/onbekend")

    assert status == 404


async def test_veilig_thuis_takes_up_a_registered_report(start, settings):
    veilig_thuis = VeiligThuis(oin=VEILIG_THUIS, delay=timedelta(0))
    hub, client = await start(replace(settings, veilig_thuis=veilig_thuis))
    event = make_event(correlationid="gesprek-1")

    await client.offer(event)

    answer = (await hub.wait_stream(2, WITHIN))[1].event
    assert answer["type"] == "uitwisselen-melding.melding-opgepakt"
    assert answer["source"] == f"urn:nld:oin:{VEILIG_THUIS}:systeem:dossier"
    assert [answer[name] for name in ("subject", "correlationid", "causationid")] == [
        "melding/1",
        "gesprek-1",
        event["id"],
    ]


async def test_what_veilig_thuis_did_is_told_in_prov(start, settings):
    veilig_thuis = VeiligThuis(oin=VEILIG_THUIS, delay=timedelta(0))
    hub, client = await start(replace(settings, veilig_thuis=veilig_thuis))
    known = {"@graph": [{"@id": "urn:melding:1", "@type": ["prov:Entity", "soh:Melding"]}]}

    await client.offer(make_event(data=known))

    data = (await hub.wait_stream(2, WITHIN))[1].event["data"]
    entity, activity, agent = data["@graph"]
    assert (data["opgepaktDoor"], entity["@id"]) == (VEILIG_THUIS, "urn:melding:1")
    assert (activity["prov:used"], activity["prov:wasAssociatedWith"]) == (
        {"@id": entity["@id"]},
        {"@id": agent["@id"]},
    )
    assert (agent["soh:identifier"], agent["soh:naam"]) == (VEILIG_THUIS, "Veilig Thuis (test)")


async def test_veilig_thuis_takes_up_a_repeated_offer_once(start, settings):
    veilig_thuis = VeiligThuis(oin=VEILIG_THUIS, delay=timedelta(0))
    hub, client = await start(replace(settings, veilig_thuis=veilig_thuis))
    event = make_event()

    await client.offer(event)
    await hub.wait_stream(2, WITHIN)
    await client.offer(event)
    await client.offer(make_event(type="uitvoeren-actie.actie-uitgezet"))

    assert [s.event["type"].partition(".")[2] for s in hub.stream] == [
        "melding-geregistreerd",
        "melding-opgepakt",
        "actie-uitgezet",
    ]


async def test_events_and_counts_survive_in_the_journal(start, settings, journal: Path):
    hub, client = await start(replace(settings, journal=journal))
    event = make_event()
    await client.offer(event)
    await client.offer(event)
    hub.publish(make_event(source="urn:elders"))
    await hub.stop()

    again, _ = await start(replace(settings, journal=journal))

    assert [(o.id, o.count) for o in again.events] == [(event["id"], 2)]
    assert [s.event["source"] for s in again.stream] == [event["source"], "urn:elders"]


async def test_veilig_thuis_does_after_a_restart_what_it_still_owed(start, settings, journal: Path):
    late = replace(
        settings, journal=journal, veilig_thuis=VeiligThuis(oin=VEILIG_THUIS, delay=timedelta(days=1))
    )
    hub, client = await start(late)
    await client.offer(make_event())
    await hub.stop()

    again, _ = await start(replace(late, veilig_thuis=VeiligThuis(oin=VEILIG_THUIS, delay=timedelta(0))))

    assert len(await again.wait_stream(2, WITHIN)) == 2


async def test_control_endpoint_sets_faults_and_tells_counts(start, settings):
    hub, client = await start(replace(settings, control_port=0))
    event = make_event()

    async with aiohttp.ClientSession() as session:

        async def do(**asked: Any) -> Any:
            async with session.post(hub.addresses["control"], json=asked) as response:
                return (await response.json()).get("answer")

        await do(do="fail", kind="status", status=429)
        refused, _, _ = await client.offer(event)
        await do(do="reject", event_type="*", type_fout="TECHNISCH")
        await client.offer(event)
        told = await do(do="events")

    assert refused == 429
    assert [(e["id"], e["count"]) for e in told] == [(event["id"], 1)]
    assert (await client.status(event["id"]))["status"] == "ERROR"


async def test_waiting_for_events_ends_when_they_are_there(start, settings):
    hub, client = await start(settings)
    await client.offer(make_event(time=datetime.now(UTC).isoformat()))

    assert len(await hub.wait_events(1, WITHIN)) == 1
