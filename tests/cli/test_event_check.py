"""`bridge event check`: CloudEvents from files, judged in three modes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.cli.event_check import check_file, checked_document
from bridge.hub.event import make_event, write_structured
from bridge.hub.profile import Mode, default_profile
from bridge.hub.prov import activity_node, agent_node, entity_node, person_node, write_graph

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
OIN = "00000001234567890000"
ENTITY = "urn:uitkomst-overleg:6f1d2a34-0000-5000-8000-000000000001"
ACTIVITY = "urn:uuid:6f1d2a34-0000-5000-8000-000000000002"
PERSON = "urn:uuid:6f1d2a34-0000-5000-8000-000000000003"

Check = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def event() -> dict[str, Any]:
    """The members of an event that no rule has anything to say about."""
    graph = write_graph(
        [
            agent_node(oin=OIN, name="Gemeente Voorbeeld"),
            activity_node(
                id=ACTIVITY, type="soh:BeschikbaarStellenUitkomst", associated_with=f"urn:nld:oin:{OIN}"
            ),
            person_node(id=PERSON, bsn="999990019"),
            entity_node(
                id=ENTITY,
                type="soh:UitkomstOverleg",
                generated_by=ACTIVITY,
                concerns=[PERSON],
                available_at=NOW,
                inzage_url="https://bron.example/inzage/uitkomst-overleg/6f1d2a34-0000-5000-8000-000000000001",
            ),
        ]
    )
    made = make_event(
        id="0b2f1f6e-3f0e-4f57-9f0e-3f1d2c3b4a59",
        source=f"urn:nld:oin:{OIN}:systeem:zaaksysteem",
        type="uitwisselen-uitkomst-overleg.uitkomst-beschikbaar-gesteld",
        subject=ENTITY,
        time=NOW,
        data=graph,
        extensions={"correlationid": "c-1", "recordedtime": "2026-01-10T12:00:01Z"},
    )
    return dict(json.loads(write_structured(made)))


@pytest.fixture
def check(judge: Any, tmp_path: Path) -> Check:
    """The documents about these octets; `code` is the expected exit code."""

    def run(
        octets: bytes | Any, *options: str, name: str = "event.json", code: int = 0
    ) -> list[dict[str, Any]]:
        file = tmp_path / name
        file.write_bytes(octets if isinstance(octets, bytes) else json.dumps(octets).encode())
        assert judge.run("event", "check", str(file), "--json", *options) == code, judge.out + judge.err
        return list(judge.documents())

    return run


def test_good_event_is_accepted_in_every_mode(event: dict[str, Any], check: Check, tmp_path: Path) -> None:
    for mode in ("cncf", "publish", "receive"):
        (found,) = check(event, "--as", mode)
        assert found == {"input": str(tmp_path / "event.json"), "accepted": True, "findings": []}


def test_every_broken_rule_is_told_with_its_id_and_place(event: dict[str, Any], check: Check) -> None:
    del event["id"]
    event["time"] = "yesterday"
    (found,) = check(event, code=1)
    assert found["accepted"] is False
    assert {"/id", "/time"} <= {finding["where"] for finding in found["findings"]}
    assert all(
        set(finding) == {"rule", "level", "where", "text"} and finding["rule"]
        for finding in found["findings"]
    )


def test_core_mode_knows_nothing_of_the_hub(check: Check) -> None:
    plain = {"specversion": "1.0", "id": "1", "source": "/a", "type": "b"}
    assert check(plain, "--as", "cncf")[0]["accepted"] is True
    assert check(plain, "--as", "publish", code=1)[0]["accepted"] is False


def test_warning_does_not_refuse(event: dict[str, Any], check: Check) -> None:
    event["type"] = "uitwisselen-onbekends.iets-gebeurd"
    (found,) = check(event, "--as", "receive")
    assert found["findings"]
    assert all(finding["level"] == "warning" for finding in found["findings"])


@pytest.mark.rule("SOH-104")
def test_members_of_a_batch_are_judged_one_by_one(event: dict[str, Any], check: Check) -> None:
    bad = {name: value for name, value in event.items() if name != "source"}
    (found,) = check([event, bad, 7], code=1)
    assert found["accepted"] is False
    assert [(one["index"], one["accepted"]) for one in found["events"]] == [(0, True), (1, False), (2, False)]
    assert {one["where"] for one in found["findings"]} == {"/1/source", "/2"}


def test_doubled_member_refuses_its_own_event_alone(event: dict[str, Any], check: Check) -> None:
    good = json.dumps(event)
    doubled = good[:-1] + ', "id": "again"}'
    (found,) = check(f"[{good},{doubled}]".encode(), code=1)
    assert [one["accepted"] for one in found["events"]] == [True, False]
    assert found["findings"][0]["where"] == "/1/id"


@pytest.mark.rule("SOH-104")
def test_events_of_a_batch_have_one_specversion(event: dict[str, Any], check: Check) -> None:
    (found,) = check([event, event | {"specversion": "0.3"}], "--as", "cncf", code=1)
    assert found["accepted"] is False
    assert found["findings"][0]["rule"] == "SOH-104"


@pytest.mark.rule("SOH-84")
def test_empty_batch_is_accepted(check: Check) -> None:
    (found,) = check([])
    assert (found["accepted"], found["findings"], found["events"]) == (True, [], [])


def test_each_file_has_one_document_in_the_order_given(
    event: dict[str, Any], judge: Any, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for file, content in zip(files, (event, [event, event], {}), strict=True):
        file.write_text(json.dumps(content))
    assert judge.run("event", "check", *map(str, files), "--json") == 1
    found = [(one["input"], one["accepted"]) for one in judge.documents()]
    assert found == [(str(files[0]), True), (str(files[1]), True), (str(files[2]), False)]


def test_structured_http_request_is_read(event: dict[str, Any], check: Check) -> None:
    head = b"POST /events HTTP/1.1\r\nContent-Type: application/cloudevents+json; charset=utf-8\r\n\r\n"
    (found,) = check(head + json.dumps(event).encode(), name="event.http")
    assert found["accepted"] is True


def test_binary_http_request_is_read(event: dict[str, Any], check: Check) -> None:
    data = json.dumps(event.pop("data")).encode()
    media = event.pop("datacontenttype")
    lines = [f"ce-{name}: {value}" for name, value in event.items()]
    head = "\r\n".join(["POST /events HTTP/1.1", f"Content-Type: {media}", *lines, "", ""])
    (found,) = check(head.encode() + data, name="event.http")
    assert found["findings"] == []


def test_pushed_batch_is_refused_but_legal_for_the_core(event: dict[str, Any], check: Check) -> None:
    raw = b"Content-Type: application/cloudevents-batch+json\r\n\r\n" + json.dumps([event]).encode()
    assert check(raw, "--as", "receive", name="b.http", code=1)[0]["findings"][0]["rule"] == "SOH-104"
    assert check(raw, "--as", "cncf", name="b.http")[0]["events"] == [{"index": 0, "accepted": True}]


@pytest.mark.rule("SOH-104")
def test_batch_that_answers_a_pull_is_read(event: dict[str, Any], check: Check) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/cloudevents-batch+json\r\n\r\n"
    assert check(head + json.dumps([event]).encode(), "--as", "receive", name="b.http")[0]["accepted"] is True


@pytest.mark.rule("SOH-100")
def test_batch_in_another_format_is_refused_in_every_mode(check: Check) -> None:
    raw = b"POST / HTTP/1.1\r\nContent-Type: application/cloudevents-batch+avro\r\n\r\n[]"
    for mode in ("cncf", "publish", "receive"):
        assert check(raw, "--as", mode, name="b.http", code=1)[0]["findings"][0]["rule"] == "SOH-100"


@pytest.mark.rule("SOH-102")
@pytest.mark.parametrize(("value", "code"), [(b"Euro %e2%82%ac", 0), ("\u20ac".encode(), 0), (b"\xff", 1)])
def test_header_octets_are_utf8(event: dict[str, Any], check: Check, value: bytes, code: int) -> None:
    body = json.dumps(event.pop("data")).encode()
    lines = [f"ce-{name}: {text}".encode() for name, text in event.items() if name != "datacontenttype"]
    head = [b"POST /events HTTP/1.1", b"Content-Type: application/ld+json", *lines, b"ce-foo: " + value, b""]
    for end in (b"\r\n", b"\n"):
        (found,) = check(end.join([*head, body]), name="e.http", code=code)
        assert found["findings"] == [] or found["findings"][0]["rule"] == "SOH-102"


@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b'"text"', b"\xff\xfe", b"[[[", b"{}", b"nothing", b'{"a": NaN}', b'{"a": "\\ud800"}'],
)
@pytest.mark.parametrize("name", ["event.json", "event.http"])
def test_what_is_no_event_is_not_accepted(check: Check, octets: bytes, name: str) -> None:
    (found,) = check(octets, name=name, code=1)
    assert found["accepted"] is False
    assert found["findings"]


@pytest.mark.rule("SOH-35")
def test_event_above_the_limit_is_refused(event: dict[str, Any], check: Check) -> None:
    event["foo"] = "a" * 300_000
    for octets in (event, [event]):
        assert check(octets, "--as", "receive", code=1)[0]["findings"][0]["rule"] == "SOH-35"
        assert check(octets, "--as", "publish", code=1)[0]["findings"][0]["rule"] == "SOH-34"
        assert check(octets, "--as", "cncf")[0]["accepted"] is True


def test_data_is_never_printed(event: dict[str, Any], judge: Any, tmp_path: Path) -> None:
    event["subject"] = "999990019"
    (tmp_path / "e.json").write_text(json.dumps(event))
    assert judge.run("event", "check", str(tmp_path / "e.json"), "--json") == 1
    assert "999990019" not in judge.out + judge.err
    assert judge.run("event", "check", str(tmp_path / "e.json")) == 1
    assert "999990019" not in judge.out + judge.err


def test_text_names_file_verdict_and_rules(judge: Any, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text("{}")
    assert judge.run("event", "check", str(tmp_path / "e.json")) == 1
    assert "not accepted" in judge.out
    assert "SOH-" in judge.out


def test_unknown_mode_is_wrong_use(judge: Any, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text("{}")
    assert judge.run("event", "check", str(tmp_path / "e.json"), "--as", "hub") == 2


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=400), name=st.sampled_from(["a.json", "a.http", "a.txt"]))
def test_any_octets_end_in_documents(tmp_path: Path, octets: bytes, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(octets)
    json.dumps(checked_document(check_file(file, Mode.PUBLISH, default_profile())))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    )
)
def test_any_json_ends_in_documents(tmp_path: Path, value: Any) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(value))
    json.dumps(checked_document(check_file(file, Mode.RECEIVE, default_profile())))


SETTINGS = """
[hub]
base_url = "https://hub.example"
[hub.registry]
url = "{registry}"
[identifiers]
namespace = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
person_key_file = "person.key"
[[own_parties]]
name = "Brug"
party_id = "00000001999990044000"
certificate = "own.pem"
key = "own.key"
"""


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry on loopback with one schema, `/schemas/nooit`, that no data satisfies."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/schemas/nooit" else 404)
            self.end_headers()
            self.wfile.write(b'{"not": {}}')

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/schemas"
        server.shutdown()
        thread.join()


@pytest.mark.rule("SOH-87", "SOH-20")
def test_with_settings_a_schema_is_fetched_from_the_registry_and_judged_by(
    event: dict[str, Any], check: Check, tmp_path: Path, registry: str
) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(SETTINGS.format(registry=registry))

    (found,) = check(
        event | {"dataschema": f"{registry}/nooit"}, "--as", "receive", "--config", str(config), code=1
    )

    assert [finding["rule"] for finding in found["findings"]] == ["SOH-20"]


@pytest.mark.rule("SOH-87")
def test_a_schema_that_the_registry_does_not_give_is_told_and_refuses_nothing(
    event: dict[str, Any], check: Check, tmp_path: Path, registry: str
) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(SETTINGS.format(registry=registry))

    (found,) = check(event | {"dataschema": f"{registry}/weg"}, "--config", str(config))

    assert [(finding["rule"], finding["level"]) for finding in found["findings"]] == [("SOH-87", "warning")]
