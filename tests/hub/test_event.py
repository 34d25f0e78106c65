"""Events as values and as octets; what we write, an independent library reads."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from bridge.hub.event import Event, make_event, offer_again, write_binary, write_structured, write_time
from bridge.hub.profile import Mode, check_event, default_profile


@pytest.mark.rule("SOH-01", "SOH-15")
def test_a_made_event_has_its_attributes_in_one_order(outcome_event: Event) -> None:
    assert list(json.loads(write_structured(outcome_event))) == [
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype"),
        *("correlationid", "recordedtime", "data"),
    ]
    assert outcome_event.attributes["specversion"] == "1.0" and outcome_event.time == "2026-01-10T12:00:00Z"


def test_equal_events_give_equal_octets(outcome_event: Event) -> None:
    assert write_structured(outcome_event) == write_structured(replace(outcome_event))


def test_the_cloudevents_library_reads_what_we_write(outcome_event: Event) -> None:
    read: Any = JSONFormat().read(CloudEvent, write_structured(outcome_event))
    assert (read.get_id(), read.get_subject(), read.get_data()) == (
        outcome_event.id,
        outcome_event.subject,
        outcome_event.data,
    )
    headers, body = write_binary(outcome_event)
    read = http.from_binary(http.HTTPMessage(dict(headers), body), JSONFormat(), CloudEvent)
    assert read.get_data() == outcome_event.data and read.get_extension("correlationid") == "c-1"


@pytest.mark.rule("SOH-15")
def test_a_local_moment_is_written_in_utc() -> None:
    local = datetime(2026, 7, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    assert write_time(local) == "2026-07-01T12:30:00Z"
    assert write_time(datetime(2026, 1, 1, 0, 0, 0, 1500, tzinfo=UTC)) == "2026-01-01T00:00:00.001500Z"


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        write_time(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("name", ["id", "time", "data"])
def test_an_extension_cannot_take_the_name_of_a_core_attribute(name: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match=name):
        make_event(id="1", source="s", type="a.b", subject=None, time=now, data={}, extensions={name: "x"})


def test_an_event_cannot_be_changed(outcome_event: Event) -> None:
    with pytest.raises(TypeError):
        outcome_event.attributes["id"] = "x"  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        outcome_event.data = {}  # type: ignore[misc]


def test_data_and_octets_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="never stand together"):
        Event(attributes={}, data=None, data_base64=b"")


@pytest.mark.rule("SOH-04", "SOH-66")
def test_a_new_offer_has_a_new_id_and_names_the_old_one(outcome_event: Event) -> None:
    again = offer_again(outcome_event, id="9d3a3a6e-5a41-4b67-8c1c-1f1a2b3c4d5e")
    assert (again.id, again.extension("causationid")) == (
        "9d3a3a6e-5a41-4b67-8c1c-1f1a2b3c4d5e",
        outcome_event.id,
    )
    assert again.data == outcome_event.data and again.extension("correlationid") == "c-1"
    assert check_event(again, Mode.PUBLISH, profile=default_profile()) == ()


def test_neither_text_nor_representation_shows_the_data(outcome_event: Event) -> None:
    assert "999990019" not in f"{outcome_event} {outcome_event!r}"
