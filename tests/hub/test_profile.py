"""The three modes of the profile: what is refused, what is flagged, what passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import ConfigError, EventRejected
from bridge.hub.cncf import Level
from bridge.hub.event import Event
from bridge.hub.eventtypes import DEFAULT_TYPES
from bridge.hub.profile import (
    Mode,
    Profile,
    accept_http,
    accept_structured,
    check_event,
    default_profile,
    source_of,
)
from bridge.hub.registry import FLAT_OUTCOME, SchemaRegistry

PROFILE = default_profile()


def changed(event: Event, **attributes: Any) -> Event:
    merged = {**event.attributes, **attributes}
    return replace(event, attributes={name: value for name, value in merged.items() if value is not None})


def errors(event: Event, mode: Mode = Mode.PUBLISH, profile: Profile = PROFILE) -> set[tuple[str, str]]:
    found = check_event(event, mode, profile=profile)
    return {(finding.rule, finding.where) for finding in found if finding.level is Level.ERROR}


def warnings(event: Event, mode: Mode = Mode.PUBLISH, profile: Profile = PROFILE) -> set[str]:
    found = check_event(event, mode, profile=profile)
    return {finding.rule for finding in found if finding.level is Level.WARNING}


@pytest.mark.rule("SOH-01", "SOH-46", "SOH-61")
@pytest.mark.parametrize("mode", list(Mode))
def test_a_good_event_has_no_findings(outcome_event: Event, mode: Mode) -> None:
    assert check_event(outcome_event, mode, profile=PROFILE) == ()


@pytest.mark.rule("SOH-10")
@pytest.mark.parametrize(
    "name",
    [
        "Uitwisselen-melding.melding-ingezien",
        "a.b.c",
        "nl.overheid.iets.gemeld",
        "uitwisselen-melding.melding-ingezien.v1",
        "uitwisselen-melding.melding-ingezien-v2",
        "uitwisselen-melding.",
        ".x",
        "a--b.c",
        "geen-punt",
    ],
)
def test_a_type_of_another_form_is_refused(outcome_event: Event, name: str) -> None:
    assert ("SOH-10", "/type") in errors(changed(outcome_event, type=name))
    assert ("SOH-10", "/type") in errors(changed(outcome_event, type=name), Mode.RECEIVE)
    assert errors(changed(outcome_event, type=name), Mode.CNCF) == set()


@pytest.mark.rule("SOH-11", "SOH-12")
def test_an_unlisted_type_is_not_published_and_only_flagged_on_arrival(outcome_event: Event) -> None:
    event = changed(outcome_event, type="een-functie.iets-gebeurd")
    assert ("SOH-11", "/type") in errors(event)
    assert errors(event, Mode.RECEIVE) == set()
    assert "SOH-12" in warnings(event, Mode.RECEIVE)


@pytest.mark.rule("SOH-13")
@pytest.mark.parametrize("mode", [Mode.PUBLISH, Mode.RECEIVE])
def test_an_event_without_time_is_refused(outcome_event: Event, mode: Mode) -> None:
    assert errors(changed(outcome_event, time=None), mode) == {("SOH-13", "/time")}


@pytest.mark.rule("SOH-15")
@pytest.mark.parametrize("time", ["2026-01-10T13:00:00+01:00", "2026-01-10T12:00:00-00:01"])
def test_a_time_that_is_not_utc_is_refused(outcome_event: Event, time: str) -> None:
    assert errors(changed(outcome_event, time=time)) == {("SOH-15", "/time")}
    assert errors(changed(outcome_event, time=time), Mode.CNCF) == set()


@pytest.mark.rule("SOH-15")
def test_offset_zero_in_figures_is_utc(outcome_event: Event) -> None:
    assert errors(changed(outcome_event, time="2026-01-10T12:00:00+00:00")) == set()


@pytest.mark.rule("SOH-03", "SOH-08")
def test_another_id_or_source_form_is_only_warned_of(outcome_event: Event) -> None:
    event = changed(outcome_event, id="event-12345", source="urn:organisatie:voorbeeld")
    assert errors(event, Mode.RECEIVE) == set()
    assert {"SOH-03", "SOH-08"} <= warnings(event, Mode.RECEIVE)


@pytest.mark.rule("SOH-09")
def test_a_source_that_is_the_inzage_url_is_refused(outcome_event: Event, graph: dict[str, Any]) -> None:
    url = graph["@graph"][0]["soh:inzageUrl"]
    assert ("SOH-09", "/source") in errors(changed(outcome_event, source=url))


@pytest.mark.rule("SOH-18")
def test_a_graph_is_declared_as_json_ld(outcome_event: Event) -> None:
    assert errors(changed(outcome_event, datacontenttype="application/json")) == {
        ("SOH-18", "/datacontenttype")
    }


@pytest.mark.rule("SOH-20")
def test_a_graph_may_not_claim_the_flat_schema(outcome_event: Event) -> None:
    found = errors(changed(outcome_event, dataschema=FLAT_OUTCOME))
    assert ("SOH-20", "/data/datumPublicatie") in found


@pytest.mark.rule("SOH-20")
def test_data_under_an_unknown_schema_is_not_judged(outcome_event: Event) -> None:
    assert errors(changed(outcome_event, dataschema="https://elders.example/schema")) == set()


@pytest.mark.rule("SOH-87", "SOH-20")
def test_a_schema_that_is_handed_in_is_used(outcome_event: Event) -> None:
    registry = SchemaRegistry({"https://x.example/s": lambda _data: ("/@graph",)})
    event = changed(outcome_event, dataschema="https://x.example/s")
    assert errors(event, profile=Profile(schemas=registry)) == {("SOH-20", "/data/@graph")}


@pytest.mark.rule("SOH-21")
def test_a_subject_that_is_the_event_id_is_refused(outcome_event: Event) -> None:
    assert ("SOH-21", "/subject") in errors(changed(outcome_event, subject=outcome_event.id))


@pytest.mark.rule("SOH-21")
def test_an_event_about_one_object_has_a_subject(outcome_event: Event) -> None:
    assert errors(changed(outcome_event, subject=None)) == {("SOH-21", "/subject")}


@pytest.mark.rule("SOH-22")
def test_the_subject_of_an_outcome_is_its_entity(outcome_event: Event) -> None:
    assert errors(changed(outcome_event, subject="casusoverleg/1")) == {("SOH-22", "/subject")}


@pytest.mark.rule("SOH-23")
@pytest.mark.parametrize("data", [None, [], "x", 1, True])
@pytest.mark.parametrize("mode", [Mode.PUBLISH, Mode.RECEIVE])
def test_data_that_is_no_object_is_refused(outcome_event: Event, data: Any, mode: Mode) -> None:
    assert ("SOH-23", "/data") in errors(replace(outcome_event, data=data), mode)


@pytest.mark.rule("SOH-23")
def test_octets_are_refused(outcome_event: Event) -> None:
    event = Event(attributes=outcome_event.attributes, data_base64=b"x")
    assert ("SOH-23", "/data_base64") in errors(event)


@pytest.mark.rule("SOH-32", "SOH-33")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "melding/999990019"),
        ("subject", "bsn999990019"),
        ("source", "urn:nld:bsn:9999.90.019"),
        ("kenmerk", "x%39999990019".replace("%39999990019", "%39" + "99990019")),
        ("dataref", "https://x.example/?bsn=999990019"),
        ("nummer", 999990019),
        ("sequence", "999990019"),
    ],
)
def test_a_bsn_in_an_attribute_is_never_published_and_flagged_on_arrival(
    outcome_event: Event, name: str, value: Any
) -> None:
    event = changed(outcome_event, **{name: value})
    assert ("SOH-32", f"/{name}") in errors(event)
    assert "SOH-33" in warnings(event, Mode.RECEIVE)
    texts = [finding.text for finding in check_event(event, Mode.RECEIVE, profile=PROFILE)]
    assert not any("999990019" in text for text in texts)


@pytest.mark.rule("SOH-32")
def test_a_bsn_in_an_address_in_the_data_is_refused(outcome_event: Event, graph: dict[str, Any]) -> None:
    graph["@graph"][0]["soh:inzageUrl"] = "https://x.example/inzage/999990019"
    event = replace(outcome_event, data=graph)
    assert ("SOH-32", "/data/@graph/0/soh:inzageUrl") in errors(event)


@pytest.mark.rule("SOH-32")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "99999001-9999-4900-8999-999990019000"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"),
        ("recordedtime", "2026-01-10T12:00:01.999990019Z"),
        ("sequence", "000000012"),
        ("zaak", "123456789"),
        ("oin", "00000001234567890000"),
    ],
)
def test_technical_digits_are_no_bsn(outcome_event: Event, name: str, value: str) -> None:
    assert "SOH-32" not in {rule for rule, _ in errors(changed(outcome_event, **{name: value}))}


@pytest.mark.rule("SOH-34")
def test_an_event_too_large_for_the_wire_is_not_published(outcome_event: Event) -> None:
    event = changed(outcome_event, tracestate="x" * 70_000)
    assert errors(event) == {("SOH-34", "")}
    assert errors(event, Mode.RECEIVE) == set()


@pytest.mark.rule("SOH-39")
def test_a_traceparent_of_another_form_is_not_published(outcome_event: Event) -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    assert errors(changed(outcome_event, traceparent=good)) == set()
    assert errors(changed(outcome_event, traceparent="abc")) == {("SOH-39", "/traceparent")}


@pytest.mark.rule("SOH-43")
def test_an_expiry_before_the_fact_is_warned_of(outcome_event: Event) -> None:
    assert "SOH-43" in warnings(changed(outcome_event, expirytime="2026-01-09T00:00:00Z"))


@pytest.mark.rule("SOH-44")
def test_an_unknown_level_is_not_published(outcome_event: Event) -> None:
    assert errors(changed(outcome_event, informatieniveau="full")) == set()
    assert errors(changed(outcome_event, informatieniveau="hoog")) == {("SOH-44", "/informatieniveau")}


def test_a_level_of_a_rule_can_be_set() -> None:
    profile = Profile(levels={"SOH-15": Level.WARNING, "SOH-13": "off"})
    event = Event(
        attributes={"specversion": "1.0", "id": "1", "source": "s", "type": "beheer.gezondheid-gemeld"},
        data={},
    )
    assert errors(event, profile=profile) == set()
    assert "SOH-15" in warnings(changed(event, time="2026-01-10T13:00:00+01:00"), profile=profile)


@pytest.mark.rule("SOH-08")
@pytest.mark.parametrize(
    "settings",
    [
        {"source_template": "urn:nld:systeem:{naam}"},
        {"source_template": "urn:nld:oin:{oin}:{zaak}"},
        {"max_publish": 70_000},
        {"max_receive": 1000},
        {"levels": {"SOH-01": "off"}},
    ],
)
def test_a_wrong_setting_is_refused_at_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Profile(**settings)


@pytest.mark.rule("SOH-07", "SOH-08")
@pytest.mark.parametrize(
    ("template", "source"),
    [
        ("urn:nld:oin:{oin}:systeem:{naam}", "urn:nld:oin:00000001234567890000:systeem:zaak-systeem-1"),
        ("/oin/{oin}/systeem/{naam}", "/oin/00000001234567890000/systeem/zaak-systeem-1"),
    ],
)
def test_the_source_names_organisation_and_system(outcome_event: Event, template: str, source: str) -> None:
    made = source_of(Profile(source_template=template), oin="00000001234567890000", system="Zaak Systeem (1)")
    assert made == source
    assert errors(changed(outcome_event, source=made)) == set()


@pytest.mark.rule("SOH-11", "SOH-63")
def test_the_list_holds_the_published_types_and_those_of_the_relay_messages() -> None:
    names = {kind.type for kind in DEFAULT_TYPES}
    assert {
        "uitwisselen-uitkomst-overleg.uitkomst-beschikbaar-gesteld",
        "uitwisselen-uitkomst-overleg.uitkomst-ingezien",
        "uitwisselen-melding.melding-geregistreerd",
        "uitwisselen-melding.melding-ingezien",
        "uitwisselen-melding.melding-opgepakt",
        "uitwisselen-melding.melding-afgewezen",
        "uitwisselen-melding.uitkomst-melding-beschikbaar-gesteld",
        "bepalen-bekendheid-en-verrijking.bekendheid-gevraagd",
        "bepalen-bekendheid-en-verrijking.bekendheid-vastgesteld",
        "bepalen-bekendheid-en-verrijking.casusinformatie-gevraagd",
        "bepalen-bekendheid-en-verrijking.casusinformatie-beschikbaar-gesteld",
        "opstellen-analyse-en-advies.onderzoek-verzocht",
        "opstellen-analyse-en-advies.onderzoek-voortgang-gemeld",
        "opstellen-analyse-en-advies.onderzoek-uitkomst-beschikbaar-gesteld",
        "uitvoeren-actie.jeugdreclassering-gestart",
    } <= names


def test_every_lookup_has_a_type_of_the_list() -> None:
    assert all(PROFILE.find_type(name) for name in PROFILE.lookups.values())


@pytest.mark.rule("SOH-105")
def test_faults_of_reading_and_of_the_profile_are_told_together(structured: Any) -> None:
    body = structured(id="", time="2026-01-10T13:00:00+01:00", type="A", data=[], source="a b")
    with pytest.raises(EventRejected) as caught:
        accept_structured(body, Mode.RECEIVE, profile=PROFILE)
    assert {(fault.rule, fault.where) for fault in caught.value.broken} == {
        ("SOH-02", "/id"),
        ("SOH-06", "/source"),
        ("SOH-10", "/type"),
        ("SOH-15", "/time"),
        ("SOH-23", "/data"),
    }


def test_an_accepted_request_gives_the_event_and_its_warnings(structured: Any) -> None:
    headers = [("Content-Type", "application/cloudevents+json")]
    body = structured(id="no-uuid", type="een-functie.iets-gebeurd")
    event, findings = accept_http(headers, body, "receive", profile=PROFILE)
    assert event.id == "no-uuid"
    assert {finding.rule for finding in findings} >= {"SOH-03", "SOH-12"}
