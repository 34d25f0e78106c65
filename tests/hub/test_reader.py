"""The strict reader, in its three modes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import EventRejected
from bridge.hub.cncf import Level, check_core
from bridge.hub.event import ABSENT, Event, write_batch, write_binary, write_structured
from bridge.hub.reader import Limits, MemberRejected, read_batch, read_http, read_structured

STRUCTURED = [("Content-Type", "application/cloudevents+json; charset=utf-8")]


def rules_of(caught: pytest.ExceptionInfo[EventRejected]) -> set[tuple[str, str]]:
    return {(fault.rule, fault.where) for fault in caught.value.broken}


def binary(**headers: str) -> list[tuple[str, str]]:
    base = {"specversion": "1.0", "id": "e-1", "source": "/s", "type": "a.b"}
    return [(f"ce-{name}", value) for name, value in {**base, **headers}.items()]


BAD_ATTRIBUTES = [
    ("specversion", ..., "SOH-01"),
    ("specversion", "0.3", "SOH-01"),
    ("specversion", "1.0.2", "SOH-01"),
    ("specversion", 1.0, "SOH-25"),
    ("specversion", 1, "SOH-01"),
    ("id", ..., "SOH-02"),
    ("id", "", "SOH-02"),
    ("id", 7, "SOH-25"),
    ("id", None, "SOH-02"),
    ("source", ..., "SOH-06"),
    ("source", "", "SOH-06"),
    ("source", "a b", "SOH-06"),
    ("source", "urn:nld:%4", "SOH-06"),
    ("type", ..., "SOH-10"),
    ("type", "", "SOH-10"),
    ("time", "2026-01-10", "SOH-14"),
    ("time", "2026-01-10T12:00:00", "SOH-14"),
    ("time", "20260110T120000Z", "SOH-14"),
    ("time", "2026-W02-6T12:00:00Z", "SOH-14"),
    ("time", "2026-01-10T12:00:00,5Z", "SOH-14"),
    ("time", "2026-01-10T24:00:00Z", "SOH-14"),
    ("time", "2026-01-10T12:00Z", "SOH-14"),
    ("time", "2026-02-30T12:00:00Z", "SOH-14"),
    ("time", "", "SOH-14"),
    ("datacontenttype", "json", "SOH-18"),
    ("datacontenttype", "application/", "SOH-18"),
    ("dataschema", "", "SOH-19"),
    ("dataschema", "schema/1", "SOH-19"),
    ("subject", "", "SOH-21"),
    ("correlationId", "x", "SOH-24"),
    ("trace-parent", "x", "SOH-24"),
    ("foo_bar", "x", "SOH-24"),
    ("", "x", "SOH-24"),
    ("foo", 1.5, "SOH-25"),
    ("foo", 2147483648, "SOH-25"),
    ("foo", -2147483649, "SOH-25"),
    ("foo", {}, "SOH-25"),
    ("foo", [], "SOH-25"),
    ("foo", "a\u0007", "SOH-25"),
    ("foo", "a\ufffe", "SOH-25"),
    ("foo", "\udead", "SOH-25"),
    ("correlationid", "", "SOH-38"),
    ("causationid", "", "SOH-38"),
    ("traceparent", "", "SOH-38"),
    ("sequence", "", "SOH-38"),
    ("partitionkey", "", "SOH-38"),
    ("datacategory", "", "SOH-38"),
    ("dataref", "a b", "SOH-40"),
    ("expirytime", "tomorrow", "SOH-42"),
    ("recordedtime", "2026-01-10", "SOH-42"),
    ("data_base64", "AAAA", "SOH-29"),
]


@pytest.mark.rule(
    *("SOH-01", "SOH-02", "SOH-06", "SOH-14", "SOH-18", "SOH-19", "SOH-21", "SOH-24", "SOH-25"),
    *("SOH-29", "SOH-38", "SOH-40", "SOH-42"),
)
@pytest.mark.parametrize(("name", "value", "rule"), BAD_ATTRIBUTES)
def test_a_broken_attribute_is_refused_with_its_rule_and_pointer(
    structured: Any, name: str, value: Any, rule: str
) -> None:
    with pytest.raises(EventRejected) as caught:
        read_structured(structured(**{name: value}))
    assert (rule, f"/{name}") in rules_of(caught)


@pytest.mark.rule("SOH-06", "SOH-25", "SOH-14")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", "/oin/00000001234567890000/systeem/zaak"),
        ("source", "urn:nld:oin:00000001234567890000"),
        ("source", "urn:organisatie:voorbeeld"),
        ("foo", 2147483647),
        ("foo", -2147483648),
        ("foo", True),
        ("time", "2026-01-10t12:00:00.123456789z"),
        ("time", "2026-01-10T12:00:00+01:00"),
        ("time", "2016-12-31T23:59:60Z"),
    ],
)
def test_a_good_attribute_is_kept_as_it_is(structured: Any, name: str, value: Any) -> None:
    assert read_structured(structured(**{name: value})).attributes[name] == value


@pytest.mark.rule("SOH-24")
def test_a_long_name_and_a_leading_digit_are_only_warned_of(structured: Any) -> None:
    event = read_structured(structured(**{"a" * 21: "x", "1a": "x"}))
    assert {(f.rule, f.level) for f in check_core(event)} == {("SOH-24", Level.WARNING)}
    assert len(check_core(event)) == 2


@pytest.mark.rule("SOH-26")
def test_null_is_absent(structured: Any) -> None:
    event = read_structured(structured(subject=None, foo=None))
    assert event.subject is None
    assert "subject" not in event.attributes and "foo" not in event.attributes


@pytest.mark.rule("SOH-27")
def test_a_doubled_member_is_refused() -> None:
    body = b'{"specversion":"1.0","id":"a","id":"b","source":"/s","type":"a.b"}'
    with pytest.raises(EventRejected) as caught:
        read_structured(body)
    assert rules_of(caught) == {("SOH-27", "/id")}


@pytest.mark.rule("SOH-105")
def test_all_faults_are_told_at_once(structured: Any) -> None:
    body = structured(specversion="0.3", id="", source="a b", time="nu", foo=[])
    with pytest.raises(EventRejected) as caught:
        read_structured(body)
    assert rules_of(caught) == {
        ("SOH-01", "/specversion"),
        ("SOH-02", "/id"),
        ("SOH-06", "/source"),
        ("SOH-14", "/time"),
        ("SOH-25", "/foo"),
    }


def test_no_value_of_the_event_stands_in_the_text_of_a_refusal(structured: Any) -> None:
    with pytest.raises(EventRejected) as caught:
        read_structured(structured(time="Jan Jansen", source="Jan Jansen", **{"999990019-x": 1}))
    assert "Jansen" not in str(caught.value) and "999990019" not in str(caught.value)


@pytest.mark.rule("SOH-28")
@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null"])
def test_an_event_is_an_object(body: bytes) -> None:
    with pytest.raises(EventRejected) as caught:
        read_structured(body)
    assert rules_of(caught) == {("SOH-28", "")}


@pytest.mark.rule("SOH-29")
@pytest.mark.parametrize("encoded", ["@@@@", "AAA", "AA AA", "AA=A", "é", 1])
def test_base64_with_anything_foreign_in_it_is_refused(structured: Any, encoded: Any) -> None:
    with pytest.raises(EventRejected) as caught:
        read_structured(structured(data=..., data_base64=encoded))
    assert rules_of(caught) == {("SOH-29", "/data_base64")}


@pytest.mark.rule("SOH-29")
def test_a_null_payload_and_octets_exclude_each_other(structured: Any) -> None:
    with pytest.raises(EventRejected):
        read_structured(structured(data=None, data_base64="AAAA"))


def test_octets_are_decoded(structured: Any) -> None:
    assert read_structured(structured(data=..., data_base64="AAEC")).data_base64 == b"\x00\x01\x02"


def test_a_null_payload_is_not_the_same_as_none(structured: Any) -> None:
    assert read_structured(structured(data=None)).data is None
    assert read_structured(structured(data=...)).data is ABSENT


@pytest.mark.rule("SOH-30")
@pytest.mark.parametrize("value", ["tekst", '{"a":1}', 7, 1.5, [1, "x"], None, True, {"a": None}])
@pytest.mark.parametrize("media", [None, "application/json", "Application/LD+JSON; Charset=UTF-8"])
def test_json_data_survives_structured_binary_structured(
    structured: Any, value: Any, media: str | None
) -> None:
    first = read_structured(structured(data=value, **({"datacontenttype": media} if media else {})))
    headers, body = write_binary(first)
    second = read_http(headers, body)
    assert second.data == value and type(second.data) is type(value)
    assert read_structured(write_structured(second)).data == value


@pytest.mark.rule("SOH-31")
def test_unknown_extensions_and_the_exact_time_survive(structured: Any) -> None:
    body = structured(time="2026-01-10T12:00:00.123456789Z", zoiets="Übung %", nog=42, aan=True)
    again = json.loads(write_structured(read_structured(body)))
    assert again == json.loads(body)


@pytest.mark.rule("SOH-35")
def test_the_limit_is_exact(structured: Any) -> None:
    body = structured()
    assert read_structured(body, limits=Limits(event=len(body)))
    with pytest.raises(EventRejected) as caught:
        read_structured(body, limits=Limits(event=len(body) - 1))
    assert caught.value.status == 413


# HTTP modes


@pytest.mark.rule("SOH-98", "SOH-99")
def test_structured_mode_wins_over_ce_headers(structured: Any) -> None:
    headers = [("CONTENT-TYPE", "Application/CloudEvents+JSON"), ("ce-id", "another")]
    assert read_http(headers, structured(id="from-body")).id == "from-body"


@pytest.mark.rule("SOH-98")
def test_binary_mode_takes_attributes_from_headers_and_data_from_the_body() -> None:
    event = read_http([*binary(subject="s"), ("Content-Type", "application/json")], b'{"a":1}')
    assert (event.subject, event.datacontenttype, event.data) == ("s", "application/json", {"a": 1})


def test_binary_mode_without_media_type_guesses_nothing() -> None:
    event = read_http(binary(), b'{"a":1}')
    assert event.data_base64 == b'{"a":1}' and event.datacontenttype is None


@pytest.mark.rule("SOH-99")
def test_plain_json_without_ce_headers_is_no_event(structured: Any) -> None:
    with pytest.raises(EventRejected) as caught:
        read_http([("Content-Type", "application/json")], structured())
    assert rules_of(caught) == {("SOH-99", "Content-Type")} and caught.value.status == 400


@pytest.mark.rule("SOH-100", "SOH-104")
@pytest.mark.parametrize(
    "media",
    [
        "application/cloudevents+avro",
        "application/cloudevents+xml",
        "application/cloudevents",
        "application/cloudevents+json; charset=latin1",
        "application/cloudevents-batch+json",
        "APPLICATION/CloudEvents-Batch+json",
        "text/html",
    ],
)
def test_a_format_that_is_never_taken_is_415(media: str) -> None:
    with pytest.raises(EventRejected) as caught:
        read_http([("Content-Type", media)], b"[]")
    assert caught.value.status == 415


def test_two_content_types_are_refused(structured: Any) -> None:
    with pytest.raises(EventRejected):
        read_http([*STRUCTURED, ("content-type", "text/plain")], structured())


@pytest.mark.rule("SOH-101")
def test_ce_datacontenttype_is_refused() -> None:
    with pytest.raises(EventRejected) as caught:
        read_http(binary(datacontenttype="text/plain"), b"x")
    assert rules_of(caught) == {("SOH-101", "/datacontenttype")}


@pytest.mark.rule("SOH-101")
def test_a_body_that_claims_json_and_is_not_is_refused() -> None:
    with pytest.raises(EventRejected) as caught:
        read_http([*binary(), ("Content-Type", "application/ld+json")], b"{no")
    assert rules_of(caught) == {("SOH-101", "/data")}


@pytest.mark.rule("SOH-27")
def test_doubled_ce_headers_are_refused() -> None:
    with pytest.raises(EventRejected) as caught:
        read_http([*binary(), ("CE-ID", "e-2")], b"")
    assert rules_of(caught) == {("SOH-27", "/id")}


@pytest.mark.rule("SOH-02")
def test_no_id_is_invented_in_binary_mode() -> None:
    with pytest.raises(EventRejected) as caught:
        read_http([header for header in binary() if header[0] != "ce-id"], b"")
    assert rules_of(caught) == {("SOH-02", "/id")}


@pytest.mark.rule("SOH-102")
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Euro%20%e2%82%ac", "Euro €"),
        ('"met \\"quotes\\" en %25"', 'met "quotes" en %'),
        ("%41bc", "Abc"),
        ("  plain\t", "plain"),
        ("%2525", "%25"),
        ("\udce2\udc82\udcac", "€"),
    ],
)
def test_header_values_are_unquoted_and_decoded_once(raw: str, text: str) -> None:
    assert read_http(binary(subject=raw), b"").subject == text


@pytest.mark.rule("SOH-102")
@pytest.mark.parametrize("raw", ["%C0%A0", "%ff", "50%", "%zz", '"open', '"a\\'])
def test_broken_header_values_are_refused(raw: str) -> None:
    with pytest.raises(EventRejected) as caught:
        read_http(binary(subject=raw), b"")
    assert rules_of(caught) == {("SOH-102", "/subject")}


@pytest.mark.rule("SOH-103")
def test_header_values_are_encoded_as_the_binding_says(structured: Any) -> None:
    event = read_structured(structured(subject='Euro € 😀 "100%" a:/b', aan=True, uit=False, n=-3))
    headers, _ = write_binary(event)
    assert dict(headers) | {"x": ""} == {
        **dict(headers),
        "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22100%25%22%20a:/b",
        "ce-aan": "true",
        "ce-uit": "false",
        "ce-n": "-3",
        "content-type": "application/json",
        "x": "",
    }
    assert read_http(headers, b"{}").subject == event.subject


# Batches


@pytest.mark.rule("SOH-83")
def test_an_invalid_member_does_not_spoil_the_batch(structured: Any) -> None:
    members = [structured(id=str(i)) for i in range(5)]
    members[1] = b'{"specversion":"1.0","id":"x","id":"y","source":"s","type":"t"}'
    members[2] = b'{"id":"no more","data":NaN}'
    members[3] = b"17"
    read = read_batch(b"[" + b",".join(members[:2]) + b"," + members[3] + b"," + members[4] + b"]")
    assert [type(one) for one in read] == [Event, MemberRejected, MemberRejected, Event]
    assert isinstance(read[1], EventRejected) and read[1].broken[0].where == "/1/id"


@pytest.mark.rule("SOH-83")
def test_a_member_that_is_set_aside_keeps_its_octets() -> None:
    first, second = read_batch(b'[{"id":"\\udead","data":NaN},17]')
    assert isinstance(first, MemberRejected) and first.octets == b'{"id": "\\udead", "data": NaN}'
    assert isinstance(second, MemberRejected) and second.octets == b"17"
    assert "udead" not in str(first)


@pytest.mark.rule("SOH-84")
def test_an_empty_batch_is_a_batch() -> None:
    assert read_batch(b"[]") == ()


@pytest.mark.rule("SOH-104")
def test_mixed_versions_are_refused(structured: Any) -> None:
    with pytest.raises(EventRejected) as caught:
        read_batch(b"[" + structured() + b"," + structured(specversion="0.3") + b"]")
    assert rules_of(caught) == {("SOH-104", "")}


def test_one_member_that_is_too_large_is_set_aside(structured: Any) -> None:
    large = structured(data={"a": "x" * 1000})
    read = read_batch(b"[" + large + b"," + structured() + b"]", limits=Limits(event=500))
    assert isinstance(read[0], EventRejected) and read[0].status == 413 and isinstance(read[1], Event)


def test_a_written_batch_is_read_back(outcome_event: Event) -> None:
    assert read_batch(write_batch([outcome_event, outcome_event])) == (outcome_event, outcome_event)


# Properties

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=10).filter(lambda n: n != "data")
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=[chr(0xFFFE), chr(0xFFFF)]), min_size=1
).filter(lambda text: not any(ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in text))
CORE = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
RESERVED = CORE | {"dataref", "expirytime", "recordedtime", "correlationid", "causationid", "sequence"}
EVENTS = st.builds(
    lambda id, subject, extensions, data: Event(
        attributes={
            "specversion": "1.0",
            "id": id,
            "source": "urn:nld:oin:1",
            "type": "a.b",
            "subject": subject,
            "datacontenttype": "application/json",
            **{name: value for name, value in extensions.items() if name not in RESERVED},
        },
        data=data,
    ),
    TEXTS.map(str.strip).filter(bool),
    TEXTS.map(str.strip).filter(bool),
    st.dictionaries(NAMES, st.booleans() | st.integers(-(2**31), 2**31 - 1) | TEXTS, max_size=5),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.none(), max_size=3),
)


@given(EVENTS)
@pytest.mark.rule("SOH-31")
def test_any_event_is_read_back_from_structured_mode(event: Event) -> None:
    assert read_structured(write_structured(event), limits=Limits(event=10**7)) == event


@given(EVENTS)
@pytest.mark.rule("SOH-98")
def test_any_event_survives_binary_mode_as_texts(event: Event) -> None:
    headers, body = write_binary(event)
    texts = {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in event.attributes.items()
    }
    again = read_http(headers, body)
    assert dict(again.attributes) == texts and again.data == event.data


JSON_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
MEMBERS = st.dictionaries(
    st.sampled_from(sorted(CORE | {"data", "data_base64", "foo", "fooBar", "sequence"}))
    | st.text(max_size=5),
    JSON_SCALARS
    | st.lists(JSON_SCALARS, max_size=2)
    | st.sampled_from(["1.0", "a.b", "2026-01-10T12:00:00Z"]),
)


@given(MEMBERS)
def test_what_the_reader_lets_pass_the_core_rules_let_pass(members: dict[str, Any]) -> None:
    try:
        event = read_structured(json.dumps(members).encode())
    except EventRejected as rejected:
        assert rejected.broken
    else:
        assert not [finding for finding in check_core(event) if finding.level is Level.ERROR]
        assert {"specversion", "id", "source", "type"} <= set(event.attributes)


HEADER_NAMES = st.sampled_from(
    ["ce-id", "ce-source", "ce-type", "ce-specversion", "content-type", "ce-x", "CE-id"]
)
HEADER_VALUES = st.sampled_from(["1.0", "a", "application/json", "text/plain", "%C3", '"'])


@given(
    st.lists(st.tuples(HEADER_NAMES, st.text(max_size=8) | HEADER_VALUES), max_size=8), st.binary(max_size=20)
)
def test_any_request_ends_in_an_event_or_a_refusal(headers: list[tuple[str, str]], body: bytes) -> None:
    try:
        event = read_http(headers, body)
    except EventRejected as rejected:
        assert rejected.broken and rejected.status in (400, 413, 415)
    else:
        assert event.id
